//! Columns of a linear layer's result become a linear layer with those rows of the weight.
//!
//! The rows are picked by the model owner, so `q`, `k` and `v` of every group of heads are products of their own.

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use super::views;
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "split_linear",
    summary: "turns picked columns of a linear layer into a layer with fewer outputs",
    needs: &["one kernel per value"],
    establishes: &["no picked columns"],
    run: |graph| rewrite(graph, &[identity, split]),
    without: None,
};

fn split(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((x, view)) = views::view_of(rw, id) else {
        return Ok(None);
    };
    let columns = view.axis + 1 == rw.shape(x).len();
    if !columns || !matches!(rw.op(x), Op::Linear { .. }) || rw.at_server(x) || !views::only_viewed(rw, x, view.axis) {
        return Ok(None);
    }
    views::through_as(rw, x, &view, id)
}
