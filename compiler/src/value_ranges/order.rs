//! In which order values are looked at: numbers of rows as early as possible.
//!
//! What is known of a row's sum or variance narrows what else is made of the row, so these come before other uses.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::{Graph, NodeId, Op, Visibility};

/// All nodes, each after its operands: what a party knows alone first, then those with one number per row before others.
pub(super) fn scalars_first(graph: &Graph) -> Vec<NodeId> {
    let count = graph.nodes.len();
    let mut users = vec![Vec::new(); count];
    let mut waiting = vec![0usize; count];
    for (index, node) in graph.nodes.iter().enumerate() {
        for operand in node.op.operands() {
            users[operand.0 as usize].push(index);
            waiting[index] += 1;
        }
    }
    let urgent = |index: usize| {
        let node = &graph.nodes[index];
        let of_row = node.ty.shape.last() == Some(&1);
        let square = matches!(node.op, Op::Mul(a, b) if a == b);
        of_row || square
    };
    let shared = |index: usize| graph.nodes[index].ty.visibility == Visibility::Shared;
    let key = |index: usize| Reverse((shared(index), !urgent(index), index));
    let mut ready: BinaryHeap<_> = (0..count).filter(|i| waiting[*i] == 0).map(key).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse((_, _, index))) = ready.pop() {
        order.push(NodeId(index as u32));
        for &user in &users[index] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(key(user));
            }
        }
    }
    order
}
