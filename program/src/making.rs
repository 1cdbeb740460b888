//! What the two parties do together before an inference when no dealer does: the code by which a party turns its own masks into
//! its share of every item of correlated randomness.
//!
//! It is role code in rounds. What a round's exchange sends are a party's operands of tasks, and what it receives are its
//! shares of their results: who sits at the other end of that exchange makes products of numbers that two parties have, and
//! knows nothing of gates. Everything else is local work of the kind that parties do in an inference.

use serde::{Deserialize, Serialize};

use crate::code::{Owner, RoleCode};
use crate::correlation::{Item, Pairing};
use crate::program::ValueId;

/// Bits that travel to choose one of 2^1, 2^2, … strings by a transfer.
pub const CHOICE_BITS: [u32; 5] = [16, 24, 28, 30, 31];

/// Numbers that one party has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Factor {
    /// They are modulo 2^width.
    pub width: u8,
    /// Their residues nearest to zero are meant.
    pub signed: bool,
}

/// What two parties make of numbers that each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Job {
    /// Shares of the products of one party's numbers, on the left, and the other's.
    Products {
        /// Whose numbers stand on the left.
        left: Owner,
        /// Which entries meet.
        pairing: Pairing,
        /// The left numbers and the right ones.
        factors: [Factor; 2],
        /// How many tasks before it in its round another one stands that has the same list of left numbers; 0 if none is known to.
        again: u32,
    },
    /// Exclusive-or shares of the conjunction, bit by bit, of two lists of words that are shared likewise.
    Ands,
    /// Shares of the other party's number where the chooser's bit is 1, and of 0 where it is 0.
    Chosen {
        /// Who has the bits.
        chooser: Owner,
    },
    /// Exclusive-or shares of what the parties' digits a and b add up to: bit 0 of a + b above them and at bit 1 whether it is the
    /// largest digit, or, `hot`, bit a + b but for what is above and behind these the bit above.
    Sums {
        /// Who chooses.
        chooser: Owner,
        /// Bits of a digit.
        digit: u8,
        /// All digits' bits.
        hot: bool,
    },
    /// Exclusive-or shares of what both parties' digits and what is carried in carry on: whether the three add up to 2^digit at
    /// least. A party's share of what is carried in is the bit below its digit.
    Carries {
        /// Who chooses.
        chooser: Owner,
        /// Bits of a digit.
        digit: u8,
    },
    /// Exclusive-or shares of a shared word where a shared bit is 1, and of 0 where it is 0.
    Under,
    /// Uniform pads, one for every value of a digit, side by side, and for the chooser the one that its digit names.
    Pads {
        /// Who has the digits.
        chooser: Owner,
        /// Bits of a digit.
        digit: u8,
    },
}

/// A job of a round. Both parties' codes have the same tasks in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Task {
    /// What is made.
    pub job: Job,
    /// Entries of the result.
    pub len: usize,
    /// Bits of an entry of the result.
    pub bits: u8,
}

impl Task {
    /// Lists of numbers that a party gives to it: entries and bits of each.
    pub fn operands(&self, party: Owner) -> Vec<(usize, u8)> {
        match self.job {
            Job::Products { left, pairing, factors, .. } => {
                let [left_len, right_len] = pairing.lengths();
                if left == party { vec![(left_len, factors[0].width)] } else { vec![(right_len, factors[1].width)] }
            }
            Job::Ands => vec![(self.len, self.bits); 2],
            Job::Chosen { chooser } => vec![(self.len, if chooser == party { 1 } else { self.bits })],
            Job::Sums { digit, .. } => vec![(self.len, digit)],
            Job::Carries { digit, .. } => vec![(self.len, digit + 1)],
            Job::Under => vec![(self.len, 1), (self.len, self.bits)],
            Job::Pads { chooser, digit } if chooser == party => vec![(self.len, digit)],
            Job::Pads { .. } => vec![],
        }
    }

    /// Entries of what a party gets of it.
    pub fn results(&self, party: Owner) -> usize {
        match self.job {
            Job::Pads { chooser, digit } if chooser != party => self.len << digit,
            _ => self.len,
        }
    }
}

/// One party's part in making the correlated randomness of an inference.
#[derive(Clone, Debug, PartialEq)]
pub struct Making {
    /// Its code. Steps are rounds; what the exchange behind the last of them sends are the party's shares, as the code of the
    /// inference receives them.
    pub code: RoleCode,
    /// The tasks of every round.
    pub rounds: Vec<Vec<Task>>,
    /// What each share is of, with the value whose gate needs it.
    pub items: Vec<(ValueId, Item)>,
}

/// What planners take a making to cost. Who makes products knows the ways to make them; planning only compares programs.
pub trait MakingPrice {
    /// Seconds of the tasks of all rounds: both parties' work and all bytes, one after the other.
    fn seconds(&self, rounds: &[Vec<Task>]) -> f64;
}
