//! Ranges from trained weights and calibration inputs, by the float evaluator.

use crate::evaluate::{EvaluateError, Evaluator, Tensor, Values, Wanted};
use crate::graph::{Graph, Visibility};
use crate::ranges::{Ranges, weights_digest};
use crate::value_ranges;

/// Observed and proved ranges of a rewritten graph. `progress` is told how many inputs are done.
///
/// # Errors
/// If an input or weight has the wrong shape or a value is not finite.
pub fn calibrate(
    graph: &Graph,
    params: &[Tensor],
    inputs: &[Vec<Tensor>],
    mut progress: impl FnMut(usize),
) -> Result<Ranges, EvaluateError> {
    calibrate_watched(graph, params, inputs, |done, _| progress(done))
}

/// [`calibrate`], which shows `seen` how many inputs are done and all values of the last one.
///
/// # Errors
/// As [`calibrate`].
pub fn calibrate_watched(
    graph: &Graph,
    params: &[Tensor],
    inputs: &[Vec<Tensor>],
    mut seen: impl FnMut(usize, &Values),
) -> Result<Ranges, EvaluateError> {
    let evaluator = Evaluator::new(graph, params)?;
    let mut ranges = Ranges { weights: Some(weights_digest(params)), ..Ranges::new(graph) };
    let mut see = |id: u32, tensor: &Tensor| {
        let entry = ranges.nodes.entry(id).or_default();
        let (mut low, mut high) = entry.observed.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        let mut smallest = entry.smallest_positive.unwrap_or(f64::INFINITY);
        for v in &tensor.data {
            low = low.min(*v);
            high = high.max(*v);
            if *v > 0.0 {
                smallest = smallest.min(*v);
            }
        }
        entry.observed = Some((low, high));
        entry.smallest_positive = smallest.is_finite().then_some(smallest);
    };
    for (id, tensor) in evaluator.server_values().iter() {
        see(id.0, tensor);
    }
    for (done, input) in inputs.iter().enumerate() {
        let values = evaluator.run(input, Wanted::All)?;
        for (id, tensor) in values.iter() {
            if matches!(graph.node(id).ty.visibility, Visibility::Shared | Visibility::SecretClient) {
                see(id.0, tensor);
            }
        }
        seen(done + 1, &values);
    }
    for (index, proved) in value_ranges::proved(graph, evaluator.server_values()).into_iter().enumerate() {
        if let Some(range) = proved {
            ranges.nodes.entry(index as u32).or_default().proved = Some(range);
        }
    }
    rely(graph, &mut ranges, evaluator.server_values());
    Ok(ranges)
}

/// Adds what may be relied on where the run checks, given what was seen.
fn rely(graph: &Graph, ranges: &mut Ranges, server_values: &Values) {
    let seen = ranges.clone();
    let relied = value_ranges::relied_on(graph, server_values, &|id| seen.of(id));
    for (index, relied) in (0u32..).zip(&relied) {
        ranges.nodes.entry(index).or_default().rely(relied);
    }
}
