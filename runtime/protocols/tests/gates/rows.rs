//! G10 through shares, and what an exact zero gives.

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
    let (ring, fraction) = (64, i16::from(table.fraction) + i16::from(table.position_bits));
    let y = b.push(Gate::RowFunction { source: wire, table }, Kind::Share, &[rows, 1], ring, fraction, 62);
    b.reveal(y, ring - table.position_bits, table.position_bits);
    let seen = run_seeded(&b.program, &[v.to_vec()], &[], seed);
    seen.outputs[0].iter().map(|o| *o as f64 / 2f64.powi(table.fraction.into())).collect()
}

fn table(ring_bits: u8, levels: u8, fraction: u8, function: RowFunction) -> RowTable {
    RowTable { ring_bits, levels, position_bits: 13, fraction, function }
}

/// Log-uniform over the domain up to half of the ring, and around every place where something changes.
fn arguments(t: &RowTable, seed: u64) -> Vec<i64> {
    let domain = t.domain();
    let (low, high) = ((domain.start as f64).log2(), f64::from(t.ring_bits) - 1.0);
    let mut s = seed;
    let mut v: Vec<i64> = (0..600)
        .map(|_| 2f64.powf(low + (high - low) * (mix(&mut s) >> 11) as f64 / (1u64 << 53) as f64) as i64 + 1)
        .collect();
    // Where a level begins to serve.
    for level in RowTable::FIRST..=t.levels {
        let edge = i64::from(RowTable::NEAR) << t.bucket_bits(level);
        v.extend([edge - 1, edge, edge + 1]);
    }
    // The lowest buckets, densely: there the function is steepest.
    v.extend((0..100).map(|i| (domain.start as f64 * (1.0 + f64::from(i) / 80.0)) as i64));
    v.push((1 << (t.ring_bits - 1)) - 1);
    v.retain(|v| (domain.start as i64..1 << (t.ring_bits - 1)).contains(v));
    v
}

#[test]
fn functions_are_within_their_stated_error_over_their_domain() {
    let real = |function: RowFunction, v: f64| match function {
        RowFunction::Rsqrt { scale, eps } => 1.0 / (v * scale + eps).sqrt(),
        RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
        RowFunction::Sqrt { scale, eps } => (v * scale + eps).sqrt(),
    };
    for (k, levels, fraction, bound, function) in [
        (34, 9, 20, -15.0, RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 }),
        (40, 26, 20, -15.0, RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 }),
        (30, 16, 26, -14.0, RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-5 }),
        (30, 30, 26, -14.0, RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-5 }),
        (34, 12, 24, -15.0, RowFunction::Sqrt { scale: 2f64.powi(-20), eps: 0.0 }),
        (36, 36, 24, -15.0, RowFunction::Sqrt { scale: 2f64.powi(-20), eps: 1e-5 }),
    ] {
        let t = table(k, levels, fraction, function);
        for seed in 0..3 {
            let v = arguments(&t, seed);
            for (v, y) in v.iter().zip(evaluate(t, &v, seed)) {
                let want = real(function, *v as f64);
                let error = (y / want - 1.0).abs() - UNITS * 2f64.powi(-i32::from(fraction)) / want;
                assert!(error < 2f64.powf(bound), "{t:?} at {v}: {}", error.log2());
            }
            let ends = [real(function, t.least()), real(function, t.domain().start as f64)];
            let levelled = 0.999 * ends[0].min(ends[1])..1.001 * ends[0].max(ends[1]) + 2f64.powi(-22);
            let below = evaluate(t, &[0, 1, t.domain().start as i64 - 1], seed);
            assert!(below.iter().all(|y| levelled.contains(y)), "{t:?}: {below:?} outside {levelled:?}");
        }
    }
}
