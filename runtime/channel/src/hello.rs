//! The first bytes inside each TLS connection: which link it belongs to, and which way its data will flow.
//!
//! The connector opens two connections and sends a hello on each with the same random link id. The acceptor answers
//! with a welcome once it has both and takes the link, so that a connector never mistakes a closing listener for a peer.

use std::io;

use crate::duplex::SessionTag;
use crate::fingerprint::Fingerprint;
use crate::tls::TlsStream;

pub(crate) type LinkId = [u8; 16];

const HELLO: [u8; 4] = *b"mph\x01";
const WELCOME: [u8; 4] = *b"mpw\x01";

/// Which way the data of a connection flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    FromConnector,
    FromAcceptor,
}

pub(crate) fn send_hello(stream: &mut TlsStream, id: LinkId, direction: Direction) -> io::Result<()> {
    let mut message = [0; 21];
    message[..4].copy_from_slice(&HELLO);
    message[4..20].copy_from_slice(&id);
    message[20] = direction as u8;
    stream.write_now(&message)
}

pub(crate) fn receive_hello(stream: &mut TlsStream) -> io::Result<(LinkId, Direction)> {
    let mut message = [0; 21];
    stream.read_now(&mut message)?;
    let direction = match message[20] {
        0 => Direction::FromConnector,
        1 => Direction::FromAcceptor,
        _ => return Err(not_ours()),
    };
    if message[..4] != HELLO {
        return Err(not_ours());
    }
    let mut id = LinkId::default();
    id.copy_from_slice(&message[4..20]);
    Ok((id, direction))
}

pub(crate) fn send_welcome(stream: &mut TlsStream, id: LinkId) -> io::Result<()> {
    stream.write_now(&welcome(id))
}

pub(crate) fn receive_welcome(stream: &mut TlsStream, id: LinkId) -> io::Result<()> {
    let mut message = [0; 20];
    stream.read_now(&mut message)?;
    if message == welcome(id) { Ok(()) } else { Err(not_ours()) }
}

/// The session tag of a link until the caller sets another.
pub(crate) fn first_session(id: LinkId, connector: Fingerprint, acceptor: Fingerprint) -> SessionTag {
    let mut hasher = blake3::Hasher::new_derive_key("mpcc channel 2026-11 first session tag of a link");
    hasher.update(&id).update(connector.as_bytes()).update(acceptor.as_bytes());
    let mut tag = SessionTag::default();
    hasher.finalize_xof().fill(&mut tag.0);
    tag
}

fn welcome(id: LinkId) -> [u8; 20] {
    let mut message = [0; 20];
    message[..4].copy_from_slice(&WELCOME);
    message[4..].copy_from_slice(&id);
    message
}

fn not_ours() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not speak this version of the link protocol")
}
