//! The field GF(2^f) of the small-field correlation, which trades bytes for work.

/// Bits of a row, and of what rows of different choices differ by.
pub(crate) const SECURITY: usize = 128;

/// Trees of a direction where digits are words of a code: most that a word has a bit for.
pub(crate) const MOST_TREES: usize = 32;

/// GF(2^f), f = 2 … 8: a transfer costs ⌈128/f⌉ bits from receiver to sender and 2^f/f streams of a bit at each end. Over GF(2^8)
/// digits are words of a code, which takes 24 to 32 bits for one of 4 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field(u8);

impl Field {
    /// All fields, smallest first.
    pub const ALL: [Field; 7] = [Field(2), Field(3), Field(4), Field(5), Field(6), Field(7), Field(8)];

    /// The field over which digits are words of a code.
    pub(crate) const CODED: Field = Field(8);

    /// The field of 2^`bits` elements, or `None` if `bits` is not in 2..=8.
    pub fn new(bits: u32) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.bits() == bits)
    }

    /// f.
    pub fn bits(self) -> u32 {
        u32::from(self.0)
    }

    /// Bits of a transfer of one of two that travel from receiver to sender: the number of its trees, ⌈128/f⌉.
    pub fn trees(self) -> usize {
        SECURITY.div_ceil(usize::from(self.0))
    }

    /// Whether digits are words of a code.
    pub(crate) fn is_coded(self) -> bool {
        self == Field::CODED
    }

    /// Bits of Δ, and base transfers of a direction.
    pub(crate) fn base(self) -> usize {
        if self.is_coded() { MOST_TREES * usize::from(self.0) } else { SECURITY }
    }

    /// For every tree the first bit of Δ that it stands for, and how many.
    pub(crate) fn parts(self) -> impl Iterator<Item = (usize, usize)> {
        let (bits, all) = (usize::from(self.0), self.base());
        (0..all).step_by(bits).map(move |first| (first, bits.min(all - first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_bit_once() {
        for field in Field::ALL {
            let parts: Vec<_> = field.parts().collect();
            assert_eq!(parts.len(), if field.is_coded() { MOST_TREES } else { field.trees() });
            let mut next = 0;
            for (first, bits) in parts {
                assert!(first == next && bits >= 1 && bits <= field.bits() as usize);
                next += bits;
            }
            assert_eq!(next, field.base());
        }
        assert_eq!(Field::new(8).map(Field::trees), Some(16));
        assert_eq!(Field::new(5).map(Field::trees), Some(26));
        assert!(Field::new(1).is_none() && Field::new(9).is_none());
    }
}
