//! An artefact beside what its source compiles to here.

use std::path::Path;

use anyhow::Result;
use mpcc_cli::model::{self, Target};
use mpcc_cli::ranges;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::artefact::{Artefact, differences};
use mpcc_program::shown::shown;
use serde::Serialize;

use super::InspectArguments;

/// Whether an artefact is what its source compiles to.
#[derive(Serialize)]
pub(super) struct Comparison {
    file: String,
    /// Hash of what it compiles to.
    program: String,
    same: bool,
    /// What differs.
    differences: Vec<String>,
}

impl Comparison {
    pub(super) fn is_same(&self) -> bool {
        self.same
    }

    pub(super) fn text(&self) -> String {
        let file = shown(&self.file);
        if self.same {
            return format!("source     {file} compiles to the same program\n");
        }
        let mut out = format!("source     WARNING: {file} compiles to another program, {}\n", self.program);
        for difference in &self.differences {
            out += &format!("             {difference}\n");
        }
        out
    }
}

/// Compiles the source with the options of the command line, as `mpcc compile` does.
pub(super) fn compare(
    artefact: &Artefact,
    path: &Path,
    arguments: &InspectArguments,
    terminal: &Terminal,
) -> Result<Comparison> {
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let weights = arguments.weights.as_deref();
    let source = model::read_source(path, &arguments.options, terminal)?.relying_on(&arguments.ranges, weights)?;
    let found = ranges::find(&source, &arguments.ranges, weights, terminal)?;
    let compiled = source.assemble(&found, &target)?;
    let differences = differences(artefact, &compiled);
    Ok(Comparison {
        file: source.name.clone(),
        program: compiled.manifest.program,
        same: differences.is_empty(),
        differences,
    })
}
