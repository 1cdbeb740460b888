//! Gates whose result depends on the whole mask: row tables (G10) and trigonometric series (G11).

use mpcc_kernels::rowfit::{self, RowTable as Table};
use mpcc_kernels::trig;
use mpcc_program::code::{RowFunction, RowTable};

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

/// `A_0 2^f + Σ_j ((A_j C_j(x^)) >> f) c_j(r) + ((A_j S_j(x^)) >> f) s_j(r)`: cos ωj(x^ − r) by integer factors.
pub(super) fn cosine_series(hat: u64, mask: u64, (period_bits, fraction): (u8, u8), coefficients: &[i64]) -> i128 {
    let (period, f) = (u32::from(period_bits), u32::from(fraction));
    let mut sum = 0;
    for (j, &a) in (0u64..).zip(coefficients) {
        if j == 0 {
            sum = i128::from(a) << fraction;
            continue;
        }
        let (cos, sin) = trig::cos_sin(hat.wrapping_mul(j), period, f);
        let (cos_r, sin_r) = trig::cos_sin(mask.wrapping_mul(j), period, f);
        let factor = |public: i64| (i128::from(a) * i128::from(public)) >> fraction;
        sum += factor(cos) * i128::from(cos_r) + factor(sin) * i128::from(sin_r);
    }
    sum
}
