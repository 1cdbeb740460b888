//! The coins of an inference: masks as the parties draw them, and what truncation does with them.

use mpcc_program::code::Lane;
use mpcc_program::program::{Rounding, ValueId, stream};

use crate::seeds::StageSeed;

/// The seeds of the two parties for one inference.
pub struct Coins {
    model_owner: StageSeed,
    data_owner: StageSeed,
}

/// Mask shares of a wire: the model owner's and the data owner's, both reduced to the wire's ring and to 64 bits, since
/// rounding, series and tables read low bits only.
pub(super) type Mask = [Vec<u64>; 2];

/// Mask shares as they are drawn.
type Drawn = [Vec<u128>; 2];

impl Coins {
    /// The coins of a run in which the parties have these seeds; see [`crate::SessionSeed::inference`].
    pub fn new(model_owner: StageSeed, data_owner: StageSeed) -> Coins {
        Coins { model_owner, data_owner }
    }

    /// The mask of a value whose model owner has none.
    pub(super) fn mask_of_data_owner(&self, id: ValueId, bits: u8, len: usize) -> Mask {
        [vec![0; len], words(&draw(&self.data_owner, id, 0, bits, len), 0)]
    }

    /// Opens integers in a ring of `ring + truncate` bits and truncates them (G1): the rounded integers, and the mask
    /// that the truncated wire has.
    pub(super) fn open(
        &self,
        id: ValueId,
        integers: Vec<i128>,
        (ring, truncate): (u8, u8),
        rounding: Rounding,
    ) -> (Vec<i128>, Mask) {
        let mask = self.drawn(id, ring + truncate, integers.len());
        let shifted = |mask: &Drawn| [words(&mask[0], truncate), words(&mask[1], truncate)];
        match rounding {
            _ if truncate == 0 => (integers, shifted(&mask)),
            Rounding::Dithered => {
                let low = [words(&mask[0], 0), words(&mask[1], 0)];
                (dithered(&integers, &low, truncate), shifted(&mask))
            }
            Rounding::Exact => {
                let total = sums(&mask, ring + truncate);
                let rounded = exact(&integers, &words(&total, 0), truncate);
                // Both shares of the truncated mask are fresh: the model owner's is item 1.
                let first = draw(&self.model_owner, id, 1, ring, total.len());
                let second: Vec<u128> =
                    total.iter().zip(&first).map(|(r, s)| (r >> truncate).wrapping_sub(*s) & ones(ring)).collect();
                (rounded, [words(&first, 0), words(&second, 0)])
            }
        }
    }

    /// Integers revealed in a ring of `ring + truncate` bits without their low bits (G15).
    pub(super) fn reveal(&self, id: ValueId, integers: &[i128], ring: u8, truncate: u8) -> Vec<i128> {
        let total = sums(&self.drawn(id, ring + truncate, integers.len()), ring + truncate);
        exact(integers, &words(&total, 0), truncate)
    }

    /// Both parties' pads of an opened word of `bits` bits.
    pub(super) fn pads(&self, id: ValueId, bits: u8, len: usize) -> Mask {
        self.drawn(id, bits, len).map(|pads| words(&pads, 0))
    }

    /// The mask of an opening in a ring of `ring + truncate` bits without its low bits.
    pub(super) fn high(&self, id: ValueId, ring: u8, truncate: u8, len: usize) -> Vec<u64> {
        words(&sums(&self.drawn(id, ring + truncate, len), ring + truncate), truncate)
    }

    fn drawn(&self, id: ValueId, bits: u8, len: usize) -> Drawn {
        [&self.model_owner, &self.data_owner].map(|seed| draw(seed, id, 0, bits, len))
    }
}

fn draw(seed: &StageSeed, id: ValueId, item: u16, bits: u8, len: usize) -> Vec<u128> {
    entries(seed, stream(id, item), bits, len)
}

/// The entries of a stream.
fn entries(seed: &StageSeed, stream: u64, bits: u8, len: usize) -> Vec<u128> {
    let lane = Lane::of(bits);
    let mut out = vec![0; len * lane.words()];
    seed.fill(stream, bits, &mut out);
    match lane {
        Lane::Word => out.into_iter().map(u128::from).collect(),
        Lane::Double => out.as_chunks().0.iter().map(|[l, h]| u128::from(*l) | u128::from(*h) << 64).collect(),
    }
}

/// The low words of the entries of a stream.
pub(super) fn low_words(seed: &StageSeed, stream: u64, bits: u8, len: usize) -> Vec<u64> {
    words(&entries(seed, stream, bits, len), 0)
}

/// The words above the low `from` bits.
fn words(entries: &[u128], from: u8) -> Vec<u64> {
    entries.iter().map(|e| (e >> from) as u64).collect()
}

fn ones(bits: u8) -> u128 {
    u128::MAX >> (128 - bits)
}

/// r = r_0 + r_1 modulo 2^bits.
fn sums(mask: &Drawn, bits: u8) -> Vec<u128> {
    mask[0].iter().zip(&mask[1]).map(|(a, b)| a.wrapping_add(*b) & ones(bits)).collect()
}

/// A party's mask without its low bits.
pub(super) fn shifted(mask: &[u64], truncate: u8) -> Vec<u64> {
    mask.iter().map(|r| r >> truncate).collect()
}

/// `word` modulo 2^bits, as far as it is there.
pub(super) fn low(word: u64, bits: u8) -> u64 {
    word & (u64::MAX >> 64u8.saturating_sub(bits))
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
