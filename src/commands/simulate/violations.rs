//! Values outside the ranges that a program relies on, in the model's own numbers.
//!
//! A check of the run shows in the program as a term of the sum whose sign is the verdict; the wire behind it holds the numbers
//! that were compared. What leaves its bound without a check is found by its size.

use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::evaluate::centre_factor;
use mpcc_compiler::graph::{NodeId, Op};
use mpcc_program::program::{Gate, Kind, Program, ValueId};
use mpcc_protocols::ideal::Ideal;
use serde::Serialize;

/// A value that was out of range for one input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Violation {
    /// Where it comes from in the source.
    pub(crate) path: String,
    /// What it is.
    pub(crate) what: &'static str,
    /// Entries out of range.
    pub(crate) entries: usize,
    /// Of so many.
    pub(crate) of: usize,
    /// Least and greatest entry.
    pub(crate) found: (f64, f64),
    /// What the program checks it against, or relies on; an end that is not checked is left out.
    pub(crate) low: Option<f64>,
    /// As `low`.
    pub(crate) high: Option<f64>,
    /// Whether the run notices.
    pub(crate) checked: bool,
}

impl Violation {
    /// One line for people.
    pub(crate) fn text(&self) -> String {
        let end = |v: Option<f64>| v.map_or("…".to_owned(), |v| format!("{v:.6}"));
        let (low, high) = self.found;
        format!(
            "{} of {}: {} of {} outside [{}, {}], from {low:.6} to {high:.6}{}",
            self.what,
            self.path,
            self.entries,
            self.of,
            end(self.low),
            end(self.high),
            if self.checked { "" } else { "; NOT checked in the run" }
        )
    }
}

/// Everything out of range in an evaluation: what the run's checks find, then what none of them finds.
pub(crate) fn find(artefact: &Artefact, ideal: &Ideal) -> Vec<Violation> {
    let program = &artefact.program;
    let mut found: Vec<Violation> = checks(program)
        .into_iter()
        .filter_map(|check| {
            let entries = ideal.values[check.sum.0 as usize].iter().map(|n| n.unsigned_abs() as usize).sum::<usize>();
            (entries > 0).then(|| checked(artefact, ideal, &check, entries))
        })
        .collect();
    if found.is_empty() {
        found.extend(unchecked(program, ideal));
    }
    found
}

/// A check of the run.
struct Check {
    /// How many entries are out of range.
    sum: ValueId,
    /// The wire that holds the entries.
    wire: ValueId,
    /// Limits in the wire's units.
    low: Option<i64>,
    high: Option<i64>,
}

/// The checks of a program, in the order in which they are added up.
fn checks(program: &Program) -> Vec<Check> {
    let reveals = program.values.iter().rev().filter_map(|v| match v.gate {
        Gate::Reveal { source, output, .. } if output as usize == program.outputs.len() => Some(source),
        _ => None,
    });
    let gate = |id: ValueId| &program.value(id).gate;
    let Some(Gate::StepShared { source, .. }) = reveals.take(1).next().map(gate) else { return Vec::new() };
    let Gate::Open { source, .. } = gate(*source) else { return Vec::new() };
    let Gate::Add { terms } = gate(*source) else { return Vec::new() };
    terms.iter().filter_map(|term| check(program, term.value)).collect()
}

/// The comparisons behind a sum of violations.
fn check(program: &Program, sum: ValueId) -> Option<Check> {
    let mut comparisons: Vec<(ValueId, i64)> = Vec::new();
    let mut behind = vec![sum];
    let mut upper = true;
    while let Some(id) = behind.pop() {
        match &program.value(id).gate {
            Gate::SignDigits { source, offset, .. } => comparisons.push((*source, -offset)),
            Gate::StepShared { source, offsets } => comparisons.push((*source, -*offsets.first()?)),
            gate => {
                // Where a limit stands alone, these tell that it is the lower one.
                upper &= !matches!(gate, Gate::OpenSign { negate: false, .. } | Gate::MulPublic { factor: -1, .. });
                behind.extend(gate.operands());
            }
        }
    }
    let mut wire = sum;
    let mut limits: Vec<i64> = Vec::with_capacity(comparisons.len());
    for (source, limit) in comparisons {
        let dropped = match program.value(source).gate {
            Gate::Reduce { source, truncate } => {
                wire = source;
                truncate
            }
            _ => {
                wire = source;
                0
            }
        };
        limits.push(limit << dropped);
    }
    limits.sort_unstable();
    // The comparison with 1 says that zero is right.
    if limits.len() > 1 && limits[0] == 1 {
        limits.remove(0);
    }
    let (low, high) = match limits[..] {
        [only] if upper => (None, Some(only)),
        [only] => (Some(only), None),
        _ => (Some(*limits.first()?), Some(*limits.last()?)),
    };
    Some(Check { sum, wire, low, high })
}

fn checked(artefact: &Artefact, ideal: &Ideal, check: &Check, entries: usize) -> Violation {
    let value = artefact.program.value(check.wire);
    let (what, factor) = meaning(artefact, &value.path, value.shape.iter().product());
    let unit = (-f64::from(value.fraction)).exp2() * factor;
    let numbers = ideal.values[check.wire.0 as usize].iter().map(|n| *n as f64 * unit);
    let range = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let real = |limit: Option<i64>| limit.map(|n| n as f64 * unit);
    let (low, high) = (real(check.low), real(check.high));
    Violation {
        path: value.path.clone(),
        what,
        entries,
        of: value.shape.iter().product(),
        found: range,
        low,
        high,
        checked: true,
    }
}

/// What the number of a row is called, and by what its wire is multiplied to be it.
fn meaning(artefact: &Artefact, path: &str, rows: usize) -> (&'static str, f64) {
    let graph = &artefact.graph;
    let here = (0u32..).zip(&graph.nodes).filter(|(_, node)| node.path == path);
    for (index, node) in here {
        let fits = node.ty.shape.iter().product::<usize>() == rows;
        match node.op {
            Op::InvStd { x, .. } if fits => {
                let d = graph.node(x).ty.shape.last().copied().unwrap_or(1);
                let kappa = centre_factor(d);
                return ("the row variance", 1.0 / (kappa * kappa * d as f64));
            }
            Op::Recip(_) if fits => return ("the divisor", 1.0),
            Op::Rsqrt(_) | Op::Sqrt(_) if fits => return ("the argument of the root", 1.0),
            Op::Smooth(..) if fits && NodeId(index).0 > 0 => return ("the argument of the exponential", 1.0),
            _ => {}
        }
    }
    ("the value", 1.0)
}

/// Values that left their bounds without a check: the first of each path.
fn unchecked(program: &Program, ideal: &Ideal) -> Vec<Violation> {
    let mut found: Vec<Violation> = Vec::new();
    for (index, value) in program.values.iter().enumerate() {
        let limit = 1u128 << value.bound;
        if value.kind == Kind::Bits || ideal.magnitudes[index] < limit || found.iter().any(|v| v.path == value.path) {
            continue;
        }
        let unit = (-f64::from(value.fraction)).exp2();
        let numbers = &ideal.values[index];
        let ends = numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), n| {
            (low.min(*n as f64 * unit), high.max(*n as f64 * unit))
        });
        found.push(Violation {
            path: value.path.clone(),
            what: "the value",
            entries: numbers.iter().filter(|n| u128::from(n.unsigned_abs()) >= limit).count(),
            of: numbers.len(),
            found: ends,
            low: Some(-(limit as f64) * unit),
            high: Some(limit as f64 * unit),
            checked: false,
        });
    }
    found
}
