//! From a model named on the command line to a rewritten graph or an artefact.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use mpcc_channel::NetworkProfile;
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::compile;
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, PlanValue, SetValue};
use mpcc_compiler::plan::{Comparison, Decided, Objective, PlanOptions, Softmax};
use mpcc_compiler::ranges::Ranges;
use mpcc_program::machine::Machine;
use mpcc_program::program::Supplier;
use mpcc_program::shown::shown;
use mpcc_runtime::material::BytesMade;

use crate::diagnostics;
use crate::estimate;
use crate::examples;
use crate::failure::{SourceErrors, Usage};
use crate::files;
use crate::given::Given;
use crate::planning;
use crate::ranges::{self, RangeOptions};
pub use crate::source::Source;
use crate::terminal::Terminal;

/// The largest artefact that is read.
const ARTEFACT_LIMIT: u64 = 1 << 27;

/// What may be replaced in a model without editing it, and who makes its correlated randomness.
#[derive(Args, Clone, Debug, Default)]
pub struct ModelOptions {
    #[command(flatten)]
    replaced: ReplaceOptions,
    /// Who makes the correlated randomness that an inference uses up: a third machine that sees no data, or the two parties
    /// themselves by oblivious transfer and products under encryption, and then nobody else takes part.
    #[arg(long, value_name = "WHO", value_enum, default_value = "dealer")]
    supplier: SupplierName,
}

/// What may be replaced in a model without editing it.
#[derive(Args, Clone, Debug, Default)]
pub struct ReplaceOptions {
    /// Use another plan: one of the file by name, or a JSON file with lists of function names. May be repeated.
    #[arg(long = "plan", value_name = "NAME=PLAN|FILE.json")]
    plans: Vec<String>,
    /// Give a constant or a model parameter another value. May be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
    /// Compute every ReLU by digit tables (two hops, few dealt bytes) or by function sharing (no hop, many), or each as
    /// is faster on the network. Where GeLU has to saturate, it takes two hops or one.
    #[arg(long, value_name = "PROTOCOL", default_value = "auto")]
    relu: ReluProtocol,
    /// Subtract from every row under a softmax its maximum (by counts of how many lie below public thresholds, which takes three exchanges), or a public number where the row
    /// maxima lie within 6 of each other: `auto` where that is proved or declared by `assume range(max(…))`, `static`
    /// also where it was only observed. An input whose row maxima lie elsewhere then gives wrong results. Where maxima
    /// lie farther apart, the maximum is taken.
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    softmax: SoftmaxShift,
    /// What a second before the input is known counts, beside one after, when protocols are chosen: 0 if correlated
    /// randomness can be made at leisure; 1, the default, if an inference waits for it.
    #[arg(long, value_name = "A", value_parser = alpha)]
    alpha: Option<f64>,
}

impl ReplaceOptions {
    /// The same with one more name given another value, as `--set` takes it.
    #[must_use]
    pub fn with_set(mut self, pair: String) -> Self {
        self.sets.push(pair);
        self
    }

    /// The same with one more plan, as `--plan` takes it.
    #[must_use]
    pub fn with_plan(mut self, pair: String) -> Self {
        self.plans.push(pair);
        self
    }
}

/// Who makes correlated randomness, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SupplierName {
    /// A third machine that sees no data.
    #[default]
    Dealer,
    /// The two parties themselves.
    Pair,
}

impl SupplierName {
    /// As options have it.
    pub fn name(self) -> &'static str {
        match self {
            SupplierName::Dealer => "dealer",
            SupplierName::Pair => "pair",
        }
    }
}

/// What a second before the input is known counts.
pub fn alpha(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(alpha) if alpha.is_finite() && alpha >= 0.0 => Ok(alpha),
        _ => Err("it is a number from 0 on".to_owned()),
    }
}

/// What protocols are chosen for, besides the options that belong to the model.
#[derive(Clone, Debug)]
pub struct Target {
    /// The network between the roles.
    pub network: NetworkProfile,
    /// The machine of each.
    pub machine: Machine,
}

/// Protocols for ReLU by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReluProtocol {
    /// Whichever is faster.
    #[default]
    Auto,
    DigitTables,
    FunctionSharing,
}

/// What softmax subtracts from a row, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SoftmaxShift {
    /// A public number where the row maxima are declared to allow it, else the maximum.
    #[default]
    Auto,
    /// Also where that was only observed.
    Static,
    /// Always the maximum.
    Maximum,
}

impl SoftmaxShift {
    /// As planning takes it.
    pub fn decided(self) -> Option<Softmax> {
        match self {
            SoftmaxShift::Auto => None,
            SoftmaxShift::Static => Some(Softmax::Static),
            SoftmaxShift::Maximum => Some(Softmax::Maximum),
        }
    }
}

impl ModelOptions {
    /// Both together.
    pub fn of(replaced: ReplaceOptions, supplier: SupplierName) -> Self {
        Self { replaced, supplier }
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.replaced.plans.is_empty()
            && self.replaced.sets.is_empty()
            && self.replaced.relu == ReluProtocol::Auto
            && self.replaced.softmax == SoftmaxShift::Auto
            && self.replaced.alpha.is_none()
            && self.supplier == SupplierName::Dealer
    }

    /// What a second before the input is known counts.
    pub fn counted_offline(&self) -> f64 {
        self.replaced.alpha.unwrap_or(1.0)
    }

    fn decided(&self) -> Decided {
        let comparison = match self.replaced.relu {
            ReluProtocol::Auto => None,
            ReluProtocol::DigitTables => Some(Comparison::DigitTables),
            ReluProtocol::FunctionSharing => Some(Comparison::FunctionSharing),
        };
        let supplier = match self.supplier {
            SupplierName::Dealer => Supplier::Dealer,
            SupplierName::Pair => Supplier::Pair,
        };
        Decided { comparison, softmax: self.replaced.softmax.decided(), supplier, ..Decided::default() }
    }

    /// The same for two parties without a dealer.
    #[must_use]
    pub fn without_dealer(self) -> Self {
        Self { supplier: SupplierName::Pair, ..self }
    }

    /// What is replaced and what is decided, as a command line has it.
    fn given(&self) -> Given {
        let mut given = Given::default();
        let replaced = [("--plan", &self.replaced.plans), ("--set", &self.replaced.sets)];
        for (option, value) in replaced.iter().flat_map(|(option, values)| values.iter().map(move |v| (option, v))) {
            given.replaced.extend([(*option).to_owned(), value.clone()]);
        }
        fn named<T: ValueEnum + Default + PartialEq>(value: &T) -> Option<String> {
            let name = value.to_possible_value().filter(|_| *value != T::default())?;
            Some(name.get_name().to_owned())
        }
        let decided = [
            ("--relu", named(&self.replaced.relu)),
            ("--softmax", named(&self.replaced.softmax)),
            ("--alpha", self.replaced.alpha.map(|alpha| alpha.to_string())),
            ("--supplier", named(&self.supplier)),
        ];
        for (option, value) in decided {
            given.decided.extend(value.into_iter().flat_map(|value| [option.to_owned(), value]));
        }
        given
    }

    /// Nothing but plans, as `--plan` takes them.
    pub fn of_plans(plans: Vec<String>) -> Self {
        Self::of(ReplaceOptions { plans, ..ReplaceOptions::default() }, SupplierName::Dealer)
    }

    /// The plans that are given, as one JSON object that `--plan` takes; `None` if there are none.
    pub fn plans_as_json(&self) -> Result<Option<serde_json::Value>> {
        fn json(value: &PlanValue) -> serde_json::Value {
            match value {
                PlanValue::Name(name) => name.as_str().into(),
                PlanValue::List(entries) => entries.iter().map(json).collect(),
            }
        }
        let given = self.lower_options()?.plans;
        let plans: serde_json::Map<_, _> = given.iter().map(|(name, value)| (name.clone(), json(value))).collect();
        Ok((!plans.is_empty()).then_some(plans.into()))
    }

    /// The same with every plan of a file, which names the plans that it replaces.
    pub fn with_plans_of(&self, path: &Path) -> Result<Self> {
        let name = shown(path);
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the plan {name}"))?;
        let plans: BTreeMap<String, PlanValue> = serde_json::from_str(&text)
            .with_context(|| format!("{name} does not name the plans that it replaces, as {{\"PLAN\": […]}} would"))?;
        let mut options = self.clone();
        let Some(file) = path.to_str() else { bail!("{name} has a name that is not UTF-8") };
        options.replaced.plans.extend(plans.keys().map(|plan| format!("{plan}={file}")));
        Ok(options)
    }

    /// As lowering takes them.
    pub fn lower_options(&self) -> Result<LowerOptions> {
        let mut options = LowerOptions::default();
        for text in &self.replaced.plans {
            let (name, value) = assignment("--plan", text)?;
            let twice = options.plans.insert(name.to_owned(), plan_value(name, value)?);
            refuse_twice("--plan", name, twice.is_some())?;
        }
        for text in &self.replaced.sets {
            let (name, value) = assignment("--set", text)?;
            let twice = options.sets.insert(name.to_owned(), set_value(value));
            refuse_twice("--set", name, twice.is_some())?;
        }
        Ok(options)
    }
}

fn assignment<'t>(option: &str, text: &'t str) -> Result<(&'t str, &'t str)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name, value)),
        _ => Err(Usage(format!("{option} takes NAME=VALUE, not `{text}`")).into()),
    }
}

fn refuse_twice(option: &str, name: &str, twice: bool) -> Result<()> {
    if twice { Err(Usage(format!("{option} {name}=… is given twice")).into()) } else { Ok(()) }
}

/// A plan of the source by name, or a JSON file: the plan itself, or an object with the plan under its name or as
/// the only entry.
fn plan_value(name: &str, value: &str) -> Result<PlanValue> {
    if !value.ends_with(".json") {
        return Ok(PlanValue::Name(value.to_owned()));
    }
    let text = fs::read_to_string(value).with_context(|| format!("cannot read the plan {value}"))?;
    let malformed = || format!("{value} is no plan: expected nested lists of function names");
    if let Ok(mut named) = serde_json::from_str::<BTreeMap<String, PlanValue>>(&text) {
        if let Some(plan) = named.remove(name) {
            return Ok(plan);
        }
        return match named.pop_first() {
            Some((_, plan)) if named.is_empty() => Ok(plan),
            _ => bail!("{value} holds no plan `{name}`"),
        };
    }
    serde_json::from_str(&text).with_context(malformed)
}

fn set_value(text: &str) -> SetValue {
    if let Ok(value) = text.parse::<bool>() {
        SetValue::Bool(value)
    } else if let Ok(value) = text.parse::<i64>() {
        SetValue::Int(value)
    } else if let Ok(value) = text.parse::<f64>() {
        SetValue::Real(value)
    } else {
        SetValue::Name(text.to_owned())
    }
}

/// Reads, checks and rewrites a model file; warnings are shown.
pub fn read_source(path: &Path, options: &ModelOptions, terminal: &Terminal) -> Result<Source> {
    read_as(path, &options.lower_options()?, options, terminal)
}

/// The same of a model whose plans are to be searched: its graphs mix the candidates of open entries, and cannot be planned.
pub fn read_supernet(path: &Path, options: &ModelOptions, terminal: &Terminal) -> Result<Source> {
    let lower = LowerOptions { supernet: true, ..options.lower_options()? };
    read_as(path, &lower, options, terminal)
}

fn read_as(path: &Path, lower: &LowerOptions, options: &ModelOptions, terminal: &Terminal) -> Result<Source> {
    let source = from_text(path, files::read_source(path)?, lower, options)?;
    let warnings = &source.rewritten.warnings;
    if !warnings.is_empty() && !terminal.quiet() {
        let drawn = diagnostics::drawn(warnings, &source.text, &source.name, terminal.error_colour());
        terminal.drawn(&drawn);
    }
    Ok(source)
}

/// Checks and rewrites the text of a model file; `lower` stands for the plans and values of `options`.
pub fn from_text(path: &Path, text: String, lower: &LowerOptions, options: &ModelOptions) -> Result<Source> {
    let name = files::source_name(path);
    let rewritten = match compile::rewrite(&text, lower) {
        Ok(rewritten) => rewritten,
        Err(diagnostics) => return Err(SourceErrors { file: name, source_text: text, diagnostics }.into()),
    };
    let (decided, alpha) = (options.decided(), options.counted_offline());
    Ok(Source { path: path.to_owned(), name, text, rewritten, decided, alpha, given: options.given() })
}

impl Source {
    /// The same, to be planned on what the options say may be relied on, with these weights if any are named.
    pub fn relying_on(mut self, options: &RangeOptions, weights: Option<&Path>) -> Result<Self> {
        self.decided.basis = options.basis()?;
        self.given.basis = options.says_basis().then_some(self.decided.basis);
        self.given.ranges = options.file()?.map(Path::to_owned);
        self.given.weights = weights.map(Path::to_owned);
        Ok(self)
    }

    /// The decided protocols, and the usual ones for the rest: what programs of one model are compared by.
    pub fn plain_options(&self) -> PlanOptions {
        let plain = PlanOptions::default();
        let Decided { comparison, supplier, .. } = self.decided;
        PlanOptions { comparison: comparison.unwrap_or(plain.comparison), supplier, ..plain }
    }

    /// Plans the model on these ranges, with the protocols that are best for the target, and adds its tokenizer.
    pub fn assemble(&self, ranges: &Ranges, target: &Target) -> Result<Artefact> {
        let link = estimate::link(&target.network);
        let making = BytesMade::default();
        let objective = Objective { machine: &target.machine, link, alpha: self.alpha, making: Some(&making) };
        let purpose = (target.network.name.as_str(), &objective);
        let artefact = compile::assemble_for(&self.rewritten.graph, ranges, purpose, self.decided)
            .map_err(|errors| planning::diagnose(self, &errors))?;
        Ok(match examples::tokenizer(self)? {
            Some(tokenizer) => artefact.with_tokenizer(tokenizer),
            None => artefact,
        })
    }
}

/// A model ready to run: from an artefact, or compiled from source.
#[derive(Debug)]
pub struct Model {
    /// What runs.
    pub artefact: Artefact,
    /// Where it came from, if it was compiled just now.
    pub source: Option<Source>,
}

impl Model {
    /// The graph that weights are bound to and that the float network is evaluated on: as written where known.
    pub fn float_graph(&self) -> &Graph {
        self.source.as_ref().map_or(&self.artefact.graph, |source| &source.rewritten.lowered)
    }
}

/// Whether a path names an artefact rather than a source, by its name or its first bytes.
pub fn is_artefact(path: &Path) -> bool {
    if path.extension().is_some_and(|e| e == "mpca") {
        return true;
    }
    let first = fs::File::open(path).and_then(|mut file| {
        let mut bytes = [0; 8];
        std::io::Read::read_exact(&mut file, &mut bytes).map(|()| bytes)
    });
    first.is_ok_and(|bytes| bytes.starts_with(b"mpcc-art"))
}

/// Reads an artefact.
pub fn read_artefact(path: &Path) -> Result<Artefact> {
    let name = shown(path);
    let reading = || format!("cannot read {name}");
    let size = fs::metadata(path).with_context(reading)?.len();
    if size > ARTEFACT_LIMIT {
        bail!("{name} is larger than any artefact");
    }
    let bytes = fs::read(path).with_context(reading)?;
    Artefact::from_bytes(&bytes).with_context(|| name.to_string())
}

/// An artefact, or a source with the ranges found for it, still to be planned.
#[derive(Debug)]
pub enum Opened {
    /// Planned already.
    Artefact(Box<Artefact>),
    /// To be planned for a target.
    Source(Box<Source>, Box<Ranges>),
}

/// Reads an artefact, or a source and the ranges found for it.
pub fn open(
    path: &Path,
    options: &ModelOptions,
    range_options: &RangeOptions,
    weights: Option<&Path>,
    terminal: &Terminal,
) -> Result<Opened> {
    if is_artefact(path) {
        if !options.is_empty() || !range_options.is_empty() {
            let message = "an artefact is compiled already: --plan, --set, --relu, --alpha, --supplier, --ranges and --calibrate are for sources";
            return Err(Usage(message.to_owned()).into());
        }
        return Ok(Opened::Artefact(Box::new(read_artefact(path)?)));
    }
    let source = read_source(path, options, terminal)?.relying_on(range_options, weights)?;
    let ranges = ranges::find(&source, range_options, weights, terminal)?;
    Ok(Opened::Source(Box::new(source), Box::new(ranges)))
}

/// Reads an artefact, or compiles a source for a target with the ranges found for it.
pub fn read(
    path: &Path,
    options: &ModelOptions,
    range_options: &RangeOptions,
    weights: Option<&Path>,
    target: &Target,
    terminal: &Terminal,
) -> Result<Model> {
    match open(path, options, range_options, weights, terminal)? {
        Opened::Artefact(artefact) => Ok(Model { artefact: *artefact, source: None }),
        Opened::Source(source, ranges) => {
            Ok(Model { artefact: source.assemble(&ranges, target)?, source: Some(*source) })
        }
    }
}
