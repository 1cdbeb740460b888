//! The command line `mpcc-studies`: training, search, distillation and benchmarks, which `mpcc` starts by their names.

#![forbid(unsafe_code)]

mod bench;
mod distill;
mod search;
mod train;
mod training;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use mpcc_cli::started::{self, EXIT_STATUS};
use mpcc_cli::terminal::{Global, Terminal};

/// What mpcc does in the clear: training, search of plans, distillation, and benchmarks.
#[derive(Debug, Parser)]
#[command(name = "mpcc", bin_name = "mpcc", version, after_help = EXIT_STATUS, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::TrainArguments>),
    Search(Box<search::SearchArguments>),
    Distill(Box<distill::DistillArguments>),
    Bench(Box<bench::BenchArguments>),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    started::to_end(&arguments.global, |terminal| run(&arguments.command, terminal))
}

fn run(command: &Command, terminal: &Terminal) -> Result<()> {
    match command {
        Command::Train(arguments) => train::run(arguments, terminal),
        Command::Search(arguments) => search::run(arguments, terminal),
        Command::Distill(arguments) => distill::run(arguments, terminal),
        Command::Bench(arguments) => bench::run(arguments, terminal),
    }
}
