//! The phases in order: parse, lower, rewrite, plan, artefact.

use mpcc_grammar::{Diagnostic, parse};
use mpcc_program::cost;
use mpcc_program::program::{Gate, Program};

use crate::artefact::{Artefact, Manifest, Opened, PlannedFor, choice_rows, program_hash, range_rows};
use crate::graph::Graph;
use crate::lower::{LowerOptions, lower};
use crate::passes::{self, PassReport};
use crate::plan::{Decided, Objective, Plan, PlanError, PlanOptions, plan_for, plan_with};
use crate::ranges::Ranges;

/// The trust model, printed with every result.
pub const TRUST: &str = "semi-honest, dealer";

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
pub fn assemble(source: &str, graph: &Graph, ranges: &Ranges) -> Result<Artefact, Vec<PlanError>> {
    assemble_with(source, graph, ranges, &PlanOptions::default())
}

/// Rewritten graph and ranges to artefact. `source` is only hashed. A tokenizer that the graph declares is still to be
/// added, with [`Artefact::with_tokenizer`].
///
/// # Errors
/// Everything that cannot be planned.
pub fn assemble_with(
    source: &str,
    graph: &Graph,
    ranges: &Ranges,
    options: &PlanOptions,
) -> Result<Artefact, Vec<PlanError>> {
    Ok(artefact(source, graph, plan_with(graph, ranges, options)?, None))
}

/// Rewritten graph and ranges to artefact, with the protocols that serve an objective best; see [`plan_for`]. `source`
/// is only hashed, and `network` is only the name of the objective's.
///
/// # Errors
/// Everything that cannot be planned.
pub fn assemble_for(
    source: &str,
    graph: &Graph,
    ranges: &Ranges,
    (network, objective): (&str, &Objective<'_>),
    decided: Decided,
) -> Result<Artefact, Vec<PlanError>> {
    let chosen = plan_for(graph, ranges, objective, decided)?;
    let planned_for =
        PlannedFor { network: network.to_owned(), machine: objective.machine.name.clone(), alpha: objective.alpha };
    Ok(artefact(source, graph, chosen.plan, Some(planned_for)))
}

fn artefact(source: &str, graph: &Graph, planned: Plan, planned_for: Option<PlannedFor>) -> Artefact {
    let manifest = Manifest {
        schema: "mpcc.artefact/1".into(),
        compiler: env!("CARGO_PKG_VERSION").into(),
        model: graph.name.clone(),
        program: program_hash(graph, &planned.program, None),
        source: blake3::hash(source.as_bytes()).to_hex().to_string(),
        trust: TRUST.into(),
        tokenizer: None,
        plans: graph.plans.clone(),
        basis: planned.basis,
        planned_for,
        choices: choice_rows(&planned.choices),
        opened: opened(&planned.program),
        cost: cost::program(&planned.program),
        ranges: range_rows(&planned.ranges),
    };
    Artefact { manifest, graph: graph.clone(), program: planned.program, tokenizer: None }
}

/// Everything that leaves a party, by kind.
fn opened(program: &Program) -> Vec<Opened> {
    let count = |test: fn(&Gate) -> bool| program.values.iter().filter(|v| test(&v.gate)).count();
    let rows = [
        ("inputs", "model owner", "masked by the data owner, uniform", count(|g| matches!(g, Gate::Input { .. }))),
        (
            "weights",
            "data owner",
            "once per session, under a static mask known to the dealer, uniform",
            program.weights.len(),
        ),
        (
            "intermediate values",
            "both parties",
            "under a fresh mask over the whole ring, uniform",
            count(|g| matches!(g, Gate::Open { .. })),
        ),
        (
            "predicate bits of comparisons",
            "both parties",
            "one-time padded, uniform",
            count(|g| matches!(g, Gate::SignDigits { .. } | Gate::OpenSign { .. })),
        ),
        ("outputs", "data owner", "the result, rounded; meant to be learned", program.outputs.len()),
    ];
    rows.into_iter()
        .map(|(what, to, why, count)| Opened { what: what.into(), to: to.into(), why: why.into(), count })
        .collect()
}
