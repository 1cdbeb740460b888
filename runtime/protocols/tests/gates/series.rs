//! G11.

use mpcc_program::program::{Gate, Kind, Term, View};

use super::harness::{Builder, run_seeded};

/// All 2^16 residues of a wire: the series equals its plain value up to the rounding of its factors.
#[test]
fn a_cosine_series_is_exact_under_masking_for_every_residue() {
    let (period, fraction) = (16u8, 16u8);
    let coefficients = [0.75f64, -0.5, 0.25, -0.125, 0.0625];
    let x: Vec<i64> = (-(1 << 15)..1 << 15).collect();
    let mut b = Builder::new();
    let share = b.share(&[x.len()], 18, 16);
    let wire = b.open(share, 18, 0, 16);
    let scaled = coefficients.iter().map(|a| (a * 65536.0) as i64).collect();
    let gate = Gate::TrigSeries {
        source: wire,
        period_bits: period,
        table_fraction: fraction,
        cosines: scaled,
        sines: vec![],
    };
    let y = b.push(gate, Kind::Share, &[x.len()], 60, 32, 34);
    b.reveal(y, 60, 0);
    let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], 2);
    let mut worst = 0f64;
    for (x, y) in x.iter().zip(&seen.outputs[0]) {
        let angle = 2.0 * std::f64::consts::PI * *x as f64 / 65536.0;
        let want: f64 = coefficients.iter().enumerate().map(|(j, a)| a * (j as f64 * angle).cos()).sum();
        worst = worst.max((*y as f64 / 2f64.powi(32) - want).abs());
    }
    // Each product of factors rounds three times by at most a unit of 2^-16.
    assert!(worst < 4.0 * 3.0 * 2f64.powi(-16), "{worst:e}");
}

fn gelu(x: f64) -> f64 {
    // The error function by its power series, and its limit where that would cancel.
    let z = x.abs() * std::f64::consts::FRAC_1_SQRT_2;
    let mut term = z;
    let mut sum = z;
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    let erf = if z > 4.5 { 1.0 } else { sum * std::f64::consts::FRAC_2_SQRT_PI };
    0.5 * x * (1.0 + erf.copysign(x))
}

/// GeLU of an argument without a bound: two shared comparisons clamp it to ±5, one opening brings it to the series, and
/// what was cut off is added again. The clamped argument is exact everywhere, at the thresholds and at the ends.
#[test]
fn a_clamped_series_is_gelu_over_the_whole_range_of_its_argument() {
    let (h, f, edge) = (12u8, 16u8, 5i64 << 12);
    let x: Vec<i64> = (-(1i64 << 16) + 1..1 << 16)
        .filter(|x| x % 5 == 0 || (x.abs() - edge).abs() < 20 || x.abs() > 65_500)
        .collect();
    let (len, n) = (x.len(), 18u8);
    let mut b = Builder::new();
    let weight = b.weight(&[len], h.into(), 16);
    let share = b.push(Gate::ServerShare { weight }, Kind::Share, &[len], n, h.into(), 16);
    let wire = b.open(share, n, 0, 16);
    let gate = Gate::ReluShared { source: wire, offsets: [edge, -edge].into_iter().collect() };
    let both = b.push(gate, Kind::Share, &[2 * len], 40, h.into(), 17);
    let [s, p] = [0, len].map(|start| {
        let view = View::Slice { axis: 0, start };
        let value = b.push(Gate::View { source: both, view }, Kind::Share, &[len], 40, h.into(), 17);
        Term { value, shift: 0 }
    });
    let difference = b.push(Gate::Sub { left: s, right: p }, Kind::Share, &[len], 40, h.into(), 17);
    let clamped = b.push(Gate::AddPublic { source: difference, term: -edge }, Kind::Share, &[len], 40, h.into(), 15);
    let sum = b.push(Gate::Add { terms: vec![s, p] }, Kind::Share, &[len], 40, h.into(), 18);
    let linear = b.push(Gate::AddPublic { source: sum, term: -edge }, Kind::Share, &[len], 40, h.into(), 18);
    let half = b.push(Gate::Rescale { source: linear, shift: 1 }, Kind::Share, &[len], 40, i16::from(h) + 1, 18);
    let opened = b.open(clamped, h + 4, 0, 15);
    // The even part of GeLU on [-5, 5] with period 16, to 1e-5.
    let cosines = vec![130_736, -113_073, 53, -14_620, 758, -3692, 466, -662, 88, -54];
    let gate = Gate::TrigSeries { source: opened, period_bits: h + 4, table_fraction: f, cosines, sines: vec![] };
    let even = b.push(gate, Kind::Share, &[len], 50, 32, 35);
    let terms = vec![Term { value: even, shift: 0 }, Term { value: half, shift: 2 * f - h - 1 }];
    let y = b.push(Gate::Add { terms }, Kind::Share, &[len], 50, 32, 37);
    b.reveal(clamped, 16, 0);
    b.reveal(y, 50, 0);
    assert_eq!(b.program.hops, 3, "the argument, its clamped form, the result");
    for seed in [4, 5] {
        let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], seed);
        for ((x, c), y) in x.iter().zip(&seen.outputs[0]).zip(&seen.outputs[1]) {
            assert_eq!(*c, (*x).clamp(-edge, edge));
            let error = *y as f64 / 2f64.powi(32) - gelu(*x as f64 / 4096.0);
            // The fit, the step at the threshold, and nine pairs of factors, each rounded down by up to a unit of 2^-16.
            assert!(error.abs() < 2e-4, "{x}: {error:e}");
        }
    }
}

/// A series of `cosines` and `sines`, factors at scale 2^fraction, at every residue modulo 2^period.
fn trigonometric(cosines: &[f64], sines: &[f64], (period, fraction): (u8, u8), seed: u64) -> (Vec<i64>, Vec<i64>) {
    let x: Vec<i64> = (-(1i64 << (period - 1))..1 << (period - 1)).collect();
    let scaled = |a: &[f64]| a.iter().map(|a| (a * f64::from(fraction).exp2()) as i64).collect();
    let mut b = Builder::new();
    let share = b.share(&[x.len()], period + 2, period);
    let wire = b.open(share, period + 2, 0, period);
    let gate = Gate::TrigSeries {
        source: wire,
        period_bits: period,
        table_fraction: fraction,
        cosines: scaled(cosines),
        sines: scaled(sines),
    };
    let y = b.push(gate, Kind::Share, &[x.len()], 60, 2 * i16::from(fraction), 2 * fraction + 3);
    b.reveal(y, 60, 0);
    let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], seed);
    (x, seen.outputs[0].clone())
}

#[test]
fn a_series_of_sines_and_cosines_is_exact_under_masking_for_every_residue() {
    let (period, fraction) = (14u8, 16u8);
    for (cosines, sines) in [
        (&[0.0][..], &[0.5, -0.25, 0.125][..]),
        (&[0.75, -0.5, 0.25], &[0.5, 0.0, -0.375, 0.0, 0.125]),
        (&[-0.5, 0.25, 0.0, 0.0, 0.125], &[0.5]),
    ] {
        let (x, y) = trigonometric(cosines, sines, (period, fraction), 2);
        for (x, y) in x.iter().zip(&y) {
            let angle = std::f64::consts::TAU * *x as f64 / f64::from(period).exp2();
            let even: f64 = (0i32..).zip(cosines).map(|(j, a)| a * (f64::from(j) * angle).cos()).sum();
            let odd: f64 = (1i32..).zip(sines).map(|(j, b)| b * (f64::from(j) * angle).sin()).sum();
            // Each of five frequencies rounds two factors down by a unit of 2^-16, and its tables to half of one.
            let error = *y as f64 / (2.0 * f64::from(fraction)).exp2() - even - odd;
            assert!(error.abs() < 5.0 * 4.0 * (-f64::from(fraction)).exp2(), "{x}: {error:e}");
        }
    }
}

/// Sines that are zero change no bit of a series of cosines: a frequency's factors are rounded once.
#[test]
fn zero_sines_change_nothing() {
    let cosines = [0.75f64, -0.5, 0.0, -0.125];
    let plain = trigonometric(&cosines, &[], (12, 14), 9);
    assert_eq!(plain, trigonometric(&cosines, &[0.0; 3], (12, 14), 9));
    assert_ne!(plain, trigonometric(&cosines, &[0.0, 0.0, 0.001], (12, 14), 9));
}
