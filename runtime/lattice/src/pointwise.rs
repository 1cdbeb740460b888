//! Arithmetic on all residues of a polynomial modulo one prime. A multiplier is stored with the factor 2^52 that
//! the product of two unknown residues loses.

use mpcc_kernels::{Level, level};

use crate::modulus::{Factor, Modulus, WORD};

#[cfg(target_arch = "x86_64")]
mod ifma;

/// a += b.
pub(crate) fn add(m: Modulus, a: &mut [u64], b: &[u64]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = m.add(*a, b));
}

/// a = a·f.
pub(crate) fn scale(m: Modulus, a: &mut [u64], f: Factor) {
    a.iter_mut().for_each(|a| *a = m.times(*a, f));
}

/// Residues to a multiplier: times 2^52.
pub(crate) fn to_multiplier(m: Modulus, a: &mut [u64]) {
    scale(m, a, m.factor(m.power(2, u64::from(WORD))));
}

/// sum += a·multiplier.
pub(crate) fn multiply_add(m: Modulus, sum: &mut [u64], a: &[u64], multiplier: &[u64]) {
    multiply_add_at(level::current(), m, sum, a, multiplier);
}

fn multiply_add_at(level: Level, m: Modulus, sum: &mut [u64], a: &[u64], multiplier: &[u64]) {
    assert!(sum.len() == a.len() && a.len() == multiplier.len(), "polynomials of one degree");
    #[cfg(target_arch = "x86_64")]
    if ifma::available(level, sum.len()) {
        return ifma::multiply_add(m, sum, a, multiplier);
    }
    let _ = level;
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(multiplier) {
        *sum = m.add(*sum, m.montgomery(a, b));
    }
}

/// a = a·multiplier.
pub(crate) fn multiply(m: Modulus, a: &mut [u64], multiplier: &[u64]) {
    a.iter_mut().zip(multiplier).for_each(|(a, &b)| *a = m.montgomery(*a, b));
}

/// (a, b) → (a + b, a − b).
pub(crate) fn sum_and_difference(m: Modulus, a: &mut [u64], b: &mut [u64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| (*a, *b) = (m.add(*a, *b), m.sub(*a, *b)));
}

#[cfg(test)]
mod tests {
    use mpcc_kernels::{Prg, Seed};

    use super::*;
    use crate::primes::descending;

    #[test]
    fn every_level_multiplies_as_integers_do() {
        for bits in [36, 44, 50] {
            let m = Modulus::new(descending(bits).next().expect("a prime"));
            let draw = |stream| {
                let mut x = vec![0; 256];
                Prg::new(&Seed::from_bytes([5; 16])).fill(stream, 0, &mut x);
                x.iter_mut().for_each(|v| *v %= m.p);
                x[..2].fill(m.p - 1);
                x
            };
            let (a, b, sum) = (draw(0), draw(1), draw(2));
            let want: Vec<u64> = (0..256).map(|i| (m.product(a[i], b[i]) + sum[i]) % m.p).collect();
            let mut multiplier = b;
            to_multiplier(m, &mut multiplier);
            for level in Level::ALL.into_iter().filter(|&l| l <= level::hardware()) {
                let mut out = sum.clone();
                multiply_add_at(level, m, &mut out, &a, &multiplier);
                assert_eq!(out, want, "{level:?}");
            }
        }
    }
}
