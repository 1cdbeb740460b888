//! Fixed-point cosine and sine as integers, the same on every machine.
//!
//! Public trigonometric factors multiply shares, so one unit of disagreement between the parties spoils the
//! result by a random ring element. Only integer operations take part: a coarse table of the circle, made by
//! a Taylor series in 128-bit integers, and a second-order rotation for the rest of the angle.

use std::sync::OnceLock;

use crate::level::{self, Level};

#[cfg(target_arch = "x86_64")]
mod avx512;

/// Largest period, in bits, that an angle may have.
pub const MAX_PERIOD_BITS: u32 = 40;
/// Largest number of fraction bits of a result.
pub const MAX_FRACTION: u32 = 24;

const COARSE_BITS: u32 = 12;
const COARSE: usize = 1 << COARSE_BITS;
/// Fraction bits of a table entry.
const TABLE_FRACTION: u32 = 30;
/// round(2π·2^28): one unit of a 2^40 period, in radians at scale 2^68.
const UNIT_RADIANS: i64 = 1_686_629_713;

/// (cos, sin) of every coarse angle at scale 2^30.
type Table = [[i32; 2]; COARSE];

fn table() -> &'static Table {
    static TABLE: OnceLock<Box<Table>> = OnceLock::new();
    TABLE.get_or_init(build)
}

/// round(π·2^60).
const PI_60: i128 = 3_622_009_729_038_561_421;

fn build() -> Box<Table> {
    let mut table = Box::new([[0; 2]; COARSE]);
    for j in 0..=COARSE / 8 {
        let angle = (PI_60 * 2 * j as i128) >> COARSE_BITS;
        let cos = taylor(1 << 60, 0, angle);
        let sin = taylor(angle, 1, angle);
        let quarter = COARSE / 4;
        for (at, pair) in [
            (j, [cos, sin]),
            (quarter - j, [sin, cos]),
            (quarter + j, [-sin, cos]),
            (2 * quarter - j, [-cos, sin]),
            (2 * quarter + j, [-cos, -sin]),
            (3 * quarter - j, [-sin, -cos]),
            (3 * quarter + j, [sin, -cos]),
            (4 * quarter - j, [cos, -sin]),
        ] {
            table[at % COARSE] = pair;
        }
    }
    table
}

/// The alternating series first − first·x²/((d+1)(d+2)) + …, x and terms at scale 2^60, rounded to 2^30.
fn taylor(first: i128, degree: i128, x: i128) -> i32 {
    let square = (x * x) >> 60;
    let (mut term, mut sum, mut d) = (first, 0i128, degree);
    while term != 0 {
        sum += term;
        term = -((term * square) >> 60) / ((d + 1) * (d + 2));
        d += 2;
    }
    ((sum + (1 << 29)) >> 30) as i32
}

/// A digest of everything that results depend on, for two parties to compare. It detects differing builds,
/// not forgery.
pub fn table_digest() -> [u64; 4] {
    let mut lanes: [u64; 4] = [UNIT_RADIANS as u64, COARSE as u64, u64::from(TABLE_FRACTION), 1];
    for (i, pair) in table().iter().enumerate() {
        let word = u64::from(pair[0] as u32) << 32 | u64::from(pair[1] as u32);
        let lane = &mut lanes[i % 4];
        *lane = (*lane ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    lanes
}

fn check(period_bits: u32, fraction: u32) {
    assert!(
        (1..=MAX_PERIOD_BITS).contains(&period_bits),
        "an angle's period has 1 to {MAX_PERIOD_BITS} bits, not {period_bits}"
    );
    assert!(
        fraction <= MAX_FRACTION,
        "a trigonometric factor has at most {MAX_FRACTION} fraction bits, not {fraction}"
    );
}

/// (cos, sin) of 2π·`angle`/2^`period_bits` at scale 2^`fraction`, each within one unit of the exact value.
/// The angle counts mod 2^`period_bits`.
///
/// # Panics
/// If `period_bits` is not in 1..=40 or `fraction` exceeds 24.
pub fn cos_sin(angle: u64, period_bits: u32, fraction: u32) -> (i64, i64) {
    check(period_bits, fraction);
    rotate(table(), angle << (64 - period_bits), fraction)
}

/// `turn` is the angle in units of 2^-64 of the circle, its low 24 bits zero.
#[inline(always)]
fn rotate(table: &Table, turn: u64, fraction: u32) -> (i64, i64) {
    let centred = turn.wrapping_add(1 << (63 - COARSE_BITS));
    let [cos, sin] = table[(centred >> (64 - COARSE_BITS)) as usize].map(i64::from);
    // The rest of the angle: |rest| <= 2^27 units of 2^-40 of the circle, then radians at scale 2^40.
    let rest = ((centred << COARSE_BITS) >> (COARSE_BITS + 24)) as i64 - (1 << 27);
    let radians = (rest * UNIT_RADIANS) >> 28;
    let half_square = (radians * radians) >> 31;
    let shrink = |value: i64| (value * half_square) >> 10;
    let cos_fine = (cos << 2) - ((sin * radians + shrink(cos)) >> 38);
    let sin_fine = (sin << 2) + ((cos * radians - shrink(sin)) >> 38);
    let round = |value: i64| (value + (1 << (31 - fraction))) >> (32 - fraction);
    (round(cos_fine), round(sin_fine))
}

/// Cosines and sines of a multiple of every angle in `src` (each mod 2^`period_bits`) at scale 2^`fraction`, as
/// wrapping words; every value equals [`cos_sin`] of the multiple.
///
/// # Panics
/// As [`cos_sin`], and if an output is not as long as `src`.
pub fn harmonic(src: &[u64], period_bits: u32, fraction: u32, multiple: u16, cos_out: &mut [u64], sin_out: &mut [u64]) {
    at_level(level::current(), src, period_bits, fraction, multiple, cos_out, sin_out);
}

fn at_level(
    level: Level,
    src: &[u64],
    period_bits: u32,
    fraction: u32,
    multiple: u16,
    cos_out: &mut [u64],
    sin_out: &mut [u64],
) {
    check(period_bits, fraction);
    assert_eq!(cos_out.len(), src.len(), "one cosine per element");
    assert_eq!(sin_out.len(), src.len(), "one sine per element");
    let step = u64::from(multiple) << (64 - period_bits);
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => avx512::harmonic(table(), src, step, fraction, cos_out, sin_out),
        _ => portable(table(), src, step, fraction, cos_out, sin_out),
    }
}

/// One harmonic: angle `src · step` in units of 2^-64 of the circle.
fn portable(table: &Table, src: &[u64], step: u64, fraction: u32, cos_out: &mut [u64], sin_out: &mut [u64]) {
    for ((&x, cos_out), sin_out) in src.iter().zip(cos_out).zip(sin_out) {
        let (cos, sin) = rotate(table, x.wrapping_mul(step), fraction);
        *cos_out = cos as u64;
        *sin_out = sin as u64;
    }
}

#[cfg(test)]
mod tests;
