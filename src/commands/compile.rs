//! `mpcc compile`: from a model file to an artefact, and every form in between as text.

mod emit;
mod passes;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::bound;
use mpcc_cli::failure::Usage;
use mpcc_cli::files;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::making;
use mpcc_cli::model::{self, ModelOptions, Target};
use mpcc_cli::ranges::{self, RangeOptions};
use mpcc_cli::report::{Bytes, MadePrediction, made, offline, protocols, setup};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::artefact::{ChoiceRow, PlannedFor};
use mpcc_import::weights::BindingReport;
use mpcc_program::cost::Cost;
use mpcc_program::program::Supplier;
use serde::Serialize;

use emit::Emit;

/// Compile a model file to an artefact: share program, value ranges and predicted cost; no weights, no inputs.
#[derive(Args, Debug)]
#[command(after_help = "\
Value ranges come from --ranges, else from --weights with --calibrate, else from MODEL.ranges.json beside the model.

Stages of --emit: ast, graph, graph@PASS, passes, plan, program, program-model-owner, program-data-owner,
program-dealer, clif, asm. The path - is standard output.

--passes needs neither weights nor value ranges: it compares plans on ranges that are usual in such a network.

Examples:
  mpcc compile model.mpv -o model.mpca
  mpcc compile model.mpv --plan attn=ATTN_ROW --set LAYERS=2 -o small.mpca
  mpcc compile model.mpv --weights w.safetensors --calibrate images/ -o model.mpca
  mpcc compile model.mpv --emit graph@fuse_linear=-
  mpcc compile model.mpv --passes")]
pub(crate) struct CompileArguments {
    /// The model file; `-` reads standard input.
    #[arg(value_name = "MODEL.mpv")]
    model: PathBuf,
    /// Where to put the artefact; without it, MODEL.mpca in the working directory unless only --emit is asked for.
    #[arg(short, long, value_name = "OUT.mpca")]
    output: Option<PathBuf>,
    /// Trained weights: reports how their tensors are bound, and lets --calibrate observe value ranges.
    #[arg(long, value_name = "W.safetensors")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    /// The network for which protocols are chosen.
    #[arg(long, value_name = "PROFILE", default_value = "wan")]
    net: NetworkProfile,
    #[command(flatten)]
    machine: MachineOptions,
    /// Write a form between source and machine code as text. May be repeated.
    #[arg(long, value_name = "STAGE=PATH")]
    emit: Vec<Emit>,
    /// List every rewrite with the hops, bytes and multiplications it saves in this model, and compile nothing.
    #[arg(long, conflicts_with_all = ["output", "emit", "weights", "ranges", "calibrate"])]
    passes: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    output: String,
    program: &'a str,
    model: &'a str,
    trust: &'a str,
    plans: &'a [(String, String)],
    planned_for: &'a Option<PlannedFor>,
    choices: &'a [ChoiceRow],
    predicted: &'a Cost,
    #[serde(skip)]
    supplier: Supplier,
    /// Of one inference.
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<MadePrediction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<BindingReport>,
}

pub(crate) fn run(arguments: &CompileArguments, terminal: &Terminal) -> Result<()> {
    let on_standard_output = arguments.emit.iter().filter(|e| files::is_standard(&e.path)).count();
    if on_standard_output > 1 || (on_standard_output == 1 && terminal.json()) {
        return Err(Usage("only one thing can go to standard output".to_owned()).into());
    }
    let weights = arguments.weights.as_deref();
    let source =
        model::read_source(&arguments.model, &arguments.options, terminal)?.relying_on(&arguments.ranges, weights)?;
    if arguments.passes {
        return passes::run(&source, terminal);
    }
    let binding = match &arguments.weights {
        Some(path) => Some(bound::load(path, &source.rewritten.lowered, Some(&source))?.report),
        None => None,
    };
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let wants_artefact = arguments.output.is_some() || arguments.emit.is_empty();
    let artefact = if wants_artefact || arguments.emit.iter().any(|e| e.stage.needs_plan()) {
        let ranges = ranges::find(&source, &arguments.ranges, weights, terminal)?;
        Some(source.assemble(&ranges, &target)?)
    } else {
        None
    };
    for emit in &arguments.emit {
        files::write(&emit.path, emit::text(emit, &source, artefact.as_ref())?.as_bytes())?;
    }
    let Some(artefact) = artefact.filter(|_| wants_artefact) else { return Ok(()) };
    let output = match &arguments.output {
        Some(path) => path.clone(),
        None => default_output(&arguments.model)?,
    };
    files::write(&output, &artefact.to_bytes())?;
    let output = output.display().to_string();
    if on_standard_output > 0 {
        terminal.remark(&format!("wrote {output}"));
        return Ok(());
    }
    let report = Report {
        schema: "mpcc.compile/1",
        output,
        program: &artefact.manifest.program,
        model: &artefact.manifest.model,
        trust: artefact.manifest.trust,
        plans: &artefact.manifest.plans,
        planned_for: &artefact.manifest.planned_for,
        choices: &artefact.manifest.choices,
        predicted: &artefact.manifest.cost,
        supplier: artefact.program.supplier,
        made: making::predicted(&artefact.program, 1, None)?,
        binding,
    };
    Ok(terminal.result(&report, || text(&report))?)
}

fn default_output(model: &std::path::Path) -> Result<PathBuf> {
    let stem = model.file_stem().filter(|_| !files::is_standard(model));
    let Some(stem) = stem else {
        return Err(Usage("name the artefact with --output".to_owned()).into());
    };
    Ok(PathBuf::from(stem).with_extension("mpca"))
}

fn text(report: &Report<'_>) -> String {
    let cost = report.predicted;
    let chosen = protocols(report.planned_for.as_ref(), report.choices);
    let mut out = format!("wrote      {}\n", report.output);
    out += &format!("program    {}\n", report.program);
    out += &format!("trust      {}\n", report.trust);
    out += &format!(
        "online     {} hops, {} from the model owner, {} from the data owner\n",
        cost.hops,
        Bytes(cost.online_bytes.model_owner),
        Bytes(cost.online_bytes.data_owner)
    );
    out += &format!("offline    {}\n{}", offline(cost.offline_bytes, report.supplier), made(report.made.as_ref()));
    out += &format!("setup      {}\n", setup(cost.setup_bytes));
    out += &chosen;
    if let Some(binding) = &report.binding {
        out += &format!("weights    {binding}\n");
    }
    out
}
