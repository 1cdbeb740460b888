//! The frequencies of a trigonometric series (G11), and how many bits of each are shared.
//!
//! A frequency with small coefficients weighs little, so the factors of its mask need as many fraction bits less, and their
//! shares as many bits. A frequency without a coefficient is not there at all.

use crate::program::{Supplier, frequencies};

/// A frequency: `A cos ωx + B sin ωx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    /// Of the basic one, from 1 on.
    pub multiple: u16,
    /// A.
    pub cosine: i64,
    /// B.
    pub sine: i64,
    /// Fraction bits that the factors of the mask have less than the public ones.
    pub less: u8,
}

/// How many rounded numbers a factor of the mask is the product of, each with fraction bits of its own: a dealer rounds the factor of
/// the whole mask, two parties each that of a part.
pub fn parts(supplier: Supplier) -> u8 {
    match supplier {
        Supplier::Dealer => 1,
        Supplier::Pair => 2,
    }
}

/// Fraction bits of a series' result: of the public factor, and of that of the mask.
pub fn result_fraction(supplier: Supplier, fraction: u8) -> i32 {
    i32::from(1 + parts(supplier)) * i32::from(fraction)
}

/// Fraction bits that a factor of the mask keeps.
const KEPT: u8 = 3;

/// The frequencies of a series whose coefficients A_0, A_1, … and B_1, B_2, … have `fraction` fraction bits, lowest first.
pub fn present(cosines: &[i64], sines: &[i64], fraction: u8) -> impl Iterator<Item = Frequency> {
    (1..=frequencies(cosines, sines)).filter_map(move |j| {
        let [cosine, sine] = [cosines.get(j), sines.get(j - 1)].map(|k| k.copied().unwrap_or(0));
        let size = cosine.unsigned_abs().max(sine.unsigned_abs());
        let bits = (64 - size.leading_zeros()) as u8;
        let less = fraction.saturating_sub(bits.max(KEPT));
        (size > 0).then_some(Frequency { multiple: j as u16, cosine, sine, less })
    })
}

/// A factor of a mask without `less` fraction bits, to nearest.
pub fn rounded(factor: i64, less: u8) -> i64 {
    if less == 0 { factor } else { (factor + (1 << (less - 1))) >> less }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_coefficients_have_fewer_bits_and_zeros_none() {
        let found: Vec<Frequency> = present(&[9, 1 << 15, 0, 255, 1], &[0, 0, -256], 16).collect();
        let want = [(1, 1 << 15, 0, 0), (3, 255, -256, 7), (4, 1, 0, 13)];
        assert_eq!(found, want.map(|(multiple, cosine, sine, less)| Frequency { multiple, cosine, sine, less }));
    }

    #[test]
    fn factors_are_rounded_to_nearest() {
        assert_eq!([-5, -4, -1, 1, 2, 5, 6].map(|factor| rounded(factor, 2)), [-1, -1, 0, 0, 1, 1, 2]);
        assert_eq!(rounded(-7, 0), -7);
    }
}
