//! Weights, inputs and tokenizers from files, good and bad.

mod checkpoint;
mod examples;
mod families;
mod fixtures;
mod inputs;
mod models;
mod networks;
mod pictures;
mod reference;
mod tokenizer;
mod torch;
mod weights;
