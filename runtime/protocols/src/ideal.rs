//! The ideal functionality: a share program evaluated on plain integers, with the coins of a two-party run.
//!
//! Nothing here is shared or sent. Every gate has its meaning on true integers, and where a protocol's rounding depends
//! on a mask, the mask is drawn from the two parties' seeds as they would draw it. Given the same seeds the result of a
//! two-party run equals this one bit for bit, so it is the oracle for protocol tests, and the way to simulate accuracy
//! and to report how much of each value's range is used.

mod arithmetic;
mod buckets;
mod coins;
pub mod correlations;
mod gates;
mod tables;

use mpcc_program::program::{Gate, Kind, Program, ValueId};
use mpcc_program::verify::{Violation, verify};

pub use coins::Coins;
use coins::Mask;

/// What happens when an integer leaves its declared bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The evaluation ends with an error: a two-party run could differ from then on.
    Strict,
    /// The evaluation goes on with true integers; [`headroom`] tells by how much bounds were missed.
    Record,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IdealError {
    /// The program breaks its own rules.
    #[error("the share program is not valid: {}{}", .0[0], more(.0.len()))]
    Program(Vec<Violation>),
    /// A weight or an input that is not there or has another number of entries.
    #[error("{what} {index} has {found} entries; the share program takes {expected}")]
    Length {
        /// `weight` or `input`.
        what: &'static str,
        /// Its index.
        index: usize,
        /// Entries given.
        found: usize,
        /// Entries of its shape.
        expected: usize,
    },
    /// An integer outside its bound, under [`Ranges::Strict`].
    #[error(transparent)]
    Range(#[from] RangeError),
}

fn more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

/// An integer outside the range that its value declares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "%{} ({path}): entry {entry} has size {magnitude}, not below {limit}; widen the declared range or calibrate again",
    .value.0
)]
pub struct RangeError {
    /// The value.
    pub value: ValueId,
    /// Where it comes from in the source.
    pub path: String,
    /// Row-major position of the first entry outside.
    pub entry: usize,
    /// |integer| found.
    pub magnitude: u128,
    /// The size it must stay below: 2^bound, or the end of a row table's domain.
    pub limit: u128,
}

/// How much of its range a value used.
#[derive(Clone, Debug, PartialEq)]
pub struct Headroom {
    /// The value.
    pub value: ValueId,
    /// Largest |integer| found.
    pub magnitude: u128,
    /// Bits between that integer and the declared bound, `bound − log2(magnitude)`; negative if it was exceeded and
    /// infinite if every entry is zero.
    pub bits: f64,
}

/// The result of an evaluation. Holds everything in clear.
pub struct Ideal {
    /// Integers of every value, row-major; the predicate itself, 0 or 1, for bits.
    pub values: Vec<Vec<i64>>,
    /// Integers of every output as the data owner reads them; of the verdict behind them, if the program has one.
    pub outputs: Vec<Vec<i64>>,
    /// Largest |integer| of every value.
    pub magnitudes: Vec<u128>,
}

/// Headroom of every share and wire, tightest first, from [`Ideal::magnitudes`] or their maxima over several results.
pub fn headroom(program: &Program, magnitudes: &[u128]) -> Vec<Headroom> {
    let mut list: Vec<Headroom> = (0u32..)
        .zip(program.values.iter().zip(magnitudes))
        .filter(|(_, (value, _))| value.kind != Kind::Bits)
        .map(|(index, (value, &magnitude))| Headroom {
            value: ValueId(index),
            magnitude,
            bits: f64::from(value.bound) - (magnitude as f64).log2(),
        })
        .collect();
    list.sort_by(|a, b| a.bits.total_cmp(&b.bits));
    list
}

/// Evaluates `program` on encoded integers, row-major: `weights[w]` of the shape of weight `w`, `inputs[i]` likewise.
///
/// # Errors
/// [`IdealError::Program`] if the program does not verify, [`IdealError::Length`] for missing or mis-shaped data and,
/// under [`Ranges::Strict`], [`IdealError::Range`] at the first value that leaves its bound.
pub fn evaluate(
    program: &Program,
    weights: &[Vec<i64>],
    inputs: &[Vec<i64>],
    coins: &Coins,
    ranges: Ranges,
) -> Result<Ideal, IdealError> {
    verify(program).map_err(IdealError::Program)?;
    lengths("weight", program.weights.iter().map(|w| &w.shape[..]), weights)?;
    lengths("input", program.inputs.iter().map(|i| &i.shape[..]), inputs)?;
    let last_read = last_reads(program);
    let mut state = State { program, weights, inputs, coins, ranges, values: Vec::new(), masks: Vec::new() };
    let mut outputs = vec![Vec::new(); program.revealed()];
    let mut magnitudes = Vec::with_capacity(program.values.len());
    for (index, value) in program.values.iter().enumerate() {
        let id = ValueId(index as u32);
        let (integers, mask) = gates::evaluate(&state, id)?;
        let magnitude = integers.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0);
        if value.kind != Kind::Bits {
            state.within(id, &integers, 1 << value.bound)?;
        }
        magnitudes.push(magnitude);
        // Beyond 64 bits, which only `Record` gets to, no ring could hold the integer either.
        let integers: Vec<i64> = integers.into_iter().map(|x| x as i64).collect();
        if let Gate::Reveal { output, .. } = value.gate {
            outputs[output as usize] = integers.clone();
        }
        state.values.push(integers);
        state.masks.push(mask.filter(|_| last_read[index] > index));
        for operand in value.gate.operands() {
            if last_read[operand.0 as usize] == index {
                state.masks[operand.0 as usize] = None;
            }
        }
    }
    Ok(Ideal { values: state.values, outputs, magnitudes })
}

fn lengths<'s>(
    what: &'static str,
    shapes: impl ExactSizeIterator<Item = &'s [usize]>,
    data: &[Vec<i64>],
) -> Result<(), IdealError> {
    let count = shapes.len();
    for (index, shape) in shapes.enumerate() {
        let (found, expected) = (data.get(index).map_or(0, Vec::len), shape.iter().product());
        if found != expected {
            return Err(IdealError::Length { what, index, found, expected });
        }
    }
    match data.get(count) {
        Some(extra) => Err(IdealError::Length { what, index: count, found: extra.len(), expected: 0 }),
        None => Ok(()),
    }
}

/// Index of the last value that reads each value; 0 if none does.
fn last_reads(program: &Program) -> Vec<usize> {
    let mut last = vec![0; program.values.len()];
    for (index, value) in program.values.iter().enumerate() {
        for operand in value.gate.operands() {
            last[operand.0 as usize] = index;
        }
    }
    last
}

/// What is known while values are computed in order.
struct State<'a> {
    program: &'a Program,
    weights: &'a [Vec<i64>],
    inputs: &'a [Vec<i64>],
    coins: &'a Coins,
    ranges: Ranges,
    values: Vec<Vec<i64>>,
    /// Mask shares of wires that are still read.
    masks: Vec<Option<Mask>>,
}

impl State<'_> {
    fn integers(&self, id: ValueId) -> &[i64] {
        &self.values[id.0 as usize]
    }

    fn shape(&self, id: ValueId) -> &[usize] {
        &self.program.value(id).shape
    }

    fn mask(&self, id: ValueId) -> &Mask {
        self.masks[id.0 as usize]
            .as_ref()
            .expect("a verified operand is a wire and its mask is kept until the last read")
    }

    /// Refuses entries of size `limit` or more under [`Ranges::Strict`].
    fn within(&self, value: ValueId, integers: &[i128], limit: u128) -> Result<(), RangeError> {
        let outside = integers.iter().position(|x| x.unsigned_abs() >= limit);
        match (self.ranges, outside) {
            (Ranges::Strict, Some(entry)) => Err(RangeError {
                value,
                path: self.program.value(value).path.clone(),
                entry,
                magnitude: integers[entry].unsigned_abs(),
                limit,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
