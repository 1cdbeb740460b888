//! What a program may ask of the roles at most.
//!
//! A few bytes can describe any amount of work, so everything that a reader of a program does with it (lowering it,
//! pricing it, making its buffers) is bounded here before it begins. The limits are many times what the largest
//! networks need that can be run this way.

use super::{Check, Rule};
use crate::code::RowTable;
use crate::correlation::material;
use crate::cost;
use crate::program::{Gate, Kind, Program, ValueId, View};

/// Entries of a value, weight, input or output.
pub const MOST_ENTRIES: usize = 1 << 28;
/// Values of a program.
pub const MOST_VALUES: usize = 1 << 16;
/// Weights of a program.
pub const MOST_WEIGHTS: usize = 1 << 16;
/// Inputs, and outputs, of a program.
pub const MOST_INTERFACES: usize = 1 << 10;
/// Terms of a sum.
pub(super) const MOST_TERMS: usize = 1 << 12;
/// Public offsets of a comparison.
pub(super) const MOST_OFFSETS: usize = 64;
/// Frequencies of a series.
pub(super) const MOST_FREQUENCIES: usize = 128;
/// Operands of all gates, and positions of all gathers.
const MOST_OPERANDS: usize = 1 << 18;
/// Words that a party holds at a time, wires twice: value and mask.
const MOST_LIVE_WORDS: u64 = 1 << 29;
/// Entries of all weights.
const MOST_WEIGHT_ENTRIES: u64 = 1 << 31;
/// Bytes dealt, and bytes sent, for one inference.
const MOST_BYTES: u64 = 1 << 40;
/// Multiply-accumulates of one inference.
const MOST_PRODUCTS: u64 = 1 << 46;

/// Whether a shape has at most [`MOST_ENTRIES`] entries, so that no size computed from it overflows.
pub(super) fn countable(shape: &[usize]) -> bool {
    let count = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    count.is_some_and(|n| n <= MOST_ENTRIES)
}

/// Whether the lists are short enough to go through, and what they declare small enough to compute with.
pub(super) fn declarations(check: &mut Check<'_>) -> bool {
    let before = check.violations.len();
    let program = check.program;
    for (what, count, most) in [
        ("values", program.values.len(), MOST_VALUES),
        ("weights", program.weights.len(), MOST_WEIGHTS),
        ("inputs", program.inputs.len(), MOST_INTERFACES),
        ("outputs", program.outputs.len(), MOST_INTERFACES),
    ] {
        check.require(Rule::Budget, count <= most, || format!("{count} {what}; at most {most}"));
    }
    if check.violations.len() > before {
        return false;
    }
    let shapes = (program.weights.iter().map(|w| ("weight", &w.shape)))
        .chain(program.inputs.iter().map(|i| ("input", &i.shape)))
        .chain(program.outputs.iter().map(|o| ("output", &o.shape)));
    for (what, shape) in shapes {
        check.shape(what, shape);
        if check.is_full() {
            break;
        }
    }
    if check.violations.len() == before {
        let entries = |shape: &[usize]| shape.iter().product::<usize>() as u64;
        let total: u64 = program.weights.iter().map(|w| entries(&w.shape)).sum();
        check.require(Rule::Budget, total <= MOST_WEIGHT_ENTRIES, || {
            format!("weights of {total} entries; at most {MOST_WEIGHT_ENTRIES}")
        });
    }
    check.violations.len() == before
}

/// What the values up to one ask for.
#[derive(Default)]
pub(super) struct Spent {
    operands: usize,
    online: u64,
    dealt: u64,
    products: u64,
}

impl Spent {
    /// Adds what a gate lists, before anybody goes through it. Whether that is within the limit.
    pub(super) fn operands(&mut self, check: &mut Check<'_>, id: ValueId) -> bool {
        let listed = match &check.program.value(id).gate {
            Gate::View { view: View::Gather { index, .. }, .. } => index.len(),
            Gate::Add { terms } | Gate::Concat { parts: terms, .. } => terms.len(),
            Gate::OpenSign { signs, .. } => signs.len(),
            Gate::CoarseSign { offsets, .. } => offsets.len(),
            Gate::SignDigits { digits, .. } | Gate::ZeroDigits { digits, .. } => digits.len(),
            _ => 2,
        };
        self.operands = self.operands.saturating_add(listed);
        let few = self.operands <= MOST_OPERANDS;
        check.require(Rule::Budget, few, || {
            format!("the gates up to this one have {} operands and positions; at most {MOST_OPERANDS}", self.operands)
        });
        few
    }

    /// Adds a value that keeps all other rules; says if a limit is exceeded with it.
    pub(super) fn add(&mut self, check: &mut Check<'_>, id: ValueId) {
        let cost = cost::gate(check.program, id, &material(check.program, id));
        self.online = self.online.saturating_add(cost.online.model_owner).saturating_add(cost.online.data_owner);
        self.dealt = self.dealt.saturating_add(cost.dealt.model_owner).saturating_add(cost.dealt.data_owner);
        self.products = self.products.saturating_add(cost.macs[0]).saturating_add(cost.macs[1]);
        for (what, bytes) in [("send", self.online), ("are dealt", self.dealt)] {
            check.require(Rule::Budget, bytes <= MOST_BYTES, || {
                format!("the gates up to this one {what} {bytes} bytes; at most {MOST_BYTES}")
            });
        }
        check.require(Rule::Budget, self.products <= MOST_PRODUCTS, || {
            format!("the gates up to this one multiply {} times; at most {MOST_PRODUCTS}", self.products)
        });
    }
}

/// The most words that a party holds at a time if it drops what no later value reads.
pub(super) fn live(check: &mut Check<'_>) {
    let program = check.program;
    let mut last: Vec<usize> = (0..program.values.len()).collect();
    for (index, value) in program.values.iter().enumerate() {
        value.gate.operands().iter().for_each(|o| last[o.0 as usize] = index);
    }
    let mut ending: Vec<Vec<usize>> = vec![Vec::new(); program.values.len()];
    last.iter().enumerate().for_each(|(index, end)| ending[*end].push(index));
    let (mut held, mut most) = (0u64, (0u64, 0));
    for (index, ending) in ending.iter().enumerate() {
        held += words(program, index);
        most = most.max((held.saturating_add(passing(program, index)), index));
        held -= ending.iter().map(|dead| words(program, *dead)).sum::<u64>();
    }
    check.index = Some(most.1).filter(|_| most.0 > 0);
    check.require(Rule::Budget, most.0 <= MOST_LIVE_WORDS, || {
        format!("a party holds {} words here; at most {MOST_LIVE_WORDS}", most.0)
    });
    check.index = None;
}

fn words(program: &Program, index: usize) -> u64 {
    let value = &program.values[index];
    let copies = if value.kind == Kind::Wire { 2 } else { 1 };
    let lane = crate::code::Lane::of(value.ring).words() as u64;
    value.shape.iter().product::<usize>() as u64 * lane * copies
}

/// Words that a party holds for a gate alone.
fn passing(program: &Program, index: usize) -> u64 {
    let value = &program.values[index];
    let Gate::RowOffer { offer, .. } = value.gate else { return 0 };
    let lane = crate::code::Lane::of(value.ring).words();
    let pads = 2 * offer.lists() * offer.buckets();
    let row = offer.entries() * RowTable::POWERS * lane + 2 * offer.labelled() + pads;
    value.shape.iter().product::<usize>() as u64 * row as u64
}

#[cfg(test)]
mod tests;
