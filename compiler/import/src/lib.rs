//! Trained weights and inputs, from files to the tensors the compiler and the parties work on.
//!
//! This is where files are read: safetensors checked against a graph's parameters, images and arrays checked against
//! a graph's inputs, and published networks turned into model files. Every error means that a file is wrong and names it; the command line ends with status 1.

mod file;
pub mod inputs;
pub mod labels;
mod listing;
pub mod models;
pub mod tensors;
pub mod tokenizer;
pub mod weights;

pub use file::FileError;
