//! Gains and biases beside a linear layer move into its weight and bias, so that nothing is opened for them.
//!
//! `(x Wᵀ + b) · g` is the layer with the rows of `W` and `b` times `g`, and `(x · g + t) Wᵀ + b` the layer with the
//! columns of `W` times `g` and the bias `t Wᵀ + b`. A product with a gain is opened like any other, so this saves
//! an opening and its hop; a term alone saves nothing and stays where it is.

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "fold_affine",
    summary: "moves gains, and biases before them, into the layers beside them",
    needs: &["factors in weights"],
    establishes: &["gains in weights"],
    run: |graph| rewrite(graph, &[identity, gain_after, term_after, gain_before, term_before]),
    without: None,
};

/// The shared operand and a server vector along the last axis (or a server number) that it is multiplied by.
fn gained(rw: &Rewriter, id: NodeId) -> Option<(NodeId, NodeId)> {
    let Op::Mul(a, b) = *rw.op(id) else {
        return None;
    };
    vector(rw, id, a, b).or_else(|| vector(rw, id, b, a))
}

/// As [`gained`], for a sum.
fn shifted(rw: &Rewriter, id: NodeId) -> Option<(NodeId, NodeId)> {
    let Op::Add(a, b) = *rw.op(id) else {
        return None;
    };
    vector(rw, id, a, b).or_else(|| vector(rw, id, b, a))
}

fn vector(rw: &Rewriter, result: NodeId, x: NodeId, v: NodeId) -> Option<(NodeId, NodeId)> {
    let entries: usize = rw.shape(v).iter().product();
    let along = entries == 1 || (rw.width(v) == entries && entries == rw.width(result));
    (!rw.at_server(x) && rw.at_server(v) && along && rw.shape(x) == rw.shape(result)).then_some((x, v))
}

/// Whether layers are all that needs the node.
fn only_layers(rw: &Rewriter, id: NodeId) -> bool {
    !rw.is_output(id) && rw.users(id).iter().all(|user| matches!(rw.op(*user), Op::Linear { x, .. } if *x == id))
}

/// `vector` as a column or row of as many entries, or one.
fn reshaped(rw: &mut Rewriter, vector: NodeId, shape: &[usize]) -> Result<NodeId, String> {
    if rw.shape(vector) == shape {
        return Ok(vector);
    }
    rw.add_shaped(Op::Reshape(vector), shape, vector)
}

fn entries(rw: &Rewriter, id: NodeId) -> usize {
    rw.shape(id).iter().product()
}

fn gain_after(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((layer, gain)) = gained(rw, id) else {
        return Ok(None);
    };
    let Op::Linear { x, weight, bias } = *rw.op(layer) else {
        return Ok(None);
    };
    if !rw.used_once(layer) {
        return Ok(None);
    }
    let count = entries(rw, gain);
    let column = reshaped(rw, gain, &[count, 1])?;
    let weight = rw.add(Op::Mul(weight, column), weight)?;
    let bias = match bias {
        Some(bias) => {
            let row = reshaped(rw, gain, &[count])?;
            Some(rw.add(Op::Mul(bias, row), bias)?)
        }
        None => None,
    };
    rw.add(Op::Linear { x, weight, bias }, id).map(Some)
}

/// A public number added to a layer is added to its bias.
fn term_after(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Offset(layer, term) = *rw.op(id) else {
        return Ok(None);
    };
    let Op::Linear { x, weight, bias: Some(bias) } = *rw.op(layer) else {
        return Ok(None);
    };
    if !rw.used_once(layer) {
        return Ok(None);
    }
    let bias = Some(rw.add(Op::Offset(bias, term), id)?);
    rw.add(Op::Linear { x, weight, bias }, id).map(Some)
}

fn gain_before(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Linear { x: product, weight, bias } = *rw.op(id) else {
        return Ok(None);
    };
    let Some((x, gain)) = gained(rw, product) else {
        return Ok(None);
    };
    if !only_layers(rw, product) {
        return Ok(None);
    }
    let count = entries(rw, gain);
    let row = reshaped(rw, gain, &[1, count])?;
    let weight = rw.add(Op::Mul(weight, row), weight)?;
    rw.add(Op::Linear { x, weight, bias }, id).map(Some)
}

/// A term between a gain and a layer goes into the bias, and gives way to the gain.
fn term_before(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Linear { x: sum, weight, bias } = *rw.op(id) else {
        return Ok(None);
    };
    let Some((x, term)) = shifted(rw, sum) else {
        return Ok(None);
    };
    if gained(rw, x).is_none() || !rw.used_once(x) || !only_layers(rw, sum) || entries(rw, term) != rw.width(x) {
        return Ok(None);
    }
    let width = rw.width(x);
    let term = reshaped(rw, term, &[width])?;
    let bias = Some(rw.add(Op::Linear { x: term, weight, bias }, id)?);
    rw.add(Op::Linear { x, weight, bias }, id).map(Some)
}
