//! Attention without a non-linear kernel, `(q kᵀ) v`, becomes `q (kᵀ v)` where that pays.
//!
//! MPCViT's linearised scaling attention: the product in the middle has `d²` entries per head instead of one for
//! every pair of a query row and a token, so it depends on how many rows of a head are of this kind.

use super::Pass;
use super::rewrite::{Rewriter, rewrite};
use super::worth::Work;
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
                let (rows, keys) = (rw.shape(q)[rw.shape(q).len() - 2], rw.width(k));
                let (width, values) = (rw.width(q), rw.width(v));
                let scores = Work { opened: rows * keys, multiplications: rows * keys * (width + values) };
                let inner = Work { opened: width * values, multiplications: width * values * (keys + rows) };
                if !inner.at_most(scores) {
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
