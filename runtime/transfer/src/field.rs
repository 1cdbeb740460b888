//! The field GF(2^f) of the small-field correlation, which trades bytes for work.

/// Bits of the correlation Δ, and base transfers of a direction.
pub(crate) const SECURITY: usize = 128;

/// GF(2^f), f = 2 … 8: a transfer costs ⌈128/f⌉ bits from receiver to sender and 2^f/f streams of a bit at each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field(u8);

impl Field {
    /// All fields, smallest first.
    pub const ALL: [Field; 7] = [Field(2), Field(3), Field(4), Field(5), Field(6), Field(7), Field(8)];

    /// The field of 2^`bits` elements, or `None` if `bits` is not in 2..=8.
    pub fn new(bits: u32) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.bits() == bits)
    }

    /// f.
    pub fn bits(self) -> u32 {
        u32::from(self.0)
    }

    /// Bits of a transfer that travel from receiver to sender: the number of trees, ⌈128/f⌉.
    pub fn trees(self) -> usize {
        SECURITY.div_ceil(usize::from(self.0))
    }

    /// For every tree the first bit of Δ that it stands for, and how many.
    pub(crate) fn parts(self) -> impl Iterator<Item = (usize, usize)> {
        let bits = usize::from(self.0);
        (0..SECURITY).step_by(bits).map(move |first| (first, bits.min(SECURITY - first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_bit_once() {
        for field in Field::ALL {
            let parts: Vec<_> = field.parts().collect();
            assert_eq!(parts.len(), field.trees());
            let mut next = 0;
            for (first, bits) in parts {
                assert!(first == next && bits >= 1 && bits <= field.bits() as usize);
                next += bits;
            }
            assert_eq!(next, SECURITY);
        }
        assert_eq!(Field::new(8).map(Field::trees), Some(16));
        assert_eq!(Field::new(5).map(Field::trees), Some(26));
        assert!(Field::new(1).is_none() && Field::new(9).is_none());
    }
}
