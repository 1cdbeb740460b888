//! Small-field vector oblivious linear evaluation: Roy (SoftSpokenOT, CRYPTO 2022, figure 7) with the repetition code.
//!
//! Leaf i of a tree is the key of a stream tᵢ of which every bit serves one transfer. The receiver of transfers has
//! u = ⊕ tᵢ and v = ⊕ i·tᵢ over GF(2^f); the sender lacks the leaf at Δ and has q = ⊕ (i ⊕ Δ)·tᵢ = v ⊕ Δ·u. The receiver
//! sends u ⊕ x for its choices x, one word list for every tree, and adding Δ times that leaves q = v ⊕ x·Δ. Columns are the
//! 128 bits of all trees, a bit for every transfer each.

use mpcc_kernels::Seed;
use mpcc_kernels::weigh::{Keys, weigh};
use zeroize::Zeroizing;

use crate::field::{Field, SECURITY};
use crate::spans::Span;
use crate::tree::{Block, bytes};

/// The only stream of a leaf; a transfer's number is its bit.
const STREAM: u64 = 0;

/// Transfers whose columns end together with a block of the streams.
pub(crate) const STEP: usize = 128;

const WORD: usize = 64;

/// Keys of leaves of one tree, in the order of their places.
pub(crate) fn keys(leaves: &[Block]) -> Keys {
    Keys::new(leaves.iter().map(|&leaf| Seed::from_bytes(bytes(leaf))))
}

/// Where a span's bits stand in the streams: first block, and number of words.
fn place(span: Span) -> (u64, usize) {
    let numbers = span.spend();
    let len = (numbers.end - numbers.start) as usize;
    assert!(numbers.start.is_multiple_of(STEP as u64) && len.is_multiple_of(STEP), "spans are whole steps");
    (numbers.start / STEP as u64, len / WORD)
}

/// The receiver's end: all leaves.
pub(crate) struct Whole {
    field: Field,
    trees: Vec<Keys>,
}

impl Whole {
    pub(crate) fn new(field: Field, trees: Vec<Keys>) -> Whole {
        Whole { field, trees }
    }

    /// Fills `columns` with v for the transfers of the span and appends u ⊕ `choices` of every tree to `out`.
    pub(crate) fn expand(&self, span: Span, choices: &[u64], columns: &mut [u64], out: &mut Vec<u8>) {
        let (first, words) = place(span);
        assert!(choices.len() == words && columns.len() == SECURITY * words, "a bit for every transfer");
        let mut total = Zeroizing::new(vec![0; words]);
        for ((at, bits), keys) in self.field.parts().zip(&self.trees) {
            let weighted = &mut columns[at * words..(at + bits) * words];
            weigh(keys, 0, STREAM, first, weighted, &mut total);
            let start = out.len();
            out.resize(start + 8 * words, 0);
            for ((out, total), choices) in out[start..].as_chunks_mut().0.iter_mut().zip(&*total).zip(choices) {
                *out = (total ^ choices).to_le_bytes();
            }
        }
    }
}

/// The sender's end: all leaves but those at Δ, by their places relative to it.
pub(crate) struct Punctured {
    field: Field,
    trees: Vec<Keys>,
    delta: Zeroizing<Block>,
}

impl Punctured {
    /// `trees` lack the first place.
    pub(crate) fn new(field: Field, trees: Vec<Keys>, delta: Zeroizing<Block>) -> Punctured {
        Punctured { field, trees, delta }
    }

    pub(crate) fn field(&self) -> Field {
        self.field
    }

    pub(crate) fn delta(&self) -> Block {
        *self.delta
    }

    /// Fills `columns` with q for the transfers of the span, from what the receiver sent for them: 8 bytes for every word
    /// of every tree.
    pub(crate) fn expand(&self, span: Span, sent: &[u8], columns: &mut [u64]) {
        let (first, words) = place(span);
        assert!(sent.len() == self.trees.len() * words * 8 && columns.len() == SECURITY * words, "words of every tree");
        let mut total = Zeroizing::new(vec![0; words]);
        let sums = sent.chunks_exact(8 * words.max(1));
        for (((at, bits), keys), sums) in self.field.parts().zip(&self.trees).zip(sums) {
            let weighted = &mut columns[at * words..(at + bits) * words];
            weigh(keys, 1, STREAM, first, weighted, &mut total);
            for (bit, column) in weighted.chunks_exact_mut(words).enumerate() {
                let chosen = mask(delta_bit(*self.delta, at + bit));
                for (word, sum) in column.iter_mut().zip(sums.as_chunks::<8>().0) {
                    *word ^= u64::from_le_bytes(*sum) & chosen;
                }
            }
        }
    }
}

/// Bit `at` of Δ.
pub(crate) fn delta_bit(delta: Block, at: usize) -> u64 {
    delta[at / WORD] >> (at % WORD) & 1
}

/// All ones for 1, zero for 0.
pub(crate) fn mask(bit: u64) -> u64 {
    bit.wrapping_neg()
}

#[cfg(test)]
mod tests;
