//! Which multiples of a basic frequency a series has: least squares over a choice of them, and a search for the best choice.
//!
//! Everything is summed in one order and the search has no chance in it, so the same function gets the same series everywhere.

use std::f64::consts::PI;

use crate::smooth::Parity;

/// The highest frequency that is tried, in radians; those of smooth functions fall off long before.
const HIGHEST: f64 = 7.0;
/// How far an exchange may move a multiple.
const MOVES: [isize; 6] = [-3, -2, -1, 1, 2, 3];
/// How far the first choices reach, as parts of the highest frequency.
const SPREADS: [f64; 7] = [0.35, 0.42, 0.5, 0.58, 0.66, 0.8, 1.0];
/// An exchange leaves at most this part of the error.
const BETTER: f64 = 0.999;
/// Most multiples of which two are moved at once where one does not help.
const MOVED_IN_PAIRS: usize = 5;

/// A choice of multiples with its coefficients.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// From the lowest on.
    pub(super) multiples: Vec<usize>,
    /// The constant, what goes with the cosines unless the function is odd, and what goes with the sines unless it is even.
    pub(super) coefficients: Vec<f64>,
    /// Largest error at the points.
    pub(super) error: f64,
    /// Sum of the squares of all errors.
    squares: f64,
}

/// What a descent makes small.
type Measure = fn(&Choice) -> f64;

/// Sums of products of the basic functions over all points.
pub(super) struct LeastSquares<'a> {
    values: &'a [f64],
    /// The constant, then the cosines and sines of all multiples, each at every point.
    basis: Vec<Vec<f64>>,
    products: Vec<Vec<f64>>,
    right: Vec<f64>,
    parity: Parity,
    /// The highest multiple.
    pub(super) highest: usize,
}

impl<'a> LeastSquares<'a> {
    pub(super) fn new(points: &[f64], values: &'a [f64], period: i32, parity: Parity) -> Self {
        let period = libm::exp2(f64::from(period));
        let highest = libm::ceil(HIGHEST * period / (2.0 * PI)).max(4.0) as usize;
        let angles = |j: usize| points.iter().map(move |x| 2.0 * PI * j as f64 * x / period);
        let cosines = (1..=highest).map(|j| angles(j).map(libm::cos).collect());
        let sines = (1..=highest).map(|j| angles(j).map(libm::sin).collect());
        let basis: Vec<Vec<f64>> = std::iter::once(vec![1.0; points.len()]).chain(cosines).chain(sines).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let products = basis.iter().map(|a| basis.iter().map(|b| dot(a, b)).collect()).collect();
        let right = basis.iter().map(|a| dot(a, values)).collect();
        Self { values, basis, products, right, parity, highest }
    }

    /// The best coefficients of some multiples.
    pub(super) fn solve(&self, multiples: Vec<usize>) -> Choice {
        let mut used = vec![0];
        if self.parity != Parity::Odd {
            used.extend(&multiples);
        }
        if self.parity != Parity::Even {
            used.extend(multiples.iter().map(|j| self.highest + j));
        }
        let ridge = if self.parity == Parity::Neither { 1e-10 } else { 1e-8 };
        let row = |i: &usize| used.iter().map(|j| self.products[*i][*j]).chain([self.right[*i]]).collect();
        let mut m: Vec<Vec<f64>> = used.iter().map(row).collect();
        for (i, row) in m.iter_mut().enumerate() {
            row[i] += ridge;
        }
        let coefficients = solve(m);
        let mut rest = self.values.to_vec();
        for (i, c) in used.iter().zip(&coefficients) {
            rest.iter_mut().zip(&self.basis[*i]).for_each(|(rest, b)| *rest -= c * b);
        }
        let error = rest.iter().fold(0.0, |most: f64, e| most.max(e.abs()));
        let squares = rest.iter().map(|e| e * e).sum();
        Choice { multiples, coefficients, error, squares }
    }

    /// The best choice of so many multiples that exchanges lead to, or the first that is good enough.
    pub(super) fn search(&self, count: usize, enough: f64) -> Choice {
        let starts = |first| SPREADS.into_iter().map(move |spread| self.solve(self.even(count, spread, first)));
        let best = first_within(starts(0.5).map(|start| self.descend(start, |at| at.error)), enough);
        if best.error <= enough || count > MOVED_IN_PAIRS {
            return best;
        }
        // Largest errors have many places where no exchange helps, and squares fewer.
        let smooth = starts(0.5).chain(starts(0.25)).map(|start| self.descend(start, |at| at.squares));
        let mut smooth: Vec<Choice> = smooth.collect();
        // Most of them lead to the same few.
        smooth.sort_by(|a, b| a.multiples.cmp(&b.multiples));
        smooth.dedup_by(|a, b| a.multiples == b.multiples);
        let more = smooth.into_iter().map(|found| self.descend_in_pairs(found));
        first_within([best].into_iter().chain(more), enough)
    }

    /// Multiples at equal distances, and the first at a part of one.
    fn even(&self, count: usize, spread: f64, first: f64) -> Vec<usize> {
        let step = spread * self.highest as f64 / count as f64;
        let mut all: Vec<usize> = Vec::with_capacity(count);
        for i in 0..count {
            let least = all.last().map_or(1, |last| last + 1);
            all.push((libm::round((i as f64 + first) * step) as usize).max(least).min(self.highest + i + 1 - count));
        }
        all
    }

    /// Moves one multiple after the other, each time the one that helps most.
    fn descend(&self, mut at: Choice, measure: Measure) -> Choice {
        while let Some(better) =
            least(self.neighbours(&at), measure).filter(|near| measure(near) < BETTER * measure(&at))
        {
            at = better;
        }
        at
    }

    /// Moves two at once, until that does not help either.
    fn descend_in_pairs(&self, mut at: Choice) -> Choice {
        let pairs =
            |at: &Choice| self.neighbours(at).into_iter().filter_map(|near| least(self.neighbours(&near), |n| n.error));
        while let Some(better) = least(pairs(&at).collect(), |n| n.error).filter(|near| near.error < BETTER * at.error)
        {
            at = better;
        }
        at
    }

    /// The best coefficients of all choices in which one multiple is another.
    fn neighbours(&self, of: &Choice) -> Vec<Choice> {
        let mut all = vec![];
        for place in 0..of.multiples.len() {
            for by in MOVES {
                let Some(to) = of.multiples[place].checked_add_signed(by) else { continue };
                if !(1..=self.highest).contains(&to) || of.multiples.contains(&to) {
                    continue;
                }
                let mut multiples = of.multiples.clone();
                multiples[place] = to;
                multiples.sort_unstable();
                all.push(self.solve(multiples));
            }
        }
        all
    }
}

/// The choice of which a measure is least.
fn least(choices: Vec<Choice>, measure: Measure) -> Option<Choice> {
    choices.into_iter().min_by(|a, b| measure(a).total_cmp(&measure(b)))
}

/// The first choice that is good enough, or else the best.
fn first_within(choices: impl Iterator<Item = Choice>, enough: f64) -> Choice {
    let mut best: Option<Choice> = None;
    for found in choices {
        if best.as_ref().is_none_or(|b| found.error < b.error) {
            best = Some(found);
        }
        if best.as_ref().is_some_and(|b| b.error <= enough) {
            break;
        }
    }
    best.expect("at least one choice was tried")
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
