//! What `train`, `search` and `distill` share: their options, the data set, the run with its progress, and its files.

mod data;
mod options;
mod outcome;
mod watch;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::tensor::Device;
use mpcc_cli::failure::Interrupted;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::graph::Graph;
use mpcc_training::examples::Examples;
use mpcc_training::goal::Goal;
use mpcc_training::initialise::initialise;
use mpcc_training::network::Network;
use mpcc_training::parameters::{Parameters, start_from};
use mpcc_training::train::{Job, Place, Recipe, TrainError, Trained, accuracy};

pub(crate) use options::TrainingOptions;
pub(crate) use outcome::{Finish, Outcome};

/// A network, its data and its recipe, ready to be trained.
pub(crate) struct Prepared {
    /// The network.
    pub(crate) network: Network,
    /// What it is trained on and tested with.
    pub(crate) examples: Box<dyn Examples>,
    /// How.
    pub(crate) recipe: Recipe,
    /// What it starts from.
    pub(crate) parameters: Parameters,
    /// Where it is computed.
    pub(crate) device: Device,
    threads: usize,
}

/// Reads the data set and prepares `graph` to be trained on it. Parameters that `free` names may be absent in the weights
/// that the run starts from. `tokenizer` is the one that the graph declares, and `rest` what the result depends on besides.
pub(crate) fn prepare(
    graph: &Graph,
    options: &TrainingOptions,
    tokenizer: Option<&[u8]>,
    free: impl Fn(&str) -> bool,
    rest: &str,
    terminal: &Terminal,
) -> Result<Prepared> {
    let graph = Arc::new(graph.clone());
    let network = Network::new(Arc::clone(&graph))?;
    let device = options.device()?;
    let examples: Box<dyn Examples> = match graph.tokenizer {
        Some(_) => Box::new(data::texts(&graph, network.classes(), options, tokenizer)?),
        None => Box::new(data::images(&graph, network.classes(), options, terminal)?),
    };
    let start = initialise(&graph, options.seed);
    let start = match &options.from {
        Some(path) => start_from(path, &graph, start, free)?,
        None => start,
    };
    let parameters = Parameters::new(&graph, &start, &device)
        .map_err(|name| anyhow::anyhow!("the parameter {name} has no first values"))?;
    let began = blake3::hash(&serde_json::to_vec(&start.iter().map(|(n, t)| (n, &t.data)).collect::<Vec<_>>())?);
    let rest = format!(
        "{rest}; graph {}; start {}; data {}, held out by {}, in batches of {}",
        mpcc_compiler::ranges::text_digest(&graph),
        began.to_hex(),
        examples.described(),
        options.held_out_seed,
        options.batch,
    );
    let recipe = options.recipe(rest);
    Ok(Prepared { network, examples, recipe, parameters, device, threads: options.threads() })
}

impl Prepared {
    /// Trains, with progress, and returns what came of it; state and weights are in `folder`.
    pub(crate) fn run(&self, goal: &Goal<'_>, folder: &Path, terminal: &Terminal) -> Result<Trained> {
        if self.examples.batches() == 0 {
            return Err(TrainError::NoBatch.into());
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make the directory {}", folder.display()))?;
        let job = Job {
            network: &self.network,
            examples: self.examples.as_ref(),
            goal,
            recipe: &self.recipe,
            threads: self.threads,
            device: &self.device,
        };
        let mut watch = watch::Watch::new(&self.recipe, terminal)?;
        let trained = job.train(self.parameters.clone(), &Place::of(folder), &mut |event| watch.see(event));
        watch.finish();
        trained.map_err(|error| match error {
            TrainError::Stopped => anyhow::Error::from(Interrupted).context(error.to_string()),
            error => error.into(),
        })
    }

    /// Share of the test split that weights name rightly.
    pub(crate) fn test_accuracy(&self, parameters: &Parameters) -> Option<(f64, usize)> {
        let mut batches = self.examples.tested();
        let share = accuracy(&self.network, parameters, &mut batches, self.threads, &self.device)?;
        Some((share, self.examples.counts().tested))
    }
}
