//! `mpcc simulate`: the float network and the exact fixed-point computation in the clear, and value ranges.

mod calibrated;
mod layers;
mod violations;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::bound;
use mpcc_cli::declared::{Declared, DeclaredRanges};
use mpcc_cli::encoded;
use mpcc_cli::examples;
use mpcc_cli::failure::{Said, Usage, WITHHELD};
use mpcc_cli::files;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::{self, Model, ModelOptions, Target};
use mpcc_cli::outputs::{Accuracy, Answer, Revealed, brief, largest_difference, named, same_names};
use mpcc_cli::presented::Presenter;
use mpcc_cli::progress::Bar;
use mpcc_cli::ranges::{self, RangeOptions};
use mpcc_cli::report::table;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::encode;
use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_import::inputs::Example;
use mpcc_program::shown::shown;
use mpcc_protocols::ideal::{self, Ranges};
use serde::Serialize;

use calibrated::Calibration;
use layers::{LayerErrors, LayerRow};
use violations::Violation;

/// Compute in the clear what a private run would: the float network, and the exact fixed-point program with its
/// rounding.
///
/// Reports how far the outputs are apart, by layer, and how much of every value range is used. With --calibrate,
/// observes value ranges first and writes them beside the model for later commands; ranges of other variants in that file stay.
#[derive(Args, Debug)]
#[command(after_help = "\
Where a value is outside the range that the program relies on, a private run withholds its answer (status 6). Here such
values are named, counted and shown in the model's own numbers, and the inputs behind them go on.

Examples:
  mpcc simulate model.mpv --weights w.safetensors --calibrate images/
  mpcc simulate model.mpv --weights w.safetensors --input cat.png
  mpcc simulate model.mpca --weights w.safetensors --input test/ --json")]
pub(crate) struct SimulateArguments {
    /// A model file or an artefact.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Trained weights.
    #[arg(long, value_name = "W.safetensors")]
    weights: PathBuf,
    /// Inputs: pictures, arrays, texts, directories of them, or text for a model with a tokenizer, as `mpcc run` takes them.
    /// Takes several, and may be repeated. NAME=FILE gives one of several inputs.
    #[arg(long, value_name = "FILE|DIR|TEXT|NAME=FILE", required_unless_present = "calibrate", num_args = 1..)]
    input: Vec<OsString>,
    /// Where to write the ranges that --calibrate observes; without it, MODEL.ranges.json beside the model.
    #[arg(short, long, value_name = "FILE.json", requires = "calibrate")]
    output: Option<PathBuf>,
    /// Seed of the rounding.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Largest error of a layer, relative to its largest value, that is not remarked on.
    #[arg(long, value_name = "ERROR", default_value_t = 0.02)]
    tolerance: f64,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    /// The network for which protocols are chosen, as in `mpcc compile`; rounding depends on them.
    #[arg(long, value_name = "PROFILE", default_value = "wan")]
    net: NetworkProfile,
    #[command(flatten)]
    machine: MachineOptions,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ranges_written: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<Calibration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    simulation: Option<Simulation>,
}

/// A margin between the two best entries that rounding must not turn.
const CLEAR: f64 = 0.1;

#[derive(Serialize)]
struct Simulation {
    program: String,
    trust: String,
    inferences: Vec<Inference>,
    /// What the program relies on.
    ranges: &'static str,
    /// Inferences whose answer a run would withhold.
    withheld: usize,
    /// Values that were out of range, with how many inputs they were so for.
    out_of_range: Vec<OutOfRange>,
    /// Declared ranges (`assume`) that the network as written leaves.
    declared: Vec<Declared>,
    /// Inferences whose labels agree, of those that are answered.
    agreeing: usize,
    /// Those whose label differs though the float network's margin is above [`CLEAR`].
    differing_clearly: usize,
    largest_output_error: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<Accuracy>,
    layers: Vec<LayerRow>,
    /// The first layer whose error is above the tolerance.
    first_divergent_layer: Option<String>,
}

#[derive(Serialize)]
struct Inference {
    input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    float: Vec<Revealed>,
    /// Nothing if the answer would be withheld.
    fixed: Vec<Revealed>,
    withheld: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
    /// Between the two best float entries.
    float_margin: f64,
    largest_error: f64,
}

/// A value that was out of range.
#[derive(Serialize)]
struct OutOfRange {
    inputs: usize,
    /// For the input for which it was furthest out.
    worst: Violation,
}

pub(crate) fn run(arguments: &SimulateArguments, terminal: &Terminal) -> Result<()> {
    let mut report = Report { schema: "mpcc.simulate/1", ranges_written: None, calibration: None, simulation: None };
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let weights = Some(arguments.weights.as_path());
    let model = if arguments.ranges.calibrates() {
        let source = model::read_source(&arguments.model, &arguments.options, terminal)?
            .relying_on(&arguments.ranges, weights)?;
        if files::is_standard(&source.path) && arguments.output.is_none() {
            return Err(Usage("say with --output where to write the ranges".to_owned()).into());
        }
        let observed = ranges::observed(&source, &arguments.ranges, weights, terminal)?;
        let path = arguments.output.clone().unwrap_or_else(|| ranges::beside(&source.path));
        let artefact = source.assemble(&observed.ranges, &target)?;
        observed.keep(&path, &source, terminal)?;
        report.ranges_written = Some(path.display().to_string());
        let model = Model { artefact, source: None };
        report.calibration = Some(Calibration::new(&observed, &model, &source, arguments)?);
        Model { source: Some(source), ..model }
    } else {
        model::read(&arguments.model, &arguments.options, &arguments.ranges, weights, &target, terminal)?
    };
    if !arguments.input.is_empty() {
        report.simulation = Some(simulate(arguments, &model, terminal)?);
    }
    terminal.result(&report, || text(&report, arguments.tolerance))?;
    let clean = report.simulation.as_ref().is_none_or(|s| s.withheld == 0 && s.out_of_range.is_empty());
    if clean { Ok(()) } else { Err(Said(WITHHELD).into()) }
}

fn simulate(arguments: &SimulateArguments, model: &Model, terminal: &Terminal) -> Result<Simulation> {
    let artefact = &model.artefact;
    let program = &artefact.program;
    let params = bound::load(&arguments.weights, &artefact.graph, model.source.as_ref())?.params;
    let examples = examples::find(&arguments.input, &artefact.graph, Some(terminal))?;
    let given = examples::load(&examples, &artefact.graph, artefact.tokenizer.as_deref(), Some(terminal))?;
    let as_written = Evaluator::new(model.float_graph(), &params)?;
    let rewritten = Evaluator::new(&artefact.graph, &params)?;
    let weights = encode::weights(program, rewritten.server_values())?;
    encoded::check_weights(artefact, &params, model.source.as_ref())?;
    let mut layers = LayerErrors::new(artefact);
    let mut declared = DeclaredRanges::new(model.float_graph(), model.source.as_ref());
    let presenter = Presenter::new(artefact)?;
    let mut inferences = Vec::with_capacity(examples.len());
    let bar = Bar::new(terminal, examples.len() as u64, "simulating");
    for (index, (example, input)) in (0u64..).zip(examples.iter().zip(&given)) {
        let context = || example.to_string();
        let encoded = encoded::inputs(artefact, input).with_context(context)?;
        let coins = encoded::coins(arguments.seed, index);
        let fixed = ideal::evaluate(program, &weights, &encoded, &coins, Ranges::Record).with_context(context)?;
        let answer = Answer::decode(program, &fixed.outputs);
        let found = violations::find(artefact, &fixed);
        if !answer.is_withheld() && found.is_empty() {
            layers.add(&fixed, &rewritten.run(input, Wanted::All).with_context(context)?);
        }
        declared.add(&as_written, input).with_context(context)?;
        let inference =
            compare(&presenter, model, example, &as_written, input, (answer, found)).with_context(context)?;
        inferences.push(inference);
        bar.set(index + 1);
    }
    bar.finish();
    let (agree, differ): (Vec<_>, Vec<_>) =
        inferences.iter().filter(|i| !i.withheld).partition(|i| same_names(&i.float, &i.fixed));
    let agreeing = agree.len();
    let differing_clearly = differ.iter().filter(|i| i.float_margin > CLEAR).count();
    let layers = layers.rows();
    let divergent = layers.iter().find(|l| l.relative_error.is_some_and(|e| e > arguments.tolerance));
    Ok(Simulation {
        program: artefact.manifest.program.clone(),
        trust: artefact.manifest.trust.to_owned(),
        ranges: artefact.manifest.basis.name(),
        withheld: inferences.iter().filter(|i| i.withheld).count(),
        out_of_range: out_of_range(&inferences),
        declared: declared.left(),
        agreeing,
        differing_clearly,
        largest_output_error: inferences.iter().map(|i| i.largest_error).fold(0.0, f64::max),
        accuracy: accuracy(&inferences),
        first_divergent_layer: divergent.map(|l| l.path.clone()),
        layers,
        inferences,
    })
}

fn compare(
    presenter: &Presenter<'_>,
    model: &Model,
    example: &Example,
    float: &Evaluator<'_>,
    input: &[Tensor],
    (answer, violations): (Answer, Vec<Violation>),
) -> Result<Inference> {
    let float = presenter.present(encoded::float_outputs(model, float, input)?, example)?;
    let fixed = presenter.present(answer.outputs().to_vec(), example)?;
    let errors = float.iter().zip(&fixed).map(|(a, b)| largest_difference(&a.values, &b.values));
    Ok(Inference {
        input: example.to_string(),
        expected: presenter.expected(example),
        float_margin: float.first().map_or(f64::INFINITY, Revealed::margin),
        largest_error: errors.fold(0.0, f64::max),
        float,
        withheld: answer.is_withheld(),
        violations,
        fixed,
    })
}

/// Every value that was out of range, with its worst input.
fn out_of_range(inferences: &[Inference]) -> Vec<OutOfRange> {
    let mut found: Vec<OutOfRange> = Vec::new();
    let size = |v: &Violation| v.found.0.abs().max(v.found.1.abs());
    for violation in inferences.iter().flat_map(|i| &i.violations) {
        let same = |known: &&mut OutOfRange| known.worst.path == violation.path && known.worst.what == violation.what;
        match found.iter_mut().find(same) {
            None => found.push(OutOfRange { inputs: 1, worst: violation.clone() }),
            Some(known) => {
                known.inputs += 1;
                if size(violation) > size(&known.worst) {
                    known.worst = violation.clone();
                }
            }
        }
    }
    found
}

fn accuracy(inferences: &[Inference]) -> Option<Accuracy> {
    let mut accuracy = Accuracy { float_correct: Some(0), ..Accuracy::default() };
    for inference in inferences {
        let Some(expected) = &inference.expected else { continue };
        let right = |revealed: &[Revealed]| usize::from(revealed.iter().any(|r| r.label.as_ref() == Some(expected)));
        accuracy.labelled += 1;
        accuracy.correct += right(&inference.fixed);
        accuracy.float_correct = accuracy.float_correct.map(|n| n + right(&inference.float));
    }
    (accuracy.labelled > 0).then_some(accuracy)
}

fn text(report: &Report, tolerance: f64) -> String {
    let mut out = String::new();
    if let Some(path) = &report.ranges_written {
        out += &format!("wrote      {path}\n");
    }
    if let Some(calibration) = &report.calibration {
        out += &calibration.text();
    }
    let Some(simulation) = &report.simulation else { return out };
    out += &format!("program    {}\n\n", simulation.program);
    let rows: Vec<Vec<String>> = simulation
        .inferences
        .iter()
        .map(|i| {
            // What has no labels has no margin.
            let margin = if i.float_margin.is_finite() && named(&i.float).is_some() {
                format!("{:.4}", i.float_margin)
            } else {
                String::new()
            };
            let (fixed, error) = match i.withheld {
                true => ("no answer".to_owned(), String::new()),
                false => (brief(&i.fixed), format!("{:.5}", i.largest_error)),
            };
            vec![i.input.clone(), brief(&i.float), fixed, margin, error]
        })
        .collect();
    out += &table(&["input", "float", "fixed point", "float margin", "largest error"], &rows);
    out += "\n";
    let rows: Vec<Vec<String>> = simulation.layers.iter().map(LayerRow::cells).collect();
    out += &table(&["layer", "largest error", "relative", "least headroom", "in"], &rows);
    let count = simulation.inferences.len();
    let answered = count - simulation.withheld;
    let labels = simulation.inferences.iter().any(|i| named(&i.float).is_some());
    let agree = match labels {
        true => format!("labels agree for {} of {answered}, ", simulation.agreeing),
        false => String::new(),
    };
    out += &format!("\n{agree}largest output error {:.5}\n", simulation.largest_output_error);
    let differ = match labels {
        true => {
            format!(
                "labels differ for {} of them where the float margin is above {CLEAR}; ",
                simulation.differing_clearly
            )
        }
        false => String::new(),
    };
    out += &format!("{differ}a run would withhold {} of {count} answers\n", simulation.withheld);
    for value in &simulation.out_of_range {
        out += &format!("out of range for {} of {count} inputs: {}\n", value.inputs, value.worst.text());
    }
    for declared in &simulation.declared {
        out += &declared.text();
    }
    if let Some(accuracy) = &simulation.accuracy {
        out += &format!(
            "right labels: {} of {} in fixed point, {} in float\n",
            accuracy.correct,
            accuracy.labelled,
            accuracy.float_correct.unwrap_or(0)
        );
    }
    out + &match &simulation.first_divergent_layer {
        Some(layer) => format!("first layer with a relative error above {tolerance}: {}\n", shown(layer)),
        None => format!("no layer has a relative error above {tolerance}\n"),
    }
}
