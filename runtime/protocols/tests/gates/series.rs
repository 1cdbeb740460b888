//! G11.

use mpcc_program::program::{Gate, Kind, Rounding};

use super::harness::{Builder, run_seeded};

/// All 2^16 residues of a wire: the series equals its plain value up to the rounding of its factors.
#[test]
fn a_cosine_series_is_exact_under_masking_for_every_residue() {
    let (period, fraction) = (16u8, 16u8);
    let coefficients = [0.75f64, -0.5, 0.25, -0.125, 0.0625];
    let x: Vec<i64> = (-(1 << 15)..1 << 15).collect();
    let mut b = Builder::new();
    let share = b.share(&[x.len()], 18, 16);
    let wire = b.open(share, 18, 0, Rounding::Dithered, 16);
    let scaled = coefficients.iter().map(|a| (a * 65536.0) as i64).collect();
    let gate = Gate::CosineSeries { source: wire, period_bits: period, table_fraction: fraction, coefficients: scaled };
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
