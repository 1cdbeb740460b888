//! Making links by listening: one port may serve several peers, told apart by their certificates.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::crypto::crypto;
use crate::error::LinkError;
use crate::fingerprint::{Fingerprint, Peer};
use crate::hello::{Direction, LinkId, first_session, receive_hello, send_welcome};
use crate::identity::Identity;
use crate::link::{Halves, Link, LinkOptions};
use crate::pinning::PinnedVerifier;
use crate::tls::{Breaker, Socket, TlsStream, server, server_config};

mod strangers;

use strangers::{Source, Strangers};

const POLL: Duration = Duration::from_millis(2);
/// Connections that are taken from the system at a time, so that those that were heard are looked at in between.
const TAKEN_AT_ONCE: usize = 64;
/// Of one peer, connections that wait for the other half of their link.
const HALVES: usize = 8;

/// A bound TCP port on which peers are awaited.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local_addr: SocketAddr,
}

/// A connection whose other end has proved who it is.
struct Arrival {
    from: Fingerprint,
    id: LinkId,
    direction: Direction,
    stream: TlsStream,
}

/// What became of a connection that was heard.
struct Outcome {
    number: u64,
    /// None if it did not prove to be a peer.
    arrival: Option<Arrival>,
    /// The fingerprint of who else it was.
    refused: Option<Fingerprint>,
}

/// Whoever connects while peers are awaited.
struct Reception<'a> {
    identity: &'a Identity,
    pins: Vec<Fingerprint>,
    strangers: Strangers<TcpStream, Breaker>,
    /// Of peers, until the other half of their link comes.
    halves: Vec<Arrival>,
    /// Who came last with another certificate, and from where.
    refused: Option<(Fingerprint, Source)>,
    report: Sender<Outcome>,
    outcomes: Receiver<Outcome>,
    hello_timeout: Duration,
    deadline: Instant,
}

impl Listener {
    /// Binds `host:port`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`LinkError::PortInUse`] or [`LinkError::CannotListen`].
    pub fn bind(address: &str) -> Result<Listener, LinkError> {
        let failed = |e: io::Error| match e.kind() {
            io::ErrorKind::AddrInUse => LinkError::PortInUse { address: address.to_owned() },
            _ => LinkError::CannotListen { address: address.to_owned(), detail: e.to_string() },
        };
        let socket = TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let local_addr = socket.local_addr().map_err(failed)?;
        Ok(Listener { socket, local_addr })
    }

    /// The address it listens on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits for one peer; see [`Listener::accept_all`].
    ///
    /// # Errors
    /// As `accept_all`.
    pub fn accept(&self, identity: &Identity, peer: &Peer, options: &LinkOptions) -> Result<Link, LinkError> {
        let mut links = self.accept_all(identity, std::slice::from_ref(peer), options)?;
        Ok(links.pop().expect("accept_all returns one link per peer"))
    }

    /// Waits until every one of these peers has connected and returns the links in their order. Whoever else connects
    /// is turned away.
    ///
    /// # Errors
    /// After `options.setup_timeout`: [`LinkError::Identity`] when somebody with another certificate had tried, else
    /// [`LinkError::TimedOut`]. [`LinkError::Misuse`] when two peers have the same fingerprint.
    pub fn accept_all(
        &self,
        identity: &Identity,
        peers: &[Peer],
        options: &LinkOptions,
    ) -> Result<Vec<Link>, LinkError> {
        refuse_twins(peers)?;
        let (report, outcomes) = mpsc::channel();
        let mut reception = Reception {
            identity,
            pins: peers.iter().map(|peer| peer.fingerprint).collect(),
            strangers: Strangers::new(),
            halves: Vec::new(),
            refused: None,
            report,
            outcomes,
            hello_timeout: options.hello_timeout,
            deadline: Instant::now() + options.setup_timeout,
        };
        let mut links: Vec<Option<Link>> = peers.iter().map(|_| None).collect();
        loop {
            reception.receive(&self.socket);
            while let Some(arrival) = reception.next() {
                let Some(slot) = peers.iter().position(|peer| peer.fingerprint == arrival.from) else { continue };
                if links[slot].is_none()
                    && let Some(halves) = reception.halves(arrival)
                {
                    links[slot] = Some(Link::start(peers[slot].name.clone(), halves, options)?);
                }
            }
            if links.iter().all(Option::is_some) {
                return Ok(links.into_iter().flatten().collect());
            }
            if Instant::now() >= reception.deadline {
                let missing = peers.iter().zip(&links).filter(|(_, link)| link.is_none()).map(|(peer, _)| peer);
                return Err(reception.nobody_came(missing, self.local_addr, options));
            }
        }
    }
}

impl Reception<'_> {
    /// Takes connections from the system, and begins to hear those whose turn it is.
    fn receive(&mut self, socket: &TcpListener) {
        for _ in 0..TAKEN_AT_ONCE {
            let Ok((stream, address)) = socket.accept() else { break };
            self.strangers.arrive(Source::of(address.ip()), stream);
        }
        let now = Instant::now();
        while let Some((source, stream, oldest)) = self.strangers.next(now) {
            if let Some(oldest) = oldest {
                oldest.break_off();
            }
            let until = self.deadline.min(now + self.hello_timeout);
            // Whom the system gives no socket or no thread is turned away.
            let Ok(socket) = stream.set_nonblocking(false).and_then(|()| Socket::new(stream, until)) else { continue };
            let Ok(breaker) = socket.breaker() else { continue };
            let number = self.strangers.hear(source, breaker, now);
            let verifier = Arc::new(PinnedVerifier::new(self.pins.clone(), crypto()));
            let (identity, report, deadline) = (self.identity.clone(), self.report.clone(), self.deadline);
            let hear = move || {
                let arrival = hear(socket, &identity, &verifier, deadline).ok();
                // The listener may have left in the meantime.
                let _ = report.send(Outcome { number, arrival, refused: verifier.refused() });
            };
            if thread::Builder::new().name("handshake".to_owned()).spawn(hear).is_err() {
                self.strangers.done(number, false);
            }
        }
    }

    /// The next connection of a peer; after a moment, none.
    fn next(&mut self) -> Option<Arrival> {
        loop {
            let Outcome { number, arrival, refused } = self.outcomes.recv_timeout(POLL).ok()?;
            let source = self.strangers.done(number, arrival.is_some());
            self.refused = refused.zip(source).or(self.refused);
            if arrival.is_some() {
                return arrival;
            }
        }
    }

    /// A link, if this is its second half and the connector has not left again.
    fn halves(&mut self, arrival: Arrival) -> Option<Halves> {
        let (from, id) = (arrival.from, arrival.id);
        let same = |other: &Arrival| other.from == from && other.id == id && other.direction != arrival.direction;
        if let Some(at) = self.halves.iter().position(same) {
            let halves = pair(self.identity, self.halves.remove(at), arrival);
            if halves.is_some() {
                self.halves.retain(|other| other.from != from);
            }
            return halves;
        }
        self.halves.push(arrival);
        let of_peer = |other: &Arrival| other.from == from;
        if self.halves.iter().filter(|other| of_peer(other)).count() > HALVES
            && let Some(oldest) = self.halves.iter().position(of_peer)
        {
            self.halves.remove(oldest);
        }
        None
    }

    fn nobody_came<'a>(
        &self,
        missing: impl Iterator<Item = &'a Peer>,
        address: SocketAddr,
        options: &LinkOptions,
    ) -> LinkError {
        let missing: Vec<&Peer> = missing.collect();
        let names = missing.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>().join(" and ");
        if let Some((seen, source)) = self.refused {
            let expected = missing.iter().map(|peer| peer.fingerprint.to_string()).collect::<Vec<_>>().join(" or ");
            return LinkError::Identity {
                peer: names,
                detail: format!(
                    "did not come to {address}, but somebody with the fingerprint {seen} did, from {source}; expected {expected}"
                ),
            };
        }
        let remark = self.strangers.remark().map_or_else(String::new, |remark| format!(" ({remark})"));
        LinkError::TimedOut {
            peer: names,
            awaited: format!("to connect to {address}{remark}"),
            seconds: options.setup_timeout.as_secs_f64(),
        }
    }
}

fn refuse_twins(peers: &[Peer]) -> Result<(), LinkError> {
    for (index, peer) in peers.iter().enumerate() {
        if let Some(twin) = peers[..index].iter().find(|other| other.fingerprint == peer.fingerprint) {
            let detail = format!("it is given the same fingerprint as {}", twin.name);
            return Err(LinkError::Misuse { peer: peer.name.clone(), detail });
        }
    }
    Ok(())
}

/// Waits for the other end to prove who it is.
fn hear(socket: Socket, identity: &Identity, verifier: &Arc<PinnedVerifier>, deadline: Instant) -> io::Result<Arrival> {
    let config = server_config(identity, Arc::clone(verifier)).map_err(io::Error::other)?;
    let connection = server(config).map_err(io::Error::other)?;
    let mut stream = TlsStream::handshake(connection, socket)?;
    let (id, direction) = receive_hello(&mut stream)?;
    let certificate = stream.connection.peer_certificates().and_then(|chain| chain.first());
    let from = certificate.map(|der| Fingerprint::of_certificate(der)).ok_or(io::ErrorKind::NotFound)?;
    stream.socket.set_deadline(deadline);
    Ok(Arrival { from, id, direction, stream })
}

/// Takes the link, unless the connector has left again.
fn pair(identity: &Identity, one: Arrival, other: Arrival) -> Option<Halves> {
    let session = first_session(one.id, one.from, identity.fingerprint());
    let (mut incoming, mut outgoing) = match one.direction {
        Direction::FromConnector => (one, other),
        Direction::FromAcceptor => (other, one),
    };
    send_welcome(&mut incoming.stream, incoming.id).ok()?;
    send_welcome(&mut outgoing.stream, outgoing.id).ok()?;
    Some(Halves { outgoing: outgoing.stream, incoming: incoming.stream, session })
}
