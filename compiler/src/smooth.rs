//! Smooth functions of one number: what each computes, where it becomes a line, and its range on an interval.
//!
//! All but the exponential have a limit on both sides, a constant or the identity; the planner replaces the function by
//! those limits outside the interval on which it fits a series.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

use serde::{Deserialize, Serialize};

/// A function applied to every entry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Smooth {
    /// `x (1 + erf(x/√2)) / 2`.
    Gelu,
    /// SecFormer's GeLU as published: `x (1 + f(x/√2)) / 2`, with `f(u) = Σ_k β_k sin(kπu/10)`, k = 1..7, for
    /// |u| ≤ `cut` and the sign of u outside. It jumps at the cut.
    GeluFourier {
        /// Where the series ends.
        cut: f64,
    },
    /// `x / (1 + exp(-x))`.
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Error function.
    Erf,
    /// `exp(x)`.
    Exp,
}

/// What a function is to within its tolerance on one side: `slope · x + value`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// From here on outwards.
    pub at: f64,
    /// 0, or 1 on the right.
    pub slope: f64,
    /// At 0.
    pub value: f64,
}

/// The part of a function, behind its linear part, that a series has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Cosines alone.
    Even,
    /// A constant and sines.
    Odd,
    /// Both.
    Neither,
}

/// Coefficients β_1 … β_7 of SecFormer's series for the error function (its GeLU protocol).
pub const SECFORMER: [f64; 7] = [1.25772, -0.0299154, 0.382155, -0.0519123, 0.196033, -0.0624557, 0.118029];

impl Smooth {
    /// The function.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Smooth::Gelu => 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2)),
            Smooth::GeluFourier { cut } => {
                let f = if x.abs() <= cut * SQRT_2 { secformer(x * FRAC_1_SQRT_2) } else { x.signum() };
                0.5 * x * (1.0 + f)
            }
            Smooth::Silu => x * logistic(x),
            Smooth::Tanh => libm::tanh(x),
            Smooth::Sigmoid => logistic(x),
            Smooth::Erf => libm::erf(x),
            Smooth::Exp => libm::exp(x),
        }
    }

    /// Its name in the language, in text forms and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Smooth::Gelu => "gelu",
            Smooth::GeluFourier { .. } => "gelu_fourier",
            Smooth::Silu => "silu",
            Smooth::Tanh => "tanh",
            Smooth::Sigmoid => "sigmoid",
            Smooth::Erf => "erf",
            Smooth::Exp => "exp",
        }
    }

    /// Slope of the line that leaves an even or odd rest.
    pub fn linear(self) -> f64 {
        match self {
            Smooth::Gelu | Smooth::GeluFourier { .. } | Smooth::Silu => 0.5,
            _ => 0.0,
        }
    }

    /// What is left of it without its line.
    pub fn parity(self) -> Parity {
        match self {
            Smooth::Gelu | Smooth::GeluFourier { .. } | Smooth::Silu => Parity::Even,
            Smooth::Tanh | Smooth::Sigmoid | Smooth::Erf => Parity::Odd,
            Smooth::Exp => Parity::Neither,
        }
    }

    /// Its limits on the left and on the right, with an error of at most 2e-5 (SiLU 8e-5) where they begin.
    /// The exponential has none on the right.
    pub fn tails(self) -> (Tail, Option<Tail>) {
        let tail = |at, slope, value| Tail { at, slope, value };
        match self {
            Smooth::Gelu => (tail(-5.0, 0.0, 0.0), Some(tail(5.0, 1.0, 0.0))),
            Smooth::GeluFourier { cut } => (tail(-cut * SQRT_2, 0.0, 0.0), Some(tail(cut * SQRT_2, 1.0, 0.0))),
            Smooth::Silu => (tail(-12.0, 0.0, 0.0), Some(tail(12.0, 1.0, 0.0))),
            Smooth::Tanh => (tail(-6.0, 0.0, -1.0), Some(tail(6.0, 0.0, 1.0))),
            Smooth::Sigmoid => (tail(-11.0, 0.0, 0.0), Some(tail(11.0, 0.0, 1.0))),
            Smooth::Erf => (tail(-3.25, 0.0, -1.0), Some(tail(3.25, 0.0, 1.0))),
            Smooth::Exp => (tail(-11.0, 0.0, 0.0), None),
        }
    }

    /// A range that holds all values on `[low, high]`.
    pub fn range(self, low: f64, high: f64) -> (f64, f64) {
        match self {
            Smooth::Gelu => self.falling_then_rising(-0.751_791_524_693_564_5, low, high),
            Smooth::Silu => self.falling_then_rising(-1.278_464_542_761_074, low, high),
            Smooth::GeluFourier { .. } => {
                let most = 0.5 * low.abs().max(high.abs()) * (1.0 + SECFORMER.iter().map(|b| b.abs()).sum::<f64>());
                (-most, most)
            }
            Smooth::Tanh | Smooth::Sigmoid | Smooth::Erf | Smooth::Exp => (self.apply(low), self.apply(high)),
        }
    }

    fn falling_then_rising(self, lowest_at: f64, low: f64, high: f64) -> (f64, f64) {
        (self.apply(lowest_at.clamp(low, high)), self.apply(low).max(self.apply(high)))
    }
}

fn secformer(u: f64) -> f64 {
    (1u32..).zip(SECFORMER).map(|(k, beta)| beta * libm::sin(f64::from(k) * PI * u / 10.0)).sum()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Smooth; 7] = [
        Smooth::Gelu,
        Smooth::GeluFourier { cut: 1.7 },
        Smooth::Silu,
        Smooth::Tanh,
        Smooth::Sigmoid,
        Smooth::Erf,
        Smooth::Exp,
    ];

    #[test]
    fn tails_are_within_their_tolerance() {
        for f in ALL {
            let (left, right) = f.tails();
            for tail in [Some(left), right].into_iter().flatten() {
                for step in 1..200 {
                    let x = tail.at + tail.at.signum() * f64::from(step) * 0.05;
                    let error = (f.apply(x) - (tail.slope * x + tail.value)).abs();
                    let most = if f == Smooth::Silu { 8e-5 } else { 2e-5 };
                    assert!(error <= most, "{f:?} at {x}: {error}");
                }
            }
        }
    }

    #[test]
    fn what_is_left_of_the_line_has_its_parity() {
        for f in ALL {
            let rest = |x: f64| f.apply(x) - f.linear() * x;
            let middle = f.apply(0.0);
            for step in 1..100 {
                let x = 0.07 * f64::from(step);
                match f.parity() {
                    Parity::Even => assert!((rest(x) - rest(-x)).abs() < 1e-12, "{f:?} at {x}"),
                    Parity::Odd => assert!((rest(x) + rest(-x) - 2.0 * middle).abs() < 1e-12, "{f:?} at {x}"),
                    Parity::Neither => {}
                }
            }
        }
    }

    #[test]
    fn ranges_hold_every_value() {
        for f in ALL {
            for (low, high) in [(-9.0, 3.0), (-0.5, -0.25), (0.0, 0.0), (1.0, 8.0), (-3.0, -1.0)] {
                let (least, most) = f.range(low, high);
                for step in 0..=300 {
                    let y = f.apply(low + (high - low) * f64::from(step) / 300.0);
                    assert!(least <= y && y <= most, "{f:?} on [{low}, {high}]: {y}");
                }
            }
        }
    }

    /// Largest errors of the published formula: 0.0195 cut at 1.7 and 0.058 cut at 2.5.
    #[test]
    fn the_published_series_is_as_far_from_gelu_as_it_is_known_to_be() {
        for (cut, expected) in [(1.7, 0.0195), (2.5, 0.058)] {
            let f = Smooth::GeluFourier { cut };
            let errors =
                (-8000..=8000).map(|i| f64::from(i) * 1e-3).map(|x| (f.apply(x) - Smooth::Gelu.apply(x)).abs());
            let worst = errors.fold(0.0, f64::max);
            assert!((worst - expected).abs() < 0.001, "{cut}: {worst}");
        }
    }
}
