//! Weights and inputs from files, good and bad.

mod checkpoint;
mod fixtures;
mod inputs;
mod torch;
mod weights;
