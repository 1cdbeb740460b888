//! Writing the gates, forward, with the formats and rings decided.

mod checks;
mod powers;
mod rows;
mod smooth;

use std::collections::HashMap;

use mpcc_program::gates::digits;
use mpcc_program::program::{
    Gate, Input, Kind, Output, Program, Shape, Term, Value, ValueId, View, Weight, WeightId, WeightRounding,
};
use smallvec::SmallVec;

use super::bits::bound_bits;
use super::format::{Form, Format, Formats};
use super::formats::{Product, factor_bits, product, scales_wire};
use super::rings::{Ring, Rings, centre_bits};
use super::{Comparison, POSITION_BITS, PlanOptions};
use crate::graph::{Graph, Node, NodeId, Op};

/// The same rounding of a real series to integers everywhere.
fn encode(value: f64, fraction: i32) -> i64 {
    libm::floor(value * libm::exp2(f64::from(fraction)) + 0.5) as i64
}

/// Values of nodes in one form.
type Known = HashMap<NodeId, ValueId>;

struct Build<'a> {
    graph: &'a Graph,
    formats: &'a Formats,
    rings: &'a Rings,
    options: &'a PlanOptions,
    program: Program,
    shares: Known,
    wires: Known,
    /// Wires that are extended or compared, where they are not those of products.
    close: Known,
    weights: HashMap<(NodeId, bool, i32), WeightId>,
    checks: checks::Checks,
}

/// The share program of a graph.
pub(crate) fn program(graph: &Graph, formats: &Formats, rings: &Rings, options: &PlanOptions) -> Program {
    let mut b = Build {
        graph,
        formats,
        rings,
        options,
        program: Program { name: graph.name.clone(), supplier: options.supplier, ..Program::default() },
        shares: HashMap::new(),
        wires: HashMap::new(),
        close: HashMap::new(),
        weights: HashMap::new(),
        checks: checks::Checks::default(),
    };
    for (i, node) in graph.nodes.iter().enumerate() {
        let id = NodeId(i as u32);
        let ring = rings.of(id);
        if formats.of(id).is_shared() && ring.is_used() {
            b.node(id, node);
            b.check_entries(id, node);
        }
    }
    for (i, output) in graph.outputs.iter().enumerate() {
        b.reveal(i as u32, output);
    }
    b.verdict();
    b.program.hops = b.program.values.iter().map(|v| v.level).max().unwrap_or(0);
    b.program
}

/// What a new value needs besides its gate.
#[derive(Clone, Copy)]
struct Spec<'s> {
    kind: Kind,
    shape: &'s [usize],
    ring: i32,
    fraction: i32,
    magnitude: i32,
}

impl Build<'_> {
    fn push(&mut self, gate: Gate, spec: Spec<'_>, path: &str) -> ValueId {
        let operands = gate.operands().iter().map(|o| self.program.value(*o).level).max().unwrap_or(0);
        let level = operands + u16::from(gate.takes_a_hop());
        let id = ValueId(self.program.values.len() as u32);
        self.program.values.push(Value {
            gate,
            kind: spec.kind,
            shape: spec.shape.iter().copied().collect(),
            ring: spec.ring as u8,
            fraction: spec.fraction as i16,
            bound: match spec.kind {
                Kind::Bits => spec.ring,
                // A share may be narrower than its value as long as it is only added to others; the verifier looks
                // where it is opened.
                _ => bound_bits(spec.fraction, spec.magnitude).min(i32::from(u8::MAX)),
            } as u8,
            level,
            path: path.into(),
        });
        id
    }

    fn share(&self, id: NodeId) -> ValueId {
        self.shares[&id]
    }

    fn wire(&self, id: NodeId) -> ValueId {
        self.wires[&id]
    }

    /// The wire of a node for gates that extend or compare it.
    fn close(&self, id: NodeId) -> ValueId {
        self.close.get(&id).copied().unwrap_or_else(|| self.wire(id))
    }

    fn node(&mut self, id: NodeId, node: &Node) {
        let f = self.formats.of(id).clone();
        let ring = self.rings.of(id);
        match &f.form {
            Form::Server => {}
            Form::Client { .. } => self.input(id, node, &f),
            Form::Alias => self.alias(id, node, &f),
            Form::Derived => {
                let x = node.op.operands()[0];
                if ring.wire > 0 {
                    let wire = self.centred(x, self.wire(x), &node.path);
                    self.wires.insert(id, wire);
                }
                if ring.close > 0 {
                    let wire = self.centred(x, self.close(x), &node.path);
                    self.close.insert(id, wire);
                }
            }
            _ => {
                let share = match ring.relay {
                    None => self.compute(id, node, &f, ring.share),
                    Some(whole) => self.relay(id, node, &f, whole, ring.share),
                };
                self.shares.insert(id, share);
                self.open(id, share, node, &f, ring);
            }
        }
    }

    /// The data owner's value as a wire, where it is one; as a share it is made at the scale of its use.
    fn input(&mut self, id: NodeId, node: &Node, f: &Format) {
        let ring = self.rings.of(id).wire;
        if ring == 0 {
            return;
        }
        let input = self.encoded_input(id, f.wire, f.magnitude, ring - 1);
        let spec = Spec { kind: Kind::Wire, shape: &node.ty.shape, ring, fraction: f.wire, magnitude: f.magnitude };
        let wire = self.push(Gate::Input { input }, spec, &node.path);
        self.wires.insert(id, wire);
    }

    fn encoded_input(&mut self, id: NodeId, fraction: i32, magnitude: i32, most: i32) -> u32 {
        let node = self.graph.node(id);
        self.program.inputs.push(Input {
            node: id.0,
            shape: node.ty.shape.clone(),
            fraction: fraction as i16,
            bound: bound_bits(fraction, magnitude).min(most) as u8,
            path: node.path.clone(),
        });
        self.program.inputs.len() as u32 - 1
    }

    /// Opens a share as the wires its consumers need; that of products in two openings if one word is too narrow.
    fn open(&mut self, id: NodeId, share: ValueId, node: &Node, f: &Format, ring: Ring) {
        let truncate = f.share - f.wire;
        let spec =
            |ring| Spec { kind: Kind::Wire, shape: &node.ty.shape, ring, fraction: f.wire, magnitude: f.magnitude };
        let gate = Gate::Open { source: share, truncate: truncate as u8 };
        if ring.close > 0 {
            let wire = self.push(gate.clone(), spec(ring.close), &node.path);
            self.close.insert(id, wire);
        }
        if ring.wire == 0 {
            return;
        }
        let Some(first) = ring.narrow else {
            let wire = self.push(gate, spec(ring.wire), &node.path);
            self.wires.insert(id, wire);
            return;
        };
        let wire = match self.close.get(&id) {
            Some(known) if first == ring.close => *known,
            _ => self.push(gate, spec(first), &node.path),
        };
        let wide = self.push(
            Gate::Extend { source: wire },
            Spec { kind: Kind::Share, ..spec(ring.wire.max(first + 2)) },
            &node.path,
        );
        let gate = Gate::Open { source: wide, truncate: 0 };
        let wire = self.push(gate, spec(ring.wire), &node.path);
        self.wires.insert(id, wire);
    }

    /// A share of a wide ring by opening it whole in a narrow one.
    fn relay(&mut self, id: NodeId, node: &Node, f: &Format, whole: i32, ring: i32) -> ValueId {
        let source = self.compute(id, node, f, whole);
        let (shape, fraction, magnitude) = (&node.ty.shape[..], f.share, f.magnitude);
        let gate = Gate::Open { source, truncate: 0 };
        let source = self.push(gate, Spec { kind: Kind::Wire, shape, ring: whole, fraction, magnitude }, &node.path);
        let spec = Spec { kind: Kind::Share, shape, ring, fraction, magnitude };
        self.push(Gate::Extend { source }, spec, &node.path)
    }

    fn alias(&mut self, id: NodeId, node: &Node, f: &Format) {
        let source = node.op.operands()[0];
        let from = &self.graph.node(source).ty.shape;
        let view = match &node.op {
            Op::Scale(..) => None,
            Op::Transpose(_) => {
                let n = from.len();
                Some((None, View::Permute((0..n - 2).chain([n - 1, n - 2]).collect())))
            }
            Op::SplitHeads { heads, .. } => {
                let middle: Shape = [from[0], *heads, from[1] / heads].into_iter().collect();
                Some((Some(middle), View::Permute(SmallVec::from_slice(&[1, 0, 2]))))
            }
            Op::MergeHeads(_) => Some((None, View::Permute(SmallVec::from_slice(&[1, 0, 2])))),
            Op::Slice { axis, start, .. } => Some((None, View::Slice { axis: *axis, start: *start })),
            Op::Gather { axis, index, .. } => Some((None, View::Gather { axis: *axis, index: index.clone() })),
            _ => Some((None, View::Reshape)),
        };
        let shift = self.formats.of(source).wire - f.wire;
        let ring = self.rings.of(id);
        let close = ring.close > 0 && self.close.contains_key(&source);
        let maps: [fn(&mut Self) -> &mut Known; 3] = [|b| &mut b.shares, |b| &mut b.wires, |b| &mut b.close];
        let used = [ring.share > 0, ring.wire > 0 || (ring.close > 0 && !close), close];
        for (map, _) in maps.into_iter().zip(used).filter(|(_, used)| *used) {
            let Some(&value) = map(self).get(&source) else { continue };
            let kind = self.program.value(value).kind;
            let (ring, fraction) = {
                let v = self.program.value(value);
                (i32::from(v.ring), i32::from(v.fraction))
            };
            let spec = |shape, fraction| Spec { kind, shape, ring, fraction, magnitude: f.magnitude };
            let result = match &view {
                None => {
                    let gate = Gate::Rescale { source: value, shift: -shift as i16 };
                    self.push(gate, spec(&node.ty.shape, fraction - shift), &node.path)
                }
                Some((middle, view)) => {
                    let mut at = value;
                    if let Some(middle) = middle {
                        at = self.push(
                            Gate::View { source: at, view: View::Reshape },
                            spec(middle, fraction),
                            &node.path,
                        );
                    }
                    if matches!(node.op, Op::MergeHeads(_)) {
                        let moved: Shape = [from[1], from[0], from[2]].into_iter().collect();
                        at = self.push(
                            Gate::View { source: at, view: view.clone() },
                            spec(&moved, fraction),
                            &node.path,
                        );
                        self.push(
                            Gate::View { source: at, view: View::Reshape },
                            spec(&node.ty.shape, fraction),
                            &node.path,
                        )
                    } else {
                        self.push(
                            Gate::View { source: at, view: view.clone() },
                            spec(&node.ty.shape, fraction),
                            &node.path,
                        )
                    }
                }
            };
            map(self).insert(id, result);
        }
    }

    /// An encoded weight, shared between its uses at one scale.
    fn weight(&mut self, node: NodeId, transposed: bool, fraction: i32) -> WeightId {
        if let Some(known) = self.weights.get(&(node, transposed, fraction)) {
            return *known;
        }
        let n = self.graph.node(node);
        let mut shape: Shape = n.ty.shape.clone();
        if transposed {
            let len = shape.len();
            shape.swap(len - 1, len - 2);
        }
        let mut op = &n.op;
        while let Op::Scale(inner, _) = op {
            op = &self.graph.node(*inner).op;
        }
        let rounding = match op {
            Op::CentreWeight(_) if transposed => WeightRounding::ZeroColumnSums,
            _ => WeightRounding::Nearest,
        };
        let magnitude = self.formats.of(node).magnitude;
        let id = WeightId(self.program.weights.len() as u32);
        self.program.weights.push(Weight {
            node: node.0,
            shape,
            transposed,
            fraction: fraction as i16,
            bound: bound_bits(fraction, magnitude).min(62) as u8,
            rounding,
            path: n.path.clone(),
        });
        self.weights.insert((node, transposed, fraction), id);
        id
    }

    /// The node's share, valid in `ring`.
    fn compute(&mut self, id: NodeId, node: &Node, f: &Format, ring: i32) -> ValueId {
        let weight_frac = i32::from(self.graph.numeric.weight_frac);
        let shape = &node.ty.shape;
        let spec = |ring| Spec { kind: Kind::Share, shape, ring, fraction: f.share, magnitude: f.magnitude };
        match (&f.form, &node.op) {
            (Form::RowFunction { argument, levels, function, limits }, op) => {
                let table = levels.table(*function, (f.share - POSITION_BITS) as u8);
                self.row_function(op, *argument, (table, limits), f, ring, &node.path)
            }
            (Form::Power { argument, power, shift, range }, _) => {
                self.power(*argument, (power, shift, *range), spec(ring), node)
            }
            (Form::Smooth(curve), Op::Smooth(_, x)) => self.smooth(*x, curve, f, ring, node),
            (Form::Lifted, _) => {
                let weight = self.weight(id, false, f.share);
                self.push(Gate::ServerShare { weight }, spec(ring), &node.path)
            }
            (_, Op::MaxRow(x)) => self.row_maximum(id, *x, ring, node),
            (_, Op::Argmax(x)) => self.row_position(id, *x, f, node),
            (_, Op::Step(x)) => self.step(id, *x, spec(ring), node),
            (_, Op::Linear { x, weight, bias }) => {
                let w = self.weight(*weight, true, weight_frac);
                let gate = Gate::MatMulServer { source: self.wire(*x), weight: w };
                match bias {
                    None => self.push(gate, spec(ring), &node.path),
                    Some(b) => {
                        // Without its bias a result may be larger than with it.
                        let magnitude = f.magnitude.max(self.formats.of(*b).magnitude) + 1;
                        let product = self.push(gate, Spec { magnitude, ..spec(ring) }, &node.path);
                        let w = self.weight(*b, false, f.share);
                        self.push(Gate::AddServer { source: product, weight: w }, spec(ring), &node.path)
                    }
                }
            }
            (_, Op::MatMul(a, b)) if self.formats.of(*b).form == Form::Server => {
                let w = self.weight(*b, false, weight_frac);
                self.push(Gate::MatMulServer { source: self.wire(*a), weight: w }, spec(ring), &node.path)
            }
            (_, Op::MatMul(a, b)) => {
                self.push(Gate::MatMul { left: self.wire(*a), right: self.wire(*b) }, spec(ring), &node.path)
            }
            (_, Op::Mul(a, b)) => match product(self.graph, *a, *b).expect("formats found a protocol") {
                Product::RowScale(m, r) => {
                    self.push(Gate::RowScale { source: self.close(m), row: self.wire(r) }, spec(ring), &node.path)
                }
                Product::Server(m, w) => {
                    let w = self.weight(w, false, weight_frac);
                    self.push(Gate::MulServer { source: self.wire(m), weight: w }, spec(ring), &node.path)
                }
                Product::Square(x) => self.push(Gate::Square { source: self.close(x) }, spec(ring), &node.path),
                Product::Entries(x, y) => self.entries(x, y, spec(ring), &node.path),
            },
            (_, Op::Add(a, b)) => self.add(*a, *b, f, ring, node),
            (_, Op::Sub(a, b)) => {
                if let Form::Shift(shift) = &self.formats.of(*b).form {
                    let term = -encode(shift.value, f.share);
                    return self.push(Gate::AddPublic { source: self.share(*a), term }, spec(ring), &node.path);
                }
                let [left, right] = [a, b].map(|o| self.term(*o, f, ring, Some(shape)));
                self.push(Gate::Sub { left, right }, spec(ring), &node.path)
            }
            (_, Op::Concat { parts, axis }) => {
                let parts = parts.iter().map(|p| self.term(*p, f, ring, None)).collect();
                self.push(Gate::Concat { parts, axis: *axis }, spec(ring), &node.path)
            }
            (_, Op::SumRow(x)) => self.push(Gate::SumRow { source: self.share(*x) }, spec(ring), &node.path),
            (_, Op::Offset(x, c)) => {
                let term = encode(*c, f.share);
                self.push(Gate::AddPublic { source: self.share(*x), term }, spec(ring), &node.path)
            }
            (_, Op::Scale(x, c)) => {
                let factor = encode(*c, factor_bits(self.graph, *c));
                let source = if scales_wire(self.graph, self.formats.of(*x), *c) {
                    let own = self.formats.of(*x);
                    let spec = Spec { fraction: own.wire, magnitude: own.magnitude, ..spec(ring) };
                    self.push(Gate::Extend { source: self.close(*x) }, spec, &node.path)
                } else {
                    self.share(*x)
                };
                self.push(Gate::MulPublic { source, factor }, spec(ring), &node.path)
            }
            (_, Op::Relu(x)) => {
                let wire = self.close(*x);
                self.rectified(id, wire, spec(ring), node)
            }
            (_, op) => unreachable!("formats refused {}", crate::text::op_name(op)),
        }
    }

    /// A share as a term at the format's scale, stretched to a shape; what one party knows becomes a share first.
    fn term(&mut self, id: NodeId, f: &Format, ring: i32, shape: Option<&Shape>) -> Term {
        let own = self.formats.of(id).clone();
        let node = self.graph.node(id);
        let (value, shift) = match own.form {
            Form::Server | Form::Client { .. } => {
                let gate = if own.form == Form::Server {
                    Gate::ServerShare { weight: self.weight(id, false, f.share) }
                } else {
                    Gate::ClientShare { input: self.encoded_input(id, f.share, own.magnitude, 62) }
                };
                let (shape, magnitude) = (&node.ty.shape[..], own.magnitude);
                let spec = Spec { kind: Kind::Share, shape, ring, fraction: f.share, magnitude };
                (self.push(gate, spec, &node.path), 0)
            }
            _ => (self.share(id), (f.share - own.share) as u8),
        };
        let value = shape.map_or(value, |shape| self.stretched(value, shape, &node.path));
        Term { value, shift }
    }

    /// The value repeated to a shape that it broadcasts to.
    fn stretched(&mut self, mut value: ValueId, to: &Shape, path: &str) -> ValueId {
        let mut at: Shape = self.program.value(value).shape.clone();
        let view = |b: &mut Self, source: ValueId, shape: &Shape, view: View| {
            let v = b.program.value(source);
            let value =
                Value { gate: Gate::View { source, view }, shape: shape.clone(), path: path.into(), ..v.clone() };
            b.program.values.push(value);
            ValueId(b.program.values.len() as u32 - 1)
        };
        if at.len() < to.len() {
            at = std::iter::repeat_n(1, to.len() - at.len()).chain(at).collect();
            value = view(self, value, &at, View::Reshape);
        }
        for axis in 0..to.len() {
            if at[axis] != to[axis] {
                at[axis] = to[axis];
                value = view(self, value, &at, View::Gather { axis, index: vec![0; to[axis]] });
            }
        }
        value
    }

    /// G3 entry by entry; the second factor is repeated over the leading axes.
    fn entries(&mut self, x: NodeId, y: NodeId, spec: Spec<'_>, path: &str) -> ValueId {
        let (left, mut right) = (self.wire(x), self.wire(y));
        let part = self.program.value(right).shape.clone();
        let kept = part.iter().position(|d| *d != 1).unwrap_or(part.len() - 1);
        if kept > 0 && part.len() == spec.shape.len() && part[..] != *spec.shape {
            let v = self.program.value(right).clone();
            let gate = Gate::View { source: right, view: View::Reshape };
            self.program.values.push(Value { gate, shape: part[kept..].into(), path: path.into(), ..v });
            right = ValueId(self.program.values.len() as u32 - 1);
        }
        self.push(Gate::Hadamard { left, right }, spec, path)
    }

    /// 1 where the value is not negative.
    fn step(&mut self, id: NodeId, x: NodeId, spec: Spec<'_>, node: &Node) -> ValueId {
        let source = self.close(x);
        if self.options.comparison_at(id) == Comparison::FunctionSharing {
            let gate = Gate::StepShared { source, offsets: SmallVec::from_slice(&[0]) };
            return self.push(gate, spec, &node.path);
        }
        let bit = self.sign(&[(source, 0)], true, node);
        self.push(Gate::SignShare { bit }, spec, &node.path)
    }

    fn add(&mut self, a: NodeId, b: NodeId, f: &Format, ring: i32, node: &Node) -> ValueId {
        let spec =
            || Spec { kind: Kind::Share, shape: &node.ty.shape, ring, fraction: f.share, magnitude: f.magnitude };
        // Another weight is stretched as a share.
        let ends = |s: &Self, id: NodeId| node.ty.shape.ends_with(&s.graph.node(id).ty.shape);
        let is_server = |s: &Self, id| s.formats.of(id).form == Form::Server && ends(s, id);
        let server = if is_server(self, a) {
            Some((b, a))
        } else if is_server(self, b) {
            Some((a, b))
        } else {
            None
        };
        match server {
            Some((x, w)) => {
                let source = self.term(x, f, ring, Some(&node.ty.shape)).value;
                let weight = self.weight(w, false, f.share);
                self.push(Gate::AddServer { source, weight }, spec(), &node.path)
            }
            None => {
                let terms = [a, b].map(|o| self.term(o, f, ring, Some(&node.ty.shape))).to_vec();
                self.push(Gate::Add { terms }, spec(), &node.path)
            }
        }
    }

    /// The centred wire of a node, made once: for its `Centre` consumers and for the row statistics.
    fn centred(&mut self, x: NodeId, source: ValueId, path: &str) -> ValueId {
        let known =
            self.program.values.iter().position(|v| matches!(v.gate, Gate::Centre { source: s, .. } if s == source));
        if let Some(known) = known {
            return ValueId(known as u32);
        }
        let node = self.graph.node(x);
        let d = *node.ty.shape.last().unwrap_or(&1);
        let (truncate, f) = (centre_bits(d), self.formats.of(x));
        let spec = Spec {
            kind: Kind::Wire,
            shape: &node.ty.shape,
            ring: i32::from(self.program.value(source).ring) - truncate,
            fraction: f.wire,
            magnitude: f.magnitude + 1,
        };
        self.push(Gate::Centre { source, truncate: truncate as u8 }, spec, path)
    }

    /// Opens the masked bit ⊕ [wire + offset < 0] ⊕ negate.
    fn sign(&mut self, comparisons: &[(ValueId, i64)], negate: bool, node: &Node) -> ValueId {
        let mut signs = SmallVec::new();
        for (wire, offset) in comparisons {
            signs.push(self.sign_digits(*wire, *offset, node));
        }
        self.open_sign(signs, negate, node)
    }

    fn sign_digits(&mut self, source: ValueId, offset: i64, node: &Node) -> ValueId {
        let digits = digits(self.program.value(source).ring);
        let ring = 2 * digits.len() as i32 - 1;
        let spec = Spec { kind: Kind::Bits, shape: &node.ty.shape, ring, fraction: 0, magnitude: ring };
        self.push(Gate::SignDigits { source, offset, digits }, spec, &node.path)
    }

    fn open_sign(&mut self, signs: SmallVec<[ValueId; 2]>, negate: bool, node: &Node) -> ValueId {
        let spec = Spec { kind: Kind::Bits, shape: &node.ty.shape, ring: 1, fraction: 0, magnitude: 1 };
        self.push(Gate::OpenSign { signs, negate }, spec, &node.path)
    }

    fn reveal(&mut self, index: u32, output: &crate::graph::Output) {
        let f = self.formats.of(output.node).clone();
        let node = self.graph.node(output.node);
        let truncate = (f.share - i32::from(self.graph.numeric.output_frac)).max(0);
        let fraction = f.share - truncate;
        let source = self.share(output.node);
        let ring = f.signed_bits(fraction) + 1;
        self.program.outputs.push(Output {
            name: output.name.clone(),
            shape: node.ty.shape.clone(),
            fraction: fraction as i16,
            labels: output.labels.clone(),
        });
        // Rounding may carry an entry to its bound; the ring has a bit for that.
        let spec = Spec { kind: Kind::Share, shape: &node.ty.shape, ring, fraction, magnitude: f.magnitude + 1 };
        self.push(Gate::Reveal { source, truncate: truncate as u8, output: index }, spec, &output.name);
    }
}
