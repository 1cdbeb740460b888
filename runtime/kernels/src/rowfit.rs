//! Row functions of one positive scalar, the dealer's part and its plain meaning.
//!
//! A row holds, for every bucket of a *masked* value, a cubic in the position within the bucket. Because the
//! knots are multiples of the bucket width in the masked domain, the bucket is public, and the dealer, who
//! knows the mask, fits the function on the interval that the bucket stands for. Windows of decreasing width
//! extend the range downwards; a bucket of a wide window that reaches too low hands over to the next.
//!
//! Coefficients use IEEE addition, multiplication, division and square root only, each rounded once, so that
//! every machine deals the same row; parties work on integers alone.

mod evaluate;
mod fit;

pub use evaluate::{Bucket, bucket, combine, eval_plain, eval_row, window_value};
pub use fit::{Entry, fit_entry, fit_row};

/// Degree of the fitted polynomials.
pub const DEGREE: u32 = 3;
const NODES: usize = DEGREE as usize + 1;

/// The Chebyshev nodes (1 − cos(π(i + ½)/4))/2 on [0, 1).
const NODE: [f64; NODES] =
    [0.038_060_233_744_356_63, 0.308_658_283_817_455_1, 0.691_341_716_182_544_8, 0.961_939_766_255_643_4];

/// Where the domain begins, in quarters of a bucket of the last window. The error of a cubic through these nodes grows
/// towards the pole of the function, and at 9 quarters it is below 2^-12 for 1/v.
const LEAST: u64 = 9;
/// Below how many quarters of its bucket's width a window hands over to the next, whose domain must reach that far.
const HAND_OVER: i128 = 11;

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
    #[inline(always)]
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

/// The public shape of a row function's table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowTable {
    /// Ring bits k of the opened value, which lies in [0, 2^k).
    pub ring_bits: u32,
    /// Bits n of a bucket index; a window has 2^n buckets.
    pub index_bits: u32,
    /// Number W of windows.
    pub windows: u32,
    /// Degree p of a bucket's polynomial; must be 3.
    pub degree: u32,
    /// Fraction bits g of the position within a bucket.
    pub tau_bits: u32,
    /// Fraction bits f_y of a coefficient.
    pub fraction: u32,
    /// The function.
    pub function: RowFunction,
}

impl RowTable {
    /// Checks the parameters: 2 ≤ n ≤ 16, every window at least n bits wide, n ≥ 5 if there is a hand-over
    /// (else the lower window's domain ends below the upper one's start), k ≤ 62, g ≤ 31,
    /// f_y ≤ 40, degree 3, and results below 2^62 at scale 2^(f_y + g).
    ///
    /// # Errors
    /// [`RowError::Parameter`] naming the first field that breaks a rule.
    pub fn check(&self) -> Result<(), RowError> {
        let refuse = |name, value, rule| Err(RowError::Parameter { name, value, rule });
        if self.degree != DEGREE {
            return refuse("degree", self.degree, "fits are cubic");
        }
        if self.windows == 0 {
            return refuse("windows", self.windows, "at least one window");
        }
        if self.ring_bits > 62 {
            return refuse("ring_bits", self.ring_bits, "at most 62");
        }
        let least = if self.windows > 1 { 5 } else { 2 };
        if self.index_bits < least || self.index_bits > 16 {
            return refuse("index_bits", self.index_bits, "2 to 16, and at least 5 with several windows");
        }
        let narrowest = u64::from(self.windows - 1) * u64::from(self.index_bits - 2) + u64::from(self.index_bits);
        if u64::from(self.ring_bits) < narrowest {
            return refuse("ring_bits", self.ring_bits, "the narrowest window holds whole units");
        }
        if self.tau_bits == 0 || self.tau_bits > 31 {
            return refuse("tau_bits", self.tau_bits, "1 to 31");
        }
        if self.fraction > 40 {
            return refuse("fraction", self.fraction, "at most 40");
        }
        let lowest = (LEAST - 4) as f64 / 4.0 * (1u64 << self.bucket_bits(self.windows - 1)) as f64;
        let highest = (1u64 << self.ring_bits) as f64;
        let unit = (1u64 << self.fraction) as f64 * (1u64 << self.tau_bits) as f64;
        let largest = self.function.value(lowest).max(self.function.value(highest)) * unit;
        if largest.is_nan() || largest >= (1u64 << 62) as f64 {
            return refuse(
                "fraction",
                self.fraction,
                "the largest result at scale 2^(fraction + tau_bits) stays below 2^62",
            );
        }
        Ok(())
    }

    /// Buckets per window, 2^n.
    pub fn entries(&self) -> usize {
        1 << self.index_bits
    }

    /// Words of a row: (W(p + 1) + W − 1)·2^n.
    pub fn words_per_row(&self) -> usize {
        let windows = self.windows as usize;
        (windows * (self.degree as usize + 1) + windows - 1) << self.index_bits
    }

    /// Position of coefficient `q` of bucket `j` of window `w` in a row.
    pub fn coefficient_at(&self, w: u32, q: u32, j: usize) -> usize {
        (((w * (self.degree + 1) + q) as usize) << self.index_bits) + j
    }

    /// Position of the hand-over flag of bucket `j` of window `w` < W − 1 in a row.
    pub fn flag_at(&self, w: u32, j: usize) -> usize {
        (((self.windows * (self.degree + 1) + w) as usize) << self.index_bits) + j
    }

    /// Bits k_w of window `w`.
    pub fn window_bits(&self, w: u32) -> u32 {
        self.ring_bits - w * (self.index_bits - 2)
    }

    /// Bits s_w of a position within a bucket of window `w`; a bucket is Δ_w = 2^(s_w) wide.
    pub fn bucket_bits(&self, w: u32) -> u32 {
        self.window_bits(w) - self.index_bits
    }

    /// The values on which the table meets its error bound: [⌈lo⌉, 2^k − Δ_0) with lo = 2.25 Δ of the last
    /// window. Below, the result stays between f(lo) and f(lo − Δ) up to that error; above, it is undefined.
    pub fn domain(&self) -> std::ops::Range<u64> {
        let lo = (LEAST << self.bucket_bits(self.windows - 1)).div_ceil(4);
        lo..(1 << self.ring_bits) - (1 << self.bucket_bits(0))
    }
}

#[cfg(test)]
mod tests;
