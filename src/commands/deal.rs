//! `mpcc deal`: correlated randomness for many inferences, dealt ahead into a file for each party.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::failure::{Interrupted, Usage};
use mpcc_cli::machine::{self, MachineOptions};
use mpcc_cli::model::{self, ModelOptions, Target};
use mpcc_cli::progress::Bar;
use mpcc_cli::ranges::RangeOptions;
use mpcc_cli::report::{Bytes, Seconds};
use mpcc_cli::terminal::Terminal;
use mpcc_program::program::Supplier;
use mpcc_runtime::material::{self, DealOptions, Dealt};
use mpcc_runtime::peak_rss_bytes;
use serde::Serialize;

use super::run::{RoleName, roles};
use crate::expect::ExpectOption;

/// Deal correlated randomness ahead, into a file for each party.
///
/// The dealer needs the program alone: no weights, no input and no link. Each party gets its own file by a way that
/// nobody else can read, and then runs with --material instead of a dealer's address. Whoever has both files and a
/// transcript of a session reads everything in it, so the dealer deletes them once they are delivered.
#[derive(Args, Debug)]
#[command(after_help = "\
The files serve the same artefact only, and every inference in them once. `mpcc inspect FILE` says what is in one.

Examples:
  mpcc deal model.mpca --inferences 1000 --out dealt/
  mpcc run model.mpca --weights w.safetensors --input test/ --material dealt/
  mpcc deal model.mpca --inferences 1000 --out more/ --weights-of dealt/model-owner.material")]
pub(crate) struct DealArguments {
    /// A model file or an artefact; the parties need the same.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// How many inferences.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    inferences: u64,
    /// The directory that the files are written to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
    /// The model owner's file of an earlier batch of the same program and parties, whose mask of the weights the new batch
    /// has too: what the data owner keeps serves on. The model owner can hand it back to the dealer, which keeps none.
    /// Without this option the mask is fresh, as it must be for another data owner.
    #[arg(long, value_name = "FILE")]
    weights_of: Option<PathBuf>,
    /// Threads that deal, inferences at the same time or parts of one; without it, as many as there are cores.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Value ranges written by `mpcc simulate --calibrate`; without this option MODEL.ranges.json beside the model.
    #[arg(long, value_name = "FILE.json")]
    ranges: Option<PathBuf>,
    /// The network for which protocols of a model file are chosen.
    #[arg(long, value_name = "PROFILE", default_value = "loopback")]
    net: NetworkProfile,
    /// Interpret local code instead of compiling it; the files are the same.
    #[arg(long)]
    interpret: bool,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    machine: MachineOptions,
    #[command(flatten)]
    expect: ExpectOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    program: String,
    batch: String,
    weight_grant: String,
    inferences: u64,
    files: [FileReport; 2],
    seconds: f64,
    inferences_per_second: f64,
    bytes_per_second: f64,
    jobs: usize,
    peak_rss_bytes: Option<u64>,
}

#[derive(Serialize)]
struct FileReport {
    role: &'static str,
    path: String,
    bytes: u64,
}

pub(crate) fn run(arguments: &DealArguments, terminal: &Terminal) -> Result<()> {
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let ranges = RangeOptions::of_file(arguments.ranges.clone());
    let model = model::read(&arguments.model, &arguments.options, &ranges, None, &target, terminal)?;
    arguments.expect.check(&model.artefact)?;
    if model.artefact.program.supplier == Supplier::Pair {
        let text = "this program takes no dealer: its parties make what they need with `mpcc pair`";
        return Err(Usage(text.to_owned()).into());
    }
    let program = roles::program(&model.artefact, RoleName::Dealer, arguments.interpret)?;
    let jobs = arguments.jobs.map_or_else(machine::cores, NonZeroUsize::get);
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    ctrlc::set_handler(move || stop.store(true, Ordering::SeqCst)).context("cannot catch interruptions")?;
    let options = DealOptions {
        inferences: arguments.inferences,
        jobs,
        replace: arguments.force,
        weights_of: arguments.weights_of.clone(),
    };
    let bar = Bar::new(terminal, arguments.inferences, "dealing");
    let start = Instant::now();
    let dealt = material::deal(&program, &arguments.out, &options, &|done| {
        bar.set(done);
        !stopped.load(Ordering::SeqCst)
    });
    bar.finish();
    if dealt.is_err() && stopped.load(Ordering::SeqCst) {
        return Err(Interrupted.into());
    }
    let report = Report::new(model.artefact.manifest.program, dealt?, &options, start.elapsed().as_secs_f64());
    Ok(terminal.result(&report, || report.text())?)
}

impl Report {
    fn new(program: String, dealt: Dealt, options: &DealOptions, seconds: f64) -> Self {
        let Dealt { batch, weight_grant, model_owner, data_owner } = dealt;
        let total = (model_owner.1 + data_owner.1) as f64;
        let file =
            |role: RoleName, (path, bytes): (PathBuf, u64)| FileReport { role: role.name(), path: shown(&path), bytes };
        Report {
            schema: "mpcc.deal/1",
            program,
            batch: batch.to_string(),
            weight_grant: weight_grant.to_string(),
            inferences: options.inferences,
            files: [file(RoleName::ModelOwner, model_owner), file(RoleName::DataOwner, data_owner)],
            seconds,
            inferences_per_second: options.inferences as f64 / seconds,
            bytes_per_second: total / seconds,
            jobs: options.jobs,
            peak_rss_bytes: peak_rss_bytes(),
        }
    }

    fn text(&self) -> String {
        let mut out = format!("program    {}\nbatch      {}\n", self.program, self.batch);
        out += &format!(
            "dealt      {} inferences in {}: {:.1} a second, {}/s\n",
            self.inferences,
            Seconds(self.seconds),
            self.inferences_per_second,
            Bytes(self.bytes_per_second as u64)
        );
        for file in &self.files {
            out += &format!(
                "{:<11}{} for the {}\n",
                Bytes(file.bytes).to_string(),
                file.path,
                file.role.replace('-', " ")
            );
        }
        out
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
