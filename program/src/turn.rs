//! Cosine and sine in integers without a table and without a branch: what a party computes of its part of a mask, by the code of
//! `gates/turns.rs`, and here in plain numbers.
//!
//! The circle has four quarters; an angle's distance to the middle of the nearest is at most half of one, where six terms of the
//! power series are exact beyond 2^-32.

/// Fraction bits in which it is computed.
pub const INNER: u8 = 30;
/// Most fraction bits of a result.
pub const MOST_FRACTION: u8 = 24;

/// (−1)^k (π/4)^(2k) / (2k)!, by powers of a square.
pub const COSINE: [i64; 6] = [1_073_741_824, -331_168_970, 17_023_473, -350_031, 3856, -26];
/// (−1)^k (π/4)^(2k+1) / (2k+1)!.
pub const SINE: [i64; 6] = [843_314_857, -86_699_834, 2_674_041, -39_273, 336, -2];

/// (cos, sin) of 2π·`angle`/2^`period_bits` with `fraction` fraction bits, none larger than 2^`fraction` and within 0.55 units of
/// the exact value. The angle counts modulo 2^`period_bits`.
///
/// # Panics
/// If `period_bits` is not in 1..=40 or `fraction` is not below [`INNER`].
pub fn cos_sin(angle: u64, period_bits: u8, fraction: u8) -> (i64, i64) {
    assert!(
        (1..=40).contains(&period_bits) && fraction < INNER,
        "a period of {period_bits} bits, {fraction} after the point"
    );
    let turned = (angle << (64 - period_bits)).wrapping_add(1 << 61);
    let quarter = turned >> 62;
    // In units of 2^-30 of half a quarter.
    let rest = (turned << 2 ^ 1 << 63).cast_signed() >> 33;
    let square = (rest * rest) >> INNER;
    let series = |terms: [i64; 6]| terms.into_iter().rev().fold(0, |sum, term| term + ((sum * square) >> INNER));
    let (cos, sin) = (series(COSINE), (rest * series(SINE)) >> INNER);
    let (cos, sin) = if quarter & 1 == 1 { (sin, cos) } else { (cos, sin) };
    let cos = if (quarter ^ quarter >> 1) & 1 == 1 { -cos } else { cos };
    let sin = if quarter >> 1 == 1 { -sin } else { sin };
    let round = |value: i64| (value + (1 << (INNER - 1 - fraction))) >> (INNER - fraction);
    (round(cos), round(sin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_angle_of_small_periods_and_many_of_large_ones_are_near_the_circle() {
        let mut state = 1u64;
        for (period, fraction, worst) in
            [(1, 16, 0.501), (2, 20, 0.51), (13, 24, 0.55), (14, 1, 0.5001), (33, 16, 0.501), (40, 24, 0.55)]
        {
            for at in 0..1 << period.min(14) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let angle = if period > 14 { state >> 8 } else { at };
                let exact = std::f64::consts::TAU * (angle % (1 << period)) as f64 / f64::from(period).exp2();
                let unit = f64::from(fraction).exp2();
                let (cos, sin) = cos_sin(angle, period, fraction);
                for (got, want) in [(cos, exact.cos()), (sin, exact.sin())] {
                    assert!(
                        (got as f64 - want * unit).abs() < worst,
                        "{angle} of 2^{period}: {got} for {}",
                        want * unit
                    );
                    assert!(got.unsigned_abs() <= 1 << fraction);
                }
            }
        }
        assert_eq!(
            [0u64, 1, 2, 3, 4].map(|quarter| cos_sin(quarter, 2, 8)),
            [(256, 0), (0, 256), (-256, 0), (0, -256), (256, 0)]
        );
    }
}
