//! Checks a share program by recomputing every derived fact; the runtime executes nothing that fails here.
//!
//! The checklist, by [`Rule`]: operands come earlier and every weight, input and output is used (`Reference`); each gate
//! gets the kinds it needs (`Kind`), its shape follows (`Shape`), fractions agree after shifts and add up in products
//! (`Fraction`), no ring is wider than what its operands determine (`Ring`), every wire fits its ring with its sign,
//! a share fits where it is opened, and every extension has its spare bit (`Bound`), digits and tables are within their limits (`Parameter`), and each value
//! stands one hop after its operands if its gate communicates (`Level`). Bounds themselves may be declared, so they are
//! held against the rings and not recomputed.

mod gates;

use std::collections::BTreeSet;

use crate::program::{Gate, Kind, Program, ValueId};

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
/// Every violation found, in the order of the values and then of the program as a whole. A value with a broken
/// reference is not examined further.
pub fn verify(program: &Program) -> Result<(), Vec<Violation>> {
    let mut violations = Vec::new();
    for index in 0..program.values.len() {
        let mut check = Check::new(program, Some(index), &mut violations);
        if check.references() && check.size() {
            gates::check(&mut check);
            check.level();
        }
    }
    whole(&mut Check::new(program, None, &mut violations));
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// Whether a shape has at most 2^32 entries, so that no size computed from it overflows.
fn entries(shape: &[usize]) -> bool {
    let count = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    count.is_some_and(|n| u32::try_from(n.saturating_sub(1)).is_ok())
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
        if !holds {
            let value = self.index.and_then(|i| self.program.values.get(i));
            self.violations.push(Violation {
                value: self.index.map(|i| ValueId(i as u32)),
                path: value.map(|v| v.path.clone()).unwrap_or_default(),
                rule,
                message: message(),
            });
        }
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

    /// Ring width and bound of the value itself, and extents above zero. Gates multiply extents, so they are not
    /// examined if the value or an operand is too large.
    fn size(&mut self) -> bool {
        let Some(value) = self.index.map(|i| &self.program.values[i]) else {
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
        self.require(Rule::Shape, value.shape.iter().all(|&n| n > 0), || {
            format!("shape {:?} has an extent of zero", value.shape.as_slice())
        });
        self.require(Rule::Shape, entries(&value.shape), || {
            format!("shape {:?} has more than 2^32 entries", value.shape.as_slice())
        });
        self.require(Rule::Shape, value.shape.len() <= 4, || {
            format!("shape {:?} has more than 4 axes", value.shape.as_slice())
        });
        let operands = value.gate.operands();
        entries(&value.shape) && operands.iter().all(|o| entries(&self.program.value(*o).shape))
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
