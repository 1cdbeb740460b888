//! Makes every group of heads (or rows) with one kernel a computation of its own, down to its columns of q, k and v.
//!
//! Rows of an activation are grouped the same way, up to the layers around it.
//! Picking heads moves up to the columns of the projections, putting them back moves down into the columns
//! of the output projection's weight, so no shared value is permuted at run time.

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use super::views::{self, View};
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "group_heads",
    summary: "computes each group of heads with one kernel apart from the others",
    needs: &["no identities"],
    establishes: &["one kernel per value"],
    run: |graph| rewrite(graph, &[identity, pick_early, regroup_late, merge_parts, permute_weight]),
    without: None,
};

/// Heads and rows are axes of values `[heads, rows, width]`.
const RANK: usize = 3;

/// A view of heads or rows becomes a view of the operands.
fn pick_early(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((x, view)) = views::view_of(rw, id) else { return Ok(None) };
    let of_heads = rw.shape(x).len() == RANK;
    let of_layer = matches!(rw.op(x), Op::Linear { .. }) && view.axis + 1 < rw.shape(x).len();
    if !(of_heads || of_layer) || rw.at_server(x) || !views::only_viewed(rw, x, view.axis) {
        return Ok(None);
    }
    views::through(rw, x, &view)
}

/// An op on regrouped heads or rows becomes the op on each group, regrouped.
fn regroup_late(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let op = rw.op(id).clone();
    let rank = rw.shape(id).len();
    for (slot, operand) in op.operands().into_iter().enumerate() {
        if !rw.used_once(operand) {
            continue;
        }
        let Some(regrouping) = views::regrouping(rw, operand) else {
            continue;
        };
        let axis = regrouping.axis;
        let heads = rw.shape(operand).len() == RANK;
        let kept = match op {
            // Only where a group is a layer already, so that the two can be fused.
            Op::Linear { .. } => {
                let layer = |part: &NodeId| matches!(rw.op(*part), Op::Linear { .. });
                slot == 0 && axis + 1 < rank && regrouping.parts.iter().any(layer)
            }
            _ if !heads => false,
            _ if op.is_entrywise() => true,
            Op::SumRow(_) | Op::MeanRow(_) | Op::MaxRow(_) => axis + 1 < rank,
            Op::Add(..) | Op::Sub(..) | Op::Mul(..) => rank == RANK,
            Op::MatMul(..) => axis == 0 || axis == 1 && slot == 0,
            _ => false,
        };
        if !kept {
            continue;
        }
        let mut parts = Vec::with_capacity(regrouping.parts.len());
        for place in regrouping.places(rw) {
            match views::through(rw, id, &View::list(axis, place))? {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        return views::Regrouping { parts, ..regrouping }.build(rw, id).map(Some);
    }
    Ok(None)
}

/// Merging regrouped heads becomes merging each group, with the columns put in order afterwards.
fn merge_parts(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::MergeHeads(x) = *rw.op(id) else {
        return Ok(None);
    };
    let Some(regrouping) = views::regrouping(rw, x) else {
        return Ok(None);
    };
    let (axis, block) = match regrouping.axis {
        0 => (1, rw.width(x)),
        1 => (0, 1),
        _ => return Ok(None),
    };
    let mut parts = Vec::with_capacity(regrouping.parts.len());
    for part in &regrouping.parts {
        parts.push(rw.add(Op::MergeHeads(*part), id)?);
    }
    let order = regrouping.order.iter().flat_map(|p| p * block..(p + 1) * block).collect();
    views::Regrouping { axis, parts, order }.build(rw, id).map(Some)
}

/// A linear layer on permuted columns has permuted weight columns instead.
fn permute_weight(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Linear { x, weight, bias } = *rw.op(id) else {
        return Ok(None);
    };
    let Some((inside, view)) = views::view_of(rw, x) else {
        return Ok(None);
    };
    let rank = rw.shape(x).len();
    if view.axis + 1 != rank || rw.at_server(x) {
        return Ok(None);
    }
    let Some(inverse) = views::inverse(&view.positions(), rw.width(inside)) else {
        return Ok(None);
    };
    let weight = views::apply(rw, weight, &View::list(1, inverse))?;
    rw.add(Op::Linear { x: inside, weight, bias }, id).map(Some)
}
