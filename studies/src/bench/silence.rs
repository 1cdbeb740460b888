//! `mpcc bench silence`: a search for inputs that get a wrong answer instead of none.

mod climb;
mod inputs;
mod models;
mod searched;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::examples;
use mpcc_cli::failure::Usage;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::{self, ModelOptions, Target};
use mpcc_cli::progress::Bar;
use mpcc_cli::ranges::{self, RangeOptions};
use mpcc_cli::report::table;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::Graph;
use mpcc_import::inputs as given;
use serde::Serialize;

use super::normal::Normal;
use super::session::write_npy;
use super::subject::Place;
use climb::{Climber, STEPS};
use inputs::{Domain, Kind};
use searched::{Judge, Outcome, Subject};

/// Search for inputs that get a wrong answer instead of none: flat, repeated and extreme ones, texts of one word and of all
/// words, inputs moved along gradients of the widest values within, and inputs that only just get an answer.
///
/// Every input is evaluated exactly as a private run would, with its checks, beside the float network. Of a model, or of
/// generated ones.
#[derive(Args, Debug)]
#[command(after_help = "\
The status is 1 if an answer is off by more than --error. The same seed gives the same inputs; `--ranges observed` shows what
the checks are for.

Examples:
  mpcc bench silence model.mpv --weights w.safetensors --input test/ --count 10000
  mpcc bench silence --generated 7 --count 10000")]
pub(crate) struct SilenceArguments {
    /// A model file; its ranges lie beside it or are given.
    #[arg(value_name = "MODEL", required_unless_present = "generated", requires = "weights", requires = "input")]
    model: Option<PathBuf>,
    /// Its trained weights.
    #[arg(long, value_name = "W.safetensors")]
    weights: Option<PathBuf>,
    /// Usual inputs, from which unusual ones are made.
    #[arg(long, value_name = "FILE|DIR|TEXT|NAME=FILE")]
    input: Vec<OsString>,
    /// Models made from seeds, in place of MODEL: vision transformers and text models in turn, calibrated on usual inputs.
    #[arg(long, value_name = "N", conflicts_with = "model")]
    generated: Option<u64>,
    /// Where generated models with their weights and ranges are put, and inputs that get a wrong answer; without it nothing
    /// is kept.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Inputs of each model.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: usize,
    /// Largest error of an answer that is not called wrong.
    #[arg(long, value_name = "ERROR", default_value_t = 0.05)]
    error: f64,
    /// Seed of the inputs, of generated models and of the rounding.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Threads.
    #[arg(long, value_name = "N", default_value_t = thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    /// The network for which protocols are chosen.
    #[arg(long, value_name = "PROFILE", default_value = "wan")]
    net: NetworkProfile,
    #[command(flatten)]
    machine: MachineOptions,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    seed: u64,
    error: f64,
    models: Vec<Searched>,
}

/// What was found of a model.
#[derive(Serialize)]
struct Searched {
    model: String,
    program: String,
    ranges: &'static str,
    kinds: Vec<Row>,
    /// The inputs with the largest errors of those that are called wrong.
    wrong: Vec<Wrong>,
}

/// Inputs of one kind.
#[derive(Clone, Serialize)]
struct Row {
    kind: Kind,
    tried: usize,
    refused: usize,
    withheld: usize,
    answered: usize,
    wrong: usize,
    other_label: usize,
    largest_error: f64,
}

#[derive(Clone, Serialize)]
struct Wrong {
    kind: Kind,
    /// Which input of this seed.
    input: usize,
    error: f64,
}

/// What became of one input.
struct Found {
    kind: Kind,
    index: usize,
    outcome: Outcome,
}

/// Evaluations of an input at the edge.
const HALVINGS: usize = 6;
/// Wrong inputs that are named.
const NAMED: usize = 8;

pub(super) fn run(arguments: &SilenceArguments, terminal: &Terminal) -> Result<()> {
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let mut report =
        Report { schema: "mpcc.bench.silence/1", seed: arguments.seed, error: arguments.error, models: vec![] };
    match (&arguments.model, arguments.generated) {
        (Some(_), _) => {
            let subject = named(arguments, &target, terminal)?;
            report.models.push(search(arguments, &subject, terminal)?);
        }
        (None, Some(count)) => {
            let place = Place::new(arguments.keep.as_deref())?;
            let directory = place.directory("models");
            fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
            for index in 0..count {
                let seed = arguments.seed + index;
                let subject = Subject::generated(seed, &arguments.ranges, &directory, &target)?;
                report.models.push(search(arguments, &subject, terminal)?);
            }
        }
        (None, None) => return Err(Usage("give a model, or --generated".to_owned()).into()),
    }
    terminal.result(&report, || text(&report))?;
    let wrong: usize = report.models.iter().flat_map(|m| &m.kinds).map(|row| row.wrong).sum();
    if wrong > 0 {
        bail!("{wrong} answers are off by more than {} and were not withheld", arguments.error);
    }
    Ok(())
}

fn named(arguments: &SilenceArguments, target: &Target, terminal: &Terminal) -> Result<Subject> {
    let (Some(path), Some(weights)) = (&arguments.model, &arguments.weights) else {
        return Err(Usage("a model needs --weights and --input".to_owned()).into());
    };
    let source =
        model::read_source(path, &arguments.options, terminal)?.relying_on(&arguments.ranges, Some(weights))?;
    let found = ranges::find(&source, &arguments.ranges, Some(weights), terminal)?;
    let tokenizer = examples::tokenizer(&source)?;
    let graph = &source.rewritten.graph;
    let inputs = given::examples(&arguments.input, graph)?;
    let usual = examples::load(&inputs, graph, tokenizer.as_deref(), Some(terminal))?;
    Subject::of(source, found, &arguments.ranges, weights, usual, target)
}

/// What is made at once: inputs that do not depend on others.
#[derive(Clone, Copy)]
struct Episode {
    kind: Kind,
    /// The number of its first input.
    first: usize,
    inputs: usize,
}

/// Kinds in turn until there are enough inputs; each climb and each edge counts all inputs on its way.
fn schedule(count: usize, climbs: bool) -> Vec<Episode> {
    let turn = Kind::DRAWN.into_iter().chain(Kind::DRAWN).chain([Kind::Usual, Kind::Edge]);
    let turn = turn.chain(climbs.then_some(Kind::Climbed));
    let mut episodes = Vec::new();
    let mut first = 0;
    for kind in turn.collect::<Vec<_>>().into_iter().cycle() {
        if first >= count {
            break;
        }
        let inputs = match kind {
            Kind::Climbed => STEPS,
            Kind::Edge => HALVINGS,
            _ => 1,
        };
        episodes.push(Episode { kind, first, inputs: inputs.min(count - first) });
        first += inputs;
    }
    episodes
}

fn search(arguments: &SilenceArguments, subject: &Subject, terminal: &Terminal) -> Result<Searched> {
    let judge = subject.judge()?;
    let domain = Domain::new(subject.graph(), subject.usual.clone());
    let climber = Climber::new(subject.graph(), &subject.ranges, &subject.weights)?;
    let episodes = schedule(arguments.count, climber.is_some());
    let bar = Bar::new(terminal, arguments.count as u64, "searching");
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let found: Mutex<Vec<Found>> = Mutex::default();
    let kept = arguments.keep.as_deref();
    let search = Search { seed: arguments.seed, judge: &judge, domain: &domain, climber: climber.as_ref() };
    let work = || -> Result<()> {
        while let Some(episode) = episodes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let judged = search.episode(*episode)?;
            bar.set(done.fetch_add(judged.len() as u64, Ordering::Relaxed));
            for (index, (outcome, input)) in (episode.first..).zip(judged) {
                if let (Some(directory), true) = (kept, outcome.is_wrong(arguments.error)) {
                    keep(directory, &subject.name, index, subject.graph(), &input)?;
                }
                let of = Found { kind: episode.kind, index, outcome };
                found.lock().unwrap_or_else(PoisonError::into_inner).push(of);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    bar.finish();
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Searched {
        model: subject.name.clone(),
        program: subject.artefact.manifest.program.clone(),
        ranges: subject.artefact.manifest.basis.name(),
        kinds: Kind::ALL.into_iter().filter_map(|kind| row(kind, &found, arguments.error)).collect(),
        wrong: wrong(&found, arguments.error),
    })
}

/// What an episode needs.
struct Search<'s> {
    seed: u64,
    judge: &'s Judge<'s>,
    domain: &'s Domain,
    climber: Option<&'s Climber>,
}

/// An input and what became of it.
type Judged = (Outcome, Vec<Tensor>);

impl Search<'_> {
    fn episode(&self, episode: Episode) -> Result<Vec<Judged>> {
        let mut draws = Normal::new(self.seed << 32 | episode.first as u64);
        let judged = |inputs: Vec<Vec<Tensor>>| -> Result<Vec<Judged>> {
            let numbered = inputs.into_iter().take(episode.inputs).zip(episode.first..);
            numbered.map(|(input, at)| Ok((self.outcome(&input, at)?, input))).collect()
        };
        match (episode.kind, self.climber) {
            (Kind::Climbed, Some(climber)) => {
                let from = if draws.index(2) == 0 { Kind::Usual } else { draws.of(&Kind::DRAWN) };
                let start = self.domain.draw(from, &mut draws);
                judged(climber.path(self.domain, start, &mut draws))
            }
            (Kind::Edge, _) => self.edge(episode, &mut draws),
            (kind, _) => judged(vec![self.domain.draw(kind, &mut draws)]),
        }
    }

    fn outcome(&self, input: &[Tensor], at: usize) -> Result<Outcome> {
        self.judge.outcome(input, self.seed, at as u64)
    }

    /// Halves the way from a usual input to one that gets no answer; to any other, the last of the way.
    fn edge(&self, episode: Episode, draws: &mut Normal) -> Result<Vec<Judged>> {
        let (from, to) = (self.domain.any(draws), self.domain.draw(draws.of(&Kind::DRAWN), draws));
        let (mut low, mut high) = (0.0, 1.0);
        let mut share = 1.0;
        let mut judged = Vec::with_capacity(episode.inputs);
        for at in episode.first..episode.first + episode.inputs {
            let input = self.domain.between(&from, &to, share);
            let outcome = self.outcome(&input, at)?;
            match outcome {
                Outcome::Answered { .. } => low = share,
                Outcome::Refused | Outcome::Withheld => high = share,
            }
            share = if low >= 1.0 { draws.unit() } else { 0.5 * (low + high) };
            judged.push((outcome, input));
        }
        Ok(judged)
    }
}

/// Writes an input in the form in which `mpcc simulate` takes it: one file for each input of the model.
fn keep(directory: &Path, model: &str, index: usize, graph: &Graph, input: &[Tensor]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let model: String = model.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    for (declared, tensor) in graph.inputs.iter().zip(input) {
        write_npy(&directory.join(format!("{model}.{index}.{}.npy", declared.name)), tensor)?;
    }
    Ok(())
}

fn row(kind: Kind, found: &[Found], limit: f64) -> Option<Row> {
    let mut row =
        Row { kind, tried: 0, refused: 0, withheld: 0, answered: 0, wrong: 0, other_label: 0, largest_error: 0.0 };
    for found in found.iter().filter(|found| found.kind == kind) {
        row.tried += 1;
        row.wrong += usize::from(found.outcome.is_wrong(limit));
        match found.outcome {
            Outcome::Refused => row.refused += 1,
            Outcome::Withheld => row.withheld += 1,
            Outcome::Answered { error, other_label } => {
                row.answered += 1;
                row.other_label += usize::from(other_label);
                row.largest_error = row.largest_error.max(error);
            }
        }
    }
    (row.tried > 0).then_some(row)
}

fn wrong(found: &[Found], limit: f64) -> Vec<Wrong> {
    let of = |found: &Found| match found.outcome {
        Outcome::Answered { error, .. } if found.outcome.is_wrong(limit) => {
            Some(Wrong { kind: found.kind, input: found.index, error })
        }
        _ => None,
    };
    let mut wrong: Vec<Wrong> = found.iter().filter_map(of).collect();
    wrong.sort_by(|a, b| b.error.total_cmp(&a.error).then(a.input.cmp(&b.input)));
    wrong.truncate(NAMED);
    wrong
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    for model in &report.models {
        out += &format!("model      {}\nprogram    {}\nranges     {}\n\n", model.model, model.program, model.ranges);
        let cells = |row: &Row| {
            let numbers = [row.tried, row.refused, row.withheld, row.answered, row.other_label, row.wrong];
            let mut cells = vec![row.kind.name().to_owned()];
            cells.extend(numbers.map(|n| n.to_string()));
            cells.push(format!("{:.5}", row.largest_error));
            cells
        };
        let rows: Vec<Vec<String>> = model.kinds.iter().map(cells).collect();
        let head = ["inputs", "tried", "refused", "withheld", "answered", "other label", "wrong", "largest error"];
        out += &table(&head, &rows);
        for wrong in &model.wrong {
            out += &format!("wrong: input {} ({}), off by {:.5}\n", wrong.input, wrong.kind.name(), wrong.error);
        }
        out += "\n";
    }
    let sum = |of: fn(&Row) -> usize| report.models.iter().flat_map(|m| &m.kinds).map(of).sum::<usize>();
    out + &format!(
        "{} inputs, {} answered, {} withheld, {} refused; {} answers off by more than {}\n",
        sum(|r| r.tried),
        sum(|r| r.answered),
        sum(|r| r.withheld),
        sum(|r| r.refused),
        sum(|r| r.wrong),
        report.error
    )
}
