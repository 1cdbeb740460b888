//! Making links by listening: one port may serve several peers, told apart by their certificates.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::error::LinkError;
use crate::hello::{Direction, LinkId, first_session, receive_hello, send_welcome};
use crate::identity::{Fingerprint, Identity, Peer};
use crate::link::{Halves, Link, LinkOptions};
use crate::pinning::PinnedVerifier;
use crate::tls::{Socket, TlsStream, crypto, server, server_config};

const POLL: Duration = Duration::from_millis(2);
/// Connections that may be in the middle of their handshake; more are turned away.
const MAX_STRANGERS: usize = 64;

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
        let deadline = Instant::now() + options.setup_timeout;
        let pins = peers.iter().map(|peer| peer.fingerprint).collect();
        let verifier = Arc::new(PinnedVerifier::new(pins, crypto()));
        let config = server_config(identity, Arc::clone(&verifier))
            .map_err(|e| LinkError::System { action: "set up TLS", detail: e.to_string() })?;
        let (arrived, arrivals) = mpsc::channel();
        // Counts the handshakes in progress by its clones.
        let strangers = Arc::new(());
        let mut waiting: HashMap<(Fingerprint, LinkId), Arrival> = HashMap::new();
        let mut links: Vec<Option<Link>> = peers.iter().map(|_| None).collect();
        loop {
            for _ in 0..MAX_STRANGERS {
                let Ok((stream, _)) = self.socket.accept() else { break };
                if Arc::strong_count(&strangers) <= MAX_STRANGERS {
                    let hello_deadline = deadline.min(Instant::now() + options.hello_timeout);
                    let (config, arrived, ticket) = (Arc::clone(&config), arrived.clone(), Arc::clone(&strangers));
                    // Where no thread can be started, the stranger is turned away.
                    let _ = thread::Builder::new().name("handshake".to_owned()).spawn(move || {
                        if let Ok(arrival) = receive(stream, config, hello_deadline, deadline) {
                            // The listener may have left in the meantime.
                            let _ = arrived.send(arrival);
                        }
                        drop(ticket);
                    });
                }
            }
            if let Ok(arrival) = arrivals.recv_timeout(POLL) {
                let Some(slot) = peers.iter().position(|peer| peer.fingerprint == arrival.from) else {
                    continue;
                };
                if links[slot].is_some() {
                    continue;
                }
                let key = (arrival.from, arrival.id);
                match waiting.remove(&key) {
                    Some(other) if other.direction != arrival.direction => {
                        if let Some(halves) = pair(identity, other, arrival) {
                            links[slot] = Some(Link::start(peers[slot].name.clone(), halves, options)?);
                            waiting.retain(|(from, _), _| *from != key.0);
                        }
                    }
                    _ => {
                        waiting.insert(key, arrival);
                    }
                }
            }
            if links.iter().all(Option::is_some) {
                return Ok(links.into_iter().flatten().collect());
            }
            if Instant::now() >= deadline {
                let missing = peers.iter().zip(&links).filter(|(_, link)| link.is_none()).map(|(peer, _)| peer);
                return Err(nobody_came(missing, verifier.refused(), self.local_addr, options));
            }
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

fn receive(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    hello_deadline: Instant,
    deadline: Instant,
) -> io::Result<Arrival> {
    stream.set_nonblocking(false)?;
    let socket = Socket::new(stream, hello_deadline)?;
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

fn nobody_came<'a>(
    missing: impl Iterator<Item = &'a Peer>,
    refused: Option<Fingerprint>,
    address: SocketAddr,
    options: &LinkOptions,
) -> LinkError {
    let missing: Vec<&Peer> = missing.collect();
    let names = missing.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>().join(" and ");
    match refused {
        Some(seen) => {
            let expected = missing.iter().map(|peer| peer.fingerprint.to_string()).collect::<Vec<_>>().join(" or ");
            LinkError::Identity {
                peer: names,
                detail: format!(
                    "did not come to {address}, but somebody with the fingerprint {seen} did; expected {expected}"
                ),
            }
        }
        None => LinkError::TimedOut {
            peer: names,
            awaited: format!("to connect to {address}"),
            seconds: options.setup_timeout.as_secs_f64(),
        },
    }
}
