//! Truncation in the opening: the rounding formulas against the masked protocol, exhaustively, and their figures.

use super::*;
use crate::ideal::coins::{dithered, rounded};

/// `word mod 2^bits` as a signed number.
fn signed(word: i128, bits: u8) -> i128 {
    let word = word & ((1 << bits) - 1);
    if word >> (bits - 1) == 1 { word - (1 << bits) } else { word }
}

/// What the parties end up with: both shares of x in a ring of k bits, each without its low bits, the data owner's rounded up.
fn protocol(x: i128, second: i128, (k, t): (u8, u8)) -> i128 {
    let modulus = 1i128 << k;
    let first = (x - second).rem_euclid(modulus);
    let up = (second + (1 << t) - 1).rem_euclid(modulus);
    signed((first >> t) + (up >> t), k - t)
}

#[test]
fn rounding_is_what_the_shares_give() {
    for (k, t) in [(2, 1), (5, 2), (6, 5), (8, 1), (8, 4), (8, 7)] {
        let half = 1i128 << (k - 1);
        for x in -half..half {
            for second in 0..1i128 << k {
                let got = rounded(&[x], &[second as u64 & ((1 << t) - 1)], t)[0];
                assert_eq!(signed(got, k - t), protocol(x, second, (k, t)), "x {x} share {second} k {k} t {t}");
                assert!(x.rem_euclid(1 << t) != 0 || got << t == x, "{x} is a multiple and moved");
                assert!(got * x >= 0, "{x} changed its sign");
                assert!(((got << t) - x).abs() < 1 << t, "off by a unit or more");
            }
        }
    }
}

/// Over all coins, in units of the truncated value, the mean of the error is 0 and its variance p(1 − p), p = (x mod 2^t) / 2^t; a
/// derived wire's has mean −2^−(t+1) and variance (1 − 2^−2t) / 4. As integers at scale 2^t and 2^2t, summed.
#[test]
fn mean_and_variance_of_the_error_are_as_derived() {
    for t in 1..=6u8 {
        let n = 1i128 << t;
        for x in -3 * n..3 * n {
            let errors = |rounded: Vec<i128>| -> (i128, i128) {
                let e = rounded.into_iter().map(|y| y * n - x);
                e.fold((0, 0), |(sum, squares), e| (sum + e, squares + e * e))
            };
            let coins: Vec<u64> = (0..1 << t).collect();
            let (sum, squares) = errors(rounded(&vec![x; coins.len()], &coins, t));
            let p = x.rem_euclid(n);
            assert_eq!((sum, squares), (0, n * p * (n - p)), "t {t}, x {x}");
            let pairs: Vec<u64> = (0..1 << (2 * t)).collect();
            let mask = [pairs.iter().map(|r| r >> t).collect(), pairs.iter().map(|r| r % (1 << t)).collect()];
            let (sum, squares) = errors(dithered(&vec![x; pairs.len()], &mask, t));
            assert_eq!(2 * sum, -n * n, "dithered mean, t {t}, x {x}");
            // n² Σ e² − (Σ e)² = n⁶ · variance
            assert_eq!(4 * (n * n * squares - sum * sum), n.pow(4) * (n * n - 1), "dithered variance, t {t}, x {x}");
        }
    }
}

/// The same figures through drawn coins: a constant opened 10^5 times.
#[test]
fn drawn_coins_round_without_bias() {
    const N: usize = 100_000;
    let t = 10;
    let x = 5 * 1024 + 307; // p = 0.2998
    let mut b = Build::default();
    let share = b.share(&[N], 16, &vec![x; N]);
    let wire = b.open(share, 20, t);
    let errors: Vec<f64> = b.value(wire).iter().map(|y| *y as f64 - x as f64 / 1024.0).collect();
    let found = errors.iter().sum::<f64>() / N as f64;
    let spread = errors.iter().map(|e| (e - found).powi(2)).sum::<f64>() / N as f64;
    assert!(found.abs() < 4.0 * (0.21 / N as f64).sqrt(), "mean {found}");
    assert!((spread - 0.21).abs() < 0.01, "variance {spread}");
}

/// In a run the coin is the low part of a share that the data owner made from fresh randomness.
#[test]
fn the_coins_of_a_run_round_without_bias() {
    const N: usize = 20_000;
    let (t, x) = (6u8, 21 * 64 + 19); // p = 0.297
    let mut b = Build::default();
    let wire = b.wire(&[N], (24, 12), &vec![x; N]);
    let weight = b.weight(&[N], 2, &vec![1; N]);
    let source = b.push(Kind::Share, &[N], (24, 0, 12), Gate::MulServer { source: wire, weight });
    let open = b.open(source, 18, t);
    let found = two_party::values(&b, open);
    let mean = found.iter().sum::<i64>() as f64 / N as f64 - x as f64 / 64.0;
    assert!(mean.abs() < 4.0 * (0.21 / N as f64).sqrt(), "mean {mean}");
}

/// The remaining masks travel with a wire: centring an opened wire gives what the parties compute from theirs.
#[test]
fn centring_rounds_with_the_masks_that_remain() {
    let (ring, t, d, len) = (18u8, 6u8, 3usize, 60usize);
    let modulus = 1i128 << ring;
    let data = random(len, 18, 4);
    let mut b = Build::default();
    let share = b.share(&[len / d, d], 18, &data);
    let wire = b.open(share, ring, t);
    let gate = Gate::Centre { source: wire, truncate: 2 };
    let centre = b.push(Kind::Wire, &[len / d, d], (ring - 2, -i16::from(t), 15), gate);
    let ideal = b.run();
    let masks = [0, 1].map(|owner| drawn(owner, wire, 0, ring, len).into_iter().map(i128::from).collect::<Vec<_>>());
    let apply = |v: &[i128]| -> Vec<i128> {
        (0..len).map(|i| d as i128 * v[i] - v[i / d * d..][..d].iter().sum::<i128>()).collect()
    };
    let x: Vec<i128> = ideal.values[wire.0 as usize].iter().map(|x| i128::from(*x)).collect();
    let hat: Vec<i128> = (0..len).map(|i| (x[i] + masks[0][i] + masks[1][i]).rem_euclid(modulus)).collect();
    let shifted = |v: &[i128], minus: i128| -> Vec<i128> {
        apply(v).into_iter().map(|v| (v - minus).rem_euclid(modulus) >> 2).collect()
    };
    let (h, a, c) = (shifted(&hat, 2), shifted(&masks[0], 0), shifted(&masks[1], 0));
    for (i, got) in ideal.values[centre.0 as usize].iter().enumerate() {
        assert_eq!(i128::from(*got), signed(h[i] - a[i] - c[i], ring - 2), "entry {i}");
        let real = apply(&x)[i] as f64 / 4.0;
        assert!((*got as f64 - real).abs() < 1.5, "entry {i}: {got} for {real}");
    }
}
