//! Checks a share program by recomputing every derived fact; the runtime executes nothing that fails here.
//!
//! The checklist, by [`Rule`]: operands come earlier and every weight, input and output is used (`Reference`); each gate
//! gets the kinds it needs (`Kind`), its shape follows (`Shape`), fractions agree after shifts and add up in products
//! (`Fraction`), no ring is wider than what its operands determine (`Ring`), every wire fits its ring with its sign,
//! a share fits where it is opened, and every extension has its spare bit (`Bound`), digits and tables are within their limits (`Parameter`), each value
//! stands one hop after its operands if its gate communicates (`Level`), who supplies correlated randomness can make it (`Supplier`), and nothing asks for more than a role should
//! ever give (`Budget`). Bounds themselves may be declared, so they are held against the rings and not recomputed.

mod buckets;
mod budget;
mod gates;

use std::collections::BTreeSet;

use crate::correlation::{Item, material};
use crate::program::{Gate, Kind, Program, ValueId};

pub use budget::{MOST_ENTRIES, MOST_INTERFACES, MOST_VALUES, MOST_WEIGHTS};

/// Violations that are collected; more of them say nothing new.
const MOST_VIOLATIONS: usize = 100;

/// Which part of the checklist is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// An operand, weight, input or output that does not exist, comes too late, is left out or is used twice.
    Reference,
    /// A gate gets or gives a kind of value that it cannot.
    Kind,
    /// Extents do not fit.
    Shape,
    /// Fraction bits do not agree.
    Fraction,
    /// A ring is wider than what the operands determine, or not between 1 and 128 bits.
    Ring,
    /// A value does not fit its ring.
    Bound,
    /// A parameter of a gate is outside its limits.
    Parameter,
    /// A hop is miscounted.
    Level,
    /// The program's supplier of correlated randomness cannot make what a gate needs.
    Supplier,
    /// The program asks for more entries, bytes or work than any model needs.
    Budget,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", place(.value, .path))]
pub struct Violation {
    /// The value at fault; none for the program as a whole.
    pub value: Option<ValueId>,
    /// Where the value comes from in the source.
    pub path: String,
    /// Which rule.
    pub rule: Rule,
    /// What is wrong, with the numbers.
    pub message: String,
}

fn place(value: &Option<ValueId>, path: &str) -> String {
    match value {
        Some(id) if path.is_empty() => format!("%{}", id.0),
        Some(id) => format!("%{} ({path})", id.0),
        None => "program".to_owned(),
    }
}

/// Checks `program` against the list in the module's header.
///
/// # Errors
/// The violations found, in the order of the values and then of the program as a whole, and not more than a hundred. A
/// value that depends on one without references, ring or shape to compute with is not examined.
pub fn verify(program: &Program) -> Result<(), Vec<Violation>> {
    let mut violations = Vec::new();
    if budget::declarations(&mut Check::new(program, None, &mut violations)) {
        values(program, &mut violations);
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

fn values(program: &Program, violations: &mut Vec<Violation>) {
    let mut usable = vec![false; program.values.len()];
    let mut spent = budget::Spent::default();
    for index in 0..program.values.len() {
        let before = violations.len();
        let mut check = Check::new(program, Some(index), violations);
        if !spent.operands(&mut check, ValueId(index as u32)) {
            return;
        }
        let sound = check.references() && check.size();
        usable[index] = sound && program.values[index].gate.operands().iter().all(|o| usable[o.0 as usize]);
        if usable[index] {
            gates::check(&mut check);
            buckets::check(&mut check);
            check.level();
            if check.violations.len() == before {
                check.supplied();
            }
        }
        if usable[index] && check.violations.len() == before {
            spent.add(&mut check, ValueId(index as u32));
        }
        if check.is_full() || violations.last().is_some_and(|v| v.rule == Rule::Budget) {
            return;
        }
    }
    let mut check = Check::new(program, None, violations);
    whole(&mut check);
    if check.violations.is_empty() {
        budget::live(&mut check);
    }
}

/// The value under examination and where its violations go.
struct Check<'a> {
    program: &'a Program,
    index: Option<usize>,
    violations: &'a mut Vec<Violation>,
}

impl<'a> Check<'a> {
    fn new(program: &'a Program, index: Option<usize>, violations: &'a mut Vec<Violation>) -> Self {
        Check { program, index, violations }
    }

    fn require(&mut self, rule: Rule, holds: bool, message: impl FnOnce() -> String) {
        if !holds && !self.is_full() {
            let value = self.index.and_then(|i| self.program.values.get(i));
            self.violations.push(Violation {
                value: self.index.map(|i| ValueId(i as u32)),
                path: value.map(|v| v.path.clone()).unwrap_or_default(),
                rule,
                message: message(),
            });
        }
    }

    /// Whether no more violations are collected.
    fn is_full(&self) -> bool {
        self.violations.len() >= MOST_VIOLATIONS
    }

    /// Extents above zero, four of them at most, and no more entries than can be computed with.
    fn shape(&mut self, what: &str, shape: &[usize]) {
        let axes = shape.len();
        self.require(Rule::Shape, axes <= 4, || format!("a shape of {axes} axes at the {what}; at most 4"));
        let shown = &shape[..axes.min(4)];
        self.require(Rule::Shape, shown.iter().all(|&n| n > 0), || {
            format!("shape {shown:?} of the {what} has an extent of zero")
        });
        self.require(Rule::Shape, axes > 4 || budget::countable(shape), || {
            format!("shape {shown:?} of the {what} has more than {MOST_ENTRIES} entries")
        });
    }

    /// Whether everything the value refers to exists and is known before it.
    fn references(&mut self) -> bool {
        let (Some(index), before) = (self.index, self.violations.len()) else {
            return false;
        };
        let gate = &self.program.values[index].gate;
        for operand in gate.operands() {
            self.require(Rule::Reference, (operand.0 as usize) < index, || {
                format!("operand %{} does not come earlier", operand.0)
            });
        }
        let (weights, inputs, outputs) =
            (self.program.weights.len(), self.program.inputs.len(), self.program.revealed());
        let (what, number, count) = match gate {
            Gate::ServerShare { weight }
            | Gate::AddServer { weight, .. }
            | Gate::MatMulServer { weight, .. }
            | Gate::MulServer { weight, .. } => ("weight", weight.0, weights),
            Gate::Input { input } | Gate::ClientShare { input } => ("input", *input, inputs),
            Gate::Reveal { output, .. } => ("output", *output, outputs),
            _ => ("", 0, 1),
        };
        self.require(Rule::Reference, (number as usize) < count, || {
            format!("{what} {number} does not exist; there are {count}")
        });
        for operand in gate.operands().iter().filter(|o| (o.0 as usize) < index) {
            let revealed = matches!(self.program.value(*operand).gate, Gate::Reveal { .. });
            self.require(Rule::Reference, !revealed, || {
                format!("operand %{} is revealed to the data owner and cannot be computed with", operand.0)
            });
        }
        self.violations.len() == before
    }

    /// Ring width, bound and shape of the value itself. Gates compute with them, so they are not examined otherwise.
    fn size(&mut self) -> bool {
        let (Some(value), before) = (self.index.map(|i| &self.program.values[i]), self.violations.len()) else {
            return false;
        };
        let (ring, bound) = (value.ring, value.bound);
        self.require(Rule::Ring, (1..=128).contains(&ring), || format!("ring of {ring} bits; rings have 1 to 128"));
        self.require(Rule::Bound, value.kind != Kind::Wire || bound < ring, || {
            format!("values below 2^{bound} in size do not fit a ring of {ring} bits with their sign")
        });
        self.require(Rule::Bound, value.kind == Kind::Bits || bound < 64, || {
            format!("values below 2^{bound} in size do not fit a word with their sign")
        });
        self.shape("value", &value.shape);
        self.violations.len() == before
    }

    fn supplied(&mut self) {
        let Some(index) = self.index else { return };
        let missing = |item: &Item| !item.made_by(self.program.supplier);
        let missing = material(self.program, ValueId(index as u32)).into_iter().find(missing);
        self.require(Rule::Supplier, missing.is_none(), || {
            "two parties alone cannot make what the gate needs; it takes a dealer".to_owned()
        });
    }

    fn level(&mut self) {
        let Some(value) = self.index.map(|i| &self.program.values[i]) else {
            return;
        };
        let operands = value.gate.operands();
        let known = operands.iter().map(|&o| u32::from(self.program.value(o).level)).max().unwrap_or(0);
        let want = known + u32::from(value.gate.takes_a_hop());
        self.require(Rule::Level, u32::from(value.level) == want, || {
            format!("level {} but its operands put it at {want}", value.level)
        });
    }
}

/// Rules of the program as a whole: hops, and use of weights, inputs and outputs.
fn whole(check: &mut Check<'_>) {
    let program = check.program;
    let last = program.values.iter().map(|v| v.level).max().unwrap_or(0);
    check.require(Rule::Level, program.hops == last, || {
        format!("{} hops declared but the last value stands at level {last}", program.hops)
    });
    let mut used_weights = BTreeSet::new();
    let mut used_inputs = BTreeSet::new();
    let mut revealed = vec![0usize; program.revealed()];
    for value in &program.values {
        match value.gate {
            Gate::ServerShare { weight }
            | Gate::AddServer { weight, .. }
            | Gate::MatMulServer { weight, .. }
            | Gate::MulServer { weight, .. } => {
                used_weights.insert(weight.0 as usize);
            }
            Gate::Input { input } | Gate::ClientShare { input } => {
                used_inputs.insert(input as usize);
            }
            Gate::Reveal { output, .. } => {
                if let Some(count) = revealed.get_mut(output as usize) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    for (index, weight) in program.weights.iter().enumerate() {
        check.require(Rule::Reference, used_weights.contains(&index), || {
            format!("weight {index} ({}) is never used", weight.path)
        });
        check.require(Rule::Bound, weight.bound <= 63, || {
            format!("weight {index} ({}) has bound 2^{}; encodings have at most 63 bits", weight.path, weight.bound)
        });
    }
    for (index, input) in program.inputs.iter().enumerate() {
        check.require(Rule::Reference, used_inputs.contains(&index), || {
            format!("input {index} ({}) is never used", input.path)
        });
    }
    for (index, count) in revealed.iter().enumerate() {
        check.require(Rule::Reference, *count == 1, || {
            let name = program.outputs.get(index).map_or("verdict", |output| &output.name);
            format!("output {index} ({name}) is revealed {count} times; once is right")
        });
    }
}

#[cfg(test)]
mod tests;
