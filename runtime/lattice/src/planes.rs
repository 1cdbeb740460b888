//! Polynomials of signed integers in pieces of 48 bits, piece by piece, so that their residues are sums of constant multiples.

use zeroize::Zeroizing;

use crate::modulus::{PIECE, Reducer};
use crate::pointwise::{add_scaled, set_scaled};
use crate::ring::secret_words;

/// Low pieces first; the last one has the sign. Wiped when dropped.
pub(crate) struct Planes(Vec<Zeroizing<Vec<u64>>>);

/// Bits of numbers, sign included, that one piece holds.
const SINGLE: u32 = 51;

impl Planes {
    /// Zeros, for numbers of `bits` bits with their sign.
    pub(crate) fn new(degree: usize, bits: u32) -> Planes {
        let count = if bits <= SINGLE { 1 } else { bits.div_ceil(PIECE) };
        Planes((0..count).map(|_| secret_words(degree, 0u64)).collect())
    }

    pub(crate) fn clear(&mut self) {
        self.0.iter_mut().for_each(|plane| plane.fill(0));
    }

    /// The only piece, if there is one only: words in two's complement.
    pub(crate) fn single(&mut self) -> Option<&mut [u64]> {
        match &mut self.0[..] {
            [plane] => Some(plane),
            _ => None,
        }
    }

    /// Number `x`, in two's complement and sign-extended in its words.
    pub(crate) fn set<const W: usize>(&mut self, x: usize, v: &[u64; W]) {
        let last = self.0.len() - 1;
        let sign = (v[W - 1] as i64 >> 63) as u64;
        let word = |i: usize| v.get(i).copied().unwrap_or(sign);
        for (j, plane) in self.0.iter_mut().enumerate() {
            let (at, shift) = (j * PIECE as usize / 64, j * PIECE as usize % 64);
            let piece = word(at) >> shift | if shift == 0 { 0 } else { word(at + 1) << (64 - shift) };
            plane[x] = if j == last { piece } else { piece & ((1 << PIECE) - 1) };
        }
    }

    /// Their residues times the reducer's scale.
    pub(crate) fn write(&self, reducer: &Reducer, out: &mut [u64]) {
        self.each(reducer, |j, plane, factor, offset| match j {
            0 => set_scaled(reducer.modulus(), out, plane, factor, offset),
            _ => add_scaled(reducer.modulus(), out, plane, factor, offset),
        });
    }

    /// As [`Planes::write`], added to residues.
    pub(crate) fn add(&self, reducer: &Reducer, out: &mut [u64]) {
        self.each(reducer, |_, plane, factor, offset| add_scaled(reducer.modulus(), out, plane, factor, offset));
    }

    fn each(&self, reducer: &Reducer, mut piece: impl FnMut(usize, &[u64], crate::modulus::Factor, u64)) {
        let last = self.0.len() - 1;
        for (j, plane) in self.0.iter().enumerate() {
            piece(j, plane, reducer.piece(j), if j == last { reducer.offset() } else { 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modulus::Modulus;
    use crate::primes::descending;

    #[test]
    fn residues_are_those_of_the_numbers() {
        let m = Modulus::new(descending(45).next().expect("a prime"));
        let reducer = Reducer::new(m, 77);
        for bits in [2u32, 51, 52, 64, 96, 97, 126] {
            let extremes =
                [0, 1, -1, (1i128 << (bits - 1)) - 1, -(1i128 << (bits - 1)), 12_345 % (1 << (bits - 1)), -1, 1];
            let mut planes = Planes::new(8, bits);
            for (x, v) in extremes.into_iter().enumerate() {
                planes.set(x, &[v as u64, (v >> 64) as u64]);
            }
            let want = extremes.map(|v| (v.rem_euclid(i128::from(m.p)) * 77).rem_euclid(i128::from(m.p)) as u64);
            let mut out = [3; 8];
            planes.write(&reducer, &mut out);
            assert_eq!(out, want, "{bits}");
            planes.add(&reducer, &mut out);
            assert_eq!(out, want.map(|v| m.add(v, v)), "{bits}");
        }
    }
}
