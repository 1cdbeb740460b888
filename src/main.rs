//! The command line `mpcc`: parses arguments, runs one command, and ends with its exit status.

#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod expect;

use std::process::ExitCode;

use clap::Parser;
use mpcc_cli::started;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    started::to_end(&arguments.global, |terminal| commands::run(&arguments.command, terminal))
}
