//! Gates whose result depends on the whole mask: row functions (G10) and trigonometric series (G11).

use mpcc_kernels::{rows, trig};
use mpcc_program::code::{RowOffer, RowTable};
use mpcc_program::series::{self, Frequency};

use crate::engine;

/// The function at opened arguments `hat` with their masks, both modulo 2^ring_bits: the cubic of the bucket, times the
/// powers of the mask's position in it.
pub(super) fn rows(table: &RowTable, hat: &[u64], masks: &[u64]) -> Vec<i128> {
    rows::plain(&engine::row_table(table), hat, masks).into_iter().map(i128::from).collect()
}

/// As [`rows`], by an offer: of points v + r_0 with the model owner's part r_0 of the masks.
pub(super) fn offered(offer: &RowOffer, points: &[u64], masks: &[u64]) -> Vec<i128> {
    rows::offer::plain(&engine::row_offer(offer), points, masks).into_iter().map(i128::from).collect()
}

/// `A_0 2^f + Σ_j [(A_j C_j(x^) + B_j S_j(x^)) / 2^f] c_j(r) + [(A_j S_j(x^) − B_j C_j(x^)) / 2^f] s_j(r)`: cos ωj(x^ − r) and
/// sin ωj(x^ − r) by integer factors, those of the mask with as many fraction bits as the frequency needs.
pub(super) fn trig_series(
    hat: u64,
    mask: u64,
    (period_bits, fraction): (u8, u8),
    [cosines, sines]: [&[i64]; 2],
) -> i128 {
    let (period, f) = (u32::from(period_bits), u32::from(fraction));
    let mut sum = i128::from(cosines[0]) << fraction;
    for Frequency { multiple, cosine, sine, less } in series::present(cosines, sines, fraction) {
        let turned = |x: u64| trig::cos_sin(x.wrapping_mul(multiple.into()), period, f);
        let ((cos, sin), (cos_r, sin_r)) = (turned(hat), turned(mask));
        let public = |a: i64, b: i64| {
            let exact = i128::from(cosine) * i128::from(a) + i128::from(sine) * i128::from(b);
            (exact + (1 << (fraction - 1))) >> fraction
        };
        let secret = |factor: i64| i128::from(series::rounded(factor, less)) << less;
        sum += public(cos, sin) * secret(cos_r) + public(sin, -cos) * secret(sin_r);
    }
    sum
}
