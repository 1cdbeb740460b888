//! Attention without a non-linear kernel, `(q kᵀ) v`, becomes `q (kᵀ v)` where that opens no more numbers.
//!
//! MPCViT's linearised scaling attention: the product in the middle has `d²` entries per head instead of `n²`.

use super::Pass;
use super::rewrite::{Rewriter, rewrite};
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "linearise_attention",
    summary: "multiplies keys by values first where attention is linear and that is cheaper",
    needs: &["one kernel per value", "no dropped rows"],
    establishes: &["the cheaper order of products"],
    run: |graph| rewrite(graph, &[linearise]),
    without: None,
};

fn linearise(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::MatMul(scores, v) = *rw.op(id) else {
        return Ok(None);
    };
    let mut factor = 1.0;
    let mut product = scores;
    loop {
        if !rw.used_once(product) {
            return Ok(None);
        }
        match *rw.op(product) {
            Op::Scale(x, by) => {
                factor *= by;
                product = x;
            }
            Op::MatMul(q, k) => {
                let opened_now = rw.shape(q)[rw.shape(q).len() - 2] * rw.width(k);
                let opened_then = rw.width(q) * rw.width(v);
                if opened_then > opened_now {
                    return Ok(None);
                }
                let inner = rw.add(Op::MatMul(k, v), id)?;
                let outer = rw.add(Op::MatMul(q, inner), id)?;
                return rw.add(Op::Scale(outer, factor), id).map(Some);
            }
            _ => return Ok(None),
        }
    }
}
