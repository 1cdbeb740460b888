//! Gates whose result depends on the whole mask: row functions (G10) and trigonometric series (G11).

use mpcc_kernels::{rows, trig};
use mpcc_program::code::RowTable;
use mpcc_program::program::frequencies;

use crate::engine;

/// The function at opened arguments `hat` with their masks, both modulo 2^ring_bits: the cubic of the bucket, times the
/// powers of the mask's position in it.
pub(super) fn rows(table: &RowTable, hat: &[u64], masks: &[u64]) -> Vec<i128> {
    rows::plain(&engine::row_table(table), hat, masks).into_iter().map(i128::from).collect()
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
