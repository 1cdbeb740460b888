//! `mpcc distill`: a model's weights from labelled images and a trained teacher.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use mpcc_cli::examples;
use mpcc_cli::failure::Usage;
use mpcc_cli::model::{self, ModelOptions};
use mpcc_cli::terminal::Terminal;
use mpcc_training::goal::{Goal, Teacher};
use mpcc_training::initialise::initialise;
use mpcc_training::network::Network;
use mpcc_training::parameters::{Parameters, start_from};

use crate::training::{self, Finish, TrainingOptions};

/// Train a model to do as another does: on the labels, on the teacher's scores, and on its last normalised tokens.
///
/// The loss is GAMMA times the cross-entropy with the labels, CHI times that with the teacher's distribution, and BETA
/// times the mean squared error of all tokens behind the last layer norm (MPCViT, with 1 each).
#[derive(Args, Debug)]
#[command(after_help = "\
The recipe `layers` first brings attention scores and every layer's tokens near the teacher's, then its distribution
(MPCFormer): two runs, the second from the weights of the first.

Examples:
  mpcc distill model.mpv --plan ATTN=mu-0.5.json --teacher softmax.mpv --teacher-weights teacher/weights.safetensors \\
      --data cifar-10-batches-bin -o student
  mpcc distill model.mpv --teacher model.mpv --teacher-plan ATTN=SOFTMAX --teacher-weights t.safetensors --data images -o s
  mpcc distill quad.mpv --teacher softmax.mpv --teacher-weights t.safetensors --recipe layers --data images -o stage-1")]
pub(crate) struct DistillArguments {
    /// The student, a model file.
    #[arg(value_name = "STUDENT.mpv")]
    model: PathBuf,
    /// The teacher, a model file with the same inputs and classes.
    #[arg(long, value_name = "MODEL.mpv")]
    teacher: PathBuf,
    /// Its weights.
    #[arg(long, value_name = "W")]
    teacher_weights: PathBuf,
    /// Another plan for the teacher, as --plan. May be repeated.
    #[arg(long, value_name = "NAME=PLAN|FILE.json")]
    teacher_plan: Vec<String>,
    /// What is compared: scores and last tokens, or scores of attention and tokens of every layer.
    #[arg(long, value_name = "WHAT", default_value = "last")]
    recipe: Compared,
    /// Weight of the teacher's distribution; 0 is the default with the recipe `layers`.
    #[arg(long, value_name = "W")]
    chi: Option<f64>,
    /// Weight of the teacher's last normalised tokens.
    #[arg(long, value_name = "W")]
    beta: Option<f64>,
    /// Weight of the labels; 0 is the default with the recipe `layers`.
    #[arg(long, value_name = "W")]
    gamma: Option<f64>,
    /// Temperature of the distributions.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    temperature: f64,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    options: ModelOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Compared {
    Last,
    Layers,
}

pub(crate) fn run(arguments: &DistillArguments, terminal: &Terminal) -> Result<()> {
    let source = model::read_source(&arguments.model, &arguments.options, terminal)?;
    let teacher_options = ModelOptions::of_plans(arguments.teacher_plan.clone());
    let teacher_source = model::read_source(&arguments.teacher, &teacher_options, terminal)?;
    let layers = arguments.recipe == Compared::Layers;
    let weight = |given: Option<f64>, usual: f64| given.unwrap_or(if layers { 0.0 } else { usual });
    let (chi, beta, gamma) = (weight(arguments.chi, 1.0), weight(arguments.beta, 1.0), weight(arguments.gamma, 1.0));
    if !(arguments.temperature > 0.0 && [chi, beta, gamma].iter().all(|w| w.is_finite() && *w >= 0.0)) {
        return Err(Usage("weights are numbers from 0 on, and the temperature is above 0".to_owned()).into());
    }
    if !layers && chi + beta + gamma == 0.0 {
        return Err(Usage("all weights are 0, which leaves nothing to learn: give one of them".to_owned()).into());
    }

    let graph = Arc::new(teacher_source.rewritten.lowered);
    let device = arguments.training.device()?;
    let network = Network::new(Arc::clone(&graph))?;
    let values = start_from(&arguments.teacher_weights, &graph, initialise(&graph, 0), |_| false)?;
    let parameters = Parameters::new(&graph, &values, &device)
        .map_err(|name| anyhow::anyhow!("the teacher's parameter {name} is missing"))?;
    let teacher = Teacher {
        network: &network,
        parameters: &parameters,
        logits: chi,
        temperature: arguments.temperature,
        features: beta,
        layers: if layers { 1.0 } else { 0.0 },
    };
    let options = &arguments.training;
    let digest = blake3::hash(&std::fs::read(&arguments.teacher_weights)?).to_hex();
    let rest = format!("distilled {chi} {beta} {gamma} {} {layers} from {digest}", arguments.temperature);
    let tokenizer = examples::tokenizer(&source)?;
    let prepared =
        training::prepare(&source.rewritten.lowered, options, tokenizer.as_deref(), |_| false, &rest, terminal)?;
    teacher.check(&prepared.network)?;
    let goal = Goal { labels: gamma, teacher: Some(teacher), penalty: None };
    let trained = prepared.run(&goal, &options.output, terminal)?;
    let teacher = Some(arguments.teacher_weights.display().to_string());
    let finish = Finish { command: "distill", teacher, source: &source, plans: &arguments.options, options };
    finish.write(&prepared, &trained, terminal)
}
