//! What can go wrong while a role executes its code; every variant is the fault of data from outside, never of a secret value.

use std::io;

use thiserror::Error;

/// Failure of a party or the dealer.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// Own data does not fit the program.
    #[error("{what} {index} has {got} words, the program takes {expected}; encode it for this program")]
    OwnData {
        /// "weight" or "input".
        what: &'static str,
        /// Which one.
        index: u32,
        /// Words the program reads.
        expected: usize,
        /// Words given; 0 if absent.
        got: usize,
    },
    /// The peer's message has another length than the program's shapes give.
    #[error("the peer's message of {at} has {got} bytes instead of {expected}; both sides must run the same program")]
    MessageLength {
        /// Which message.
        at: Moment,
        /// Bytes the program's shapes give.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// Unused bits at the end of a packed tensor are set.
    #[error("{at} is not canonically packed: bits after the last word are set")]
    Padding {
        /// Which message.
        at: Moment,
    },
    /// A call that the state machine does not expect now.
    #[error("{called} was called where {expected} is next; this is a bug in the caller")]
    OutOfOrder {
        /// What was called.
        called: &'static str,
        /// What must come.
        expected: &'static str,
    },
    /// Correlated randomness of an index that was already used, or of another party.
    #[error("material of inference {index} was already made or used; take the next index")]
    MaterialUsed {
        /// The inference.
        index: u64,
    },
    /// A role was given code of another role.
    #[error("code of {got:?} was given to {expected:?}")]
    WrongRole {
        /// Who executes.
        expected: mpcc_program::code::Role,
        /// Whose code it is.
        got: mpcc_program::code::Role,
    },
    /// A kernel refused its parameters.
    #[error("{0}; this is a bug in the compiler")]
    Kernel(String),
    /// The link to the peer failed.
    #[error("the peer's message cannot be had or this party's not sent: {0}")]
    Peer(#[source] io::Error),
    /// Corrections were not kept, or cannot be read again.
    #[error("corrections could not be kept outside of memory: {0}; see that there is room, or keep them in memory")]
    Store(#[source] io::Error),
    /// The correction stream failed.
    #[error("the stream of corrections failed: {0}")]
    Corrections(#[from] io::Error),
}

/// Which message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The exchange of the setup.
    Setup,
    /// The exchange that ends this step, counted from 0.
    Hop(usize),
    /// A correction of the dealer.
    Correction,
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Moment::Setup => f.write_str("the setup"),
            Moment::Hop(h) => write!(f, "hop {}", h + 1),
            Moment::Correction => f.write_str("a correction of the dealer"),
        }
    }
}
