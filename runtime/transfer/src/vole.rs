//! Small-field vector oblivious linear evaluation: Roy (SoftSpokenOT, CRYPTO 2022, figure 7).
//!
//! Leaf i of a tree is the key of a stream tᵢ of which every bit serves one transfer. The receiver of transfers has
//! u = ⊕ tᵢ and v = ⊕ i·tᵢ over GF(2^f); the sender lacks the leaf at Δ and has q = ⊕ (i ⊕ Δ)·tᵢ = v ⊕ Δ·u. The receiver
//! sends u ⊕ x for its choices x, one word list for every tree, and adding Δ times that leaves q = v ⊕ x·Δ. What x is under each tree
//! is a code's matter (`code.rs`), which also makes the 128 columns of all trees' bits, a bit for every transfer each.

use mpcc_kernels::Seed;
use mpcc_kernels::weigh::{Keys, weigh};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::code::{Code, shorten};
use crate::delta::{Delta, delta_bit, mask};
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

    /// Makes the columns of v for the transfers of the span, and appends u ⊕ x of every tree of the code to `out`. `choices` has a list
    /// for every bit of the digits.
    pub(crate) fn expand(&self, code: Code, span: Span, choices: &[u64], columns: &mut Columns, out: &mut Vec<u8>) {
        let (first, words) = place(span);
        assert!(choices.len() == code.bits() as usize * words, "a bit for every transfer");
        let mut total = Zeroizing::new(vec![0; words]);
        let columns = columns.of(code, self.field, words);
        for (tree, ((at, bits), keys)) in self.field.parts().zip(&self.trees).take(code.trees(self.field)).enumerate() {
            let weighted = &mut columns[at * words..(at + bits) * words];
            weigh(keys, 0, STREAM, first, weighted, &mut total);
            for (bit, choices) in choices.chunks_exact(words.max(1)).enumerate() {
                if code.sum(tree) >> bit & 1 == 1 {
                    total.iter_mut().zip(choices).for_each(|(total, choices)| *total ^= choices);
                }
            }
            out.extend(total.iter().flat_map(|total| total.to_le_bytes()));
        }
        shorten(columns, words);
    }
}

/// The sender's end: all leaves but those at Δ, by their places relative to it.
pub(crate) struct Punctured {
    field: Field,
    trees: Vec<Keys>,
    delta: Delta,
}

impl Punctured {
    /// `trees` lack the first place.
    pub(crate) fn new(field: Field, trees: Vec<Keys>, delta: Delta) -> Punctured {
        Punctured { field, trees, delta }
    }

    pub(crate) fn field(&self) -> Field {
        self.field
    }

    #[cfg(test)]
    pub(crate) fn delta(&self) -> &Delta {
        &self.delta
    }

    /// What rows of the digits of a code differ by.
    pub(crate) fn offsets(&self, code: Code) -> Zeroizing<Vec<Block>> {
        code.offsets(self.field, &self.delta)
    }

    /// Makes the columns of q for the transfers of the span, from what the receiver sent for them: 8 bytes for every word
    /// of every tree of the code.
    pub(crate) fn expand(&self, code: Code, span: Span, sent: &[u8], columns: &mut Columns) {
        let (first, words) = place(span);
        assert!(sent.len() == code.trees(self.field) * words * 8, "words of every tree");
        let mut total = Zeroizing::new(vec![0; words]);
        let sums = sent.chunks_exact(8 * words.max(1));
        let columns = columns.of(code, self.field, words);
        for (((at, bits), keys), sums) in self.field.parts().zip(&self.trees).zip(sums) {
            let weighted = &mut columns[at * words..(at + bits) * words];
            weigh(keys, 1, STREAM, first, weighted, &mut total);
            for (bit, column) in weighted.chunks_exact_mut(words).enumerate() {
                let chosen = mask(delta_bit(&self.delta, at + bit));
                for (word, sum) in column.iter_mut().zip(sums.as_chunks::<8>().0) {
                    *word ^= u64::from_le_bytes(*sum) & chosen;
                }
            }
        }
        shorten(columns, words);
    }
}

/// The columns of a chunk.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Columns(Vec<u64>);

impl Columns {
    /// Room for so many rows.
    pub(crate) fn new(rows: usize) -> Columns {
        Columns(vec![0; 2 * SECURITY * rows / WORD])
    }

    /// The columns of all trees of a code, of so many words each; 128 at least.
    fn of(&mut self, code: Code, field: Field, words: usize) -> &mut [u64] {
        let bits: usize = field.parts().take(code.trees(field)).map(|(_, bits)| bits).sum();
        &mut self.0[..bits * words]
    }

    /// The 128 columns of so many words each that a row is made of.
    pub(crate) fn rows(&self, words: usize) -> &[u64] {
        &self.0[..SECURITY * words]
    }
}

#[cfg(test)]
mod tests;
