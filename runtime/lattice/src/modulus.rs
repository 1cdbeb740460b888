//! Arithmetic modulo one prime below 2^50 in words of 52 bits, without a branch on a residue. A factor that is known
//! beforehand carries its quotient (Shoup); two unknown factors are multiplied up to the constant 2^-52 (Montgomery).

use crate::primes::power;

/// Bits of a word of this arithmetic, as the instructions of AVX-512 IFMA have it.
pub(crate) const WORD: u32 = 52;
pub(crate) const LOW: u64 = (1 << WORD) - 1;

/// A prime with what multiplication needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modulus {
    /// The prime.
    pub(crate) p: u64,
    /// Its inverse modulo 2^52.
    pub(crate) inverse: u64,
}

/// A residue that is multiplied by often, with ⌊value·2^52 / p⌋.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Factor {
    pub(crate) value: u64,
    pub(crate) quotient: u64,
}

impl Modulus {
    pub(crate) fn new(p: u64) -> Modulus {
        assert!(p & 1 == 1 && p < 1 << 50, "moduli are odd and below 2^50");
        // Newton's iteration doubles the number of right bits; p itself is right in three.
        let inverse = (0..5).fold(p, |x, _| x.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(x))));
        Modulus { p, inverse: inverse & LOW }
    }

    /// x − `of` if that is not negative, else x; both below 2^63.
    #[inline(always)]
    pub(crate) fn less(x: u64, of: u64) -> u64 {
        let d = x.wrapping_sub(of);
        d.wrapping_add(of & ((d as i64 >> 63) as u64))
    }

    #[inline(always)]
    pub(crate) fn add(self, a: u64, b: u64) -> u64 {
        Modulus::less(a + b, self.p)
    }

    #[inline(always)]
    pub(crate) fn sub(self, a: u64, b: u64) -> u64 {
        Modulus::less(a + self.p - b, self.p)
    }

    /// The factor `value` mod p.
    pub(crate) fn factor(self, value: u64) -> Factor {
        let value = value % self.p;
        Factor { value, quotient: ((u128::from(value) << WORD) / u128::from(self.p)) as u64 }
    }

    /// x·f mod p in [0, 2p), for every x below 2^52.
    #[inline(always)]
    pub(crate) fn times_lazy(self, x: u64, f: Factor) -> u64 {
        let q = ((u128::from(x) * u128::from(f.quotient)) >> WORD) as u64;
        x.wrapping_mul(f.value).wrapping_sub(q.wrapping_mul(self.p)) & LOW
    }

    /// x·f mod p, for every x below 2^52.
    #[inline(always)]
    pub(crate) fn times(self, x: u64, f: Factor) -> u64 {
        Modulus::less(self.times_lazy(x, f), self.p)
    }

    /// a·b·2^-52 mod p, for a·b below p·2^52.
    #[inline(always)]
    pub(crate) fn montgomery(self, a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        let m = (product as u64 & LOW).wrapping_mul(self.inverse) & LOW;
        let subtract = ((u128::from(m) * u128::from(self.p)) >> WORD) as u64;
        let d = ((product >> WORD) as u64).wrapping_sub(subtract);
        d.wrapping_add(self.p & ((d as i64 >> 63) as u64))
    }

    /// a·b mod p for public numbers.
    pub(crate) fn product(self, a: u64, b: u64) -> u64 {
        (u128::from(a) * u128::from(b) % u128::from(self.p)) as u64
    }

    pub(crate) fn power(self, base: u64, exponent: u64) -> u64 {
        power(base, exponent, self.p)
    }

    /// The inverse of a public number that p does not divide.
    pub(crate) fn invert(self, a: u64) -> u64 {
        self.power(a, self.p - 2)
    }
}

/// Signed integers of several words to residues, times a constant: number → number·scale mod p.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reducer {
    modulus: Modulus,
    /// scale·2^(48 j).
    pieces: [Factor; PIECES],
    /// A multiple of p in [2^50, 2^51): what is added to a negative piece.
    offset: u64,
}

const PIECES: usize = 6;
/// Bits of a piece of a wide integer.
pub(crate) const PIECE: u32 = 48;

impl Reducer {
    pub(crate) fn new(modulus: Modulus, scale: u64) -> Reducer {
        let at = |bits: u64| modulus.factor(modulus.product(scale % modulus.p, modulus.power(2, bits)));
        let pieces = std::array::from_fn(|j| at(u64::from(PIECE) * j as u64));
        Reducer { modulus, pieces, offset: modulus.p * (1u64 << 50).div_ceil(modulus.p) }
    }

    pub(crate) fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// The scale times 2^(48·`j`).
    pub(crate) fn piece(&self, j: usize) -> Factor {
        self.pieces[j]
    }

    /// A multiple of the prime that is added to numbers of up to 50 bits, so that they are not negative.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Of |v| ≤ 2^50.
    #[inline(always)]
    pub(crate) fn small(&self, v: i64) -> u64 {
        self.modulus.times((v as u64).wrapping_add(self.offset), self.pieces[0])
    }

    /// Of a number in two's complement of `bits` ≤ 256 bits, low words first, sign-extended in all its words.
    #[inline(always)]
    pub(crate) fn wide<const W: usize>(&self, v: &[u64; W], bits: u32) -> u64 {
        let m = self.modulus;
        let last = (bits.div_ceil(PIECE) - 1) as usize;
        let mut sum = 0;
        for (j, &factor) in self.pieces.iter().enumerate().take(last + 1) {
            let at = j * PIECE as usize;
            let (word, shift) = (at / 64, at % 64);
            let next = if word + 1 < W { v[word + 1] } else { (v[W - 1] as i64 >> 63) as u64 };
            let raw = v[word] >> shift | if shift == 0 { 0 } else { next << (64 - shift) };
            let piece = if j == last {
                (((raw << 16) as i64 >> 16) as u64).wrapping_add(self.offset)
            } else {
                raw & ((1 << PIECE) - 1)
            };
            sum = Modulus::less(sum + m.times_lazy(piece, factor), 2 * m.p);
        }
        Modulus::less(sum, m.p)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::primes::descending;

    fn modulus(bits: u32) -> Modulus {
        Modulus::new(descending(bits).next().expect("a prime"))
    }

    fn residue(v: i128, p: u64) -> u64 {
        v.rem_euclid(i128::from(p)) as u64
    }

    proptest! {
        #[test]
        fn products_are_those_of_integers(x in 0..1u64 << 52, y: u64, bits in 36u32..=50) {
            let m = modulus(bits);
            let y = y % m.p;
            let want = residue(i128::from(x) * i128::from(y), m.p);
            prop_assert_eq!(m.times(x, m.factor(y)), want);
            prop_assert!(m.times_lazy(x, m.factor(y)) < 2 * m.p);
            let scaled = m.montgomery(x % m.p, y);
            prop_assert_eq!(m.product(scaled, m.power(2, 52)), m.product(x % m.p, y));
        }

        #[test]
        fn signed_integers_are_reduced(v: i128, scale in 1u64..1 << 34, bits in 36u32..=50) {
            let m = modulus(bits);
            let reducer = Reducer::new(m, scale);
            let want = |v: i128| m.product(residue(v, m.p), scale % m.p);
            prop_assert_eq!(reducer.wide(&[v as u64], 64), want(i128::from(v as i64)));
            let small = v as i64 >> 13;
            prop_assert_eq!(reducer.small(small), want(i128::from(small)));
            let sign = (v >> 127) as u64;
            let words = [v as u64, (v >> 64) as u64, sign, sign];
            prop_assert_eq!(reducer.wide(&words, 128), want(v));
            prop_assert_eq!(reducer.wide(&[v as u64, (v >> 64) as u64], 128), want(v));
            prop_assert_eq!(reducer.wide(&words, 256), want(v));
            let narrow = v >> 85;
            let words = [narrow as u64, (narrow >> 64) as u64];
            prop_assert_eq!(reducer.wide(&words, 43), want(narrow));
        }
    }
}
