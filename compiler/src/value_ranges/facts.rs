//! What is known of every row of a value: entries, Euclidean norm, sum of sizes, and norm about the mean.

use super::interval::{Interval, Rows};

/// Bounds that hold for every row (last axis) of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    /// An interval for each entry; unknown where any would be unbounded.
    pub(super) rows: Option<Rows>,
    /// Euclidean norm of a row.
    pub(super) norm: f64,
    /// Σ |entry| of a row.
    pub(super) mass: f64,
    /// Norm of a row minus its mean.
    pub(super) spread: f64,
}

impl Facts {
    /// Nothing.
    pub(super) const UNKNOWN: Facts =
        Facts { rows: None, norm: f64::INFINITY, mass: f64::INFINITY, spread: f64::INFINITY };

    pub(super) fn of_rows(rows: Option<Rows>) -> Self {
        Facts { rows, ..Self::UNKNOWN }
    }

    /// The same with a bound of the norm.
    #[must_use]
    pub(super) fn with_norm(mut self, norm: f64) -> Self {
        self.norm = least(self.norm, norm);
        self
    }

    /// The same with a bound of the sum of sizes.
    #[must_use]
    pub(super) fn with_mass(mut self, mass: f64) -> Self {
        self.mass = least(self.mass, mass);
        self
    }

    /// What two statements about the same value leave.
    #[must_use]
    pub(super) fn both(&self, other: &Self) -> Self {
        let rows = match (&self.rows, &other.rows) {
            (Some(a), Some(b)) => Some(a.both(b)),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        Facts {
            rows,
            norm: self.norm.min(other.norm),
            mass: self.mass.min(other.mass),
            spread: self.spread.min(other.spread),
        }
    }

    /// What each bound says about the others, for rows of `width`.
    #[must_use]
    pub(super) fn settled(mut self, width: usize) -> Self {
        self.rows = self.rows.filter(Rows::is_finite);
        let root = (width as f64).sqrt();
        if let Some(rows) = &self.rows {
            self.norm = self.norm.min(rows.norm());
            self.mass = self.mass.min(rows.mass());
        }
        self.norm = self.norm.min(self.mass);
        self.mass = self.mass.min(self.norm * root);
        self.spread = self.spread.min(self.norm);
        if self.norm.is_finite() {
            let within = Interval::within(self.norm);
            self.rows = Some(match &self.rows {
                Some(rows) => rows.map(|i| i.both(within)),
                None => Rows::uniform(within, width),
            });
        }
        self
    }

    /// The smallest interval that holds every entry.
    pub(super) fn hull(&self) -> Option<Interval> {
        self.rows.as_ref().map(Rows::hull)
    }

    /// The largest size of an entry; infinite if unknown.
    pub(super) fn largest(&self) -> f64 {
        self.hull().map_or(f64::INFINITY, Interval::size)
    }

    /// Whether no entry is negative.
    pub(super) fn is_not_negative(&self) -> bool {
        self.hull().is_some_and(|hull| hull.low >= 0.0)
    }

    /// Rows of several values that are rows of one.
    pub(super) fn either(parts: &[&Facts]) -> Self {
        let rows: Option<Vec<&Rows>> = parts.iter().map(|p| p.rows.as_ref()).collect();
        let most = |of: fn(&Facts) -> f64| parts.iter().map(|p| of(p)).fold(0.0, f64::max);
        Facts {
            rows: rows.map(|rows| Rows::hull_of(&rows)),
            norm: most(|p| p.norm),
            mass: most(|p| p.mass),
            spread: most(|p| p.spread),
        }
    }
}

/// The smaller of two bounds, of which one may be no number: 0 · ∞.
pub(super) fn least(a: f64, b: f64) -> f64 {
    if b.is_nan() { a } else { a.min(b) }
}
