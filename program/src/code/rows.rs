//! Parameters of functions of one positive number per row (gates G10 and G20).

use serde::{Deserialize, Serialize};

/// The function behind a row table (gate G10); `v` is the integer in the wire.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum RowFunction {
    /// `1 / sqrt(v * scale + eps)`
    Rsqrt {
        /// Real value of one unit of `v`.
        scale: f64,
        /// Added before the root.
        eps: f64,
    },
    /// `1 / (v * scale + eps)`
    Recip {
        /// Real value of one unit of `v`.
        scale: f64,
        /// Added to the divisor.
        eps: f64,
    },
    /// `sqrt(v * scale + eps)`
    Sqrt {
        /// Real value of one unit of `v`.
        scale: f64,
        /// Added before the root.
        eps: f64,
    },
}

/// Parameters of a row function (gate G10): of a number v in \[0, 2^k) that is opened as v^ = v + r. Level l has buckets of
/// 2^(k − l) numbers; the keys of a row share, at every level from [`RowTable::FIRST`] on, the powers of the position of r in
/// its bucket at the node of that bucket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTable {
    /// k: ring width of the masked argument.
    pub ring_bits: u8,
    /// The finest level.
    pub levels: u8,
    /// g: fraction bits of a position and its powers.
    pub position_bits: u8,
    /// f_y: fraction bits of the coefficients; the result has `fraction + position_bits`.
    pub fraction: u8,
    /// What is computed.
    pub function: RowFunction,
}

impl RowTable {
    /// The coarsest level with a payload.
    pub const FIRST: u8 = 4;
    /// Buckets between 0 and a number at which a level serves.
    pub const NEAR: u8 = 8;
    /// Powers of the position, from 0 to 3.
    pub const POWERS: usize = 4;

    /// Entries of a row's payload; none of a table that the verifier refuses.
    pub fn payload(&self) -> usize {
        usize::from((self.levels + 1).saturating_sub(Self::FIRST)) * Self::POWERS
    }

    /// log2 of the numbers in a bucket of a level.
    pub fn bucket_bits(&self, level: u8) -> i32 {
        i32::from(self.ring_bits) - i32::from(level)
    }

    /// The arguments at which the function is accurate to 2^-14 of its value: from eight buckets of the finest level on, or
    /// from 1 if these are single units, to below the top sixteenth of the ring. Down to zero the result saturates: between
    /// the function's values at the domain's start and at [`RowTable::least`]. Above the domain it is undefined. The table must be one
    /// that the verifier accepts.
    pub fn domain(&self) -> std::ops::Range<u64> {
        let start = match self.bucket_bits(self.levels) {
            0 => 1,
            bits => u64::from(Self::NEAR) << bits,
        };
        start..(1 << self.ring_bits) - (1 << self.bucket_bits(Self::FIRST))
    }

    /// The least number whose function is used.
    pub fn least(&self) -> f64 {
        match self.bucket_bits(self.levels) {
            0 => 1.0,
            bits => f64::from(Self::NEAR - 1) * f64::from(bits).exp2(),
        }
    }
}

/// Parameters of a row function that one party offers and the other takes (gate G20). Lists of 2^choice_bits buckets serve
/// numbers of choice_bits − 3 octaves each, the last and finest one those below too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowOffer {
    /// The function, its domain and its finest level.
    pub table: RowTable,
    /// Bits of a choice.
    pub choice_bits: u8,
}

impl RowOffer {
    /// The most bits of a choice.
    pub const MOST_CHOICE: u8 = 8;

    /// How many lists there are.
    pub fn lists(&self) -> usize {
        let finer = usize::from(self.table.levels.saturating_sub(self.choice_bits));
        1 + finer.div_ceil(self.step().into())
    }

    /// Levels from a list to the next one.
    pub(crate) fn step(&self) -> u8 {
        self.choice_bits.saturating_sub(3).max(1)
    }

    /// Buckets of a list.
    pub fn buckets(&self) -> usize {
        1 << self.choice_bits.min(Self::MOST_CHOICE)
    }

    /// Entries that are offered of a row: the first list once, the others under two labels.
    pub fn entries(&self) -> usize {
        (2 * self.lists() - 1) * self.buckets()
    }

    /// Those of them with a label: of all lists but the last.
    pub fn labelled(&self) -> usize {
        (2 * self.lists()).saturating_sub(3) * usize::from(self.lists() > 1) * self.buckets()
    }
}
