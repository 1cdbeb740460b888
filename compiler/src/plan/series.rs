//! Smooth functions as a line plus a trigonometric series (gate G11), and where the series may be used as it is.
//!
//! The period is a power of two in the integers of the wire, so that reducing an argument drops bits. An argument whose
//! bound is relied on is scaled until a period covers it; any other is first brought into the fitted interval, or the
//! series is switched off outside of it.

use std::collections::BTreeMap;
use std::f64::consts::{FRAC_PI_2, PI, SQRT_2};
use std::sync::{Mutex, PoisonError};

use super::bits::bound_bits;
use crate::smooth::{Parity, Smooth};

/// Half-range inside which digit tables select GeLU's series; outside, GeLU is x or 0 to 1e-8.
const GELU_SELECTED: f64 = 6.0;
/// Largest scaled argument of GeLU, whose period is 16: half of that, with room for the fit to turn round.
const REACH: f64 = 7.0;
/// log2 of GeLU's period.
const GELU_PERIOD: i32 = 4;
/// Most frequencies of a fit.
const FREQUENCIES: usize = 24;
/// Largest part of a period that a fitted interval may take.
const COVERED: f64 = 0.88;

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

/// A fitted series: the function is its line plus `Σ_j A_j cos(2πjx'/P) + B_j sin(2πjx'/P)`, x' the scaled argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it stands for.
    pub function: Smooth,
    /// What brings the argument to the scale of the period.
    pub factor: Factor,
    /// log2 of the period P.
    pub period: i32,
    /// The fitted interval of the argument.
    pub domain: (f64, f64),
    /// A_0, A_1, …
    pub cosines: Vec<f64>,
    /// B_1, B_2, …
    pub sines: Vec<f64>,
    /// Largest error on the fitted interval.
    pub error: f64,
}

impl Series {
    /// Number of frequencies.
    pub fn frequencies(&self) -> usize {
        self.sines.len().max(self.cosines.len() - 1)
    }

    /// Size of the coefficients without the constant.
    fn weight(&self) -> f64 {
        self.cosines[1..].iter().chain(&self.sines).map(|a| a.abs()).sum()
    }

    /// log2 of the largest value of the series, with room for the rounding of its factors.
    pub(crate) fn spread(&self) -> i32 {
        let sum: f64 = self.cosines.iter().chain(&self.sines).map(|a| a.abs()).sum();
        libm::ceil(libm::log2(sum * 1.01)) as i32
    }

    /// log2 of a bound of the scaled argument inside the fitted interval.
    pub(crate) fn reach(&self) -> i32 {
        let most = self.domain.0.abs().max(self.domain.1.abs()) * self.factor.value();
        libm::ceil(libm::log2(most * 1.001)) as i32
    }

    /// Bits of the wire of a scaled argument that is below 2^magnitude, with `fraction` fraction bits: the period, and
    /// what extension takes where there is a line.
    pub(crate) fn wire_bits(&self, fraction: i32, magnitude: i32) -> i32 {
        let slack = if self.function.linear() == 0.0 { 1 } else { 2 };
        let whole = bound_bits(fraction, magnitude.min(self.reach())) + slack;
        whole.max(fraction + self.period)
    }

    fn wavelength(&self) -> f64 {
        libm::exp2(f64::from(self.period)) / self.factor.value()
    }

    fn at(&self, x: f64) -> f64 {
        let angle = 2.0 * PI * x / self.wavelength();
        let cosines = (0u32..).zip(&self.cosines).map(|(j, a)| a * libm::cos(f64::from(j) * angle)).sum::<f64>();
        cosines + (1u32..).zip(&self.sines).map(|(j, b)| b * libm::sin(f64::from(j) * angle)).sum::<f64>()
    }
}

/// Largest error wanted of a fit: absolute, and for the exponential relative to its largest value.
fn tolerance(function: Smooth, high: f64) -> f64 {
    match function {
        Smooth::Silu => 4e-5,
        Smooth::Exp => 1e-6 * libm::exp(high.max(0.0)),
        _ => 2e-5,
    }
}

/// The series for arguments in `[low, high]`, if a period covers them: that of the fewest frequencies.
pub(crate) fn plain(function: Smooth, low: f64, high: f64) -> Option<Series> {
    if function == Smooth::Exp {
        return unscaled(function, low.min(high - 1.0), high).filter(|s| s.error <= 4.0 * tolerance(function, high));
    }
    let bound = low.abs().max(high.abs());
    let whole = libm::ceil(2.0 * bound) / 2.0;
    let reach = match function {
        Smooth::Gelu => whole.max(GELU_SELECTED),
        // It jumps at the cut, whatever is relied on.
        Smooth::GeluFourier { cut } if bound > cut * SQRT_2 => return None,
        Smooth::GeluFourier { cut } => cut * SQRT_2,
        _ => whole.max(1.0),
    };
    let fits = periods(function).flat_map(|period| FACTORS.map(|factor| (period, factor)));
    let covering = fits.filter(|(period, factor)| covers(function, *period, *factor, -reach, reach));
    let fits = covering.map(|(period, factor)| fit(function, -reach, reach, period, factor));
    fits.filter(|s| s.error <= tolerance(function, reach)).min_by_key(|s| (s.frequencies(), s.factor.shift))
}

/// The series between the function's tails, for digit tables that select it.
pub(crate) fn selected(function: Smooth) -> Option<Series> {
    match function {
        Smooth::Gelu => Some(fit(function, -GELU_SELECTED, GELU_SELECTED, GELU_PERIOD, Factor::ONE)),
        _ => clamped(function),
    }
}

/// The series between the function's tails, for an argument that is clamped to them; none for the exponential, which
/// has no limit on the right.
pub(crate) fn clamped(function: Smooth) -> Option<Series> {
    let (left, right) = function.tails();
    unscaled(function, left.at, right?.at)
}

/// The exponential between two arguments; it counts as 0 below.
pub(crate) fn exponential(low: f64, high: f64) -> Option<Series> {
    unscaled(Smooth::Exp, low, high)
}

/// The best series of an argument that is not scaled.
fn unscaled(function: Smooth, low: f64, high: f64) -> Option<Series> {
    let covering = periods(function).filter(|period| covers(function, *period, Factor::ONE, low, high));
    let fits = covering.map(|period| fit(function, low, high, period, Factor::ONE));
    let far = |s: &Series| (s.error / tolerance(function, high)).max(1.0);
    // Large coefficients make the rounding of the factors large.
    let price = |s: &Series| s.frequencies() as f64 + 0.5 * s.weight();
    fits.min_by(|a, b| far(a).total_cmp(&far(b)).then(price(a).total_cmp(&price(b))))
}

fn periods(function: Smooth) -> std::ops::RangeInclusive<i32> {
    if function == Smooth::Gelu { GELU_PERIOD..=GELU_PERIOD } else { 2..=6 }
}

fn covers(function: Smooth, period: i32, factor: Factor, low: f64, high: f64) -> bool {
    if function == Smooth::Gelu {
        return high * factor.value() <= REACH;
    }
    (high - low) * factor.value() <= COVERED * libm::exp2(f64::from(period))
}

/// What tells a fit from others.
type Key = (String, [u64; 2], i32, Factor);

/// The series with the fewest frequencies (at most 24) whose error on `[low, high]` is within the tolerance,
/// by ridge least squares at Chebyshev points; the best found if none is.
///
/// A fit is made once in a process: plans that are compared ask for the same few again and again.
pub fn fit(function: Smooth, low: f64, high: f64, period: i32, factor: Factor) -> Series {
    static FITS: Mutex<BTreeMap<Key, Series>> = Mutex::new(BTreeMap::new());
    let key = (format!("{function:?}"), [low.to_bits(), high.to_bits()], period, factor);
    let mut fits = FITS.lock().unwrap_or_else(PoisonError::into_inner);
    fits.entry(key).or_insert_with(|| fitted(function, low, high, period, factor)).clone()
}

fn fitted(function: Smooth, low: f64, high: f64, period: i32, factor: Factor) -> Series {
    let rest = |x: f64| function.apply(x) - function.linear() * x;
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    // An even or odd rest is fitted on the positive half alone.
    let first = if function.parity() == Parity::Neither { -800 } else { 0 };
    let points: Vec<f64> = (first..=800).map(|i| middle + half * libm::sin(FRAC_PI_2 * f64::from(i) / 800.0)).collect();
    let values: Vec<f64> = points.iter().map(|x| rest(*x)).collect();
    let mut best: Option<Series> = None;
    for count in 4..=FREQUENCIES {
        let mut series =
            Series { function, factor, period, domain: (low, high), cosines: vec![], sines: vec![], error: 0.0 };
        (series.cosines, series.sines) = least_squares(&points, &values, count, series.wavelength(), function.parity());
        let errors = points.iter().zip(&values).map(|(x, y)| (series.at(*x) - y).abs());
        series.error = errors.fold(0.0, f64::max);
        let error = series.error;
        if best.as_ref().is_none_or(|b| error < b.error) {
            best = Some(series);
        }
        if error <= tolerance(function, high) {
            break;
        }
    }
    best.expect("at least one fit was tried")
}

/// Cosines from the constant on, and sines.
fn least_squares(points: &[f64], values: &[f64], count: usize, period: f64, parity: Parity) -> (Vec<f64>, Vec<f64>) {
    let (cosines, sines) = match parity {
        Parity::Even => (count + 1, 0),
        Parity::Odd => (1, count),
        Parity::Neither => (count + 1, count),
    };
    let n = cosines + sines;
    let mut m = vec![vec![0.0; n + 1]; n];
    for (x, y) in points.iter().zip(values) {
        let angle = |j: usize| 2.0 * PI * j as f64 * x / period;
        let even = (0..cosines).map(|j| libm::cos(angle(j)));
        let b: Vec<f64> = even.chain((1..=sines).map(|j| libm::sin(angle(j)))).collect();
        for (i, row) in m.iter_mut().enumerate() {
            for j in 0..n {
                row[j] += b[i] * b[j];
            }
            row[n] += b[i] * y;
        }
    }
    let ridge = if parity == Parity::Neither { 1e-10 } else { 1e-8 };
    for (i, row) in m.iter_mut().enumerate() {
        row[i] += ridge;
    }
    let mut all = solve(m);
    let sines = all.split_off(cosines);
    (all, sines)
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
    fn series_between_the_tails_are_accurate_with_few_frequencies() {
        for (function, most) in [
            (Smooth::Gelu, 9),
            (Smooth::GeluFourier { cut: 1.7 }, 9),
            (Smooth::GeluFourier { cut: 2.5 }, 9),
            (Smooth::Silu, 16),
            (Smooth::Tanh, 17),
            (Smooth::Sigmoid, 17),
            (Smooth::Erf, 12),
        ] {
            for s in [selected(function).unwrap(), clamped(function).unwrap()] {
                assert!(s.error <= tolerance(function, 0.0), "{function:?}: {}", s.error);
                assert!(s.frequencies() <= most, "{function:?}: {}", s.frequencies());
                assert!(s.weight() < 8.0, "{function:?}: {}", s.weight());
            }
        }
        assert_eq!(clamped(Smooth::Exp), None);
    }

    #[test]
    fn exponentials_reach_a_little_above_their_greatest_argument() {
        for high in [0.01, 0.5, 1.0, 2.0, 4.0] {
            let s = exponential(-11.0, high).unwrap();
            assert!(s.error <= 4.0 * tolerance(Smooth::Exp, high), "{high}: {}", s.error);
            assert!(s.frequencies() <= 24, "{high}: {}", s.frequencies());
        }
    }

    #[test]
    fn plain_series_of_gelu_cover_bounds_up_to_14() {
        for (bound, factor, frequencies) in
            [(0.1, 1.0, 9), (6.0, 1.0, 9), (7.0, 0.875, 11), (8.5, 0.75, 13), (10.0, 0.625, 16), (14.0, 0.5, 22)]
        {
            let s = plain(Smooth::Gelu, -bound, bound).unwrap();
            assert_eq!(s.factor.value(), factor, "{bound}");
            assert!(s.error <= 2e-5 && s.frequencies() <= frequencies, "{bound}: {s:?}");
            assert!(bound * factor <= REACH && s.reach() <= 3, "{bound}");
            assert!(s.weight() < 9.0, "{bound}: {s:?}");
        }
        assert_eq!(plain(Smooth::Gelu, -14.1, 14.1), None);
    }

    #[test]
    fn a_bound_beyond_the_cut_is_no_reason_to_do_without_it() {
        assert!(plain(Smooth::GeluFourier { cut: 1.7 }, -2.0, 2.4).is_some());
        assert_eq!(plain(Smooth::GeluFourier { cut: 1.7 }, -2.0, 2.5), None);
    }
}
