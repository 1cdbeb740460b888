//! `mpcc check`: all diagnostics of a model file at once.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_cli::diagnostics::{self, Record};
use mpcc_cli::failure::{Said, WRONG_INPUT};
use mpcc_cli::files;
use mpcc_cli::model::ModelOptions;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, lower};
use serde::Serialize;

/// Parse, resolve and type-check a model file, and show everything that is wrong at once. Plans that are still to be
/// searched are named.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc check model.mpv
  mpcc check --json model.mpv")]
pub(crate) struct CheckArguments {
    /// The model file; `-` reads standard input.
    #[arg(value_name = "MODEL.mpv")]
    model: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    /// No errors; there may be warnings.
    ok: bool,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Record>,
    /// Plans with entries that are still to be searched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    searched: Vec<Open>,
}

#[derive(Serialize)]
struct Open {
    plan: String,
    /// Entries to be decided.
    entries: usize,
    /// Among which functions, the costliest first.
    candidates: Vec<Vec<String>>,
}

/// What is to be searched, by plan.
fn open(graph: &Graph) -> Vec<Open> {
    let mut plans: Vec<Open> = Vec::new();
    for searched in &graph.searched {
        let at = plans.iter().position(|open| open.plan == searched.plan).unwrap_or(plans.len());
        if at == plans.len() {
            plans.push(Open { plan: searched.plan.clone(), entries: 0, candidates: Vec::new() });
        }
        plans[at].entries += searched.positions.len();
        if !plans[at].candidates.contains(&searched.candidates) {
            plans[at].candidates.push(searched.candidates.clone());
        }
    }
    plans
}

pub(crate) fn run(arguments: &CheckArguments, terminal: &Terminal) -> Result<()> {
    let source = files::read_source(&arguments.model)?;
    let file = files::source_name(&arguments.model);
    let options = LowerOptions { supernet: true, ..arguments.options.lower_options()? };
    let lowered = mpcc_grammar::parse(&source).and_then(|module| lower(&module, &options));
    let (found, searched) = match lowered {
        Ok((graph, warnings)) => (warnings, open(&graph)),
        Err(diagnostics) => (diagnostics, Vec::new()),
    };
    let (errors, warnings) = diagnostics::counts(&found);
    if !found.is_empty() {
        terminal.drawn(&diagnostics::drawn(&found, &source, &file, terminal.error_colour()));
        terminal.message(&diagnostics::summary(&found, &file));
    } else {
        terminal.remark(&format!("{file} is fine"));
    }
    for Open { plan, entries, candidates } in &searched {
        let among: Vec<String> = candidates.iter().map(|names| names.join(" or ")).collect();
        let how = if *entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
        terminal.remark(&format!("plan {plan} is to be searched: {how}, {}", among.join("; ")));
    }
    let ok = errors == 0;
    let diagnostics = diagnostics::records(&found, &source);
    let report = Report { schema: "mpcc.check/1", file, ok, errors, warnings, diagnostics, searched };
    terminal.result(&report, String::new)?;
    if ok { Ok(()) } else { Err(Said(WRONG_INPUT).into()) }
}
