//! What a party makes of bits by public numbers, as masks are made: its least and greatest entry.

use crate::graph::{Element, Node, NodeId, Op};

/// The ends of a value that is made of bits alone; nothing of any other. `node` finds the nodes.
pub(crate) fn ends<'n>(id: NodeId, node: &dyn Fn(NodeId) -> &'n Node) -> Option<(f64, f64)> {
    let of = |x: NodeId| ends(x, node);
    match node(id).op {
        Op::Input(_) => (node(id).ty.element == Element::Bit).then_some((0.0, 1.0)),
        Op::Offset(x, term) => of(x).map(|(low, high)| (low + term, high + term)),
        Op::Scale(x, factor) => {
            let (one, other) = of(x).map(|(low, high)| (low * factor, high * factor))?;
            Some((one.min(other), one.max(other)))
        }
        Op::Relu(x) => of(x).map(|(low, high)| (low.max(0.0), high.max(0.0))),
        Op::Reshape(x) | Op::Slice { x, .. } => of(x),
        _ => None,
    }
}
