//! The noise that hides what an answer's own noise says about the evaluator's numbers. A number is J·2^h plus three
//! uniform numbers of h bits, less their mean, J discrete Gaussian of deviation 8 and cut at 61. The smooth middle makes the
//! distance of shifted copies that of a Gaussian (quadratic in the shift); uniform bits alone would make it linear.

use mpcc_kernels::Prg;
use zeroize::Zeroizing;

use crate::modulus::{Modulus, PIECE};
use crate::pointwise::{add_scaled, count_reached};
use crate::ring::secret_words;

/// lg of J's deviation.
pub(crate) const DEVIATION: u32 = 3;
/// Sizes are at most this many halves of 2^h.
pub(crate) const RANGE: u64 = 2 * LARGEST + 3;
const LARGEST: u64 = 61;

/// Largest h, so that four words hold a number with its sign.
pub(crate) const MOST: u32 = 256 - 8;

/// ⌊2^63 · P(|J| ≤ i)⌋.
const CUMULATIVE: [u64; LARGEST as usize] = [
    0x0662114cf50dae11,
    0x130cc518f3848b2c,
    0x1f6c5ae975e423a8,
    0x2b529790d695d428,
    0x3696b611e6d95800,
    0x411701805ec566c7,
    0x4ab9ec78355f9833,
    0x536e99274d58fe67,
    0x5b2cd28ada1eebb8,
    0x61f48412e6b0e49d,
    0x67ccc6f7f32d2e45,
    0x6cc2a3404716a5b8,
    0x70e7a555fb9e57a9,
    0x745068472834a745,
    0x771330ee001777f4,
    0x7946b034a2f2dc79,
    0x7b00fb78117690c5,
    0x7c56c2b778ea4733,
    0x7d5ac5974cc6656e,
    0x7e1d82e160e0e8e5,
    0x7ead1a640cdb7dde,
    0x7f1556ef075048a3,
    0x7f5fd58438dd5162,
    0x7f943f58e88eeea2,
    0x7fb88d9b683ddc47,
    0x7fd14fbdd5b8c1e1,
    0x7fe1eef6b742ea45,
    0x7feceb7e6db7280d,
    0x7ff411a4620921b2,
    0x7ff8a6144093e5b0,
    0x7ffb89869e293aae,
    0x7ffd54a8a5565b59,
    0x7ffe6d52338266a8,
    0x7fff163a0678951f,
    0x7fff7a4cc5f03853,
    0x7fffb4ac0e794626,
    0x7fffd631431fc03e,
    0x7fffe924a2d1940f,
    0x7ffff3b0d5097195,
    0x7ffff9786ae74058,
    0x7ffffc969813d978,
    0x7ffffe3e809b7137,
    0x7fffff1c25e1626b,
    0x7fffff8e3dc8e3ee,
    0x7fffffc80fa15638,
    0x7fffffe4e88b817a,
    0x7ffffff313e4a7a3,
    0x7ffffff9edf6d44a,
    0x7ffffffd3106f3c5,
    0x7ffffffeb869cdf4,
    0x7fffffff6d022227,
    0x7fffffffbf0c1d8a,
    0x7fffffffe3bcc85f,
    0x7ffffffff3e45173,
    0x7ffffffffae4f0aa,
    0x7ffffffffde1efee,
    0x7fffffffff23562d,
    0x7fffffffffa845f0,
    0x7fffffffffde67db,
    0x7ffffffffff41b63,
    0x7ffffffffffcac08,
];

/// Numbers J·2^h + U − 3·2^(h − 1), one for each coefficient; U is kept in sums of three pieces. Wiped when dropped.
pub(crate) struct Flooding {
    h: u32,
    /// J in two's complement.
    top: Zeroizing<Vec<u64>>,
    /// Sums of three pieces of 48 bits, low ones first.
    low: Vec<Zeroizing<Vec<u64>>>,
}

/// Bits of piece `j` of a number of `h` bits.
fn piece_bits(h: u32, j: u32) -> u32 {
    (h - j * PIECE).min(PIECE)
}

impl Flooding {
    /// Draws from `stream` and the one after it.
    pub(crate) fn draw(prg: &Prg, stream: u64, h: u32, count: usize) -> Flooding {
        assert!((1..=MOST).contains(&h), "low parts have 1 to {MOST} bits, not {h}");
        let mut words = secret_words(count, 0u64);
        let mut top = secret_words(count, 0u64);
        prg.fill(stream, 0, &mut words);
        top.iter_mut().zip(words.iter()).for_each(|(top, &word)| *top = word >> 1);
        count_reached(&CUMULATIVE, &mut top);
        for (top, &word) in top.iter_mut().zip(words.iter()) {
            // The sign is the bit that the comparison ignores.
            let sign = (word & 1).wrapping_neg();
            *top = (*top ^ sign).wrapping_sub(sign);
        }
        let sums = |j: u32| {
            let mut sums = secret_words(count, 0u64);
            for part in 0..3 {
                let first = u64::from(3 * j + part) * count as u64;
                prg.fill_masked(stream + 1, first, piece_bits(h, j), &mut words);
                sums.iter_mut().zip(words.iter()).for_each(|(sum, &word)| *sum += word);
            }
            sums
        };
        Flooding { h, low: (0..h.div_ceil(PIECE)).map(sums).collect(), top }
    }

    /// Adds the numbers to residues.
    pub(crate) fn add(&self, m: Modulus, out: &mut [u64]) {
        let power = |bits: u32| m.power(2, bits.into());
        // A multiple of p makes J positive, and another one less the mean goes with the first piece.
        add_scaled(m, out, &self.top, m.factor(power(self.h)), m.p);
        let mean = m.product(3, power(self.h - 1));
        for (j, low) in self.low.iter().enumerate() {
            let offset = if j == 0 { m.p - mean } else { 0 };
            add_scaled(m, out, low, m.factor(power(PIECE * j as u32)), offset);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.top.len()
    }

    /// All numbers zero.
    #[cfg(test)]
    pub(crate) fn none(count: usize) -> Flooding {
        let mean = 3 << (PIECE - 1);
        Flooding { h: PIECE, top: secret_words(count, 0), low: vec![secret_words(count, mean)] }
    }

    /// The largest numbers that can be drawn.
    #[cfg(test)]
    pub(crate) fn largest(h: u32, count: usize) -> Flooding {
        let low = |j: u32| secret_words(count, 3 * ((1 << piece_bits(h, j)) - 1));
        Flooding { h, top: secret_words(count, LARGEST), low: (0..h.div_ceil(PIECE)).map(low).collect() }
    }
}

#[cfg(test)]
mod tests;
