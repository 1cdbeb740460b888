//! What a link has carried, by phase: payload, frames, and the bytes that framing and TLS add.

use std::fmt;
use std::ops::AddAssign;

/// The part of a run that traffic belongs to; the caller sets it on its own end of each link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Connecting, authenticating and agreeing on the program. A link starts here.
    Handshake,
    /// Once per model and peer.
    Setup,
    /// Once per inference, before the input is known.
    Offline,
    /// From the input to the output.
    Online,
}

impl Phase {
    /// All phases in the order in which they happen.
    pub const ALL: [Phase; 4] = [Phase::Handshake, Phase::Setup, Phase::Offline, Phase::Online];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Handshake => "handshake",
            Phase::Setup => "setup",
            Phase::Offline => "offline",
            Phase::Online => "online",
        })
    }
}

/// Traffic of one phase on one link, seen from one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseCounters {
    /// Bytes of the messages handed to `send`.
    pub payload_sent: u64,
    /// Bytes of the messages that `recv` returned.
    pub payload_received: u64,
    /// Messages handed to `send`.
    pub frames_sent: u64,
    /// Messages that `recv` returned.
    pub frames_received: u64,
    /// Bytes on the TCP stream for the messages sent: payload, frame headers and TLS records; in the handshake phase
    /// also the TLS handshakes. Without TCP and IP headers.
    pub wire_sent: u64,
    /// The same for the messages received.
    pub wire_received: u64,
}

impl PhaseCounters {
    /// Bytes sent that are not payload.
    pub fn framing_sent(&self) -> u64 {
        self.wire_sent - self.payload_sent
    }

    /// Bytes received that are not payload.
    pub fn framing_received(&self) -> u64 {
        self.wire_received - self.payload_received
    }
}

impl AddAssign for PhaseCounters {
    fn add_assign(&mut self, other: PhaseCounters) {
        self.payload_sent += other.payload_sent;
        self.payload_received += other.payload_received;
        self.frames_sent += other.frames_sent;
        self.frames_received += other.frames_received;
        self.wire_sent += other.wire_sent;
        self.wire_received += other.wire_received;
    }
}

/// Traffic of one link, seen from one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    phases: [PhaseCounters; Phase::ALL.len()],
    /// Everything written to the link's sockets so far, heartbeats and the closing included; zero in memory.
    pub socket_sent: u64,
    /// Everything read from the link's sockets so far.
    pub socket_received: u64,
    /// The part of `socket_sent` that went into heartbeats and the closing; in no phase.
    pub keepalive_sent: u64,
}

impl Counters {
    /// Traffic of one phase.
    pub fn phase(&self, phase: Phase) -> PhaseCounters {
        self.phases[phase as usize]
    }

    /// Traffic of all phases together.
    pub fn total(&self) -> PhaseCounters {
        let mut total = PhaseCounters::default();
        for phase in self.phases {
            total += phase;
        }
        total
    }

    pub(crate) fn add_handshake(&mut self, wire_sent: u64, wire_received: u64) {
        let counters = &mut self.phases[Phase::Handshake as usize];
        counters.wire_sent += wire_sent;
        counters.wire_received += wire_received;
    }

    pub(crate) fn count_sent(&mut self, phase: Phase, payload: u64, wire: u64) {
        let counters = &mut self.phases[phase as usize];
        counters.payload_sent += payload;
        counters.frames_sent += 1;
        counters.wire_sent += wire;
    }

    /// Counts a received message; for implementations of [`Duplex`](crate::Duplex) elsewhere.
    pub fn count_received(&mut self, phase: Phase, payload: u64, wire: u64) {
        let counters = &mut self.phases[phase as usize];
        counters.payload_received += payload;
        counters.frames_received += 1;
        counters.wire_received += wire;
    }
}
