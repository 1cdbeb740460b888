//! Ring widths: backward from the outputs, what every share and wire must hold for its consumers.
//!
//! A product of wires is valid in the narrowest of their rings, so a consumer's ring is demanded of its operands;
//! an opening that drops t bits needs t more. An extended wire needs only its own bits and one of slack.

use super::formats::{Form, Format, Formats, Product, product};
use super::{PlanError, TAU_BITS, WORD};
use crate::evaluate::centre_factor;
use crate::graph::{Graph, Node, NodeId, Op};

/// Rings of one node; 0 where it does not exist in that form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ring {
    /// Ring in which the share is valid.
    pub(crate) share: i32,
    /// Ring of the wire consumers use.
    pub(crate) wire: i32,
    /// If the chain is too long for a word: ring of a first, narrow wire that is extended and opened again.
    pub(crate) narrow: Option<i32>,
}

/// Rings of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rings {
    pub(crate) nodes: Vec<Ring>,
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

struct Assign<'a> {
    graph: &'a Graph,
    formats: &'a Formats,
    rings: Vec<Ring>,
    errors: Vec<PlanError>,
}

/// Assigns rings, backward.
pub(crate) fn assign(graph: &Graph, formats: &Formats) -> Result<Rings, Vec<PlanError>> {
    let mut a = Assign { graph, formats, rings: vec![Ring::default(); graph.nodes.len()], errors: vec![] };
    for output in &graph.outputs {
        let f = formats.of(output.node);
        let drop = (f.share - i32::from(graph.numeric.output_frac)).max(0);
        a.share(output.node, f.signed_bits(f.share - drop) + 1 + drop);
    }
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let id = NodeId(i as u32);
        if formats.of(id).is_shared() && (a.rings[i].share > 0 || a.rings[i].wire > 0) {
            a.node(id, node);
        }
    }
    if a.errors.is_empty() { Ok(Rings { nodes: a.rings }) } else { Err(a.errors) }
}

impl Assign<'_> {
    fn share(&mut self, id: NodeId, ring: i32) {
        if self.formats.of(id).form != Form::Server {
            let r = &mut self.rings[id.0 as usize];
            r.share = r.share.max(ring);
        }
    }

    fn wire(&mut self, id: NodeId, ring: i32) {
        if self.formats.of(id).form != Form::Server {
            let r = &mut self.rings[id.0 as usize];
            r.wire = r.wire.max(ring);
        }
    }

    fn extended(&mut self, id: NodeId) {
        self.wire(id, self.formats.of(id).extended_bits());
    }

    fn too_wide(&mut self, id: NodeId, needed: i32, available: i32) {
        let path = self.graph.node(id).path.clone();
        self.errors.push(PlanError::TooWide { node: id, path, needed, available });
    }

    /// Decides how the node is opened, then what its operands must hold.
    fn node(&mut self, id: NodeId, node: &Node) {
        let f = self.formats.of(id).clone();
        let mut ring = self.rings[id.0 as usize];
        match &f.form {
            Form::Alias => {
                let source = node.op.operands()[0];
                self.wire(source, ring.wire);
                self.share(source, ring.share);
                return;
            }
            Form::Server | Form::Client { .. } => {
                ring.wire = ring.wire.max(f.signed_bits(f.wire));
                self.rings[id.0 as usize] = ring;
                if ring.share > 0 {
                    self.too_wide(id, ring.share, 0);
                }
                return;
            }
            Form::Derived => {
                let x = node.op.operands()[0];
                let d = *node.ty.shape.last().unwrap_or(&1);
                let bits = centred_bits(self.formats.of(x), d).max(ring.wire);
                self.rings[id.0 as usize].wire = bits;
                self.wire(x, bits + centre_bits(d));
                return;
            }
            _ => {}
        }
        if ring.wire > 0 {
            ring.wire = ring.wire.max(f.signed_bits(f.wire));
            let drop = f.share - f.wire;
            if ring.wire + drop <= f.available {
                ring.share = ring.share.max(ring.wire + drop);
            } else {
                let narrow = f.extended_bits();
                if narrow + drop > f.available || ring.wire > WORD {
                    self.too_wide(id, (narrow + drop).max(ring.wire), f.available);
                }
                ring.narrow = Some(narrow);
                ring.share = ring.share.max(narrow + drop);
            }
        }
        if ring.share > f.available {
            self.too_wide(id, ring.share, f.available);
        }
        self.rings[id.0 as usize] = ring;
        self.operands(node, &f, ring.share);
    }

    fn operands(&mut self, node: &Node, f: &Format, share: i32) {
        match (&f.form, &node.op) {
            (Form::RowFunction { argument, windows, .. }, op) => {
                let k = i32::from(windows.ring_bits);
                if let Op::InvStd { x, .. } = op {
                    let d = *self.graph.node(*x).ty.shape.last().unwrap_or(&1);
                    self.wire(*x, centred_bits(self.formats.of(*x), d) + centre_bits(d));
                } else {
                    self.share(*argument, k);
                }
            }
            (Form::GeluPlain(_), Op::Gelu(x)) => {
                let period = self.formats.of(*x).wire + super::gelu::PERIOD_LOG2;
                self.wire(*x, self.formats.of(*x).extended_bits().max(period));
            }
            (Form::GeluSaturating(_), Op::Gelu(x)) => {
                let h = self.formats.of(*x);
                let period = h.wire + super::gelu::PERIOD_LOG2;
                self.wire(*x, h.extended_bits().max(period + 1));
            }
            (_, Op::Linear { x, .. }) => self.wire(*x, share),
            (_, Op::MatMul(a, b)) => {
                self.wire(*a, share);
                self.wire(*b, share);
            }
            (_, Op::Mul(a, b)) => match product(self.graph, *a, *b) {
                Some(Product::RowScale(m, r)) => {
                    self.extended(m);
                    self.wire(r, share);
                }
                Some(Product::Server(m, _)) => self.wire(m, share),
                None => {}
            },
            (_, Op::Relu(x)) => self.wire(*x, self.formats.of(*x).signed_bits(self.formats.of(*x).wire)),
            (_, op) => {
                for o in op.operands() {
                    self.share(o, share);
                }
            }
        }
    }
}

/// Ring of the tables behind a row function whose wire has `wire` bits.
pub(crate) fn table_ring(wire: i32) -> i32 {
    wire + TAU_BITS
}
