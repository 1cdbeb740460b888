//! Views: some entries of a value along one axis, and how they move towards the operands.
//!
//! A view of an op that treats the entries along an axis independently is the op on views of its operands.
//! A regrouping is the reverse: parts computed apart, joined, and put in order.

use std::ops::Range;

use super::rewrite::Rewriter;
use crate::graph::{NodeId, Op};

/// Which entries along `axis`, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) axis: usize,
    pub(super) picks: Picks,
}

/// Positions along an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Picks {
    /// A run.
    Run(Range<usize>),
    /// Any positions.
    List(Vec<usize>),
}

impl View {
    pub(super) fn run(axis: usize, range: Range<usize>) -> Self {
        Self { axis, picks: Picks::Run(range) }
    }

    /// A view of positions, as a run where they are one.
    pub(super) fn list(axis: usize, index: Vec<usize>) -> Self {
        match index.first() {
            Some(&first) if index.iter().copied().eq(first..first + index.len()) => {
                Self::run(axis, first..first + index.len())
            }
            _ => Self { axis, picks: Picks::List(index) },
        }
    }

    pub(super) fn positions(&self) -> Vec<usize> {
        match &self.picks {
            Picks::Run(range) => range.clone().collect(),
            Picks::List(index) => index.clone(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.picks {
            Picks::Run(range) => range.len(),
            Picks::List(index) => index.len(),
        }
    }

    fn along(&self, axis: usize) -> Self {
        Self { axis, picks: self.picks.clone() }
    }

    /// Every position `p` becomes the positions `p * block .. (p + 1) * block` along `axis`.
    fn blocks(&self, axis: usize, block: usize) -> Self {
        let index = self.positions().into_iter().flat_map(|p| p * block..(p + 1) * block);
        Self::list(axis, index.collect())
    }

    /// The view whose positions are taken from those of `inner`.
    fn after(&self, inner: &View) -> Self {
        let from = inner.positions();
        Self::list(self.axis, self.positions().into_iter().map(|p| from[p]).collect())
    }
}

/// The operand and the view, if `id` is one.
pub(super) fn view_of(rw: &Rewriter, id: NodeId) -> Option<(NodeId, View)> {
    match rw.op(id) {
        Op::Slice { x, axis, start, end } => Some((*x, View::run(*axis, *start..*end))),
        Op::Gather { x, axis, index } => Some((*x, View::list(*axis, index.clone()))),
        _ => None,
    }
}

/// `view` of `x`: views of views are merged, a view of all of `x` is `x`, a view inside one joined part is of that part.
pub(super) fn apply(rw: &mut Rewriter, x: NodeId, view: &View) -> Result<NodeId, String> {
    apply_as(rw, x, view, x)
}

/// As [`apply`], under the path of `from`.
pub(super) fn apply_as(rw: &mut Rewriter, x: NodeId, view: &View, from: NodeId) -> Result<NodeId, String> {
    let extent = rw.shape(x)[view.axis];
    if view.picks == Picks::Run(0..extent) {
        return Ok(x);
    }
    if let Some((inside, inner)) = view_of(rw, x)
        && inner.axis == view.axis
    {
        return apply_as(rw, inside, &view.after(&inner), from);
    }
    if let Op::Concat { parts, axis } = rw.op(x).clone()
        && axis == view.axis
    {
        let positions = view.positions();
        let mut start = 0;
        for part in parts {
            let range = start..start + rw.shape(part)[axis];
            let same_element = rw.node(part).ty.element == rw.node(x).ty.element;
            if same_element && positions.iter().all(|p| range.contains(p)) {
                let inside = positions.into_iter().map(|p| p - start).collect();
                return apply_as(rw, part, &View::list(axis, inside), from);
            }
            start = range.end;
        }
    }
    let op = match &view.picks {
        Picks::Run(range) => Op::Slice { x, axis: view.axis, start: range.start, end: range.end },
        Picks::List(index) => Op::Gather { x, axis: view.axis, index: index.clone() },
    };
    rw.add_within(op, x, from)
}

/// Whether nobody needs more of `id` than views along `axis` that together do not exceed it.
pub(super) fn only_viewed(rw: &Rewriter, id: NodeId, axis: usize) -> bool {
    viewed(rw, id, axis).is_some_and(|entries| entries <= rw.shape(id)[axis])
}

/// Entries along `axis` in all views of `id` together, if views along it are all that is needed.
pub(super) fn viewed(rw: &Rewriter, id: NodeId, axis: usize) -> Option<usize> {
    let mut entries = 0;
    for user in rw.users(id) {
        match view_of(rw, *user) {
            Some((_, view)) if view.axis == axis => entries += view.len(),
            _ => return None,
        }
    }
    (!rw.is_output(id)).then_some(entries)
}

/// `view` of the value of `id`, as its op on views of its operands; nothing where the op mixes entries along the axis.
pub(super) fn through(rw: &mut Rewriter, id: NodeId, view: &View) -> Result<Option<NodeId>, String> {
    through_as(rw, id, view, id)
}

/// As [`through`], under the path of `from`.
pub(super) fn through_as(rw: &mut Rewriter, id: NodeId, view: &View, from: NodeId) -> Result<Option<NodeId>, String> {
    let op = rw.op(id).clone();
    let rank = rw.shape(id).len();
    let axis = view.axis;
    let last = axis + 1 == rank;
    let new = match op {
        _ if op.is_entrywise() => {
            let x = apply(rw, op.operands()[0], view)?;
            op.map_operands(|_| x)
        }
        Op::SumRow(x) | Op::MeanRow(x) | Op::MaxRow(x) | Op::InvStd { x, .. } | Op::Centre(x) if !last => {
            let x = apply(rw, x, view)?;
            op.map_operands(|_| x)
        }
        Op::LayerNorm { x, gain, bias, eps } if !last => Op::LayerNorm { x: apply(rw, x, view)?, gain, bias, eps },
        Op::Linear { x, weight, bias } if !last => Op::Linear { x: apply(rw, x, view)?, weight, bias },
        Op::Linear { x, weight, bias } => {
            let weight = apply(rw, weight, &view.along(0))?;
            let bias = match bias {
                Some(bias) => Some(apply(rw, bias, &view.along(0))?),
                None => None,
            };
            Op::Linear { x, weight, bias }
        }
        Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) => {
            let (new_a, new_b) = (stretched(rw, a, view, rank)?, stretched(rw, b, view, rank)?);
            match op {
                Op::Add(..) => Op::Add(new_a, new_b),
                Op::Sub(..) => Op::Sub(new_a, new_b),
                _ => Op::Mul(new_a, new_b),
            }
        }
        Op::MatMul(a, b) if last => Op::MatMul(a, apply(rw, b, view)?),
        Op::MatMul(a, b) if axis + 2 == rank => Op::MatMul(apply(rw, a, view)?, b),
        Op::MatMul(a, b) => Op::MatMul(apply(rw, a, view)?, apply(rw, b, view)?),
        Op::Transpose(x) => {
            let swapped = if last {
                rank - 2
            } else if axis + 2 == rank {
                rank - 1
            } else {
                axis
            };
            Op::Transpose(apply(rw, x, &view.along(swapped))?)
        }
        Op::SplitHeads { x, .. } if axis == 0 => {
            let width = rw.width(id);
            Op::SplitHeads { x: apply(rw, x, &view.blocks(1, width))?, heads: view.len() }
        }
        Op::SplitHeads { x, heads } if axis == 1 => Op::SplitHeads { x: apply(rw, x, &view.along(0))?, heads },
        Op::MergeHeads(x) if axis == 0 => Op::MergeHeads(apply(rw, x, &view.along(1))?),
        Op::Concat { parts, axis: joined } if joined != axis => {
            let parts = parts.into_iter().map(|p| apply(rw, p, view)).collect::<Result<_, _>>()?;
            Op::Concat { parts, axis: joined }
        }
        Op::Slice { .. } | Op::Gather { .. } => match view_of(rw, id) {
            // Of two views the one along the outer axis comes first, or they would change places for ever.
            Some((x, inner)) if inner.axis > axis => {
                let x = apply(rw, x, view)?;
                op.map_operands(|_| x)
            }
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    rw.add_within(new, id, from).map(Some)
}

/// `view` of an operand that is stretched to `rank` axes.
fn stretched(rw: &mut Rewriter, x: NodeId, view: &View, rank: usize) -> Result<NodeId, String> {
    let shape = rw.shape(x);
    match (view.axis + shape.len()).checked_sub(rank) {
        Some(axis) if shape[axis] > 1 => apply(rw, x, &view.along(axis)),
        _ => Ok(x),
    }
}

/// Parts joined along an axis, and then put in order.
#[derive(Clone, Debug)]
pub(super) struct Regrouping {
    pub(super) axis: usize,
    pub(super) parts: Vec<NodeId>,
    /// Position in the joined parts of every entry of the result.
    pub(super) order: Vec<usize>,
}

/// The regrouping that `id` is: a `Concat` or a permutation of one.
pub(super) fn regrouping(rw: &Rewriter, id: NodeId) -> Option<Regrouping> {
    match rw.op(id) {
        Op::Concat { parts, axis } => {
            let order = (0..rw.shape(id)[*axis]).collect();
            Some(Regrouping { axis: *axis, parts: parts.clone(), order })
        }
        Op::Gather { x, axis, index } => match rw.op(*x) {
            Op::Concat { parts, axis: joined } if axis == joined && inverse(index, rw.shape(*x)[*axis]).is_some() => {
                Some(Regrouping { axis: *axis, parts: parts.clone(), order: index.clone() })
            }
            _ => None,
        },
        _ => None,
    }
}

/// The inverse of a permutation of `0..extent`.
pub(super) fn inverse(index: &[usize], extent: usize) -> Option<Vec<usize>> {
    let mut inverse = vec![usize::MAX; extent];
    for (to, from) in index.iter().enumerate() {
        if std::mem::replace(inverse.get_mut(*from)?, to) != usize::MAX {
            return None;
        }
    }
    (index.len() == extent).then_some(inverse)
}

impl Regrouping {
    /// For every part, the positions its entries take in the result.
    pub(super) fn places(&self, rw: &Rewriter) -> Vec<Vec<usize>> {
        let inverse = inverse(&self.order, self.order.len()).expect("a regrouping is a permutation");
        let mut start = 0;
        let mut places = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let end = start + rw.shape(*part)[self.axis];
            places.push(inverse[start..end].to_vec());
            start = end;
        }
        places
    }

    /// The regrouped value.
    pub(super) fn build(self, rw: &mut Rewriter, from: NodeId) -> Result<NodeId, String> {
        let Self { axis, parts, order } = self;
        let joined = rw.add(Op::Concat { parts, axis }, from)?;
        apply_as(rw, joined, &View::list(axis, order), from)
    }
}
