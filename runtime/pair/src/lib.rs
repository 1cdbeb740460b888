//! The tasks by which two parties make correlated randomness for each other, done by oblivious transfer.
//!
//! A [`Pair`] is one end of a session. It does the rounds of a making ([`mpcc_program::making`]): it takes the operands that the
//! party's code hands out, exchanges two messages with the other end, whatever the round holds, and gives the party's shares of
//! the results. It is a state machine over bytes: it sees no channel, reads no clock, and knows no gate. What a round weighs is
//! [`price`], to the byte.

#![forbid(unsafe_code)]

mod lists;
mod round;
mod tasks;

use thiserror::Error;

pub use round::{Answered, Chosen, Pair};
pub use tasks::{RoundBytes, price};

/// Why a round cannot go on.
#[derive(Debug, Error)]
pub enum PairError {
    /// The peer's message is not one of this round.
    #[error(transparent)]
    Transfer(#[from] mpcc_transfer::TransferError),
    /// A round asks for more than a session gives.
    #[error(transparent)]
    Plan(#[from] mpcc_transfer::PlanError),
    /// Operands that are not those of the round's tasks.
    #[error("the operands of a round have {got} bytes where its tasks take {expected}; this is a bug in the compiler")]
    Operands {
        /// What the tasks take.
        expected: usize,
        /// What was handed in.
        got: usize,
    },
}
