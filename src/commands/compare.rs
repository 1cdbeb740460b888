//! `mpcc compare`: variants of one model beside each other, by accuracy, error and cost.

mod alternatives;
mod measured;
mod shown;

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::bound;
use mpcc_cli::diagnostics;
use mpcc_cli::estimate::{self, Priced};
use mpcc_cli::examples;
use mpcc_cli::failure::{self, Bug, SourceErrors, Usage};
use mpcc_cli::files;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::making;
use mpcc_cli::model::{self, Model, ModelOptions, ReplaceOptions, SupplierName, Target};
use mpcc_cli::outputs::Revealed;
use mpcc_cli::ranges::{self, RangeOptions};
use mpcc_cli::report::Predicted;
use mpcc_cli::source::Source;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::ranges::{Ranges, weights_digest};
use mpcc_import::inputs::Example;
use mpcc_program::machine::Machine;
use serde::Serialize;

use super::calibrate;
use super::cost::{Network, profiles};
use alternatives::{Alternatives, Variant, variants};
use measured::Measured;
use shown::Output;

/// Compare variants of a model: right labels, error, hops, bytes and seconds of each, on inputs of yours.
///
/// Every combination of the alternatives is computed in the clear as `mpcc simulate` does, with its rounding, and priced as
/// `mpcc cost` does. The weights are the same for all: a function that they were not trained with shows what it costs and how far
/// the answers move without training (`mpcc distill` trains).
#[derive(Args, Debug)]
#[command(after_help = "\
Ranges of a variant that are not known yet are observed on --calibrate, else on the inputs, and kept beside the model, so that
`mpcc run MODEL` with the options of a row works afterwards.

Columns: right labels in fixed point, where folders or a column name them; labels that are those of the first variant's float
network; the largest difference of an output from the variant's own float network; answers that a run would withhold; exchanges;
bytes that the busier party sends, and that it has or exchanges before; seconds from the input to the answer, and before the input.

Examples:
  mpcc compare model.mpv --each probs=softmax,relu_softmax,two_quad --weights w.safetensors --input test/
  mpcc compare model.mpv --each probs=softmax,two_quad --each act=gelu,quad --supplier dealer,pair \\
       --net lan,wan --weights w.safetensors --input test/ -o variants.csv -o variants.html
  mpcc compare model.mpv --each ATTN=PAPER,attn.json --weights w.safetensors --input test/ --json")]
pub(crate) struct CompareArguments {
    /// The model file.
    #[arg(value_name = "MODEL.mpv")]
    model: PathBuf,
    /// A parameter, constant or plan of the model with the values to compare, as --set and --plan take them. May be repeated:
    /// then all combinations are compared.
    #[arg(long, value_name = "NAME=VALUE,…", required = true)]
    each: Vec<Alternatives>,
    /// Trained weights.
    #[arg(long, value_name = "W.safetensors")]
    weights: PathBuf,
    /// Inputs: pictures, arrays, texts, directories of them, or text for a model with a tokenizer, as `mpcc run` takes them.
    #[arg(long, value_name = "FILE|DIR|TEXT|NAME=FILE", required = true, num_args = 1..)]
    input: Vec<OsString>,
    /// Networks, separated by commas. Labels and errors are those of the program for the first one.
    #[arg(long, value_name = "PROFILE,…", default_value = "lan,wan")]
    net: String,
    /// Who makes correlated randomness, as in `mpcc compile`; several are separated by commas.
    #[arg(long, value_name = "WHO,…", value_enum, value_delimiter = ',', default_value = "dealer")]
    supplier: Vec<SupplierName>,
    /// Write the table to a file, into CSV with all figures. May be repeated.
    #[arg(short, long, value_name = "FILE.csv|FILE.html")]
    output: Vec<Output>,
    /// Seed of the rounding.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    options: ReplaceOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    #[command(flatten)]
    machine: MachineOptions,
}

/// `mpcc.compare/1`
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    model: String,
    weights: String,
    /// How many inputs each variant was computed on.
    inputs: usize,
    /// The machine by whose rates seconds are.
    rates: String,
    rows: Vec<Row>,
    /// Files with the table.
    written: Vec<String>,
}

/// A variant by a supplier.
#[derive(Serialize)]
struct Row {
    /// What is replaced, as a reader writes it: `probs=softmax act=gelu`.
    variant: String,
    /// What is replaced, as options of other commands.
    options: String,
    supplier: &'static str,
    /// Why there is no program; then there is nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Measured>,
    networks: Vec<OnNetwork>,
}

/// The program of a variant for a network.
#[derive(Serialize)]
struct OnNetwork {
    network: Network,
    program: String,
    predicted: Predicted,
}

/// What all variants have in common.
struct Common<'a> {
    arguments: &'a CompareArguments,
    text: String,
    networks: Vec<NetworkProfile>,
    machine: Machine,
    rates: Machine,
    terminal: &'a Terminal,
}

pub(crate) fn run(arguments: &CompareArguments, terminal: &Terminal) -> Result<()> {
    if model::is_artefact(&arguments.model) {
        let message = "an artefact is one variant, compiled already: name the model file";
        return Err(Usage(message.to_owned()).into());
    }
    let networks = profiles(&arguments.net)?;
    let text = files::read_source(&arguments.model)?;
    let variants = variants(&arguments.each, &arguments.options, &text)?;
    let machine = arguments.machine.read()?;
    let rates = calibrate::rates(&arguments.machine, terminal)?;
    let common = Common { arguments, text, networks, machine, rates, terminal };
    let (mut rows, mut inputs, mut first) = (Vec::new(), 0, None);
    let mut warned = HashSet::new();
    for variant in &variants {
        let (found, count) = common.compare(variant, &mut first, &mut warned)?;
        rows.extend(found);
        inputs = count;
    }
    if let Some(refused) = rows.first().and_then(|row| row.refused.as_ref())
        && rows.iter().all(|row| row.refused.is_some())
    {
        bail!("no variant has a program; the first: {refused}");
    }
    let mut report = Report {
        schema: "mpcc.compare/1",
        model: files::source_name(&arguments.model),
        weights: arguments.weights.display().to_string(),
        inputs,
        rates: common.rates.name.clone(),
        rows,
        written: Vec::new(),
    };
    for output in &arguments.output {
        files::write(&output.path, output.text(&report)?.as_bytes())?;
        report.written.push(output.path.display().to_string());
    }
    Ok(terminal.result(&report, || shown::text(&report, terminal.width()))?)
}

impl Common<'_> {
    /// A variant by every supplier, and how many inputs it was computed on. `first` holds what the first variant's float network
    /// gave.
    fn compare(
        &self,
        variant: &Variant,
        first: &mut Option<Vec<Vec<Revealed>>>,
        warned: &mut HashSet<String>,
    ) -> Result<(Vec<Row>, usize)> {
        let path = &self.arguments.model;
        let read = |supplier: SupplierName| -> Result<Source> {
            let options = ModelOptions::of(variant.options.clone(), supplier);
            let lower = options.lower_options()?;
            let source = model::from_text(path, self.text.clone(), &lower, &options)?;
            source.relying_on(&self.arguments.ranges, Some(&self.arguments.weights))
        };
        let mut suppliers = self.arguments.supplier.clone();
        suppliers.dedup();
        let source = read(suppliers[0])?;
        self.warn(&source, warned);
        let params = bound::load(&self.arguments.weights, &source.rewritten.graph, Some(&source))?.params;
        let tokenizer = examples::tokenizer(&source)?;
        let told = first.is_none().then_some(self.terminal);
        let examples = examples::find(&self.arguments.input, &source.rewritten.graph, told)?;
        let given = examples::load(&examples, &source.rewritten.graph, tokenizer.as_deref(), told)?;
        let ranges = self.ranges(&source, &params, &given)?;
        let mut rows = Vec::with_capacity(suppliers.len());
        for supplier in suppliers {
            let source = read(supplier)?;
            rows.push(self.row(variant, (source, supplier), &ranges, &params, (&examples, &given), first)?);
        }
        Ok((rows, examples.len()))
    }

    /// Warnings of the source that no variant before had.
    fn warn(&self, source: &Source, warned: &mut HashSet<String>) {
        let mut warnings = source.rewritten.warnings.clone();
        warnings.retain(|warning| warned.insert(format!("{warning:?}")));
        if !warnings.is_empty() && !self.terminal.quiet() {
            let colour = self.terminal.error_colour();
            self.terminal.drawn(&diagnostics::drawn(&warnings, &source.text, &source.name, colour));
        }
    }

    /// Ranges that are known of these weights, else observed now and kept.
    fn ranges(&self, source: &Source, params: &[Tensor], given: &[Vec<Tensor>]) -> Result<Ranges> {
        let (options, weights) = (&self.arguments.ranges, &self.arguments.weights);
        let beside = ranges::beside(&source.path);
        let observed = if options.calibrates() {
            ranges::observed(source, options, Some(weights), self.terminal)?
        } else if options.names_file() {
            return ranges::find(source, options, Some(weights), self.terminal);
        } else {
            let of_weights = |ranges: &Ranges| ranges.weights.as_deref() == Some(weights_digest(params).as_str());
            if let Some(known) = ranges::known(&beside, source).filter(of_weights) {
                return Ok(known);
            }
            ranges::observe_values(source, weights, given, self.terminal)?
        };
        if !files::is_standard(&source.path) {
            observed.keep(&beside, source, self.terminal)?;
        }
        Ok(observed.ranges)
    }

    fn row(
        &self,
        variant: &Variant,
        (source, supplier): (Source, SupplierName),
        ranges: &Ranges,
        params: &[Tensor],
        (examples, given): (&[Example], &[Vec<Tensor>]),
        first: &mut Option<Vec<Vec<Revealed>>>,
    ) -> Result<Row> {
        let mut row = Row {
            variant: variant.name.clone(),
            options: source.given.replaced(),
            supplier: supplier.name(),
            refused: None,
            measured: None,
            networks: Vec::new(),
        };
        let mut measured_on = None;
        for network in &self.networks {
            let target = Target { network: network.clone(), machine: self.machine.clone() };
            let artefact = match source.assemble(ranges, &target) {
                Ok(artefact) => artefact,
                Err(error) => {
                    row.refused = Some(reason(&error));
                    row.networks.clear();
                    return Ok(row);
                }
            };
            let made = making::predicted(&artefact.program, 1, Some(estimate::link(network)))?;
            let predicted = Priced::new(&artefact.program, &self.rates).predict(network, 1, 1).with_made(made);
            let program = artefact.manifest.program.clone();
            row.networks.push(OnNetwork { network: network.into(), program, predicted });
            measured_on.get_or_insert(artefact);
        }
        let artefact = measured_on.ok_or_else(|| Bug("there is no network".to_owned()))?;
        let model = Model { artefact, source: Some(source) };
        let (inputs, seed) = ((examples, given), self.arguments.seed);
        let (measured, float) = measured::measure(&model, params, inputs, seed, first.as_deref(), self.terminal)?;
        row.measured = Some(measured);
        first.get_or_insert(float);
        Ok(row)
    }
}

/// Why a variant has no program, in a line.
fn reason(error: &anyhow::Error) -> String {
    match error.downcast_ref::<SourceErrors>() {
        Some(errors) => match errors.diagnostics.first() {
            Some(first) => format!("{} ({}, `mpcc explain {}`)", first.message, first.code, first.code),
            None => errors.to_string(),
        },
        None => failure::chain(error),
    }
}
