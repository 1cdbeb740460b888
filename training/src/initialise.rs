//! First values of parameters, by what the graph does with them.
//!
//! As MPCViT's code starts its networks: matrices from a normal distribution of deviation 0.02 cut at two deviations,
//! convolution kernels by He et al. (fan in), position embeddings with deviation 0.2, gains 1, coefficients of a search 1,
//! everything else 0.

use std::collections::BTreeMap;

use mpcc_compiler::evaluate::Tensor as Array;
use mpcc_compiler::graph::{Graph, NodeId, Op, ParamId};

use crate::parameters::declared;
use crate::random::{Draws, Purpose};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Constant(f64),
    /// 1 so often, then 0.
    Ones(usize),
    /// A normal distribution of this deviation, cut at two of them.
    Normal(f64),
}

/// First values for every tensor that `graph` declares; they follow from the seed alone.
pub fn initialise(graph: &Graph, seed: u64) -> BTreeMap<String, Array> {
    let starts: BTreeMap<&str, Start> =
        graph.params.iter().enumerate().map(|(at, param)| (param.name.as_str(), start(graph, at))).collect();
    let mut all = BTreeMap::new();
    for (at, (name, shape)) in declared(graph).into_iter().enumerate() {
        let mut draws = Draws::new(seed, Purpose::FirstValues, 0, at);
        let count = shape.iter().product();
        let data = match starts[name.as_str()] {
            Start::Constant(value) => vec![value; count],
            Start::Ones(ones) => (0..count).map(|at| if at < ones { 1.0 } else { 0.0 }).collect(),
            Start::Normal(deviation) => (0..count).map(|_| deviation * cut_normal(&mut draws)).collect(),
        };
        all.insert(name, Array::new(&shape, data));
    }
    all
}

/// How the `at`-th parameter starts, from the first op that uses it for more than its entries.
fn start(graph: &Graph, at: usize) -> Start {
    if let Some(searched) = graph.searched.iter().find(|searched| searched.param.0 as usize == at) {
        return Start::Ones(searched.positions.len());
    }
    let param = graph.nodes.iter().position(|node| node.op == Op::Param(ParamId(at as u32)));
    let Some(mut id) = param.map(|node| NodeId(node as u32)) else { return Start::Constant(0.0) };
    loop {
        let user =
            graph.nodes.iter().enumerate().skip(id.0 as usize + 1).find(|(_, node)| node.op.operands().contains(&id));
        let Some((next, node)) = user else { return Start::Constant(0.0) };
        let file_shape = &graph.params[at].file_shape;
        return match &node.op {
            Op::Reshape(_) | Op::Transpose(_) | Op::Slice { .. } => {
                id = NodeId(next as u32);
                continue;
            }
            Op::Linear { weight, .. } if *weight == id && file_shape.len() == 4 => {
                let fan_in: usize = file_shape[1..].iter().product();
                Start::Normal((2.0 / fan_in as f64).sqrt())
            }
            Op::Linear { weight, .. } if *weight == id => Start::Normal(0.02),
            Op::MatMul(..) | Op::CentreWeight(_) => Start::Normal(0.02),
            Op::LayerNorm { gain, .. } if *gain == id => Start::Constant(1.0),
            Op::Mul(..) => Start::Constant(1.0),
            Op::Add(..) if file_shape.iter().filter(|extent| **extent > 1).count() > 1 => Start::Normal(0.2),
            _ => Start::Constant(0.0),
        };
    }
}

/// A normal deviate within two deviations.
fn cut_normal(draws: &mut Draws) -> f64 {
    loop {
        let deviate = draws.normal();
        if deviate.abs() <= 2.0 {
            return deviate;
        }
    }
}
