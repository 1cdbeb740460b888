//! Entries of one or two words.

/// Words of an entry of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One: a ring of at most 64 bits.
    Word,
    /// Two, the low one first: a ring of at most 128 bits.
    Double,
}

impl Width {
    /// How many.
    pub fn words(self) -> usize {
        match self {
            Width::Word => 1,
            Width::Double => 2,
        }
    }
}

/// Ring arithmetic on an entry.
pub(super) trait Entry: Copy + Default {
    const WORDS: usize;
    fn read(words: &[u64], at: usize) -> Self;
    fn write(self, words: &mut [u64], at: usize);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    /// The entry if `bit` is 1, else 0.
    fn times_bit(self, bit: u64) -> Self;
    fn times(self, factor: i64) -> Self;
    fn small(value: u64) -> Self;
}

impl Entry for u64 {
    const WORDS: usize = 1;

    fn read(words: &[u64], at: usize) -> u64 {
        words[at]
    }

    fn write(self, words: &mut [u64], at: usize) {
        words[at] = self;
    }

    fn add(self, other: u64) -> u64 {
        self.wrapping_add(other)
    }

    fn sub(self, other: u64) -> u64 {
        self.wrapping_sub(other)
    }

    fn times_bit(self, bit: u64) -> u64 {
        self & bit.wrapping_neg()
    }

    fn times(self, factor: i64) -> u64 {
        self.wrapping_mul(factor.cast_unsigned())
    }

    fn small(value: u64) -> u64 {
        value
    }
}

impl Entry for u128 {
    const WORDS: usize = 2;

    fn read(words: &[u64], at: usize) -> u128 {
        u128::from(words[2 * at]) | u128::from(words[2 * at + 1]) << 64
    }

    fn write(self, words: &mut [u64], at: usize) {
        (words[2 * at], words[2 * at + 1]) = (self as u64, (self >> 64) as u64);
    }

    fn add(self, other: u128) -> u128 {
        self.wrapping_add(other)
    }

    fn sub(self, other: u128) -> u128 {
        self.wrapping_sub(other)
    }

    fn times_bit(self, bit: u64) -> u128 {
        self & u128::from(bit).wrapping_neg()
    }

    fn times(self, factor: i64) -> u128 {
        self.wrapping_mul(i128::from(factor).cast_unsigned())
    }

    fn small(value: u64) -> u128 {
        value.into()
    }
}
