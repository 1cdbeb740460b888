//! Sums over the streams of many keys: all of them, and for every bit of a key's position those where the bit is set.
//!
//! A position i is read as an element of GF(2^f), so the f weighted sums are the bits of Σ i·tᵢ. Neighbours are added up
//! pair by pair as in a binary tree, which takes two additions a stream, and one piece of every stream is held at a time.

use zeroize::{Zeroize, Zeroizing};

use crate::level::{self, Level};
#[cfg(target_arch = "x86_64")]
use crate::prg::x86::Schedule;
use crate::prg::{Prg, RESERVED, Seed};

#[cfg(target_arch = "x86_64")]
mod avx512;

/// Words of a piece.
const PIECE: usize = 64;

/// Most bits of a position.
pub const MOST_BITS: usize = 8;

/// Schedules of the keys of positions in a row, wiped on drop.
pub struct Keys(Kind);

enum Kind {
    Any(Vec<Prg>),
    /// Where AES works on vectors of four blocks.
    #[cfg(target_arch = "x86_64")]
    Wide(Zeroizing<Vec<Schedule>>),
}

impl Keys {
    /// Expands the keys.
    pub fn new(seeds: impl IntoIterator<Item = Seed>) -> Keys {
        Keys::at_level(level::current(), seeds)
    }

    fn at_level(level: Level, seeds: impl IntoIterator<Item = Seed>) -> Keys {
        let prgs: Vec<Prg> = seeds.into_iter().map(|seed| Prg::at_level(level, &seed)).collect();
        #[cfg(target_arch = "x86_64")]
        if prgs.iter().all(|prg| prg.wide().is_some()) {
            // At its full size from the start: a list that grows leaves copies behind.
            let mut schedules = Zeroizing::new(Vec::with_capacity(prgs.len()));
            schedules.extend(prgs.iter().filter_map(|prg| prg.wide().copied()));
            return Keys(Kind::Wide(schedules));
        }
        Keys(Kind::Any(prgs))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Any(prgs) => prgs.len(),
            #[cfg(target_arch = "x86_64")]
            Kind::Wide(schedules) => schedules.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Adds up, under ⊕, the 128-bit blocks `first_block ..` of `stream` of 2^f keys, f = `weighted.len()` / `total.len()`.
///
/// `keys` are those of the positions from `absent` on; what is absent, none or position 0 alone, counts as a stream of zeros.
/// `total` gets the sum of all streams, and part b of `weighted`, as long as `total`, that of the positions with bit b set.
/// Position 0 is in no weighted sum, so those are exact if it is absent.
///
/// # Panics
/// If the lengths do not fit one another, f is not in 1..=[`MOST_BITS`], or as [`Prg::fill`].
pub fn weigh(keys: &Keys, absent: usize, stream: u64, first_block: u64, weighted: &mut [u64], total: &mut [u64]) {
    let words = total.len();
    if words == 0 {
        return;
    }
    let bits = weighted.len() / words;
    assert!(
        (1..=MOST_BITS).contains(&bits) && weighted.len() == bits * words,
        "a sum for every bit, as long as the total"
    );
    assert!(absent <= 1 && keys.len() + absent == 1 << bits, "2^{bits} keys, but for an absent first one");
    assert!(stream < RESERVED, "stream {stream:#x} is reserved for derived seeds");
    match &keys.0 {
        Kind::Any(prgs) => pieces(prgs, absent, stream, 2 * first_block, weighted, total),
        #[cfg(target_arch = "x86_64")]
        Kind::Wide(schedules) => avx512::weigh(schedules, absent, [stream, first_block], weighted, total),
    }
}

/// The sums piece by piece, one stream at a time.
fn pieces(keys: &[Prg], absent: usize, stream: u64, first_word: u64, weighted: &mut [u64], total: &mut [u64]) {
    let words = total.len();
    let bits = weighted.len() / words;
    let mut left = [[0; PIECE]; MOST_BITS];
    let mut sum = [0; PIECE];
    for start in (0..words).step_by(PIECE) {
        let piece = start..words.min(start + PIECE);
        let len = piece.len();
        for bit in 0..bits {
            weighted[bit * words..][piece.clone()].fill(0);
        }
        for position in 0..1usize << bits {
            match position.checked_sub(absent) {
                Some(at) => keys[at].fill(stream, first_word + start as u64, &mut sum[..len]),
                None => sum[..len].fill(0),
            }
            // Every set bit below the first clear one closes a pair: what was just summed is its right half.
            let level = position.trailing_ones() as usize;
            for (bit, left) in left[..level.min(bits)].iter().enumerate() {
                add(&mut weighted[bit * words..][piece.clone()], &sum[..len]);
                add(&mut sum[..len], &left[..len]);
            }
            match left[..bits].get_mut(level) {
                Some(left) => left[..len].copy_from_slice(&sum[..len]),
                None => total[piece.clone()].copy_from_slice(&sum[..len]),
            }
        }
    }
    left.zeroize();
    sum.zeroize();
}

fn add(to: &mut [u64], other: &[u64]) {
    for (to, other) in to.iter_mut().zip(other) {
        *to ^= other;
    }
}

#[cfg(test)]
mod tests;
