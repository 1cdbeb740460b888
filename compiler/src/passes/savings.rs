//! What each pass saves: the plan without it against the plan with all, on nominal ranges.
//!
//! Nominal ranges need no weights, so a model can be looked at before it is trained; both plans stand on the same
//! assumptions. What two passes save together is not the sum of their lines: one may make work for the other.

use mpcc_program::cost::{self, Cost};
use serde::Serialize;

use super::{PASSES, Pass, PassError, check_final, run};
use crate::graph::Graph;
use crate::plan::{PlanError, PlanOptions, plan_with};
use crate::ranges::{Basis, nominal};

/// What a plan needs more without a pass; negative where it needs less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Simultaneous exchanges.
    pub hops: i64,
    /// Payload sent online, both parties together.
    pub online_bytes: i64,
    /// Payload received from the dealer, both parties together.
    pub offline_bytes: i64,
    /// Multiply-accumulates online, both parties together.
    pub multiplications: i64,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Saving {
    /// Name of the pass.
    pub name: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Whether it changed this model.
    pub changed: bool,
    /// What it saved; nothing where the model cannot be planned without it.
    pub saved: Option<Saved>,
    /// Why it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<String>,
}

/// What the passes did for one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Savings {
    /// Cost with all passes, on nominal ranges.
    #[serde(rename = "predicted")]
    pub cost: Cost,
    /// Line by line, in the order in which the passes run.
    pub passes: Vec<Saving>,
}

/// Cost without each pass in turn, less the cost with all of them. `progress` is told how many passes are done.
///
/// A pass with a plain alternative ([`Pass::without`]) is compared with that.
///
/// # Errors
/// If the model cannot be planned with all passes.
///
/// # Panics
/// If a pass breaks the graph, as [`super::run_all`].
pub fn savings(
    graph: &Graph,
    options: &PlanOptions,
    mut progress: impl FnMut(usize),
) -> Result<Savings, Vec<PlanError>> {
    let (all, reports) = super::run_all(graph);
    let cost = priced(&all, options)?;
    let mut passes = Vec::with_capacity(PASSES.len());
    for (place, (pass, report)) in PASSES.iter().zip(&reports).enumerate() {
        let (saved, required) = match leaving_out(graph, place, options) {
            Ok(without) => (Some(difference(&without, &cost)), None),
            Err(reason) => (None, Some(reason)),
        };
        passes.push(Saving { name: pass.name, summary: pass.summary, changed: report.changed, saved, required });
        progress(place + 1);
    }
    Ok(Savings { cost, passes })
}

/// The graph with all passes but one, or with its plain alternative in its place.
///
/// # Errors
/// If there is no such pass, or a pass cannot do without it.
pub fn run_without(graph: &Graph, name: &str) -> Result<Graph, PassError> {
    match PASSES.iter().position(|p| p.name == name) {
        Some(place) => replaced(graph, place),
        None => Err(PassError::Unknown { name: name.to_owned() }),
    }
}

fn replaced(graph: &Graph, place: usize) -> Result<Graph, PassError> {
    let instead = |(index, pass): (usize, &Pass)| match pass.without {
        _ if index != place => Some(*pass),
        Some(plain) => Some(Pass { run: plain, ..*pass }),
        None => None,
    };
    let passes: Vec<Pass> = PASSES.iter().enumerate().filter_map(instead).collect();
    Ok(run(graph, &passes)?.0)
}

fn leaving_out(graph: &Graph, place: usize, options: &PlanOptions) -> Result<Cost, String> {
    let rewritten = replaced(graph, place).map_err(|e| e.to_string())?;
    if let Err(violations) = check_final(&rewritten) {
        return Err(first(&violations));
    }
    priced(&rewritten, options).map_err(|errors| first(&errors))
}

fn first<E: ToString>(errors: &[E]) -> String {
    errors.first().map(ToString::to_string).unwrap_or_default()
}

fn priced(graph: &Graph, options: &PlanOptions) -> Result<Cost, Vec<PlanError>> {
    Ok(cost::program(
        &plan_with(graph, &nominal(graph), &PlanOptions { basis: Basis::Observed, ..options.clone() })?.program,
    ))
}

fn difference(without: &Cost, with: &Cost) -> Saved {
    let more = |count: fn(&Cost) -> u64| count(without).cast_signed() - count(with).cast_signed();
    Saved {
        hops: more(|c| c.hops.into()),
        online_bytes: more(|c| c.online_bytes.model_owner + c.online_bytes.data_owner),
        offline_bytes: more(|c| c.offline_bytes.model_owner + c.offline_bytes.data_owner),
        multiplications: more(|c| c.macs.iter().sum()),
    }
}
