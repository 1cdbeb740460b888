//! A full-duplex link to one authenticated peer, with a thread that writes and a thread that reads.
//!
//! The caller's thread only touches two queues, so both ends may send first, whatever the size. The writer sends
//! heartbeats when it has nothing else, and the reader takes silence for death: a peer that computes for long is alive,
//! one that vanished is noticed. Both queues are bounded in bytes; a message beyond that is sent when the queue is empty,
//! and received when the caller waits for one of its kind and length.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::counters::{Counters, Phase};
use crate::duplex::{Duplex, SessionTag};
use crate::error::LinkError;
use crate::frame::{BYE, HEARTBEAT, wire_bytes};
use crate::network::NetworkShape;
use crate::tls::{Breaker, SocketBytes, TlsStream};

mod queues;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use queues::{Outgoing, Shared, Stop};

/// How many bytes a new link receives that nobody has asked for: the few short messages by which the ends agree.
const FIRST_BYTES: u64 = 4 << 10;

/// Time limits, sizes and shaping of links. The two ends should use the same limits.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkOptions {
    /// How long connecting or accepting may take, waiting for the peer to start included.
    pub setup_timeout: Duration,
    /// How long one incoming connection may take to say who it is; afterwards it is dropped.
    pub hello_timeout: Duration,
    /// How long a receive waits without noticeable progress (16 KiB), or a send without room, while the peer is alive,
    /// and how long a message that has begun may stand still.
    pub idle_timeout: Duration,
    /// How often an idle writer says that it is alive.
    pub heartbeat_interval: Duration,
    /// How long nothing at all may arrive before the peer is taken for dead; several heartbeat intervals.
    pub silence_limit: Duration,
    /// How long closing waits for a peer that takes nothing of what is still queued.
    pub linger: Duration,
    /// The largest message.
    pub max_frame_bytes: u64,
    /// How many bytes of messages wait to be sent before sending waits.
    pub queue_bytes: u64,
    /// The network to imitate, if any.
    pub shape: Option<NetworkShape>,
}

impl Default for LinkOptions {
    fn default() -> LinkOptions {
        LinkOptions {
            setup_timeout: Duration::from_secs(30),
            hello_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(2),
            silence_limit: Duration::from_secs(8),
            linger: Duration::from_secs(5),
            max_frame_bytes: 1 << 30,
            queue_bytes: 32 << 20,
            shape: None,
        }
    }
}

/// The two authenticated connections of a link, before its threads run.
pub(crate) struct Halves {
    pub(crate) outgoing: TlsStream,
    pub(crate) incoming: TlsStream,
    pub(crate) session: SessionTag,
}

/// A link to one authenticated peer: the [`Duplex`] over TLS.
///
/// Dropping it sends what is queued and says goodbye, so that the peer can tell an end from a loss; while its thread
/// panics it is just broken off.
pub struct Link {
    peer: String,
    shared: Arc<Shared>,
    counters: Counters,
    sockets: [Arc<SocketBytes>; 2],
    breakers: [Breaker; 2],
    threads: Vec<JoinHandle<()>>,
    phase: Phase,
    session: SessionTag,
    options: LinkOptions,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("peer", &self.peer).field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Link {
    pub(crate) fn start(peer: String, halves: Halves, options: &LinkOptions) -> Result<Link, LinkError> {
        let system = |action| move |e: io::Error| LinkError::System { action, detail: e.to_string() };
        let Halves { outgoing, incoming, session } = halves;
        let sockets = [outgoing.socket.bytes(), incoming.socket.bytes()];
        let breaker = |stream: &TlsStream| stream.socket.breaker().map_err(system("duplicate a socket"));
        let breakers = [breaker(&outgoing)?, breaker(&incoming)?];
        let outgoing_breaker = breaker(&outgoing)?;
        let writer = outgoing.into_writer().map_err(system("set up a socket"))?;
        let reader = incoming.into_reader(options.silence_limit).map_err(system("set up a socket"))?;
        let mut counters = Counters::default();
        counters.add_handshake(sum(&sockets, |s| &s.sent), sum(&sockets, |s| &s.received));

        let shared = Arc::new(Shared::default());
        shared.receive_ahead(FIRST_BYTES);
        let mut link = Link {
            peer,
            shared: Arc::clone(&shared),
            counters,
            sockets,
            breakers,
            threads: Vec::with_capacity(2),
            phase: Phase::Handshake,
            session,
            options: options.clone(),
        };
        // An early return drops the link, which ends a thread that runs already.
        let spawn = |name: String, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name).spawn(run).map_err(system("start a thread"))
        };
        let (for_writer, writer_options) = (Arc::clone(&shared), options.clone());
        let run = Box::new(move || writer::run(writer, &for_writer, &writer_options));
        link.threads.push(spawn(format!("to {}", link.peer), run)?);
        let reader_options = options.clone();
        let run = Box::new(move || reader::run(reader, &shared, &reader_options, &outgoing_breaker));
        link.threads.push(spawn(format!("from {}", link.peer), run)?);
        Ok(link)
    }

    /// Receives up to this many bytes of messages before the caller asks for them; of a peer that has said nothing yet,
    /// 4 KiB are.
    pub fn receive_ahead(&mut self, bytes: u64) {
        self.shared.receive_ahead(bytes);
    }

    /// Changes how long a receive or a send may wait while the peer is alive.
    pub fn set_idle_timeout(&mut self, idle_timeout: Duration) {
        self.options.idle_timeout = idle_timeout;
    }

    /// Changes how many bytes of messages may wait to be sent before sending waits.
    pub fn set_queue_bytes(&mut self, queue_bytes: u64) {
        self.options.queue_bytes = queue_bytes;
    }

    /// Waits until everything queued has been handed to the network, and says goodbye.
    ///
    /// # Errors
    /// When that was not possible. (Dropping the link does the same without saying.)
    pub fn close(mut self) -> Result<(), LinkError> {
        self.shut(Stop::Polite).map_err(|end| end.error(&self.peer))
    }

    fn shut(&mut self, stop: Stop) -> Result<(), queues::End> {
        if self.threads.is_empty() {
            return Ok(());
        }
        self.shared.stop(stop);
        let result = match stop {
            Stop::Polite => self.shared.wait_for_writer(self.options.linger),
            _ => Ok(()),
        };
        self.breakers.iter().for_each(Breaker::break_off);
        for thread in self.threads.drain(..) {
            // A panic there has been reported by the panic hook; the link is at its end either way.
            let _ = thread.join();
        }
        result
    }

    fn queue(&mut self, kind: u8, payload: Vec<u8>, secret: bool) -> Result<(), LinkError> {
        if matches!(kind, HEARTBEAT | BYE) {
            return Err(self.misuse(format!("kind {kind} is reserved")));
        }
        let length = payload.len() as u64;
        if length > self.options.max_frame_bytes {
            let limit = self.options.max_frame_bytes;
            return Err(self.misuse(format!("a message of {length} bytes exceeds the limit of {limit}")));
        }
        let outgoing = Outgoing { kind, session: self.session, payload, secret, queued_at: Instant::now() };
        self.shared
            .push(outgoing, self.options.queue_bytes, self.options.idle_timeout)
            .map_err(|end| end.error(&self.peer))?;
        self.counters.count_sent(self.phase, length, wire_bytes(length));
        Ok(())
    }

    fn misuse(&self, detail: String) -> LinkError {
        LinkError::Misuse { peer: self.peer.clone(), detail }
    }
}

fn sum(sockets: &[Arc<SocketBytes>; 2], field: fn(&SocketBytes) -> &std::sync::atomic::AtomicU64) -> u64 {
    sockets.iter().map(|socket| field(socket).load(Ordering::Relaxed)).sum()
}

impl Duplex for Link {
    fn peer(&self) -> &str {
        &self.peer
    }

    fn send(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        self.queue(kind, payload, false)
    }

    fn send_secret(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        self.queue(kind, payload, true)
    }

    fn recv(&mut self, kind: u8, most: usize) -> Result<Vec<u8>, LinkError> {
        let (session, patience) = (self.session, self.options.idle_timeout);
        let popped = self.shared.pop(kind, most as u64, session, patience);
        let payload = popped.map_err(|end| end.error(&self.peer))?;
        let length = payload.len() as u64;
        self.counters.count_received(self.phase, length, wire_bytes(length));
        Ok(payload)
    }
    fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.shared.spare(0);
        buffer.clear();
        buffer
    }

    fn recycle(&mut self, payload: Vec<u8>) {
        self.shared.recycle(payload);
    }

    fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    fn set_session(&mut self, tag: SessionTag) {
        self.session = tag;
    }

    fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.socket_sent = sum(&self.sockets, |s| &s.sent);
        counters.socket_received = sum(&self.sockets, |s| &s.received);
        counters.keepalive_sent = self.shared.keepalive_sent.load(Ordering::Relaxed);
        counters
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let stop = if std::thread::panicking() { Stop::Abort } else { Stop::Polite };
        // Whoever wants to know whether the last messages left calls `close`.
        let _ = self.shut(stop);
    }
}
