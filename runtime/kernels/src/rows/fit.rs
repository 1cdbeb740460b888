//! The public cubics of a row function: one per level and distance.

use super::{FIRST, NEAR, POWERS, RowTable};

/// Distances that a level's cubics are listed for; only the coarsest and the finest level need those below [`NEAR`].
pub(super) const DISTANCES: usize = 2 * NEAR as usize;

/// The Chebyshev nodes cos(π(2i + 1)/8) on [−1, 1].
const NODE: [f64; POWERS] =
    [-0.923_879_532_511_286_7, -0.382_683_432_365_089_8, 0.382_683_432_365_089_8, 0.923_879_532_511_286_7];

/// Fraction bits of a cubic's coefficients beyond those of the result's.
pub(super) const GUARD: u32 = 3;

/// Coefficients of the powers of z = (v − dD) / D, at scale 2^(fraction + [`GUARD`]), for every level from [`FIRST`] on
/// and every distance.
pub(super) struct Cubics(Vec<[[i64; POWERS]; DISTANCES]>);

impl Cubics {
    /// The cubics through the function at four Chebyshev nodes of [(d − 1)D, (d + 1)D]. The finest level also has those of
    /// small distances: of d itself if a bucket is one unit, else the function's value at the domain's start.
    pub(super) fn new(table: &RowTable) -> Cubics {
        let level = |level: u32| std::array::from_fn(|d| cubic(table, level, d as u32));
        Cubics((FIRST..=table.levels).map(level).collect())
    }

    pub(super) fn level(&self, level: u32) -> &[[i64; POWERS]; DISTANCES] {
        &self.0[(level - FIRST) as usize]
    }
}

/// The cubic at distance `d` of a level.
pub(super) fn cubic(table: &RowTable, level: u32, d: u32) -> [i64; POWERS] {
    let scale = (1u64 << (table.fraction + GUARD)) as f64;
    let width = (1u64 << table.bucket_bits(level)) as f64;
    let coefficients = if d >= NEAR {
        interpolate(NODE.map(|z| table.function.value((f64::from(d) + z) * width)))
    } else {
        let at = if table.bucket_bits(level) == 0 { d.max(1) } else { NEAR };
        [table.function.value(f64::from(at) * width), 0.0, 0.0, 0.0]
    };
    coefficients.map(|c| (c * scale).round_ties_even() as i64)
}

/// What multiplies the powers of ρ in a cubic of τ − ρ, at scale 2^fraction; τ has `bits` fraction bits.
#[inline(always)]
pub(super) fn around([c0, c1, c2, c3]: [i64; POWERS], tau: i64, bits: u32) -> [i64; POWERS] {
    let times = |c: i64| (c * tau) >> bits;
    let value = times(times(times(c3) + c2) + c1) + c0;
    let slope = times(times(3 * c3) + 2 * c2) + c1;
    let curve = times(3 * c3) + c2;
    [value, -slope, curve, -c3].map(|c| (c + (1 << (GUARD - 1))) >> GUARD)
}

/// A position among 2^from as a fraction of `bits` bits, to the nearest.
pub(super) fn rounded(position: u64, from: u32, bits: u32) -> u64 {
    match from.checked_sub(bits) {
        None => position << (bits - from),
        Some(0) => position,
        Some(drop) => (position + (1 << (drop - 1))) >> drop,
    }
}

/// Monomial coefficients of the cubic through the `values` at the nodes, by divided differences.
fn interpolate(mut values: [f64; POWERS]) -> [f64; POWERS] {
    for j in 1..POWERS {
        for i in (j..POWERS).rev() {
            values[i] = (values[i] - values[i - 1]) / (NODE[i] - NODE[i - j]);
        }
    }
    let mut poly = [0.0; POWERS];
    for i in (0..POWERS).rev() {
        for q in (1..POWERS).rev() {
            poly[q] = poly[q - 1] - NODE[i] * poly[q];
        }
        poly[0] = values[i] - NODE[i] * poly[0];
    }
    poly
}
