//! Row tables and series against the real functions, and against the masks they depend on.

use super::*;
use mpcc_kernels::rowfit;
use mpcc_program::code::{RowFunction, RowTable};

const FRACTION: u8 = 22;
const TAU: u8 = 14;

fn table(windows: u8, function: RowFunction) -> RowTable {
    RowTable { ring_bits: 30, index_bits: 6, windows, degree: 3, tau_bits: TAU, fraction: FRACTION, function }
}

/// A table at each of `arguments`, its chain if it has several windows, and the argument's wire.
fn lookup(b: &mut Build, arguments: &[i64], table: RowTable) -> (ValueId, ValueId) {
    let rows = arguments.len();
    let share = b.share(&[rows, 1], 29, arguments);
    let wire = b.push(Kind::Wire, &[rows, 1], (30, 0, 29), Gate::Open { source: share, truncate: 0 });
    let scale = i16::from(FRACTION + TAU);
    let columns = 2 * usize::from(table.windows) - 1;
    let tables = b.push(Kind::Share, &[rows, columns], (64, scale, 62), Gate::RowTable { source: wire, table });
    if table.windows == 1 {
        return (wire, tables);
    }
    let gate = Gate::Open { source: tables, truncate: 0 };
    let opened = b.push(Kind::Wire, &[rows, columns], (64, scale, 62), gate);
    let gate = Gate::WindowChain { source: opened, windows: table.windows };
    (wire, b.push(Kind::Share, &[rows, 1], (64, scale, 62), gate))
}

#[test]
fn row_tables_approximate_their_function_over_their_domain() {
    for (windows, function) in [
        (1, RowFunction::Rsqrt { scale: 2f64.powi(-24), eps: 1e-6 }),
        (4, RowFunction::Rsqrt { scale: 2f64.powi(-20), eps: 1e-6 }),
        (5, RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-3 }),
        (4, RowFunction::Sqrt { scale: 2f64.powi(-20), eps: 1e-6 }),
    ] {
        let table = table(windows, function);
        let real = |v: f64| match function {
            RowFunction::Rsqrt { scale, eps } => 1.0 / (v * scale + eps).sqrt(),
            RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
            RowFunction::Sqrt { scale, eps } => (v * scale + eps).sqrt(),
        };
        let (lo, delta) = (table.domain().start as i64, 1 << table.bucket_bits(windows - 1));
        let mut arguments: Vec<i64> = (0..400).map(|i| (lo as f64 * 1.04f64.powi(i)) as i64).collect();
        arguments.retain(|v| *v < 1 << 29);
        arguments.extend([lo, lo + 1, lo + delta - 1, (1 << 29) - 1]);
        let mut b = Build::default();
        let (_, y) = lookup(&mut b, &arguments, table);
        for (v, y) in arguments.iter().zip(b.value(y)) {
            let (y, want) = (y as f64 / f64::from(FRACTION + TAU).exp2(), real(*v as f64));
            // The fit is good to 2^-12 relative, the coefficients to a few units of their last bit.
            let allowed = want * 2f64.powi(-12) + 6.0 * 2f64.powi(-i32::from(FRACTION));
            assert!((y - want).abs() <= allowed, "{function:?} at {v}: {y} for {want}");
        }
        let mut b = Build::default();
        let (_, y) = lookup(&mut b, &[0, 1], table);
        let (start, below) = (real(lo as f64), real((lo - delta) as f64));
        let saturated = 0.99 * start.min(below)..1.01 * start.max(below);
        for y in b.value(y) {
            let y = y as f64 / f64::from(FRACTION + TAU).exp2();
            assert!(saturated.contains(&y), "{function:?} below its domain: {y}, saturates in {saturated:?}");
        }
    }
}

/// Up to what planners ask for where randomness may cost more than a hop.
#[test]
fn one_window_of_many_buckets_is_exact_and_accurate() {
    for index_bits in [10, 11, 12, 14] {
        for function in [
            RowFunction::Rsqrt { scale: 2f64.powi(-24), eps: 1e-6 },
            RowFunction::Recip { scale: 2f64.powi(-20), eps: 1e-3 },
            RowFunction::Sqrt { scale: 2f64.powi(-20), eps: 1e-3 },
        ] {
            let table = RowTable { index_bits, ..table(1, function) };
            let real = |v: f64| match function {
                RowFunction::Rsqrt { scale, eps } => 1.0 / (v * scale + eps).sqrt(),
                RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
                RowFunction::Sqrt { scale, eps } => (v * scale + eps).sqrt(),
            };
            let (lo, top) = (table.domain().start as f64, ((1i64 << 29) - 1) as f64);
            let arguments: Vec<i64> = (0..16).map(|i| (lo * (top / lo).powf(f64::from(i) / 15.0)) as i64).collect();
            let mut b = Build::default();
            let (_, y) = lookup(&mut b, &arguments, table);
            for (v, y) in arguments.iter().zip(b.value(y)) {
                let (y, want) = (y as f64 / f64::from(FRACTION + TAU).exp2(), real(*v as f64));
                let allowed = want * 2f64.powi(-12) + 6.0 * 2f64.powi(-i32::from(FRACTION));
                assert!((y - want).abs() <= allowed, "{function:?}, {index_bits} bits, at {v}: {y} for {want}");
            }
        }
    }
}

/// The compiler chooses tables by the domain that the program's form states, and dealers fit by the kernel's.
#[test]
fn program_and_kernel_state_one_domain() {
    let function = RowFunction::Recip { scale: 1.0, eps: 0.0 };
    for windows in 1..=6u8 {
        for index_bits in 5..=12u8 {
            let least = (windows - 1) * (index_bits - 2) + index_bits;
            for ring_bits in least..=62 {
                let table = RowTable { ring_bits, index_bits, windows, function, ..table(windows, function) };
                let kernel = super::super::tables::kernel_table(&table);
                assert_eq!(table.domain(), kernel.domain(), "{table:?}");
                assert!((0..windows).all(|w| table.bucket_bits(w) == kernel.bucket_bits(w.into()) as i32), "{table:?}");
            }
        }
    }
}

#[test]
fn row_tables_use_the_mask_of_their_argument() {
    let table = table(4, RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-3 });
    let arguments: Vec<i64> = random(100, 28, 3).iter().map(|x| x.abs()).collect();
    let mut b = Build::default();
    let (wire, y) = lookup(&mut b, &arguments, table);
    let kernel = rowfit::RowTable {
        ring_bits: 30,
        index_bits: 6,
        windows: 4,
        degree: 3,
        tau_bits: TAU.into(),
        fraction: FRACTION.into(),
        function: rowfit::RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-3 },
    };
    let masks = drawn(0, wire, 0, 30, 100).into_iter().zip(drawn(1, wire, 0, 30, 100));
    let want: Vec<i64> = masks
        .zip(&arguments)
        .map(|((a, b), v)| rowfit::eval_plain(&kernel, *v as u64, (a + b) & ((1 << 30) - 1)))
        .collect();
    assert_eq!(b.value(y), want);
}

#[test]
fn arguments_outside_a_table_are_refused() {
    let table = table(4, RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-3 });
    for (argument, magnitude) in [(-1, (1u128 << 30) - 1), (-(1 << 24) + 1, (1 << 30) - (1 << 24) + 1)] {
        let mut b = Build::default();
        lookup(&mut b, &[5, argument], table);
        let Err(IdealError::Range(error)) = b.try_run(Ranges::Strict) else { panic!("accepted {argument}") };
        assert_eq!((error.entry, error.magnitude, error.limit), (1, magnitude, (1 << 30) - (1 << 24)));
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
