//! Rows that are dropped later are not computed: a slice of rows moves up as long as nobody needs the others.
//!
//! In a classifier's last layer this leaves one query row, while keys and values keep all rows.

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use super::views;
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "narrow_rows",
    summary: "computes only the rows that are needed",
    needs: &["no picked columns"],
    establishes: &["no dropped rows"],
    run: |graph| rewrite(graph, &[identity, reshape_late, narrow]),
    without: None,
};

fn narrow(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Some((x, view)) = views::view_of(rw, id) else {
        return Ok(None);
    };
    let row_axis = view.axis + 1 < rw.shape(x).len();
    if !row_axis || rw.at_server(x) || !views::only_viewed(rw, x, view.axis) {
        return Ok(None);
    }
    // Groups of rows with rings of their own are worth it for values, not for one number a row.
    let dropped = views::viewed(rw, x, view.axis).is_some_and(|rows| rows < rw.shape(x)[view.axis]);
    if matches!(rw.op(x), Op::InvStd { .. }) && !dropped {
        return Ok(None);
    }
    views::through(rw, x, &view)
}

/// A linear layer on reshaped rows is the reshaped layer, so that the rows stay visible above it.
fn reshape_late(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Linear { x, weight, bias } = *rw.op(id) else {
        return Ok(None);
    };
    let Op::Reshape(inside) = *rw.op(x) else {
        return Ok(None);
    };
    if rw.width(inside) != rw.width(x) {
        return Ok(None);
    }
    let linear = rw.add(Op::Linear { x: inside, weight, bias }, id)?;
    let shape = rw.shape(id).to_vec();
    rw.add_shaped(Op::Reshape(linear), &shape, id).map(Some)
}
