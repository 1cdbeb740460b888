//! Functions of one positive number per row, by an incremental distributed point function on the path of the number's mask.
//!
//! A number v in \[0, 2^k) is opened as v^ = v + r. Level l divides the ring into 2^l buckets of D = 2^(k − l); with the
//! buckets j of v^ and R of r and the positions τ and ρ in them, d = j − R mod 2^l gives v = dD + τ − ρ, so that v lies
//! within D of dD, and no comparison is needed. A key gives, at every level from [`FIRST`] on, shares of (1, ρ, ρ², ρ³)
//! at the node R of a binary tree and of 0 at every other. A party visits the nodes j − d with d ≥ [`NEAR`] whose parents
//! it did not take: addresses are public, exactly one visited node is R, and there v is so far from 0 compared with D
//! that a cubic in τ − ρ serves. Its coefficients are public functions of (l, d) and τ.
//!
//! Incremental point functions: Boneh, Boyle, Corrigan-Gibbs, Gilboa and Ishai (Lightweight Techniques for Private Heavy
//! Hitters, IEEE S&P 2021, section 4), with a payload at every level. Coefficients use IEEE addition, multiplication,
//! division and square root only, each rounded once, so that every machine has the same.

mod entry;
mod fit;
mod keys;
pub mod offer;
mod plain;
mod shares;

pub use entry::Width;
pub use keys::{Words, generate, words_per_key};
pub use plain::evaluate as plain;
pub use plain::powers;
pub use shares::evaluate;

/// Degree of the fitted polynomials.
pub const DEGREE: usize = 3;

/// Powers of the position: words of a payload.
pub const POWERS: usize = DEGREE + 1;

/// The coarsest level with a payload. Numbers in the top 2^-4 of the ring are outside the domain.
pub const FIRST: u32 = 4;

/// Least number of buckets between a number and 0 at which a level's cubic serves. For 1/v the largest relative error
/// is 2^-14.8.
pub const NEAR: u32 = 8;

/// What a row computes of the integer v.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowFunction {
    /// 1/√(v·scale + eps).
    Rsqrt {
        /// Real value of one integer unit.
        scale: f64,
        /// Added to the scaled value.
        eps: f64,
    },
    /// 1/(v·scale + eps).
    Recip {
        /// Real value of one integer unit.
        scale: f64,
        /// Added to the scaled value.
        eps: f64,
    },
    /// √(v·scale + eps).
    Sqrt {
        /// Real value of one integer unit.
        scale: f64,
        /// Added to the scaled value.
        eps: f64,
    },
}

impl RowFunction {
    /// The function's value at v > 0.
    pub fn value(self, v: f64) -> f64 {
        match self {
            RowFunction::Rsqrt { scale, eps } => 1.0 / (v * scale + eps).sqrt(),
            RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
            RowFunction::Sqrt { scale, eps } => (v * scale + eps).sqrt(),
        }
    }
}

/// Why a row table is refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RowError {
    /// A parameter is out of bounds.
    #[error("row table parameter {name} = {value} is not allowed: {rule}")]
    Parameter {
        /// Field of [`RowTable`].
        name: &'static str,
        /// Its value.
        value: u32,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

/// The public parameters of a row function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowTable {
    /// Ring bits k of the opened value, which lies in [0, 2^k − 2^(k − [`FIRST`])).
    pub ring_bits: u32,
    /// The finest level.
    pub levels: u32,
    /// Fraction bits g of positions and their powers.
    pub position_bits: u32,
    /// Fraction bits f_y of a coefficient.
    pub fraction: u32,
    /// The function.
    pub function: RowFunction,
}

impl RowTable {
    /// Checks the parameters: k ≤ 62, the levels from [`FIRST`] to k, 1 ≤ g ≤ 30, f_y ≤ 40, and results below 2^62 at
    /// scale 2^(f_y + g).
    ///
    /// # Errors
    /// [`RowError::Parameter`] naming the first field that breaks a rule.
    pub fn check(&self) -> Result<(), RowError> {
        let refuse = |name, value, rule| Err(RowError::Parameter { name, value, rule });
        if self.ring_bits > 62 {
            return refuse("ring_bits", self.ring_bits, "at most 62");
        }
        if self.levels < FIRST || self.levels > self.ring_bits {
            return refuse("levels", self.levels, "from 4 to the bits of the ring");
        }
        if self.position_bits == 0 || self.position_bits > 30 {
            return refuse("position_bits", self.position_bits, "1 to 30");
        }
        if self.fraction > 40 {
            return refuse("fraction", self.fraction, "at most 40");
        }
        let highest = self.function.value((1u64 << self.ring_bits) as f64);
        let unit = (1u64 << self.fraction) as f64 * (1u64 << self.position_bits) as f64;
        let largest = self.function.value(self.least()).max(highest) * unit;
        if largest.is_nan() || largest >= (1u64 << 62) as f64 {
            return refuse(
                "fraction",
                self.fraction,
                "the largest result at scale 2^(fraction + position_bits) stays below 2^62",
            );
        }
        Ok(())
    }

    /// Bits of a position in a bucket of a level.
    pub fn bucket_bits(&self, level: u32) -> u32 {
        self.ring_bits - level
    }

    /// The values on which the function is accurate: from [`NEAR`] buckets of the finest level on, or from 1 if these are
    /// single units, to below the top 2^-4 of the ring. Below, the result stays between the function's values at the start and
    /// at [`RowTable::least`]; above, it is undefined.
    pub fn domain(&self) -> std::ops::Range<u64> {
        let start = match self.bucket_bits(self.levels) {
            0 => 1,
            bits => u64::from(NEAR) << bits,
        };
        start..(1 << self.ring_bits) - (1 << self.bucket_bits(FIRST))
    }

    /// The least value at which the function itself is evaluated.
    pub fn least(&self) -> f64 {
        match self.bucket_bits(self.levels) {
            0 => 1.0,
            bits => (u64::from(NEAR - 1) << bits) as f64,
        }
    }
}

#[cfg(test)]
mod tests;
