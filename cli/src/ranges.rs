//! Where the value ranges of a source come from: a file, a calibration, or the file beside the model.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use mpcc_compiler::calibrate::calibrate_watched;
use mpcc_compiler::evaluate::{Evaluator, Tensor};
use mpcc_compiler::graph::Graph;
use mpcc_compiler::ranges::{Basis, Entry, Kept, Ranges, Unreadable};
use mpcc_import::inputs::Example;
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
    /// Value ranges written by `mpcc simulate --calibrate`, of as many variants of the model as it was run for; without this
    /// option MODEL.ranges.json beside the model. Or what a program may rely on: `guarded` (without this option), on proofs and on checks in the run, so that an input
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
    pub(crate) fn file(&self) -> Result<Option<&Path>> {
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

    /// Whether it is said what a program may rely on.
    pub(crate) fn says_basis(&self) -> bool {
        self.ranges.iter().any(|given| matches!(given, RangesArgument::Basis(_)))
    }

    /// Inputs to observe ranges on, as they were named.
    pub fn named(&self) -> &[OsString] {
        &self.calibrate
    }

    /// Whether a file is named.
    pub fn names_file(&self) -> bool {
        self.ranges.iter().any(|given| matches!(given, RangesArgument::File(_)))
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
        return Ok(observed(source, options, weights, terminal)?.ranges);
    }
    let path = beside(&source.path);
    if files::is_standard(&source.path) || !path.exists() {
        let written =
            if files::is_standard(&source.path) { String::new() } else { format!(", which writes {}", shown(&path)) };
        bail!(
            "no value ranges are known for {}: observe them on example inputs with `{}`{written}",
            source.name,
            source.calibrating()
        );
    }
    read(&path, source)
}

fn read(path: &Path, source: &Source) -> Result<Ranges> {
    let name = shown(path);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the value ranges {name}"))?;
    let kept = Kept::read(&text).map_err(|error| match error {
        Unreadable::Schema(_) => anyhow!("{name}: {error}: observe the ranges again with `{}`", source.calibrating()),
        Unreadable::Malformed(_) => anyhow!("{name} holds no value ranges; write them with `{}`", source.calibrating()),
    })?;
    kept.of(&source.rewritten.graph).with_context(|| {
        format!(
            "{name} has no value ranges for {}, only for another state of it or for other options ({}): observe these too with \
             `{}`",
            match source.given.replaced.is_empty() {
                true => source.name.clone(),
                false => format!("{} with {}", source.name, source.given.replaced()),
            },
            listed(&kept),
            source.calibrating()
        )
    })
}

/// The ranges for a source in a file, if it is there and has them.
pub fn known(path: &Path, source: &Source) -> Option<Ranges> {
    let text = fs::read_to_string(path).ok()?;
    Kept::read(&text).ok()?.of(&source.rewritten.graph)
}

/// What a file keeps, in words.
fn listed(kept: &Kept) -> String {
    let one = |entry: &Entry| {
        let options = match entry.options.as_deref() {
            None => "of unknown options",
            Some("") => "none",
            Some(options) => options,
        };
        let inputs = entry.inputs.map_or(String::new(), |inputs| format!(" on {inputs} inputs"));
        format!("{}{inputs}", shown(options))
    };
    match kept.entries() {
        [] => "nothing".to_owned(),
        entries => entries.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

/// Ranges with what they were observed on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The ranges.
    pub ranges: Ranges,
    /// For each input, the float entries of every output.
    pub outputs: Vec<Vec<Vec<f64>>>,
    /// The inputs; none where only their values were given.
    pub examples: Vec<Example>,
}

impl Observed {
    /// Writes the ranges to a file, beside those of other graphs that it keeps.
    pub fn keep(&self, path: &Path, source: &Source, terminal: &Terminal) -> Result<()> {
        let options = Some(source.given.replaced());
        keep(
            path,
            &source.rewritten.graph,
            Entry { options, inputs: Some(self.outputs.len()), ranges: self.ranges.clone() },
            terminal,
        )
    }
}

/// Writes ranges to a file, beside those of other graphs that it keeps.
pub fn keep(path: &Path, graph: &Graph, entry: Entry, terminal: &Terminal) -> Result<()> {
    let mut kept = Kept::default();
    if !files::is_standard(path) && path.is_file() {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the value ranges {}", shown(path)))?;
        match Kept::read(&text) {
            Ok(there) => kept = there,
            Err(error) => terminal.remark(&format!("{} is written anew: {error}", shown(path))),
        }
    }
    kept.keep(graph, entry);
    files::write(path, kept.text()?.as_bytes())
}

/// Observes ranges on the inputs that the options name.
pub fn observed(
    source: &Source,
    options: &RangeOptions,
    weights: Option<&Path>,
    terminal: &Terminal,
) -> Result<Observed> {
    options.file()?;
    let Some(weights) = weights else {
        return Err(Usage("--calibrate needs --weights".to_owned()).into());
    };
    let graph = &source.rewritten.graph;
    let tokenizer = examples::tokenizer(source)?;
    let examples = examples::find(&options.calibrate, graph, Some(terminal))?;
    let values = examples::load(&examples, graph, tokenizer.as_deref(), Some(terminal))?;
    Ok(Observed { examples, ..observe_values(source, weights, &values, terminal)? })
}

/// Observes ranges on values for all inputs of each example.
pub fn observe_values(
    source: &Source,
    weights: &Path,
    examples: &[Vec<Tensor>],
    terminal: &Terminal,
) -> Result<Observed> {
    let graph = &source.rewritten.graph;
    let params = bound::load(weights, graph, Some(source))?.params;
    let bar = Bar::new(terminal, examples.len() as u64, "calibrating");
    let mut outputs = Vec::with_capacity(examples.len());
    let ranges = calibrate_watched(graph, &params, examples, |done, values| {
        outputs.push(graph.outputs.iter().map(|output| values[output.node].data.clone()).collect());
        bar.set(done as u64);
    })?;
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
    Ok(Observed { ranges, outputs, examples: Vec::new() })
}
