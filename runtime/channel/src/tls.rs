//! TLS over blocking TCP, cut into a reading and a writing half that each own a connection.
//!
//! TLS 1.3 only, both ends authenticated, no session resumption (it would skip the pinned certificate). After the
//! handshake each connection carries data one way, so that neither half ever waits for the other's lock or window.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection, version::TLS13};
use zeroize::Zeroize;

use crate::crypto::crypto;
use crate::frame::{HEADER_BYTES, RECORD_BYTES};
use crate::identity::Identity;
use crate::pinning::PinnedVerifier;

const ALPN: &[u8] = b"mpcc/1";
/// Records that are encrypted and handed to the socket at a time.
const BATCH_RECORDS: usize = 16;
const READ_BUFFER_BYTES: usize = 256 * 1024;

pub(crate) fn client_config(identity: &Identity, verifier: Arc<PinnedVerifier>) -> Result<Arc<ClientConfig>, Error> {
    let mut config = ClientConfig::builder_with_provider(crypto())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified().clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

pub(crate) fn server_config(identity: &Identity, verifier: Arc<PinnedVerifier>) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(crypto())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified().clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

pub(crate) fn client(config: Arc<ClientConfig>) -> Result<Connection, Error> {
    let name = ServerName::try_from("party.mpcc.invalid").map_err(|e| Error::General(e.to_string()))?;
    ClientConnection::new(config, name).map(Connection::Client)
}

pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Connection, Error> {
    ServerConnection::new(config).map(Connection::Server)
}

/// Bytes that went through one socket.
#[derive(Debug, Default)]
pub(crate) struct SocketBytes {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// A TCP stream that counts its bytes and can give up at a fixed moment.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    bytes: Arc<SocketBytes>,
    deadline: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, deadline: Instant) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        Ok(Socket { stream, bytes: Arc::default(), deadline: Some(deadline) })
    }

    pub(crate) fn bytes(&self) -> Arc<SocketBytes> {
        Arc::clone(&self.bytes)
    }

    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// A handle by which another thread can end the connection.
    pub(crate) fn breaker(&self) -> io::Result<Breaker> {
        self.stream.try_clone().map(Breaker)
    }

    /// Ends the connection without the reset that would overtake an alert just sent.
    fn leave_slowly(&mut self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        let patience = Instant::now() + PATIENCE;
        self.deadline = Some(self.deadline.map_or(patience, |deadline| deadline.min(patience)));
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            while self.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
        }
    }

    fn remaining(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            remaining => Ok(Some(remaining)),
        }
    }

    fn end_deadline(&mut self, read_timeout: Option<Duration>) -> io::Result<()> {
        self.deadline = None;
        self.stream.set_read_timeout(read_timeout)?;
        self.stream.set_write_timeout(None)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(remaining) = self.remaining()? {
            self.stream.set_read_timeout(Some(remaining))?;
        }
        let read = self.stream.read(buffer)?;
        self.bytes.received.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Socket {
    fn counted(&self, written: usize) -> usize {
        self.bytes.sent.fetch_add(written as u64, Ordering::Relaxed);
        written
    }

    fn prepare_write(&self) -> io::Result<()> {
        match self.remaining()? {
            Some(remaining) => self.stream.set_write_timeout(Some(remaining)),
            None => Ok(()),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.prepare_write()?;
        self.stream.write(buffer).map(|written| self.counted(written))
    }

    fn write_vectored(&mut self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.prepare_write()?;
        self.stream.write_vectored(buffers).map(|written| self.counted(written))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Ends a connection from another thread; pending reads and writes return.
#[derive(Debug)]
pub(crate) struct Breaker(TcpStream);

impl Breaker {
    pub(crate) fn break_off(&self) {
        // It fails only when the connection has ended already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection before its halves are put to work.
pub(crate) struct TlsStream {
    pub(crate) connection: Connection,
    pub(crate) socket: Socket,
}

impl TlsStream {
    /// Runs the TLS handshake. An [`io::Error`] wraps a [`rustls::Error`] when TLS itself failed.
    pub(crate) fn handshake(mut connection: Connection, mut socket: Socket) -> io::Result<TlsStream> {
        connection.set_buffer_limit(None);
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut socket) {
                socket.leave_slowly();
                return Err(error);
            }
        }
        if connection.alpn_protocol() != Some(ALPN) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks another protocol"));
        }
        Ok(TlsStream { connection, socket })
    }

    /// Writes a short message at once.
    pub(crate) fn write_now(&mut self, message: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(message)?;
        drain(&mut self.connection, &mut self.socket, &mut |_| ())
    }

    /// Reads exactly one short message.
    pub(crate) fn read_now(&mut self, message: &mut [u8]) -> io::Result<()> {
        let mut reader = PlainReader { connection: &mut self.connection, socket: &mut self.socket };
        reader.read_exact(message)
    }

    /// The half that only receives; a read that waits for `silence_limit` fails with [`io::ErrorKind::WouldBlock`] or
    /// [`io::ErrorKind::TimedOut`].
    pub(crate) fn into_reader(mut self, silence_limit: Duration) -> io::Result<TlsReader> {
        self.socket.end_deadline(Some(silence_limit))?;
        let socket = BufReader::with_capacity(READ_BUFFER_BYTES, self.socket);
        Ok(TlsReader { connection: self.connection, socket })
    }

    /// The half that only sends.
    pub(crate) fn into_writer(mut self) -> io::Result<TlsWriter> {
        self.socket.end_deadline(None)?;
        Ok(TlsWriter {
            connection: self.connection,
            socket: self.socket,
            first_record: Vec::with_capacity(RECORD_BYTES),
        })
    }
}

struct PlainReader<'a, S> {
    connection: &'a mut Connection,
    socket: &'a mut S,
}

impl<S: Read> Read for PlainReader<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.connection.read_tls(self.socket)?;
            self.connection.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        }
    }
}

/// The receiving half of a link.
pub(crate) struct TlsReader {
    connection: Connection,
    socket: BufReader<Socket>,
}

impl Read for TlsReader {
    /// Fails with [`io::ErrorKind::Interrupted`] when something came that was no data yet, so that the caller can look
    /// at the clock.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.connection.reader().read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        self.connection.read_tls(&mut self.socket)?;
        self.connection.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        match self.connection.reader().read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::Interrupted.into()),
            result => result,
        }
    }
}

/// The sending half of a link.
pub(crate) struct TlsWriter {
    connection: Connection,
    socket: Socket,
    first_record: Vec<u8>,
}

impl TlsWriter {
    /// Sends a frame in batches of records. `before` is called before each batch with its bytes on the wire and whether
    /// it is the last; `after` with the bytes whenever the socket took some.
    pub(crate) fn write_frame(
        &mut self,
        header: &[u8; HEADER_BYTES],
        payload: &[u8],
        mut before: impl FnMut(u64, bool) -> io::Result<()>,
        mut after: impl FnMut(usize),
    ) -> io::Result<()> {
        const BATCH_BYTES: usize = BATCH_RECORDS * RECORD_BYTES;
        let (head, mut rest) = payload.split_at(payload.len().min(RECORD_BYTES - HEADER_BYTES));
        self.first_record.clear();
        self.first_record.extend_from_slice(header);
        self.first_record.extend_from_slice(head);
        self.connection.writer().write_all(&self.first_record)?;
        let mut plaintext = self.first_record.len();
        loop {
            let taken;
            (taken, rest) = rest.split_at(rest.len().min(BATCH_BYTES - plaintext));
            for record in taken.chunks(RECORD_BYTES) {
                self.connection.writer().write_all(record)?;
            }
            plaintext += taken.len();
            before(crate::frame::record_bytes(plaintext as u64), rest.is_empty())?;
            drain(&mut self.connection, &mut self.socket, &mut after)?;
            if rest.is_empty() {
                return Ok(());
            }
            plaintext = 0;
        }
    }

    /// The record of a short plaintext, for tests that send it as they like.
    #[cfg(test)]
    pub(crate) fn record(&mut self, plaintext: &[u8]) -> io::Result<Vec<u8>> {
        let mut record = Vec::new();
        self.connection.writer().write_all(plaintext)?;
        self.connection.write_tls(&mut record)?;
        Ok(record)
    }

    /// Sends bytes as they are.
    #[cfg(test)]
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Wipes what is left here of the last frame.
    pub(crate) fn forget(&mut self) {
        self.first_record.zeroize();
    }

    /// Ends the stream in good order.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        drain(&mut self.connection, &mut self.socket, &mut |_| ())?;
        self.socket.stream.shutdown(Shutdown::Write)
    }
}

fn drain(connection: &mut Connection, socket: &mut Socket, after: &mut impl FnMut(usize)) -> io::Result<()> {
    while connection.wants_write() {
        match connection.write_tls(socket) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => after(written),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
