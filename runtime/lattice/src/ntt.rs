//! The negacyclic number-theoretic transform modulo one prime: residues of a polynomial modulo X^N + 1 to its values
//! at the odd powers of a root ψ of order 2N, and back. The order of the values is fixed ([`Transform::exponent`]), so it
//! may be part of a message; every instruction set gives the same bits.

use mpcc_kernels::{Level, level};

use crate::modulus::{Factor, Modulus};
use crate::primes::root;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod portable;

/// Coefficients whose last layers are done together, in a square of 8 by 8.
pub(crate) const SQUARE: usize = 64;
/// Layers within a square.
const INNER: u32 = 6;

/// Powers of ψ for one direction: that of the block `i` of the layer with `m` blocks is at [`place`] of m + i.
struct Table {
    roots: Vec<u64>,
    quotients: Vec<u64>,
}

/// Transforms of `degree` = 2^`log` coefficients modulo one prime.
pub(crate) struct Transform {
    pub(crate) modulus: Modulus,
    pub(crate) log: u32,
    forward: Table,
    inverse: Table,
    /// N^-1, and N^-1 times the inverse root of the last layer.
    last: [Factor; 2],
}

/// Where the root of index `m + i` stands: the layers of two and of one coefficient are stored so that a vector of
/// roots serves eight rows of a square.
fn place(degree: usize, index: usize) -> usize {
    let within = |m: usize, width: usize| {
        let i = index - m;
        let (block, i) = (i / (8 * width), i % (8 * width));
        m + block * 8 * width + (i % width) * 8 + i / width
    };
    match index {
        i if i >= degree / 2 => within(degree / 2, 4),
        i if i >= degree / 4 => within(degree / 4, 2),
        i => i,
    }
}

/// The bits of `i` below 2^`log` in reverse.
fn reverse(i: usize, log: u32) -> usize {
    i.reverse_bits() >> (usize::BITS - log)
}

/// Copies the first block of the layer to all others: what layers do whose upper halves are zero.
fn spread(x: &mut [u64], layer: u32) {
    let mut filled = x.len() >> layer;
    while filled < x.len() {
        x.copy_within(..filled, filled);
        filled *= 2;
    }
}

impl Table {
    fn new(modulus: Modulus, log: u32, psi: u64) -> Table {
        let degree = 1usize << log;
        let mut table = Table { roots: vec![0; degree], quotients: vec![0; degree] };
        let mut power = 1;
        for exponent in 0..degree {
            let factor = modulus.factor(power);
            let at = place(degree, reverse(exponent, log));
            table.roots[at] = factor.value;
            table.quotients[at] = factor.quotient;
            power = modulus.product(power, psi);
        }
        table
    }

    #[inline(always)]
    fn at(&self, index: usize) -> Factor {
        Factor { value: self.roots[index], quotient: self.quotients[index] }
    }
}

impl Transform {
    pub(crate) fn new(p: u64, log: u32) -> Transform {
        let (modulus, degree) = (Modulus::new(p), 1usize << log);
        assert!((7..=14).contains(&log), "degrees are 2^7 to 2^14");
        let psi = root(p, degree);
        let inverse = Table::new(modulus, log, modulus.invert(psi));
        let scale = modulus.invert(degree as u64);
        let last = [scale, modulus.product(scale, inverse.roots[1])].map(|v| modulus.factor(v));
        Transform { modulus, log, forward: Table::new(modulus, log, psi), inverse, last }
    }

    pub(crate) fn degree(&self) -> usize {
        1 << self.log
    }

    /// The power of ψ at which value number `at` of a transform is taken: odd, below 2N.
    pub(crate) fn exponent(log: u32, at: usize) -> usize {
        let (square, row, column) = (at / SQUARE, at % 8, at / 8 % 8);
        2 * reverse(square * SQUARE + 8 * row + column, log) + 1
    }

    /// Residues below p of coefficients to residues below p of values.
    pub(crate) fn forward(&self, x: &mut [u64]) {
        self.forward_from(level::current(), x, 0);
    }

    /// As [`Transform::forward`] of a polynomial whose coefficients from `low` on are zero; what stands there is ignored.
    pub(crate) fn forward_low(&self, x: &mut [u64], low: usize) {
        let kept = low.next_power_of_two().clamp(SQUARE, self.degree());
        x[low..kept].fill(0);
        self.forward_from(level::current(), x, self.log - kept.trailing_zeros());
    }

    /// All layers but the first `skipped`, which are copies since what follows the first block is zero.
    fn forward_from(&self, level: Level, x: &mut [u64], skipped: u32) {
        assert_eq!(x.len(), self.degree(), "a transform takes all coefficients");
        #[cfg(target_arch = "x86_64")]
        {
            if ifma::available(level) {
                return ifma::forward(self, x, skipped);
            }
            if avx2::available(level) {
                return avx2::forward(self, x, skipped);
            }
        }
        let _ = level;
        portable::forward(self, x, skipped);
    }

    /// The reverse of [`Transform::forward`].
    pub(crate) fn inverse(&self, x: &mut [u64]) {
        self.inverse_at(level::current(), x);
    }

    fn inverse_at(&self, level: Level, x: &mut [u64]) {
        assert_eq!(x.len(), self.degree(), "a transform takes all values");
        #[cfg(target_arch = "x86_64")]
        {
            if ifma::available(level) {
                return ifma::inverse(self, x);
            }
            if avx2::available(level) {
                return avx2::inverse(self, x);
            }
        }
        let _ = level;
        portable::inverse(self, x);
    }

    /// The values of X^`exponent`.
    pub(crate) fn monomial(&self, exponent: usize) -> Vec<u64> {
        let mut x = vec![0; self.degree()];
        x[exponent] = 1;
        self.forward(&mut x);
        x
    }
}

#[cfg(test)]
mod tests;
