//! A public number in place of the row maximum under an exponential, where the observed maxima lie close together.
//!
//! Exponentials of a row that are divided by their sum do not depend on what is subtracted from the row first. A number
//! saves the tree of comparisons; a row whose maximum is far below it loses precision, so the spread of the maxima is
//! limited and the exponentials get more fraction bits for it.

use super::Softmax;
use super::bits::log2_bound;
use super::format::{Form, Shift};
use super::formats::{Assign, is_alias};
use crate::graph::{Graph, NodeId, Op};
use crate::ranges::{Basis, Checked};
use crate::smooth::Smooth;

/// Largest distance of a row's maximum below the number.
const WIDEST_GAP: f64 = 6.0;
/// How far above the number an entry may be.
const ABOVE: f64 = 1.0;

impl Shift {
    /// Fraction bits that the exponentials of the lowest rows need more.
    pub(super) fn precision(self) -> i32 {
        libm::ceil(self.below * std::f64::consts::LOG2_E) as i32
    }

    /// Bits by which exponentials may be larger than 1.
    fn growth(self) -> i32 {
        libm::ceil(self.above * std::f64::consts::LOG2_E) as i32
    }
}

impl Assign<'_> {
    /// What takes the place of a row maximum, if anything may and the options say so.
    pub(super) fn shift(&self, id: NodeId) -> Option<Shift> {
        match self.options.softmax_at(id) {
            Softmax::Compared => None,
            Softmax::Maximum => self.counted(id),
            Softmax::Declared => self.number(id, false).or_else(|| self.counted(id)),
            Softmax::Static => self.number(id, true).or_else(|| self.counted(id)),
        }
    }

    /// The number that does, and how exponentials are made of what it leaves.
    fn number(&self, id: NodeId, observed: bool) -> Option<Shift> {
        self.possible_shift(id, observed).map(|shift| self.powered(id, shift))
    }

    /// Of a row maximum under a softmax, the row: all that is made of the maximum is exponentials that are divided by their sums.
    pub(super) fn softmax_of(&self, id: NodeId) -> Option<NodeId> {
        let Op::MaxRow(of) = self.graph.node(id).op else { return None };
        let only = |id: NodeId, test: &dyn Fn(&Op) -> bool| {
            let users = &self.consumers[id.0 as usize];
            !users.is_empty() && users.iter().all(|u| test(&self.graph.node(*u).op))
        };
        let exponentials = only(id, &|op| *op == Op::Sub(of, id))
            && self.consumers[id.0 as usize].iter().all(|t| only(*t, &|op| matches!(op, Op::Smooth(Smooth::Exp, _))));
        let arguments = self.consumers[id.0 as usize].iter();
        let mut results = arguments.flat_map(|t| &self.consumers[t.0 as usize]);
        (exponentials && results.all(|e| self.is_divided(*e, *e))).then_some(of)
    }

    /// The number that would do; relying on what was observed only if told to.
    pub(super) fn possible_shift(&self, id: NodeId, observed: bool) -> Option<Shift> {
        self.softmax_of(id)?;
        let known = self.ranges.nodes.get(&id.0).copied().unwrap_or_default();
        let narrow = |range: &(f64, f64)| range.1 - range.0 <= WIDEST_GAP;
        let basis = self.options.basis;
        let proved = match basis {
            // What is checked of the maximum itself is not known where a number takes its place.
            Basis::Guarded => self.ranges.range(self.graph, id, basis).map(|(range, _)| range),
            _ => known.proved,
        };
        let proved = proved.filter(narrow);
        let declared = self.graph.node(id).assumed.filter(|_| basis != Basis::Proved);
        let ((low, high), margin) = match (declared.or(proved), known.observed) {
            (Some(range), _) => (range, 0.0),
            (None, Some(range)) if observed && basis != Basis::Proved => (range, 0.5 + 0.25 * (range.1 - range.0)),
            _ => return None,
        };
        let below = high - low + 2.0 * margin;
        let checked = basis == Basis::Guarded && proved.is_none();
        (below <= WIDEST_GAP).then_some(Shift { value: high + margin, above: ABOVE, below, checked, power: None })
    }

    /// Whether all that is made of a value, which is an exponential or linear in it, is divided by the exponential's row
    /// sums, and these divide nothing else.
    fn is_divided(&self, value: NodeId, exponential: NodeId) -> bool {
        let users = |id: NodeId| &self.consumers[id.0 as usize];
        let op = |id: NodeId| &self.graph.node(id).op;
        let revealed = |id: NodeId| self.graph.outputs.iter().any(|output| output.node == id);
        let quotient = |id: NodeId| {
            quotients(self.graph, id)
                .any(|(of, sum)| *op(sum) == Op::SumRow(exponential) && self.is_linear_in(of, exponential))
        };
        let divisor = |id: NodeId| {
            matches!(op(id), Op::Recip(_)) && !revealed(id) && users(id).iter().all(|user| quotient(*user))
        };
        !revealed(value)
            && users(value).iter().all(|user| match op(*user) {
                Op::SumRow(_) if value == exponential => {
                    !revealed(*user) && users(*user).iter().all(|inverse| divisor(*inverse))
                }
                Op::Mul(..) => quotient(*user),
                Op::MatMul(left, right) => *left == value && *right != value && self.is_divided(*user, exponential),
                other => is_alias(other) && self.is_divided(*user, exponential),
            })
    }

    /// Whether a value is one of those that [`Self::is_divided`] follows.
    fn is_linear_in(&self, value: NodeId, exponential: NodeId) -> bool {
        value == exponential
            || match &self.graph.node(value).op {
                Op::MatMul(left, _) => self.is_linear_in(*left, exponential),
                op => is_alias(op) && self.is_linear_in(op.operands()[0], exponential),
            }
    }

    fn shift_of_exponential(&self, id: NodeId) -> Option<Shift> {
        let Op::Smooth(Smooth::Exp, t) = self.graph.node(id).op else { return None };
        self.shift_of_exponential_of(t)
    }

    /// What is subtracted in place of a maximum in the argument of an exponential.
    pub(super) fn shift_of_exponential_of(&self, argument: NodeId) -> Option<Shift> {
        let Op::Sub(_, max) = self.graph.node(argument).op else { return None };
        match &self.of(max).form {
            Form::Shift(shift) => Some(*shift),
            _ => None,
        }
    }

    /// The shift of the exponentials that a value is a view, a sum or a product of.
    fn shift_behind(&self, id: NodeId) -> Option<Shift> {
        match &self.graph.node(id).op {
            Op::Smooth(Smooth::Exp, _) => self.shift_of_exponential(id),
            Op::SumRow(x) | Op::MatMul(x, _) | Op::Offset(x, _) => self.shift_behind(*x),
            // Divided by the sum of its row it is what it would have been.
            Op::Mul(..) if quotients(self.graph, id).next().is_some() => None,
            Op::Mul(a, b) => self.shift_behind(*a).or_else(|| self.shift_behind(*b)),
            op if is_alias(op) => self.shift_behind(op.operands()[0]),
            _ => None,
        }
    }

    /// Fraction bits that a value needs more because its row may be as much smaller, with exponentials by buckets.
    pub(super) fn lowered(&self, id: NodeId) -> i32 {
        self.shift_behind(id).filter(|shift| shift.power.is_some()).map_or(0, Shift::precision)
    }

    /// Bits by which a value may be larger than with the maximum of its row subtracted.
    pub(super) fn shifted(&self, id: NodeId) -> i32 {
        if let Op::Sub(of, max) = self.graph.node(id).op
            && self.graph.node(max).op == Op::MaxRow(of)
            && let Form::Shift(shift) = &self.of(max).form
        {
            let known = self
                .ranges
                .range(self.graph, id, self.options.basis)
                .map_or(1.0, |((low, high), _)| low.abs().max(high.abs()));
            return log2_bound(known + shift.below) - log2_bound(known);
        }
        self.shift_behind(id).map_or(0, Shift::growth)
    }

    /// The range of a sum of exponentials that is checked, with a number subtracted in place of the maximum.
    pub(super) fn with_shift(&self, id: NodeId, checked: Checked) -> Checked {
        let Some(shift) = self.shift_behind(id) else { return checked };
        let growth = libm::exp2(f64::from(shift.growth()));
        Checked {
            low: checked.low * libm::exp(-shift.below),
            high: checked.high * growth,
            most: checked.most * growth,
            below: checked.below || shift.checked,
            ..checked
        }
    }

    /// The range of a sum of exponentials, from its range with the maximum subtracted.
    pub(super) fn shifted_sum(&self, id: NodeId, (low, high): (f64, f64)) -> (f64, f64) {
        match self.shift_behind(id) {
            Some(shift) => (low * libm::exp(-shift.below), high * libm::exp2(f64::from(shift.growth()))),
            None => (low, high),
        }
    }
}

/// Dividend and divisor of a product with the reciprocal of another value; either factor may be such a reciprocal.
fn quotients(graph: &Graph, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> {
    let factors = match graph.node(id).op {
        Op::Mul(a, b) if a != b => Some([(a, b), (b, a)]),
        _ => None,
    };
    factors.into_iter().flatten().filter_map(|(dividend, factor)| match graph.node(factor).op {
        Op::Recip(divisor) => Some((dividend, divisor)),
        _ => None,
    })
}
