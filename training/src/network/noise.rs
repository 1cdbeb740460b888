//! What training adds to a network at random: drop path and attention dropout.
//!
//! Neither stands in the model file. Drop path acts on the branch of each residual sum, with a probability that grows from 0
//! in the first layer to the given one in the last; attention dropout on the attention map, just before it meets the values.
//! Both are found by the shape of the graph.

use std::cell::RefCell;
use std::collections::HashMap;

use burn::tensor::{Device, Tensor};
use mpcc_compiler::graph::{Graph, NodeId, Op};
use serde::{Deserialize, Serialize};

use crate::random::{Draws, Purpose};

/// Probabilities, from 0 up to, not including, 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NoiseOptions {
    /// With which a sample skips a branch of the last layer.
    pub drop_path: f64,
    /// With which an entry of an attention map is dropped.
    pub attention_dropout: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Site {
    /// The whole branch of a sample.
    Branch(f64),
    /// Single entries.
    Entries(f64),
}

/// Where a graph takes noise.
#[derive(Clone, Debug, Default)]
pub struct Sites(HashMap<NodeId, Site>);

/// The noise of one pass. Its draws follow from its seed alone.
#[derive(Debug)]
pub struct Noise<'s> {
    sites: &'s Sites,
    draws: RefCell<Draws>,
    device: Device,
}

impl Sites {
    /// Finds the places in a graph.
    pub fn find(graph: &Graph, options: NoiseOptions) -> Self {
        let uses = use_counts(graph);
        let once = |id: NodeId| uses[id.0 as usize] == 1;
        let mut sites = HashMap::new();
        let mut branches: Vec<(NodeId, &str)> = Vec::new();
        for node in &graph.nodes {
            match node.op {
                Op::Add(a, b) if graph.node(a).ty.shape == graph.node(b).ty.shape => {
                    let branch = if once(b) && reaches(graph, a, b) {
                        Some(b)
                    } else if once(a) && reaches(graph, b, a) {
                        Some(a)
                    } else {
                        None
                    };
                    let layer = node.path.split('/').next().unwrap_or_default();
                    branches.extend(branch.map(|branch| (branch, layer)));
                }
                Op::MatMul(map, _)
                    if options.attention_dropout > 0.0 && once(map) && !scores_of(graph, map).is_empty() =>
                {
                    sites.insert(map, Site::Entries(options.attention_dropout));
                }
                _ => {}
            }
        }
        let mut layers: Vec<&str> = branches.iter().map(|(_, layer)| *layer).collect();
        layers.dedup();
        let last = layers.len().saturating_sub(1).max(1) as f64;
        for (branch, layer) in branches {
            let at = layers.iter().position(|other| *other == layer).unwrap_or(0);
            let rate = options.drop_path * at as f64 / last;
            if rate > 0.0 {
                sites.insert(branch, Site::Branch(rate));
            }
        }
        Self(sites)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'s> Noise<'s> {
    /// The noise of a piece of a step's batch.
    pub fn new(sites: &'s Sites, seed: u64, step: usize, piece: usize, device: &Device) -> Self {
        let draws = RefCell::new(Draws::new(seed, Purpose::Drop, step, piece));
        Self { sites, draws, device: device.clone() }
    }

    /// The value with its noise, if it takes any.
    pub(super) fn add(&self, node: NodeId, value: Tensor<4>) -> Tensor<4> {
        match self.sites.0.get(&node) {
            None => value,
            Some(Site::Branch(rate)) => {
                let examples = value.dims()[0];
                let kept = self.kept(*rate, [examples, 1, 1, 1]);
                value * kept
            }
            Some(Site::Entries(rate)) => {
                let kept = self.kept(*rate, value.dims());
                value * kept
            }
        }
    }

    /// 0 with probability `rate`, else what keeps the mean.
    fn kept(&self, rate: f64, dims: [usize; 4]) -> Tensor<4> {
        let mut draws = self.draws.borrow_mut();
        let (limit, scale) = ((rate * 4_294_967_296.0) as u32, (1.0 / (1.0 - rate)) as f32);
        let draw = |_| if draws.word() < limit { 0.0 } else { scale };
        let kept: Vec<f32> = (0..dims.iter().product()).map(draw).collect();
        Tensor::<1>::from_data(kept.as_slice(), &self.device).reshape(dims)
    }
}

fn use_counts(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    graph.nodes.iter().flat_map(|node| node.op.operands()).for_each(|id| uses[id.0 as usize] += 1);
    uses
}

/// Whether `to` is computed from `from`.
fn reaches(graph: &Graph, from: NodeId, to: NodeId) -> bool {
    let mut reached = vec![false; graph.nodes.len()];
    reached[from.0 as usize] = true;
    for at in from.0 as usize + 1..=to.0 as usize {
        reached[at] = graph.nodes[at].op.operands().iter().any(|id| reached[id.0 as usize]);
    }
    reached[to.0 as usize]
}

/// Products of two values that change with the input, from which a map of such a product is made, after a factor that scales
/// all of them: the scores of attention.
pub(super) fn attention_scores(graph: &Graph) -> Vec<NodeId> {
    let mut found: Vec<NodeId> = Vec::new();
    for node in &graph.nodes {
        if let Op::MatMul(map, _) = node.op {
            found.extend(scores_of(graph, map).into_iter().map(|product| scaled(graph, product)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// `product` times a number, where that is all it is used for.
fn scaled(graph: &Graph, product: NodeId) -> NodeId {
    let mut users = graph.nodes.iter().enumerate().filter(|(_, node)| node.op.operands().contains(&product));
    match (users.next(), users.next()) {
        (Some((at, node)), None) if matches!(node.op, Op::Scale(..)) => NodeId(at as u32),
        _ => product,
    }
}

/// The products of two values that change with the input from which `map` is made by row-wise and entry-wise steps alone.
fn scores_of(graph: &Graph, map: NodeId) -> Vec<NodeId> {
    let changes = |id: NodeId| !matches!(graph.node(id).op, Op::Param(_) | Op::Const(_));
    let mut open = vec![map];
    let mut seen = vec![false; graph.nodes.len()];
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[id.0 as usize], true) {
            continue;
        }
        match &graph.node(id).op {
            Op::MatMul(a, b) if changes(*a) && changes(*b) && graph.node(id).ty.shape.len() == 3 => found.push(id),
            op @ (Op::Add(..)
            | Op::Sub(..)
            | Op::Mul(..)
            | Op::Scale(..)
            | Op::Offset(..)
            | Op::SumRow(_)
            | Op::MaxRow(_)
            | Op::Relu(_)
            | Op::Smooth(..)
            | Op::Recip(_)
            | Op::Gather { .. }
            | Op::Concat { .. }) => open.extend(op.operands()),
            _ => {}
        }
    }
    found
}
