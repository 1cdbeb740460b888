//! A model file that was read.

use std::path::PathBuf;

use mpcc_compiler::compile::Rewritten;
use mpcc_compiler::plan::Decided;

/// A model file after the rewrites.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it was read.
    pub(crate) path: PathBuf,
    /// As messages name it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// Its graphs.
    pub(crate) rewritten: Rewritten,
    /// Which protocols are decided.
    pub(crate) decided: Decided,
    /// What a second before the input is known counts when others are chosen.
    pub(crate) alpha: f64,
}
