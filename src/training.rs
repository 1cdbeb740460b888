//! What `train`, `search` and `distill` share: their options, the data set, the run with its progress, and its files.

mod options;
mod outcome;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use mpcc_compiler::graph::{Element, Graph};
use mpcc_training::batches::BatchOptions;
use mpcc_training::data::{self, Dataset, Images};
use mpcc_training::examples::{Examples, ImageExamples};
use mpcc_training::goal::Goal;
use mpcc_training::initialise::initialise;
use mpcc_training::network::Network;
use mpcc_training::parameters::{Parameters, start_from};
use mpcc_training::train::{Job, Place, Recipe, TrainError, Trained, accuracy};

use crate::failure::{Interrupted, Usage};
use crate::progress::Bar;
use crate::terminal::Terminal;

pub(crate) use options::TrainingOptions;
pub(crate) use outcome::Finish;

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
/// that the run starts from. `rest` is what the result depends on besides.
pub(crate) fn prepare(
    graph: &Graph,
    options: &TrainingOptions,
    free: impl Fn(&str) -> bool,
    rest: &str,
    terminal: &Terminal,
) -> Result<Prepared> {
    let graph = Arc::new(graph.clone());
    let network = Network::new(Arc::clone(&graph))?;
    let device = options.device()?;
    let shape = image_shape(&graph)?;
    let mut dataset = read(&options.data, shape, terminal)?;
    let labels = graph.outputs.first().map(|output| output.labels.clone()).unwrap_or_default();
    if !labels.is_empty() {
        dataset.order_classes(&labels)?;
    }
    let (found, classes) = (dataset.train.classes.len(), network.classes());
    if found != classes {
        bail!("{} has {found} classes, the model scores {classes}", options.data.display());
    }
    let images = Arc::new(dataset.train);
    let (mut trained, held_out) = if options.held_out > 0.0 {
        data::hold_out(&images, options.held_out, options.seed)
    } else {
        ((0..images.len()).collect(), Vec::new())
    };
    if let Some(limit) = options.limit.filter(|limit| *limit < trained.len()) {
        let share = 1.0 - limit as f64 / trained.len() as f64;
        let part = subset(&images, &trained, share, options.seed);
        trained = part;
    }
    let batch = BatchOptions {
        size: options.batch,
        seed: options.seed,
        classes,
        augment: options.augment(shape),
        mix: options.mix(),
        smoothing: options.smoothing,
        threads: 1,
        drop_last: true,
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
        "{rest}; graph {}; start {}; {} of {} images; {batch:?}",
        mpcc_compiler::ranges::digest(&graph),
        began.to_hex(),
        trained.len(),
        images.len(),
    );
    let recipe = options.recipe(rest);
    let test = dataset.test.map(Arc::new);
    let examples = Box::new(ImageExamples { images, trained: Arc::new(trained), held_out, test, options: batch });
    Ok(Prepared { network, examples, recipe, parameters, device, threads: options.threads() })
}

/// A share of `of` left out, evenly over the classes.
fn subset(images: &Images, of: &[usize], share: f64, seed: u64) -> Vec<usize> {
    let (kept, _) = data::hold_out(images, share, seed ^ 0x5eed);
    let wanted: std::collections::BTreeSet<usize> = of.iter().copied().collect();
    kept.into_iter().filter(|index| wanted.contains(index)).collect()
}

impl Prepared {
    /// Trains, with progress, and returns what came of it; state and weights are in `folder`.
    pub(crate) fn run(&self, goal: &Goal<'_>, folder: &Path, terminal: &Terminal) -> Result<Trained> {
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

fn image_shape(graph: &Graph) -> Result<[usize; 3]> {
    match graph.inputs.as_slice() {
        [input] if input.ty.element == Element::U8 => match input.ty.shape.as_slice() {
            [c, h, w] => Ok([*c, *h, *w]),
            other => bail!("the input `{}` is no image: it has extents {other:?}", input.name),
        },
        _ => bail!(
            "this model is not one of images: training takes models with one input of bytes, `Tensor<u8, 3, H, W>`"
        ),
    }
}

fn read(dir: &PathBuf, shape: [usize; 3], terminal: &Terminal) -> Result<Dataset> {
    let bar = Bar::new(terminal, 1, "reading images");
    let dataset = data::open(dir, shape, &mut |done, all| bar.state(done as u64, all as u64));
    bar.finish();
    dataset.map_err(|error| match error {
        data::DataError::NotADirectory { .. } => Usage(error.to_string()).into(),
        error => error.into(),
    })
}
