//! How bytes travel between the parties, and how they are counted.
//!
//! Two endpoints share a [`Link`]: one TLS 1.3 connection per direction over TCP, both ends authenticated by pinned
//! certificates. Messages are length-checked frames; every payload byte is counted per [`Phase`]. This room knows
//! nothing of shares or protocols: it moves byte vectors.

#![forbid(unsafe_code)]

mod connect;
mod counters;
mod crypto;
mod duplex;
mod error;
mod fingerprint;
mod frame;
mod hello;
mod identity;
mod link;
mod listen;
mod memory;
mod network;
mod pinning;
mod tls;

pub use connect::connect;
pub use counters::{Counters, Phase, PhaseCounters};
pub use duplex::{Duplex, SessionTag};
pub use error::{ExitClass, IdentityError, LinkError};
pub use fingerprint::{Fingerprint, Peer};
pub use frame::wire_bytes;
pub use identity::Identity;
pub use link::{Link, LinkOptions};
pub use listen::Listener;
pub use memory::{InsecureMemoryLink, insecure_memory_pair};
pub use network::{NetworkProfile, NetworkShape, ProfileError, Uplink};
