//! The phases in order: parse, lower, rewrite, plan, artefact.

use mpcc_grammar::{Diagnostic, parse};

use crate::artefact::{Artefact, Facts, PlannedFor};
use crate::graph::Graph;
use crate::lower::{LowerOptions, lower};
use crate::passes::{self, PassReport};
use crate::plan::{Decided, Objective, PlanError, PlanOptions, plan_for, plan_with};
use crate::ranges::Ranges;

/// A model after the rewrites: what calibration and planning start from.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The graph as written.
    pub lowered: Graph,
    /// The graph after all passes.
    pub graph: Graph,
    /// What each pass did.
    pub passes: Vec<PassReport>,
    /// Warnings of the source.
    pub warnings: Vec<Diagnostic>,
}

/// Source text to rewritten graph. Every error of the first failing phase is returned.
pub fn rewrite(source: &str, options: &LowerOptions) -> Result<Rewritten, Vec<Diagnostic>> {
    let module = parse(source)?;
    let (lowered, warnings) = lower(&module, options)?;
    let (graph, passes) = passes::run_all(&lowered);
    Ok(Rewritten { lowered, graph, passes, warnings })
}

/// Rewritten graph and ranges to artefact, with the default protocols; see [`assemble_with`].
///
/// # Errors
/// Everything that cannot be planned.
pub fn assemble(graph: &Graph, ranges: &Ranges) -> Result<Artefact, Vec<PlanError>> {
    assemble_with(graph, ranges, &PlanOptions::default())
}

/// Rewritten graph and ranges to artefact. A tokenizer that the graph declares is still to be
/// added, with [`Artefact::with_tokenizer`].
///
/// # Errors
/// Everything that cannot be planned.
pub fn assemble_with(graph: &Graph, ranges: &Ranges, options: &PlanOptions) -> Result<Artefact, Vec<PlanError>> {
    let plan = plan_with(graph, ranges, options)?;
    let facts = Facts::of(&plan, None);
    Ok(Artefact::new(graph.clone(), plan.program, facts))
}

/// Rewritten graph and ranges to artefact, with the protocols that serve an objective best; see [`plan_for`].
/// `network` is only the name of the objective's.
///
/// # Errors
/// Everything that cannot be planned.
pub fn assemble_for(
    graph: &Graph,
    ranges: &Ranges,
    (network, objective): (&str, &Objective<'_>),
    decided: Decided,
) -> Result<Artefact, Vec<PlanError>> {
    let chosen = plan_for(graph, ranges, objective, decided)?;
    let planned_for =
        PlannedFor { network: network.to_owned(), machine: objective.machine.name.clone(), alpha: objective.alpha };
    let facts = Facts::of(&chosen.plan, Some(planned_for));
    Ok(Artefact::new(graph.clone(), chosen.plan.program, facts))
}
