//! The command line `mpcc`: parses arguments, runs one command, and ends with its exit status.

#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod declared;
mod diagnostics;
mod encoded;
mod estimate;
mod examples;
mod expect;
mod failure;
mod files;
mod machine;
mod model;
mod outputs;
mod planning;
mod progress;
mod ranges;
mod report;
mod source;
mod terminal;
mod training;

use std::panic;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::terminal::Terminal;

fn main() -> ExitCode {
    failure::report_panics();
    let arguments = Arguments::parse();
    let terminal = Terminal::new(&arguments.global);
    let run = || {
        mpcc_kernels::level::allowed()?;
        mpcc_kernels::threads::asked()?;
        commands::run(&arguments.command, &terminal)
    };
    let status = match panic::catch_unwind(run) {
        Ok(Ok(())) => failure::DONE,
        Ok(Err(error)) => failure::report(&error, &terminal),
        Err(_) => failure::report_bug(&terminal),
    };
    ExitCode::from(if failure::panicked() { failure::BUG } else { status })
}
