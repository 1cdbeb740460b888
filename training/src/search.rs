//! Plans from what a supernet learned: rankings, shares, budgets, and the baselines that they are compared with.
//!
//! A search leaves a coefficient α for every open entry of a plan: how much of the first, costliest candidate is left
//! (MPCViT, Zeng et al. 2023, section 4). Entries with the largest α keep it; the others take the best of the rest. Plans are
//! ranked each on its own, so that heads and tokens can be searched together. What a plan costs is told by the caller.
//! Coefficients are vectors, so weight decay spares them; in the published code it shrinks them all alike.

mod budget;
mod penalty;
mod random;
mod report;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mpcc_compiler::evaluate::Tensor as Array;
use mpcc_compiler::graph::{Granularity, Graph};
use mpcc_compiler::lower::PlanValue;
use mpcc_compiler::shown::shown;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use budget::{Budget, BudgetError, Fitted, TooLittle, fit};
pub use penalty::{NothingCosts, PenaltyError, unweighted, weighted};
pub use random::random;
pub use report::{Decided, SCHEMA, SearchReport, Seconds, Way, Weighing, decide, rankings};
pub use select::{above, every_layer, kept, ranking, share, top, uniform};

/// Plans by name, as the file of `compile --plan` has them: names of functions, nested like the plan's extents.
pub type Plans = BTreeMap<String, PlanValue>;

/// How many entries keep their first candidate, by plan.
pub type Kept = BTreeMap<String, usize>;

/// What a search found for one plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The plan, as `--plan` names it.
    pub plan: String,
    /// What its entries stand for.
    pub granularity: Granularity,
    /// Candidates by layer and position, the costliest first; a single one where the source decides.
    pub candidates: Vec<Vec<Vec<String>>>,
    /// Coefficients of all candidates but the last, by layer and position; none where there is nothing to choose.
    pub alpha: Vec<Vec<Vec<f64>>>,
}

/// An entry of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Its layer.
    pub layer: usize,
    /// Its head or row; 0 in a plan per layer.
    pub position: usize,
}

/// Why no plan can be read from a search.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SearchError {
    /// The network has no open entries.
    #[error(
        "nothing is to be searched: write entries `search[f, g]` in a plan of the model, the costliest function first"
    )]
    NothingOpen,
    /// A parameter is not there.
    #[error("the weights hold no coefficients `{}` of {expected:?}: were they searched with this model?", shown(.name))]
    Missing {
        /// Its name.
        name: String,
        /// Its extents.
        expected: Vec<usize>,
    },
}

impl Found {
    /// What the parameters of a supernet say, by plan.
    ///
    /// # Errors
    /// If the graph has no open entries, or `parameters` lack coefficients.
    pub fn read(graph: &Graph, parameters: &BTreeMap<String, Array>) -> Result<Vec<Found>, SearchError> {
        if graph.searched.is_empty() {
            return Err(SearchError::NothingOpen);
        }
        let mut all: Vec<Found> = Vec::with_capacity(graph.open.len());
        for open in &graph.open {
            let mut alpha: Vec<Vec<Vec<f64>>> =
                open.entries.iter().map(|layer| vec![Vec::new(); layer.len()]).collect();
            for searched in graph.searched.iter().filter(|searched| searched.plan == open.plan) {
                let param = &graph.params[searched.param.0 as usize];
                let missing = || SearchError::Missing { name: param.name.clone(), expected: param.file_shape.to_vec() };
                let array = parameters.get(&param.name).filter(|array| array.shape == param.file_shape);
                let array = array.ok_or_else(missing)?;
                for (at, position) in searched.positions.iter().enumerate() {
                    alpha[searched.layer][*position] =
                        array.data.iter().skip(at).step_by(searched.positions.len()).copied().collect();
                }
            }
            let (plan, granularity) = (open.plan.clone(), open.granularity);
            all.push(Found { plan, granularity, candidates: open.entries.clone(), alpha });
        }
        Ok(all)
    }

    /// The open entries, by layer and position.
    pub fn open(&self) -> Vec<Entry> {
        let layer = |(layer, entries): (usize, &Vec<Vec<f64>>)| {
            let open = entries.iter().enumerate().filter(|(_, alpha)| !alpha.is_empty());
            open.map(|(position, _)| Entry { layer, position }).collect::<Vec<_>>()
        };
        self.alpha.iter().enumerate().flat_map(layer).collect()
    }

    /// The coefficient of an open entry's first candidate.
    pub fn first(&self, entry: Entry) -> f64 {
        self.alpha[entry.layer][entry.position].first().copied().unwrap_or(0.0)
    }

    /// The plan in which these entries have their first candidate and the other open ones the best of the rest: the
    /// largest coefficient, the last candidate's being what the others leave of 1; the first of equals.
    pub fn decided(&self, keep: &[Entry]) -> PlanValue {
        let name = |layer: usize, position: usize| {
            let names = &self.candidates[layer][position];
            let alpha = &self.alpha[layer][position];
            let at = match names.len() {
                0 | 1 => 0,
                _ if keep.contains(&Entry { layer, position }) => 0,
                // Nothing applies the layer, so any would do.
                count if alpha.is_empty() => count - 1,
                _ => best_of_rest(alpha),
            };
            PlanValue::Name(names.get(at).cloned().unwrap_or_default())
        };
        self.nested(name)
    }

    /// The plan of one function an entry.
    fn nested(&self, name: impl Fn(usize, usize) -> PlanValue) -> PlanValue {
        let layer = |(layer, entries): (usize, &Vec<Vec<String>>)| match self.granularity {
            Granularity::Layer => name(layer, 0),
            Granularity::Head | Granularity::Row => {
                PlanValue::List((0..entries.len()).map(|position| name(layer, position)).collect())
            }
        };
        PlanValue::List(self.candidates.iter().enumerate().map(layer).collect())
    }
}

/// The candidate after the first with the largest coefficient.
fn best_of_rest(alpha: &[f64]) -> usize {
    let last = 1.0 - alpha.iter().sum::<f64>();
    let rest = alpha.iter().skip(1).chain(std::iter::once(&last)).enumerate();
    1 + rest.fold((0, f64::NEG_INFINITY), |best, (at, value)| if *value > best.1 { (at, *value) } else { best }).0
}

/// The plans in which every open entry has the same candidate: the first, or the last.
pub fn extremes(found: &[Found]) -> [Plans; 2] {
    let all = |first: bool| {
        let plan = |found: &Found| {
            let name = |layer: usize, position: usize| {
                let names = &found.candidates[layer][position];
                let name = if first { names.first() } else { names.last() };
                PlanValue::Name(name.cloned().unwrap_or_default())
            };
            (found.plan.clone(), found.nested(name))
        };
        found.iter().map(plan).collect()
    };
    [all(true), all(false)]
}
