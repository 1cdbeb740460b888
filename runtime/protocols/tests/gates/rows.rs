//! G10 through shares: tables, windows, and what an exact zero gives.

use mpcc_program::code::{RowFunction, RowTable};
use mpcc_program::program::{Gate, Kind};

use super::harness::{Builder, mix, run_seeded};

/// Units of the result that rounding may cost: four coefficients by half a unit each, and the last truncation.
const UNITS: f64 = 3.0;

/// Rows of v through the gate; the result has `fraction` bits.
fn evaluate(table: RowTable, v: &[i64], seed: u64) -> Vec<f64> {
    let rows = v.len();
    let mut b = Builder::new();
    let k = table.ring_bits;
    let x = b.share(&[rows, 1], k, k - 1);
    let wire = b.open(x, k, 0, k - 1);
    let columns = 2 * usize::from(table.windows) - 1;
    let (ring, fraction) = (64, i16::from(table.fraction) + i16::from(table.tau_bits));
    let gate = Gate::RowTable { source: wire, table };
    let tables = b.push(gate, Kind::Share, &[rows, columns], ring, fraction, 62);
    let y = if table.windows == 1 {
        tables
    } else {
        let opened = b.open(tables, ring, 0, 62);
        b.push(
            Gate::WindowChain { source: opened, windows: table.windows },
            Kind::Share,
            &[rows, 1],
            ring,
            fraction,
            62,
        )
    };
    b.reveal(y, ring - table.tau_bits, table.tau_bits);
    let seen = run_seeded(&b.program, &[v.to_vec()], &[], seed);
    seen.outputs[0].iter().map(|o| *o as f64 / 2f64.powi(table.fraction.into())).collect()
}

fn table(k: u8, n: u8, windows: u8, fraction: u8, function: RowFunction) -> RowTable {
    RowTable { ring_bits: k, index_bits: n, windows, degree: 3, tau_bits: 14, fraction, function }
}

/// Log-uniform over the domain up to half of the ring, and around every place where something changes.
fn arguments(t: &RowTable, seed: u64) -> Vec<i64> {
    let domain = t.domain();
    let (low, high) = ((domain.start as f64).log2(), f64::from(t.ring_bits) - 1.0);
    let mut s = seed;
    let mut v: Vec<i64> = (0..600)
        .map(|_| 2f64.powf(low + (high - low) * (mix(&mut s) >> 11) as f64 / (1u64 << 53) as f64) as i64 + 1)
        .collect();
    // Window hand-over and the ends of the domain.
    for w in 0..t.windows {
        let delta = 2f64.powi(t.bucket_bits(w));
        for edge in [2.25 * delta, 2.75 * delta] {
            v.extend([edge - 1.0, edge, edge + 1.0, edge + delta - 1.0].map(|x| x.ceil() as i64));
        }
    }
    // The lowest buckets, densely: there the function is steepest.
    v.extend((0..100).map(|i| (domain.start as f64 * (1.0 + f64::from(i) / 80.0)) as i64));
    v.push((1 << (t.ring_bits - 1)) - 1);
    v.retain(|v| domain.contains(&(*v as u64)));
    v
}

#[test]
fn rsqrt_is_within_its_stated_error_over_its_domain() {
    for (k, n, windows, bound) in [(34u8, 8u8, 1u8, -13.5f64), (34, 9, 1, -13.8), (40, 6, 4, -13.0)] {
        let function = RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 };
        let t = table(k, n, windows, 20, function);
        for seed in 0..6 {
            let v = arguments(&t, seed);
            for (v, y) in v.iter().zip(evaluate(t, &v, seed)) {
                let want = 1.0 / (*v as f64 * 2f64.powi(-32) + 1e-5).sqrt();
                let error = (y / want - 1.0).abs() - UNITS * 2f64.powi(-20) / want;
                assert!(error < 2f64.powf(bound), "k {k} n {n} W {windows} v {v}: {}", error.log2());
            }
        }
    }
}

#[test]
fn reciprocals_are_within_2_to_the_minus_12_and_stay_finite_at_zero() {
    let function = RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-5 };
    for (k, n, windows, tau_bits) in [(30, 6, 4, 14), (30, 6, 5, 14), (30, 5, 5, 13), (30, 5, 6, 13), (26, 9, 1, 13)] {
        let t = RowTable { tau_bits, ..table(k, n, windows, 26, function) };
        for seed in 0..6 {
            let v = arguments(&t, seed);
            for (v, y) in v.iter().zip(evaluate(t, &v, seed)) {
                let want = 1.0 / (*v as f64 * 2f64.powi(-12) + 1e-5);
                let error = (y / want - 1.0).abs() - UNITS * 2f64.powi(-26) / want;
                assert!(error < 2f64.powi(-12), "k {k} n {n} W {windows} v {v}: {}", error.log2());
            }
            let below = evaluate(t, &[0, 1], seed);
            let cap = 1.8 / (t.domain().start as f64 * 2f64.powi(-12));
            assert!(below.iter().all(|y| (0.0..cap).contains(y)), "{below:?} against {cap}");
        }
    }
}

/// The planner keeps 13 bits of the position in a bucket, one fewer than the gate's default: what that costs is stated here.
#[test]
fn the_planners_thirteen_position_bits_keep_rsqrt_below_2_to_the_minus_13() {
    for (k, n, windows) in [(34u8, 8u8, 1u8), (34, 9, 1), (40, 6, 4), (40, 5, 5)] {
        let function = RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 };
        let t = RowTable { tau_bits: 13, ..table(k, n, windows, 20, function) };
        for seed in 0..6 {
            let v = arguments(&t, seed);
            for (v, y) in v.iter().zip(evaluate(t, &v, seed)) {
                let want = 1.0 / (*v as f64 * 2f64.powi(-32) + 1e-5).sqrt();
                let error = (y / want - 1.0).abs() - UNITS * 2f64.powi(-20) / want;
                assert!(error < 2f64.powi(-13), "k {k} n {n} W {windows} v {v}: {}", error.log2());
            }
        }
    }
}

/// Square roots are smoother than their inverses, and below the domain they stay at its first value.
#[test]
fn square_roots_are_within_2_to_the_minus_13_and_level_off_below_the_domain() {
    for eps in [0.0, 1e-5] {
        let function = RowFunction::Sqrt { scale: 2f64.powi(-20), eps };
        let real = |v: f64| (v * 2f64.powi(-20) + eps).sqrt();
        for (k, n, windows, tau_bits) in [(34u8, 8u8, 1u8, 14u8), (40, 6, 4, 13), (36, 5, 5, 13)] {
            let t = RowTable { tau_bits, ..table(k, n, windows, 24, function) };
            for seed in 0..2 {
                let v = arguments(&t, seed);
                for (v, y) in v.iter().zip(evaluate(t, &v, seed)) {
                    let want = real(*v as f64);
                    let error = (y / want - 1.0).abs() - UNITS * 2f64.powi(-24) / want;
                    assert!(error < 2f64.powi(-13), "k {k} n {n} W {windows} v {v}: {}", error.log2());
                }
                let (low, start) = (t.domain().start as f64 * 0.5, t.domain().start as f64);
                for y in evaluate(t, &[0, 1, t.domain().start as i64 - 1], seed) {
                    assert!((real(low)..1.001 * real(start) + 2f64.powi(-22)).contains(&y), "k {k} n {n}: {y}");
                }
            }
        }
    }
}
