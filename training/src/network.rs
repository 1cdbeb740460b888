//! The typed graph on a tensor library, a mini-batch at a time, with gradients.
//!
//! A value of the graph with up to three axes is a tensor of four: the examples of the batch, then the value's axes, aligned
//! on the right and filled with ones; a value that no input reaches has one example and is broadcast. Everything is `f32`.
//! The float evaluator of the compiler is the meaning of every op; tests compare the two.

mod noise;
mod operations;

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use mpcc_compiler::graph::{Graph, Node, NodeId, Op};
use thiserror::Error;

pub use noise::{Noise, NoiseOptions, Sites};

use crate::parameters::Parameters;

/// Axes of a value beside the examples.
const AXES: usize = 3;

/// Why a graph cannot be trained.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// A value with too many axes.
    #[error("`{path}` has {axes} axes: training takes values with up to {AXES}")]
    Axes {
        /// Path of the node.
        path: String,
        /// How many.
        axes: usize,
    },
    /// There is no output of real numbers, one for each class.
    #[error(
        "the model has no output of scores: its first output must be one real number for each class, or their argmax"
    )]
    Scores,
}

/// A graph made ready for batches.
#[derive(Clone, Debug)]
pub struct Network {
    graph: Arc<Graph>,
    /// The scores of the classes.
    scores: NodeId,
    /// The tokens behind the last normalisation.
    features: Option<NodeId>,
}

/// What a forward pass is asked for, on a batch.
#[derive(Clone, Debug)]
pub struct Pass {
    /// A value for each node that was asked for, in that order: `[examples, axes…]`.
    pub values: Vec<Tensor<4>>,
}

impl Network {
    /// Checks that the graph can be trained.
    ///
    /// # Errors
    /// If a value has too many axes, or the model no scores.
    pub fn new(graph: Arc<Graph>) -> Result<Self, NetworkError> {
        let folded = |node: &Node| matches!(node.op, Op::Param(_) | Op::Reshape(_));
        if let Some(node) = graph.nodes.iter().find(|node| node.ty.shape.len() > AXES && !folded(node)) {
            return Err(NetworkError::Axes { path: node.path.clone(), axes: node.ty.shape.len() });
        }
        let output = graph.outputs.first().ok_or(NetworkError::Scores)?.node;
        let scores = match graph.node(output).op {
            Op::Argmax(scores) => scores,
            _ => output,
        };
        let extents = &graph.node(scores).ty.shape;
        if extents.iter().rev().skip(1).any(|extent| *extent != 1) {
            return Err(NetworkError::Scores);
        }
        let features = graph.nodes.iter().rposition(|node| matches!(node.op, Op::LayerNorm { .. }));
        Ok(Self { scores, features: features.map(|at| NodeId(at as u32)), graph })
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The scores of the classes, before any argmax.
    pub fn scores(&self) -> NodeId {
        self.scores
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.graph.node(self.scores).ty.shape.last().copied().unwrap_or(1)
    }

    /// The tokens behind the last normalisation, which distillation compares (MPCViT, section on distillation: `last`).
    pub fn features(&self) -> Option<NodeId> {
        self.features
    }

    /// The attention scores of each layer, before whatever makes a map of them.
    pub fn attention_scores(&self) -> Vec<NodeId> {
        noise::attention_scores(&self.graph)
    }

    /// Every layer's normalised tokens, in order.
    pub fn normalised(&self) -> Vec<NodeId> {
        let nodes = self.graph.nodes.iter().enumerate();
        nodes.filter(|(_, node)| matches!(node.op, Op::LayerNorm { .. })).map(|(at, _)| NodeId(at as u32)).collect()
    }

    /// Evaluates the nodes `wanted` on a batch: one tensor `[examples, …]` for each input of the graph. `noise` is what
    /// training adds, and `None` where the network is only used.
    ///
    /// # Panics
    /// If inputs or parameters are not those of the graph.
    pub fn forward(
        &self,
        parameters: &Parameters,
        inputs: &[Tensor<4>],
        wanted: &[NodeId],
        noise: Option<&Noise>,
        device: &Device,
    ) -> Pass {
        let uses = self.uses(wanted);
        let mut values: Vec<Option<Tensor<4>>> = vec![None; self.graph.nodes.len()];
        let mut left = uses.clone();
        for (index, node) in self.graph.nodes.iter().enumerate().filter(|(index, _)| uses[*index] > 0) {
            let mut take = |id: NodeId| {
                let at = id.0 as usize;
                left[at] -= 1;
                let value = if left[at] == 0 { values[at].take() } else { values[at].clone() };
                value.expect("operands come before what uses them")
            };
            let value = match &node.op {
                Op::Input(n) => inputs[*n as usize].clone(),
                Op::Param(id) => {
                    let param = &self.graph.params[id.0 as usize];
                    let parameter = parameters.get(&param.name).expect("parameters of this graph");
                    operations::loaded(parameter, param, node)
                }
                op => operations::apply(op, node, &self.graph, &mut take, device),
            };
            let value = match noise {
                Some(noise) => noise.add(NodeId(index as u32), value),
                None => value,
            };
            values[index] = Some(value);
        }
        let examples = inputs.first().map_or(1, |input| input.dims()[0]);
        let value = |id: &NodeId| {
            let value = values[id.0 as usize].clone().expect("asked for");
            let [_, a, b, c] = value.dims();
            value.expand([examples, a, b, c])
        };
        Pass { values: wanted.iter().map(value).collect() }
    }

    /// How often each node is used on the way to the wanted ones; wanted nodes are used once more.
    fn uses(&self, wanted: &[NodeId]) -> Vec<usize> {
        let mut uses = vec![0; self.graph.nodes.len()];
        wanted.iter().for_each(|id| uses[id.0 as usize] += 1);
        for (index, node) in self.graph.nodes.iter().enumerate().rev() {
            if uses[index] > 0 {
                operations::operands(&self.graph, node).iter().for_each(|id| uses[id.0 as usize] += 1);
            }
        }
        uses
    }
}

/// Extents of a node's value for one example, aligned on the right; what is beyond three axes is folded into the last.
fn extents(node: &Node) -> [usize; AXES] {
    let mut extents = [1; AXES];
    let shape = &node.ty.shape;
    let kept = shape.len().min(AXES);
    extents[AXES - kept..].copy_from_slice(&shape[..kept]);
    extents[AXES - 1] *= shape[kept..].iter().product::<usize>();
    extents
}
