//! The integers that operands stand for: as residues nearest to zero where only those count, and as digits of few bits.

use mpcc_program::making::Factor;
use zeroize::Zeroizing;

use crate::lists::lanes;

/// Integers that are wiped when they are no longer needed.
pub(crate) type Integers = Zeroizing<Vec<i128>>;

/// lg of the largest size of an operand's numbers, of which the result takes `bits` bits.
pub(crate) fn size(factor: Factor, bits: u8) -> u32 {
    match factor {
        Factor { width, .. } if width >= bits => u32::from(bits) - 1,
        Factor { width, signed: true } => u32::from(width) - 1,
        Factor { width, signed: false } => u32::from(width),
    }
}

/// The integers of an operand, none larger than [`size`] says: what is above the result's bits is dropped, and then the residue
/// nearest to zero is meant.
pub(crate) fn integers(words: &[u64], factor: Factor, bits: u8) -> Integers {
    let signed = factor.signed || factor.width >= bits;
    let above = 128 - u32::from(factor.width.min(bits));
    let number = |given: &[u64]| {
        let high = given.get(1).copied().unwrap_or(0);
        let word = u128::from(given[0]) | u128::from(high) << 64;
        if signed { (word << above) as i128 >> above } else { ((word << above) >> above) as i128 }
    };
    Zeroizing::new(words.chunks(lanes(factor.width)).map(number).collect())
}

/// Bits of each of `parts` digits of numbers of size at most 2^`size`.
pub(crate) fn digit_bits(size: u32, parts: u32) -> u32 {
    if parts == 1 { size + 1 } else { (size + 2).div_ceil(parts) }
}

/// Digit by digit, lowest first: every number is Σ digit·2^(bits·place), all digits of size at most 2^(bits − 1).
pub(crate) fn digits(numbers: &[i128], size: u32, parts: u32) -> Vec<Zeroizing<Vec<i64>>> {
    let bits = digit_bits(size, parts);
    let mut out: Vec<_> = (0..parts).map(|_| Zeroizing::new(Vec::with_capacity(numbers.len()))).collect();
    for &number in numbers {
        let mut rest = number;
        for (place, out) in (1..).zip(&mut out) {
            let digit = if place < parts { (rest as i64) << (64 - bits) >> (64 - bits) } else { rest as i64 };
            // What is left of the number less its digit, which may not fit itself.
            rest = (rest >> bits.min(127)) + i128::from(digit < 0);
            out.push(digit);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_the_numbers_meant_and_no_larger_than_stated() {
        for width in 1..=10u8 {
            for bits in 1..=12u8 {
                for signed in [false, true] {
                    let factor = Factor { width, signed };
                    let words: Vec<u64> = (0..1 << width).collect();
                    for (&word, &number) in words.iter().zip(integers(&words, factor, bits).iter()) {
                        let meant =
                            if signed { (i128::from(word) << (128 - width)) >> (128 - width) } else { word.into() };
                        assert_eq!((number - meant).rem_euclid(1 << bits), 0, "{word} as {factor:?} modulo 2^{bits}");
                        assert!(number.unsigned_abs() <= 1 << size(factor, bits));
                    }
                }
            }
        }
        let wide = Factor { width: 128, signed: false };
        assert_eq!(*integers(&[3, 1 << 63, u64::MAX, u64::MAX], wide, 128), [i128::MIN + 3, -1]);
        assert_eq!(*integers(&[7, 1], Factor { width: 66, signed: false }, 90), [(1 << 64) + 7]);
    }

    #[test]
    fn digits_add_up_and_are_small() {
        for size in [1, 2, 5, 16, 47, 62, 63, 64] {
            for parts in 1..=4 {
                let bits = digit_bits(size, parts);
                if bits > 64 || (parts > 1 && bits < 2) {
                    continue;
                }
                let most = 1i128 << size;
                let mut numbers: Vec<i128> = [0, 1, 2, most / 2, most / 3, most - 1].to_vec();
                numbers.extend(numbers.clone().iter().map(|n| -n));
                if bits < 64 {
                    numbers.extend([most, -most]);
                }
                let digits = super::digits(&numbers, size, parts);
                for (i, &number) in numbers.iter().enumerate() {
                    let sum = (0..).zip(&digits).map(|(place, d)| i128::from(d[i]) << (bits * place)).sum::<i128>();
                    assert_eq!(sum, number, "size {size}, {parts} parts");
                    assert!(digits.iter().all(|d| d[i].unsigned_abs() <= 1 << (bits - 1)));
                }
            }
        }
        for parts in 3..=4 {
            let numbers = [i128::MAX, i128::MIN, i128::MAX - 1, 1, -1];
            let digits = super::digits(&numbers, 127, parts);
            let bits = digit_bits(127, parts);
            for (i, &number) in numbers.iter().enumerate() {
                let term = |(place, d): (u32, &Zeroizing<Vec<i64>>)| i128::from(d[i]).wrapping_shl(bits * place);
                let sum = (0..).zip(&digits).map(term).fold(0, i128::wrapping_add);
                assert_eq!(sum, number, "{parts} parts");
                assert!(digits.iter().all(|d| d[i].unsigned_abs() <= 1 << (bits - 1)));
            }
        }
    }
}
