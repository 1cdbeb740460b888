//! Row functions and series against the real functions.

use super::*;
use mpcc_kernels::rows;
use mpcc_program::code::{RowFunction, RowTable};

const FRACTION: u8 = 22;
const POSITION: u8 = 14;

fn table(levels: u8, function: RowFunction) -> RowTable {
    RowTable { ring_bits: 30, levels, position_bits: POSITION, fraction: FRACTION, function }
}

/// A function at each of `arguments`, and the argument's wire.
fn lookup(b: &mut Build, arguments: &[i64], table: RowTable) -> (ValueId, ValueId) {
    let rows = arguments.len();
    let share = b.share(&[rows, 1], 29, arguments);
    let wire = b.push(Kind::Wire, &[rows, 1], (30, 0, 29), Gate::Open { source: share, truncate: 0 });
    let scale = i16::from(FRACTION + POSITION);
    (wire, b.push(Kind::Share, &[rows, 1], (64, scale, 62), Gate::RowFunction { source: wire, table }))
}

#[test]
fn row_functions_are_accurate_over_their_domain_and_saturate_below() {
    for (levels, function) in [
        (8, RowFunction::Rsqrt { scale: 2f64.powi(-24), eps: 1e-6 }),
        (20, RowFunction::Rsqrt { scale: 2f64.powi(-20), eps: 1e-6 }),
        (24, RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-3 }),
        (20, RowFunction::Sqrt { scale: 2f64.powi(-20), eps: 1e-6 }),
    ] {
        let table = table(levels, function);
        let real = |v: f64| match function {
            RowFunction::Rsqrt { scale, eps } => 1.0 / (v * scale + eps).sqrt(),
            RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
            RowFunction::Sqrt { scale, eps } => (v * scale + eps).sqrt(),
        };
        let (lo, delta) = (table.domain().start as i64, 1 << table.bucket_bits(levels));
        let mut arguments: Vec<i64> = (0..400).map(|i| (lo as f64 * 1.04f64.powi(i)) as i64).collect();
        arguments.retain(|v| *v < 1 << 29);
        arguments.extend([lo, lo + 1, lo + delta - 1, (1 << 29) - 1]);
        let mut b = Build::default();
        let (_, y) = lookup(&mut b, &arguments, table);
        for (v, y) in arguments.iter().zip(b.value(y)) {
            let (y, want) = (y as f64 / f64::from(FRACTION + POSITION).exp2(), real(*v as f64));
            // The cubic is good to 2^-14 relative, the coefficients to a few units of their last bit.
            let allowed = want * 2f64.powi(-14) + 4.0 * 2f64.powi(-i32::from(FRACTION));
            assert!((y - want).abs() <= allowed, "{function:?} at {v}: {y} for {want}");
        }
        let mut b = Build::default();
        let (_, y) = lookup(&mut b, &[0, 1], table);
        let (start, below) = (real(lo as f64), real(table.least()));
        let saturated = 0.99 * start.min(below)..1.01 * start.max(below);
        for y in b.value(y) {
            let y = y as f64 / f64::from(FRACTION + POSITION).exp2();
            assert!(saturated.contains(&y), "{function:?} below its domain: {y}, saturates in {saturated:?}");
        }
    }
}

/// The compiler chooses levels by the domain that the program's form states, and the parties compute by the kernel's.
#[test]
fn program_and_kernel_state_one_domain() {
    let function = RowFunction::Recip { scale: 1.0, eps: 0.0 };
    assert_eq!((u32::from(RowTable::FIRST), u32::from(RowTable::NEAR)), (rows::FIRST, rows::NEAR));
    for ring_bits in 4..=62 {
        for levels in 4..=ring_bits {
            let table = RowTable { ring_bits, ..table(levels, function) };
            let kernel = crate::engine::row_table(&table);
            assert_eq!((table.domain(), table.least()), (kernel.domain(), kernel.least()), "{table:?}");
            assert_eq!(table.payload(), rows::words_per_key(levels.into())[2]);
        }
    }
}

#[test]
fn arguments_outside_a_row_function_are_refused() {
    let table = table(20, RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-3 });
    for (argument, magnitude) in [(-1, (1u128 << 30) - 1), (-(1 << 26) + 1, (1 << 30) - (1 << 26) + 1)] {
        let mut b = Build::default();
        lookup(&mut b, &[5, argument], table);
        let Err(IdealError::Range(error)) = b.try_run(Ranges::Strict) else { panic!("accepted {argument}") };
        assert_eq!((error.entry, error.magnitude, error.limit), (1, magnitude, (1 << 30) - (1 << 26)));
        assert!(b.try_run(Ranges::Record).is_ok());
    }
}

/// Real cosines within the rounding of the factors: half a unit for each coefficient's share of the error.
#[test]
fn series_approximate_their_function() {
    let (period, f) = (14u8, 18u8);
    let coefficients: Vec<i64> = vec![1 << 17, -100_000, 70_001, 0, -3];
    let odd: Vec<i64> = vec![90_000, 0, -50_000];
    let data: Vec<i64> = (-4000..4000).step_by(7).collect();
    let mut b = Build::default();
    let share = b.share(&[data.len()], 12, &data);
    for opened in [14, 16, 40] {
        let wire = b.open(share, opened, 0);
        let gate = Gate::TrigSeries {
            source: wire,
            period_bits: period,
            table_fraction: f,
            cosines: coefficients.clone(),
            sines: odd.clone(),
        };
        let y = b.push(Kind::Share, &[data.len()], (60, 2 * i16::from(f), 2 * f + 2), gate);
        for (x, y) in data.iter().zip(b.value(y)) {
            let unit = f64::from(f).exp2();
            let angle = std::f64::consts::TAU * *x as f64 / f64::from(period).exp2();
            let even: f64 =
                (0i32..).zip(&coefficients).map(|(j, a)| *a as f64 / unit * (f64::from(j) * angle).cos()).sum();
            let odd: f64 = (1i32..).zip(&odd).map(|(j, b)| *b as f64 / unit * (f64::from(j) * angle).sin()).sum();
            let want = even + odd;
            // Per frequency: two factors rounded down by a unit, each within a unit of |A| + |B| < 1 otherwise.
            assert!((y as f64 / unit / unit - want).abs() < 24.0 / unit, "{x}: {y} for {want}");
        }
    }
}
