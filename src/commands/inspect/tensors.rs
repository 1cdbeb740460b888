//! The tensors of a checkpoint: names, shapes and number formats, by modules.

use std::path::Path;

use anyhow::Result;
use mpcc_cli::model;
use mpcc_cli::report::table;
use mpcc_cli::terminal::Terminal;
use mpcc_import::tensors::{Tensors, common_prefixes};
use mpcc_program::shown::shown;
use serde::Serialize;

/// How files of tensors end.
const ENDINGS: [&str; 8] = ["safetensors", "bin", "pt", "pth", "tar", "ckpt", "json", "pkl"];

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    /// What all names begin with; empty if nothing.
    prefix: String,
    tensors: Vec<Listed>,
    /// How many numbers they hold.
    parameters: usize,
    /// Other dictionaries of tensors in the file, which are not read.
    others: Vec<String>,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    shape: Vec<usize>,
    format: String,
}

/// Whether a path names files of tensors, by its name.
pub(super) fn is_checkpoint(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str());
    !model::is_artefact(path) && (path.is_dir() || ending.is_some_and(|e| ENDINGS.contains(&e)))
}

pub(super) fn run(path: &Path, terminal: &Terminal) -> Result<()> {
    let tensors = Tensors::open(path)?;
    let listing = tensors.listing();
    let report = Report {
        schema: "mpcc.tensors/1",
        file: tensors.path().display().to_string(),
        prefix: common_prefixes(listing).pop().unwrap_or_default(),
        tensors: listing
            .iter()
            .map(|(name, listed)| Listed { name: name.clone(), shape: listed.shape.clone(), format: listed.format() })
            .collect(),
        parameters: listing.values().map(|listed| listed.shape.iter().product::<usize>()).sum(),
        others: tensors.others().to_vec(),
    };
    Ok(terminal.result(&report, || text(&report))?)
}

fn text(report: &Report) -> String {
    let mut out = format!("{}: {} tensors, {} numbers\n", shown(&report.file), report.tensors.len(), report.parameters);
    if !report.prefix.is_empty() {
        out += &format!("all names begin with `{}`; a model file may leave that out\n", shown(&report.prefix));
    }
    for other in &report.others {
        out += &format!("it also holds `{}`, which is not read\n", shown(other));
    }
    let row = |listed: &Listed| {
        let extents: Vec<String> = listed.shape.iter().map(ToString::to_string).collect();
        vec![listed.name.clone(), format!("[{}]", extents.join(", ")), listed.format.clone()]
    };
    let rows: Vec<Vec<String>> = report.tensors.iter().map(row).collect();
    out + "\n" + &table(&["tensor", "shape", "format"], &rows)
}
