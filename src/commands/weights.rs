//! `mpcc weights`: untrained weights from a seed.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc::model::{self, ModelOptions};
use mpcc::terminal::Terminal;
use mpcc_import::weights;
use serde::Serialize;

/// Write untrained weights from a seed, to measure cost and speed of a network that nobody has trained.
#[derive(Args, Debug)]
#[command(after_help = "\
The same seed gives the same file on every machine.

Examples:
  mpcc weights model.mpv --seed 1 -o random.safetensors")]
pub(crate) struct WeightsArguments {
    /// The model file.
    #[arg(value_name = "MODEL.mpv")]
    model: PathBuf,
    /// The seed.
    #[arg(long, value_name = "N")]
    seed: u64,
    /// Where to put them.
    #[arg(short, long, value_name = "W.safetensors")]
    output: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    output: String,
    seed: u64,
    tensors: usize,
    parameters: usize,
}

pub(crate) fn run(arguments: &WeightsArguments, terminal: &Terminal) -> Result<()> {
    let source = model::read_source(&arguments.model, &arguments.options, terminal)?;
    let tensors = weights::generate(&source.rewritten.lowered, arguments.seed);
    weights::save(&arguments.output, &tensors)?;
    let report = Report {
        schema: "mpcc.weights/1",
        output: arguments.output.display().to_string(),
        seed: arguments.seed,
        tensors: tensors.len(),
        parameters: tensors.iter().map(|(_, t)| t.data.len()).sum(),
    };
    Ok(terminal.result(&report, || {
        format!("wrote {}: {} tensors, {} numbers\n", report.output, report.tensors, report.parameters)
    })?)
}
