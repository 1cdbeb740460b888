//! Linear layers in a row or side by side become one, and what is added to a layer by the model owner becomes its bias.

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use super::views::{self, View};
use super::worth::Work;
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "fuse_linear",
    summary: "multiplies adjacent weights together and merges everything the model owner adds",
    needs: &["gains in weights"],
    establishes: &["no adjacent linear layers"],
    run: |graph| rewrite(graph, &[identity, fuse, side_by_side, added_bias, added_matrix, sum_of_server_terms, added_to_parts]),
    without: None,
};

/// `(x W1ᵀ + b1) W2ᵀ + b2` becomes `x (W2 W1)ᵀ + (b1 W2ᵀ + b2)` where that pays, whatever powers of two stand between.
///
/// With all its users the inner layer goes, and for every row the numbers it opens. Apart, a row takes
/// `middle (input + outputs)` multiplications, fused `input · outputs`: a wide middle always pays, a narrow one
/// only if the multiplications more are worth less than the openings.
pub(super) fn fuse(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Linear { x: operand, weight: second, bias: second_bias } = *rw.op(id) else {
        return Ok(None);
    };
    let (inner, factor) = behind_scales(rw, operand);
    let Op::Linear { x, weight: first, bias: first_bias } = *rw.op(inner) else {
        return Ok(None);
    };
    if rw.at_server(inner) || rw.is_output(inner) {
        return Ok(None);
    }
    let mut outputs = 0;
    for user in rw.users(inner).to_vec() {
        match rw.op(user) {
            Op::Linear { x, .. } if *x == inner => outputs += rw.width(user),
            _ if inner != operand && rw.used_once(inner) => outputs += rw.width(id),
            _ => return Ok(None),
        }
    }
    let (input, middle) = (rw.width(x), rw.width(inner));
    let apart = Work { opened: middle, multiplications: middle * (input + outputs) };
    if !(Work { opened: 0, multiplications: input * outputs }).at_most(apart) {
        return Ok(None);
    }
    let second = if factor == 1.0 { second } else { rw.add(Op::Scale(second, factor), second)? };
    let weight = rw.add(Op::MatMul(second, first), id)?;
    let bias = match first_bias {
        Some(bias) => Some(rw.add(Op::Linear { x: bias, weight: second, bias: second_bias }, id)?),
        None => second_bias,
    };
    rw.add(Op::Linear { x, weight, bias }, id).map(Some)
}

/// What stands behind public factors that nobody else needs, and their product.
fn behind_scales(rw: &Rewriter, mut id: NodeId) -> (NodeId, f64) {
    let mut product = 1.0;
    while let Op::Scale(x, factor) = *rw.op(id) {
        if !rw.used_once(id) || rw.at_server(x) {
            break;
        }
        product *= factor;
        id = x;
    }
    (id, product)
}

/// `x Aᵀ + a ± (x Bᵀ + b)` becomes `x (A ± B)ᵀ + (a ± b)`.
fn side_by_side(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let (a, b, joined): (NodeId, NodeId, fn(NodeId, NodeId) -> Op) = match *rw.op(id) {
        Op::Add(a, b) => (a, b, Op::Add),
        Op::Sub(a, b) => (a, b, Op::Sub),
        _ => return Ok(None),
    };
    let (Op::Linear { x, weight: first, bias: first_bias }, Op::Linear { x: same, weight: second, bias: second_bias }) =
        (rw.op(a).clone(), rw.op(b).clone())
    else {
        return Ok(None);
    };
    if x != same || rw.at_server(x) || !rw.used_once(a) || !rw.used_once(b) || rw.shape(a) != rw.shape(b) {
        return Ok(None);
    }
    let bias = match (first_bias, second_bias) {
        (Some(first), Some(second)) => Some(rw.add(joined(first, second), id)?),
        (first, None) => first,
        (None, Some(second)) if matches!(rw.op(id), Op::Add(..)) => Some(second),
        (None, Some(second)) => Some(rw.add(Op::Scale(second, -1.0), id)?),
    };
    let weight = rw.add(joined(first, second), id)?;
    rw.add(Op::Linear { x, weight, bias }, id).map(Some)
}

/// The shared and the server operand of a sum of the two.
fn server_sum(rw: &Rewriter, id: NodeId) -> Option<(NodeId, NodeId)> {
    let Op::Add(a, b) = *rw.op(id) else {
        return None;
    };
    match (rw.at_server(a), rw.at_server(b)) {
        (false, true) => Some((a, b)),
        (true, false) => Some((b, a)),
        _ => None,
    }
}

/// A server vector added to a linear layer is its bias.
fn added_bias(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((sum, term)) = server_sum(rw, id) else {
        return Ok(None);
    };
    let Op::Linear { x, weight, bias } = *rw.op(sum) else {
        return Ok(None);
    };
    if !rw.used_once(sum) || rw.shape(term) != [rw.width(sum)] {
        return Ok(None);
    }
    let bias = match bias {
        Some(bias) => rw.add(Op::Add(bias, term), id)?,
        None => term,
    };
    rw.add(Op::Linear { x, weight, bias: Some(bias) }, id).map(Some)
}

/// A bias followed by a server matrix of the full shape is added once, with the matrix.
fn added_matrix(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((sum, term)) = server_sum(rw, id) else {
        return Ok(None);
    };
    let Op::Linear { x, weight, bias: Some(bias) } = *rw.op(sum) else {
        return Ok(None);
    };
    if !rw.used_once(sum) || rw.shape(term) != rw.shape(sum) {
        return Ok(None);
    }
    let term = rw.add(Op::Add(term, bias), id)?;
    let product = rw.add(Op::Linear { x, weight, bias: None }, sum)?;
    rw.add(Op::Add(product, term), id).map(Some)
}

/// `(x + s) + t` becomes `x + (s + t)` for server values `s` and `t`.
fn sum_of_server_terms(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((sum, outer)) = server_sum(rw, id) else {
        return Ok(None);
    };
    let Some((x, inner)) = server_sum(rw, sum) else {
        return Ok(None);
    };
    if !rw.used_once(sum) || rw.shape(x) != rw.shape(id) {
        return Ok(None);
    }
    let term = rw.add(Op::Add(inner, outer), id)?;
    rw.add(Op::Add(x, term), id).map(Some)
}

/// A server matrix added to joined parts is added to each part.
fn added_to_parts(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((joined, term)) = server_sum(rw, id) else {
        return Ok(None);
    };
    let Op::Concat { parts, axis } = rw.op(joined).clone() else {
        return Ok(None);
    };
    if !rw.used_once(joined) || rw.shape(term) != rw.shape(joined) {
        return Ok(None);
    }
    let mut start = 0;
    let mut sums = Vec::with_capacity(parts.len());
    for part in parts {
        let end = start + rw.shape(part)[axis];
        let own = views::apply(rw, term, &View::run(axis, start..end))?;
        sums.push(rw.add(Op::Add(part, own), id)?);
        start = end;
    }
    rw.add(Op::Concat { parts: sums, axis }, id).map(Some)
}
