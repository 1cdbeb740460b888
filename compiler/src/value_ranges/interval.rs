//! Closed intervals, and lists of them along the last axis of a value.

use crate::smooth::Smooth;

/// `low ≤ v ≤ high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Interval {
    pub(super) fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    pub(super) fn point(v: f64) -> Self {
        Self::new(v, v)
    }

    /// `[-bound, bound]`
    pub(super) fn within(bound: f64) -> Self {
        Self::new(-bound, bound)
    }

    /// The largest size of a number in it.
    pub(super) fn size(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    pub(super) fn hull(self, other: Self) -> Self {
        Self::new(self.low.min(other.low), self.high.max(other.high))
    }

    /// What two bounds of one value leave; of bounds that contradict each other, which no value can meet, the lower end.
    pub(super) fn both(self, other: Self) -> Self {
        let low = self.low.max(other.low);
        Self::new(low, self.high.min(other.high).max(low))
    }

    pub(super) fn with_zero(self) -> Self {
        self.hull(Self::point(0.0))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self::new(self.low + other.low, self.high + other.high)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self::new(self.low - other.high, self.high - other.low)
    }

    pub(super) fn times(self, other: Self) -> Self {
        let ends = [self.low * other.low, self.low * other.high, self.high * other.low, self.high * other.high];
        Self::new(ends.into_iter().fold(f64::INFINITY, f64::min), ends.into_iter().fold(f64::NEG_INFINITY, f64::max))
    }

    pub(super) fn square(self) -> Self {
        let both = self.times(self);
        let spans_zero = self.low <= 0.0 && self.high >= 0.0;
        let ends = (self.low * self.low, self.high * self.high);
        Self::new(if spans_zero { 0.0 } else { ends.0.min(ends.1) }, both.high)
    }

    pub(super) fn relu(self) -> Self {
        Self::new(self.low.max(0.0), self.high.max(0.0))
    }

    pub(super) fn smooth(self, function: Smooth) -> Self {
        let (low, high) = function.range(self.low, self.high);
        Self::new(low, high)
    }

    /// Of an interval without negative numbers.
    pub(super) fn sqrt(self) -> Self {
        Self::new(self.low.sqrt(), self.high.sqrt())
    }

    /// Of a positive interval.
    pub(super) fn recip(self) -> Self {
        Self::new(1.0 / self.high, 1.0 / self.low)
    }

    pub(super) fn widened(self, slack: f64) -> Option<(f64, f64)> {
        let range = (self.low - slack * self.low.abs(), self.high + slack * self.high.abs());
        (range.0.is_finite() && range.1.is_finite()).then_some(range)
    }
}

/// An interval for each entry of the last axis, the same for all rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows(Vec<Interval>);

impl FromIterator<Interval> for Rows {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        Self(intervals.into_iter().collect())
    }
}

impl Rows {
    pub(super) fn uniform(interval: Interval, width: usize) -> Self {
        Self(vec![interval; width])
    }

    pub(super) fn of_values(data: &[f64], width: usize) -> Self {
        let mut rows: Vec<_> = data.iter().take(width).map(|v| Interval::point(*v)).collect();
        for row in data.chunks(width).skip(1) {
            rows.iter_mut().zip(row).for_each(|(i, v)| *i = i.hull(Interval::point(*v)));
        }
        Self(rows)
    }

    pub(super) fn width(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_finite(&self) -> bool {
        self.0.iter().all(|i| i.low.is_finite() && i.high.is_finite())
    }

    pub(super) fn hull(&self) -> Interval {
        self.0.iter().copied().reduce(Interval::hull).unwrap_or(Interval::point(0.0))
    }

    /// The largest of the entries.
    pub(super) fn most(&self) -> Interval {
        let largest = |a: Interval, b: Interval| Interval::new(a.low.max(b.low), a.high.max(b.high));
        self.0.iter().copied().reduce(largest).unwrap_or(Interval::point(0.0))
    }

    /// A bound of the Euclidean norm of a row.
    pub(super) fn norm(&self) -> f64 {
        self.0.iter().map(|i| i.size() * i.size()).sum::<f64>().sqrt()
    }

    /// A bound of the sum of the sizes of a row's entries.
    pub(super) fn mass(&self) -> f64 {
        self.0.iter().map(|i| i.size()).sum()
    }

    pub(super) fn sum(&self) -> Interval {
        self.0.iter().copied().fold(Interval::point(0.0), Interval::plus)
    }

    /// The sum of the entries times `weights`.
    pub(super) fn dot(&self, weights: &[f64]) -> Interval {
        let products = self.0.iter().zip(weights).map(|(i, w)| i.times(Interval::point(*w)));
        products.fold(Interval::point(0.0), Interval::plus)
    }

    pub(super) fn map(&self, f: impl Fn(Interval) -> Interval) -> Self {
        self.0.iter().map(|i| f(*i)).collect()
    }

    /// Entry by entry, a single entry being stretched to `width`.
    pub(super) fn zip(&self, other: &Self, width: usize, f: impl Fn(Interval, Interval) -> Interval) -> Self {
        let at = |rows: &Self, n: usize| if rows.0.len() == 1 { rows.0[0] } else { rows.0[n] };
        (0..width).map(|n| f(at(self, n), at(other, n))).collect()
    }

    pub(super) fn both(&self, other: &Self) -> Self {
        self.zip(other, self.width(), Interval::both)
    }

    pub(super) fn picked(&self, index: impl Iterator<Item = usize>) -> Self {
        index.map(|n| self.0[n]).collect()
    }

    /// `count` equally long stretches laid over each other.
    pub(super) fn folded(&self, count: usize) -> Self {
        let stretches: Vec<Self> = self.0.chunks(self.width() / count).map(|c| c.iter().copied().collect()).collect();
        Self::hull_of(&stretches.iter().collect::<Vec<_>>())
    }

    /// The same stretch `count` times.
    pub(super) fn repeated(&self, count: usize) -> Self {
        Self(self.0.repeat(count))
    }

    pub(super) fn joined(parts: &[&Self]) -> Self {
        parts.iter().flat_map(|p| p.0.iter().copied()).collect()
    }

    pub(super) fn hull_of(parts: &[&Self]) -> Self {
        let width = parts.first().map_or(0, |p| p.width());
        (0..width).filter_map(|n| parts.iter().map(|p| p.0[n]).reduce(Interval::hull)).collect()
    }
}
