//! What a network is trained with.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::examples::Examples;
use crate::goal::Goal;
use crate::network::{Network, NoiseOptions};
use crate::optimise::Schedule;

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
