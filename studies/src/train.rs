//! `mpcc train`: a model's weights from labelled images.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_cli::examples;
use mpcc_cli::model::{self, ModelOptions};
use mpcc_cli::terminal::Terminal;
use mpcc_training::goal::Goal;

use crate::training::{self, Finish, TrainingOptions};

/// Train a model in the clear, on the graph that is compiled.
///
/// Writes weights with the names that the model declares, the value ranges that `compile` and `run` need, and a report.
/// Which epoch is kept is chosen on images held out from training, never on the test split.
#[derive(Args, Debug)]
#[command(after_help = "\
Every parameter must get a gradient in the first step, or training stops and names those that do not. A run that is
stopped goes on when the same command is repeated, with the weights that it would have had.

Examples:
  mpcc train model.mpv --data cifar-10-batches-bin -o run
  mpcc train model.mpv --data images --plan ATTN=mu-0.5.json --epochs 300 --seed 1 -o student
  mpcc train model.mpv --data images --from pretrained.safetensors --rate 1e-4 --epochs 20 -o tuned
  mpcc run model.mpv --weights run/weights.safetensors --ranges run/model.ranges.json --input cat.png")]
pub(crate) struct TrainArguments {
    /// A model file.
    #[arg(value_name = "MODEL.mpv")]
    model: PathBuf,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    options: ModelOptions,
}

pub(crate) fn run(arguments: &TrainArguments, terminal: &Terminal) -> Result<()> {
    let source = model::read_source(&arguments.model, &arguments.options, terminal)?;
    let options = &arguments.training;
    let tokenizer = examples::tokenizer(&source)?;
    let prepared =
        training::prepare(&source.rewritten.lowered, options, tokenizer.as_deref(), |_| false, "labels", terminal)?;
    let trained = prepared.run(&Goal::labels(), &options.output, terminal)?;
    let finish = Finish { command: "train", teacher: None, source: &source, plans: &arguments.options, options };
    finish.write(&prepared, &trained, terminal)
}
