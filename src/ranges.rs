//! Where the value ranges of a source come from: a file, a calibration, or the file beside the model.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use mpcc_compiler::calibrate::calibrate;
use mpcc_compiler::evaluate::{Evaluator, Tensor};
use mpcc_compiler::ranges::{Basis, Ranges, SCHEMA, digest};
use mpcc_program::shown::shown;

use crate::bound;
use crate::declared::DeclaredRanges;
use crate::examples;
use crate::failure::Usage;
use crate::files;
use crate::progress::Bar;
use crate::source::Source;
use crate::terminal::Terminal;

/// Where value ranges come from.
#[derive(Args, Clone, Debug, Default)]
pub struct RangeOptions {
    /// Value ranges written by `mpcc simulate --calibrate`; without this option MODEL.ranges.json beside the model.
    /// Or what a program may rely on: `guarded` (without this option), on proofs and on checks in the run, so that an input
    /// gets a right answer or none; `proved`, on proofs alone; `observed`, also on what calibration saw, so that an unusual
    /// input may get a wrong answer. May be given twice, for a file and a word.
    #[arg(long, value_name = "FILE.json|guarded|proved|observed")]
    ranges: Vec<RangesArgument>,
    /// Inputs to observe value ranges on, with --weights; files, directories, or text as for --input. Takes several, and may
    /// be repeated.
    #[arg(long, value_name = "DIR", requires = "weights", num_args = 1..)]
    calibrate: Vec<OsString>,
}

/// What `--ranges` takes.
#[derive(Clone, Debug, PartialEq)]
pub enum RangesArgument {
    /// Where ranges are read.
    File(PathBuf),
    /// What is relied on.
    Basis(Basis),
}

impl From<OsString> for RangesArgument {
    fn from(text: OsString) -> Self {
        let named = [Basis::Guarded, Basis::Proved, Basis::Observed].into_iter().find(|basis| *basis.name() == *text);
        named.map_or_else(|| RangesArgument::File(text.into()), RangesArgument::Basis)
    }
}

impl RangeOptions {
    /// Ranges of this file, or of the file beside the model.
    pub fn of_file(ranges: Option<PathBuf>) -> Self {
        Self { ranges: ranges.into_iter().map(RangesArgument::File).collect(), calibrate: Vec::new() }
    }

    /// The file of ranges, if one is named.
    fn file(&self) -> Result<Option<&Path>> {
        let mut files = self.ranges.iter().filter_map(|given| match given {
            RangesArgument::File(path) => Some(path.as_path()),
            RangesArgument::Basis(_) => None,
        });
        let file = files.next();
        if files.next().is_some() {
            return Err(Usage("--ranges names two files; give one".to_owned()).into());
        }
        if file.is_some() && !self.calibrate.is_empty() {
            return Err(
                Usage("--ranges FILE and --calibrate both say what was seen; give one of them".to_owned()).into()
            );
        }
        Ok(file)
    }

    /// What a program may rely on.
    pub fn basis(&self) -> Result<Basis> {
        let mut words = self.ranges.iter().filter_map(|given| match given {
            RangesArgument::Basis(basis) => Some(*basis),
            RangesArgument::File(_) => None,
        });
        let basis = words.next().unwrap_or_default();
        if words.any(|word| word != basis) {
            return Err(Usage(
                "--ranges says two different things; give one of guarded, proved and observed".to_owned(),
            )
            .into());
        }
        Ok(basis)
    }

    /// Whether ranges are to be observed.
    pub fn calibrates(&self) -> bool {
        !self.calibrate.is_empty()
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.calibrate.is_empty()
    }
}

/// `model.ranges.json` for `model.mpv`.
pub fn beside(model: &Path) -> PathBuf {
    model.with_extension("ranges.json")
}

/// The ranges for a source.
pub fn find(source: &Source, options: &RangeOptions, weights: Option<&Path>, terminal: &Terminal) -> Result<Ranges> {
    if let Some(path) = options.file()? {
        return read(path, source);
    }
    if !options.calibrate.is_empty() {
        let Some(weights) = weights else {
            return Err(Usage("--calibrate needs --weights".to_owned()).into());
        };
        return observe(source, weights, &options.calibrate, terminal);
    }
    let path = beside(&source.path);
    if files::is_standard(&source.path) || !path.exists() {
        bail!(
            "no value ranges are known for {0}: observe them on example inputs with `mpcc simulate {0} --weights W \
             --calibrate DIR`, which writes {1}",
            source.name,
            shown(&path)
        );
    }
    read(&path, source)
}

fn read(path: &Path, source: &Source) -> Result<Ranges> {
    let name = shown(path);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the value ranges {name}"))?;
    let ranges: Ranges = serde_json::from_str(&text)
        .with_context(|| format!("{name} holds no value ranges; write them with `mpcc simulate --calibrate`"))?;
    if ranges.schema != SCHEMA {
        bail!(
            "{name} has the schema {:?}; this mpcc reads {SCHEMA}: observe the ranges again with `mpcc simulate {} \
             --weights W --calibrate DIR`",
            ranges.schema,
            source.name
        );
    }
    if ranges.graph != digest(&source.rewritten.graph) {
        bail!(
            "the value ranges {name} belong to another state of {0} or to another plan: observe them again with \
             `mpcc simulate {0} --weights W --calibrate DIR`",
            source.name
        );
    }
    Ok(ranges)
}

/// Observes ranges on example inputs.
pub fn observe(source: &Source, weights: &Path, given: &[OsString], terminal: &Terminal) -> Result<Ranges> {
    let graph = &source.rewritten.graph;
    let tokenizer = examples::tokenizer(source)?;
    let examples = examples::find(given, graph, Some(terminal))?;
    let examples = examples::load(&examples, graph, tokenizer.as_deref(), Some(terminal))?;
    observe_values(source, weights, &examples, terminal)
}

/// Observes ranges on values for all inputs of each example.
pub fn observe_values(
    source: &Source,
    weights: &Path,
    examples: &[Vec<Tensor>],
    terminal: &Terminal,
) -> Result<Ranges> {
    let graph = &source.rewritten.graph;
    let params = bound::load(weights, graph, Some(source))?.params;
    let bar = Bar::new(terminal, examples.len() as u64, "calibrating");
    let ranges = calibrate(graph, &params, examples, |done| bar.set(done as u64))?;
    let mut declared = DeclaredRanges::new(&source.rewritten.lowered, Some(source));
    if !declared.is_empty() {
        let as_written = Evaluator::new(&source.rewritten.lowered, &params)?;
        for example in examples {
            declared.add(&as_written, example)?;
        }
    }
    bar.finish();
    for declared in declared.left() {
        terminal.remark(&format!("warning: {}", declared.text().trim_end()));
    }
    Ok(ranges)
}
