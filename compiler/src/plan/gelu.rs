//! GeLU as x/2 plus an even cosine series (gate G11), and where the series may be used as it is.
//!
//! An argument whose bound is relied on is covered by a period of 16 or 32. Any other is first brought into the fitted
//! interval, or the series is switched off outside of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Half-range inside which digit tables select the series; outside, GeLU is x or 0 to 1e-8.
pub(crate) const SATURATE_AT: f64 = 6.0;
/// Half-range to which an argument is clamped by shared comparisons; outside, GeLU is x or 0 to 2e-6.
pub(crate) const CLAMP_AT: f64 = 5.0;
/// log2 of the period that suits both.
pub(crate) const PERIOD_LOG2: i32 = 4;
/// Largest error of a fit.
const TOLERANCE: f64 = 2e-5;
/// log2 of the period, and the largest bound for which it is used: its half with room for the fit to turn round.
const PLAIN: [(i32, f64); 2] = [(PERIOD_LOG2, 7.0), (PERIOD_LOG2 + 1, 14.0)];

/// A fitted series.
#[derive(Clone, Debug, PartialEq)]
pub struct GeluSeries {
    /// log2 of the period of the lowest frequency.
    pub period_log2: i32,
    /// A_0, A_1, …
    pub coefficients: Vec<f64>,
    /// Largest error on the fitted interval.
    pub error: f64,
}

fn even_part(x: f64) -> f64 {
    0.5 * x * libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)
}

/// The series for arguments that are at most `bound` in size, if a period covers them.
pub(crate) fn plain(bound: f64) -> Option<GeluSeries> {
    let (period_log2, _) = PLAIN.into_iter().find(|(_, up_to)| bound <= *up_to)?;
    Some(fit((libm::ceil(2.0 * bound) / 2.0).max(SATURATE_AT), period_log2))
}

/// The series with the fewest frequencies (at most 24) whose error on `[-reach, reach]` is at most 2e-5,
/// by ridge least squares at Chebyshev points; the best found if none is.
///
/// A fit is made once in a process: plans that are compared ask for the same few again and again.
pub fn fit(reach: f64, period_log2: i32) -> GeluSeries {
    static FITS: Mutex<BTreeMap<(u64, i32), GeluSeries>> = Mutex::new(BTreeMap::new());
    let mut fits = FITS.lock().unwrap_or_else(PoisonError::into_inner);
    fits.entry((reach.to_bits(), period_log2)).or_insert_with(|| fitted(reach, period_log2)).clone()
}

fn fitted(reach: f64, period_log2: i32) -> GeluSeries {
    let period = libm::exp2(f64::from(period_log2));
    let points: Vec<f64> =
        (0..=800).map(|i| reach * libm::sin(std::f64::consts::FRAC_PI_2 * f64::from(i) / 800.0)).collect();
    let mut best: Option<GeluSeries> = None;
    for count in 4..=24 {
        let coefficients = least_squares(&points, count, period);
        let error =
            points.iter().map(|x| (series(&coefficients, period, *x) - even_part(*x)).abs()).fold(0.0, f64::max);
        let better = best.as_ref().is_none_or(|b| error < b.error);
        if better {
            best = Some(GeluSeries { period_log2, coefficients, error });
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
            let s = fit(reach, PERIOD_LOG2);
            assert!(s.error <= TOLERANCE, "{}", s.error);
            assert!(s.coefficients.len() <= 10, "{}", s.coefficients.len());
            assert!(s.coefficients[1..].iter().map(|a| a.abs()).sum::<f64>() < 4.0);
        }
    }

    #[test]
    fn plain_series_cover_bounds_up_to_14() {
        for (bound, period, frequencies) in [(0.1, 4, 9), (6.0, 4, 9), (7.0, 4, 17), (7.1, 5, 24), (14.0, 5, 24)] {
            let s = plain(bound).unwrap();
            assert_eq!(s.period_log2, period, "{bound}");
            assert!(s.error <= TOLERANCE && s.coefficients.len() <= frequencies + 1, "{bound}: {s:?}");
            assert!(s.coefficients[1..].iter().map(|a| a.abs()).sum::<f64>() < 9.0, "{bound}: {s:?}");
        }
        assert_eq!(plain(14.1), None);
    }
}
