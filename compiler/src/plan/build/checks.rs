//! Checks of ranges inside the run: comparisons of a few opened numbers with public limits, and the one bit that they add up to.
//!
//! Comparisons are written when everything else is, so that they do without hops that the program has not got: by digit tables
//! where there is time or no dealer, else by function secret sharing. Every comparison gives 0 or 1 whatever its wire holds, so no later
//! value can take back a violation; whether the sum of all is above zero is revealed to the data owner.

use mpcc_program::gates::digits;
use mpcc_program::program::{Gate, Kind, Shape, Term, ValueId, View};
use smallvec::SmallVec;

use super::super::format::{EntryCheck, Limits};
use super::{Build, Spec};
use crate::graph::{Node, NodeId};

/// Widest wire that is compared, by either protocol.
const COMPARED: i32 = 30;
/// Least bits of the sum: the smallest bound of a value has as many but one.
const LEAST_BITS: i32 = 5;
/// Where the verdict comes from, as a path.
const PATH: &str = "ranges";

/// Limits of the entries of a wire, in its units.
struct Check {
    wire: ValueId,
    limits: Limits,
    path: String,
}

/// The checks of a program.
#[derive(Default)]
pub(super) struct Checks(Vec<Check>);

/// A comparison: a wire, and a number that is added before its sign is taken.
type Comparison = (ValueId, i64);

impl Build<'_> {
    /// Checks the entries of a wire at the end.
    pub(super) fn check(&mut self, wire: ValueId, limits: &Limits, path: &str) {
        if limits.low.is_some() || limits.high.is_some() {
            self.checks.0.push(Check { wire, limits: *limits, path: path.to_owned() });
        }
    }

    /// Checks the entries of a value against what is declared of them.
    pub(super) fn check_entries(&mut self, id: NodeId, node: &Node) {
        let Some(&EntryCheck { ring, fraction, limits }) = self.formats.checks.get(&id) else { return };
        let (source, magnitude) = (self.share(id), self.formats.of(id).magnitude);
        let truncate = (self.formats.of(id).share - fraction) as u8;
        let gate = Gate::Open { source, truncate };
        let spec = Spec { kind: Kind::Wire, shape: &node.ty.shape, ring, fraction, magnitude };
        let wire = self.push(gate, spec, &node.path);
        self.check(wire, &limits, &node.path);
    }

    /// Checks that the argument of an exponential is not above what its series reaches.
    pub(super) fn check_exponent(&mut self, wire: ValueId, most: f64, path: &str) {
        let unit = libm::exp2(f64::from(self.program.value(wire).fraction));
        let high = Some(libm::floor(most * unit) as i64);
        self.check(wire, &Limits { high, signed: true, ..Limits::default() }, path);
    }

    /// Writes all checks, and reveals whether any found something.
    pub(super) fn verdict(&mut self) {
        let checks = std::mem::take(&mut self.checks).0;
        if checks.is_empty() {
            return;
        }
        // Either end of a check may be violated, or what stands for it.
        let entries: usize = checks.iter().map(|c| 2 * self.entries_of(c.wire)).sum();
        let bits = ((entries + 1).next_power_of_two().trailing_zeros() as i32 + 1).max(LEAST_BITS);
        let last = self.program.values.iter().map(|v| v.level).max().unwrap_or(0);
        let mut terms = Vec::with_capacity(checks.len());
        for check in checks {
            // Two hops for digits, one to open the sum, one to reveal.
            let slow = self.options.alone() || self.program.value(check.wire).level + 4 <= last;
            let violations = if slow { self.by_digits(&check, bits + 1) } else { self.by_sharing(&check, bits + 1) };
            terms.push(Term { value: self.total(violations, &check.path), shift: 0 });
        }
        let shape = Shape::from_slice(&[1]);
        let spec = |kind, ring, magnitude| Spec { kind, shape: &shape, ring, fraction: 0, magnitude };
        let sum = self.push(Gate::Add { terms }, spec(Kind::Share, bits + 1, bits - 1), PATH);
        let gate = Gate::Open { source: sum, truncate: 0 };
        let opened = self.push(gate, spec(Kind::Wire, bits + 1, bits - 1), PATH);
        let found = if self.options.alone() {
            let digits = digits(self.program.value(opened).ring);
            let ring = 2 * digits.len() as i32 - 1;
            let gate = Gate::SignDigits { source: opened, offset: -1, digits };
            let sign = self.push(gate, spec(Kind::Bits, ring, ring), PATH);
            let gate = Gate::OpenSign { signs: SmallVec::from_slice(&[sign]), negate: true };
            let bit = self.push(gate, spec(Kind::Bits, 1, 1), PATH);
            self.push(Gate::SignShare { bit }, spec(Kind::Share, VERDICT_RING, 1), PATH)
        } else {
            let gate = Gate::StepShared { source: opened, offsets: SmallVec::from_slice(&[-1]) };
            self.push(gate, spec(Kind::Share, VERDICT_RING, 1), PATH)
        };
        self.program.verdict = true;
        let output = self.program.outputs.len() as u32;
        let gate = Gate::Reveal { source: found, truncate: 0, output };
        self.push(gate, spec(Kind::Share, VERDICT_RING, 1), PATH);
    }

    fn entries_of(&self, id: ValueId) -> usize {
        self.program.value(id).shape.iter().product()
    }

    /// Both ends, and zero, as comparisons on wires that are narrow enough.
    fn comparisons(&mut self, check: &Check) -> [Option<Comparison>; 3] {
        let Limits { low, high, end, zero, .. } = check.limits;
        let (held, bound) = {
            let value = self.program.value(check.wire);
            (i32::from(value.ring), i32::from(value.bound))
        };
        let upper = high.map(|high| {
            let dropped = (held - COMPARED).max(0);
            let bound = bound - dropped + i32::from(dropped > 0);
            let wire = self.reduced(check.wire, dropped, (held - dropped, bound), &check.path);
            (wire, -inward(high, dropped, false))
        });
        // What passes the upper check, or is proved to.
        let passed = 64 - high.unwrap_or(end).max(1).leading_zeros() as i32;
        let narrower = passed + 3 < held && !check.limits.signed;
        let (ring, bound) = if narrower { (passed + 3, passed) } else { (held, bound) };
        let dropped = (ring - COMPARED).max(0);
        let bound = if dropped > 0 { bound - dropped + 1 } else { bound };
        let narrow = |b: &mut Self| b.reduced(check.wire, dropped, (ring - dropped, bound), &check.path);
        let lower = low.map(|low| (narrow(self), -inward(low, dropped, true)));
        let zero = (zero && low.is_some() && dropped == 0).then(|| (narrow(self), -1));
        [zero, lower, upper]
    }

    /// The low `ring` bits of a wire without `dropped` of them, made once.
    fn reduced(&mut self, wire: ValueId, dropped: i32, (ring, bound): (i32, i32), path: &str) -> ValueId {
        let from = self.program.value(wire).clone();
        if dropped == 0 && ring == i32::from(from.ring) {
            return wire;
        }
        let gate = Gate::Reduce { source: wire, truncate: dropped as u8 };
        let known = self.program.values.iter().rposition(|v| v.gate == gate && i32::from(v.ring) == ring);
        if let Some(known) = known {
            return ValueId(known as u32);
        }
        let fraction = i32::from(from.fraction) - dropped;
        let spec = Spec { kind: Kind::Wire, shape: &from.shape, ring, fraction, magnitude: bound - fraction };
        self.push(gate, spec, path)
    }

    /// Shares of the ends at which an entry is out of range, by G8 and G9.
    ///
    /// The bits [x < 1] and [x < low] change once each as x grows, so their sum modulo 2 tells the interval. The upper end is
    /// added apart: what is above it may be anything in the narrower wire of the others.
    fn by_digits(&mut self, check: &Check, ring: i32) -> ValueId {
        let [zero, lower, upper] = self.comparisons(check);
        let below = self.signs([zero, lower], false, ring, check);
        let above = self.signs([upper, None], true, ring, check);
        match (below, above) {
            (Some(below), Some(above)) => {
                let terms = [below, above].map(|value| Term { value, shift: 0 }).to_vec();
                let shape = self.program.value(check.wire).shape.clone();
                let spec = Spec { kind: Kind::Share, shape: &shape, ring, fraction: 0, magnitude: 2 };
                self.push(Gate::Add { terms }, spec, &check.path)
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => unreachable!("a check has a limit"),
        }
    }

    /// Shares of the sum modulo 2 of the signs of some comparisons.
    fn signs(&mut self, of: [Option<Comparison>; 2], negate: bool, ring: i32, check: &Check) -> Option<ValueId> {
        let shape = self.program.value(check.wire).shape.clone();
        let spec = |kind, ring, magnitude| Spec { kind, shape: &shape, ring, fraction: 0, magnitude };
        let mut signs = SmallVec::new();
        for (source, offset) in of.into_iter().flatten() {
            let digits = digits(self.program.value(source).ring);
            let bits = 2 * digits.len() as i32 - 1;
            let gate = Gate::SignDigits { source, offset, digits };
            signs.push(self.push(gate, spec(Kind::Bits, bits, bits), &check.path));
        }
        if signs.is_empty() {
            return None;
        }
        let bit = self.push(Gate::OpenSign { signs, negate }, spec(Kind::Bits, 1, 1), &check.path);
        Some(self.push(Gate::SignShare { bit }, spec(Kind::Share, ring, 1), &check.path))
    }

    /// The same by G16: 1 - [x ≥ low] + [x ≥ high], and [x ≥ 1] in place of 1 where zero is right.
    fn by_sharing(&mut self, check: &Check, ring: i32) -> ValueId {
        let comparisons = self.comparisons(check);
        let shape = self.program.value(check.wire).shape.clone();
        let spec = |magnitude| Spec { kind: Kind::Share, shape: &shape, ring, fraction: 0, magnitude };
        let [zero, lower, upper] = comparisons.map(|comparison| {
            comparison.map(|(source, offset)| {
                let gate = Gate::StepShared { source, offsets: SmallVec::from_slice(&[offset]) };
                self.push(gate, spec(1), &check.path)
            })
        });
        let term = |value| Term { value, shift: 0 };
        let below = lower.map(|lower| match zero {
            Some(zero) => self.push(Gate::Sub { left: term(zero), right: term(lower) }, spec(1), &check.path),
            None => {
                let gate = Gate::MulPublic { source: lower, factor: -1 };
                let negative = self.push(gate, spec(1), &check.path);
                self.push(Gate::AddPublic { source: negative, term: 1 }, spec(1), &check.path)
            }
        });
        match (below, upper) {
            (Some(below), Some(upper)) => {
                self.push(Gate::Add { terms: vec![term(below), term(upper)] }, spec(1), &check.path)
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => unreachable!("a check has a limit"),
        }
    }

    /// The sum of all entries.
    fn total(&mut self, value: ValueId, path: &str) -> ValueId {
        let (entries, ring) = (self.entries_of(value), i32::from(self.program.value(value).ring));
        let row = Shape::from_slice(&[entries]);
        let spec = |shape, magnitude| Spec { kind: Kind::Share, shape, ring, fraction: 0, magnitude };
        let mut at = value;
        if self.program.value(value).shape != row {
            at = self.push(Gate::View { source: value, view: View::Reshape }, spec(&row, 1), path);
        }
        if entries > 1 {
            let one = Shape::from_slice(&[1]);
            at = self.push(Gate::SumRow { source: at }, spec(&one, ring - 2), path);
        }
        at
    }
}

/// Ring in which the verdict, 0 or 1, is revealed.
const VERDICT_RING: i32 = 6;

/// A limit in units of 2^dropped, moved inward by as much as dithering can move a number.
fn inward(limit: i64, dropped: i32, up: bool) -> i64 {
    if dropped == 0 {
        return limit;
    }
    let unit = 1i64 << dropped;
    if up { limit.div_euclid(unit) + 3 } else { limit.div_euclid(unit) - 2 }
}
