//! AdamW over parameters, the learning rate of each epoch, and clipping.

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::parameters::{Parameters, entries};

/// How the learning rate runs and how weights decay. Defaults are MPCViT's for CIFAR-10.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Highest learning rate.
    pub rate: f64,
    /// At the end of the cosine and through the cool-down.
    pub least_rate: f64,
    /// Before the first epoch of the warm-up.
    pub warm_up_rate: f64,
    /// Epochs of the cosine, the warm-up within them.
    pub epochs: usize,
    /// Epochs of rising rate.
    pub warm_up: usize,
    /// Epochs at the least rate, after the others.
    pub cool_down: usize,
}

impl Schedule {
    /// All epochs.
    pub fn total(&self) -> usize {
        self.epochs + self.cool_down
    }

    /// The rate at a point of an epoch, `progress` from 0 to 1 through it: a line, then a cosine, then constant.
    pub fn rate_at(&self, epoch: usize, progress: f64) -> f64 {
        let time = epoch as f64 + progress;
        if time < self.warm_up as f64 {
            return self.warm_up_rate + (self.rate - self.warm_up_rate) * time / self.warm_up as f64;
        }
        let time = time.min(self.epochs as f64) / self.epochs.max(1) as f64;
        self.least_rate + 0.5 * (self.rate - self.least_rate) * (1.0 + (std::f64::consts::PI * time).cos())
    }
}

/// AdamW with β = (0.9, 0.999) and ε = 1e-8 and decoupled decay, which spares tensors of one axis.
pub struct AdamWs {
    decayed: AdamW,
    spared: AdamW,
    states: Vec<Option<AdamWState<1>>>,
}

impl std::fmt::Debug for AdamWs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AdamWs of {} parameters", self.states.len())
    }
}

/// First and second moments of one parameter, and how many steps they saw.
#[derive(Clone, PartialEq)]
pub struct Moments {
    /// Running mean of the gradient.
    pub first: Vec<f32>,
    /// Running mean of its square.
    pub second: Vec<f32>,
    /// Steps.
    pub steps: usize,
}

impl AdamWs {
    /// An optimiser that has seen nothing.
    pub fn new(parameters: usize, weight_decay: f64) -> Self {
        let adam = |decay: f64| {
            AdamWConfig::new()
                .with_beta_1(0.9)
                .with_beta_2(0.999)
                .with_epsilon(1e-8)
                .with_weight_decay(decay as f32)
                .build()
        };
        Self { decayed: adam(weight_decay), spared: adam(0.0), states: vec![None; parameters] }
    }

    /// One step; `gradients` in the order of the parameters. A parameter without gradient stays as it is.
    pub fn step(&mut self, parameters: &mut Parameters, gradients: Vec<Option<Tensor<1>>>, rate: f64) {
        for ((parameter, gradient), state) in parameters.0.iter_mut().zip(gradients).zip(&mut self.states) {
            let Some(gradient) = gradient else { continue };
            let adam = if parameter.shape.len() > 1 { &self.decayed } else { &self.spared };
            let (value, next) = adam.step(rate, parameter.value.clone().inner(), gradient, state.take());
            (parameter.value, *state) = (value, next);
        }
    }

    /// What the next step depends on besides parameters; `None` before the first.
    pub fn moments(&self) -> Vec<Option<Moments>> {
        let moments = |state: &AdamWState<1>| Moments {
            first: entries(&state.momentum.moment_1),
            second: entries(&state.momentum.moment_2),
            steps: state.momentum.time,
        };
        self.states.iter().map(|state| state.as_ref().map(moments)).collect()
    }

    /// Goes on from moments of before.
    pub fn restore(&mut self, moments: Vec<Option<Moments>>, device: &Device) {
        let state = |moments: Moments| {
            let put = |values: Vec<f32>| Tensor::from_data(values.as_slice(), device);
            AdamWState::new(AdaptiveMomentumState::new(moments.steps, put(moments.first), put(moments.second)))
        };
        self.states = moments.into_iter().map(|moments| moments.map(state)).collect();
    }
}

/// Scales gradients so that their common Euclidean norm is at most `limit`.
pub fn clip(gradients: Vec<Option<Tensor<1>>>, limit: f64) -> Vec<Option<Tensor<1>>> {
    let squares = |g: &Tensor<1>| f64::from(g.clone().square().sum().into_scalar::<f32>());
    let norm = gradients.iter().flatten().map(squares).sum::<f64>().sqrt();
    if norm <= limit {
        return gradients;
    }
    gradients.into_iter().map(|gradient| gradient.map(|g| g.mul_scalar(limit / norm))).collect()
}
