//! The coins of an inference: masks as the parties draw them, and what truncation does with them.

use std::collections::HashMap;

use mpcc_program::code::Lane;
use mpcc_program::gates::COIN;
use mpcc_program::program::{ValueId, stream};

use crate::OutputWords;
use crate::seeds::StageSeed;

/// The seeds of the two parties for one inference, and the low bits of the data owner's shares.
pub struct Coins {
    model_owner: StageSeed,
    data_owner: StageSeed,
    /// Of a run, by value: a share depends on all that came before it.
    recorded: Option<HashMap<ValueId, Vec<u64>>>,
}

/// Mask shares of a wire: the model owner's and the data owner's, both reduced to the wire's ring and to 64 bits, since
/// rounding, series and tables read low bits only.
pub(super) type Mask = [Vec<u64>; 2];

/// Number of the stream of low bits that nobody recorded.
const LOW: u16 = 1;

/// Mask shares as they are drawn.
type Drawn = [Vec<u128>; 2];

impl Coins {
    /// Coins of an inference that nobody runs: masks as the parties would draw them from these seeds, see
    /// [`crate::SessionSeed::inference`], and uniform low bits.
    pub fn new(model_owner: StageSeed, data_owner: StageSeed) -> Coins {
        Coins { model_owner, data_owner, recorded: None }
    }

    /// Coins of a run with these seeds by the code of [`mpcc_program::gates::lower_recording`], from all that it handed out. They
    /// are for that program alone: another has values of which nothing is on record.
    pub fn of_run(model_owner: StageSeed, data_owner: StageSeed, handed_out: &[OutputWords]) -> Coins {
        let coins = handed_out.iter().filter(|words| words.output & COIN != 0);
        let recorded = coins.map(|words| (ValueId(words.output & !COIN), words.words.clone())).collect();
        Coins { model_owner, data_owner, recorded: Some(recorded) }
    }

    /// The mask of a value whose model owner has none.
    pub(super) fn mask_of_data_owner(&self, id: ValueId, bits: u8, len: usize) -> Mask {
        [vec![0; len], words(&draw(&self.data_owner, id, 0, bits, len))]
    }

    /// The mask of a value.
    pub(super) fn mask(&self, id: ValueId, bits: u8, len: usize) -> Mask {
        self.drawn(id, bits, len).map(|part| words(&part))
    }

    /// The low words of what the data owner draws for an item of a value's gate.
    pub(super) fn of_data_owner(&self, id: ValueId, item: u16, bits: u8, len: usize) -> Vec<u64> {
        words(&draw(&self.data_owner, id, item, bits, len))
    }

    /// Integers without `truncate` low bits, rounded by the data owner's (G1, G15).
    pub(super) fn round(&self, id: ValueId, integers: Vec<i128>, truncate: u8) -> Vec<i128> {
        if truncate == 0 {
            return integers;
        }
        match &self.recorded {
            Some(recorded) => rounded(&integers, &recorded[&id], truncate),
            None => {
                rounded(&integers, &low_words(&self.data_owner, stream(id, LOW), truncate, integers.len()), truncate)
            }
        }
    }

    /// Both parties' pads of an opened word of `bits` bits.
    pub(super) fn pads(&self, id: ValueId, bits: u8, len: usize) -> Mask {
        self.drawn(id, bits, len).map(|pads| words(&pads))
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
    words(&entries(seed, stream, bits, len))
}

/// The low words of entries.
fn words(entries: &[u128]) -> Vec<u64> {
    entries.iter().map(|e| *e as u64).collect()
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

/// `floor(x / 2^t) + [0 < u ≤ x mod 2^t]`: unbiased for x / 2^t if u is uniform, and 0 stays 0.
pub(super) fn rounded(integers: &[i128], coins: &[u64], truncate: u8) -> Vec<i128> {
    let modulus = 1i128 << truncate;
    let pairs = integers.iter().zip(coins);
    pairs
        .map(|(x, u)| x.div_euclid(modulus) + i128::from((1..=x.rem_euclid(modulus)).contains(&i128::from(*u))))
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
