//! A residual around a layer goes into its weight: `y + (y Wᵀ + b)` becomes `y (W + 1)ᵀ + b`.
//!
//! It pays where `y` is a layer norm: a layer on a norm never needs the norm's own value, so for these rows neither is
//! its product with the deviations opened nor its gain multiplied. That is the case of tokens without an activation,
//! whose two layers are one by now; what is added to joined groups of rows is added to each group for it.
//! It pays too where only layers use the sum, since layers in a row are one.

use super::Pass;
use super::common_subexpressions::identity;
use super::fuse_linear::fuse;
use super::rewrite::{Rewriter, rewrite};
use super::views::{self, View};
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "fold_residual",
    summary: "adds the identity to a layer's weight in place of a residual around it",
    needs: &["one kernel per value", "no adjacent linear layers"],
    establishes: &[],
    run: |graph| rewrite(graph, &[identity, each_group, fold, in_a_row]),
    without: None,
};

/// The bias and weight of a layer on `y` that keeps its shape, if that is all `layer` is for.
fn square_layer(rw: &Rewriter, layer: NodeId, y: NodeId) -> Option<(NodeId, Option<NodeId>)> {
    match *rw.op(layer) {
        Op::Linear { x, weight, bias } if x == y && rw.used_once(layer) && rw.shape(layer) == rw.shape(y) => {
            Some((weight, bias))
        }
        _ => None,
    }
}

/// Whether the node is a layer norm, or rows of one.
fn is_norm(rw: &Rewriter, id: NodeId) -> bool {
    match views::view_of(rw, id) {
        Some((x, view)) => view.axis + 1 < rw.shape(x).len() && is_norm(rw, x),
        None => matches!(rw.op(id), Op::LayerNorm { .. }) && !rw.at_server(id),
    }
}

fn fold(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Add(a, b) = *rw.op(id) else {
        return Ok(None);
    };
    let by_layers = !rw.is_output(id) && rw.users(id).iter().all(|u| matches!(rw.op(*u), Op::Linear { x, .. } if *x == id));
    let layer_on = |rw: &Rewriter, y: NodeId, layer: NodeId| {
        let pays = !rw.at_server(y) && (by_layers || is_norm(rw, y));
        let (weight, bias) = pays.then(|| square_layer(rw, layer, y))??;
        Some((y, weight, bias))
    };
    let Some((y, weight, bias)) = layer_on(rw, a, b).or_else(|| layer_on(rw, b, a)) else {
        return Ok(None);
    };
    let width = rw.width(y);
    let one = (0..width * width).map(|i| if i % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let one = rw.add_shaped(Op::Const(one), &[width, width], id)?;
    let weight = rw.add(Op::Add(weight, one), weight)?;
    rw.add(Op::Linear { x: y, weight, bias }, id).map(Some)
}

/// What stood on either side of a residual that is folded now may be a layer in a row with it.
fn in_a_row(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Linear { x, weight, .. } = *rw.op(id) else {
        return Ok(None);
    };
    let Op::Linear { weight: inner, .. } = *rw.op(x) else {
        return Ok(None);
    };
    if has_one(rw, weight) || has_one(rw, inner) { fuse(rw, id) } else { Ok(None) }
}

/// Whether a residual is folded into the weight, or into a factor of it.
fn has_one(rw: &Rewriter, weight: NodeId) -> bool {
    match *rw.op(weight) {
        Op::Add(_, one) => matches!(rw.op(one), Op::Const(_)),
        Op::MatMul(a, b) => has_one(rw, a) || has_one(rw, b),
        _ => false,
    }
}

/// A sum with regrouped rows becomes the regrouped sums, if that leaves a residual around a layer to fold.
fn each_group(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Add(a, b) = *rw.op(id) else {
        return Ok(None);
    };
    for (y, joined) in [(a, b), (b, a)] {
        let Some(regrouping) = views::regrouping(rw, joined) else {
            continue;
        };
        let rows = regrouping.axis + 1 < rw.shape(joined).len();
        if !rows || !is_norm(rw, y) || !rw.used_once(joined) || rw.shape(y) != rw.shape(joined) {
            continue;
        }
        let places = regrouping.places(rw);
        let mut folds = false;
        for (part, place) in regrouping.parts.iter().zip(&places) {
            if let Op::Linear { x, .. } = *rw.op(*part) {
                let own = views::apply(rw, y, &View::list(regrouping.axis, place.clone()))?;
                folds |= x == own && square_layer(rw, *part, own).is_some();
            }
        }
        if !folds {
            continue;
        }
        let mut parts = Vec::with_capacity(places.len());
        for place in places {
            match views::through(rw, id, &View::list(regrouping.axis, place))? {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        return views::Regrouping { parts, ..regrouping }.build(rw, id).map(Some);
    }
    Ok(None)
}
