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
    for h in [1, 5, 48, 62, 64, 90, 200, 248] {
        let n = 40_000;
        let drawn = Flooding::draw(&prg, 6, h, n);
        let unit = |bits: u32| f64::from(bits as i32 - h as i32).exp2();
        let number = |i: usize| {
            let low: f64 = drawn.low.iter().enumerate().map(|(j, low)| low[i] as f64 * unit(PIECE * j as u32)).sum();
            drawn.top[i] as i64 as f64 + low - 1.5
        };
        let numbers: Vec<f64> = (0..n).map(number).collect();
        assert!(numbers.iter().all(|v| v.abs() <= RANGE as f64 / 2.0));
        let mean = numbers.iter().sum::<f64>() / n as f64 + 1.5 * unit(0);
        let deviation = (numbers.iter().map(|v| v * v).sum::<f64>() / n as f64).sqrt();
        assert!(mean.abs() < 0.2 && (7.9..8.13).contains(&deviation), "{h}: {mean} {deviation}");
    }
}

#[test]
fn residues_are_those_of_the_numbers() {
    let prg = Prg::new(&Seed::from_bytes([4; 16]));
    let m = Modulus::new(crate::primes::descending(50).next().expect("a prime"));
    for h in [1, 47, 48, 49, 80] {
        for drawn in [Flooding::draw(&prg, 0, h, 64), Flooding::largest(h, 64), Flooding::none(64)] {
            let number = |i: usize| {
                let low = drawn.low.iter().enumerate().map(|(j, low)| i128::from(low[i]) << (PIECE * j as u32));
                (i128::from(drawn.top[i] as i64) << drawn.h) + low.sum::<i128>() - (3 << (drawn.h - 1))
            };
            let mut out = vec![5; 64];
            drawn.add(m, &mut out);
            assert!((0..64).all(|i| i128::from(out[i]) == (5 + number(i)).rem_euclid(i128::from(m.p))), "{h}");
        }
        let largest = (i128::from(RANGE) << (h - 1)) - 3;
        let drawn = Flooding::largest(h, 1);
        let low: i128 = drawn.low.iter().enumerate().map(|(j, low)| i128::from(low[0]) << (PIECE * j as u32)).sum();
        assert_eq!((i128::from(LARGEST) << h) + low - (3 << (h - 1)), largest);
    }
}
