//! The coins of an inference: masks as the parties draw them, and what truncation does with them.

use mpcc_program::program::{Rounding, ValueId, stream};

use crate::seeds::StageSeed;

/// The seeds of the two parties for one inference.
pub struct Coins {
    model_owner: StageSeed,
    data_owner: StageSeed,
}

/// Mask shares of a wire: the model owner's and the data owner's, both reduced to the wire's ring.
pub(super) type Mask = [Vec<u64>; 2];

impl Coins {
    /// The coins of a run in which the parties have these seeds; see [`crate::SessionSeed::inference`].
    pub fn new(model_owner: StageSeed, data_owner: StageSeed) -> Coins {
        Coins { model_owner, data_owner }
    }

    /// Item 0 of a value, from both seeds, `bits` wide.
    pub(super) fn mask(&self, id: ValueId, bits: u8, len: usize) -> Mask {
        [&self.model_owner, &self.data_owner].map(|seed| draw(seed, id, 0, bits, len))
    }

    /// Item 0 of a value whose model owner has no mask.
    pub(super) fn mask_of_data_owner(&self, id: ValueId, bits: u8, len: usize) -> Mask {
        [vec![0; len], draw(&self.data_owner, id, 0, bits, len)]
    }

    /// Truncates integers opened under `mask` in a ring of `ring + truncate` bits (G1): the rounded integers, and the
    /// mask that the truncated wire has.
    pub(super) fn truncate(
        &self,
        id: ValueId,
        integers: &[i128],
        mask: Mask,
        (ring, truncate): (u8, u8),
        rounding: Rounding,
    ) -> (Vec<i128>, Mask) {
        if truncate == 0 {
            return (integers.to_vec(), mask);
        }
        match rounding {
            Rounding::Dithered => (dithered(integers, &mask, truncate), mask.map(|m| shifted(&m, truncate))),
            Rounding::Exact => {
                let total = total(&mask, ring + truncate);
                let rounded = exact(integers, &total, truncate);
                // Both shares of the truncated mask are fresh: the model owner's is item 1.
                let first = draw(&self.model_owner, id, 1, ring, total.len());
                let second =
                    total.iter().zip(&first).map(|(r, s)| low((r >> truncate).wrapping_sub(*s), ring)).collect();
                (rounded, [first, second])
            }
        }
    }
}

fn draw(seed: &StageSeed, id: ValueId, item: u16, bits: u8, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    seed.fill(stream(id, item), bits, &mut out);
    out
}

/// A party's mask without its low bits.
pub(super) fn shifted(mask: &[u64], truncate: u8) -> Vec<u64> {
    mask.iter().map(|r| r >> truncate).collect()
}

/// `word` modulo 2^bits, 1 ≤ bits ≤ 64.
pub(super) fn low(word: u64, bits: u8) -> u64 {
    word & (u64::MAX >> (64 - bits))
}

/// r = r_0 + r_1 modulo 2^bits.
pub(super) fn total(mask: &Mask, bits: u8) -> Vec<u64> {
    mask[0].iter().zip(&mask[1]).map(|(a, b)| low(a.wrapping_add(*b), bits)).collect()
}

/// x^ = x + r modulo 2^bits.
pub(super) fn hat(integers: &[i64], mask: &Mask, bits: u8) -> Vec<u64> {
    total(mask, bits).iter().zip(integers).map(|(r, x)| low(r.wrapping_add(*x as u64), bits)).collect()
}

/// `floor(x / 2^t) + [x mod 2^t > x^ mod 2^t]` with x^ = x + r: unbiased for x / 2^t, and 0 stays 0.
pub(super) fn exact(integers: &[i128], total: &[u64], truncate: u8) -> Vec<i128> {
    let modulus = 1i128 << truncate;
    integers
        .iter()
        .zip(total)
        .map(|(x, r)| {
            let opened = (x + i128::from(*r)).rem_euclid(modulus);
            x.div_euclid(modulus) + i128::from(x.rem_euclid(modulus) > opened)
        })
        .collect()
}

/// `floor((x − 2^(t−1) + r_0 mod 2^t + r_1 mod 2^t) / 2^t)`.
pub(super) fn dithered(integers: &[i128], mask: &Mask, truncate: u8) -> Vec<i128> {
    let modulus = 1i128 << truncate;
    integers
        .iter()
        .zip(mask[0].iter().zip(&mask[1]))
        .map(|(x, (a, b))| {
            let coins = i128::from(*a) % modulus + i128::from(*b) % modulus;
            (x - modulus / 2 + coins).div_euclid(modulus)
        })
        .collect()
}
