//! The gates of row maxima, positions of maxima, and functions of one number by their levels.

use mpcc_program::code::RowTable;
use mpcc_program::program::{Gate, Kind, Shape, Term, ValueId, View};
use smallvec::SmallVec;

use super::super::format::{Format, Limits};
use super::super::limits::HEADROOM;
use super::super::rings::argmax_ring;
use super::super::windows::offered;
use super::super::{Comparison, WORD};
use super::{Build, Spec};
use crate::graph::{Node, NodeId, Op};

impl Build<'_> {
    /// G10, and G20 between two parties alone: the function of every entry of a share, or of the row statistics of an inverse deviation.
    pub(super) fn row_function(
        &mut self,
        op: &Op,
        argument: NodeId,
        (table, limits): (RowTable, &Limits),
        f: &Format,
        ring: i32,
        path: &str,
    ) -> ValueId {
        let k = i32::from(table.ring_bits);
        let held = limits.held.max(k);
        // Without checks all of the function's ring is in use.
        let bound = if limits.held > 0 { limits.held - HEADROOM } else { k - 1 };
        let entries: Shape = self.graph.node(argument).ty.shape.clone();
        let mut shape = entries.clone();
        let row_statistic = matches!(op, Op::InvStd { .. });
        match shape.last_mut() {
            Some(last) if row_statistic => *last = 1,
            Some(1) => {}
            _ => shape.push(1),
        }
        let (share, fraction) = if row_statistic {
            let z = self.centred(argument, self.close(argument), path);
            let zring = i32::from(self.program.value(z).ring);
            let fraction = 2 * i32::from(self.program.value(z).fraction);
            let ring = held.max(zring + 2);
            let spec = Spec { kind: Kind::Share, shape: &shape, ring, fraction, magnitude: bound - fraction };
            (self.push(Gate::RowSquares { source: z }, spec, path), fraction)
        } else {
            (self.share(argument), self.formats.taken_fraction(self.graph, argument))
        };
        let shape_of = if row_statistic { &shape } else { &entries };
        let spec =
            |ring, bound| Spec { kind: Kind::Wire, shape: shape_of, ring, fraction, magnitude: bound - fraction };
        let truncate = i32::from(self.program.value(share).fraction) - fraction;
        let gate = Gate::Open { source: share, truncate: truncate as u8 };
        let mut v = self.push(gate, spec(held, bound), path);
        self.check(v, limits, path);
        if held > k {
            v = self.push(Gate::Reduce { source: v, truncate: 0 }, spec(k, k - 1), path);
        }
        let reshaped = !row_statistic && shape != entries;
        if reshaped {
            let spec = Spec { kind: Kind::Wire, shape: &shape, ring: k, fraction, magnitude: k - 1 - fraction };
            v = self.push(Gate::View { source: v, view: View::Reshape }, spec, path);
        }
        let spec = |shape| Spec { kind: Kind::Share, shape, ring, fraction: f.share, magnitude: f.magnitude };
        let gate = if self.options.alone() {
            Gate::RowOffer { source: v, offer: offered(table, ring) }
        } else {
            Gate::RowFunction { source: v, table }
        };
        let mut result = self.push(gate, spec(&shape), path);
        if reshaped {
            let gate = Gate::View { source: result, view: View::Reshape };
            result = self.push(gate, spec(&entries), path);
        }
        result
    }

    /// G12: the largest entry of each row, by a tree on shares: max(a, b) = b + max(a − b, 0).
    pub(super) fn row_maximum(&mut self, id: NodeId, x: NodeId, ring: i32, node: &Node) -> ValueId {
        self.tree(id, x, 0, ring, node)
    }

    /// The position of the largest entry of each row, the first of equal ones, in [`argmax_ring`] bits.
    ///
    /// Entries are moved up by that many bits, and at every level of the tree the first of a pair gets that level's bit
    /// below them: what is left of the bits at the end is the complement of the position, and decides between equals.
    pub(super) fn row_position(&mut self, id: NodeId, x: NodeId, f: &Format, node: &Node) -> ValueId {
        let bits = argmax_ring(f);
        let tree = self.tree(id, x, bits, 0, node);
        let levels = depth(self.graph.node(x).ty.shape.last().copied().unwrap_or(1));
        let shape = &node.ty.shape;
        let spec = |ring| Spec { kind: Kind::Share, shape, ring, fraction: 0, magnitude: f.magnitude };
        let rest = self.push(Gate::Residue { source: tree }, spec(bits), &node.path);
        let negative = self.push(Gate::MulPublic { source: rest, factor: -1 }, spec(bits), &node.path);
        self.push(Gate::AddPublic { source: negative, term: (1 << levels) - 1 }, spec(bits), &node.path)
    }

    /// The tree; with `tag` bits below the entries for the positions.
    fn tree(&mut self, id: NodeId, x: NodeId, tag: i32, ring: i32, node: &Node) -> ValueId {
        let from = self.formats.of(x).clone();
        let wire = self.close(x);
        let compared = from.signed_bits(from.wire) + 1 + tag;
        let ring = ring.max(compared + 2).max(i32::from(self.program.value(wire).ring) + 2);
        let (fraction, path) = (from.wire + tag, &node.path);
        let mut shape: Shape = self.graph.node(x).ty.shape.clone();
        let axis = shape.len() - 1;
        let kept = Kept { ring, fraction, magnitude: from.magnitude };
        let narrow = Spec { kind: Kind::Share, shape: &shape, ring, fraction: from.wire, magnitude: from.magnitude };
        let mut at = self.push(Gate::Extend { source: wire }, narrow, path);
        if tag > 0 {
            let terms = vec![Term { value: at, shift: tag as u8 }];
            at = self.push(Gate::Add { terms }, kept.spec(&shape, 0), path);
        }
        let mut level = 0;
        while shape[axis] > 1 {
            let n = shape[axis];
            let every_second = |first: usize| (first..n).step_by(2).collect::<Vec<_>>();
            let mut half = shape.clone();
            half[axis] = n / 2;
            let mut first: Vec<usize> = every_second(0);
            let odd = (first.len() > n / 2).then(|| first.pop()).flatten();
            let pick = |b: &mut Self, index: Vec<usize>, shape: &Shape| {
                let gate = Gate::View { source: at, view: View::Gather { axis, index } };
                b.push(gate, kept.spec(shape, 0), path)
            };
            let tagged = |b: &mut Self, value: ValueId, shape: &Shape| {
                if tag == 0 {
                    return value;
                }
                let gate = Gate::AddPublic { source: value, term: 1 << level };
                b.push(gate, kept.spec(shape, 0), path)
            };
            let left = pick(self, first, &half);
            let left = tagged(self, left, &half);
            let right = pick(self, every_second(1), &half);
            let (l, r) = (Term { value: left, shift: 0 }, Term { value: right, shift: 0 });
            let difference = self.push(Gate::Sub { left: l, right: r }, kept.spec(&half, 1), path);
            let gate = Gate::Open { source: difference, truncate: 0 };
            let opened = Spec { kind: Kind::Wire, ring: compared, ..kept.spec(&half, 1) };
            let difference = self.push(gate, opened, path);
            let pairs = Node { ty: crate::graph::Type { shape: half.clone(), ..node.ty.clone() }, ..node.clone() };
            let over = self.rectified(id, difference, kept.spec(&half, 1), &pairs);
            let terms = vec![r, Term { value: over, shift: 0 }];
            let mut next = self.push(Gate::Add { terms }, kept.spec(&half, 0), path);
            shape = half;
            if let Some(odd) = odd {
                let mut one = shape.clone();
                one[axis] = 1;
                let last = pick(self, vec![odd], &one);
                let last = tagged(self, last, &one);
                shape[axis] += 1;
                let parts = [next, last].map(|value| Term { value, shift: 0 }).to_vec();
                next = self.push(Gate::Concat { parts, axis }, kept.spec(&shape, 0), path);
            }
            at = next;
            level += 1;
        }
        at
    }

    /// max(wire, 0) by the protocol chosen for `id`.
    pub(super) fn rectified(&mut self, id: NodeId, wire: ValueId, spec: Spec<'_>, node: &Node) -> ValueId {
        let compared = i32::from(self.program.value(wire).ring);
        if self.options.comparison_at(id) == Comparison::FunctionSharing && compared <= 32 && spec.ring <= WORD {
            let gate = Gate::ReluShared { source: wire, offsets: SmallVec::from_slice(&[0]) };
            return self.push(gate, Spec { ring: spec.ring.max(compared + 1), ..spec }, &node.path);
        }
        let bit = self.sign(&[(wire, 0)], true, node);
        let ring = spec.ring.max(compared + 2);
        self.push(Gate::Select { bit, source: wire, nonnegative: true }, Spec { ring, ..spec }, &node.path)
    }
}

/// What the values of a tree have in common.
struct Kept {
    ring: i32,
    fraction: i32,
    magnitude: i32,
}

impl Kept {
    /// A share `more` bits larger than an entry.
    fn spec<'s>(&self, shape: &'s [usize], more: i32) -> Spec<'s> {
        let &Kept { ring, fraction, magnitude } = self;
        Spec { kind: Kind::Share, shape, ring, fraction, magnitude: magnitude + more }
    }
}

/// Levels of a tree over a row of `n`.
fn depth(n: usize) -> u32 {
    n.next_power_of_two().trailing_zeros()
}
