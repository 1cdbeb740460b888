//! LayerNorm disappears into what follows it: one inverse standard deviation per row, and centred weights.
//!
//! With `y = 1/σ(x)`: a linear layer on the norm is `(x Cᵀ) · y + c'`, where `C` is the weight times the gain with
//! its rows centred and `c'` the layer of the norm's bias, both known to the model owner; any other user gets
//! `centred x · y · gain + bias`. All users share `x` and `y` (gates C1, C8, G7).

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use super::views;
use crate::evaluate::centre_factor;
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "split_layernorm",
    summary: "folds LayerNorm's centring, gain and bias into the layers that use it",
    needs: &["no dropped rows", "factors in weights", "no adjacent linear layers"],
    establishes: &["no layer norm"],
    run: |graph| rewrite(graph, &[identity, linear_of_norm, norm]),
    without: Some(|graph| rewrite(graph, &[identity, plain])),
};

/// The operands of the layer norm that `id` is a view of rows of, and `x` and `1/σ` for those rows.
fn viewed_norm(rw: &mut Rewriter, id: NodeId) -> Result<Option<(NodeId, NodeId, NodeId, NodeId)>, String> {
    if rw.at_server(id) {
        return Ok(None);
    }
    if let Op::LayerNorm { x, gain, bias, eps } = *rw.op(id) {
        let inverse = rw.add(Op::InvStd { x, eps }, id)?;
        return Ok(Some((x, inverse, gain, bias)));
    }
    let Some((inside, view)) = views::view_of(rw, id) else {
        return Ok(None);
    };
    if view.axis + 1 == rw.shape(id).len() {
        return Ok(None);
    }
    let Some((x, inverse, gain, bias)) = viewed_norm(rw, inside)? else {
        return Ok(None);
    };
    Ok(Some((views::apply(rw, x, &view)?, views::apply(rw, inverse, &view)?, gain, bias)))
}

fn linear_of_norm(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Linear { x: normed, weight, bias: own } = *rw.op(id) else {
        return Ok(None);
    };
    let Some((x, inverse, gain, bias)) = viewed_norm(rw, normed)? else {
        return Ok(None);
    };
    let weighted = rw.add(Op::Mul(weight, gain), weight)?;
    let centred = rw.add(Op::CentreWeight(weighted), weight)?;
    let product = rw.add(Op::Linear { x, weight: centred, bias: None }, id)?;
    let scaled = rw.add(Op::Mul(product, inverse), id)?;
    let constant = rw.add(Op::Linear { x: bias, weight, bias: own }, id)?;
    rw.add(Op::Add(scaled, constant), id).map(Some)
}

/// What is left once the linear users have gone: the norm itself, or the rows of it that are used.
fn norm(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let (norm, is_view) = match views::view_of(rw, id) {
        Some((x, _)) => (x, true),
        None => (id, false),
    };
    if !matches!(rw.op(norm), Op::LayerNorm { .. }) || feeds_linear(rw, norm) {
        return Ok(None);
    }
    let rows = rw.shape(norm).len().checked_sub(2);
    let by_rows = rows.is_some_and(|axis| views::only_viewed(rw, norm, axis));
    if by_rows == is_view { expanded(rw, id) } else { Ok(None) }
}

/// A layer norm as it is written in books, for all of its users.
fn plain(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    if matches!(rw.op(id), Op::LayerNorm { .. }) { expanded(rw, id) } else { Ok(None) }
}

/// `centred x · y · gain + bias` of a layer norm or of rows of one.
fn expanded(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((x, inverse, gain, bias)) = viewed_norm(rw, id)? else {
        return Ok(None);
    };
    let factor = 1.0 / centre_factor(rw.width(x));
    let gain = if factor == 1.0 { gain } else { rw.add(Op::Scale(gain, factor), gain)? };
    let centred = rw.add(Op::Centre(x), id)?;
    let scaled = rw.add(Op::Mul(centred, inverse), id)?;
    let gained = rw.add(Op::Mul(scaled, gain), id)?;
    rw.add(Op::Add(gained, bias), id).map(Some)
}

fn feeds_linear(rw: &Rewriter, id: NodeId) -> bool {
    rw.users(id).iter().any(|user| match rw.op(*user) {
        Op::Linear { .. } => true,
        Op::Slice { axis, .. } | Op::Gather { axis, .. } => axis + 1 < rw.shape(*user).len() && feeds_linear(rw, *user),
        _ => false,
    })
}
