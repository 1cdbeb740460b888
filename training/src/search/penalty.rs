//! What a coefficient costs while it is trained: the same for all, or what its candidate adds to predicted seconds.

use std::collections::BTreeMap;

use mpcc_compiler::graph::{Graph, Searched};
use mpcc_compiler::lower::PlanValue;
use thiserror::Error;

use super::{Found, Plans, extremes};

/// Why coefficients have no weights.
#[derive(Clone, Debug, PartialEq)]
pub enum PenaltyError<E> {
    /// A plan has no price.
    Price(E),
    /// The last candidates are not cheaper.
    NothingCosts(NothingCosts),
}

/// No candidate costs more than the last of its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "no candidate costs more than the last of its list: write the costliest first, price on another network, or search unweighted"
)]
pub struct NothingCosts;

/// The weights of the paper: 1 for every coefficient, by name of the parameter.
pub fn unweighted(graph: &Graph) -> Vec<(String, Vec<f64>)> {
    let weights = |searched: &Searched| (name(graph, searched), vec![1.0; searched.start().len()]);
    graph.searched.iter().map(weights).collect()
}

/// Weights from predicted seconds: what the entries of a layer add to the network of all last candidates when they take
/// another, for each entry; scaled to a mean of 1 over all coefficients, and never negative.
///
/// # Errors
/// The first error of `price`, or if nothing adds any time.
pub fn weighted<E>(
    graph: &Graph,
    found: &[Found],
    price: &mut dyn FnMut(&Plans) -> Result<f64, E>,
) -> Result<Vec<(String, Vec<f64>)>, PenaltyError<E>> {
    let [_, cheapest] = extremes(found);
    let base = price(&cheapest).map_err(PenaltyError::Price)?;
    let mut weights = Vec::with_capacity(graph.searched.len());
    for searched in &graph.searched {
        let positions = searched.positions.len();
        let mut of_entry = Vec::with_capacity(searched.start().len());
        for candidate in &searched.candidates[..searched.candidates.len().saturating_sub(1)] {
            let plans = with(&cheapest, searched, candidate);
            let seconds = price(&plans).map_err(PenaltyError::Price)?;
            of_entry.extend(std::iter::repeat_n((seconds - base).max(0.0) / positions as f64, positions));
        }
        weights.push((name(graph, searched), of_entry));
    }
    let count: usize = weights.iter().map(|(_, weights)| weights.len()).sum();
    let mean = weights.iter().flat_map(|(_, weights)| weights).sum::<f64>() / count.max(1) as f64;
    if mean.is_nan() || mean <= 0.0 {
        return Err(PenaltyError::NothingCosts(NothingCosts));
    }
    weights.iter_mut().flat_map(|(_, weights)| weights).for_each(|weight| *weight /= mean);
    Ok(weights)
}

fn name(graph: &Graph, searched: &Searched) -> String {
    graph.params[searched.param.0 as usize].name.clone()
}

/// Plans in which some entries of a layer have another candidate.
fn with(plans: &Plans, searched: &Searched, candidate: &str) -> Plans {
    let mut plans: BTreeMap<String, PlanValue> = plans.clone();
    let name = || PlanValue::Name(candidate.to_owned());
    if let Some(PlanValue::List(layers)) = plans.get_mut(&searched.plan)
        && let Some(layer) = layers.get_mut(searched.layer)
    {
        match layer {
            PlanValue::Name(_) => *layer = name(),
            PlanValue::List(entries) => {
                for (at, entry) in entries.iter_mut().enumerate() {
                    if searched.positions.contains(&at) {
                        *entry = name();
                    }
                }
            }
        }
    }
    plans
}
