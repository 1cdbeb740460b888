//! Weights, inputs and tokenizers from files, good and bad.

mod checkpoint;
mod examples;
mod fixtures;
mod inputs;
mod models;
mod networks;
mod reference;
mod tokenizer;
mod torch;
mod weights;
