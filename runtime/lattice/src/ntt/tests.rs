use mpcc_kernels::{Prg, Seed};

use super::*;
use crate::primes::descending;

fn uniform(t: &Transform, stream: u64) -> Vec<u64> {
    let mut x = vec![0; t.degree()];
    Prg::new(&Seed::from_bytes([3; 16])).fill(stream, 0, &mut x);
    x.iter_mut().for_each(|v| *v %= t.modulus.p);
    x
}

fn transforms() -> Vec<Transform> {
    let sizes = [(7, 50), (8, 36), (9, 50), (10, 17), (11, 43), (12, 49), (13, 50), (14, 50), (13, 36)];
    sizes.iter().map(|&(log, bits)| Transform::new(descending(bits).next().expect("a prime"), log)).collect()
}

fn levels() -> Vec<Level> {
    Level::ALL.into_iter().filter(|&l| l <= level::hardware()).collect()
}

/// Polynomials at the corners of the lazy ranges, and uniform ones.
fn samples(t: &Transform) -> Vec<Vec<u64>> {
    let (n, p) = (t.degree(), t.modulus.p);
    let alternating = (0..n).map(|i| if i % 3 == 0 { p - 1 } else { 0 }).collect();
    vec![uniform(t, 0), uniform(t, 1), vec![p - 1; n], vec![0; n], alternating, vec![p / 2; n]]
}

#[test]
fn every_level_equals_the_portable_twin() {
    for t in transforms() {
        for x in samples(&t) {
            let (mut forward, mut inverse) = (x.clone(), x.clone());
            portable::forward(&t, &mut forward, 0);
            portable::inverse(&t, &mut inverse);
            assert!(forward.iter().chain(&inverse).all(|&v| v < t.modulus.p));
            for level in levels() {
                let (mut f, mut i) = (x.clone(), x.clone());
                t.forward_from(level, &mut f, 0);
                t.inverse_at(level, &mut i);
                assert!(f == forward && i == inverse, "{level:?}, degree {}, prime {}", t.degree(), t.modulus.p);
            }
        }
    }
}

#[test]
fn values_are_those_at_the_odd_powers_of_the_root() {
    for t in transforms().into_iter().take(3) {
        let (m, n) = (t.modulus, t.degree());
        let (x, psi) = (uniform(&t, 2), root(t.modulus.p, n));
        let mut values = x.clone();
        t.forward(&mut values);
        let mut seen = vec![false; 2 * n];
        for (at, &value) in values.iter().enumerate() {
            let exponent = Transform::exponent(t.log, at);
            assert!(exponent % 2 == 1 && !std::mem::replace(&mut seen[exponent], true));
            let point = m.power(psi, exponent as u64);
            let horner = x.iter().rev().fold(0, |sum, &c| (m.product(sum, point) + c) % m.p);
            assert_eq!(value, horner);
        }
    }
}

#[test]
fn products_are_negacyclic_products() {
    for t in transforms().into_iter().take(4) {
        let (m, n) = (t.modulus, t.degree());
        let (a, b) = (uniform(&t, 3), uniform(&t, 4));
        let mut naive = vec![0u64; n];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let product = m.product(x, y);
                let at = (i + j) % n;
                naive[at] = if i + j < n { m.add(naive[at], product) } else { m.sub(naive[at], product) };
            }
        }
        for level in levels() {
            let (mut a, mut b) = (a.clone(), b.clone());
            t.forward_from(level, &mut a, 0);
            t.forward_from(level, &mut b, 0);
            a.iter_mut().zip(&b).for_each(|(x, &y)| *x = m.product(*x, y));
            t.inverse_at(level, &mut a);
            assert_eq!(a, naive);
        }
    }
}

#[test]
fn a_transform_of_few_low_coefficients_equals_the_full_one() {
    for t in transforms() {
        let n = t.degree();
        for low in [1, 2, 63, 64, 65, 96, 128, 200, 1000, n / 2, n - 1, n] {
            let low = low.min(n);
            let mut full = uniform(&t, 5);
            let mut few = full.clone();
            full[low..].fill(0);
            portable::forward(&t, &mut full, 0);
            for level in levels() {
                level::force(Some(level));
                let mut x = few.clone();
                t.forward_low(&mut x, low);
                assert!(x == full, "{level:?}, {low} of {n}");
            }
            level::force(None);
            few.clear();
        }
    }
}
