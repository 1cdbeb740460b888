//! A model file that was read.

use std::path::PathBuf;

use mpcc_compiler::compile::Rewritten;
use mpcc_compiler::plan::Decided;

/// A model file after the rewrites.
#[derive(Debug)]
pub struct Source {
    /// Where it was read.
    pub path: PathBuf,
    /// As messages name it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its graphs.
    pub rewritten: Rewritten,
    /// Which protocols are decided.
    pub decided: Decided,
    /// What a second before the input is known counts when others are chosen.
    pub alpha: f64,
}
