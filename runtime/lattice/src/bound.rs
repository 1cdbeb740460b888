//! Upper bounds of magnitudes that no word holds: a mantissa of 32 bits and an exponent, always rounded up.

/// A number that is at most `mantissa`·2^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// In [2^31, 2^32), or 0.
    mantissa: u64,
    exponent: i32,
}

const BITS: i32 = 32;

impl Bound {
    fn of(value: u128, exponent: i32) -> Bound {
        if value == 0 {
            return Bound { mantissa: 0, exponent: i32::MIN / 2 };
        }
        let shift = 128 - BITS - value.leading_zeros() as i32;
        let mantissa =
            if shift <= 0 { value << -shift } else { (value >> shift) + u128::from(value & ((1 << shift) - 1) != 0) };
        if mantissa >> BITS == 1 {
            return Bound { mantissa: 1 << (BITS - 1), exponent: exponent + shift + 1 };
        }
        Bound { mantissa: mantissa as u64, exponent: exponent + shift }
    }

    pub(crate) fn integer(value: u64) -> Bound {
        Bound::of(u128::from(value), 0)
    }

    pub(crate) fn power_of_two(exponent: u32) -> Bound {
        Bound::of(1, exponent as i32)
    }

    pub(crate) fn times(self, other: Bound) -> Bound {
        Bound::of(u128::from(self.mantissa) * u128::from(other.mantissa), self.exponent + other.exponent)
    }

    pub(crate) fn plus(self, other: Bound) -> Bound {
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let apart = high.exponent - low.exponent;
        if apart > 80 {
            return Bound::of(u128::from(high.mantissa) + u128::from(low.mantissa != 0), high.exponent);
        }
        // Few digits suffice: what is shifted out counts as one.
        let drop = (apart - 40).max(0);
        let low = (u128::from(low.mantissa) >> drop) + u128::from(drop > 0);
        Bound::of((u128::from(high.mantissa) << (apart - drop)) + low, high.exponent - (apart - drop))
    }

    /// A bound of the square root.
    pub(crate) fn root(self) -> Bound {
        let odd = self.exponent.rem_euclid(2);
        let value = u128::from(self.mantissa) << (62 + odd);
        let root = value.isqrt();
        Bound::of(root + u128::from(root * root != value), (self.exponent - odd - 62) / 2)
    }

    /// The least e such that the bound is at most 2^e; 0 for what is at most 1.
    pub(crate) fn bits(self) -> u32 {
        if self.mantissa == 0 {
            return 0;
        }
        let exact = self.mantissa == 1 << (BITS - 1);
        (self.exponent + BITS - i32::from(exact)).max(0) as u32
    }
}

#[cfg(test)]
mod tests;
