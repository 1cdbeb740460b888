//! Weights and inputs from files, good and bad.

mod fixtures;
mod inputs;
mod weights;
