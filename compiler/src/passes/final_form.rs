//! The ops that may be left on shared values once all passes have run: what the plan has a protocol for.

use crate::graph::{Graph, NodeId, Op, Visibility};
use crate::text::op_name;
use crate::verify::Violation;

/// Checks that every shared value is computed by an op that has a protocol or is local.
///
/// A linear layer's weight is known to the model owner; layer norms, means, image ops and decisions have been rewritten or are revealed outputs.
///
/// # Errors
/// One violation per node that has no protocol.
pub fn check_final(graph: &Graph) -> Result<(), Vec<Violation>> {
    let of = |(id, reason): (NodeId, &str)| {
        let node = graph.node(id);
        let message = format!("{} on shared values has no protocol: {reason}", op_name(&node.op));
        Violation { node: Some(id), path: node.path.clone(), message }
    };
    let violations: Vec<Violation> = without_protocol(graph).into_iter().map(of).collect();
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// The shared nodes that have no protocol, and why.
pub(crate) fn without_protocol(graph: &Graph) -> Vec<(NodeId, &'static str)> {
    let mut used = vec![false; graph.nodes.len()];
    graph.nodes.iter().flat_map(|node| node.op.operands()).for_each(|operand| used[operand.0 as usize] = true);
    let shared = (0..).map(NodeId).zip(&graph.nodes).filter(|(_, node)| node.ty.visibility == Visibility::Shared);
    shared.filter_map(|(id, _)| Some((id, protocol_exists(graph, id, used[id.0 as usize]).err()?))).collect()
}

fn protocol_exists(graph: &Graph, id: NodeId, used: bool) -> Result<(), &'static str> {
    let node = graph.node(id);
    let known = |x: NodeId| matches!(graph.node(x).ty.visibility, Visibility::Public | Visibility::SecretServer);
    match &node.op {
        Op::Add(..)
        | Op::Sub(..)
        | Op::Mul(..)
        | Op::Scale(..)
        | Op::Offset(..)
        | Op::MatMul(..)
        | Op::Transpose(_)
        | Op::SplitHeads { .. }
        | Op::MergeHeads(_)
        | Op::Slice { .. }
        | Op::Gather { .. }
        | Op::Concat { .. }
        | Op::Reshape(_)
        | Op::SumRow(_)
        | Op::Relu(_)
        | Op::Smooth(..)
        | Op::Recip(_)
        | Op::Sqrt(_)
        | Op::Rsqrt(_)
        | Op::Step(_)
        | Op::MaxRow(_)
        | Op::Centre(_)
        | Op::InvStd { .. } => Ok(()),
        Op::Input(_) => Ok(()),
        Op::Linear { weight, bias, .. } => {
            if !known(*weight) || bias.is_some_and(|b| !known(b)) {
                return Err("weight and bias must be known to the model owner");
            }
            Ok(())
        }
        Op::Argmax(_) if used => Err("a decision can only be revealed"),
        Op::Argmax(_) => Ok(()),
        Op::LayerNorm { .. } | Op::MeanRow(_) => Err("a pass should have rewritten it"),
        Op::CentreWeight(_) => Err("only weights are centred this way"),
        Op::Patches { .. } | Op::Normalize { .. } | Op::OneHot { .. } => {
            Err("it is computed in the clear at the data owner")
        }
        Op::Param(_) | Op::Const(_) => Err("its owner knows it"),
    }
}
