//! Exponentials under a softmax by the buckets of masks (G17), and what is taken off a row first: a public number, or what counts
//! below thresholds tell of its maximum (G18).
//!
//! Exponentials that are divided by their sum do not depend on what is taken off their row. With Y what is left, the largest of
//! a row is exp(−Y) of a Y that is not negative and at most a bucket and the distance of thresholds, whatever the row: it has
//! the precision that is asked for, and nothing can exceed 1. The cheapest widths are taken for which a ring holds the row.
//!
//! Without a dealer factors take as many bits again as a bucket is wide. Rows that spread further than a word allows then have
//! exp(−Y/2^h) made, with h bits of precision more, and squared h times.

use mpcc_program::exponential::growth;

use super::WIDEST;
use super::bits::{bound_bits, log2_bound};
use super::format::{Counts, Form, Format, Formats, Power, Shift};
use super::formats::Assign;
use crate::graph::{Graph, NodeId, Op};

/// Fraction bits of the argument.
const ARGUMENT: i32 = 12;
/// Fraction bits of the mask's factor, and of the smallest of the largest results: a result is off by 2^−13 of itself at most,
/// and a row's largest by about 2^−12.
const PRECISION: i32 = 12;
/// Bits that what is opened of a result has beyond those of the smallest of the largest.
const OPENED: i32 = 14;
/// Units of the argument by which rounding may move it beyond its range.
const ROUNDED: f64 = 4.0;
/// Fraction bits that a word holds beside a row's sum.
const MOST_FRACTION: i32 = 62;
/// Least bits of the ring of a count, and of a row's number of thresholds: the smallest bound of a value has one less.
const LEAST_RING: i32 = 5;
/// How far the largest of a row may be left below 1, in nats: the tables of the reciprocal of a row's sum grow with it.
const MOST_BELOW: f64 = 10.5;
/// How often an argument is halved at most.
const MOST_HALVINGS: i32 = 3;
/// Bits by which the ring of a result exceeds its fraction bits, about: those of the products that it enters.
const RESULT: f64 = 24.0;

impl Power {
    /// Fraction bits of the share.
    pub(super) fn share(&self) -> i32 {
        if self.halvings > 0 { 2 * self.opened(1) } else { self.mask + self.public }
    }

    /// Fraction bits of the result with so many squarings to come where it is opened: two bits beyond those of the smallest of the
    /// largest.
    pub(super) fn opened(&self, squarings: i32) -> i32 {
        OPENED + squarings + libm::ceil(halved(self.below, squarings) * std::f64::consts::LOG2_E) as i32
    }

    /// Bits of the ring in which it is opened then: it is extended.
    pub(super) fn squared_ring(&self, squarings: i32) -> i32 {
        bound_bits(self.opened(squarings), 1) + 2
    }
}

/// x / 2^times.
fn halved(x: f64, times: i32) -> f64 {
    x * libm::exp2(f64::from(-times))
}

/// The widths for rows of `n` numbers that lie within `spread` of one another, with `below` what the largest may lose otherwise
/// and whether counts say what is taken off. Two parties alone halve as often as they have to.
fn cheapest(n: usize, spread: f64, below: f64, fraction: i32, (counted, alone): (bool, bool)) -> Option<Power> {
    let most = if alone { MOST_HALVINGS } else { 0 };
    (0..=most).find_map(|halvings| halved_so_often(n, (spread, below), fraction, (counted, alone), halvings))
}

/// The same for arguments that were halved so often.
fn halved_so_often(
    n: usize,
    (spread, below): (f64, f64),
    fraction: i32,
    (counted, alone): (bool, bool),
    halvings: i32,
) -> Option<Power> {
    let (spread, below, fraction) = (halved(spread, halvings), halved(below, halvings), fraction + halvings);
    let precision = PRECISION + halvings;
    let least = libm::ceil(libm::log2(spread)) as i32;
    let spread = spread + ROUNDED * libm::exp2(f64::from(-fraction));
    let mut best: Option<(f64, Power)> = None;
    for ring in (least..=least + 1).map(|nats| nats + fraction).filter(|ring| *ring <= 30) {
        let nats = libm::exp2(f64::from(ring - fraction));
        let counts: Vec<Option<Counts>> = if counted {
            let steps = (0..ring - 1).filter(|step| (fraction - 3..=fraction + 4).contains(step));
            steps
                .flat_map(|step| (1..=6).map(move |buckets| (step, buckets)))
                .filter_map(|(step, buckets)| Counts::new(n, spread, (ring, fraction), step, buckets).map(Some))
                .collect()
        } else {
            vec![None]
        };
        for counts in counts {
            let [taken, lost, dealt] =
                counts.map_or([0.0, 0.0, 0.0], |c| [c.taken(ring, fraction), c.lost(ring, fraction), c.bits(n, ring)]);
            let below = below + lost;
            if counted && halved(below, -halvings) > MOST_BELOW {
                continue;
            }
            for buckets in 1..=6.min(ring - 2) {
                let width = libm::exp2(f64::from(ring - fraction - buckets));
                // The numbers end below the last bucket, also after as little was taken off as can be.
                if ring - buckets > fraction + 4 || spread + taken > nats - width {
                    continue;
                }
                let mask = mask_fraction(precision, ring - buckets, fraction, alone);
                let extra = libm::ceil((width + below) * std::f64::consts::LOG2_E) as i32;
                let public = precision + extra;
                let seen = halved(f64::from(PRECISION) * std::f64::consts::LN_2, halvings) + below;
                let count = (libm::ceil(seen / width) as i32 + 1).min(1 << buckets);
                let below = halved(below, -halvings);
                let power = Power { ring, fraction, buckets, count, mask, public, halvings, below, counts };
                let sum = f64::from(power.share()) + libm::log2(n as f64 + 1.0);
                if count > 16 || public > 58 || mask + public > MOST_FRACTION || sum > f64::from(MOST_FRACTION) {
                    continue;
                }
                let bits = dealt
                    + f64::from(1u32 << buckets)
                    + f64::from(count + 1) * (f64::from(mask + public) + RESULT)
                    + 2.0 * f64::from(count + power.opened(halvings) + ring);
                if best.as_ref().is_none_or(|(least, _)| bits < *least) {
                    best = Some((bits, power));
                }
            }
        }
    }
    best.map(|(_, power)| power)
}

/// Fraction bits of the mask's factor for buckets of 2^position units. Two parties round one factor each, either to half the
/// error, and one of them may be as small as a bucket's exponential is large.
fn mask_fraction(precision: i32, position: i32, fraction: i32, alone: bool) -> i32 {
    if alone { 2 * (precision + 1) + i32::from(growth(position as u8, fraction as u8)) } else { precision }
}

impl Counts {
    /// Counts over rows of `n` numbers below `spread` in a ring, if they fit it.
    fn new(n: usize, spread: f64, (ring, fraction): (i32, i32), step: i32, buckets: i32) -> Option<Counts> {
        let unit = libm::exp2(f64::from(fraction));
        let distance = libm::exp2(f64::from(step));
        let thresholds = libm::ceil(spread * unit / distance) as usize + 1;
        let count = (libm::ceil(libm::log2(n as f64 + 2.0)) as i32).max(LEAST_RING);
        let below_last = spread * unit <= libm::exp2(f64::from(ring)) - libm::exp2(f64::from(ring - buckets));
        let row = ring - step;
        let fits = row >= LEAST_RING && thresholds <= (1 << row) - 2 && thresholds <= 1 << 12;
        (ring - buckets >= 2 && count <= 12 && below_last && fits).then_some(Counts {
            buckets,
            step,
            thresholds,
            count,
        })
    }

    /// Nats of a bucket and of the distance of thresholds.
    fn nats(&self, ring: i32, fraction: i32) -> [f64; 2] {
        [ring - self.buckets, self.step].map(|bits| libm::exp2(f64::from(bits - fraction)))
    }

    /// What a row may gain if its largest lies on top.
    fn taken(&self, ring: i32, fraction: i32) -> f64 {
        let [bucket, step] = self.nats(ring, fraction);
        0.5 * bucket + step
    }

    /// How far below 0 the largest of a row may be left.
    fn lost(&self, ring: i32, fraction: i32) -> f64 {
        self.nats(ring, fraction).iter().sum()
    }

    /// Digits of a count.
    pub(super) fn digits(&self) -> Vec<u8> {
        if self.count <= LEAST_RING {
            return vec![self.count as u8];
        }
        vec![(self.count / 2) as u8, (self.count - self.count / 2) as u8]
    }

    /// Bits that a score costs by them, dealt and sent.
    fn bits(&self, n: usize, ring: i32) -> f64 {
        let digits = self.digits();
        let table: u32 = digits.iter().map(|digit| 1 << digit).sum();
        let products = f64::from((1 << digits.len()) - 1) * f64::from(ring - self.step);
        let threshold = f64::from(table) + products + 2.0 * f64::from(self.count + digits.len() as i32);
        f64::from((1 << self.buckets) - 1) * f64::from(self.count) + self.thresholds as f64 * threshold / n as f64
    }
}

impl Assign<'_> {
    /// What counts tell of a row's maximum takes its place, if its exponentials are divided by their sum and a ring holds the row.
    pub(super) fn counted(&self, id: NodeId) -> Option<Shift> {
        let of = self.softmax_of(id)?;
        let (low, high) = self.row_range(of)?;
        let fraction = ARGUMENT.min(self.of(of).share);
        let n = *self.graph.node(of).ty.shape.last()?;
        let power = cheapest(n, high - low, 0.0, fraction, (true, self.options.alone()))?;
        Some(Shift { value: high, above: 0.0, below: power.below, checked: false, power: Some(power) })
    }

    /// The range of a row under a softmax. What a mask makes of it is seldom seen as far down as masks go, so the sum of the
    /// ranges of scores and mask says more than that of their sum.
    fn row_range(&self, of: NodeId) -> Option<(f64, f64)> {
        let used = |id: NodeId| self.ranges.used(self.graph, id, self.options.basis);
        let own = used(of)?;
        let Op::Add(a, b) = self.graph.node(of).op else { return Some(own) };
        let summed = used(a).zip(used(b)).map(|(a, b)| (a.0 + b.0, a.1 + b.1));
        Some(summed.map_or(own, |sum| (own.0.max(sum.0), own.1.min(sum.1))))
    }

    /// The same number with exponentials by buckets, if a ring holds the row.
    pub(super) fn powered(&self, id: NodeId, shift: Shift) -> Shift {
        let by_buckets = || {
            let of = self.softmax_of(id)?;
            let (low, high) = self.row_range(of)?;
            let value = shift.value + shift.above;
            let fraction = ARGUMENT.min(self.of(of).share);
            let n = *self.graph.node(of).ty.shape.last()?;
            let below = shift.below + shift.above;
            let power = cheapest(n, high.max(value) - low, below, fraction, (false, self.options.alone()))?;
            Some(Shift { value, above: 0.0, below: power.below, checked: shift.checked, power: Some(power) })
        };
        by_buckets().unwrap_or(shift)
    }

    /// The exponential of what is left of a row, by buckets, if that is how.
    pub(super) fn power(&self, argument: NodeId) -> Option<(Form, i32, i32)> {
        let Op::Sub(of, max) = self.graph.node(argument).op else { return None };
        let shift = self.shift_of_exponential_of(argument)?;
        let power = shift.power?;
        let (low, high) = self.row_range(of)?;
        debug_assert_eq!(self.graph.node(max).op, Op::MaxRow(of));
        Some((Form::Power { argument: of, power, shift, range: (low, high) }, power.share(), WIDEST))
    }

    /// log2 of a bound of a sum of exponentials by buckets, none of which is above 1 but for rounding.
    pub(super) fn summed(&self, op: &Op) -> Option<i32> {
        let Op::SumRow(x) = *op else { return None };
        let n = *self.graph.node(x).ty.shape.last()?;
        matches!(self.of(x).form, Form::Power { .. }).then(|| log2_bound(n as f64))
    }

    /// Fraction bits with which a function of one number takes a share.
    pub(super) fn taken_fraction(&self, argument: NodeId) -> i32 {
        taken_fraction(self.graph, argument, &|id| self.of(id))
    }
}

impl Formats {
    /// Fraction bits with which a function of one number takes a share.
    pub(super) fn taken_fraction(&self, graph: &Graph, argument: NodeId) -> i32 {
        taken_fraction(graph, argument, &|id| self.of(id))
    }
}

/// Sums of exponentials by buckets have more fraction bits than a table can use: as many are taken as are opened of a term.
fn taken_fraction<'f>(graph: &Graph, id: NodeId, of: &dyn Fn(NodeId) -> &'f Format) -> i32 {
    let share = of(id).share;
    let mut at = id;
    while let Op::Offset(x, _) = graph.node(at).op {
        at = x;
    }
    match graph.node(at).op {
        Op::SumRow(x) => match &of(x).form {
            Form::Power { power, .. } => share.min(power.opened(0)),
            _ => share,
        },
        _ => share,
    }
}

#[cfg(test)]
mod tests;
