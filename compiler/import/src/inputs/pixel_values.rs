//! Arrays of normalised pixels, as image processors give them, back to the bytes that a model reads.

use mpcc_compiler::graph::{Graph, NodeId, Op};

/// How far from a whole number a pixel may be, for an array of single or half precision.
const NEAR: f64 = 0.05;

/// The bytes that the client's own part of a graph turns into `values` of an input's shape; nothing if there are none.
pub(super) fn bytes(graph: &Graph, input: usize, values: &[f64]) -> Option<Vec<f64>> {
    let factor = |x: NodeId| match graph.node(x).op {
        Op::Input(at) if at as usize == input => Some(1.0),
        Op::Scale(inner, by) if matches!(graph.node(inner).op, Op::Input(at) if at as usize == input) => Some(by),
        _ => None,
    };
    let normalised = graph.nodes.iter().find_map(|node| match &node.op {
        Op::Normalize { x, mean, std } => Some((factor(*x)?, mean, std)),
        _ => None,
    });
    let (factor, mean, std) = normalised?;
    let plane = values.len() / mean.len().max(1);
    let of = |(at, value): (usize, &f64)| {
        let channel = at / plane.max(1);
        let pixel = (value * std.get(channel)? + mean.get(channel)?) / factor;
        let whole = pixel.round();
        ((pixel - whole).abs() <= NEAR && (0.0..=255.0).contains(&whole)).then_some(whole)
    };
    values.iter().enumerate().map(of).collect()
}
