//! How products lie in slots. They have two axes: along the first every slot is a result or a row of its own; along the second
//! stand the other results of the same number, or the terms of a sum. As many of the second axis as fit share a ciphertext.

use mpcc_program::correlation::{Along, Pairing};

/// Most entries of the second axis beside each other that blocks are made lower for.
const MOST_PARTS: usize = 64;

/// Which products a slot of which ciphertext has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    pairing: Pairing,
    /// Extents of the axes.
    first: usize,
    second: usize,
    /// Entries of the first axis in a block, and blocks.
    pub(crate) height: usize,
    pub(crate) blocks: usize,
    /// Entries of the second axis in a ciphertext, and ciphertexts of a block.
    pub(crate) parts: usize,
    pub(crate) groups: usize,
    /// The second axis is summed.
    pub(crate) summed: bool,
    /// All ciphertexts of a block are uploads of the same numbers.
    pub(crate) repeated: bool,
    /// Answers to the same uploads of a block, if they are summed.
    pub(crate) columns: usize,
    left_encrypted: bool,
}

/// A product: entries of both operands, and of the result.
pub(crate) struct Place {
    pub(crate) left: usize,
    pub(crate) right: usize,
    pub(crate) result: usize,
    /// It is subtracted.
    pub(crate) negative: bool,
}

impl Spread {
    /// In ciphertexts of `slots` slots, the left operand's numbers encrypted or the right one's.
    pub(crate) fn new(pairing: Pairing, slots: usize, left_encrypted: bool) -> Spread {
        let (first, second, summed) = match pairing {
            Pairing::Matrices { batch, m, k, n, .. } => (batch * m * n, k, true),
            Pairing::Complex { count } => (count, 2, true),
            Pairing::Entries { rows, cols, right: Along::Both } => (rows * cols, 1, false),
            Pairing::Entries { rows, cols, right: Along::Rows } => (rows, cols, false),
            Pairing::Entries { rows, cols, right: Along::Columns } => (cols, rows, false),
        };
        let repeated = !left_encrypted && !summed && second > 1;
        let columns = if matches!(pairing, Pairing::Complex { .. }) { 2 } else { 1 };
        let of = |height: usize| {
            let parts = (slots / height).clamp(1, second.max(1));
            let (blocks, groups) = (first.div_ceil(height), second.div_ceil(parts));
            Spread { pairing, first, second, height, blocks, parts, groups, summed, repeated, columns, left_encrypted }
        };
        // Blocks as high as fit, or so high that so many entries of the second axis fit beside each other.
        let most = first.clamp(1, slots);
        let heights = (1..=second.clamp(1, MOST_PARTS)).map(|parts| slots / parts).filter(|height| *height < most);
        let spreads = std::iter::once(most).chain(heights.take_while(|height| *height > 0)).map(of);
        let least = spreads.min_by_key(|spread| spread.uploads() + spread.answers());
        least.unwrap_or_else(|| of(most))
    }

    /// Uploads of a task.
    pub(crate) fn uploads(&self) -> usize {
        self.blocks * if self.repeated { 1 } else { self.groups }
    }

    /// Products with uploads.
    pub(crate) fn products(&self) -> usize {
        self.blocks * self.groups * self.columns
    }

    /// Answers of a task.
    pub(crate) fn answers(&self) -> usize {
        self.blocks * if self.summed { self.columns } else { self.groups }
    }

    /// Slots of an answer that are results, after those of a sum were added up.
    pub(crate) fn results(&self) -> usize {
        self.height * if self.summed { 1 } else { self.parts }
    }

    /// The product of a slot of a ciphertext, if it has one; the number that was uploaded is the same for all columns.
    pub(crate) fn place(&self, (block, group, column): (usize, usize, usize), slot: usize) -> Option<Place> {
        let (a, b) = (block * self.height + slot % self.height, group * self.parts + slot / self.height);
        if a >= self.first || b >= self.second || slot >= self.height * self.parts {
            return None;
        }
        let place = |left, right, result| Place { left, right, result, negative: false };
        Some(match self.pairing {
            Pairing::Matrices { m, k, n, shared_right, .. } => {
                let (row, column) = (a / n, a % n);
                let matrix = if shared_right { 0 } else { row / m };
                place(row * k + b, (matrix * k + b) * n + column, a)
            }
            // Real and imaginary parts as columns: with the other number's same part, or its other one.
            Pairing::Complex { count } => {
                let (uploaded, other) = (b * count + a, (b ^ column) * count + a);
                let (left, right) = if self.left_encrypted { (uploaded, other) } else { (other, uploaded) };
                Place { negative: column == 0 && b == 1, ..place(left, right, column * count + a) }
            }
            Pairing::Entries { cols, right, .. } => match right {
                Along::Both => place(a, a, a),
                Along::Rows => place(a * cols + b, a, a * cols + b),
                Along::Columns => place(b * cols + a, a, b * cols + a),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lists::{factors, terms};

    /// Every single product has one slot, and slots of a repeated upload have the same number everywhere.
    #[test]
    fn every_product_has_one_slot() {
        let mut pairings = vec![];
        for shared_right in [false, true] {
            pairings.extend([(1, 1, 9, 1), (3, 1, 4, 1), (2, 3, 5, 2)].map(|(batch, m, k, n)| Pairing::Matrices {
                batch,
                m,
                k,
                n,
                shared_right,
            }));
        }
        for right in [Along::Both, Along::Rows, Along::Columns] {
            pairings.extend([(1, 1), (3, 4), (7, 2), (2, 17)].map(|(rows, cols)| Pairing::Entries {
                rows,
                cols,
                right,
            }));
        }
        pairings.extend([1, 3, 4, 17].map(|count| Pairing::Complex { count }));
        for pairing in pairings {
            for slots in [1, 4, 6, 64] {
                for left in [false, true] {
                    let spread = Spread::new(pairing, slots, left);
                    let mut seen = BTreeMap::new();
                    let mut repeated = BTreeMap::new();
                    let mut uploaded = BTreeMap::new();
                    let columns = |block| (0..spread.columns).map(move |column| (block, column));
                    for (block, column) in (0..spread.blocks).flat_map(columns) {
                        for group in 0..spread.groups {
                            for slot in 0..slots {
                                let Some(place) = spread.place((block, group, column), slot) else { continue };
                                *seen.entry((place.result, place.left, place.right)).or_insert(0) += 1;
                                let own = if left { place.left } else { place.right };
                                assert_eq!(*uploaded.entry((block, group, slot)).or_insert(own), own);
                                let odd = place.left / spread.first % 2 * (place.right / spread.first % 2) == 1;
                                assert_eq!(place.negative, odd && spread.columns == 2);
                                let slot = slot % spread.height;
                                let right = *repeated.entry((block, slot)).or_insert(place.right);
                                assert!(!spread.repeated || right == place.right);
                            }
                        }
                    }
                    let each = terms(pairing);
                    let all = factors(pairing, true).zip(factors(pairing, false)).enumerate();
                    let want: BTreeMap<_, _> = all.map(|(at, (l, r))| ((at / each, l, r), 1)).collect();
                    assert_eq!(seen, want, "{pairing:?} in {slots} slots");
                }
            }
        }
    }
}
