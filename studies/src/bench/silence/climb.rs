//! Inputs that drive a value within the network towards the end of its range.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use burn::tensor::Device;
use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Graph, NodeId, Visibility};
use mpcc_compiler::ranges::Ranges;
use mpcc_training::climb::{Climb, Peak};
use mpcc_training::network::Network;
use mpcc_training::parameters::{Parameters, start_from};

use super::super::normal::Normal;
use super::inputs::Domain;

/// Steps of a climb; each makes an input.
pub(super) const STEPS: usize = 8;
/// Values that are climbed besides those that the run checks: the widest, beside what was seen of them.
const WIDEST: usize = 12;
/// Texts that are tried at each step.
const TEXTS: usize = 8;

/// A network and what is climbed in it.
pub(super) struct Climber {
    climb: Climb,
    targets: Vec<NodeId>,
}

impl Climber {
    /// Nothing for a network that cannot be differentiated.
    pub(super) fn new(graph: &Graph, ranges: &Ranges, weights: &Path) -> Result<Option<Self>> {
        let device = Device::flex();
        let Ok(network) = Network::new(Arc::new(graph.clone())) else { return Ok(None) };
        let arrays = start_from(weights, graph, BTreeMap::new(), |_| false)?;
        let parameters =
            Parameters::new(graph, &arrays, &device).map_err(|name| anyhow::anyhow!("no weights {name}"))?;
        let targets = targets(graph, ranges);
        Ok((!targets.is_empty()).then(|| Self { climb: Climb::new(network, &parameters, &device), targets }))
    }

    /// The inputs of a climb from `start`.
    pub(super) fn path(&self, domain: &Domain, start: Vec<Tensor>, draws: &mut Normal) -> Vec<Vec<Tensor>> {
        let peak = Peak { node: draws.of(&self.targets), most: draws.index(2) == 0 };
        let continuous = (0..start.len()).any(|index| domain.is_continuous(index));
        let stride = [0.004, 0.02, 0.06, 0.15][draws.index(4)];
        let mut path = Vec::with_capacity(STEPS);
        let mut at = start;
        for _ in 0..STEPS {
            at = if continuous {
                self.step(domain, &at, peak, stride)
            } else {
                self.better_text(domain, &at, peak, draws)
            };
            path.push(at.clone());
        }
        path
    }

    /// Every entry moves by a share of its range, the way the gradient's sign says.
    fn step(&self, domain: &Domain, at: &[Tensor], peak: Peak, stride: f64) -> Vec<Tensor> {
        let gradients = self.climb.gradients(at, peak);
        let moved = |(index, (input, gradient)): (usize, (&Tensor, Option<Vec<f32>>))| {
            let Some(gradient) = gradient.filter(|_| domain.is_continuous(index)) else { return input.clone() };
            let (low, high) = domain.ends[index];
            let by = |(v, g): (&f64, f32)| {
                let sign = if g == 0.0 { 0.0 } else { f64::from(g.signum()) };
                v + stride * (high - low) * sign
            };
            domain.fitted(index, input.data.iter().zip(gradient).map(by).collect())
        };
        at.iter().zip(gradients).enumerate().map(moved).collect()
    }

    /// The best of some texts that differ from this one in a word.
    fn better_text(&self, domain: &Domain, at: &[Tensor], peak: Peak, draws: &mut Normal) -> Vec<Tensor> {
        let texts: Vec<Vec<Tensor>> = (0..TEXTS).map(|_| domain.with_another_word(at, draws)).collect();
        let given: Vec<&[Tensor]> = texts.iter().map(Vec::as_slice).collect();
        let heights = self.climb.heights(&given, peak);
        let best = (0..TEXTS).max_by(|a, b| heights[*a].total_cmp(&heights[*b])).unwrap_or(0);
        texts.into_iter().nth(best).unwrap_or_else(|| at.to_vec())
    }
}

/// What the run checks, and the values that are the widest beside what was seen.
fn targets(graph: &Graph, ranges: &Ranges) -> Vec<NodeId> {
    let shared = |id: &NodeId| graph.node(*id).ty.visibility == Visibility::Shared;
    let nodes = || (0..graph.nodes.len() as u32).map(NodeId).filter(shared);
    let checked = |id: &NodeId| {
        let known = ranges.of(*id);
        [known.checked, known.argument].into_iter().flatten().any(|checked| checked.is_guard())
    };
    let width = |(low, high): (f64, f64)| high - low;
    let ratio = |id: NodeId| {
        let known = ranges.of(id);
        let held = width(known.relied.or(known.proved)?);
        let seen = width(known.observed?);
        (seen > 0.0).then(|| (held / seen, id))
    };
    let mut widest: Vec<(f64, NodeId)> = nodes().filter_map(ratio).collect();
    widest.sort_by(|a, b| b.0.total_cmp(&a.0));
    nodes().filter(checked).chain(widest.into_iter().take(WIDEST).map(|(_, id)| id)).collect()
}
