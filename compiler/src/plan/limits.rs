//! What the run checks, in units of shares and wires: arguments of row functions, and entries with a declared range.

use std::collections::BTreeMap;

use mpcc_program::code::RowFunction;

use super::PlanError;
use super::bits::{COMPARED, bound_bits};
use super::format::{EntryCheck, Form, Format, Limits};
use super::formats::Assign;
use super::levels::Levels;
use crate::graph::{NodeId, Op, Visibility};
use crate::ranges::{Basis, Checked};

/// Bits of a ring beside those of a number that is compared after another was added.
pub(crate) const HEADROOM: i32 = 3;
/// Least units of an argument that a table is made for.
const LEAST_UNITS: f64 = 8.0;

impl EntryCheck {
    /// Of a value of a format.
    fn new(format: &Format, checked: &Checked) -> Self {
        let fraction = format.share.min(COMPARED - HEADROOM - format.magnitude);
        let unit = libm::exp2(f64::from(fraction));
        // Dithering moves a number by up to two units.
        let limits = Limits {
            low: checked.below.then(|| libm::ceil(checked.low * unit) as i64 + 2),
            high: checked.above.then(|| libm::floor(checked.high * unit) as i64 - 1),
            signed: true,
            ..Limits::default()
        };
        Self { ring: bound_bits(fraction, format.magnitude) + HEADROOM, fraction, limits }
    }
}

impl Assign<'_> {
    /// The values whose entries the run checks.
    pub(super) fn entry_checks(&mut self) -> BTreeMap<NodeId, EntryCheck> {
        let mut checks = BTreeMap::new();
        if self.options.basis != Basis::Guarded {
            return checks;
        }
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let id = NodeId(index as u32);
            let Some(checked) = self.ranges.of(id).checked.filter(|_| node.ty.visibility == Visibility::Shared) else {
                continue;
            };
            match self.of(id).form {
                // The exponentials' arguments are checked in place of the maximum.
                Form::Shift(_) => {}
                Form::Derived => self.unsupported(id, "a declared range of a centred row"),
                _ => {
                    checks.insert(id, EntryCheck::new(self.of(id), &checked));
                }
            }
        }
        checks
    }

    /// The range of a function's argument by the basis.
    pub(super) fn covered(&mut self, id: NodeId) -> Option<Checked> {
        let found = match self.options.basis {
            Basis::Guarded => self.ranges.of(id).argument,
            _ => self.proved_argument(id),
        };
        if found.is_none() {
            let path = self.graph.node(id).path.clone();
            self.errors.push(PlanError::NoRange { node: id, path });
        }
        found
    }

    /// The range of a function's argument by proofs alone.
    fn proved_argument(&self, id: NodeId) -> Option<Checked> {
        let within =
            |(low, high): (f64, f64)| Checked { low, high, most: high, below: false, above: false, zero: false };
        match self.graph.node(id).op {
            Op::Recip(x) | Op::Rsqrt(x) | Op::Sqrt(x) => self.ranges.of(x).proved.map(within),
            // Below a thousandth of eps the deviation is that of a constant row.
            Op::InvStd { eps, .. } => {
                let (least, _) = self.ranges.of(id).proved?;
                Some(within((eps * 1e-3, 1.0 / (least * least) - eps)))
            }
            _ => None,
        }
    }

    /// The levels that cover what may pass the checks.
    pub(super) fn checked_function(
        &mut self,
        id: NodeId,
        argument: NodeId,
        covered: Option<Checked>,
        function: RowFunction,
    ) -> Form {
        let Some(covered) = covered else {
            return self.row_function(id, argument, (LEAST_UNITS, LEAST_UNITS), function, Limits::default());
        };
        let (low, high) = (covered.low, covered.high);
        // A number of fewer units has no significant bit left.
        let low = low.max(LEAST_UNITS).min(high);
        let whole = |v: f64| v.min(4e18) as i64;
        let limits = Limits {
            held: libm::ceil(libm::log2(covered.most.max(1.0) * 1.01)) as i32 + HEADROOM,
            low: covered.below.then(|| whole(libm::ceil(low))),
            high: covered.above.then(|| whole(libm::floor(high))),
            end: whole(libm::ceil(high)),
            zero: covered.zero,
            signed: false,
        };
        self.levelled(id, argument, (Levels::covering(low, high), (low, high)), function, limits)
    }
}
