//! Gates whose result depends on the whole mask: row functions (G10) and trigonometric series (G11).

use mpcc_kernels::{rows, trig};
use mpcc_program::code::{RowOffer, RowTable};
use mpcc_program::series::{self, Frequency};
use mpcc_program::turn;

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

/// What the factors of a mask are rounded of.
#[derive(Clone, Copy)]
pub(super) enum Mask {
    /// The mask, by a dealer.
    Whole(u64),
    /// Each party's part.
    Parts([u64; 2]),
}

/// The product of both parties' factors, (cos, sin) of a multiple of their parts with `fraction` fraction bits each.
pub(super) fn product(parts: [u64; 2], multiple: u16, (period_bits, fraction): (u8, u8)) -> (i64, i64) {
    let [(a, b), (c, d)] = parts.map(|part| turn::cos_sin(part.wrapping_mul(multiple.into()), period_bits, fraction));
    (a * c - b * d, a * d + b * c)
}

/// `A_0 2^f + Σ_j [(A_j C_j(x^) + B_j S_j(x^)) / 2^f] c_j(r) + [(A_j S_j(x^) − B_j C_j(x^)) / 2^f] s_j(r)`: cos ωj(x^ − r) and
/// sin ωj(x^ − r) by integer factors, those of the mask with as many fraction bits as the frequency needs. Of the
/// mask's parts it is all times 2^f, as their products have twice as many.
pub(super) fn trig_series(
    hat: u64,
    mask: Mask,
    (period_bits, fraction): (u8, u8),
    [cosines, sines]: [&[i64]; 2],
) -> i128 {
    let (period, f) = (u32::from(period_bits), u32::from(fraction));
    let parts = match mask {
        Mask::Whole(_) => 1,
        Mask::Parts(_) => 2,
    };
    let mut sum = i128::from(cosines[0]) << (parts * fraction);
    for Frequency { multiple, cosine, sine, less } in series::present(cosines, sines, fraction) {
        let turned = |x: u64| trig::cos_sin(x.wrapping_mul(multiple.into()), period, f);
        let (cos, sin) = turned(hat);
        let (cos_r, sin_r) = match mask {
            Mask::Whole(mask) => {
                let (cos, sin) = turned(mask);
                (series::rounded(cos, less), series::rounded(sin, less))
            }
            Mask::Parts(parts) => product(parts, multiple, (period_bits, fraction - less)),
        };
        let public = |a: i64, b: i64| {
            let exact = i128::from(cosine) * i128::from(a) + i128::from(sine) * i128::from(b);
            (exact + (1 << (fraction - 1))) >> fraction
        };
        let secret = |factor: i64| i128::from(factor) << (parts * less);
        sum += public(cos, sin) * secret(cos_r) + public(sin, -cos) * secret(sin_r);
    }
    sum
}
