//! Making a link by connecting to a listener, which may start later.

use std::error::Error as _;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::{AlertDescription, ClientConfig};

use crate::crypto::crypto;
use crate::error::LinkError;
use crate::fingerprint::Peer;
use crate::hello::{Direction, LinkId, first_session, receive_welcome, send_hello};
use crate::identity::Identity;
use crate::link::{Halves, Link, LinkOptions};
use crate::pinning::PinnedVerifier;
use crate::tls::{Socket, TlsStream, client, client_config};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
const TCP_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to a peer's listener at `host:port`, trying again until `options.setup_timeout` has passed: which side
/// starts first does not matter.
///
/// # Errors
/// [`LinkError::Identity`] at once when the listener has another certificate or refuses ours,
/// [`LinkError::Misbehaved`] when something else answers, [`LinkError::Unreachable`] or [`LinkError::TimedOut`].
pub fn connect(address: &str, identity: &Identity, peer: &Peer, options: &LinkOptions) -> Result<Link, LinkError> {
    let halves = connect_halves(address, identity, peer, options)?;
    Link::start(peer.name.clone(), halves, options)
}

/// Why one attempt failed.
enum Attempt {
    /// Nobody answers yet, or the listener left again: worth another try.
    Retry(String),
    /// The listener took the connections and did not answer in time.
    Silent,
    Fatal(LinkError),
}

pub(crate) fn connect_halves(
    address: &str,
    identity: &Identity,
    peer: &Peer,
    options: &LinkOptions,
) -> Result<Halves, LinkError> {
    let start = Instant::now();
    let deadline = start + options.setup_timeout;
    let verifier = Arc::new(PinnedVerifier::new(vec![peer.fingerprint], crypto()));
    let config = client_config(identity, Arc::clone(&verifier))
        .map_err(|e| LinkError::System { action: "set up TLS", detail: e.to_string() })?;
    let mut pause = FIRST_PAUSE;
    loop {
        let attempt = Connecting { address, config: &config, verifier: &verifier, peer, deadline };
        let failure = match attempt.open(identity) {
            Ok(halves) => return Ok(halves),
            Err(Attempt::Fatal(error)) => return Err(error),
            Err(Attempt::Silent) => {
                return Err(LinkError::TimedOut {
                    peer: peer.name.clone(),
                    awaited: format!("to answer at {address}"),
                    seconds: start.elapsed().as_secs_f64(),
                });
            }
            Err(Attempt::Retry(failure)) => failure,
        };
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(LinkError::Unreachable {
                peer: peer.name.clone(),
                address: address.to_owned(),
                seconds: start.elapsed().as_secs_f64(),
                detail: failure,
            });
        }
        thread::sleep(pause.min(remaining));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Connecting<'a> {
    address: &'a str,
    config: &'a Arc<ClientConfig>,
    verifier: &'a PinnedVerifier,
    peer: &'a Peer,
    deadline: Instant,
}

impl Connecting<'_> {
    fn open(&self, identity: &Identity) -> Result<Halves, Attempt> {
        let mut id = LinkId::default();
        getrandom::fill(&mut id)
            .map_err(|e| Attempt::Fatal(LinkError::System { action: "draw random bytes", detail: e.to_string() }))?;
        // Both at once: on a long line each takes three round trips.
        let (outgoing, incoming) = thread::scope(|scope| {
            let outgoing = scope.spawn(|| self.open_one(id, Direction::FromConnector));
            let incoming = self.open_one(id, Direction::FromAcceptor);
            let panicked = |_| Err(Attempt::Retry("a connecting thread failed".to_owned()));
            (outgoing.join().unwrap_or_else(panicked), incoming)
        });
        let session = first_session(id, identity.fingerprint(), self.peer.fingerprint);
        match (outgoing, incoming) {
            (Ok(outgoing), Ok(incoming)) => Ok(Halves { outgoing, incoming, session }),
            (Err(Attempt::Fatal(error)), _) | (_, Err(Attempt::Fatal(error))) => Err(Attempt::Fatal(error)),
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        }
    }

    fn open_one(&self, id: LinkId, direction: Direction) -> Result<TlsStream, Attempt> {
        let stream = self.open_tcp().map_err(|e| Attempt::Retry(e.to_string()))?;
        let socket = Socket::new(stream, self.deadline).map_err(|e| Attempt::Retry(e.to_string()))?;
        let connection = client(Arc::clone(self.config))
            .map_err(|e| Attempt::Fatal(LinkError::System { action: "set up TLS", detail: e.to_string() }))?;
        let mut stream = TlsStream::handshake(connection, socket).map_err(|e| self.judge(&e))?;
        // A listener that refuses us may have left by now; its alert says more than the failed write.
        let _ = send_hello(&mut stream, id, direction);
        receive_welcome(&mut stream, id).map_err(|e| self.judge(&e))?;
        Ok(stream)
    }

    fn open_tcp(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs()? {
            match self.open_tcp_at(address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn open_tcp_at(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let remaining = self.deadline.saturating_duration_since(Instant::now()).min(TCP_TIMEOUT);
        if remaining.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let stream = TcpStream::connect_timeout(&address, remaining)?;
        // Without a listener, a local port can by chance be connected to itself.
        if stream.local_addr()? == stream.peer_addr()? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }

    fn judge(&self, error: &io::Error) -> Attempt {
        let peer = self.peer.name.clone();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(seen) = self.verifier.refused() {
            return Attempt::Fatal(LinkError::Identity {
                peer,
                detail: format!(
                    "the endpoint at {} has the fingerprint {seen}, expected {}; check the address and the fingerprint you were given",
                    self.address, self.peer.fingerprint
                ),
            });
        }
        match (tls, error.kind()) {
            (Some(rustls::Error::AlertReceived(alert)), _) if refuses_us(*alert) => {
                Attempt::Fatal(LinkError::Identity {
                    peer,
                    detail: "the peer does not expect our fingerprint; give it the one in our identity directory"
                        .to_owned(),
                })
            }
            (_, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => Attempt::Silent,
            (Some(_), _) | (_, io::ErrorKind::InvalidData) => Attempt::Fatal(LinkError::Misbehaved {
                peer,
                detail: format!("the endpoint at {} is no mpcc listener ({error})", self.address),
            }),
            _ => Attempt::Retry(match error.source() {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            }),
        }
    }
}

fn refuses_us(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}
