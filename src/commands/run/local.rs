//! All roles on this machine, the dealer only without files that were dealt before: prepares a directory of throw-away
//! keys, runs the roles as processes, and reports.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use mpcc_channel::Identity;
use mpcc_cli::bound;
use mpcc_cli::encoded;
use mpcc_cli::estimate::{self, Priced};
use mpcc_cli::examples;
use mpcc_cli::failure::Bug;
use mpcc_cli::making;
use mpcc_cli::model::{self, Model, Target};
use mpcc_cli::outputs::Revealed;
use mpcc_cli::presented::Presenter;
use mpcc_cli::progress::Bar;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::evaluate::{Evaluator, Tensor};
use mpcc_import::inputs::Example;
use mpcc_program::program::Supplier;
use mpcc_runtime::Measurement;
use mpcc_runtime::material::file_name;
use tempfile::TempDir;

use super::children::{self, Finished, Trio};
use super::messages::Job;
use super::saved;
use super::summary::{Dealing, InferenceReport, Summary};
use super::{RoleName, RunArguments, Switch};
use crate::commands::calibrate;

/// Beside the files of a local run: where it records what it used of them.
pub(crate) const STATE: &str = "state";

/// Seconds within which the roles must have connected: they are all here and ready.
const TIMEOUT: u64 = 8;

/// How long the roles may read their files, check them and make their code, unless `--timeout` says it: it depends on the
/// model.
const PREPARING: Duration = Duration::from_secs(1800);

pub(super) fn run(arguments: &RunArguments, weights_file: &Path, terminal: &Terminal) -> Result<()> {
    let options = (&arguments.options, &arguments.ranges);
    let rates = calibrate::rates(&arguments.machine, terminal)?;
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let model = model::read(&arguments.model, options.0, options.1, Some(weights_file), &target, terminal)?;
    arguments.expect.check(&model.artefact)?;
    let graph = &model.artefact.graph;
    let examples = examples::find(&arguments.input, graph, Some(terminal))?;
    let given = examples::load(&examples, graph, model.artefact.tokenizer.as_deref(), Some(terminal))?;
    let program = &model.artefact.program;
    let mut predicted =
        Priced::new(program, &rates).predict(&arguments.net, examples.len(), arguments.batch.unwrap_or(1));
    let source = Dealing::of(arguments, program.supplier);
    if source == Dealing::Pair {
        let link = estimate::link(&arguments.net);
        predicted = predicted.with_made(making::predicted(program, examples.len() as u64, Some(link))?);
    }
    let hops = u64::from(predicted.hops);
    saved::check(arguments.save.as_deref(), &model.artefact.program.outputs)?;
    // Before the session: an input that is not in the network's domain is refused while nothing is lost.
    let float = match arguments.check {
        Switch::On => Some(float(&model, weights_file, &examples, &given, terminal)?),
        Switch::Off => None,
    };

    let interrupted = children::interruptions()?;
    let directory = tempfile::Builder::new().prefix("mpcc-run-").tempdir().context("cannot make a directory")?;
    let jobs = jobs(arguments, &model, (weights_file, examples.len() as u64), &directory)?;
    let mut trio = Trio::start(&jobs, interrupted)?;
    let connecting = Duration::from_secs(arguments.timeout.unwrap_or(TIMEOUT));
    let go = trio.ready(arguments.timeout.map_or(PREPARING, |_| connecting))?;
    // The keys are in the processes that own them; nothing else needs them.
    for job in &jobs {
        let identity = job.identity.path();
        fs::remove_dir_all(identity).with_context(|| format!("cannot remove {}", identity.display()))?;
    }
    let bar = Bar::new(terminal, hops * examples.len() as u64, "connecting");
    let finished = trio.session(&go, connecting, |progress| match progress {
        children::Moment::Made { inferences } => bar.say(format!("made {inferences} of {}", examples.len())),
        children::Moment::Setup => bar.say("setting up"),
        children::Moment::Offline { inference } => bar.say(format!("offline {inference} of {}", examples.len())),
        children::Moment::Hop { hop, inference } => {
            bar.say(format!("online {inference} of {}", examples.len()));
            bar.set((inference - 1) * hops + hop as u64);
        }
    });
    bar.finish();
    let Finished { model_owner, data_owner, dealer, answers } = finished?;
    drop(trio);
    directory.close().context("cannot remove the temporary directory")?;
    children::nothing_left();

    let measured = Measurement::new(&data_owner, Some(&model_owner), dealer.as_ref());
    let inferences = InferenceReport::list(&examples, answers, &model.artefact)?;
    // What was learned is shown whether or not it can be written.
    let saved = arguments.save.as_ref().map_or(Ok(()), |path| saved::write(path, &inferences));
    let network = match (arguments.net.shape(), arguments.net_emulate) {
        (Some(_), Switch::On) => format!("{}, imitated on loopback", arguments.net.name),
        (Some(_), Switch::Off) => format!("{} predicted, loopback measured", arguments.net.name),
        (None, _) => arguments.net.name.clone(),
    };
    let summary =
        Summary::new(&model.artefact.manifest, inferences, float.as_deref(), predicted, measured, (network, source));
    let shown = summary.show(terminal);
    saved.and(shown)
}

/// What each process is to do, with its files in place.
fn jobs(
    arguments: &RunArguments,
    model: &Model,
    (weights_file, inferences): (&Path, u64),
    directory: &TempDir,
) -> Result<Vec<Job>> {
    let artefact = directory.path().join("program.mpca");
    fs::write(&artefact, model.artefact.to_bytes()).context("cannot write to the temporary directory")?;
    let shape = match arguments.net_emulate {
        Switch::On => arguments.net.shape(),
        Switch::Off => None,
    };
    let mut fingerprints = Vec::new();
    let mut jobs = Vec::new();
    let material = arguments.deployment.material.as_deref();
    let alone = model.artefact.program.supplier == Supplier::Pair;
    for role in RoleName::ALL {
        let name = role.name();
        let identity = Identity::generate()?;
        fingerprints.push(identity.fingerprint().to_string());
        if role == RoleName::Dealer && (material.is_some() || alone) {
            continue;
        }
        let place = directory.path().join(name);
        identity.save(&place)?;
        jobs.push(Job {
            role,
            artefact: artefact.clone().into(),
            weights: (role == RoleName::ModelOwner).then(|| weights_file.to_owned().into()),
            input: if role == RoleName::DataOwner { arguments.input.clone() } else { Vec::new() },
            material: material.map(|dealt| dealt.join(file_name(role.role())).into()),
            identity: place.into(),
            state: match material {
                // What is used up must be remembered for as long as the files are there.
                Some(dealt) => dealt.join(STATE).join(name).into(),
                None => directory.path().join(format!("{name}-state")).into(),
            },
            interpret: arguments.interpret,
            batch: arguments.batch.unwrap_or(1),
            inferences,
            in_memory: arguments.in_memory,
            timeout_seconds: arguments.timeout.unwrap_or(TIMEOUT),
            shape: shape.as_ref().map(|s| (s.round_trip.as_secs_f64(), s.bytes_per_second, s.uplink.is_some())),
            fingerprints: Default::default(),
        });
    }
    let fingerprints: [String; 3] = fingerprints.try_into().map_err(|_| Bug("there are three roles".to_owned()))?;
    for job in &mut jobs {
        job.fingerprints.clone_from(&fingerprints);
    }
    Ok(jobs)
}

/// The float network's outputs for each example.
fn float(
    model: &Model,
    weights_file: &Path,
    examples: &[Example],
    given: &[Vec<Tensor>],
    terminal: &Terminal,
) -> Result<Vec<Vec<Revealed>>> {
    let params = bound::load(weights_file, &model.artefact.graph, model.source.as_ref())?.params;
    if encoded::check_weights(&model.artefact, &params, model.source.as_ref()).is_err() {
        // A weight that does not fit is named first.
        encoded::weights(&model.artefact, params.clone(), model.source.as_ref())?;
    }
    let evaluator = Evaluator::new(model.float_graph(), &params)?;
    let presenter = Presenter::new(&model.artefact)?;
    let bar = Bar::new(terminal, given.len() as u64, "comparing with the float network");
    let one = |(example, input): (&Example, &Vec<Tensor>)| {
        bar.advance();
        let outputs = encoded::float_outputs(model, &evaluator, input).with_context(|| example.to_string())?;
        presenter.present(outputs, example)
    };
    let outputs = examples.iter().zip(given).map(one).collect();
    bar.finish();
    outputs
}
