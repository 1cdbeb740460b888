//! A mask that is added to the scores of a softmax takes masked ones no farther down than they need: 1024 instead of 1e9.
//!
//! What is 16 below the largest of its row has no weight that fixed point holds, and the run checks that scores lie close
//! enough together for that wherever this is not proved. Whoever knows the mask limits it in the clear.

use super::Pass;
use super::rewrite::{Rewriter, rewrite};
use crate::graph::{NodeId, Op, Visibility};
use crate::masks::ends;

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "limit_masks",
    summary: "limits what a mask takes off scores under a softmax",
    needs: &[],
    establishes: &["masks that fit"],
    run: |graph| rewrite(graph, &[limit]),
    without: None,
};

/// How far down masked scores are put.
const DEPTH: f64 = 1024.0;

fn limit(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Add(a, b) = *rw.op(id) else { return Ok(None) };
    let below_maximum = |user: NodeId| match *rw.op(user) {
        Op::MaxRow(x) => x == id,
        Op::Sub(x, max) => x == id && *rw.op(max) == Op::MaxRow(id),
        _ => false,
    };
    if rw.is_output(id) || rw.users(id).is_empty() || !rw.users(id).iter().all(|user| below_maximum(*user)) {
        return Ok(None);
    }
    let shared = |x: NodeId| rw.node(x).ty.visibility == Visibility::Shared;
    let (scores, mask) = match (shared(a), shared(b)) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return Ok(None),
    };
    let fits = ends(mask, &|id| rw.node(id)).is_some_and(|(least, _)| least >= -DEPTH);
    if fits || is_limited(rw, mask) {
        return Ok(None);
    }
    let lifted = rw.add(Op::Offset(mask, DEPTH), mask)?;
    let kept = rw.add(Op::Relu(lifted), mask)?;
    let limited = rw.add(Op::Offset(kept, -DEPTH), mask)?;
    rw.add(Op::Add(scores, limited), id).map(Some)
}

fn is_limited(rw: &Rewriter, mask: NodeId) -> bool {
    let Op::Offset(kept, depth) = *rw.op(mask) else { return false };
    depth == -DEPTH && matches!(rw.op(kept), Op::Relu(_))
}
