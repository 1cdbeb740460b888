//! What the sender of a direction holds: Δ, by which rows of different choices differ.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::tree::block;

const WORD: usize = 64;

/// Δ: the bits of all trees, those of a row of one choice bit first.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Delta([u64; 4]);

impl Delta {
    #[cfg(test)]
    pub(crate) fn new(words: [u64; 4]) -> Delta {
        Delta(words)
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Delta {
        let [low, high] =
            [&bytes[..16], &bytes[16..]].map(|half| block(half.first_chunk().expect("half of the bytes")));
        Delta([low[0], low[1], high[0], high[1]])
    }
}

impl std::ops::Deref for Delta {
    type Target = [u64; 4];

    fn deref(&self) -> &[u64; 4] {
        &self.0
    }
}

/// Bit `at` of Δ.
pub(crate) fn delta_bit(delta: &Delta, at: usize) -> u64 {
    delta[at / WORD] >> (at % WORD) & 1
}

/// All ones for 1, zero for 0.
pub(crate) fn mask(bit: u64) -> u64 {
    bit.wrapping_neg()
}
