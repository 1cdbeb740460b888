//! The commands, one file for each.

pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod cost;
pub(crate) mod deal;
pub(crate) mod distill;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod new;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod simulate;
pub(crate) mod train;
pub(crate) mod weights;

use anyhow::Result;
use clap::Subcommand;

use crate::terminal::Terminal;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::CheckArguments),
    Fmt(fmt::FmtArguments),
    Compile(compile::CompileArguments),
    Inspect(inspect::InspectArguments),
    Cost(cost::CostArguments),
    Simulate(simulate::SimulateArguments),
    Run(Box<run::RunArguments>),
    Deal(Box<deal::DealArguments>),
    Train(Box<train::TrainArguments>),
    Search(Box<search::SearchArguments>),
    Distill(Box<distill::DistillArguments>),
    New(new::NewArguments),
    Weights(weights::WeightsArguments),
    Explain(explain::ExplainArguments),
    Keygen(keygen::KeygenArguments),
    Calibrate(calibrate::CalibrateArguments),
    Bench(bench::BenchArguments),
    /// A role of a local run, started by `run`.
    #[command(hide = true)]
    RoleProcess {
        /// Which one, for whoever lists processes.
        role: String,
    },
}

/// Runs a command.
pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<()> {
    match command {
        Command::Bench(arguments) => bench::run(arguments, terminal),
        Command::Calibrate(arguments) => calibrate::run(arguments, terminal),
        Command::Check(arguments) => check::run(arguments, terminal),
        Command::Fmt(arguments) => fmt::run(arguments, terminal),
        Command::Compile(arguments) => compile::run(arguments, terminal),
        Command::Inspect(arguments) => inspect::run(arguments, terminal),
        Command::Cost(arguments) => cost::run(arguments, terminal),
        Command::Simulate(arguments) => simulate::run(arguments, terminal),
        Command::Run(arguments) => run::run(arguments, terminal),
        Command::Deal(arguments) => deal::run(arguments, terminal),
        Command::Train(arguments) => train::run(arguments, terminal),
        Command::Search(arguments) => search::run(arguments, terminal),
        Command::Distill(arguments) => distill::run(arguments, terminal),
        Command::RoleProcess { .. } => run::role_process::run(),
        Command::New(arguments) => new::run(arguments, terminal),
        Command::Weights(arguments) => weights::run(arguments, terminal),
        Command::Explain(arguments) => explain::run(arguments, terminal),
        Command::Keygen(arguments) => keygen::run(arguments, terminal),
    }
}
