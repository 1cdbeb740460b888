//! Where a proof is too wide: ranges that are checked inside the run, and what follows from a check that passed.
//!
//! A guard is on numbers of which there are few, one per row: the argument of a reciprocal or root, a row's variance. Ranges of
//! everything behind a guard may rely on it, since an inference with a guard that does not hold gives no answer. The guarded
//! number itself, and all that it is made of, may rely on earlier guards only.

use super::facts::Facts;
use super::interval::{Interval, Rows};
use super::{Analysis, Observed};
use crate::graph::{NodeId, Op, Visibility};
use crate::ranges::{ABOVE, BELOW, Checked};
use crate::smooth::Smooth;

/// The same for a variance, which is a square.
pub(super) const ABOVE_SQUARED: f64 = 4.0;
/// How far below what is expected a proved lower end is still covered without a check.
const COVERED: f64 = 4096.0;
/// How far above what is expected a proved upper end is.
const COVERED_ABOVE: f64 = 1.5;
/// The same of a number whose lower end is proved: a sum of exponentials, which is the length of a row of equal scores.
const COVERED_BETWEEN: f64 = 4.0;
/// From here on a proof of a product is of little use,
const UNPROVED: f64 = 65536.0;
/// if what is expected is that much smaller.
const UNPROVED_RATIO: f64 = 128.0;

impl Analysis<'_> {
    /// The range of a function's argument (of a row's variance, for an inverse deviation), with the checks that it needs.
    pub(super) fn argument(&self, id: NodeId, seen: &Observed<'_>) -> Option<Checked> {
        let (proved, (least, most), zero) = match *self.op(id) {
            Op::Recip(x) | Op::Rsqrt(x) | Op::Sqrt(x) => {
                let known = seen(x);
                let (low, high) = self.assumed(x).or(known.observed)?;
                let least = if low > 0.0 { low } else { known.smallest_positive.unwrap_or(high) };
                let proved = self.facts[x.0 as usize].hull();
                (proved.unwrap_or(UNBOUNDED), (least, high), self.is_right_at_zero(id, x))
            }
            Op::InvStd { x, eps } => {
                let (low, high) = seen(id).observed?;
                let variance = |y: f64| (1.0 / (y * y) - eps).max(eps * 1e-3);
                (Interval::new(0.0, self.variance(x)), (variance(high), variance(low)), false)
            }
            _ => return None,
        };
        let assumed = matches!(*self.op(id), Op::Recip(x) | Op::Rsqrt(x) | Op::Sqrt(x) if self.assumed(x).is_some());
        let (down, up) = match self.op(id) {
            _ if assumed => (1.0, 1.0),
            Op::InvStd { .. } => (BELOW, ABOVE_SQUARED),
            _ => (BELOW, ABOVE),
        };
        let wanted = (least / down, most.max(least) * up);
        let below = !(proved.low > 0.0 && proved.low * COVERED >= wanted.0);
        let covered = match self.op(id) {
            Op::InvStd { .. } => 1.0,
            _ if assumed => 1.0,
            _ if below => COVERED_ABOVE,
            _ => COVERED_BETWEEN,
        };
        let above = proved.high > wanted.1 * covered;
        // A root is as flat as its argument is small.
        let below = below && !matches!(self.op(id), Op::Sqrt(_));
        Some(Checked {
            low: if below { wanted.0 } else { proved.low },
            high: if above { wanted.1 } else { proved.high },
            most: proved.size(),
            below,
            above,
            zero,
        })
    }

    fn assumed(&self, id: NodeId) -> Option<(f64, f64)> {
        self.graph.node(id).assumed
    }

    /// Whether what is divided is an exact zero wherever the divisor is: a row of zeros over its sum, or over the root of the
    /// sum of its squares.
    fn is_right_at_zero(&self, id: NodeId, argument: NodeId) -> bool {
        let argument = match *self.op(argument) {
            Op::Offset(x, _) => x,
            _ => argument,
        };
        let argument = match *self.op(argument) {
            Op::Scale(x, factor) if factor > 0.0 => x,
            _ => argument,
        };
        let (Op::SumRow(row) | Op::MeanRow(row)) = *self.op(argument) else { return false };
        let row_of = |x: NodeId| x == row || matches!(*self.op(row), Op::Mul(a, b) if a == x && b == x);
        let zero_where_row_is = |x: NodeId| row_of(x) || matches!(*self.op(x), Op::MatMul(r, _) if row_of(r));
        let mut users = self.graph.nodes.iter().filter(|n| n.op.operands().contains(&id)).peekable();
        let exact = matches!(self.op(row), Op::Relu(_)) || matches!(self.op(row), Op::Mul(a, b) if a == b);
        exact
            && users.peek().is_some()
            && users.all(|n| match n.op {
                Op::Mul(a, b) => zero_where_row_is(if a == id { b } else { a }),
                _ => false,
            })
    }

    /// The range of a value's own entries that has to be checked: what the model declares and nothing proves, and how far
    /// scores under a mask may lie apart.
    pub(super) fn own_entries(&self, id: NodeId, facts: &Facts, seen: &Observed<'_>) -> Option<Checked> {
        let proved = facts.hull()?;
        let masked = || self.width_under_mask(id).map(|width| centred_at(seen(id).observed.unwrap_or_default(), width));
        // What is declared of scores does not say that masked ones vanish.
        let (low, high) = match (self.assumed(id), masked()) {
            (Some(a), Some(b)) => (a.0.max(b.0), a.1.min(b.1)),
            (a, b) => a.or(b).or_else(|| self.unproved(id, proved, seen))?,
        };
        let checked = Checked {
            low: proved.low.max(low).min(high),
            high: proved.high.min(high).max(low),
            most: proved.size(),
            below: proved.low < low,
            above: proved.high > high,
            zero: false,
        };
        checked.is_guard().then_some(checked)
    }

    /// What the entries of a product are checked against if a proof says next to nothing of them: scaling attention of a row
    /// that no norm precedes grows with its third power.
    fn unproved(&self, id: NodeId, proved: Interval, seen: &Observed<'_>) -> Option<(f64, f64)> {
        let (least, most) = seen(id).observed?;
        let usual = ABOVE * least.abs().max(most.abs());
        let product = matches!(self.op(id), Op::MatMul(..) | Op::Linear { .. });
        let unproved = product && proved.size() > UNPROVED && proved.size() > UNPROVED_RATIO * usual;
        unproved.then_some((-usual, usual))
    }

    /// How far apart scores may lie to which an additive mask is applied, [-c, 0] at one of the parties: masked ones must
    /// vanish beside the largest of the others.
    fn width_under_mask(&self, id: NodeId) -> Option<f64> {
        let mask_of = |sum: NodeId| match *self.op(sum) {
            Op::Add(a, b) if a == id => Some(b),
            Op::Add(a, b) if b == id => Some(a),
            _ => None,
        };
        let under_softmax = |sum: NodeId| {
            let users = &self.users[sum.0 as usize];
            users.iter().any(|u| *self.op(*u) == Op::MaxRow(sum))
        };
        self.users[id.0 as usize].iter().find_map(|sum| {
            let mask = mask_of(*sum).filter(|_| under_softmax(*sum))?;
            let known = self.graph.node(mask).ty.visibility != Visibility::Shared;
            let hull = self.facts[mask.0 as usize].hull().filter(|_| known)?;
            (hull.high == 0.0 && hull.low < -VANISHED).then_some(-hull.low - VANISHED)
        })
    }

    /// Relies on a range of a function's argument from here on.
    pub(super) fn rely_on_argument(&mut self, id: NodeId, checked: Checked) {
        match *self.op(id) {
            Op::Recip(x) | Op::Rsqrt(x) | Op::Sqrt(x) => {
                let low = if checked.zero { checked.low.min(0.0) } else { checked.low };
                self.rely_on(x, Interval::new(low, checked.high));
            }
            Op::InvStd { x, .. } => {
                let d = self.width(x);
                let spread = (d as f64 * checked.high).sqrt();
                let deviation = Interval::within((checked.high * (d - 1) as f64).sqrt());
                let mean = self.mean(x);
                let size = mean.map_or(f64::INFINITY, Interval::size);
                let facts = Facts {
                    rows: mean.map(|mean| Rows::uniform(mean.plus(deviation), d)),
                    norm: (spread * spread + d as f64 * size * size).sqrt(),
                    spread,
                    ..Facts::UNKNOWN
                };
                self.narrow(x, &facts);
            }
            _ => {}
        }
    }

    /// Relies on an interval of every entry of a value, and on what follows for what it was made of.
    pub(super) fn rely_on(&mut self, id: NodeId, interval: Interval) {
        let width = self.width(id);
        self.narrow(id, &Facts::of_rows(Some(Rows::uniform(interval, width))));
        match *self.op(id) {
            Op::Offset(x, term) => self.rely_on(x, interval.plus(Interval::point(-term))),
            Op::Scale(x, factor) if factor > 0.0 => self.rely_on(x, interval.times(Interval::point(1.0 / factor))),
            Op::SumRow(x) => self.rely_on_sum(x, interval.high),
            Op::MeanRow(x) => self.rely_on_sum(x, interval.high * self.width(x) as f64),
            _ => {}
        }
    }

    fn rely_on_sum(&mut self, x: NodeId, sum: f64) {
        if self.facts[x.0 as usize].is_not_negative() {
            self.narrow(x, &Facts::UNKNOWN.with_mass(sum));
            if let Op::Mul(a, b) = *self.op(x)
                && a == b
            {
                self.narrow(a, &Facts::UNKNOWN.with_norm(sum.max(0.0).sqrt()));
            }
        }
    }

    fn narrow(&mut self, id: NodeId, by: &Facts) {
        let width = self.width(id);
        let facts = &mut self.facts[id.0 as usize];
        *facts = facts.both(by).settled(width);
    }

    /// Whether an exponential's argument has to be checked, because nothing is taken off it and no proof limits it.
    pub(super) fn exponent(&self, id: NodeId, most: f64, seen: &Observed<'_>) -> Option<Checked> {
        let Op::Smooth(Smooth::Exp, x) = *self.op(id) else { return None };
        let proved = self.facts[x.0 as usize].hull().unwrap_or(UNBOUNDED);
        let (_, high) = seen(x).observed?;
        let high = (high + 1.0).min(most);
        (proved.high > most).then_some(Checked {
            low: proved.low,
            high: high.max(1.0).min(most),
            most: proved.size(),
            below: false,
            above: true,
            zero: false,
        })
    }
}

/// Distance at which an exponential counts as nothing.
const VANISHED: f64 = 16.0;

/// An interval of a width, about the middle of what was seen.
fn centred_at((low, high): (f64, f64), width: f64) -> (f64, f64) {
    let middle = 0.5 * (low + high);
    (middle - 0.5 * width, middle + 0.5 * width)
}

const UNBOUNDED: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
