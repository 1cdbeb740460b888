//! Weights, inputs and tokenizers from files, good and bad.

mod examples;
mod fixtures;
mod inputs;
mod tokenizer;
mod weights;
