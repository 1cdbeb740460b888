//! Ranges that a run checks, and what holds for a node while no check has failed.

use serde::{Deserialize, Serialize};

/// A range, and which of its ends are checked inside the run; the others are proved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
    /// What the size of the number stays below while no earlier check has failed.
    pub most: f64,
    /// The lower end is checked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
    /// The upper end is checked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub above: bool,
    /// An exact zero is right too, although it lies below the range.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero: bool,
}

impl Checked {
    /// The same in units of which there are `unit` in one.
    #[must_use]
    pub fn scaled(self, unit: f64) -> Self {
        Self { low: self.low * unit, high: self.high * unit, most: self.most * unit, ..self }
    }

    /// Of the number with another added.
    #[must_use]
    pub fn offset(self, term: f64) -> Self {
        Self { low: self.low + term, high: self.high + term, most: self.most + term.abs(), ..self }
    }

    /// Whether the run has to check anything.
    pub fn is_guard(&self) -> bool {
        self.below || self.above
    }
}

/// What holds for a node in every inference that gives an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Relied {
    /// Bounds of its entries while no check before it has failed: what its words must hold.
    pub entries: Option<(f64, f64)>,
    /// Bounds that its own entries are checked against.
    pub checked: Option<Checked>,
    /// The range of its argument, for a reciprocal or root; of its operand's row variance, for an inverse deviation; of its
    /// argument, for an exponential that is checked.
    pub argument: Option<Checked>,
}

/// How far above the greatest value seen a guarded number may be.
pub const ABOVE: f64 = 2.0;
/// How far below the least value seen a guarded number may be.
pub const BELOW: f64 = 2.0;
