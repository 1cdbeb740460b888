//! Smooth functions as a line plus a trigonometric series (gate G11), and where the series may be used as it is.
//!
//! The period is a power of two in the integers of the wire, so that reducing an argument drops bits. An argument whose
//! bound is relied on has a period that covers it; any other is first brought into the fitted interval, or the
//! series is switched off outside of it. A series has few frequencies, which the fit chooses among the multiples of a basic one.

use std::collections::BTreeMap;
use std::f64::consts::{FRAC_PI_2, SQRT_2};
use std::sync::{Mutex, PoisonError};

use super::bits::bound_bits;
use super::frequencies::{Choice, LeastSquares};
use crate::smooth::{Parity, Smooth};

/// Half-range inside which digit tables select GeLU's series; outside, GeLU is x or 0 to 1e-6.
const GELU_SELECTED: f64 = 5.25;
/// Where GeLU's tails begin, by what they are off by: the first of these distances from 0 at which that is little enough.
const GELU_TAILS: (f64, f64, usize) = (3.0, 0.125, 20);
/// Greatest bound of an argument of GeLU whose series is used as it is.
const REACH: f64 = 14.0;
/// Most frequencies of a fit.
const FREQUENCIES: usize = 24;
/// Largest part of a period that a fitted interval may take.
const COVERED: f64 = 0.88;
/// Points of an even or odd fit; twice as many of another.
const POINTS: i32 = 400;

/// A fitted series: the function is its line plus `Σ_j A_j cos(2πjx/P) + B_j sin(2πjx/P)`. Most of them are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it stands for.
    pub function: Smooth,
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
        let at = |of: &[f64], j: usize| of.get(j).is_some_and(|a| *a != 0.0);
        (1..=self.sines.len().max(self.cosines.len() - 1))
            .filter(|j| at(&self.cosines, *j) || at(&self.sines, j - 1))
            .count()
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

    /// log2 of a bound of the argument inside the fitted interval.
    pub(crate) fn reach(&self) -> i32 {
        let most = self.domain.0.abs().max(self.domain.1.abs());
        libm::ceil(libm::log2(most * 1.001)) as i32
    }

    /// Bits of the wire of an argument that is below 2^magnitude, with `fraction` fraction bits: the period, and one more than
    /// the argument has if the wire is extended to the line.
    pub(crate) fn wire_bits(&self, fraction: i32, magnitude: i32, extended: bool) -> i32 {
        let whole = bound_bits(fraction, magnitude.min(self.reach())) + 1 + i32::from(extended);
        whole.max(fraction + self.period)
    }
}

/// Largest error wanted of a fit: absolute, and for the exponential relative to its largest value.
fn tolerance(function: Smooth, high: f64) -> f64 {
    match function {
        Smooth::Gelu => 6e-5,
        Smooth::Silu => 4e-5,
        Smooth::Exp => 1e-6 * libm::exp(high.max(0.0)),
        _ => 2e-5,
    }
}

/// The series for arguments in `[low, high]`, if a period covers them: that of the fewest frequencies. `coarse` is an error that
/// is small enough where frequencies are dear.
pub(crate) fn plain(function: Smooth, low: f64, high: f64, coarse: Option<f64>) -> Option<Series> {
    if function == Smooth::Exp {
        return best(function, low.min(high - 1.0), high).filter(|s| s.error <= 4.0 * tolerance(function, high));
    }
    let bound = low.abs().max(high.abs());
    let whole = (libm::ceil(2.0 * bound) / 2.0).max(1.0);
    let reach = match function {
        // It jumps at the cut, whatever is relied on.
        Smooth::GeluFourier { cut } if bound > cut * SQRT_2 => return None,
        Smooth::GeluFourier { cut } => cut * SQRT_2,
        // Selecting a short series takes less.
        Smooth::Gelu if whole > REACH => return None,
        _ => whole,
    };
    let enough = coarse.unwrap_or(0.0).max(tolerance(function, reach));
    best_within(function, (-reach, reach), enough).filter(|s| s.error <= enough)
}

/// The series between the function's tails, for digit tables that select it.
pub(crate) fn selected(function: Smooth) -> Option<Series> {
    match function {
        Smooth::Gelu => best(function, -GELU_SELECTED, GELU_SELECTED),
        _ => clamped(function),
    }
}

/// The series for coarse signs to select, which leave open for 2^width in front of each end what is selected; none unless the
/// function is as good as its tails there. `coarse` as for [`plain`].
pub(crate) fn bucketed(function: Smooth, width: i32, coarse: Option<f64>) -> Option<Series> {
    if function != Smooth::Gelu {
        return None;
    }
    let enough = coarse.unwrap_or(0.0).max(tolerance(function, 0.0));
    let end = gelu_tail(enough)? + libm::exp2(f64::from(width));
    best_within(function, (-end, end), enough)
}

/// From where on GeLU is x, and 0 on the other side, to within an error.
fn gelu_tail(enough: f64) -> Option<f64> {
    let (first, step, steps) = GELU_TAILS;
    (0..steps).map(|i| first + step * i as f64).find(|x| (Smooth::Gelu.apply(*x) - x).abs() <= enough)
}

/// The series between the function's tails, for an argument that is clamped to them; none for the exponential, which
/// has no limit on the right.
pub(crate) fn clamped(function: Smooth) -> Option<Series> {
    let (left, right) = function.tails();
    best(function, left.at, right?.at)
}

/// The exponential between two arguments; it counts as 0 below.
pub(crate) fn exponential(low: f64, high: f64) -> Option<Series> {
    best(Smooth::Exp, low, high)
}

/// The best series on an interval.
fn best(function: Smooth, low: f64, high: f64) -> Option<Series> {
    best_within(function, (low, high), tolerance(function, high))
}

/// The same, of those with such an error the one that takes least.
fn best_within(function: Smooth, (low, high): (f64, f64), enough: f64) -> Option<Series> {
    let longer = usize::from(enough > tolerance(function, high));
    let covering = periods(function, (low, high), longer);
    let fits = covering.map(|period| fit_within(function, (low, high), period, enough));
    let far = |s: &Series| (s.error / enough).max(1.0);
    // Large coefficients make the rounding of the factors large.
    let weighs = if longer > 0 { 0.1 } else { 0.5 };
    let price = |s: &Series| s.frequencies() as f64 + weighs * s.weight();
    fits.min_by(|a, b| far(a).total_cmp(&far(b)).then(price(a).total_cmp(&price(b))))
}

/// log2 of the periods that are tried: every one that covers the interval, and of those with chosen frequencies the two shortest, or
/// as many more as frequencies are dear for.
fn periods(function: Smooth, (low, high): (f64, f64), longer: usize) -> impl Iterator<Item = i32> {
    let covers = move |period: &i32| high - low <= COVERED * libm::exp2(f64::from(*period));
    let tried = if function.parity() == Parity::Neither { 5 } else { 2 + longer };
    (1..=6).filter(covers).take(tried)
}

/// What tells a fit from others.
type Key = (String, [u64; 3], i32);

/// The series with the fewest frequencies (at most 24) whose error on `[low, high]` is within the tolerance,
/// by ridge least squares at Chebyshev points; the best found if none is.
///
/// A fit is made once in a process: plans that are compared ask for the same few again and again.
pub fn fit(function: Smooth, low: f64, high: f64, period: i32) -> Series {
    fit_within(function, (low, high), period, tolerance(function, high))
}

fn fit_within(function: Smooth, (low, high): (f64, f64), period: i32, enough: f64) -> Series {
    static FITS: Mutex<BTreeMap<Key, Series>> = Mutex::new(BTreeMap::new());
    let key = (format!("{function:?}"), [low, high, enough].map(f64::to_bits), period);
    let mut fits = FITS.lock().unwrap_or_else(PoisonError::into_inner);
    fits.entry(key).or_insert_with(|| fitted(function, (low, high), period, enough)).clone()
}

fn fitted(function: Smooth, (low, high): (f64, f64), period: i32, enough: f64) -> Series {
    let rest = |x: f64| function.apply(x) - function.linear() * x;
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    // An even or odd rest is fitted on the positive half alone.
    let first = if function.parity() == Parity::Neither { -POINTS } else { 0 };
    let at = |i: i32| middle + half * libm::sin(FRAC_PI_2 * f64::from(i) / f64::from(POINTS));
    let points: Vec<f64> = (first..=POINTS).map(at).collect();
    let values: Vec<f64> = points.iter().map(|x| rest(*x)).collect();
    let least = LeastSquares::new(&points, &values, period, function.parity());
    let mut best: Option<Choice> = None;
    for count in 2..=FREQUENCIES.min(least.highest) {
        let found = if function.parity() == Parity::Neither {
            least.solve((1..=count).collect())
        } else {
            least.search(count, enough)
        };
        let error = found.error;
        if best.as_ref().is_none_or(|b| error < b.error) {
            best = Some(found);
        }
        if error <= enough {
            // Whoever takes a larger error for fewer frequencies takes no larger one than that many have.
            if enough > tolerance(function, high) {
                best = Some(least.search(count, 0.0));
            }
            break;
        }
    }
    let Choice { multiples, coefficients, error, .. } = best.expect("at least one fit was tried");
    let (mut cosines, mut sines) = (vec![coefficients[0]], vec![]);
    let top = multiples.last().copied().unwrap_or(0);
    if function.parity() != Parity::Odd {
        cosines.resize(top + 1, 0.0);
        multiples.iter().zip(&coefficients[1..]).for_each(|(j, a)| cosines[*j] = *a);
    }
    if function.parity() != Parity::Even {
        sines.resize(top, 0.0);
        let behind = coefficients.len() - multiples.len();
        multiples.iter().zip(&coefficients[behind..]).for_each(|(j, b)| sines[j - 1] = *b);
    }
    Series { function, period, domain: (low, high), cosines, sines, error }
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
        // Equal distances took 9 frequencies for 6, 13 for 8.5, 16 for 10 and 22 for 14.
        let bounds = [0.1, 2.0, 6.0, 8.5, 10.0, 14.0];
        let found = bounds.map(|bound| {
            let s = plain(Smooth::Gelu, -bound, bound, None).unwrap();
            assert!(s.error <= 6e-5 && s.weight() < 9.0, "{bound}: {s:?}");
            (s.period, s.frequencies())
        });
        assert_eq!(found, [(3, 2), (4, 3), (4, 8), (5, 10), (5, 10), (5, 17)]);
        assert_eq!(plain(Smooth::Gelu, -14.1, 14.1, None), None);
    }

    #[test]
    fn a_series_that_coarse_signs_select_is_as_good_as_the_tails_before_its_ends() {
        let cases = [(0, None, 6), (1, None, 8), (0, Some(2.44e-4), 5)];
        for (width, coarse, frequencies) in cases {
            let (s, enough) = (bucketed(Smooth::Gelu, width, coarse).unwrap(), coarse.unwrap_or(6e-5));
            assert!(s.error <= enough && s.frequencies() <= frequencies, "{s:?}");
            for x in [s.domain.1 - f64::from(width).exp2(), s.domain.1] {
                assert!((Smooth::Gelu.apply(x) - x).abs() <= enough && Smooth::Gelu.apply(-x).abs() <= enough, "{x}");
            }
        }
        assert_eq!(bucketed(Smooth::Silu, 0, None), None);
    }

    #[test]
    fn a_bound_beyond_the_cut_is_no_reason_to_do_without_it() {
        assert!(plain(Smooth::GeluFourier { cut: 1.7 }, -2.0, 2.4, None).is_some());
        assert_eq!(plain(Smooth::GeluFourier { cut: 1.7 }, -2.0, 2.5, None), None);
    }
}
