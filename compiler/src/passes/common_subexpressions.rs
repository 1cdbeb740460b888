//! Folds what is known, drops what changes nothing, and keeps equal values once.

use super::Pass;
use super::rewrite::{Rewriter, rewrite};
use super::views;
use crate::evaluate::{Wanted, evaluate};
use crate::graph::{Graph, NodeId, Op, Visibility};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "common_subexpressions",
    summary: "keeps equal values once, folds constants, drops ops that change nothing",
    needs: &[],
    establishes: &["no identities"],
    run: |graph| rewrite(graph, &[identity, fold, constant_operand]),
    without: None,
};

/// Constants of more entries than this are not folded.
const FOLDED_ENTRIES: usize = 1 << 12;

/// Ops that give back their operand, and pairs of ops that are one.
pub(super) fn identity(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let ty = rw.node(id).ty.clone();
    let same = |rw: &Rewriter, x: NodeId| (rw.node(x).ty == ty).then_some(x);
    match rw.op(id).clone() {
        Op::Scale(x, factor) => {
            if factor == 1.0 {
                return Ok(same(rw, x));
            }
            match *rw.op(x) {
                Op::Scale(inner, before) if (factor * before).is_normal() => {
                    rw.add(Op::Scale(inner, factor * before), id).map(Some)
                }
                _ => Ok(None),
            }
        }
        Op::Offset(x, term) => {
            if term == 0.0 {
                return Ok(same(rw, x));
            }
            match *rw.op(x) {
                Op::Offset(inner, before) => rw.add(Op::Offset(inner, term + before), id).map(Some),
                _ => Ok(None),
            }
        }
        Op::Slice { .. } | Op::Gather { .. } => {
            let Some((x, view)) = views::view_of(rw, id) else {
                return Ok(None);
            };
            let new = views::apply_as(rw, x, &view, id)?;
            Ok((new != id).then_some(new))
        }
        Op::Reshape(x) => match *rw.op(x) {
            _ if same(rw, x).is_some() => Ok(Some(x)),
            Op::Reshape(inner) => rw.add_shaped(Op::Reshape(inner), &ty.shape, id).map(Some),
            _ => Ok(None),
        },
        Op::Transpose(x) => match *rw.op(x) {
            Op::Transpose(inner) => Ok(Some(inner)),
            _ => Ok(None),
        },
        Op::MergeHeads(x) => match *rw.op(x) {
            Op::SplitHeads { x: inner, .. } => Ok(same(rw, inner)),
            _ => Ok(None),
        },
        Op::SplitHeads { x, .. } => match *rw.op(x) {
            Op::MergeHeads(inner) => Ok(same(rw, inner)),
            _ => Ok(None),
        },
        Op::Concat { parts, .. } if parts.len() == 1 => Ok(Some(parts[0])),
        _ => Ok(None),
    }
}

/// An op on constants becomes its value.
fn fold(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let op = rw.op(id).clone();
    let operands = op.operands();
    let small = rw.shape(id).iter().product::<usize>() <= FOLDED_ENTRIES;
    let known = !operands.is_empty() && operands.iter().all(|o| matches!(rw.op(*o), Op::Const(_)));
    if !small || !known || rw.node(id).ty.visibility != Visibility::Public {
        return Ok(None);
    }
    let mut nodes: Vec<_> = operands.iter().map(|o| rw.node(*o).clone()).collect();
    let mut next = 0;
    let op = op.map_operands(|_| {
        next += 1;
        NodeId(next - 1)
    });
    let mut node = rw.node(id).clone();
    node.op = op;
    nodes.push(node);
    let graph = Graph { nodes, ..Graph::default() };
    let result = NodeId(next);
    let Ok(values) = evaluate(&graph, &[], &[], Wanted::All) else {
        return Ok(None);
    };
    let tensor = &values[result];
    let new = rw.add_shaped(Op::Const(tensor.data.clone()), &tensor.shape, id)?;
    Ok((rw.node(new).ty == rw.node(id).ty).then_some(new))
}

/// Arithmetic with one public number.
fn constant_operand(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let number = |rw: &Rewriter, x: NodeId| match rw.op(x) {
        Op::Const(values) if values.len() == 1 => Some(values[0]),
        _ => None,
    };
    let op = match *rw.op(id) {
        Op::Add(a, b) => match (number(rw, a), number(rw, b)) {
            (_, Some(term)) => Op::Offset(a, term),
            (Some(term), _) => Op::Offset(b, term),
            _ => return Ok(None),
        },
        Op::Sub(a, b) => match number(rw, b) {
            Some(term) => Op::Offset(a, -term),
            None => return Ok(None),
        },
        Op::Mul(a, b) => match (number(rw, a), number(rw, b)) {
            (_, Some(factor)) => Op::Scale(a, factor),
            (Some(factor), _) => Op::Scale(b, factor),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    if rw.shape(op.operands()[0]) != rw.shape(id) {
        return Ok(None);
    }
    rw.add(op, id).map(Some)
}
