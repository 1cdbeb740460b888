//! `mpcc check`: all diagnostics of a model file at once.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_compiler::lower::lower;
use serde::Serialize;

use crate::diagnostics::{self, Record};
use crate::failure::{Said, WRONG_INPUT};
use crate::files;
use crate::model::ModelOptions;
use crate::terminal::Terminal;

/// Parse, resolve and type-check a model file, and show everything that is wrong at once.
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
}

pub(crate) fn run(arguments: &CheckArguments, terminal: &Terminal) -> Result<()> {
    let source = files::read_source(&arguments.model)?;
    let file = files::source_name(&arguments.model);
    let options = arguments.options.lower_options()?;
    let lowered = mpcc_grammar::parse(&source).and_then(|module| lower(&module, &options));
    let found = match lowered {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    };
    let (errors, warnings) = diagnostics::counts(&found);
    if !found.is_empty() {
        terminal.message(&mpcc_grammar::render(&found, &source, &file, terminal.error_colour()));
        terminal.message(&diagnostics::summary(&found, &file));
    } else {
        terminal.remark(&format!("{file} is fine"));
    }
    let ok = errors == 0;
    let diagnostics = diagnostics::records(&found, &source);
    let report = Report { schema: "mpcc.check/1", file, ok, errors, warnings, diagnostics };
    terminal.result(&report, String::new)?;
    if ok { Ok(()) } else { Err(Said(WRONG_INPUT).into()) }
}
