//! `mpcc weights`: untrained weights from a seed, or the tensors of any checkpoint as one safetensors file.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use mpcc_cli::failure::Usage;
use mpcc_cli::model::{self, ModelOptions};
use mpcc_cli::terminal::Terminal;
use mpcc_import::tensors::Tensors;
use mpcc_import::weights;
use serde::Serialize;

/// Write untrained weights from a seed, to measure cost and speed of a network that nobody has trained; or, with --convert, the
/// tensors of a checkpoint as one .safetensors file.
#[derive(Args, Debug)]
#[command(after_help = "\
The same seed gives the same file on every machine.

--convert takes what --weights takes everywhere: .safetensors, a checkpoint of torch.save (.bin, .pt, .pth), of which nothing is
executed, the .json index of several files, or a directory that holds one of these. Names, shapes and number formats stay.

Examples:
  mpcc weights model.mpv --seed 1 -o random.safetensors
  mpcc weights --convert checkpoint.pth.tar -o w.safetensors")]
pub(crate) struct WeightsArguments {
    /// The model file.
    #[arg(value_name = "MODEL.mpv", required_unless_present = "convert", conflicts_with = "convert")]
    model: Option<PathBuf>,
    /// The seed.
    #[arg(long, value_name = "N", required_unless_present = "convert", conflicts_with = "convert")]
    seed: Option<u64>,
    /// Write the tensors of this checkpoint instead.
    #[arg(long, value_name = "FILE|DIR")]
    convert: Option<PathBuf>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    tensors: usize,
    parameters: usize,
}

pub(crate) fn run(arguments: &WeightsArguments, terminal: &Terminal) -> Result<()> {
    let (tensors, parameters) = match (&arguments.convert, &arguments.model, arguments.seed) {
        (Some(from), ..) => convert(from, arguments)?,
        (None, Some(model), Some(seed)) => {
            let source = model::read_source(model, &arguments.options, terminal)?;
            let tensors = weights::generate(&source.rewritten.lowered, seed);
            weights::save(&arguments.output, &tensors)?;
            (tensors.len(), tensors.iter().map(|(_, t)| t.data.len()).sum())
        }
        _ => return Err(Usage("give a model and --seed, or --convert".to_owned()).into()),
    };
    let report = Report {
        schema: "mpcc.weights/1",
        output: arguments.output.display().to_string(),
        seed: arguments.seed,
        tensors,
        parameters,
    };
    Ok(terminal.result(&report, || {
        format!("wrote {}: {} tensors, {} numbers\n", report.output, report.tensors, report.parameters)
    })?)
}

/// Writes all tensors of a checkpoint; how many, and how many numbers they hold.
fn convert(from: &std::path::Path, arguments: &WeightsArguments) -> Result<(usize, usize)> {
    if !arguments.options.is_empty() {
        return Err(
            Usage("--plan, --set and the like are for --seed: a checkpoint is written as it is".to_owned()).into()
        );
    }
    let mut tensors = Tensors::open(from)?;
    if std::fs::canonicalize(tensors.path()).ok() == std::fs::canonicalize(&arguments.output).ok()
        && arguments.output.exists()
    {
        bail!("{} would be replaced by itself: name another file with -o", arguments.output.display());
    }
    let names: Vec<String> = tensors.listing().keys().cloned().collect();
    let numbers = tensors.listing().values().map(|listed| listed.shape.iter().product::<usize>()).sum();
    tensors.save(&names, &arguments.output)?;
    Ok((names.len(), numbers))
}
