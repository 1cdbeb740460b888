//! The gates of exponentials under a softmax: what is taken off a row, and the powers of what is left.

use mpcc_program::program::{Gate, Kind, Shape, ValueId};

use super::super::format::{Counts, Limits, Power, Shift};
use super::{Build, Spec, encode};
use crate::graph::{Node, NodeId};

impl Build<'_> {
    /// exp(−Y), Y how far the entries of a row lie below a public number or about as far below the largest of them.
    ///
    /// A wire holds how far an entry lies below the highest that the row can have, less half of its ring: so all of the ring but
    /// a bucket is in use.
    pub(super) fn power(
        &mut self,
        argument: NodeId,
        (power, shift, (_, high)): (&Power, &Shift, (f64, f64)),
        spec: Spec<'_>,
        node: &Node,
    ) -> ValueId {
        let (shape, path) = (self.graph.node(argument).ty.shape.clone(), &node.path);
        let fraction = power.fraction;
        let source = self.halved(argument, power.halvings, path);
        let from = self.program.value(source).clone();
        let below = self.formats.of(argument).share + power.halvings - fraction;
        let halve = libm::exp2(f64::from(-power.halvings));
        let (high, value) = (high * halve, shift.value * halve);
        let middle = (1i64 << (power.ring - 1)) - 1;
        let top = encode(high.max(value), fraction) + 2;
        // The highest entry first, in units of the wire.
        let held = power.ring + i32::from(shift.checked);
        let kept = |kind, ring, fraction| Spec {
            kind,
            shape: &shape,
            ring,
            fraction,
            magnitude: power.ring - 1 - power.fraction,
        };
        let wide = held + below;
        let gate = Gate::MulPublic { source, factor: -1 };
        let down = self.push(
            gate,
            Spec {
                magnitude: i32::from(from.bound) - i32::from(from.fraction),
                ..kept(Kind::Share, wide, from.fraction.into())
            },
            path,
        );
        let gate = Gate::AddPublic { source: down, term: (top - middle) << below };
        let down = self.push(gate, kept(Kind::Share, wide, from.fraction.into()), path);
        let gate = Gate::Open { source: down, truncate: below as u8 };
        let mut wire = self.push(gate, kept(Kind::Wire, held, fraction), path);
        let mut offset = middle;
        match &power.counts {
            Some(counts) => wire = self.lowered(wire, middle, power, counts, path),
            None => {
                // Y is counted from the number, which may lie below the highest entry.
                offset -= top - encode(value, fraction) - 2;
                if shift.checked {
                    let limits = Limits { low: Some(-offset), signed: true, ..Limits::default() };
                    self.check(wire, &limits, path);
                    wire = self.push(
                        Gate::Reduce { source: wire, truncate: 0 },
                        kept(Kind::Wire, power.ring, fraction),
                        path,
                    );
                }
            }
        }
        let bits = Spec { kind: Kind::Bits, shape: &shape, ring: power.count, fraction: 0, magnitude: power.count };
        let bits = self.push(Gate::BucketBits { source: wire, offset, buckets: power.buckets as u8 }, bits, path);
        let gate = Gate::Exponential {
            bits,
            source: wire,
            mask_fraction: power.mask as u8,
            public_fraction: power.public as u8,
        };
        if power.halvings == 0 {
            return self.push(gate, spec, path);
        }
        // A result, its ring as wide as what is opened of it takes.
        let result = |fraction: i32, squarings: i32| Spec {
            ring: power.squared_ring(squarings) + fraction - power.opened(squarings),
            fraction,
            ..spec
        };
        let mut share = self.push(gate, result(power.mask + power.public, power.halvings), path);
        for squarings in (1..=power.halvings).rev() {
            let opened = power.opened(squarings);
            let truncate = i32::from(self.program.value(share).fraction) - opened;
            let gate = Gate::Open { source: share, truncate: truncate as u8 };
            let kept = Spec { kind: Kind::Wire, ring: power.squared_ring(squarings), fraction: opened, ..spec };
            let wire = self.push(gate, kept, path);
            let squared = if squarings > 1 { result(2 * opened, squarings - 1) } else { spec };
            share = self.push(Gate::Square { source: wire }, squared, path);
        }
        share
    }

    /// A share of half the numbers, halved so often: the same words with more fraction bits.
    fn halved(&mut self, argument: NodeId, times: i32, path: &str) -> ValueId {
        let source = self.share(argument);
        if times == 0 {
            return source;
        }
        let (shape, from) = (self.graph.node(argument).ty.shape.clone(), self.program.value(source).clone());
        let fraction = i32::from(from.fraction);
        let halved = Spec {
            kind: Kind::Share,
            shape: &shape,
            ring: from.ring.into(),
            fraction: fraction + times,
            magnitude: i32::from(from.bound) - fraction - times,
        };
        self.push(Gate::Rescale { source, shift: times as i16 }, halved, path)
    }

    /// The wire less what its row has in common, to a bucket and the distance of two thresholds (G18).
    fn lowered(&mut self, wire: ValueId, offset: i64, power: &Power, counts: &Counts, path: &str) -> ValueId {
        let (ring, fraction) = (power.ring, power.fraction);
        let Counts { buckets, step, thresholds, count } = *counts;
        let shape: Shape = self.program.value(wire).shape.clone();
        let last = |n: usize| {
            let mut shape = shape.clone();
            if let Some(last) = shape.last_mut() {
                *last = n;
            }
            shape
        };
        let (columns, one) = (last(thresholds), last(1));
        let spec = |kind, shape, ring, magnitude| Spec { kind, shape, ring, fraction: 0, magnitude };
        let gate = Gate::BucketCounts { source: wire, offset, buckets: buckets as u8, step: step as u8 };
        let counted = self.push(gate, spec(Kind::Share, &columns, count, count - 1), path);
        let gate = Gate::Open { source: counted, truncate: 0 };
        let counted = self.push(gate, spec(Kind::Wire, &columns, count, count - 1), path);
        let digits = counts.digits();
        let bits = spec(Kind::Bits, &columns, digits.len() as i32, digits.len() as i32);
        let gate =
            Gate::ZeroDigits { source: counted, offset: (1 << (count - 1)) - 1, digits: digits.into_iter().collect() };
        let bits = self.push(gate, bits, path);
        let row = ring - step;
        let zero = self.push(Gate::ZeroShare { bits }, spec(Kind::Share, &columns, row, 1), path);
        let sum = self.push(Gate::SumRow { source: zero }, spec(Kind::Share, &one, row, row), path);
        let middle = (1i64 << (row - 1)) - 1;
        let gate = Gate::AddPublic { source: sum, term: -middle };
        let sum = self.push(gate, spec(Kind::Share, &one, row, row - 1), path);
        let steps = |kind| Spec {
            fraction: fraction - step,
            magnitude: row - 1 - (fraction - step),
            ..spec(kind, &one, row, 0)
        };
        let sum = self.push(Gate::Rescale { source: sum, shift: (fraction - step) as i16 }, steps(Kind::Share), path);
        let u = self.push(Gate::Open { source: sum, truncate: 0 }, steps(Kind::Wire), path);
        // The last threshold that no number is at or below is the one before as many as there are of them.
        let term = (1 << (ring - buckets - 1)) + (1 << step) - (middle << step);
        let gate = Gate::SubRow { source: wire, row: u, shift: step as u8, term };
        let spec = Spec { kind: Kind::Wire, shape: &shape, ring, fraction, magnitude: ring - 1 - fraction };
        self.push(gate, spec, path)
    }
}
