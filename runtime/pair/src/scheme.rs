//! The ways in which a task's products are made, and what each takes. All are functions of the task and public rates.

use mpcc_lattice::{
    Cost, Flood, MOST_STEPS, Parameters, SlotModulus, Slots, TileLayout, TileShape, Tiles, Work, slot_cost,
};
use mpcc_program::code::Owner;
use mpcc_program::correlation::Pairing;
use mpcc_program::making::{Factor, Job, Task};
use mpcc_transfer::{Field, Request};

use crate::PairError;
use crate::choice::KeyUse;
use crate::lists::terms;
use crate::numbers::{digit_bits, size};
use crate::rates::Rates;
use crate::schemes::OWNERS;
use crate::spread::Spread;
use crate::tasks::{other, requests};

/// A task does not say whether an operand is a weight, so every answer hides its numbers as weights are hidden.
pub(crate) const FLOOD: Flood = Flood::WEIGHTS;

/// Most digits that the evaluator's numbers are split into.
const MOST_PARTS: u32 = 4;

/// How one task is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// By oblivious transfers, a bit of one factor after the other.
    Transfers,
    /// One party encrypts its matrix, the other one multiplies.
    Tiles(TileScheme),
    /// One party encrypts its numbers slot by slot, the other one multiplies, and a transfer a result makes shares modulo a power of
    /// two of those modulo an odd number. Takes a third hop.
    Slots(SlotScheme),
}

/// Products of matrices under encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileScheme {
    /// Who encrypts.
    pub encrypts: Owner,
    /// In which ring.
    pub parameters: Parameters,
    /// How matrices lie in polynomials.
    pub layout: TileLayout,
    /// Digits that the other party's numbers are split into.
    pub parts: u32,
}

/// Products entry by entry under encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotScheme {
    /// Who encrypts.
    pub encrypts: Owner,
    /// In which ring.
    pub parameters: Parameters,
    /// Bits of the odd modulus.
    pub modulus_bits: u32,
}

impl Scheme {
    /// The cheapest of every kind, encrypting party and ring that does a task, rings that are far from the best left out, with the
    /// picoseconds that it takes without keys. Signed numbers are not encrypted if the other party's have no sign.
    pub fn options(task: &Task, field: Field, rates: &Rates) -> Vec<(Scheme, u64)> {
        let mut out = vec![];
        out.extend(Scheme::Transfers.cost(task, field, rates).map(|cost| (Scheme::Transfers, cost)));
        let Job::Products { pairing, .. } = task.job else { return out };
        if pairing.lengths().contains(&0) || task.len == 0 {
            return out;
        }
        for encrypts in OWNERS {
            if Sides::of(task, encrypts).is_some_and(|sides| sides.lasting()) {
                continue;
            }
            out.extend(near_best(|parameters| cheapest_tiles(task, encrypts, parameters, rates)));
            out.extend(near_best(|parameters| slots(task, encrypts, parameters, (field, rates))));
        }
        out
    }

    /// Picoseconds that a task takes by it without keys, or `None` if a session does not give as many transfers or it is not of
    /// the task.
    pub(crate) fn cost(&self, task: &Task, field: Field, rates: &Rates) -> Option<u64> {
        match self {
            Scheme::Transfers => {
                let requests = OWNERS.iter().flat_map(|&receiver| requests(task, receiver));
                rates.transfers(requests.collect(), field)
            }
            Scheme::Tiles(tiles) => {
                let (products, _) = Sides::of(task, tiles.encrypts)?.shape()?;
                Some(tiles.cost(task.bits, products, rates))
            }
            Scheme::Slots(slots) => {
                let wraps = rates.transfers(vec![wrap(task)], field)?;
                Some(slots.cost(task, rates).saturating_add(wraps))
            }
        }
    }

    pub(crate) fn key(&self) -> Option<KeyUse> {
        match self {
            Scheme::Transfers => None,
            Scheme::Tiles(tiles) => Some((tiles.encrypts, tiles.parameters, tiles.layout.steps())),
            Scheme::Slots(slots) => Some((slots.encrypts, slots.parameters, 0)),
        }
    }
}

impl TileScheme {
    fn cost(&self, bits: u8, products: usize, rates: &Rates) -> u64 {
        let cost = times(self.layout.cost(self.parameters, bits.into()), self.parts.into());
        rates.encrypted(self.parameters, &cost).saturating_mul(products as u64)
    }
}

impl SlotScheme {
    /// Picoseconds of uploads, products and answers.
    pub(crate) fn cost(&self, task: &Task, rates: &Rates) -> u64 {
        let Some(sides) = Sides::of(task, self.encrypts) else { return u64::MAX };
        let spread = Spread::new(sides.pairing, self.parameters.degree(), sides.left_encrypted);
        let [uploads, products, answers] = [spread.uploads(), spread.products(), spread.answers()].map(|n| n as u64);
        rates.encrypted(self.parameters, &slot_cost(self.parameters, self.modulus_bits, uploads, products, answers))
    }
}

/// A task's operands from the encrypting party's side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    pub(crate) pairing: Pairing,
    pub(crate) bits: u8,
    /// The left operand is encrypted.
    pub(crate) left_encrypted: bool,
    /// Whose numbers are encrypted, and the other party's.
    pub(crate) encrypted: Factor,
    pub(crate) plain: Factor,
}

impl Sides {
    /// `None` if the task makes no products.
    pub(crate) fn of(task: &Task, encrypts: Owner) -> Option<Sides> {
        let Job::Products { left, pairing, factors: [first, second], .. } = task.job else { return None };
        let left_encrypted = left == encrypts;
        let (encrypted, plain) = if left_encrypted { (first, second) } else { (second, first) };
        Some(Sides { pairing, bits: task.bits, left_encrypted, encrypted, plain })
    }

    /// Products of matrices, of the encrypted one with the other one, and their shape. A right operand that all share makes one.
    pub(crate) fn shape(&self) -> Option<(usize, TileShape)> {
        let Pairing::Matrices { batch, m, k, n, shared_right } = self.pairing else { return None };
        let (products, m) = if shared_right { (1, batch * m) } else { (batch, m) };
        let (rows, columns) = if self.left_encrypted { (m, n) } else { (n, m) };
        Some((products, TileShape { rows, inner: k, columns }))
    }

    /// Whether weights would be encrypted, which have a sign where masks have none. They outlive a session, whose keys may be lost;
    /// so the masks are encrypted.
    fn lasting(&self) -> bool {
        self.encrypted.signed && !self.plain.signed
    }

    /// lg of the size of the other party's numbers.
    pub(crate) fn plain_size(&self) -> u32 {
        size(self.plain, self.bits)
    }
}

/// What there is in rings of the smaller degree, or of the larger one if there is nothing, at most half as dear again as the best:
/// more is not paid for the sake of a key.
fn near_best(of: impl Fn(Parameters) -> Option<(Scheme, u64)>) -> Vec<(Scheme, u64)> {
    let mut out: Vec<(usize, (Scheme, u64))> = vec![];
    let mut best = u64::MAX;
    let near = |cost: u64, best: u64| cost <= best.saturating_add(best / 2);
    for parameters in Parameters::all() {
        let degree = parameters.degree();
        if out.iter().any(|(known, _)| *known != degree) {
            break;
        }
        let Some(option) = of(parameters) else { continue };
        best = best.min(option.1);
        // Larger rings are dearer still.
        if !near(option.1, best) {
            break;
        }
        out.push((degree, option));
    }
    out.into_iter().map(|(_, option)| option).filter(|(_, cost)| near(*cost, best)).collect()
}

/// Numbers of blocks of so many rows with which more and more columns stand beside each other: all numbers of columns up to 8, and
/// then every half of a power of two.
fn blocks(rows: usize, places: usize, columns: usize) -> Vec<usize> {
    let wide = (1..8).chain((3..).flat_map(|lg| [1 << lg, 3 << (lg - 1)]));
    let heights = wide.take_while(|wide| *wide <= columns).map(|wide| places / wide).take_while(|height| *height > 0);
    let mut out: Vec<usize> = heights.map(|height| rows.div_ceil(height)).collect();
    out.dedup();
    out
}

fn cheapest_tiles(task: &Task, encrypts: Owner, parameters: Parameters, rates: &Rates) -> Option<(Scheme, u64)> {
    let sides = Sides::of(task, encrypts)?;
    let (products, shape) = sides.shape()?;
    let bits = u32::from(task.bits);
    let mut best: Option<(u64, TileScheme)> = None;
    let better = |cost: u64, best: &Option<(u64, TileScheme)>| best.is_none_or(|(least, _)| cost < least);
    for parts in 1..=MOST_PARTS {
        let factor_bits = digit_bits(sides.plain_size(), parts);
        if !(1 + u32::from(parts > 1)..=51).contains(&factor_bits) {
            continue;
        }
        // Flood, factors and message alone are too much.
        if parameters.bits() < bits + FLOOD.bits() + factor_bits + shape.inner.ilog2() / 2 {
            continue;
        }
        for log_inner in 0..=MOST_STEPS.min(shape.inner.next_power_of_two().trailing_zeros()) {
            for blocks in blocks(shape.rows, parameters.degree() >> log_inner, shape.columns) {
                let merged = if parameters.special_bits() > 0 { log_inner } else { 0 };
                for log_merged in [0, merged] {
                    let layout = TileLayout::new(parameters, shape, blocks, log_inner, log_merged);
                    let Ok(layout) = layout else { continue };
                    let scheme = TileScheme { encrypts, parameters, layout, parts };
                    let cost = scheme.cost(task.bits, products, rates);
                    let fits = || Tiles::budget_for(parameters, &layout, bits, factor_bits, FLOOD).is_ok();
                    if better(cost, &best) && fits() {
                        best = Some((cost, scheme));
                    }
                }
            }
        }
        // Digits beyond those that let columns merge only cost more.
        if best.is_some_and(|(_, scheme)| scheme.parts < parts) {
            break;
        }
    }
    best.map(|(cost, scheme)| (Scheme::Tiles(scheme), cost))
}

/// What a product takes if so many matrices are multiplied by one upload.
fn times(cost: Cost, parts: u64) -> Cost {
    let again = |work: Work| Work {
        layers: work.layers * parts,
        products: work.products * parts,
        merges: work.merges * parts,
        answers: work.answers * parts,
        uploads: work.uploads,
    };
    Cost { answer_bytes: cost.answer_bytes * parts, evaluator: again(cost.evaluator), owner: again(cost.owner), ..cost }
}

/// Bits of an odd modulus that is more than four times as large as any result.
pub(crate) fn modulus_bits(sides: &Sides, terms: usize) -> u32 {
    let largest = size(sides.encrypted, sides.bits) + sides.plain_size() + terms.next_power_of_two().trailing_zeros();
    (largest + 3).max(20)
}

fn slots(
    task: &Task,
    encrypts: Owner,
    parameters: Parameters,
    (field, rates): (Field, &Rates),
) -> Option<(Scheme, u64)> {
    let sides = Sides::of(task, encrypts)?;
    let terms = terms(sides.pairing);
    let modulus_bits = modulus_bits(&sides, terms);
    // Flood, factors and message alone may be too much.
    if !SlotModulus::BITS.contains(&modulus_bits) || parameters.bits() < 2 * modulus_bits + FLOOD.bits() {
        return None;
    }
    Slots::budget_for(parameters, modulus_bits, terms as u64, FLOOD).ok()?;
    let scheme = Scheme::Slots(SlotScheme { encrypts, parameters, modulus_bits });
    Some((scheme, scheme.cost(task, field, rates)?))
}

/// Refuses slots that a task's results do not fit into.
pub(crate) fn fits(task: &Task, scheme: &SlotScheme) -> Result<(), PairError> {
    let sides = Sides::of(task, scheme.encrypts).ok_or(PairError::Scheme("slots for what is no product"))?;
    if scheme.modulus_bits < modulus_bits(&sides, terms(sides.pairing)) {
        return Err(PairError::Scheme("a modulus that results do not fit into"));
    }
    Ok(())
}

/// The transfers that convert a task's results.
pub(crate) fn wrap(task: &Task) -> Request {
    Request::Product { count: task.len, bits: 1, widths: vec![task.bits.into()] }
}

/// The party that multiplies what `encrypts` encrypted.
pub(crate) fn evaluates(encrypts: Owner) -> Owner {
    other(encrypts)
}

#[cfg(test)]
mod tests {
    use mpcc_program::correlation::Along;

    use super::*;

    /// The noise that is added has 58 bits more than what it hides at most: terms of uploads' errors, of deviation above 3, times
    /// the largest factors.
    #[test]
    fn every_answer_is_flooded_as_for_weights() {
        let field = Field::new(8).expect("a field");
        let factors = [(48, false), (17, true)].map(|(width, signed)| Factor { width, signed });
        let matrices = Pairing::Matrices { batch: 2, m: 65, k: 256, n: 64, shared_right: false };
        let entries = Pairing::Entries { rows: 65, cols: 256, right: Along::Rows };
        let complex = Pairing::Complex { count: 9000 };
        for (pairing, len) in [(matrices, 2 * 65 * 64), (entries, 65 * 256), (complex, 2 * 9000)] {
            let task =
                Task { job: Job::Products { left: Owner::DataOwner, pairing, factors, again: 0 }, len, bits: 48 };
            let options = Scheme::options(&task, field, &Rates::REFERENCE);
            assert!(options.len() > 1, "{task:?}");
            for (scheme, _) in options {
                let (terms, size, flood) = match scheme {
                    Scheme::Transfers => continue,
                    Scheme::Tiles(TileScheme { encrypts, parameters, layout, parts }) => {
                        let sides = Sides::of(&task, encrypts).expect("products");
                        let bits = digit_bits(sides.plain_size(), parts);
                        let budget = Tiles::budget_for(parameters, &layout, 48, bits, FLOOD).expect("a budget");
                        (layout.shape().inner, bits - 1, budget.flood_bits())
                    }
                    Scheme::Slots(SlotScheme { encrypts, parameters, modulus_bits }) => {
                        let sides = Sides::of(&task, encrypts).expect("products");
                        let terms = terms(sides.pairing);
                        let budget =
                            Slots::budget_for(parameters, modulus_bits, terms as u64, FLOOD).expect("a budget");
                        (parameters.degree() * terms, modulus_bits - 1, budget.flood_bits())
                    }
                };
                let hidden = size + terms.ilog2() / 2 + 1;
                assert!(flood >= 58 + hidden, "{scheme:?}: {flood} bits over {hidden}");
            }
        }
    }

    /// The fewest blocks for every number of columns beside each other.
    #[test]
    fn blocks_let_more_and_more_columns_stand_beside_each_other() {
        for (rows, places, columns) in [(65, 256, 64), (1, 8192, 9), (200, 128, 128), (512, 64, 1), (65, 32, 2)] {
            let all = blocks(rows, places, columns);
            assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
            for wide in 1..=columns.min(places).min(8) {
                assert!(all.contains(&rows.div_ceil(places / wide)), "{wide} of {columns} columns: {all:?}");
            }
        }
    }
}
