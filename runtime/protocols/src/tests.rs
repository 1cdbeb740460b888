//! Tests of the whole crate on a small hand-made program.

mod in_process;
mod mutation;
mod tiny;
mod verifier;
