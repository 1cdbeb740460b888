//! The interface of a link: ordered messages both ways, each with a kind, counted by phase.

use std::fmt;

use crate::counters::{Counters, Phase};
use crate::error::LinkError;

/// Names the session that frames belong to; a frame of another session is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SessionTag(pub [u8; 16]);

impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionTag({self})")
    }
}

impl fmt::Display for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One end of a link that carries messages both ways at once.
///
/// Kinds 1 to 254 are the caller's; the two ends must send and receive the same kinds in the same order.
/// After an error the link is of no further use.
pub trait Duplex: Send {
    /// The name of the endpoint at the other end.
    fn peer(&self) -> &str;

    /// Queues one message and returns without waiting for the peer, so that both ends may send first.
    ///
    /// # Errors
    /// [`LinkError::Misuse`] for a reserved kind or a message over the frame limit, [`LinkError::TimedOut`] when the
    /// queue is full and the peer takes nothing for the idle timeout, else how the link ended.
    fn send(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError>;

    /// As [`Duplex::send`], for a message that nobody may find in memory once it has left: it is wiped then, and also if
    /// it never leaves.
    ///
    /// # Errors
    /// As `send`.
    fn send_secret(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError>;

    /// Waits for the next message, which must be of this kind, of the current session and of at most `most` bytes. A
    /// longer one is refused by the length it announces, before it is received.
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] when too little arrives within the idle timeout, [`LinkError::Misbehaved`] for a message
    /// of another kind or session or a longer one, [`LinkError::Closed`] when the peer ended the link instead,
    /// [`LinkError::Lost`].
    fn recv(&mut self, kind: u8, most: usize) -> Result<Vec<u8>, LinkError>;

    /// As [`Duplex::recv`], for a message whose length in bytes is known beforehand.
    ///
    /// # Errors
    /// As `recv`, and [`LinkError::Misbehaved`] when the length differs.
    fn recv_exact(&mut self, kind: u8, length: usize) -> Result<Vec<u8>, LinkError> {
        let payload = self.recv(kind, length)?;
        if payload.len() == length {
            return Ok(payload);
        }
        Err(LinkError::Misbehaved {
            peer: self.peer().to_owned(),
            detail: format!("sent {} bytes in a message of kind {kind} that has {length}", payload.len()),
        })
    }

    /// An empty vector for the next message, with the memory of one that has left or was given back, if there is any.
    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Gives back the memory of a message that has been read, for messages to come.
    fn recycle(&mut self, payload: Vec<u8>) {
        drop(payload);
    }

    /// Sets the phase that further messages, sent and received, are counted in.
    fn set_phase(&mut self, phase: Phase);

    /// Sets the tag that further messages sent carry and further messages received must carry. Both ends must switch
    /// at the same message of each direction.
    fn set_session(&mut self, tag: SessionTag);

    /// What this end has carried so far.
    fn counters(&self) -> Counters;
}
