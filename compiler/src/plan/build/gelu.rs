//! The gates of GeLU, in its three forms.

use mpcc_program::program::{Gate, Kind, Rounding, Term, ValueId, View};
use smallvec::SmallVec;

use super::super::formats::Format;
use super::super::gelu::{CLAMP_AT, Factor, GeluSeries, PERIOD_LOG2, REACH_LOG2, SATURATE_AT};
use super::super::rings::CLAMP_LOG2;
use super::{Build, Spec, encode};
use crate::graph::{Node, NodeId};

/// log2 of the largest value of a series of cosines, with room for the rounding of its factors.
fn spread(series: &GeluSeries) -> i32 {
    let sum: f64 = series.coefficients.iter().map(|a| a.abs()).sum();
    libm::ceil(libm::log2(sum * 1.01)) as i32
}

impl Build<'_> {
    /// Σ A_j cos(2πjx/16) in `ring`, at twice the table's scale.
    fn even_series(&mut self, wire: ValueId, series: &GeluSeries, ring: i32, node: &Node) -> ValueId {
        let table = i32::from(self.graph.numeric.table_frac);
        let gate = Gate::TrigSeries {
            source: wire,
            period_bits: (i32::from(self.program.value(wire).fraction) + PERIOD_LOG2) as u8,
            table_fraction: table as u8,
            cosines: series.coefficients.iter().map(|a| encode(*a, table)).collect(),
            sines: vec![],
        };
        let shape = &node.ty.shape;
        let spec = Spec { kind: Kind::Share, shape, ring, fraction: 2 * table, magnitude: spread(series) };
        self.push(gate, spec, &node.path)
    }

    /// x/2 + Σ A_j cos(2πjx'/16) in `ring`, at twice the table's scale, for the wire of x', x times the series' factor.
    fn gelu_core(
        &mut self,
        wire: ValueId,
        series: &GeluSeries,
        ring: i32,
        magnitude: i32,
        argument: i32,
        node: &Node,
    ) -> ValueId {
        let table = i32::from(self.graph.numeric.table_frac);
        let h = i32::from(self.program.value(wire).fraction);
        let shape = &node.ty.shape;
        let ring = ring.max(i32::from(self.program.value(wire).ring) + 2);
        let spec = |fraction, magnitude| Spec { kind: Kind::Share, shape, ring, fraction, magnitude };
        let even = self.even_series(wire, series, ring, node);
        let linear = self.push(Gate::Extend { source: wire }, spec(h, argument), &node.path);
        let (numerator, shift) = (series.factor.numerator, 1 - series.factor.shift);
        let half = if numerator == 1 {
            let gate = Gate::Rescale { source: linear, shift: shift as i16 };
            self.push(gate, spec(h + shift, argument - shift), &node.path)
        } else {
            let factor = encode(1.0 / numerator as f64, 2 * table - h - shift);
            let gate = Gate::MulPublic { source: linear, factor };
            self.push(gate, spec(2 * table, argument - shift), &node.path)
        };
        let up = 2 * table - i32::from(self.program.value(half).fraction);
        let terms = vec![Term { value: even, shift: 0 }, Term { value: half, shift: up as u8 }];
        self.push(Gate::Add { terms }, spec(2 * table, magnitude), &node.path)
    }

    /// The argument is scaled before it is opened, so that the series' period covers it.
    pub(super) fn gelu_plain(&mut self, x: NodeId, series: &GeluSeries, f: &Format, ring: i32, node: &Node) -> ValueId {
        let from = self.formats.of(x).clone();
        let source = self.share(x);
        let (numerator, shift) = (series.factor.numerator, series.factor.shift);
        let shape = &node.ty.shape;
        let fraction = from.share + shift;
        let magnitude = from.magnitude.min(REACH_LOG2);
        let gate = match numerator {
            1 => Gate::Rescale { source, shift: shift as i16 },
            _ => Gate::MulPublic { source, factor: numerator },
        };
        let own = i32::from(self.program.value(source).ring);
        let spec = Spec { kind: Kind::Share, shape, ring: own, fraction, magnitude };
        let scaled = if series.factor == Factor::ONE { source } else { self.push(gate, spec, &node.path) };
        let gate = Gate::Open { source: scaled, truncate: (fraction - from.wire) as u8, rounding: Rounding::Dithered };
        let bits = GeluSeries::wire_bits(from.wire, from.magnitude);
        let spec = Spec { kind: Kind::Wire, shape, ring: bits, fraction: from.wire, magnitude };
        let wire = self.push(gate, spec, &node.path);
        self.gelu_core(wire, series, ring, f.magnitude, magnitude, node)
    }

    /// [−T ≤ x ≤ T]·(x/2 + series) + [x > T]·x.
    pub(super) fn gelu_saturating(
        &mut self,
        x: NodeId,
        series: &GeluSeries,
        f: &Format,
        ring: i32,
        node: &Node,
    ) -> ValueId {
        let table = i32::from(self.graph.numeric.table_frac);
        let wire = self.close(x);
        let h = self.formats.of(x).clone();
        let edge = encode(SATURATE_AT, h.wire);
        // Outside the fitted interval the core is at most |x|/2 + Σ|A_j| before it is switched off.
        let magnitude = (h.magnitude - 1).max(spread(series)) + 1;
        let truncate = 2 * table - h.wire;
        let narrow = h.wire + magnitude + 2;
        let core = self.gelu_core(wire, series, narrow + truncate, magnitude, h.magnitude, node);
        let shape = &node.ty.shape;
        let core = self.push(
            Gate::Open { source: core, truncate: truncate as u8, rounding: Rounding::Dithered },
            Spec { kind: Kind::Wire, shape, ring: narrow, fraction: h.wire, magnitude },
            &node.path,
        );
        let above = self.sign_digits(wire, -edge, node);
        let below = self.sign_digits(wire, edge, node);
        let inside = self.open_sign(SmallVec::from_slice(&[above, below]), false, node);
        let outside = self.open_sign(SmallVec::from_slice(&[above]), true, node);
        let ring = ring.max(narrow + 2).max(i32::from(self.program.value(wire).ring) + 2);
        let spec = || Spec { kind: Kind::Share, shape, ring, fraction: f.share, magnitude: f.magnitude };
        let inner = self.push(Gate::Select { bit: inside, source: core, nonnegative: false }, spec(), &node.path);
        let outer = self.push(Gate::Select { bit: outside, source: wire, nonnegative: false }, spec(), &node.path);
        let terms = vec![Term { value: inner, shift: 0 }, Term { value: outer, shift: 0 }];
        self.push(Gate::Add { terms }, spec(), &node.path)
    }

    /// With s = max(x + T, 0) and p = max(x − T, 0), c = s − p − T is x clamped to ±T, and s + p − T is 2p, plus c: half of
    /// that plus the even part at c is the series inside ±T, x above and 0 below. c is opened in its period alone.
    pub(super) fn gelu_clamped(
        &mut self,
        x: NodeId,
        series: &GeluSeries,
        f: &Format,
        ring: i32,
        node: &Node,
    ) -> ValueId {
        let table = i32::from(self.graph.numeric.table_frac);
        let wire = self.close(x);
        let (h, argument) = (self.formats.of(x).wire, self.formats.of(x).magnitude);
        let edge = encode(CLAMP_AT, h);
        let shift = 2 * table - h - 1;
        let period = h + PERIOD_LOG2;
        let inner = period.max(ring - shift).max(i32::from(self.program.value(wire).ring) + 1);
        let shape = &node.ty.shape;
        let share = |shape, fraction, magnitude| Spec { kind: Kind::Share, shape, ring: inner, fraction, magnitude };
        let mut joined = shape.clone();
        joined[0] *= 2;
        let greatest = argument.max(CLAMP_LOG2) + 1;
        let gate = Gate::ReluShared { source: wire, offsets: SmallVec::from_slice(&[edge, -edge]) };
        let both = self.push(gate, share(&joined, h, greatest), &node.path);
        let [s, p] = [0, shape[0]].map(|start| {
            let gate = Gate::View { source: both, view: View::Slice { axis: 0, start } };
            self.push(gate, share(shape, h, greatest), &node.path)
        });
        let term = |value| Term { value, shift: 0 };
        let gate = Gate::Sub { left: term(s), right: term(p) };
        let difference = self.push(gate, share(shape, h, CLAMP_LOG2 + 1), &node.path);
        let gate = Gate::AddPublic { source: difference, term: -edge };
        let clamped = self.push(gate, share(shape, h, CLAMP_LOG2), &node.path);
        let gate = Gate::Add { terms: vec![term(s), term(p)] };
        let sum = self.push(gate, share(shape, h, greatest + 1), &node.path);
        let gate = Gate::AddPublic { source: sum, term: -edge };
        let linear = self.push(gate, share(shape, h, greatest + 1), &node.path);
        let gate = Gate::Rescale { source: linear, shift: 1 };
        let half = self.push(gate, share(shape, h + 1, greatest), &node.path);
        let gate = Gate::Open { source: clamped, truncate: 0, rounding: Rounding::Dithered };
        let spec = Spec { kind: Kind::Wire, shape, ring: period, fraction: h, magnitude: CLAMP_LOG2 };
        let opened = self.push(gate, spec, &node.path);
        let even = self.even_series(opened, series, ring, node);
        let terms = vec![term(even), Term { value: half, shift: shift as u8 }];
        let spec = Spec { kind: Kind::Share, shape, ring, fraction: 2 * table, magnitude: f.magnitude };
        self.push(Gate::Add { terms }, spec, &node.path)
    }
}
