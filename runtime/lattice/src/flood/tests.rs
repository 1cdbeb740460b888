use mpcc_kernels::Seed;

use super::*;

/// Probabilities of J = −61 ..= 61, from the table.
fn probabilities() -> Vec<f64> {
    let cumulative = |i: usize| if i < CUMULATIVE.len() { CUMULATIVE[i] } else { 1 << 63 };
    let of = |i: usize| (cumulative(i) - if i == 0 { 0 } else { cumulative(i - 1) }) as f64 / (1u64 << 63) as f64;
    (-61i64..=61).map(|j| of(j.unsigned_abs() as usize) / if j == 0 { 1.0 } else { 2.0 }).collect()
}

/// The distribution with low parts of `width` values each.
fn distribution(width: usize, parts: usize) -> Vec<f64> {
    let mut d = vec![0.0; width * 123];
    probabilities().into_iter().enumerate().for_each(|(j, p)| d[j * width] = p);
    for _ in 0..parts {
        let mut out = vec![0.0; d.len() + width];
        for (i, p) in d.iter().enumerate() {
            (0..width).for_each(|u| out[i + u] += p / width as f64);
        }
        d = out;
    }
    d
}

/// 4 Σ (√p(x) − √p(x − 1))² times the variance: 1 for a Gaussian, and what the bound of the distance has in front.
fn information(d: &[f64], variance: f64) -> f64 {
    let before = std::iter::once(&0.0).chain(d);
    let after = d.iter().chain(std::iter::once(&0.0));
    4.0 * variance * before.zip(after).map(|(a, b)| (a.sqrt() - b.sqrt()).powi(2)).sum::<f64>()
}

#[test]
fn a_shift_is_hidden_as_by_a_gaussian() {
    for width in [4, 16, 64] {
        let variance = (8.0 * width as f64).powi(2);
        let smooth = information(&distribution(width, 3), variance);
        assert!(smooth < 1.0, "{width}: {smooth}");
        // One uniform part alone leaves steps, and the information grows with the width.
        let steps = information(&distribution(width, 1), variance);
        assert!(steps > 0.2 * width as f64, "{width}: {steps}");
    }
}

#[test]
fn numbers_have_the_distribution_and_stay_in_range() {
    let prg = Prg::new(&Seed::from_bytes([4; 16]));
    for h in [1, 5, 62, 64, 90, 200, 248] {
        let (mut sum, mut squares, n) = (0.0, 0.0, 40_000);
        sample(&prg, 6, h, n, |_, v| {
            let sign = (v[3] as i64 >> 63) as u64;
            let parts =
                v.iter().enumerate().map(|(i, &w)| (w ^ sign) as f64 * f64::from(64 * i as i32 - h as i32).exp2());
            let size: f64 = parts.sum::<f64>() + if sign == 0 { 0.0 } else { f64::from(-(h as i32)).exp2() };
            assert!(size <= RANGE as f64 / 2.0);
            sum += if sign == 0 { size } else { -size };
            squares += size * size;
        });
        let deviation = (squares / n as f64).sqrt();
        let mean = sum / n as f64 + 1.5 * f64::from(-(h as i32)).exp2();
        assert!(mean.abs() < 0.2 && (7.9..8.13).contains(&deviation), "{h}: {mean} {deviation}");
    }
}
