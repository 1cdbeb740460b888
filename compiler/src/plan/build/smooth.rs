//! The gates of a smooth function: its series, alone or saturated in one of two ways.

use mpcc_program::program::{Gate, Kind, Term, ValueId, View};
use smallvec::SmallVec;

use super::super::format::{Curve, Format, Saturation};
use super::super::series::Series;
use super::{Build, Spec, encode};
use crate::graph::{Node, NodeId};
use crate::smooth::{Smooth, Tail};

fn term(value: ValueId) -> Term {
    Term { value, shift: 0 }
}

/// How x is compared with the ends of a series, the left one first.
enum Ends {
    /// Its signs by digits.
    Digits(SmallVec<[ValueId; 2]>),
    /// What is added to its wire, and log2 of the number of buckets.
    Coarse { wire: ValueId, offsets: SmallVec<[i64; 2]>, buckets: u8 },
}

impl Build<'_> {
    /// The function's share in `ring`.
    pub(super) fn smooth(&mut self, x: NodeId, curve: &Curve, f: &Format, ring: i32, node: &Node) -> ValueId {
        if let Some(most) = curve.checked {
            self.check_exponent(self.close(x), most, &node.path);
        }
        match (curve.saturation, curve.series.function) {
            (Saturation::Plain, _) => self.plain(x, curve, f, ring, node),
            (Saturation::Selected | Saturation::Bucketed { .. }, _) => self.selected(x, curve, f, ring, node),
            (Saturation::Clamped, Smooth::Exp) => self.switched_off(x, curve, f, ring, node),
            (Saturation::Clamped, _) => self.clamped(x, curve, f, ring, node),
        }
    }

    /// Σ A_j cos(2πjx'/P) + B_j sin(2πjx'/P) in `ring`, at the curve's scale and below 2^magnitude, for the
    /// wire of x'.
    fn series(&mut self, wire: ValueId, curve: &Curve, ring: i32, magnitude: i32, node: &Node) -> ValueId {
        let (series, table) = (&curve.series, curve.table);
        let gate = Gate::TrigSeries {
            source: wire,
            period_bits: (i32::from(self.program.value(wire).fraction) + series.period) as u8,
            table_fraction: table as u8,
            cosines: series.cosines.iter().map(|a| encode(*a, table)).collect(),
            sines: series.sines.iter().map(|b| encode(*b, table)).collect(),
        };
        let shape = &node.ty.shape;
        let spec = Spec { kind: Kind::Share, shape, ring, fraction: curve.scale, magnitude };
        self.push(gate, spec, &node.path)
    }

    /// The series and the line of x, for the wire of x, which is below 2^argument.
    fn core(
        &mut self,
        (x, wire): (NodeId, ValueId),
        curve: &Curve,
        ring: i32,
        (magnitude, argument): (i32, i32),
        node: &Node,
    ) -> ValueId {
        let (series, scale) = (&curve.series, curve.scale);
        if series.function.linear() == 0.0 {
            return self.series(wire, curve, ring, magnitude, node);
        }
        let shape = &node.ty.shape;
        let line = self.line(x, ring, scale - 1);
        let ring = if line.is_some() { ring } else { ring.max(i32::from(self.program.value(wire).ring) + 2) };
        let spec = |ring, fraction, magnitude| Spec { kind: Kind::Share, shape, ring, fraction, magnitude };
        let rest = self.series(wire, curve, ring, series.spread(), node);
        let linear = line.unwrap_or_else(|| {
            let h = i32::from(self.program.value(wire).fraction);
            self.push(Gate::Extend { source: wire }, spec(ring, h, argument), &node.path)
        });
        let known = self.program.value(linear);
        let (own, fraction) = (i32::from(known.ring), i32::from(known.fraction) + 1);
        let gate = Gate::Rescale { source: linear, shift: 1 };
        let half = self.push(gate, spec(own, fraction, argument - 1), &node.path);
        let terms = vec![term(rest), Term { value: half, shift: (scale - fraction) as u8 }];
        self.push(Gate::Add { terms }, spec(ring, scale, magnitude), &node.path)
    }

    /// The share of x itself, if it is known to `ring` bits once it has as many fraction bits.
    fn line(&self, x: NodeId, ring: i32, fraction: i32) -> Option<ValueId> {
        let share = *self.shares.get(&x)?;
        let value = self.program.value(share);
        let shift = fraction - i32::from(value.fraction);
        ((0..64).contains(&shift) && i32::from(value.ring) + shift >= ring).then_some(share)
    }

    fn plain(&mut self, x: NodeId, curve: &Curve, f: &Format, ring: i32, node: &Node) -> ValueId {
        let series = &curve.series;
        let from = self.formats.of(x).clone();
        let source = self.share(x);
        let shape = &node.ty.shape;
        let magnitude = from.magnitude.min(series.reach());
        let gate = Gate::Open { source, truncate: (from.share - from.wire) as u8 };
        let extended = series.function.linear() != 0.0 && self.line(x, ring, curve.scale - 1).is_none();
        let bits = series.wire_bits(from.wire, from.magnitude, extended);
        let spec = Spec { kind: Kind::Wire, shape, ring: bits, fraction: from.wire, magnitude };
        let wire = self.push(gate, spec, &node.path);
        self.core((x, wire), curve, ring, (f.magnitude, magnitude), node)
    }

    /// [L ≤ x ≤ R]·(line + series), and outside the tails: multiples of the comparisons' bits, or x itself.
    fn selected(&mut self, x: NodeId, curve: &Curve, f: &Format, ring: i32, node: &Node) -> ValueId {
        let (series, fraction) = (&curve.series, curve.fraction);
        let wire = self.close(x);
        let own = i32::from(self.program.value(wire).ring);
        let h = self.formats.of(x).clone();
        let (left, right) = edges(series);
        // Outside the fitted interval the core is at most |x|/2 + Σ|A_j| + Σ|B_j| before it is switched off.
        let most =
            if series.function.linear() == 0.0 { series.spread() } else { (h.magnitude - 1).max(series.spread()) };
        let magnitude = most + 1;
        let truncate = curve.scale - fraction;
        // In a ring that is little wider than the core needs, it is not extended; nor is x in its own.
        let needed = fraction + magnitude + 2;
        let narrow = if ring <= needed { ring.max(needed - 1) } else { needed };
        let core = self.core((x, wire), curve, narrow + truncate, (magnitude, h.magnitude), node);
        let shape = &node.ty.shape;
        let core = self.push(
            Gate::Open { source: core, truncate: truncate as u8 },
            Spec { kind: Kind::Wire, shape, ring: narrow, fraction, magnitude },
            &node.path,
        );
        let ends: SmallVec<[i64; 2]> = [left].into_iter().chain(right).map(|tail| encode(tail.at, h.wire)).collect();
        let ends = match curve.saturation {
            Saturation::Bucketed { width } => {
                // The bucket in front of an end is inside of it on the right.
                let bucket = h.wire + width;
                let offsets = ends.iter().zip([1i64 << bucket, 0]).map(|(end, before)| -end - before).collect();
                Ends::Coarse { wire, offsets, buckets: (own - bucket) as u8 }
            }
            _ => Ends::Digits(ends.iter().map(|end| self.sign_digits(wire, -end, node)).collect()),
        };
        let inside = match right {
            Some(_) => self.open_ends(&ends, &[0, 1], false, node),
            None => self.open_ends(&ends, &[0], true, node),
        };
        let spec = |magnitude| Spec { kind: Kind::Share, shape, ring, fraction: f.share, magnitude };
        let gate = Gate::Select { bit: inside, source: core, nonnegative: false };
        let mut terms = vec![term(self.push(gate, spec(f.magnitude), &node.path))];
        if let Some(tail) = right {
            let bit = self.open_ends(&ends, &[1], true, node);
            if tail.slope != 0.0 {
                let gate = Gate::Select { bit, source: wire, nonnegative: false };
                terms.push(term(self.push(gate, spec(f.magnitude), &node.path)));
            }
            terms.extend(self.constant_tail(bit, tail, f, ring, node));
        }
        if left.value != 0.0 {
            let bit = self.open_ends(&ends, &[0], false, node);
            terms.extend(self.constant_tail(bit, left, f, ring, node));
        }
        if let [only] = terms[..] {
            return only.value;
        }
        self.push(Gate::Add { terms }, spec(f.magnitude), &node.path)
    }

    /// Opens whether x is below an odd number of some ends, or not.
    fn open_ends(&mut self, ends: &Ends, which: &[usize], negate: bool, node: &Node) -> ValueId {
        match ends {
            Ends::Digits(signs) => self.open_sign(which.iter().map(|end| signs[*end]).collect(), negate, node),
            Ends::Coarse { wire, offsets, buckets } => {
                let offsets = which.iter().map(|end| offsets[*end]).collect();
                let gate = Gate::CoarseSign { source: *wire, offsets, buckets: *buckets, negate };
                let spec = Spec { kind: Kind::Bits, shape: &node.ty.shape, ring: 1, fraction: 0, magnitude: 1 };
                self.push(gate, spec, &node.path)
            }
        }
    }

    /// A tail's constant where the bit is set.
    fn constant_tail(&mut self, bit: ValueId, tail: Tail, f: &Format, ring: i32, node: &Node) -> Option<Term> {
        if tail.value == 0.0 {
            return None;
        }
        let shape = &node.ty.shape;
        let spec = |fraction, magnitude| Spec { kind: Kind::Share, shape, ring, fraction, magnitude };
        let ones = self.push(Gate::SignShare { bit }, spec(0, 1), &node.path);
        let gate = Gate::MulPublic { source: ones, factor: encode(tail.value, f.share) };
        Some(term(self.push(gate, spec(f.share, 1), &node.path)))
    }

    /// With s = max(x − L, 0) and p = max(x − R, 0), c = s − p + L is x clamped to [L, R]: the function there is the line
    /// and the series at c, and above R the slope of the tail times p more.
    fn clamped(&mut self, x: NodeId, curve: &Curve, f: &Format, ring: i32, node: &Node) -> ValueId {
        let (series, scale) = (&curve.series, curve.scale);
        let wire = self.close(x);
        let (h, argument) = (self.formats.of(x).wire, self.formats.of(x).magnitude);
        let (left, right) = edges(series);
        let right = right.expect("only the exponential has no tail on the right");
        let (low, high) = (encode(left.at, h), encode(right.at, h));
        let line = series.function.linear() != 0.0;
        let shift = scale - h - 1;
        let period = h + series.period;
        let wide = if line { ring - shift } else { 0 };
        let inner = period.max(wide).max(i32::from(self.program.value(wire).ring) + 1);
        let shape = &node.ty.shape;
        let share = |shape, fraction, magnitude| Spec { kind: Kind::Share, shape, ring: inner, fraction, magnitude };
        let mut joined = shape.clone();
        joined[0] *= 2;
        let reach = series.reach();
        let greatest = argument.max(reach) + 1;
        let gate = Gate::ReluShared { source: wire, offsets: SmallVec::from_slice(&[-low, -high]) };
        let both = self.push(gate, share(&joined, h, greatest), &node.path);
        let [s, p] = [0, shape[0]].map(|start| {
            let gate = Gate::View { source: both, view: View::Slice { axis: 0, start } };
            self.push(gate, share(shape, h, greatest), &node.path)
        });
        let gate = Gate::Sub { left: term(s), right: term(p) };
        let difference = self.push(gate, share(shape, h, reach + 1), &node.path);
        let gate = Gate::AddPublic { source: difference, term: low };
        let clamped = self.push(gate, share(shape, h, reach), &node.path);
        let half = line.then(|| {
            // c/2 + p of a function whose line has slope 1/2 and whose tail has slope 1.
            let gate = Gate::Add { terms: vec![term(s), term(p)] };
            let sum = self.push(gate, share(shape, h, greatest + 1), &node.path);
            let gate = Gate::AddPublic { source: sum, term: low };
            let linear = self.push(gate, share(shape, h, greatest + 1), &node.path);
            let gate = Gate::Rescale { source: linear, shift: 1 };
            self.push(gate, share(shape, h + 1, greatest), &node.path)
        });
        let gate = Gate::Open { source: clamped, truncate: 0 };
        let spec = Spec { kind: Kind::Wire, shape, ring: period, fraction: h, magnitude: reach };
        let opened = self.push(gate, spec, &node.path);
        let rest = self.series(opened, curve, ring, series.spread(), node);
        let Some(half) = half else { return rest };
        let terms = vec![term(rest), Term { value: half, shift: shift as u8 }];
        let spec = Spec { kind: Kind::Share, shape, ring, fraction: scale, magnitude: f.magnitude };
        self.push(Gate::Add { terms }, spec, &node.path)
    }

    /// [x ≥ L]·series, by a product of the opened comparison and the opened series.
    fn switched_off(&mut self, x: NodeId, curve: &Curve, f: &Format, ring: i32, node: &Node) -> ValueId {
        let (series, fraction) = (&curve.series, curve.fraction);
        let wire = self.close(x);
        let edge = encode(edges(series).0.at, self.formats.of(x).wire);
        let shape = &node.ty.shape;
        let magnitude = series.spread() + 1;
        let truncate = curve.scale - fraction;
        let ring = ring.max(fraction + magnitude + 1);
        let spec = |kind, ring, fraction, magnitude| Spec { kind, shape, ring, fraction, magnitude };
        let share = self.series(wire, curve, ring + truncate, series.spread(), node);
        let gate = Gate::Open { source: share, truncate: truncate as u8 };
        let value = self.push(gate, spec(Kind::Wire, ring, fraction, magnitude), &node.path);
        let gate = Gate::StepShared { source: wire, offsets: SmallVec::from_slice(&[-edge]) };
        let bit = self.push(gate, spec(Kind::Share, ring, 0, 1), &node.path);
        let gate = Gate::Open { source: bit, truncate: 0 };
        let bit = self.push(gate, spec(Kind::Wire, ring, 0, 1), &node.path);
        let gate = Gate::Hadamard { left: value, right: bit };
        self.push(gate, spec(Kind::Share, ring, fraction, f.magnitude), &node.path)
    }
}

/// The function's tails; that of an exponential begins where its series does.
fn edges(series: &Series) -> (Tail, Option<Tail>) {
    let (left, right) = series.function.tails();
    match series.function {
        // GeLU is selected on a wider interval than it needs.
        Smooth::Exp | Smooth::Gelu => {
            (Tail { at: series.domain.0, ..left }, right.map(|right| Tail { at: series.domain.1, ..right }))
        }
        _ => (left, right),
    }
}
