//! A factor per row of a product's left operand is applied to the result: `(r · s) v` becomes `(r v) · s`.
//!
//! Fewer entries are scaled, and the reciprocal of a row sum is computed beside the product, not before it.

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "defer_normaliser",
    summary: "divides attention rows by their sum after the product with the values",
    needs: &["one kernel per value"],
    establishes: &["normalisers on results"],
    run: |graph| rewrite(graph, &[identity, defer]),
    without: None,
};

fn defer(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::MatMul(scores, v) = *rw.op(id) else {
        return Ok(None);
    };
    if !rw.used_once(scores) {
        return Ok(None);
    }
    match *rw.op(scores) {
        Op::Scale(x, factor) => {
            let product = rw.add(Op::MatMul(x, v), id)?;
            rw.add(Op::Scale(product, factor), id).map(Some)
        }
        Op::Mul(a, b) => {
            let per_row = |rw: &Rewriter, x: NodeId| {
                let (full, shape) = (rw.shape(scores), rw.shape(x));
                shape.len() == full.len() && rw.width(x) == 1 && shape[..shape.len() - 1] == full[..full.len() - 1]
            };
            let (rows, factor) = match (per_row(rw, a), per_row(rw, b)) {
                (false, true) => (a, b),
                (true, false) => (b, a),
                _ => return Ok(None),
            };
            if rw.shape(rows) != rw.shape(scores) {
                return Ok(None);
            }
            let product = rw.add(Op::MatMul(rows, v), id)?;
            rw.add(Op::Mul(product, factor), id).map(Some)
        }
        _ => Ok(None),
    }
}
