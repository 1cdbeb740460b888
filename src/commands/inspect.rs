//! `mpcc inspect`: what is in an artefact, or in a file of dealt material.

mod material;

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_compiler::artefact::{Artefact, Manifest, RangeRow};
use mpcc_program::machine::Machine;
use mpcc_runtime::material::MaterialFile;
use serde::Serialize;

use crate::estimate::{By, Priced, Row};
use crate::failure::Usage;
use crate::model;
use crate::report::{Bytes, protocols, table};
use crate::terminal::Terminal;

/// Show what is in an artefact: program hash, plans, trust model, what is opened to whom, value ranges, and cost by
/// layer. Or check a file made by `mpcc deal`, and show what is left in it.
#[derive(Args, Debug)]
#[command(after_help = "\
An artefact holds no weight and no input. Both parties and the dealer run it only if they have the same program hash.

Examples:
  mpcc inspect model.mpca
  mpcc inspect --json model.mpca
  mpcc inspect data-owner.material --state id/state")]
pub(crate) struct InspectArguments {
    /// The artefact, or the file of dealt material.
    #[arg(value_name = "OUT.mpca|FILE.material")]
    artefact: PathBuf,
    /// For a file of dealt material: where the party records what it used. Without it, the place of a local run.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    file: String,
    file_bytes: u64,
    manifest: &'a Manifest,
    parameters: usize,
    inputs: Vec<Interface>,
    outputs: Vec<Interface>,
    layers: Vec<Row>,
}

#[derive(Serialize)]
struct Interface {
    name: String,
    shape: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
}

pub(crate) fn run(arguments: &InspectArguments, terminal: &Terminal) -> Result<()> {
    if MaterialFile::is_one(&arguments.artefact) {
        return material::run(&arguments.artefact, arguments.state.as_deref(), terminal);
    }
    if arguments.state.is_some() {
        return Err(Usage("--state is for files of dealt material".to_owned()).into());
    }
    let artefact = model::read_artefact(&arguments.artefact)?;
    let graph = &artefact.graph;
    let inputs =
        graph.inputs.iter().map(|i| Interface { name: i.name.clone(), shape: i.ty.shape.to_vec(), labels: Vec::new() });
    let outputs = artefact.program.outputs.iter().map(|o| Interface {
        name: o.name.clone(),
        shape: o.shape.to_vec(),
        labels: o.labels.clone(),
    });
    let report = Report {
        schema: "mpcc.inspect/1",
        file: arguments.artefact.display().to_string(),
        file_bytes: fs::metadata(&arguments.artefact)?.len(),
        manifest: &artefact.manifest,
        parameters: graph.params.len(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        layers: Priced::new(&artefact.program, &Machine::built_in()).rows(&NetworkProfile::loopback(), By::Layer),
    };
    Ok(terminal.result(&report, || text(&report, &artefact))?)
}

fn text(report: &Report<'_>, artefact: &Artefact) -> String {
    let manifest = report.manifest;
    let cost = &manifest.cost;
    let interfaces = |list: &[Interface]| {
        let one = |i: &Interface| {
            let labels = if i.labels.is_empty() { String::new() } else { format!(" ({})", i.labels.join(", ")) };
            format!("{} {:?}{labels}", i.name, i.shape)
        };
        list.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let mut out = format!(
        "model      {} ({}, compiled by mpcc {})\nprogram    {}\nsource     {}\ntrust      {}\n",
        manifest.model,
        Bytes(report.file_bytes),
        manifest.compiler,
        manifest.program,
        manifest.source,
        manifest.trust
    );
    out += &format!("input      {}\n", interfaces(&report.inputs));
    out += &format!("output     {}, to the data owner only\n", interfaces(&report.outputs));
    out += &format!(
        "weights    {} tensors, {} encoded; not in the artefact\n",
        report.parameters,
        artefact.program.weights.len()
    );
    if let Some(tokenizer) = &manifest.tokenizer {
        out += &format!(
            "tokenizer  {} ({}, blake3 {}), fills {}\n",
            tokenizer.file,
            Bytes(tokenizer.bytes as u64),
            tokenizer.hash,
            tokenizer.inputs.join(", ")
        );
    }
    for (name, form) in &manifest.plans {
        out += &format!("plan       {name} = {form}\n");
    }
    out += &protocols(manifest.planned_for.as_ref(), &manifest.choices);
    out += &format!(
        "cost       {} hops; online {} / {}; offline {}; setup {}\n",
        cost.hops,
        Bytes(cost.online_bytes.model_owner),
        Bytes(cost.online_bytes.data_owner),
        Bytes(cost.offline_bytes.data_owner),
        Bytes(cost.setup_bytes)
    );
    out += "\nWhat leaves a party\n";
    for opened in manifest.opened.iter().filter(|o| o.count > 0) {
        out += &format!("  {} ({}) to {}: {}\n", opened.what, opened.count, opened.to, opened.why);
    }
    out += "  The program itself, with its plans and ranges, is known to both parties and the dealer.\n";
    out += "\nCost by layer\n";
    out += &cost_table(&report.layers, false);
    out += "\nValue ranges relied on\n";
    out + &range_table(&manifest.ranges)
}

/// One row for each path and origin, with the widest range; values of one path differ by their place in the program.
fn range_table(ranges: &[RangeRow]) -> String {
    let mut merged: Vec<RangeRow> = Vec::new();
    for range in ranges {
        match merged.iter_mut().find(|m| m.path == range.path && m.origin == range.origin) {
            Some(row) => {
                row.low = row.low.min(range.low);
                row.high = row.high.max(range.high);
            }
            None => merged.push(range.clone()),
        }
    }
    let cells =
        |r: &RangeRow| vec![r.path.clone(), r.origin.clone(), format!("{:.4}", r.low), format!("{:.4}", r.high)];
    table(&["value", "origin", "low", "high"], &merged.iter().map(cells).collect::<Vec<_>>())
}

/// Rows of a cost table; seconds only where they mean something.
pub(super) fn cost_table(rows: &[Row], seconds: bool) -> String {
    let cells = |row: &Row| {
        let mut cells = vec![
            row.path.clone(),
            row.hops.to_string(),
            Bytes(row.online_bytes.model_owner).to_string(),
            Bytes(row.online_bytes.data_owner).to_string(),
            Bytes(row.offline_bytes.data_owner).to_string(),
        ];
        if seconds {
            cells.push(crate::report::Seconds(row.seconds).to_string());
        }
        cells
    };
    let head = ["", "hops", "from model owner", "from data owner", "from dealer", "online"];
    let shown: Vec<Vec<String>> = rows.iter().map(cells).collect();
    table(&head[..if seconds { 6 } else { 5 }], &shown)
}
