//! The commands, one file for each.

pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod compile;
pub(crate) mod cost;
pub(crate) mod deal;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod new;
pub(crate) mod pair;
pub(crate) mod run;
pub(crate) mod simulate;
pub(crate) mod studies;
pub(crate) mod weights;

use anyhow::Result;
use clap::Subcommand;
use mpcc_cli::terminal::Terminal;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::CheckArguments),
    Fmt(fmt::FmtArguments),
    Compile(compile::CompileArguments),
    Inspect(inspect::InspectArguments),
    Cost(cost::CostArguments),
    Compare(Box<compare::CompareArguments>),
    Simulate(simulate::SimulateArguments),
    Run(Box<run::RunArguments>),
    Deal(Box<deal::DealArguments>),
    Pair(Box<pair::PairArguments>),
    /// Train a model in the clear, on the graph that is compiled.
    #[command(disable_help_flag = true)]
    Train(studies::StudyArguments),
    /// Search which attention function each head or token uses.
    #[command(disable_help_flag = true)]
    Search(studies::StudyArguments),
    /// Train a student that follows a teacher.
    #[command(disable_help_flag = true)]
    Distill(studies::StudyArguments),
    New(new::NewArguments),
    Weights(weights::WeightsArguments),
    Explain(explain::ExplainArguments),
    Keygen(keygen::KeygenArguments),
    Calibrate(calibrate::CalibrateArguments),
    /// Measure whole networks in local sessions, or make published tables again.
    #[command(disable_help_flag = true)]
    Bench(studies::StudyArguments),
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
        Command::Train(_) | Command::Search(_) | Command::Distill(_) | Command::Bench(_) => studies::run(),
        Command::Calibrate(arguments) => calibrate::run(arguments, terminal),
        Command::Check(arguments) => check::run(arguments, terminal),
        Command::Fmt(arguments) => fmt::run(arguments, terminal),
        Command::Compile(arguments) => compile::run(arguments, terminal),
        Command::Inspect(arguments) => inspect::run(arguments, terminal),
        Command::Cost(arguments) => cost::run(arguments, terminal),
        Command::Compare(arguments) => compare::run(arguments, terminal),
        Command::Simulate(arguments) => simulate::run(arguments, terminal),
        Command::Run(arguments) => run::run(arguments, terminal),
        Command::Deal(arguments) => deal::run(arguments, terminal),
        Command::Pair(arguments) => pair::run(arguments, terminal),
        Command::RoleProcess { .. } => run::role_process::run(),
        Command::New(arguments) => new::run(arguments, terminal),
        Command::Weights(arguments) => weights::run(arguments, terminal),
        Command::Explain(arguments) => explain::run(arguments, terminal),
        Command::Keygen(arguments) => keygen::run(arguments, terminal),
    }
}
