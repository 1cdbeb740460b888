//! A line between two roles on which somebody sits who changes what passes: below TLS as any stranger could, or within it
//! as a peer with a real key could.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mpcc_channel::Identity;
use mpcc_fuzz::Choices;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
};

/// Bytes of what a connector says first in a connection.
const HELLO: usize = 21;
/// Bytes of the answer.
const WELCOME: usize = 20;
/// Bytes of the head of a frame.
const HEAD: usize = 40;
/// Where a head has the kind of its frame.
const KIND: usize = 28;
/// Where a head has the length of its frame.
const LENGTH: usize = 32;
/// Bytes up to which a changed message is made longer.
const LONGEST: usize = 1 << 20;
/// Connections of a link.
const CONNECTIONS: usize = 2;
const POLL: Duration = Duration::from_millis(1);

/// Keys of both ends of a line: who has them is taken for either by the other.
pub(crate) struct Keys {
    as_acceptor: Arc<ServerConfig>,
    as_connector: Arc<ClientConfig>,
}

impl Keys {
    /// Of a role that connects and one that listens, with a folder to write them to.
    pub(crate) fn new(connector: &Identity, acceptor: &Identity, folder: &Path) -> Self {
        let of = |identity: &Identity, name: &str| {
            let folder = folder.join(name);
            identity.save(&folder).expect("a folder");
            let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem")).expect("a certificate");
            let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
            std::fs::remove_dir_all(&folder).expect("a folder of our own");
            (vec![certificate], key)
        };
        let provider = Arc::new(default_provider());
        let (chain, key) = of(acceptor, "acceptor");
        let mut as_acceptor = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version")
            .with_client_cert_verifier(Arc::new(Anybody))
            .with_single_cert(chain, key)
            .expect("a key");
        as_acceptor.alpn_protocols = vec![b"mpcc/1".to_vec()];
        let (chain, key) = of(connector, "connector");
        let mut as_connector = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_client_auth_cert(chain, key)
            .expect("a key");
        as_connector.alpn_protocols = vec![b"mpcc/1".to_vec()];
        Self { as_acceptor: Arc::new(as_acceptor), as_connector: Arc::new(as_connector) }
    }
}

/// What is changed on a line.
#[derive(Clone, Copy)]
pub(crate) enum Change<'c> {
    /// A byte of the stream that a connection carries, encrypted or not, and what follows it.
    Bytes { connection: usize, back: bool, at: usize, choices: &'c [u8] },
    /// A message within TLS: of the connection whose data flows that way, the hello, the welcome or a frame.
    Message { flows_back: bool, number: usize, choices: &'c [u8] },
}

/// Listens in place of a role, and hands on to it what comes.
pub(crate) struct Tap {
    listener: TcpListener,
    stop: AtomicBool,
    changed: AtomicBool,
}

impl Tap {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        Self { listener, stop: AtomicBool::new(false), changed: AtomicBool::new(false) }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("a port").to_string()
    }

    /// Nobody else is waited for.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Hands on the two connections of a link, until both have ended, and says whether what passed was changed. No end is
    /// waited for longer than `patience`.
    pub(crate) fn run(&self, acceptor: SocketAddr, keys: &Keys, change: Change<'_>, patience: Duration) -> bool {
        thread::scope(|scope| {
            for number in 0..CONNECTIONS {
                let Some(connector) = self.next(patience) else { return };
                scope.spawn(move || {
                    // A line that breaks is what it is for.
                    let _ = TcpStream::connect(acceptor).and_then(|acceptor| {
                        for end in [&connector, &acceptor] {
                            end.set_nonblocking(false)?;
                            end.set_nodelay(true)?;
                            end.set_read_timeout(Some(patience))?;
                            end.set_write_timeout(Some(patience))?;
                        }
                        match change {
                            Change::Bytes { connection, back, at, choices } => {
                                let here = (connection == number).then_some((back, at, choices));
                                self.sealed(&connector, &acceptor, here)
                            }
                            _ => self.opened(connector, acceptor, keys, change),
                        }
                    });
                });
            }
        });
        self.changed.load(Ordering::Relaxed)
    }

    fn next(&self, patience: Duration) -> Option<TcpStream> {
        let began = Instant::now();
        while !self.stop.load(Ordering::Relaxed) && began.elapsed() < patience {
            match self.listener.accept() {
                Ok((stream, _)) => return Some(stream),
                Err(_) => thread::sleep(POLL),
            }
        }
        None
    }

    /// Hands on what passes as it is, but for the bytes from some place on.
    fn sealed(
        &self,
        connector: &TcpStream,
        acceptor: &TcpStream,
        change: Option<(bool, usize, &[u8])>,
    ) -> io::Result<()> {
        let here = |back: bool| change.filter(|(there, ..)| *there == back).map(|(_, at, choices)| (at, choices));
        thread::scope(|scope| {
            scope.spawn(|| self.pump(connector, acceptor, here(false)));
            self.pump(acceptor, connector, here(true))
        })
    }

    fn pump(&self, mut source: &TcpStream, mut sink: &TcpStream, change: Option<(usize, &[u8])>) -> io::Result<()> {
        let mut passed = 0;
        let mut buffer = vec![0; 1 << 14];
        loop {
            let read = source.read(&mut buffer).unwrap_or(0);
            if read == 0 {
                let _ = source.shutdown(Shutdown::Read);
                return sink.shutdown(Shutdown::Write);
            }
            let mut bytes = buffer[..read].to_vec();
            if let Some((at, choices)) = change.filter(|(at, _)| (passed..passed + read).contains(at)) {
                let mut rest = bytes.split_off(at - passed);
                Choices::new(choices).spoil(&mut rest);
                self.changed.store(true, Ordering::Relaxed);
                bytes.extend(rest);
            }
            passed += read;
            if let Err(error) = sink.write_all(&bytes) {
                let _ = source.shutdown(Shutdown::Both);
                return Err(error);
            }
        }
    }

    /// Ends the TLS of both sides, and hands on messages, one of them changed.
    fn opened(&self, connector: TcpStream, acceptor: TcpStream, keys: &Keys, change: Change<'_>) -> io::Result<()> {
        let server = ServerConnection::new(Arc::clone(&keys.as_acceptor)).map_err(io::Error::other)?;
        let name = ServerName::try_from("party.mpcc.invalid").map_err(io::Error::other)?;
        let client = ClientConnection::new(Arc::clone(&keys.as_connector), name).map_err(io::Error::other)?;
        let (mut connector, mut acceptor) = (StreamOwned::new(server, connector), StreamOwned::new(client, acceptor));
        let mut hello = vec![0; HELLO];
        connector.read_exact(&mut hello)?;
        let flows_back = hello[HELLO - 1] != 0;
        let here = match change {
            Change::Message { flows_back: there, number, choices } if there == flows_back => Some((number, choices)),
            _ => None,
        };
        let given = |number: usize| here.filter(|(at, _)| *at == number).map(|(_, choices)| Choices::new(choices));
        let spoiled = |number: usize, mut message: Vec<u8>| {
            if let Some(mut choices) = given(number) {
                choices.spoil(&mut message);
                self.changed.store(true, Ordering::Relaxed);
            }
            message
        };
        acceptor.write_all(&spoiled(0, hello))?;
        let mut welcome = vec![0; WELCOME];
        acceptor.read_exact(&mut welcome)?;
        connector.write_all(&spoiled(1, welcome))?;
        let (source, sink): (&mut dyn Read, &mut dyn Write) =
            if flows_back { (&mut acceptor, &mut connector) } else { (&mut connector, &mut acceptor) };
        let ended = self.frames(source, sink, given);
        connector.conn.send_close_notify();
        acceptor.conn.send_close_notify();
        let _ = (connector.flush(), acceptor.flush());
        ended
    }

    fn frames<'c>(
        &self,
        source: &mut dyn Read,
        sink: &mut dyn Write,
        given: impl Fn(usize) -> Option<Choices<'c>>,
    ) -> io::Result<()> {
        for number in 2.. {
            let mut frame = vec![0; HEAD];
            source.read_exact(&mut frame)?;
            let mut length = [0; 8];
            length.copy_from_slice(&frame[LENGTH..]);
            frame.resize(HEAD + usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?, 0);
            source.read_exact(&mut frame[HEAD..])?;
            match given(number) {
                Some(mut choices) => {
                    self.changed.store(true, Ordering::Relaxed);
                    for frame in changed(&mut choices, frame) {
                        sink.write_all(&frame)?;
                    }
                }
                None => sink.write_all(&frame)?,
            }
            sink.flush()?;
        }
        Ok(())
    }
}

/// What stands for a frame: mostly one whose length is right whatever else is wrong.
fn changed(choices: &mut Choices<'_>, mut frame: Vec<u8>) -> Vec<Vec<u8>> {
    let mut payload = frame.split_off(HEAD);
    match choices.below(12) {
        0..5 => choices.spoil(&mut payload),
        5 => frame[KIND] = choices.byte(),
        6 => choices.spoil(&mut frame),
        7 => payload.resize(choices.below(LONGEST), choices.byte()),
        8 => {
            let cut = choices.below(payload.len() + 1);
            payload.truncate(cut);
        }
        9 => return vec![[&*frame, &*payload].concat(); 2],
        10 if choices.coin() => return Vec::new(),
        10 => {
            frame[LENGTH..].copy_from_slice(&choices.odd_number().to_le_bytes());
            return vec![frame, payload];
        }
        _ => payload.iter_mut().for_each(|byte| *byte = choices.byte()),
    }
    if frame.len() == HEAD && choices.below(16) != 0 {
        let length = payload.len() as u64;
        frame[LENGTH..].copy_from_slice(&length.to_le_bytes());
    }
    vec![frame, payload]
}

/// Takes whoever comes.
#[derive(Debug)]
struct Anybody;

impl Anybody {
    fn schemes() -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }
}
