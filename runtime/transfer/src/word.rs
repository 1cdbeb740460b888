//! Ring elements of one word or two, behind one trait.

use crate::tree::Block;

/// An element of a ring of at most 64 or at most 128 bits. Elements lie in lists of words, low word first.
pub(crate) trait Word:
    Copy + Default + std::ops::BitAnd<Output = Self> + std::ops::BitXor<Output = Self> + std::ops::Shl<u32, Output = Self>
{
    /// Words of an element.
    const LANES: usize;

    /// The low bits of a block.
    fn of_block(block: Block) -> Self;
    /// Element `at` of a list.
    fn load(words: &[u64], at: usize) -> Self;
    /// Sets element `at` of a list.
    fn store(self, words: &mut [u64], at: usize);
    /// The sum in the whole word.
    fn plus(self, other: Self) -> Self;
    /// The difference in the whole word.
    fn minus(self, other: Self) -> Self;
    /// The low `bits` bits set.
    fn low(bits: u32) -> Self;
    /// All bits set for 1, none for 0.
    fn spread(bit: u64) -> Self;
}

impl Word for u64 {
    const LANES: usize = 1;

    fn of_block(block: Block) -> u64 {
        block[0]
    }

    fn load(words: &[u64], at: usize) -> u64 {
        words[at]
    }

    fn store(self, words: &mut [u64], at: usize) {
        words[at] = self;
    }

    fn plus(self, other: u64) -> u64 {
        self.wrapping_add(other)
    }

    fn minus(self, other: u64) -> u64 {
        self.wrapping_sub(other)
    }

    fn low(bits: u32) -> u64 {
        u64::MAX >> (64 - bits)
    }

    fn spread(bit: u64) -> u64 {
        bit.wrapping_neg()
    }
}

impl Word for u128 {
    const LANES: usize = 2;

    fn of_block([low, high]: Block) -> u128 {
        u128::from(high) << 64 | u128::from(low)
    }

    fn load(words: &[u64], at: usize) -> u128 {
        u128::of_block([words[2 * at], words[2 * at + 1]])
    }

    fn store(self, words: &mut [u64], at: usize) {
        words[2 * at] = self as u64;
        words[2 * at + 1] = (self >> 64) as u64;
    }

    fn plus(self, other: u128) -> u128 {
        self.wrapping_add(other)
    }

    fn minus(self, other: u128) -> u128 {
        self.wrapping_sub(other)
    }

    fn low(bits: u32) -> u128 {
        u128::MAX >> (128 - bits)
    }

    fn spread(bit: u64) -> u128 {
        u128::from(bit).wrapping_neg()
    }
}

/// Words of an element of a ring of `bits` bits.
pub(crate) fn lanes(bits: u32) -> usize {
    if bits <= 64 { 1 } else { 2 }
}
