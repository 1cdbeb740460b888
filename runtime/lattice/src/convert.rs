//! From shares modulo t to shares modulo 2^K, exactly and without an interaction here. For |y| < t/4 with q = ⌊t/4⌋ and h = (t + 1)/2
//! the shares s_0, s_1 + q have bits `low` = \[share < h\], and y = (s_0 − t) + (s_1 + q − q) + t·low_0·low_1. What is
//! left is the product of two bits, one known to each side, times a public constant.

use zeroize::Zeroizing;

use crate::error::{LatticeError, Result};
use crate::plain::Words;
use crate::slots::{SlotShares, Slots};
use crate::wide::{add, below, shift_right, sub, times_bit};

/// Who holds the shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who drew them as a mask.
    Evaluator,
    /// Who opened them.
    Owner,
}

/// Shares modulo 2^K up to the product of bits. Wiped when dropped; `Debug` shows nothing.
pub struct Converted {
    /// A part modulo 2^K for each slot.
    pub parts: Zeroizing<Vec<u128>>,
    /// A bit for each slot: where both sides' are 1, [`Slots::wrap`] is to be added.
    pub low: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Converted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Converted(..)")
    }
}

fn modulo(words: &Words, bits: u32) -> u128 {
    (u128::from(words[0]) | u128::from(words[1]) << 64) & (u128::MAX >> (128 - bits))
}

/// One slot's part modulo 2^`bits`, and its bit. `half` is (t + 1)/2.
fn convert(side: Side, mut share: Words, t: &Words, half: &Words, bits: u32) -> (u128, u8) {
    let quarter = shift_right(t, 2);
    let less = match side {
        Side::Evaluator => t,
        Side::Owner => {
            add(&mut share, &quarter);
            let over = 1 - below(&share, t);
            sub(&mut share, &times_bit(t, over));
            &quarter
        }
    };
    let low = below(&share, half) as u8;
    sub(&mut share, less);
    (modulo(&share, bits), low)
}

impl Slots {
    /// t modulo 2^`bits`: what is added where both bits are 1.
    ///
    /// # Panics
    /// If `bits` is not in 1..=128.
    pub fn wrap(&self, bits: u32) -> u128 {
        modulo(self.plain().t(), bits)
    }

    /// Largest size of a result that is converted exactly.
    pub fn largest(&self) -> [u64; 3] {
        let mut largest = shift_right(self.plain().t(), 2);
        sub(&mut largest, &[1, 0, 0]);
        largest
    }

    /// One side's part of the conversion of the first `count` slots.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if `bits` is not in 1..=128, [`LatticeError::Count`] for more slots than there are.
    pub fn convert(&self, side: Side, shares: &SlotShares, count: usize, bits: u32) -> Result<Converted> {
        if !(1..=128).contains(&bits) {
            return Err(LatticeError::Range { what: "bits of a ring", allowed: "1 to 128", found: bits.into() });
        }
        if count > shares.len() {
            return Err(LatticeError::Count { what: "converted slots", expected: shares.len(), found: count });
        }
        let plain = self.plain();
        let mut parts = Zeroizing::new(Vec::with_capacity(count));
        let mut low = Zeroizing::new(Vec::with_capacity(count));
        for at in 0..count {
            let share = plain.compose(|prime| shares.residue(prime, at));
            let (part, bit) = convert(side, share, plain.t(), plain.half(), bits);
            parts.push(part);
            low.push(bit);
        }
        Ok(Converted { parts, low })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_convert_exactly_for_every_value_and_share() {
        for t in [11u64, 13, 29, 61, 113] {
            let words = |v: u64| -> Words { [v, 0, 0] };
            let (quarter, half) = (t as i64 / 4, words(t.div_ceil(2)));
            for bits in [5u32, 9, 128] {
                let mask = u128::MAX >> (128 - bits);
                let sum = |y: i64, s0: u64| {
                    let s1 = (y - s0 as i64).rem_euclid(t as i64) as u64;
                    let (p0, b0) = convert(Side::Evaluator, words(s0), &words(t), &half, bits);
                    let (p1, b1) = convert(Side::Owner, words(s1), &words(t), &half, bits);
                    p0.wrapping_add(p1).wrapping_add(u128::from(b0 * b1) * u128::from(t)) & mask
                };
                for s0 in 0..t {
                    for y in -quarter..=quarter {
                        assert_eq!(sum(y, s0), i128::from(y) as u128 & mask, "t {t}, y {y}, share {s0}");
                    }
                }
                // Beyond the domain some shares fail: the bound is needed.
                assert!((0..t).any(|s0| sum(-quarter - 1, s0) != i128::from(-quarter - 1) as u128 & mask));
                assert!(
                    (0..t)
                        .any(|s0| sum(half[0] as i64 - quarter, s0)
                            != i128::from(half[0] as i64 - quarter) as u128 & mask)
                );
            }
        }
    }
}
