//! Ring widths: backward from the outputs, what every share and wire must hold for its consumers.
//!
//! A product of wires is valid in the narrowest of their rings, so a consumer's ring is demanded of its operands;
//! an opening that drops t bits needs t more. An extended wire needs only its own bits and one of slack.
//! Gates that extend or compare a wire read its whole ring, so they also bound it; where a product needs more than
//! they can take, the share is opened a second time under a mask of its own.

use super::bits::bound_bits;
use super::format::{Form, Format, Formats, Saturation};
use super::formats::{Product, product, scales_wire};
use super::series::Series;
use super::{Chain, Comparison, PlanError, PlanOptions, WIDEST, WORD};
use crate::evaluate::centre_factor;
use crate::graph::{Graph, Node, NodeId, Op};

/// Rings of one node; 0 where it does not exist in that form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ring {
    /// Ring in which the share is valid.
    pub(crate) share: i32,
    /// Ring of the wire that products use.
    pub(crate) wire: i32,
    /// Ring of the wire that is extended or compared; 0 if that is `wire` too.
    pub(crate) close: i32,
    /// If the chain is not to take two words: ring of a first, narrow wire that is extended and opened again.
    pub(crate) narrow: Option<i32>,
    /// If a share that is never a wire is not to take two words: ring in which it is opened whole and then extended.
    pub(crate) relay: Option<i32>,
    /// What was chosen, if one word is too narrow for the chain.
    pub(crate) chain: Option<Chain>,
}

/// Rings of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rings {
    pub(crate) nodes: Vec<Ring>,
}

impl Ring {
    /// Whether anything needs the node.
    pub(crate) fn is_used(self) -> bool {
        self.share > 0 || self.wire > 0 || self.close > 0
    }
}

impl Rings {
    pub(crate) fn of(&self, id: NodeId) -> Ring {
        self.nodes[id.0 as usize]
    }
}

/// Bits dropped when a row of `d` entries is centred.
pub(crate) fn centre_bits(d: usize) -> i32 {
    d.next_power_of_two().trailing_zeros() as i32
}

/// Bits of a centred row's integers, extended.
fn centred_bits(format: &Format, d: usize) -> i32 {
    let growth = if centre_factor(d) > 0.5 { 1 } else { 0 };
    format.extended_bits() + growth
}

/// Bits below an entry in which a row's position is carried through a tree of comparisons: what reveals it.
pub(crate) fn argmax_ring(format: &Format) -> i32 {
    format.signed_bits(0) + 1
}

/// Bits of a wire that is extended, read modulo the period, and compared with the ends of a series' domain.
fn compared_bits(argument: &Format, series: &Series) -> i32 {
    let edge = series.domain.0.abs().max(series.domain.1.abs());
    let most = libm::log2(libm::exp2(f64::from(argument.magnitude)) + edge);
    let moved = argument.wire + libm::ceil(most) as i32 + 1;
    argument.extended_bits().max(argument.wire + series.period).max(moved)
}

/// Bits of a wire whose buckets of size 2^width tell its sign after the ends of a series' domain were added.
pub(crate) fn bucketed_bits(argument: &Format, series: &Series, width: i32) -> i32 {
    let edge = series.domain.0.abs().max(series.domain.1.abs()) + libm::exp2(f64::from(width));
    // Bounds of integers are powers of two.
    let bound = libm::exp2(f64::from(bound_bits(argument.wire, argument.magnitude) - argument.wire));
    let moved = argument.wire + libm::ceil(libm::log2(bound + edge)) as i32 + 1;
    moved.max(argument.wire + series.period).max(argument.extended_bits())
}

/// log2 of the most buckets of coarse signs, half of which are the bits of a word.
pub(crate) const MOST_BUCKETS: i32 = 7;
/// Widest wire that can be extended: the result takes at least two bits more.
const EXTENSIBLE: i32 = WORD - 2;
/// Widest wire that can be compared: five digits of six bits.
const COMPARABLE: i32 = 30;
/// Widest wire that can be compared by function secret sharing.
const SHARABLE: i32 = 32;
struct Assign<'a> {
    graph: &'a Graph,
    formats: &'a Formats,
    options: &'a PlanOptions,
    rings: Vec<Ring>,
    /// Widest ring that every gate that extends or compares the node's wire can take.
    limits: Vec<i32>,
    errors: Vec<PlanError>,
}

/// Assigns rings, backward.
pub(crate) fn assign(graph: &Graph, formats: &Formats, options: &PlanOptions) -> Result<Rings, Vec<PlanError>> {
    let mut a = Assign {
        graph,
        formats,
        options,
        rings: vec![Ring::default(); graph.nodes.len()],
        limits: vec![WIDEST; graph.nodes.len()],
        errors: vec![],
    };
    for output in &graph.outputs {
        let f = formats.of(output.node);
        let drop = (f.share - i32::from(graph.numeric.output_frac)).max(0);
        a.share(output.node, f.signed_bits(f.share - drop) + 1 + drop);
    }
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let id = NodeId(i as u32);
        if let Some(check) = formats.checks.get(&id).filter(|_| a.rings[i].is_used()) {
            a.share(id, check.ring + formats.of(id).share - check.fraction);
        }
        if formats.of(id).is_shared() && a.rings[i].is_used() {
            a.node(id, node);
        }
    }
    if a.errors.is_empty() { Ok(Rings { nodes: a.rings }) } else { Err(a.errors) }
}

impl Assign<'_> {
    fn share(&mut self, id: NodeId, ring: i32) {
        if self.formats.of(id).is_secret() {
            let r = &mut self.rings[id.0 as usize];
            r.share = r.share.max(ring);
        }
    }

    fn wire(&mut self, id: NodeId, ring: i32) {
        if self.formats.of(id).is_secret() {
            let r = &mut self.rings[id.0 as usize];
            r.wire = r.wire.max(ring);
        }
    }

    /// A wire that is extended or compared: at least `bits` wide and at most `limit`.
    fn close(&mut self, id: NodeId, bits: i32, limit: i32) {
        if self.formats.of(id).is_secret() {
            let at = id.0 as usize;
            self.rings[at].close = self.rings[at].close.max(bits);
            self.limits[at] = self.limits[at].min(limit);
        }
    }

    /// One wire for all consumers if its ring suits them, else one for products and one for the others.
    fn join(&mut self, id: NodeId, mut ring: Ring) -> Ring {
        let limit = self.limits[id.0 as usize];
        if ring.close > limit {
            self.too_wide(id, ring.close, limit);
        }
        if ring.wire.max(ring.close) <= limit {
            ring.wire = ring.wire.max(ring.close);
            ring.close = 0;
        }
        ring
    }

    /// Bits in which two entries of a row are compared, with `tag` bits below them.
    fn difference(&self, x: NodeId, tag: i32) -> i32 {
        let f = self.formats.of(x);
        f.signed_bits(f.wire) + 1 + tag
    }

    fn too_wide(&mut self, id: NodeId, needed: i32, available: i32) {
        let path = self.graph.node(id).path.clone();
        let &Format { magnitude, wire: fraction, .. } = self.formats.of(id);
        self.errors.push(PlanError::TooWide { node: id, path, magnitude, fraction, needed, available });
    }

    /// How a node is opened that one word cannot hold.
    fn chain(&self, id: NodeId, node: &Node) -> Chain {
        match node.op {
            // A comparison key gives words.
            Op::Relu(_) if self.options.comparison_at(id) == Comparison::FunctionSharing => Chain::Narrow,
            _ => self.options.chain_at(id),
        }
    }

    /// Decides how the node is opened, then what its operands must hold.
    fn node(&mut self, id: NodeId, node: &Node) {
        let f = self.formats.of(id).clone();
        let mut ring = self.rings[id.0 as usize];
        match &f.form {
            Form::Alias => {
                let source = node.op.operands()[0];
                self.wire(source, ring.wire);
                self.close(source, ring.close, self.limits[id.0 as usize]);
                self.share(source, ring.share);
                return;
            }
            Form::Server | Form::Client { .. } => {
                if ring.wire > 0 || ring.close > 0 {
                    ring.wire = ring.wire.max(f.signed_bits(f.wire));
                    ring = self.join(id, ring);
                }
                if ring.close > 0 || ring.wire > WIDEST {
                    self.too_wide(id, ring.wire, self.limits[id.0 as usize].min(WIDEST));
                }
                self.rings[id.0 as usize] = ring;
                return;
            }
            Form::Lifted => {
                ring.wire = ring.wire.max(if ring.wire > 0 { f.signed_bits(f.wire) } else { 0 });
                ring = self.join(id, ring);
                ring.share = ring.share.max(ring.wire).max(ring.close);
                if ring.share > WIDEST {
                    self.too_wide(id, ring.share, WIDEST);
                }
                self.rings[id.0 as usize] = ring;
                return;
            }
            Form::Derived => {
                let x = node.op.operands()[0];
                let d = *node.ty.shape.last().unwrap_or(&1);
                let own = centred_bits(self.formats.of(x), d);
                if ring.close > 0 {
                    let limit = (self.limits[id.0 as usize] + centre_bits(d)).min(WORD);
                    self.close(x, ring.close.max(own) + centre_bits(d), limit);
                }
                if ring.wire > 0 {
                    self.wire(x, ring.wire.max(own) + centre_bits(d));
                }
                return;
            }
            _ => {}
        }
        ring = self.join(id, ring);
        let drop = f.share - f.wire;
        if ring.close > 0 {
            ring.share = ring.share.max(ring.close + drop);
        }
        if ring.wire > 0 {
            ring.wire = ring.wire.max(f.signed_bits(f.wire));
            let long = ring.wire + drop > WORD;
            // What a series gives has a price by its ring, and without a dealer everything has.
            let priced = matches!(f.form, Form::Smooth(_)) || self.options.alone();
            let extensible = ring.wire >= f.extended_bits() + 2;
            ring.chain = (long || priced && extensible).then(|| self.chain(id, node));
            if ring.chain != Some(Chain::Narrow) && ring.wire + drop <= f.available {
                ring.share = ring.share.max(ring.wire + drop);
            } else {
                let mut narrow = f.extended_bits();
                if ring.close > 0 && narrow <= self.limits[id.0 as usize] {
                    narrow = narrow.max(ring.close);
                    ring.close = narrow;
                }
                if narrow + drop > f.available || ring.wire > WIDEST {
                    self.too_wide(id, (narrow + drop).max(ring.wire), f.available);
                }
                ring.narrow = Some(narrow);
                ring.share = ring.share.max(narrow + drop);
            }
        }
        if let Op::Mul(a, b) = node.op
            && let Some(Product::RowScale(m, _)) = product(self.graph, a, b)
        {
            ring.share = ring.share.max(self.formats.of(m).extended_bits() + 1);
        }
        match (&f.form, &node.op) {
            (_, Op::Mul(a, b)) if a == b => ring.share = ring.share.max(self.formats.of(*a).extended_bits() + 2),
            (Form::Share, Op::Scale(x, c)) if scales_wire(self.graph, self.formats.of(*x), *c) => {
                ring.share = ring.share.max(self.formats.of(*x).extended_bits() + 2);
            }
            (Form::Power { power, .. }, _) if power.halvings > 0 => {
                ring.share = ring.share.max(power.squared_ring(1) + 2)
            }
            (Form::MaxRow, Op::MaxRow(x)) => ring.share = ring.share.max(self.difference(*x, 0) + 2),
            (Form::Argmax, _) => ring.share = argmax_ring(&f),
            _ => {}
        }
        if ring.share > f.available {
            self.too_wide(id, ring.share, f.available);
        }
        let whole = f.signed_bits(f.share) + 1;
        if ring.wire == 0 && ring.close == 0 && ring.share > WORD && whole <= EXTENSIBLE {
            ring.chain = Some(self.chain(id, node));
            ring.relay = (ring.chain == Some(Chain::Narrow)).then_some(whole);
        }
        self.rings[id.0 as usize] = ring;
        self.operands(node, &f, ring.relay.unwrap_or(ring.share));
        if let (Form::Smooth(curve), Op::Smooth(_, x)) = (&f.form, &node.op)
            && self.options.alone()
            && ring.narrow.is_some()
            && curve.saturation == Saturation::Plain
            && curve.series.function.linear() != 0.0
        {
            // The line is of the share, which takes few bits more, and nothing is extended.
            self.share(*x, ring.share - (curve.scale - 1 - self.formats.of(*x).share));
        }
    }

    fn operands(&mut self, node: &Node, f: &Format, share: i32) {
        match (&f.form, &node.op) {
            (Form::RowFunction { argument, levels, limits, .. }, op) => {
                let k = limits.held.max(levels.ring_bits.into());
                if let Op::InvStd { x, .. } = op {
                    let d = *self.graph.node(*x).ty.shape.last().unwrap_or(&1);
                    let limit = (EXTENSIBLE + centre_bits(d)).min(WORD);
                    self.close(*x, centred_bits(self.formats.of(*x), d) + centre_bits(d), limit);
                } else {
                    let of = self.formats.of(*argument);
                    let taken = self.formats.taken_fraction(self.graph, *argument);
                    self.share(*argument, k + of.share - taken);
                }
            }
            (Form::Power { argument, power, shift, .. }, _) => {
                let held = power.ring + i32::from(shift.checked);
                self.share(*argument, held + self.formats.of(*argument).share + power.halvings - power.fraction);
            }
            (Form::Smooth(curve), Op::Smooth(_, x)) => {
                let h = self.formats.of(*x);
                let series = &curve.series;
                match curve.saturation {
                    Saturation::Plain => {
                        let bits = series.wire_bits(h.wire, h.magnitude, series.function.linear() != 0.0);
                        self.share(*x, bits + h.share - h.wire);
                    }
                    Saturation::Selected => {
                        self.close(*x, compared_bits(h, series), COMPARABLE);
                    }
                    Saturation::Bucketed { width } => {
                        self.close(*x, bucketed_bits(h, series, width), h.wire + width + MOST_BUCKETS);
                    }
                    Saturation::Clamped => {
                        self.close(*x, compared_bits(h, series), SHARABLE);
                    }
                }
            }
            (Form::MaxRow | Form::Argmax, Op::MaxRow(x) | Op::Argmax(x)) => {
                let spacing = if f.form == Form::Argmax { argmax_ring(f) } else { 0 };
                let (own, difference) = (self.formats.of(*x).extended_bits(), self.difference(*x, spacing));
                if difference > COMPARABLE {
                    self.too_wide(*x, difference, COMPARABLE);
                }
                self.close(*x, own, EXTENSIBLE);
            }
            (_, Op::Step(x)) => {
                let h = self.formats.of(*x);
                self.close(*x, h.signed_bits(h.wire), COMPARABLE);
            }
            (_, Op::Linear { x, .. }) => self.wire(*x, share),
            (_, Op::MatMul(a, b)) => {
                self.wire(*a, share);
                self.wire(*b, share);
            }
            (_, Op::Mul(a, b)) => match product(self.graph, *a, *b) {
                Some(Product::RowScale(m, r)) => {
                    self.close(m, self.formats.of(m).extended_bits(), share - 1);
                    self.wire(r, share);
                }
                Some(Product::Server(m, _)) => self.wire(m, share),
                Some(Product::Square(x)) => {
                    let bits = self.formats.of(x).extended_bits();
                    self.close(x, bits, EXTENSIBLE.min(share - 2));
                }
                Some(Product::Entries(x, y)) => {
                    self.wire(x, share);
                    self.wire(y, share);
                }
                None => {}
            },
            (_, Op::Scale(x, c)) if scales_wire(self.graph, self.formats.of(*x), *c) => {
                self.close(*x, self.formats.of(*x).extended_bits(), EXTENSIBLE.min(share - 2));
            }
            (_, Op::Relu(x)) => {
                let h = self.formats.of(*x);
                self.close(*x, h.signed_bits(h.wire), COMPARABLE);
            }
            (_, op) => {
                for o in op.operands() {
                    self.share(o, share);
                }
            }
        }
    }
}
