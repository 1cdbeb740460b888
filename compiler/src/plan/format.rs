//! How a node on secret values is computed, and in which format it is held.

use std::collections::{BTreeMap, BTreeSet};

use mpcc_program::code::RowFunction;

use super::bits::bound_bits;
use super::levels::Levels;
use super::series::Series;
use crate::graph::NodeId;

/// How a node on secret values is computed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// Public or known to the model owner: it becomes an encoded weight where it is used.
    Server,
    /// Known to the model owner, and used where no protocol takes a weight: it becomes a share first, and is opened as one.
    Lifted,
    /// Known to the data owner in the clear; an input of the program if `boundary`.
    Client { boundary: bool },
    /// A share, opened as a wire where it is used as one.
    Share,
    /// A wire derived from an operand's wire, never opened itself.
    Derived,
    /// A view of an operand, as share and as wire.
    Alias,
    /// A row function of the share `argument`.
    RowFunction { argument: NodeId, levels: Levels, function: RowFunction, limits: Limits },
    /// A smooth function by a series.
    Smooth(Curve),
    /// exp of what is left of a row, by the buckets of masks, from the share `argument` of the row, which is in `range`.
    Power { argument: NodeId, power: Power, shift: Shift, range: (f64, f64) },
    /// Largest entry of each row, by a tree of comparisons.
    MaxRow,
    /// Position of the largest entry of each row, in the low bits of such a tree.
    Argmax,
    /// A public number in place of the largest entry of each row, or what counts tell of it.
    Shift(Shift),
}

impl Form {
    /// Whether it compares its argument with thresholds exactly, or entries with each other.
    pub(crate) fn compares(&self) -> bool {
        let saturates = |curve: &Curve| matches!(curve.saturation, Saturation::Selected | Saturation::Clamped);
        matches!(self, Form::MaxRow | Form::Argmax) || matches!(self, Form::Smooth(curve) if saturates(curve))
    }
}

/// Formats of one node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Format {
    pub(crate) form: Form,
    /// Fraction bits of the share.
    pub(crate) share: i32,
    /// Fraction bits of the wire.
    pub(crate) wire: i32,
    /// |real value| < 2^magnitude.
    pub(crate) magnitude: i32,
    /// Widest ring of the share.
    pub(crate) available: i32,
}

impl Format {
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.form, Form::Server | Form::Shift(_) | Form::Client { boundary: false })
    }

    /// Whether a party alone cannot know it or only the data owner does: it needs a ring.
    pub(crate) fn is_secret(&self) -> bool {
        !matches!(self.form, Form::Server | Form::Shift(_))
    }

    /// Bits that hold the value at `fraction` fraction bits, with sign.
    pub(crate) fn signed_bits(&self, fraction: i32) -> i32 {
        bound_bits(fraction, self.magnitude) + 1
    }
    /// Bits of a wire that is extended: one more than it needs.
    pub(crate) fn extended_bits(&self) -> i32 {
        self.signed_bits(self.wire) + 1
    }
}

/// Formats of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Formats {
    pub(crate) nodes: Vec<Format>,
    /// Values whose entries are checked.
    pub(crate) checks: BTreeMap<NodeId, EntryCheck>,
    /// Row maxima under a softmax.
    pub(crate) softmax: BTreeSet<NodeId>,
}

impl Formats {
    pub(crate) fn of(&self, id: NodeId) -> &Format {
        &self.nodes[id.0 as usize]
    }
}

/// What the argument of a row function may be, in units of its share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// Bits that hold it with its sign while no earlier check has failed; those of the function's ring if they are fewer.
    pub(crate) held: i32,
    /// Below this it is out of range, unless it is zero and may be.
    pub(crate) low: Option<i64>,
    /// From here on it is out of range.
    pub(crate) high: Option<i64>,
    /// The least that passes no check because it is proved to stay below.
    pub(crate) end: i64,
    /// Zero is right.
    pub(crate) zero: bool,
    /// It may be negative.
    pub(crate) signed: bool,
}

/// How the entries of a value are checked: on an opening of their own, with few fraction bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EntryCheck {
    pub(crate) ring: i32,
    pub(crate) fraction: i32,
    pub(crate) limits: Limits,
}

/// What is subtracted instead of a row's maximum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// The number.
    pub(crate) value: f64,
    /// How far above it an entry may be.
    pub(crate) above: f64,
    /// How far below it the maximum of a row may be.
    pub(crate) below: f64,
    /// Nothing proves that no entry is further above: the run checks them.
    pub(crate) checked: bool,
    /// How the exponentials are made, if it is by buckets.
    pub(crate) power: Option<Power>,
}

/// Widths of exponentials by buckets (G17).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Power {
    /// Ring of the argument, halved.
    pub(crate) ring: i32,
    /// Its fraction bits.
    pub(crate) fraction: i32,
    /// log2 of the number of buckets.
    pub(crate) buckets: i32,
    /// Buckets in which the result is not zero.
    pub(crate) count: i32,
    /// Fraction bits of the mask's factor.
    pub(crate) mask: i32,
    /// Fraction bits of the public factor.
    pub(crate) public: i32,
    /// How often the argument is halved first, and the exponential squared afterwards.
    pub(crate) halvings: i32,
    /// How far the largest of a row may be left below 1, in nats.
    pub(crate) below: f64,
    /// What tells of the row's maximum (G18), if it is not a public number.
    pub(crate) counts: Option<Counts>,
}

/// Widths of counts below thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counts {
    /// log2 of the number of buckets.
    pub(crate) buckets: i32,
    /// log2 of the distance of thresholds.
    pub(crate) step: i32,
    /// Thresholds.
    pub(crate) thresholds: usize,
    /// Ring of a count.
    pub(crate) count: i32,
}

/// What is done about arguments outside of the series' domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saturation {
    /// There are none: the bound is proved or assumed.
    Plain,
    /// Digit tables select between the series and the tails.
    Selected,
    /// So do coarse signs, by buckets of size 2^width.
    Bucketed {
        /// log2 of a bucket's size.
        width: i32,
    },
    /// The argument is clamped by shared comparisons, and what was cut off is added; the exponential is switched off.
    Clamped,
}

/// A smooth function by a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    pub(crate) series: Series,
    pub(crate) saturation: Saturation,
    /// Fraction bits of the trigonometric factors and the coefficients.
    pub(crate) table: i32,
    /// Fraction bits of the series: of the public factor and of all that the mask's is a product of.
    pub(crate) scale: i32,
    /// Fraction bits of the series where it is opened before a selection.
    pub(crate) fraction: i32,
    /// What the run checks that the argument does not exceed.
    pub(crate) checked: Option<f64>,
}
