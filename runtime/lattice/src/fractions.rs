//! Rounded fractions x·2^bits/q of residues, the switch of moduli of answers: x/q is the sum of \[x_i·(q/q_i)^-1\]/q_i up to an
//! integer, and sums of fractions of 208 bits are exact far below what is kept.

use mpcc_kernels::{Level, level};

use crate::modulus::{Factor, LOW, Modulus, WORD};

#[cfg(target_arch = "x86_64")]
mod ifma;

/// Words of 52 bits of a fraction.
const LIMBS: usize = 4;
/// Bits of a fraction.
pub(crate) const BITS: u32 = WORD * LIMBS as u32;

/// A prime of q with (q/q_i)^-1 mod q_i and ⌊2^208/q_i⌋, low words first.
pub(crate) struct Fraction {
    modulus: Modulus,
    hat: Factor,
    reciprocal: [u64; LIMBS],
}

impl Fraction {
    pub(crate) fn new(modulus: Modulus, hat: Factor) -> Fraction {
        let (mut rest, mut reciprocal) = (1, [0; LIMBS]);
        for word in reciprocal.iter_mut().rev() {
            let value = u128::from(rest) << WORD;
            *word = (value / u128::from(modulus.p)) as u64;
            rest = (value % u128::from(modulus.p)) as u64;
        }
        Fraction { modulus, hat, reciprocal }
    }
}

/// Fills words of 64 bits, low ones first and plane by plane, with the first numbers of `x` (by prime) as fractions of
/// `bits` bits. What is above them in the last plane means nothing.
pub(crate) fn rounded(primes: &[Fraction], x: &[Vec<u64>], bits: u32, out: &mut [Vec<u64>]) {
    rounded_at(level::current(), primes, x, bits, out);
}

fn rounded_at(level: Level, primes: &[Fraction], x: &[Vec<u64>], bits: u32, out: &mut [Vec<u64>]) {
    assert!(bits < BITS && out.len() == bits.div_ceil(64) as usize && primes.len() == x.len());
    let done = vectors(level, primes, x, bits, out);
    for i in done..out[0].len() {
        let sum = sum_of(primes, x, BITS - bits - 1, i);
        for (w, plane) in out.iter_mut().enumerate() {
            // Bits from `from` on, of which limb k has those from 52·k on.
            let from = BITS - bits + 64 * w as u32;
            plane[i] = sum.iter().zip((0u32..).step_by(WORD as usize)).fold(0, |word, (&limb, at)| {
                let shifted = if at >= from {
                    limb.checked_shl(at - from).unwrap_or(0)
                } else {
                    limb.checked_shr(from - at).unwrap_or(0)
                };
                word | shifted
            });
        }
    }
}

/// The sum of the fractions of number `i` and 2^`half`, modulo 1.
fn sum_of(primes: &[Fraction], x: &[Vec<u64>], half: u32, i: usize) -> [u64; LIMBS] {
    let mut sum: [u64; LIMBS] = std::array::from_fn(|k| u64::from(half / WORD == k as u32) << (half % WORD));
    for (prime, x) in primes.iter().zip(x) {
        let z = prime.modulus.times(x[i], prime.hat);
        let mut carry = 0;
        for (sum, &word) in sum.iter_mut().zip(&prime.reciprocal) {
            let value = u128::from(z) * u128::from(word) + u128::from(*sum) + carry;
            *sum = value as u64 & LOW;
            carry = value >> WORD;
        }
    }
    sum
}

/// As many leading numbers as vectors take, if there are any; returns how many.
fn vectors(level: Level, primes: &[Fraction], x: &[Vec<u64>], bits: u32, out: &mut [Vec<u64>]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if ifma::available(level) {
        return ifma::rounded(primes, x, bits, out);
    }
    let _ = (level, primes, x, bits, out);
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::descending;
    use crate::testing::words;

    #[test]
    fn every_level_rounds_as_integers_do() {
        let p: Vec<u64> = descending(50).take(2).collect();
        let q = u128::from(p[0]) * u128::from(p[1]);
        let moduli = [Modulus::new(p[0]), Modulus::new(p[1])];
        let hat = |i: usize| moduli[i].factor(moduli[i].invert(p[1 - i] % p[i]));
        let primes = [Fraction::new(moduli[0], hat(0)), Fraction::new(moduli[1], hat(1))];
        let numbers: Vec<u128> = words(1, 64, 37)
            .into_iter()
            .zip(words(2, 35, 37))
            .map(|(a, b)| (u128::from(b) << 64 | u128::from(a)) % q)
            .collect();
        let x: Vec<Vec<u64>> =
            p.iter().map(|&p| numbers.iter().map(|v| (v % u128::from(p)) as u64).collect()).collect();
        for bits in [1u32, 20, 27, 63, 64, 65, 78, 127, 128, 140] {
            let mut twin: Option<Vec<Vec<u64>>> = None;
            for level in Level::ALL.into_iter().filter(|&l| l <= level::hardware()) {
                let mut out = vec![vec![0; 37]; bits.div_ceil(64) as usize];
                rounded_at(level, &primes, &x, bits, &mut out);
                let top = bits - 64 * (out.len() as u32 - 1);
                out.last_mut().expect("a plane").iter_mut().for_each(|v| *v &= u64::MAX >> (64 - top));
                if bits < 28 {
                    let want = |v: u128| (((v << bits) + q / 2) / q) as u64 & ((1 << bits) - 1);
                    assert!(out[0].iter().zip(&numbers).all(|(&got, &v)| got == want(v)), "{level:?} {bits}");
                }
                // The top bits of a fraction of more bits are those of one of fewer, up to rounding.
                assert_eq!(twin.get_or_insert_with(|| out.clone()), &out, "{level:?} {bits}");
            }
        }
    }
}
