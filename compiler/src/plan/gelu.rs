//! GeLU as x/2 plus an even cosine series (gate G11), and where the series may be used as it is.
//!
//! The period is 16 in the integers of the wire. An argument whose bound is relied on is scaled until the period covers
//! it; any other is first brought into the fitted interval, or the series is switched off outside of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::formats::bound_bits;

/// Half-range inside which digit tables select the series; outside, GeLU is x or 0 to 1e-8.
pub(crate) const SATURATE_AT: f64 = 6.0;
/// Half-range to which an argument is clamped by shared comparisons; outside, GeLU is x or 0 to 2e-6.
pub(crate) const CLAMP_AT: f64 = 5.0;
/// log2 of the period.
pub(crate) const PERIOD_LOG2: i32 = 4;
/// Largest error of a fit.
const TOLERANCE: f64 = 2e-5;
/// Largest scaled argument: half the period, with room for the fit to turn round.
const REACH: f64 = 7.0;
/// log2 of a bound of it.
pub(crate) const REACH_LOG2: i32 = 3;
/// Most frequencies of a fit.
const FREQUENCIES: usize = 24;

/// The public factor numerator / 2^shift, at most 1, by which an argument is multiplied before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor {
    /// An odd number.
    pub numerator: i64,
    /// Bits by which it is shifted down.
    pub shift: i32,
}

impl Factor {
    /// The argument as it is.
    pub(crate) const ONE: Factor = Factor { numerator: 1, shift: 0 };

    fn value(self) -> f64 {
        self.numerator as f64 / libm::exp2(f64::from(self.shift))
    }
}

/// Factors with few bits, since each opens as many bits more.
const FACTORS: [Factor; 5] = [
    Factor::ONE,
    Factor { numerator: 7, shift: 3 },
    Factor { numerator: 3, shift: 2 },
    Factor { numerator: 5, shift: 3 },
    Factor { numerator: 1, shift: 1 },
];

/// A fitted series.
#[derive(Clone, Debug, PartialEq)]
pub struct GeluSeries {
    /// What brings the argument to the scale on which the lowest frequency has the period 16.
    pub factor: Factor,
    /// A_0, A_1, …
    pub coefficients: Vec<f64>,
    /// Largest error on the fitted interval.
    pub error: f64,
}

fn even_part(x: f64) -> f64 {
    0.5 * x * libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)
}

impl GeluSeries {
    /// Bits of the wire of a scaled argument that is below 2^magnitude, with `fraction` fraction bits: the period, and
    /// what extension takes.
    pub(crate) fn wire_bits(fraction: i32, magnitude: i32) -> i32 {
        (bound_bits(fraction, magnitude.min(REACH_LOG2)) + 2).max(fraction + PERIOD_LOG2)
    }
}

/// The series for arguments that are at most `bound` in size, if a period covers them: that of the fewest frequencies.
pub(crate) fn plain(bound: f64) -> Option<GeluSeries> {
    let reach = (libm::ceil(2.0 * bound) / 2.0).max(SATURATE_AT);
    let covering = FACTORS.into_iter().filter(|factor| reach * factor.value() <= REACH);
    let fits = covering.map(|factor| fit(reach, factor)).filter(|s| s.error <= TOLERANCE);
    fits.min_by_key(|s| s.coefficients.len())
}

/// The series with the fewest frequencies (at most 24) whose error on `[-reach, reach]` is at most 2e-5,
/// by ridge least squares at Chebyshev points; the best found if none is.
///
/// A fit is made once in a process: plans that are compared ask for the same few again and again.
pub fn fit(reach: f64, factor: Factor) -> GeluSeries {
    static FITS: Mutex<BTreeMap<(u64, Factor), GeluSeries>> = Mutex::new(BTreeMap::new());
    let mut fits = FITS.lock().unwrap_or_else(PoisonError::into_inner);
    fits.entry((reach.to_bits(), factor)).or_insert_with(|| fitted(reach, factor)).clone()
}

fn fitted(reach: f64, factor: Factor) -> GeluSeries {
    let period = libm::exp2(f64::from(PERIOD_LOG2)) / factor.value();
    let points: Vec<f64> =
        (0..=800).map(|i| reach * libm::sin(std::f64::consts::FRAC_PI_2 * f64::from(i) / 800.0)).collect();
    let mut best: Option<GeluSeries> = None;
    for count in 4..=FREQUENCIES {
        let coefficients = least_squares(&points, count, period);
        let error =
            points.iter().map(|x| (series(&coefficients, period, *x) - even_part(*x)).abs()).fold(0.0, f64::max);
        let better = best.as_ref().is_none_or(|b| error < b.error);
        if better {
            best = Some(GeluSeries { factor, coefficients, error });
        }
        if error <= TOLERANCE {
            break;
        }
    }
    best.expect("at least one fit was tried")
}

fn basis(x: f64, j: usize, period: f64) -> f64 {
    libm::cos(2.0 * std::f64::consts::PI * j as f64 * x / period)
}

fn series(coefficients: &[f64], period: f64, x: f64) -> f64 {
    coefficients.iter().enumerate().map(|(j, a)| a * basis(x, j, period)).sum()
}

fn least_squares(points: &[f64], count: usize, period: f64) -> Vec<f64> {
    let n = count + 1;
    let mut m = vec![vec![0.0; n + 1]; n];
    for x in points {
        let b: Vec<f64> = (0..n).map(|j| basis(*x, j, period)).collect();
        let y = even_part(*x);
        for (i, row) in m.iter_mut().enumerate() {
            for j in 0..n {
                row[j] += b[i] * b[j];
            }
            row[n] += b[i] * y;
        }
    }
    for (i, row) in m.iter_mut().enumerate() {
        row[i] += 1e-8;
    }
    solve(m)
}

/// Gaussian elimination with partial pivoting of an augmented matrix.
fn solve(mut m: Vec<Vec<f64>>) -> Vec<f64> {
    let n = m.len();
    for c in 0..n {
        let pivot = (c..n).max_by(|a, b| m[*a][c].abs().total_cmp(&m[*b][c].abs())).expect("rows remain");
        m.swap(c, pivot);
        let top = m[c].clone();
        for row in m.iter_mut().skip(c + 1) {
            let factor = row[c] / top[c];
            for (value, above) in row.iter_mut().zip(&top).skip(c) {
                *value -= factor * above;
            }
        }
    }
    let mut x = vec![0.0; n];
    for c in (0..n).rev() {
        let rest: f64 = (c + 1..n).map(|j| m[c][j] * x[j]).sum();
        x[c] = (m[c][n] - rest) / m[c][c];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_saturating_series_is_accurate_with_few_frequencies() {
        for reach in [CLAMP_AT, SATURATE_AT] {
            let s = fit(reach, Factor::ONE);
            assert!(s.error <= TOLERANCE, "{}", s.error);
            assert!(s.coefficients.len() <= 10, "{}", s.coefficients.len());
            assert!(s.coefficients[1..].iter().map(|a| a.abs()).sum::<f64>() < 4.0);
        }
    }

    #[test]
    fn plain_series_cover_bounds_up_to_14() {
        for (bound, factor, frequencies) in
            [(0.1, 1.0, 9), (6.0, 1.0, 9), (7.0, 0.875, 11), (8.5, 0.75, 13), (10.0, 0.625, 16), (14.0, 0.5, 22)]
        {
            let s = plain(bound).unwrap();
            assert_eq!(s.factor.value(), factor, "{bound}");
            assert!(s.error <= TOLERANCE && s.coefficients.len() <= frequencies + 1, "{bound}: {s:?}");
            assert!(bound * factor <= REACH && REACH < libm::exp2(f64::from(REACH_LOG2)), "{bound}");
            assert!(s.coefficients[1..].iter().map(|a| a.abs()).sum::<f64>() < 9.0, "{bound}: {s:?}");
        }
        assert_eq!(plain(14.1), None);
    }
}
