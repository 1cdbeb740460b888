//! Gates whose result depends on the whole mask: row tables (G10) and trigonometric series (G11).

use mpcc_kernels::rowfit::{self, RowTable as Table};
use mpcc_kernels::trig;
use mpcc_program::code::{RowFunction, RowTable};
use mpcc_program::program::frequencies;

/// The kernels' form of a table's parameters.
pub(super) fn kernel_table(table: &RowTable) -> Table {
    Table {
        ring_bits: table.ring_bits.into(),
        index_bits: table.index_bits.into(),
        windows: table.windows.into(),
        degree: table.degree.into(),
        tau_bits: table.tau_bits.into(),
        fraction: table.fraction.into(),
        function: match table.function {
            RowFunction::Rsqrt { scale, eps } => rowfit::RowFunction::Rsqrt { scale, eps },
            RowFunction::Recip { scale, eps } => rowfit::RowFunction::Recip { scale, eps },
            RowFunction::Sqrt { scale, eps } => rowfit::RowFunction::Sqrt { scale, eps },
        },
    }
}

/// T_0..T_{W−1}, L_0..L_{W−2} at the opened argument `hat` with the mask `mask`, both modulo 2^ring_bits: the powers of
/// the public position in the bucket times the coefficients that the dealer fits to the bucket's true interval.
pub(super) fn row(table: &RowTable, hat: u64, mask: u64) -> Vec<i128> {
    let table = kernel_table(table);
    let (mut values, mut flags) = (Vec::new(), Vec::new());
    for w in 0..table.windows {
        let bucket = rowfit::bucket(&table, w, hat);
        let entry = rowfit::fit_entry(&table, mask, w, bucket.index);
        let terms = entry.coefficients.iter().zip(bucket.powers);
        values.push(terms.map(|(b, tau)| i128::from(*b as i64) * i128::from(tau)).sum());
        if w + 1 < table.windows {
            flags.push(i128::from(entry.low));
        }
    }
    values.append(&mut flags);
    values
}

/// `T_0 + L_0 (T_1 + L_1 (…))` of one opened row.
pub(super) fn chain(row: &[i64], windows: u8) -> i128 {
    let (values, flags) = row.split_at(usize::from(windows));
    let mut rest = values.iter().rev().map(|t| i128::from(*t));
    let last = rest.next().unwrap_or(0);
    rest.zip(flags.iter().rev()).fold(last, |below, (t, low)| t.wrapping_add(i128::from(*low).wrapping_mul(below)))
}

/// `A_0 2^f + Σ_j ((A_j C_j(x^) + B_j S_j(x^)) >> f) c_j(r) + ((A_j S_j(x^) − B_j C_j(x^)) >> f) s_j(r)`: cos ωj(x^ − r) and
/// sin ωj(x^ − r) by integer factors.
pub(super) fn trig_series(
    hat: u64,
    mask: u64,
    (period_bits, fraction): (u8, u8),
    [cosines, sines]: [&[i64]; 2],
) -> i128 {
    let (period, f) = (u32::from(period_bits), u32::from(fraction));
    let coefficient = |of: &[i64], at: usize| of.get(at).map_or(0, |a| i128::from(*a));
    let mut sum = coefficient(cosines, 0) << fraction;
    for j in 1..=frequencies(cosines, sines) {
        let (a, b) = (coefficient(cosines, j), coefficient(sines, j - 1));
        let turned = |x: u64| {
            let (cos, sin) = trig::cos_sin(x.wrapping_mul(j as u64), period, f);
            (i128::from(cos), i128::from(sin))
        };
        let ((cos, sin), (cos_r, sin_r)) = (turned(hat), turned(mask));
        sum += ((a * cos + b * sin) >> fraction) * cos_r + ((a * sin - b * cos) >> fraction) * sin_r;
    }
    sum
}
