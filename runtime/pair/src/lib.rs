//! The tasks by which two parties make correlated randomness for each other: products by oblivious transfer or under encryption,
//! whichever is cheaper.
//!
//! Both parties agree on [`Schemes`], a function of a program's tasks and public [`Rates`]. Each exchanges keys once a session
//! ([`begin_keys`]) and then is a [`Pair`]. It does the rounds of a making ([`mpcc_program::making`]): a [`Round`] takes the operands
//! that the party's code hands out, exchanges two or three messages with the other end, whatever the round holds, and gives the
//! party's shares of the results. Messages leave and arrive in pieces, so none need be held whole. All of it is a state machine over
//! bytes: it sees no channel, reads no clock, and knows no gate. What a round weighs is [`Schemes::price`], to the byte.

#![forbid(unsafe_code)]

mod choice;
mod form;
mod joint;
mod keys;
mod lists;
mod numbers;
mod rates;
mod round;
mod scheme;
mod schemes;
mod slotting;
mod spread;
mod stream;
mod tasks;
mod tiling;
mod transfers;

use thiserror::Error;

pub use choice::KnownOptions;
pub use keys::{KeysSent, Lattice, begin as begin_keys};
pub use rates::Rates;
pub use round::{Pair, Round};
pub use scheme::{Scheme, SlotScheme, TileScheme};
pub use schemes::{RoundBytes, Schemes};
pub use stream::PIECE;

/// Why a round cannot go on.
#[derive(Debug, Error)]
pub enum PairError {
    /// The peer's transfers are not those of this round.
    #[error(transparent)]
    Transfer(#[from] mpcc_transfer::TransferError),
    /// A round asks for more than a session gives.
    #[error(transparent)]
    Plan(#[from] mpcc_transfer::PlanError),
    /// The peer's keys, uploads or answers are malformed.
    #[error(transparent)]
    Lattice(#[from] mpcc_lattice::LatticeError),
    /// A message is not as long as it must be.
    #[error(
        "the peer's {what} has {found} bytes and not {expected}; check that both sides run the same version and program"
    )]
    Length {
        /// The message.
        what: &'static str,
        /// Bytes that are due.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Operands that are not those of the round's tasks.
    #[error("the operands of a round have {got} bytes where its tasks take {expected}; this is a bug in the compiler")]
    Operands {
        /// What the tasks take.
        expected: usize,
        /// What was handed in.
        got: usize,
    },
    /// A scheme that does not do its task.
    #[error("a task was given {0}; this is a bug")]
    Scheme(&'static str),
    /// A call out of order.
    #[error("a round was continued out of order; this is a bug")]
    Order,
}
