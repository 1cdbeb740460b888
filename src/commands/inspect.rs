//! `mpcc inspect`: what is in an artefact, in a file of dealt material, or in a checkpoint.

mod disclosed;
mod material;
mod source;
mod tensors;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::estimate::{By, Priced, Row};
use mpcc_cli::failure::{Said, Usage, WRONG_INPUT};
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::making;
use mpcc_cli::model::{self, ModelOptions};
use mpcc_cli::ranges::RangeOptions;
use mpcc_cli::report::{Bytes, MadePrediction, made, protocols, setup, table};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::artefact::{Artefact, Manifest, RangeRow};
use mpcc_compiler::ranges::Basis;
use mpcc_program::machine::Machine;
use mpcc_program::program::Supplier;
use mpcc_program::shown::shown;
use mpcc_runtime::material::MaterialFile;
use serde::Serialize;

use source::Comparison;

/// Show what is in an artefact: program hash, plans, trust model, what is opened to whom, what the outputs give away,
/// value ranges, and cost by layer. Or check a file made by `mpcc deal`, and show what is left in it. Or list the tensors of a
/// checkpoint.
#[derive(Args, Debug)]
#[command(after_help = "\
An artefact holds no weight and no input. Both parties and the dealer run it only if they have the same program hash.
Everything shown is derived from what that hash covers. Why ranges hold and what protocols were chosen for is the
word of whoever compiled: --source compiles again and compares, with the options that `mpcc compile` was given, and the
exit status is 1 if anything differs.

Examples:
  mpcc inspect model.mpca
  mpcc inspect --json model.mpca
  mpcc inspect model.mpca --source model.mpv --ranges model.ranges.json
  mpcc inspect data-owner.material --state id/state
  mpcc inspect model.safetensors
  mpcc inspect vit-base-patch16-224/")]
pub(crate) struct InspectArguments {
    /// The artefact, the file of dealt material, or a checkpoint as --weights takes it.
    #[arg(value_name = "OUT.mpca|FILE.material|WEIGHTS")]
    artefact: PathBuf,
    /// For a file of dealt material: where the party records what it used. Without it, the place of a local run.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Compile this model file and say whether it gives the same program.
    #[arg(long, value_name = "MODEL.mpv")]
    source: Option<PathBuf>,
    /// Trained weights, for --calibrate.
    #[arg(long, value_name = "W.safetensors", requires = "source")]
    weights: Option<PathBuf>,
    /// The network for which protocols are chosen.
    #[arg(long, value_name = "PROFILE", default_value = "wan", requires = "source")]
    net: NetworkProfile,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    #[command(flatten)]
    machine: MachineOptions,
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
    /// What two parties exchange before an inference.
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<MadePrediction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Comparison>,
}

#[derive(Serialize)]
struct Interface {
    name: String,
    shape: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
}

pub(crate) fn run(arguments: &InspectArguments, terminal: &Terminal) -> Result<()> {
    let for_sources = !arguments.options.is_empty() || !arguments.ranges.is_empty();
    if arguments.source.is_none() && for_sources {
        let message = "--plan, --set, --relu, --softmax, --alpha, --supplier, --ranges and --calibrate are for --source: an artefact is \
                       compiled already";
        return Err(Usage(message.to_owned()).into());
    }
    if MaterialFile::is_one(&arguments.artefact) {
        if arguments.source.is_some() {
            return Err(Usage("--source is for artefacts, and this is a file of dealt material".to_owned()).into());
        }
        return material::run(&arguments.artefact, arguments.state.as_deref(), terminal);
    }
    if arguments.state.is_some() {
        return Err(Usage("--state is for files of dealt material".to_owned()).into());
    }
    if arguments.source.is_none() && tensors::is_checkpoint(&arguments.artefact) {
        return tensors::run(&arguments.artefact, terminal);
    }
    let artefact = model::read_artefact(&arguments.artefact)?;
    let source = match &arguments.source {
        Some(source) => Some(source::compare(&artefact, source, arguments, terminal)?),
        None => None,
    };
    let same = source.as_ref().is_none_or(Comparison::is_same);
    let graph = &artefact.graph;
    let inputs =
        graph.inputs.iter().map(|i| Interface { name: i.name.clone(), shape: i.ty.shape.to_vec(), labels: Vec::new() });
    let outputs = artefact.program.outputs.iter().map(|o| Interface {
        name: o.name.clone(),
        shape: o.shape.to_vec(),
        labels: o.labels.clone(),
    });
    let report = Report {
        schema: "mpcc.inspect/2",
        file: arguments.artefact.display().to_string(),
        file_bytes: fs::metadata(&arguments.artefact)?.len(),
        manifest: &artefact.manifest,
        parameters: graph.params.len(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        layers: Priced::new(&artefact.program, &Machine::built_in()).rows(&NetworkProfile::loopback(), By::Layer),
        made: making::predicted(&artefact.program, 1, None)?,
        source,
    };
    terminal.result(&report, || text(&report, &artefact))?;
    if same { Ok(()) } else { Err(Said(WRONG_INPUT).into()) }
}

fn text(report: &Report<'_>, artefact: &Artefact) -> String {
    let manifest = report.manifest;
    let cost = &manifest.cost;
    let mut out = format!(
        "model      {} ({})\nprogram    {}\ntrust      {}\nranges     {}\n",
        shown(&manifest.model),
        Bytes(report.file_bytes),
        manifest.program,
        manifest.trust,
        manifest.basis.meaning()
    );
    if let Some(source) = &report.source {
        out += &source.text();
    }
    for input in &report.inputs {
        out += &format!("input      {} {:?}\n", shown(&input.name), input.shape);
    }
    for (output, disclosed) in report.outputs.iter().zip(&manifest.disclosed) {
        let labels = labels(&output.labels);
        out += &format!("output     {} {:?}{labels}, to the data owner only\n", shown(&output.name), output.shape);
        out += &disclosed::text(disclosed);
    }
    let held = manifest.weights.as_ref().filter(|_| manifest.basis != Basis::Observed);
    let only = held.map_or(String::new(), |digest| format!("; only those with the digest {digest}"));
    out += &format!(
        "weights    {} tensors, {} encoded; not in the artefact{only}\n",
        report.parameters,
        artefact.program.weights.len()
    );
    if let Some(tokenizer) = &manifest.tokenizer {
        let inputs: Vec<String> = tokenizer.inputs.iter().map(|input| shown(input).to_string()).collect();
        out += &format!(
            "tokenizer  {} ({}, blake3 {}), fills {}\n",
            shown(&tokenizer.file),
            Bytes(tokenizer.bytes as u64),
            tokenizer.hash,
            inputs.join(", ")
        );
    }
    for (name, form) in &manifest.plans {
        out += &format!("plan       {} = {}\n", shown(name), shown(form));
    }
    out += &protocols(manifest.planned_for.as_ref(), &manifest.choices);
    out += &format!(
        "cost       {} hops; online {} / {}; offline {} / {}; setup {}\n",
        cost.hops,
        Bytes(cost.online_bytes.model_owner),
        Bytes(cost.online_bytes.data_owner),
        Bytes(cost.offline_bytes.model_owner),
        Bytes(cost.offline_bytes.data_owner),
        setup(cost.setup_bytes)
    );
    out += &made(report.made.as_ref());
    out += "\nWhat leaves a party\n";
    for opened in manifest.opened.iter().filter(|o| o.count > 0) {
        out += &format!("  {} ({}) to {}: {}\n", opened.what, opened.count, opened.to, opened.why);
    }
    let known = match artefact.program.supplier {
        Supplier::Dealer => "both parties and the dealer",
        Supplier::Pair => "both parties",
    };
    out += &format!("  The program itself, with its plans and ranges, is known to {known}.\n");
    out += "\nCost by layer\n";
    out += &cost_table(&report.layers, artefact.program.supplier, false);
    out += "\nValue ranges relied on, as whoever compiled says\n";
    out + &range_table(&manifest.ranges)
}

/// Labels in parentheses.
fn labels(labels: &[String]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = labels.iter().map(|label| shown(label).to_string()).collect();
    format!(" ({})", shown.join(", "))
}

/// One row for each path and origin, with the widest range; values of one path differ by their place in the program.
fn range_table(ranges: &[RangeRow]) -> String {
    let mut merged: Vec<RangeRow> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for range in ranges {
        let place = *places.entry((range.path.as_str(), range.origin.as_str())).or_insert_with(|| {
            merged.push(range.clone());
            merged.len() - 1
        });
        let row = &mut merged[place];
        row.low = row.low.min(range.low);
        row.high = row.high.max(range.high);
    }
    let cells =
        |r: &RangeRow| vec![r.path.clone(), r.origin.clone(), format!("{:.4}", r.low), format!("{:.4}", r.high)];
    table(&["value", "origin", "low", "high"], &merged.iter().map(cells).collect::<Vec<_>>())
}

/// Rows of a cost table; seconds only where they mean something.
pub(super) fn cost_table(rows: &[Row], supplier: Supplier, seconds: bool) -> String {
    let cells = |row: &Row| {
        let mut cells = vec![
            row.path.clone(),
            row.hops.to_string(),
            Bytes(row.online_bytes.model_owner).to_string(),
            Bytes(row.online_bytes.data_owner).to_string(),
            Bytes(row.offline_bytes.model_owner).to_string(),
            Bytes(row.offline_bytes.data_owner).to_string(),
        ];
        if seconds {
            cells.push(mpcc_cli::report::Seconds(row.seconds).to_string());
        }
        cells
    };
    let before = match supplier {
        Supplier::Dealer => ["dealt to model owner", "to data owner"],
        Supplier::Pair => ["kept by model owner", "by data owner"],
    };
    let head = ["", "hops", "from model owner", "from data owner", before[0], before[1], "online"];
    let shown: Vec<Vec<String>> = rows.iter().map(cells).collect();
    table(&head[..head.len() - usize::from(!seconds)], &shown)
}
