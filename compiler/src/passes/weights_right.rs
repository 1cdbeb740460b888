//! Products with a weight are linear layers, whichever side it stands on: `x W` and `W x = (xᵀ Wᵀ)ᵀ`.
//!
//! Every later rule about layers then applies to them, and one protocol serves both.

use super::Pass;
use super::rewrite::{Rewriter, rewrite};
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "weights_right",
    summary: "writes products with weights as linear layers",
    needs: &[],
    establishes: &["weights in layers"],
    run: |graph| rewrite(graph, &[product]),
    without: None,
};

fn product(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::MatMul(a, b) = *rw.op(id) else {
        return Ok(None);
    };
    let matrix = |rw: &Rewriter, x: NodeId| rw.shape(x).len() == 2;
    match (rw.at_server(a), rw.at_server(b)) {
        (false, true) if matrix(rw, b) => {
            let weight = rw.add(Op::Transpose(b), b)?;
            rw.add(Op::Linear { x: a, weight, bias: None }, id).map(Some)
        }
        (true, false) if matrix(rw, a) => {
            let columns = rw.add(Op::Transpose(b), id)?;
            let product = rw.add(Op::Linear { x: columns, weight: a, bias: None }, id)?;
            rw.add(Op::Transpose(product), id).map(Some)
        }
        _ => Ok(None),
    }
}
