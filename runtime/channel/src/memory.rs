//! A link within one process, for tests: no encryption, no authentication, the same rules and the same counts.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::counters::{Counters, Phase};
use crate::duplex::{Duplex, SessionTag};
use crate::error::LinkError;
use crate::frame::{BYE, HEARTBEAT, too_long, wire_bytes};

type Message = (SessionTag, u8, Vec<u8>);

/// One end of an in-memory link. Insecure by nature: both ends live in one process.
#[derive(Debug)]
pub struct InsecureMemoryLink {
    peer: String,
    outgoing: Sender<Message>,
    incoming: Receiver<Message>,
    idle_timeout: Duration,
    phase: Phase,
    session: SessionTag,
    counters: Counters,
}

/// Links two endpoints of one process: the first end belongs to `first` and has `second` as its peer.
pub fn insecure_memory_pair(first: &str, second: &str) -> (InsecureMemoryLink, InsecureMemoryLink) {
    let (to_second, from_first) = channel();
    let (to_first, from_second) = channel();
    let end = |peer: &str, outgoing, incoming| InsecureMemoryLink {
        peer: peer.to_owned(),
        outgoing,
        incoming,
        idle_timeout: Duration::from_secs(30),
        phase: Phase::Handshake,
        session: SessionTag::default(),
        counters: Counters::default(),
    };
    (end(second, to_second, from_second), end(first, to_first, from_first))
}

impl InsecureMemoryLink {
    /// Changes how long a receive may wait.
    pub fn set_idle_timeout(&mut self, idle_timeout: Duration) {
        self.idle_timeout = idle_timeout;
    }

    fn misbehaved(&self, detail: String) -> LinkError {
        LinkError::Misbehaved { peer: self.peer.clone(), detail }
    }
}

impl Duplex for InsecureMemoryLink {
    fn peer(&self) -> &str {
        &self.peer
    }

    fn send(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        let peer = || self.peer.clone();
        if matches!(kind, HEARTBEAT | BYE) {
            return Err(LinkError::Misuse { peer: peer(), detail: format!("kind {kind} is reserved") });
        }
        let length = payload.len() as u64;
        self.outgoing.send((self.session, kind, payload)).map_err(|_| LinkError::Closed { peer: peer() })?;
        self.counters.count_sent(self.phase, length, wire_bytes(length));
        Ok(())
    }

    fn send_secret(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        // It moves to the other end whole, and nothing of it stays here.
        self.send(kind, payload)
    }

    fn recv(&mut self, kind: u8, most: usize) -> Result<Vec<u8>, LinkError> {
        let (session, seen, payload) = self.incoming.recv_timeout(self.idle_timeout).map_err(|e| match e {
            RecvTimeoutError::Disconnected => LinkError::Closed { peer: self.peer.clone() },
            RecvTimeoutError::Timeout => LinkError::TimedOut {
                peer: self.peer.clone(),
                awaited: "to send".to_owned(),
                seconds: self.idle_timeout.as_secs_f64(),
            },
        })?;
        if session != self.session {
            return Err(self.misbehaved(format!("sent a message of session {session} in session {}", self.session)));
        }
        if seen != kind {
            return Err(self.misbehaved(format!("sent a message of kind {seen} where kind {kind} was due")));
        }
        if payload.len() > most {
            return Err(self.misbehaved(too_long(kind, payload.len() as u64, most as u64)));
        }
        let length = payload.len() as u64;
        self.counters.count_received(self.phase, length, wire_bytes(length));
        Ok(payload)
    }

    fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    fn set_session(&mut self, tag: SessionTag) {
        self.session = tag;
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cross_and_are_counted() {
        let (mut model_owner, mut data_owner) = insecure_memory_pair("the model owner", "the data owner");
        assert_eq!((model_owner.peer(), data_owner.peer()), ("the data owner", "the model owner"));
        model_owner.set_phase(Phase::Online);
        model_owner.send(1, vec![1; 100]).unwrap();
        model_owner.send(2, vec![2; 7]).unwrap();
        data_owner.send(3, Vec::new()).unwrap();
        assert_eq!(data_owner.recv(1, 1000).unwrap(), vec![1; 100]);
        assert_eq!(data_owner.recv_exact(2, 7).unwrap(), vec![2; 7]);
        assert_eq!(model_owner.recv(3, 1000).unwrap(), Vec::<u8>::new());
        let sent = model_owner.counters().phase(Phase::Online);
        assert_eq!((sent.payload_sent, sent.frames_sent, sent.frames_received), (107, 2, 1));
        assert_eq!(sent.framing_sent(), 2 * 62);
        assert_eq!(data_owner.counters().phase(Phase::Handshake).payload_received, 107);
    }

    #[test]
    fn the_rules_are_those_of_a_real_link() {
        let (mut a, mut b) = insecure_memory_pair("a", "b");
        assert!(matches!(a.send(0, Vec::new()), Err(LinkError::Misuse { .. })));
        a.send(1, Vec::new()).unwrap();
        assert!(matches!(b.recv(2, 1000), Err(LinkError::Misbehaved { .. })));
        a.send(1, vec![0; 3]).unwrap();
        assert!(matches!(b.recv_exact(1, 4), Err(LinkError::Misbehaved { .. })));
        a.set_session(SessionTag([1; 16]));
        a.send(1, Vec::new()).unwrap();
        assert!(matches!(b.recv(1, 1000), Err(LinkError::Misbehaved { .. })));
        b.set_idle_timeout(Duration::from_millis(10));
        assert!(matches!(b.recv(1, 1000), Err(LinkError::TimedOut { .. })));
        drop(a);
        assert!(matches!(b.recv(1, 1000), Err(LinkError::Closed { .. })));
        assert!(matches!(b.send(1, Vec::new()), Err(LinkError::Closed { .. })));
    }
}
