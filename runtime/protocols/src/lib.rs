//! What the model owner, the data owner and the dealer do with a share program, without a network.
//!
//! [`verify`] checks a role's code and gives the [`CheckedCode`] that everything else takes. A [`Party`] and a
//! [`Dealer`] are state machines over bytes: they hand out messages and take messages in, and neither blocks
//! on a peer, leaves a thread running nor reads a clock. [`local_run`] couples all three in one process for tests.
//! [`ideal`] is what a run must amount to: the same program on plain integers with the same coins.

pub mod dealer;
mod engine;
pub mod error;
mod frame;
pub mod ideal;
pub mod local_run;
pub mod message;
pub mod party;
pub mod seeds;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod verify;

pub use dealer::Dealer;
pub use error::ProtocolError;
pub use party::{Material, Online, OutputWords, Party};
pub use seeds::{SessionSeed, WeightSeed};
pub use stream::{BitStore, InMemory, MakeStore, PeerStream};
pub use verify::{CheckedCode, CodeError, Place, Violation};
