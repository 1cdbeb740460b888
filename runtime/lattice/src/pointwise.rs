//! Arithmetic on all residues of a polynomial modulo one prime. A multiplier is stored with the factor 2^52 that
//! the product of two unknown residues loses.

use mpcc_kernels::{Level, level};

use crate::modulus::{Factor, Modulus, Reducer, WORD};

#[cfg(target_arch = "x86_64")]
mod ifma;

/// Runs `$vectors` where the processor has them at the level in force, else `$words`.
macro_rules! at_level {
    ($level:expr, $len:expr, $vectors:expr, $words:expr) => {{
        #[cfg(target_arch = "x86_64")]
        if ifma::available($level, $len) {
            return $vectors;
        }
        let _ = $level;
        $words
    }};
}

/// a += b.
pub(crate) fn add(m: Modulus, a: &mut [u64], b: &[u64]) {
    at_level!(level::current(), a.len(), ifma::add(m, a, b), add_words(m, a, b))
}

#[inline(always)]
fn add_words(m: Modulus, a: &mut [u64], b: &[u64]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = m.add(*a, b));
}

/// a −= b.
pub(crate) fn sub(m: Modulus, a: &mut [u64], b: &[u64]) {
    at_level!(level::current(), a.len(), ifma::sub(m, a, b), sub_words(m, a, b))
}

#[inline(always)]
fn sub_words(m: Modulus, a: &mut [u64], b: &[u64]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = m.sub(*a, b));
}

/// (a, b) → (a + b, a − b).
pub(crate) fn sum_and_difference(m: Modulus, a: &mut [u64], b: &mut [u64]) {
    at_level!(level::current(), a.len(), ifma::sum_and_difference(m, a, b), sum_and_difference_words(m, a, b))
}

#[inline(always)]
fn sum_and_difference_words(m: Modulus, a: &mut [u64], b: &mut [u64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| (*a, *b) = (m.add(*a, *b), m.sub(*a, *b)));
}

/// out = (a + offset)·f, for sums below 2^52; `a` may be negative in two's complement.
pub(crate) fn set_scaled(m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64) {
    set_scaled_at(level::current(), m, out, a, f, offset);
}

fn set_scaled_at(level: Level, m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64) {
    at_level!(level, out.len(), ifma::set_scaled(m, out, a, f, offset), {
        out.iter_mut().zip(a).for_each(|(out, &a)| *out = m.times(a.wrapping_add(offset), f));
    })
}

/// out += (a + offset)·f, as [`set_scaled`].
pub(crate) fn add_scaled(m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64) {
    add_scaled_at(level::current(), m, out, a, f, offset);
}

fn add_scaled_at(level: Level, m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64) {
    at_level!(level, out.len(), ifma::add_scaled(m, out, a, f, offset), {
        out.iter_mut().zip(a).for_each(|(out, &a)| *out = m.add(*out, m.times(a.wrapping_add(offset), f)));
    })
}

/// out = residues of numbers below p in size, in two's complement.
pub(crate) fn set_signed(m: Modulus, out: &mut [u64], a: &[u64]) {
    set_scaled(m, out, a, m.factor(1), m.p);
}

/// Replaces every word by the number of its bits that are set, less `mean`, in two's complement.
pub(crate) fn count_ones_less(mean: u64, words: &mut [u64]) {
    at_level!(level::current(), words.len(), ifma::count_ones_less(mean, words), count_ones_less_words(mean, words))
}

#[inline(always)]
fn count_ones_less_words(mean: u64, words: &mut [u64]) {
    words.iter_mut().for_each(|word| *word = u64::from(word.count_ones()).wrapping_sub(mean));
}

/// For every word how many numbers of the table are not above it. The whole table is read for every word.
pub(crate) fn count_reached(table: &[u64], words: &mut [u64]) {
    count_reached_at(level::current(), table, words);
}

fn count_reached_at(level: Level, table: &[u64], words: &mut [u64]) {
    at_level!(level, words.len(), ifma::count_reached(table, words), {
        for word in words {
            *word = table.iter().fold(0, |sum, &c| sum + u64::from(*word >= c));
        }
    })
}

/// a = a·f, for a below 2^52.
pub(crate) fn scale(m: Modulus, a: &mut [u64], f: Factor) {
    scale_at(level::current(), m, a, f);
}

fn scale_at(level: Level, m: Modulus, a: &mut [u64], f: Factor) {
    at_level!(level, a.len(), ifma::scale(m, a, f), a.iter_mut().for_each(|a| *a = m.times(*a, f)))
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
    at_level!(level, sum.len(), ifma::multiply_add(m, sum, a, multiplier), {
        for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(multiplier) {
            *sum = m.add(*sum, m.montgomery(a, b));
        }
    })
}

/// Products that are added up together.
pub(crate) const TOGETHER: usize = 4;

/// sum += Σ a·multiplier.
pub(crate) fn multiply_add_all(m: Modulus, sum: &mut [u64], products: &[(&[u64], &[u64])]) {
    multiply_add_all_at(level::current(), m, sum, products);
}

fn multiply_add_all_at(level: Level, m: Modulus, sum: &mut [u64], products: &[(&[u64], &[u64])]) {
    let (fours, rest) = products.as_chunks::<TOGETHER>();
    for four in fours {
        multiply_add_four(level, m, sum, four);
    }
    for (a, multiplier) in rest {
        multiply_add_at(level, m, sum, a, multiplier);
    }
}

fn multiply_add_four(level: Level, m: Modulus, sum: &mut [u64], four: &[(&[u64], &[u64]); TOGETHER]) {
    at_level!(level, sum.len(), ifma::multiply_add_four(m, sum, four), {
        for (a, multiplier) in four {
            multiply_add_at(level, m, sum, a, multiplier);
        }
    })
}

/// a = a·multiplier.
pub(crate) fn multiply(m: Modulus, a: &mut [u64], multiplier: &[u64]) {
    multiply_at(level::current(), m, a, multiplier);
}

fn multiply_at(level: Level, m: Modulus, a: &mut [u64], multiplier: &[u64]) {
    assert_eq!(a.len(), multiplier.len(), "polynomials of one degree");
    at_level!(level, a.len(), ifma::multiply(m, a, multiplier), {
        a.iter_mut().zip(multiplier).for_each(|(a, &b)| *a = m.montgomery(*a, b));
    })
}

/// Residues modulo `from`, as numbers between −from/2 and from/2, to residues of the reducer's prime times its scale.
pub(crate) fn lift(reducer: &Reducer, from: u64, residues: &[u64], out: &mut [u64]) {
    lift_at(level::current(), reducer, from, residues, out);
}

fn lift_at(level: Level, reducer: &Reducer, from: u64, residues: &[u64], out: &mut [u64]) {
    assert_eq!(residues.len(), out.len(), "polynomials of one degree");
    at_level!(level, out.len(), ifma::lift(reducer, from, residues, out), {
        out.iter_mut().zip(residues).for_each(|(out, &v)| *out = reducer.small(centred(v, from)));
    })
}

/// A residue as a number between −p/2 and p/2.
#[inline(always)]
pub(crate) fn centred(v: u64, p: u64) -> i64 {
    let high = ((p / 2).wrapping_sub(v) as i64 >> 63) as u64;
    v.wrapping_sub(p & high) as i64
}

#[cfg(test)]
mod tests {
    use mpcc_kernels::{Prg, Seed};

    use super::*;
    use crate::primes::descending;

    #[test]
    fn sums_and_differences_are_reduced() {
        let m = Modulus::new(descending(50).next().expect("a prime"));
        let (mut a, mut b) = ([m.p - 1, 0, 5, m.p - 1, 7, 1, 2, 3], [m.p - 1, m.p - 1, 9, 0, 7, 1, 1, 1]);
        let mut words = (a, b);
        sum_and_difference(m, &mut a, &mut b);
        sum_and_difference_words(m, &mut words.0, &mut words.1);
        assert_eq!((&a, &b), (&words.0, &words.1));
        assert_eq!((&a[..4], &b[..4]), (&[m.p - 2, m.p - 1, 14, m.p - 1][..], &[0, 1, m.p - 4, m.p - 1][..]));
        add(m, &mut a, &b);
        sub(m, &mut a, &b);
        assert_eq!(a, words.0);
    }

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
            let mut multiplier = b.clone();
            to_multiplier(m, &mut multiplier);
            for level in Level::ALL.into_iter().filter(|&l| l <= level::hardware()) {
                let mut out = sum.clone();
                multiply_add_at(level, m, &mut out, &a, &multiplier);
                assert_eq!(out, want, "{level:?}");
                // Nine products: twice four and one.
                let mut out = sum.clone();
                multiply_add_all_at(level, m, &mut out, &[(&a[..], &multiplier[..]); 9]);
                let nine = |i: usize| (m.product(m.product(a[i], b[i]), 9) + sum[i]) % m.p;
                assert!(out.iter().enumerate().all(|(i, &v)| v == nine(i)), "{level:?}");
                let mut out = a.clone();
                multiply_at(level, m, &mut out, &multiplier);
                add_words(m, &mut out, &sum);
                assert_eq!(out, want, "{level:?}");
                let (mut out, factor) = (a.clone(), m.factor(sum[7]));
                scale_at(level, m, &mut out, factor);
                assert!(out.iter().zip(&a).all(|(&out, &a)| out == m.product(a, factor.value)), "{level:?}");
            }
            let far: Vec<u64> =
                a.iter().enumerate().map(|(i, &v)| if i % 2 == 0 { v } else { v.wrapping_neg() }).collect();
            let (factor, offset) = (m.factor(sum[9]), 2 * m.p);
            let scaled = |v: u64| (i128::from(v as i64) * i128::from(factor.value)).rem_euclid(i128::from(m.p)) as u64;
            for level in Level::ALL.into_iter().filter(|&l| l <= level::hardware()) {
                let mut out = [1; 256];
                set_scaled_at(level, m, &mut out, &far, factor, offset);
                assert!(out.iter().zip(&far).all(|(&out, &v)| out == scaled(v)), "{level:?}");
                add_scaled_at(level, m, &mut out, &far, factor, offset);
                assert!(out.iter().zip(&far).all(|(&out, &v)| out == m.add(scaled(v), scaled(v))), "{level:?}");
                let mut counts = [5, 6, 7, u64::MAX, 0, 9, 8, 7];
                count_reached_at(level, &[6, 8, 8, 9, u64::MAX], &mut counts);
                assert_eq!(counts, [0, 1, 1, 5, 0, 4, 3, 1], "{level:?}");
            }
            // A prime that is larger and one that is smaller than that of the residues.
            for from in [descending(36), descending(50)].map(|mut primes| primes.next().expect("a prime")) {
                let residues: Vec<u64> =
                    a.iter().map(|&v| v % from).chain([0, from / 2, from / 2 + 1, from - 1, 1, 2, 3, 4]).collect();
                let reducer = Reducer::new(m, 12_345);
                let number = |v: u64| i128::from(v) - if v > from / 2 { i128::from(from) } else { 0 };
                let want: Vec<u64> =
                    residues.iter().map(|&v| (number(v) * 12_345).rem_euclid(i128::from(m.p)) as u64).collect();
                for level in Level::ALL.into_iter().filter(|&l| l <= level::hardware()) {
                    let mut out = vec![0; residues.len()];
                    lift_at(level, &reducer, from, &residues, &mut out);
                    assert_eq!(out, want, "{level:?}");
                }
            }
        }
    }
}
