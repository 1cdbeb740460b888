use mpcc_kernels::Seed;

use super::*;
use crate::primes::descending;

#[test]
fn uniform_residues_are_below_their_prime_and_uniform() {
    let prg = Prg::new(&Seed::from_bytes([9; 16]));
    // A modulus far below its power of two, so that redrawing is seen.
    for (p, bits) in [(descending(50).next().expect("a prime"), 50), (3 << 20, 22)] {
        let mut out = vec![0; 1 << 16];
        uniform(&prg, 3, p, bits, &mut out);
        let mut counts = [0f64; 12];
        out.iter().for_each(|&v| counts[(u128::from(v) * 12 / u128::from(p)) as usize] += 1.0);
        let expected = out.len() as f64 / 12.0;
        let chi: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        assert!(chi < 40.0, "{chi}");
    }
}

#[test]
fn small_numbers_have_their_moments() {
    let prg = Prg::new(&Seed::from_bytes([8; 16]));
    let mut out = vec![0; 1 << 17];
    let moments = |x: &[u64]| {
        let x: Vec<i64> = x.iter().map(|&v| v as i64).collect();
        let n = x.len() as f64;
        let mean = x.iter().sum::<i64>() as f64 / n;
        (mean, x.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n)
    };
    ternary(&prg, 0, &mut out);
    assert!(out.iter().all(|&v| (-1..=1).contains(&(v as i64))));
    let (mean, variance) = moments(&out);
    assert!(mean.abs() < 0.01 && (variance - 2.0 / 3.0).abs() < 0.01, "{mean} {variance}");
    errors(&prg, 1, &mut out);
    assert!(out.iter().all(|&v| (v as i64).unsigned_abs() <= ERROR));
    let (mean, variance) = moments(&out);
    assert!(mean.abs() < 0.04 && (variance - 10.5).abs() < 0.2, "{mean} {variance}");
}
