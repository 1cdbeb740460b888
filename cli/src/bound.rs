//! Weights of a model, with places in its source where they do not fit.

use std::path::Path;

use anyhow::Result;
use mpcc_compiler::graph::Graph;
use mpcc_import::weights::{self, Bound, WeightsError};

use crate::source::Source;

/// Loads the weights at `path` for a graph; what does not fit is said with the lines of the source, if there is one.
pub fn load(path: &Path, graph: &Graph, source: Option<&Source>) -> Result<Bound> {
    match (weights::load(path, graph), source) {
        (Err(WeightsError::Binding { path, mut report }), Some(source)) => {
            report.number_lines(&source.text);
            Err(WeightsError::Binding { path, report }.into())
        }
        (loaded, _) => Ok(loaded?),
    }
}
