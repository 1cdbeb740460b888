//! Sums over the streams of many keys: all of them, and for every bit of a key's position those where the bit is set.
//!
//! A position i is read as an element of GF(2^f), so the f weighted sums are the bits of Σ i·tᵢ. Neighbours are added up
//! pair by pair as in a binary tree, which takes two additions a stream, and one piece of every stream is held at a time.

use zeroize::Zeroize;

use crate::prg::{Prg, RESERVED};

#[cfg(target_arch = "x86_64")]
mod avx512;

/// Words of a piece.
const PIECE: usize = 64;

/// Most bits of a position.
pub const MOST_BITS: usize = 8;

/// Adds up, under ⊕, words `first_word ..` of `stream` of 2^f keys, f = `weighted.len()` / `total.len()`.
///
/// `keys` are those of the positions from `absent` on; what is absent, none or position 0 alone, counts as a stream of zeros.
/// `total` gets the sum of all streams, and part b of `weighted`, as long as `total`, that of the positions with bit b set.
/// Position 0 is in no weighted sum, so those are exact if it is absent.
///
/// # Panics
/// If the lengths do not fit one another, f is not in 1..=[`MOST_BITS`], or as [`Prg::fill`].
pub fn weigh(keys: &[Prg], absent: usize, stream: u64, first_word: u64, weighted: &mut [u64], total: &mut [u64]) {
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
    let sums = Sums { keys, absent, stream, bits };
    let done = sums.vectors(first_word, weighted, total);
    sums.pieces(first_word, done, weighted, total);
}

/// What is added up.
struct Sums<'k> {
    keys: &'k [Prg],
    absent: usize,
    stream: u64,
    bits: usize,
}

impl Sums<'_> {
    /// The leading pieces that vectors can make; returns how many words.
    fn vectors(&self, first_word: u64, weighted: &mut [u64], total: &mut [u64]) -> usize {
        #[cfg(target_arch = "x86_64")]
        if self.stream < RESERVED && first_word.is_multiple_of(2) && total.len() >= PIECE {
            let schedules: Option<Vec<_>> = self.keys.iter().map(Prg::wide).collect();
            if let Some(schedules) = schedules {
                return avx512::weigh(&schedules, self.absent, [self.stream, first_word / 2], weighted, total);
            }
        }
        let _ = (first_word, weighted, total);
        0
    }

    /// The words from `done` on.
    fn pieces(&self, first_word: u64, done: usize, weighted: &mut [u64], total: &mut [u64]) {
        let Sums { keys, absent, stream, bits } = *self;
        let words = total.len();
        let mut left = [[0; PIECE]; MOST_BITS];
        let mut sum = [0; PIECE];
        for start in (done..words).step_by(PIECE) {
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
}

fn add(to: &mut [u64], other: &[u64]) {
    for (to, other) in to.iter_mut().zip(other) {
        *to ^= other;
    }
}

#[cfg(test)]
mod tests;
