//! What can be written on the command line: the options of every command, and the list of commands.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    bench, calibrate, check, compile, cost, deal, distill, explain, fmt, inspect, keygen, new, run, search, simulate,
    train, weights,
};

/// Private inference: a compiler and runtime for transformers that compute on secret shares.
///
/// A model file (.mpv) is compiled into a share program. A model owner with trained weights, a data owner with an
/// input and a dealer of random masks run it together; only the data owner learns the result, and nobody else's
/// secret.
#[derive(Debug, Parser)]
#[command(name = "mpcc", version, after_help = EXIT_STATUS, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
  0   done
  1   the source, the weights or an input are wrong; the message says where
  2   wrong usage
  3   the peer or the dealer disagrees or misbehaved
  4   a link was lost, timed out or could not be made
  5   correlated randomness is exhausted or was already used
  70  a bug in mpcc: please report the text
  130 interrupted";

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Write one JSON object to standard output, and nothing else there.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColourChoice::Auto)]
    pub(crate) color: ColourChoice,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

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
