//! The training loop: batches in pieces on several threads, steps, epochs, checkpoints.
//!
//! A batch is cut into pieces of a fixed size and the pieces' gradients are added in order, so that results do not depend on
//! the number of threads; nothing random depends on what ran before, so that a resumed run equals one that was not stopped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use mpcc_import::weights::WeightsError;
use thiserror::Error;

use crate::checkpoint::{self, CheckpointError, Epoch, Position};
pub use crate::job::{Job, Recipe};
use crate::network::Sites;
use crate::optimise::{AdamWs, clip};
use crate::parameters::Parameters;
pub use crate::step::{Step, accuracy};

/// How often an unfinished epoch is kept.
const KEEP: Duration = Duration::from_secs(300);

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
    /// Weights could not be written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
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
                    all_reached(&parameters, &step.gradients, &self.goal.trained(self.network))?;
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
                held_out: accuracy(self.network, &parameters, &mut self.examples.held_out(), self.threads, self.device),
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
}

/// Refuses parameters that the goal depends on and that still get no gradient.
fn all_reached(
    parameters: &Parameters,
    gradients: &[Option<Tensor<1>>],
    meant: &BTreeSet<&str>,
) -> Result<(), TrainError> {
    let still = |gradient: &Option<Tensor<1>>| {
        gradient.as_ref().is_none_or(|gradient| gradient.clone().abs().max().into_scalar::<f32>() == 0.0)
    };
    let names: Vec<String> = parameters
        .0
        .iter()
        .zip(gradients)
        .filter(|(parameter, gradient)| meant.contains(parameter.name.as_str()) && still(gradient))
        .map(|(parameter, _)| parameter.name.clone())
        .collect();
    if names.is_empty() { Ok(()) } else { Err(TrainError::NoGradient { names }) }
}
