//! Truncation in the opening: the rounding formulas against the masked protocol, exhaustively, and their figures.

use super::*;
use crate::ideal::coins::{dithered, exact};

/// `word mod 2^bits` as a signed number.
fn signed(word: i128, bits: u8) -> i128 {
    let word = word & ((1 << bits) - 1);
    if word >> (bits - 1) == 1 { word - (1 << bits) } else { word }
}

/// What the parties end up with: the opened word and the masks, each without its low bits.
fn protocol(x: i128, r: [u64; 2], (k, t): (u8, u8), rounding: Rounding) -> i128 {
    let [a, b] = r.map(i128::from);
    let modulus = 1i128 << k;
    match rounding {
        Rounding::Exact => {
            let total = (a + b) % modulus;
            signed(((x + total).rem_euclid(modulus) >> t) - (total >> t), k - t)
        }
        Rounding::Dithered => {
            let half = (1i128 << t) / 2;
            signed(((x - half + a + b).rem_euclid(modulus) >> t) - (a >> t) - (b >> t), k - t)
        }
    }
}

#[test]
fn exact_rounding_is_what_the_masked_words_give() {
    for (k, t) in [(2, 1), (5, 2), (6, 5), (10, 1), (10, 4), (10, 9)] {
        let half = 1i128 << (k - 1);
        for x in -half..half {
            for r in 0..1u64 << k {
                let got = exact(&[x], &[r], t)[0];
                assert_eq!(signed(got, k - t), protocol(x, [r, 0], (k, t), Rounding::Exact), "x {x} r {r} k {k} t {t}");
                assert!(x != 0 || got == 0, "zero moved");
                assert!(got * x >= 0, "{x} changed its sign");
            }
        }
    }
}

#[test]
fn dithered_rounding_is_what_the_masked_words_give() {
    for (k, t) in [(2, 1), (5, 2), (6, 3), (6, 5)] {
        let half = 1i128 << (k - 1);
        for x in -half..half {
            for pair in 0..1u64 << (2 * k) {
                let r = [pair >> k, pair & ((1 << k) - 1)];
                let got = dithered(&[x], &[vec![r[0]], vec![r[1]]], t)[0];
                assert_eq!(signed(got, k - t), protocol(x, r, (k, t), Rounding::Dithered), "x {x} r {r:?} k {k} t {t}");
                assert!((2 * ((got << t) - x)).abs() < 3 << t, "off by 1.5 units or more");
            }
        }
    }
}

/// Over all masks, in units of the truncated value: exact has mean 0 and variance p(1 − p), p = (x mod 2^t) / 2^t;
/// dithered has mean −2^−(t+1) and variance (1 − 2^−2t) / 4. As integers at scale 2^t and 2^2t, summed.
#[test]
fn mean_and_variance_of_the_error_are_as_derived() {
    for t in 1..=6u8 {
        let n = 1i128 << t;
        for x in -3 * n..3 * n {
            let errors = |rounded: Vec<i128>| -> (i128, i128) {
                let e = rounded.into_iter().map(|y| y * n - x);
                e.fold((0, 0), |(sum, squares), e| (sum + e, squares + e * e))
            };
            let masks: Vec<u64> = (0..1 << t).collect();
            let (sum, squares) = errors(exact(&vec![x; masks.len()], &masks, t));
            let p = x.rem_euclid(n);
            assert_eq!((sum, squares), (0, n * p * (n - p)), "exact, t {t}, x {x}");
            let pairs: Vec<u64> = (0..1 << (2 * t)).collect();
            let mask = [pairs.iter().map(|r| r >> t).collect(), pairs.iter().map(|r| r % (1 << t)).collect()];
            let (sum, squares) = errors(dithered(&vec![x; pairs.len()], &mask, t));
            assert_eq!(2 * sum, -n * n, "dithered mean, t {t}, x {x}");
            // n² Σ e² − (Σ e)² = n⁶ · variance
            assert_eq!(4 * (n * n * squares - sum * sum), n.pow(4) * (n * n - 1), "dithered variance, t {t}, x {x}");
        }
    }
}

/// The same figures through drawn masks: a constant opened 10^5 times.
#[test]
fn drawn_masks_round_without_bias() {
    const N: usize = 100_000;
    let t = 10;
    for (rounding, mean, variance) in [(Rounding::Exact, 0.0, 0.21), (Rounding::Dithered, -0.5 / 1024.0, 0.25)] {
        let x = 5 * 1024 + 307; // p = 0.2998
        let mut b = Build::default();
        let share = b.share(&[N], 16, &vec![x; N]);
        let wire = b.open(share, 20, t, rounding);
        let errors: Vec<f64> = b.value(wire).iter().map(|y| *y as f64 - x as f64 / 1024.0).collect();
        let found = errors.iter().sum::<f64>() / N as f64;
        let spread = errors.iter().map(|e| (e - found).powi(2)).sum::<f64>() / N as f64;
        assert!((found - mean).abs() < 4.0 * (variance / N as f64).sqrt(), "{rounding:?}: mean {found}");
        assert!((spread - variance).abs() < 0.01, "{rounding:?}: variance {spread}");
    }
}

#[test]
fn an_opening_uses_both_parties_masks_at_the_opened_width() {
    let (k, t) = (22, 7);
    let data = random(300, 20, 3);
    for rounding in [Rounding::Exact, Rounding::Dithered] {
        let mut b = Build::default();
        let share = b.share(&[300], 20, &data);
        let wire = b.open(share, k - t, t, rounding);
        let masks = [drawn(0, wire, 0, k, 300), drawn(1, wire, 0, k, 300)];
        for (i, (got, x)) in b.value(wire).iter().zip(&data).enumerate() {
            let want = protocol((*x).into(), [masks[0][i], masks[1][i]], (k, t), rounding);
            assert_eq!(i128::from(*got), want, "{rounding:?} entry {i}");
        }
    }
}

/// The remaining masks travel with a wire: centring an opened wire gives what the parties compute from theirs.
#[test]
fn centring_rounds_with_the_masks_that_remain() {
    let (k, t, d, len) = (24u8, 6u8, 3usize, 60usize);
    let ring = k - t;
    let modulus = 1i128 << ring;
    let data = random(len, 18, 4);
    for rounding in [Rounding::Exact, Rounding::Dithered] {
        let mut b = Build::default();
        let share = b.share(&[len / d, d], 18, &data);
        let wire = b.open(share, ring, t, rounding);
        let gate = Gate::Centre { source: wire, truncate: 2 };
        let centre = b.push(Kind::Wire, &[len / d, d], (ring - 2, -i16::from(t), 15), gate);
        let ideal = b.run();
        let full = [drawn(0, wire, 0, k, len), drawn(1, wire, 0, k, len)];
        let masks: [Vec<i128>; 2] = match rounding {
            Rounding::Dithered => full.map(|m| m.into_iter().map(|r| i128::from(r >> t)).collect()),
            Rounding::Exact => {
                let fresh = drawn(0, wire, 1, ring, len);
                let total = full[0].iter().zip(&full[1]).map(|(a, b)| ((a + b) & ((1 << k) - 1)) >> t);
                let second = total.zip(&fresh).map(|(r, s)| (i128::from(r) - i128::from(*s)).rem_euclid(modulus));
                [fresh.iter().map(|r| i128::from(*r)).collect(), second.collect()]
            }
        };
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
            assert_eq!(i128::from(*got), signed(h[i] - a[i] - c[i], ring - 2), "{rounding:?} entry {i}");
            let real = apply(&x)[i] as f64 / 4.0;
            assert!((*got as f64 - real).abs() < 1.5, "{rounding:?} entry {i}: {got} for {real}");
        }
    }
}

#[test]
fn a_reveal_drops_its_low_bits_as_the_data_owner_does() {
    let (k, t, len) = (24u8, 9u8, 400usize);
    let data = random(len, 20, 5);
    for truncate in [0, t] {
        let mut b = Build::default();
        let source = b.share(&[len], 20, &data);
        let output = b.output(&[len], -i16::from(truncate));
        let gate = Gate::Reveal { source, truncate, output };
        let id = b.push(Kind::Share, &[len], (k - truncate, -i16::from(truncate), 21 - truncate), gate);
        let ideal = b.run();
        let masks = [drawn(0, id, 0, k, len), drawn(1, id, 0, k, len)];
        for (i, (got, x)) in ideal.outputs[0].iter().zip(&data).enumerate() {
            let want = protocol((*x).into(), [masks[0][i], masks[1][i]], (k, truncate), Rounding::Exact);
            assert_eq!(i128::from(*got), want, "entry {i}");
        }
    }
}
