//! The training loop: batches in pieces on several threads, steps, epochs, checkpoints.
//!
//! A batch is cut into pieces of a fixed size and the pieces' gradients are added in order, so that results do not depend on
//! the number of threads; nothing random depends on what ran before, so that a resumed run equals one that was not stopped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::checkpoint::{self, CheckpointError, Epoch, Position};
use crate::examples::{Batch, Examples};
use crate::files::FileError;
use crate::goal::{Goal, Piece};
use crate::network::{Network, Noise, NoiseOptions, Sites};
use crate::optimise::{AdamWs, Schedule, clip};
use crate::parameters::{Parameter, Parameters};

/// Examples that are evaluated together.
const PIECE: usize = 32;
/// How often an unfinished epoch is kept.
const KEEP: Duration = Duration::from_secs(300);

/// How a network is trained, beside its data and its goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Epochs and learning rate.
    pub schedule: Schedule,
    /// AdamW's decoupled decay.
    pub weight_decay: f64,
    /// Largest norm of a gradient.
    pub clip: Option<f64>,
    /// What is added at random within the network.
    pub noise: NoiseOptions,
    /// What everything random follows from.
    pub seed: u64,
    /// Whether the weights of the best epoch on held-out examples are kept, rather than the last ones.
    pub keep_best: bool,
    /// Whatever else the result depends on: data, augmentation, start, goal. Compared before a run goes on.
    pub rest: String,
}

/// Where a run writes.
#[derive(Clone, Debug)]
pub struct Place {
    /// Weights, replaced whenever better ones are found.
    pub weights: PathBuf,
    /// State of the run.
    pub checkpoint: PathBuf,
}

impl Place {
    /// The files of a run in a directory.
    pub fn of(folder: &Path) -> Self {
        Self { weights: folder.join("weights.safetensors"), checkpoint: folder.join("checkpoint.safetensors") }
    }
}

/// What an observer is told.
#[derive(Clone, Debug)]
pub enum Event<'e> {
    /// After a step.
    Step {
        /// Epoch, from 0.
        epoch: usize,
        /// Batches of it that are done, and all of them.
        batches: (usize, usize),
        /// Mean loss of the epoch so far.
        loss: f64,
        /// Share named rightly so far.
        accuracy: f64,
        /// Examples a second since the run began.
        speed: f64,
        /// Seconds left at this speed.
        left: f64,
    },
    /// After an epoch and its evaluation.
    Epoch {
        /// Its number, from 0.
        number: usize,
        /// What it came to.
        epoch: &'e Epoch,
    },
    /// A checkpoint was found: the run goes on from here.
    Resumed {
        /// Where it stands.
        position: &'e Position,
    },
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    GoOn,
    /// Stop at once, and keep the state.
    Stop,
}

/// Why training ends early.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A parameter that does not matter to the loss.
    #[error(
        "no gradient reaches {}: remove it from the model, or see why nothing depends on it",
        .names.join(", ")
    )]
    NoGradient {
        /// Their names.
        names: Vec<String>,
    },
    /// The loss overflowed.
    #[error("the loss is {loss} in epoch {epoch}, batch {batch}: lower the learning rate, or clip gradients")]
    NotFinite {
        /// It.
        loss: f64,
        /// Epoch, from 0.
        epoch: usize,
        /// Batch, from 0.
        batch: usize,
    },
    /// The data set is empty.
    #[error("there is not one whole batch to train on: lower the batch size")]
    NoBatch,
    /// A checkpoint could not be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The observer asked to stop; the state was kept.
    #[error("stopped; the same command goes on from where it was")]
    Stopped,
}

/// A trained network.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The last weights, on the device.
    pub parameters: Parameters,
    /// All epochs, and the best.
    pub position: Position,
}

/// A network to be trained, with what it takes.
#[derive(Clone, Copy)]
pub struct Job<'j> {
    /// The network.
    pub network: &'j Network,
    /// Its examples.
    pub examples: &'j dyn Examples,
    /// What it is trained for.
    pub goal: &'j Goal<'j>,
    /// How.
    pub recipe: &'j Recipe,
    /// Threads to compute on; the result does not depend on them.
    pub threads: usize,
    /// The device, without gradients.
    pub device: &'j Device,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("recipe", self.recipe).finish_non_exhaustive()
    }
}

impl Job<'_> {
    /// Trains from `parameters`, or goes on from the checkpoint at `place`.
    ///
    /// # Errors
    /// If a parameter gets no gradient in the first step, the loss overflows, a file cannot be used, or the observer stops it.
    pub fn train(
        &self,
        mut parameters: Parameters,
        place: &Place,
        observe: &mut dyn FnMut(&Event<'_>) -> Verdict,
    ) -> Result<Trained, TrainError> {
        let recipe = serde_json::to_string(self.recipe).expect("numbers and text");
        let mut optimiser = AdamWs::new(parameters.0.len(), self.recipe.weight_decay);
        let kept = checkpoint::read(&place.checkpoint, &recipe, &mut parameters, &mut optimiser, self.device)?;
        let mut position = match kept {
            Some(position) => {
                let _ = observe(&Event::Resumed { position: &position });
                position
            }
            None => Position { recipe, ..Position::default() },
        };
        let batches = self.examples.batches();
        if batches == 0 {
            return Err(TrainError::NoBatch);
        }
        let sites = Sites::find(self.network.graph(), self.recipe.noise);
        let (began, mut done) = (Instant::now(), 0usize);
        let mut kept_at = Instant::now();
        while position.epoch < self.recipe.schedule.total() {
            let mut entered = Instant::now();
            for batch in self.examples.epoch(position.epoch, position.batch) {
                let number = position.epoch * batches + position.batch;
                let step = self.gradients(&parameters, &batch, &sites, number);
                if !step.loss.is_finite() {
                    let (epoch, batch) = (position.epoch, position.batch);
                    return Err(TrainError::NotFinite { loss: step.loss, epoch, batch });
                }
                if number == 0 {
                    all_reached(&parameters, &step.gradients)?;
                }
                let gradients = match self.recipe.clip {
                    Some(limit) => clip(step.gradients, limit),
                    None => step.gradients,
                };
                let progress = position.batch as f64 / batches as f64;
                optimiser.step(&mut parameters, gradients, self.recipe.schedule.rate_at(position.epoch, progress));
                position.batch += 1;
                position.loss += step.loss * batch.size as f64;
                position.seen += batch.size;
                position.right += step.right;
                done += batch.size;
                let speed = done as f64 / began.elapsed().as_secs_f64();
                let rest = (self.recipe.schedule.total() - position.epoch) * batches - position.batch;
                let verdict = observe(&Event::Step {
                    epoch: position.epoch,
                    batches: (position.batch, batches),
                    loss: position.loss / position.seen as f64,
                    accuracy: position.right as f64 / position.seen as f64,
                    speed,
                    left: (rest * batch.size) as f64 / speed,
                });
                if verdict == Verdict::Stop || kept_at.elapsed() > KEEP {
                    position.seconds += entered.elapsed().as_secs_f64();
                    entered = Instant::now();
                    checkpoint::write(&place.checkpoint, &position, &parameters, &optimiser)?;
                    kept_at = Instant::now();
                }
                if verdict == Verdict::Stop {
                    return Err(TrainError::Stopped);
                }
            }
            let epoch = Epoch {
                rate: self.recipe.schedule.rate_at(position.epoch, 0.0),
                loss: position.loss / position.seen.max(1) as f64,
                accuracy: position.right as f64 / position.seen.max(1) as f64,
                held_out: self.accuracy(&parameters, &mut self.examples.held_out()),
                seconds: position.seconds + entered.elapsed().as_secs_f64(),
            };
            let better = match (epoch.held_out, position.best) {
                (Some(now), Some((_, best))) => now > best,
                _ => true,
            };
            if better || !self.recipe.keep_best {
                parameters.save(&place.weights)?;
                position.best = epoch.held_out.map(|accuracy| (position.epoch, accuracy));
            }
            position.history.push(epoch);
            position.epoch += 1;
            (position.batch, position.loss, position.seen, position.right, position.seconds) = (0, 0.0, 0, 0, 0.0);
            checkpoint::write(&place.checkpoint, &position, &parameters, &optimiser)?;
            kept_at = Instant::now();
            let number = position.epoch - 1;
            if observe(&Event::Epoch { number, epoch: &position.history[number] }) == Verdict::Stop {
                return Err(TrainError::Stopped);
            }
        }
        Ok(Trained { parameters, position })
    }

    /// Share of examples that are named rightly; `None` of none.
    pub fn accuracy(&self, parameters: &Parameters, batches: &mut dyn Iterator<Item = Batch>) -> Option<f64> {
        accuracy(self.network, parameters, batches, self.threads, self.device)
    }

    /// Loss, gradients and right answers of a batch.
    pub fn gradients(&self, parameters: &Parameters, batch: &Batch, sites: &Sites, number: usize) -> Step {
        let pieces = pieces(batch);
        let parts = on_threads(self.threads, pieces.len(), |at| {
            let piece = &pieces[at];
            let share = piece.len() as f64 / batch.size as f64;
            let device = self.device.clone().autodiff();
            let leaves = leaves(parameters);
            let noise = Noise::new(sites, self.recipe.seed, number, at, &device);
            let taken = on_device(self.network, batch, piece, &device);
            let (loss, scores) = self.goal.loss(self.network, &leaves, taken, &noise, &device);
            let mut loss = loss.mul_scalar(share);
            if let Some(penalty) = self.goal.penalty(&leaves, &device).filter(|_| at == 0) {
                loss = loss + penalty;
            }
            let right = right(&scores.inner(), &batch.labels[piece.clone()]);
            let value = f64::from(loss.clone().inner().into_scalar::<f32>());
            let mut all = loss.backward();
            let gradients: Vec<Option<Tensor<1>>> =
                leaves.0.iter().map(|leaf| leaf.value.grad_remove(&mut all)).collect();
            (value, right, gradients)
        });
        let mut step = Step { loss: 0.0, right: 0, gradients: Vec::new() };
        let mut sums: Vec<Option<Tensor<1>>> = vec![None; parameters.0.len()];
        for (loss, right, gradients) in parts {
            step.loss += loss;
            step.right += right;
            for (sum, gradient) in sums.iter_mut().zip(gradients) {
                *sum = match (sum.take(), gradient) {
                    (Some(sum), Some(gradient)) => Some(sum + gradient),
                    (sum, gradient) => sum.or(gradient),
                };
            }
        }
        let zeros = |parameter: &Parameter| parameter.value.clone().zeros_like();
        step.gradients = sums
            .into_iter()
            .zip(&parameters.0)
            .map(|(sum, parameter)| sum.unwrap_or_else(|| zeros(parameter)))
            .collect();
        step
    }
}

/// What one batch says.
#[derive(Debug)]
pub struct Step {
    /// Mean loss of its examples.
    pub loss: f64,
    /// How many were named rightly.
    pub right: usize,
    /// For each parameter.
    pub gradients: Vec<Tensor<1>>,
}

/// Share of examples that a network names rightly; `None` of none.
pub fn accuracy(
    network: &Network,
    parameters: &Parameters,
    batches: &mut dyn Iterator<Item = Batch>,
    threads: usize,
    device: &Device,
) -> Option<f64> {
    let (mut named, mut seen) = (0, 0);
    for batch in batches {
        let pieces = pieces(&batch);
        let parts = on_threads(threads, pieces.len(), |at| {
            let taken = on_device(network, &batch, &pieces[at], device);
            let scores = network.forward(parameters, &taken.inputs, &[network.scores()], None, device).values.remove(0);
            let [examples, _, _, classes] = scores.dims();
            right(&scores.reshape([examples, classes]), &batch.labels[pieces[at].clone()])
        });
        named += parts.into_iter().sum::<usize>();
        seen += batch.size;
    }
    (seen > 0).then(|| named as f64 / seen as f64)
}

fn pieces(batch: &Batch) -> Vec<std::ops::Range<usize>> {
    (0..batch.size).step_by(PIECE).map(|from| from..(from + PIECE).min(batch.size)).collect()
}

/// Parameters as leaves of a new gradient graph.
fn leaves(parameters: &Parameters) -> Parameters {
    let leaf = |parameter: &Parameter| Parameter {
        value: parameter.value.clone().autodiff().require_grad(),
        ..parameter.clone()
    };
    Parameters(parameters.0.iter().map(leaf).collect())
}

fn on_device(network: &Network, batch: &Batch, piece: &std::ops::Range<usize>, device: &Device) -> Piece {
    let examples = piece.len();
    let input = |(input, declared): (&Vec<f32>, &mpcc_compiler::graph::Input)| {
        let count = declared.ty.shape.iter().product::<usize>();
        let mut shape = [1; 4];
        shape[4 - declared.ty.shape.len()..].copy_from_slice(&declared.ty.shape);
        shape[0] = examples;
        Tensor::<1>::from_data(&input[piece.start * count..piece.end * count], device).reshape(shape)
    };
    let classes = network.classes();
    let targets = &batch.targets[piece.start * classes..piece.end * classes];
    Piece {
        inputs: batch.inputs.iter().zip(&network.graph().inputs).map(input).collect(),
        targets: Tensor::<1>::from_data(targets, device).reshape([examples, classes]),
    }
}

fn right(scores: &Tensor<2>, labels: &[usize]) -> usize {
    let best = scores.clone().argmax(1).to_data().convert::<i64>().try_to_vec::<i64>().expect("converted just now");
    best.iter().zip(labels).filter(|(best, label)| **best == **label as i64).count()
}

fn all_reached(parameters: &Parameters, gradients: &[Tensor<1>]) -> Result<(), TrainError> {
    let still = |gradient: &Tensor<1>| gradient.clone().abs().max().into_scalar::<f32>() == 0.0;
    let names: Vec<String> = parameters
        .0
        .iter()
        .zip(gradients)
        .filter(|(_, gradient)| still(gradient))
        .map(|(parameter, _)| parameter.name.clone())
        .collect();
    if names.is_empty() { Ok(()) } else { Err(TrainError::NoGradient { names }) }
}

/// `work` of every number below `count`, in order, on up to `threads` threads.
fn on_threads<T: Send>(threads: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = threads.clamp(1, count.max(1));
    if threads == 1 {
        return (0..count).map(work).collect();
    }
    let work = &work;
    let mut parts: Vec<(usize, T)> = std::thread::scope(|scope| {
        let one = |first: usize| {
            scope.spawn(move || (first..count).step_by(threads).map(|at| (at, work(at))).collect::<Vec<_>>())
        };
        let handles: Vec<_> = (0..threads).map(one).collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    parts.sort_by_key(|(at, _)| *at);
    parts.into_iter().map(|(_, part)| part).collect()
}
