//! The state of a training run in one file, so that a run that was killed goes on as if it had not been.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use mpcc_compiler::evaluate::Tensor as Array;
use mpcc_compiler::shown::shown;
use mpcc_import::weights::{self, WeightsError};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::optimise::{AdamWs, Moments};
use crate::parameters::{Parameters, entries};

/// Where a run stands, beside its numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// What the run was told to do; a run that is told something else does not go on from here.
    pub recipe: String,
    /// The epoch to go on with.
    pub epoch: usize,
    /// The batch of it to go on with.
    pub batch: usize,
    /// Sum of the losses of the epoch's examples so far.
    pub loss: f64,
    /// Examples of the epoch so far.
    pub seen: usize,
    /// Of them, how many were named rightly.
    pub right: usize,
    /// Seconds that the epoch took so far.
    pub seconds: f64,
    /// The epochs before.
    pub history: Vec<Epoch>,
    /// The best epoch so far by accuracy on held-out examples.
    pub best: Option<(usize, f64)>,
}

/// What one epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Learning rate at its beginning.
    pub rate: f64,
    /// Mean loss of its examples, with whatever was added to it.
    pub loss: f64,
    /// Share of its examples, as augmented, that were named rightly.
    pub accuracy: f64,
    /// Share of the held-out examples that were named rightly.
    pub held_out: Option<f64>,
    /// How long it took.
    pub seconds: f64,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WeightsError),
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not whole, or not a checkpoint.
    #[error("{path} is no checkpoint of this model ({reason}): remove it to begin anew")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It belongs to another run.
    #[error(
        "{path} is of a run with other options: repeat those, choose another directory, or remove it to begin anew"
    )]
    Other {
        /// The file.
        path: String,
    },
}

const NOTE: &str = "mpcc.checkpoint/1";

/// Writes the state of a run, whole or not at all.
///
/// # Errors
/// If a number is not finite, or the file cannot be written.
pub fn write(
    path: &Path,
    position: &Position,
    parameters: &Parameters,
    optimiser: &AdamWs,
) -> Result<(), CheckpointError> {
    let mut tensors = Vec::new();
    for (parameter, moments) in parameters.0.iter().zip(optimiser.moments()) {
        let mut add = |kind: &str, data: Vec<f32>| {
            let array = Array::new(&[data.len()], data.into_iter().map(f64::from).collect());
            tensors.push((format!("{kind}/{}", parameter.name), array));
        };
        add("value", entries(&parameter.value));
        if let Some(moments) = moments {
            add("first", moments.first);
            add("second", moments.second);
        }
    }
    let steps: Vec<usize> = optimiser.moments().iter().map(|moments| moments.as_ref().map_or(0, |m| m.steps)).collect();
    let note = serde_json::to_string(&(position, steps)).expect("numbers and text");
    Ok(weights::save_noted(path, &tensors, Some((NOTE, note)))?)
}

/// Reads the state of a run into `parameters` and `optimiser`; `None` if there is none.
///
/// # Errors
/// If the file cannot be read, is damaged, or is of another run than `recipe` describes.
pub fn read(
    path: &Path,
    recipe: &str,
    parameters: &mut Parameters,
    optimiser: &mut AdamWs,
    device: &Device,
) -> Result<Option<Position>, CheckpointError> {
    if !path.exists() {
        return Ok(None);
    }
    let name = || shown(path).to_string();
    let malformed = |reason: &str| CheckpointError::Malformed { path: name(), reason: reason.to_owned() };
    let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read { path: name(), source })?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| malformed(&error.to_string()))?;
    let note =
        header.metadata().as_ref().and_then(|notes| notes.get(NOTE)).ok_or_else(|| malformed("it has no note"))?;
    let (position, steps): (Position, Vec<usize>) =
        serde_json::from_str(note).map_err(|error| malformed(&error.to_string()))?;
    if position.recipe != recipe {
        return Err(CheckpointError::Other { path: name() });
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|error| malformed(&error.to_string()))?;
    let mut stored: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (name, view) in file.tensors() {
        let floats = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        stored.insert(name, floats.collect());
    }
    let mut taken = |kind: &str, name: &str, count: usize| {
        let data = stored.remove(&format!("{kind}/{name}")).filter(|data| data.len() == count);
        data.ok_or_else(|| malformed(&format!("it lacks {kind} of {name}")))
    };
    let mut moments = Vec::new();
    for (at, parameter) in parameters.0.iter_mut().enumerate() {
        let count = parameter.shape.iter().product();
        let value = taken("value", &parameter.name, count)?;
        parameter.value = Tensor::from_data(value.as_slice(), device);
        let steps = steps.get(at).copied().unwrap_or(0);
        moments.push(if steps == 0 {
            None
        } else {
            let (first, second) = (taken("first", &parameter.name, count)?, taken("second", &parameter.name, count)?);
            Some(Moments { first, second, steps })
        });
    }
    optimiser.restore(moments, device);
    Ok(Some(position))
}
