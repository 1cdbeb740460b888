//! One file per command.

pub(crate) mod check;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod keygen;

use anyhow::Result;

use crate::arguments::Command;
use crate::terminal::Terminal;

/// Runs a command.
pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<()> {
    match command {
        Command::Check(arguments) => check::run(arguments, terminal),
        Command::Fmt(arguments) => fmt::run(arguments, terminal),
        Command::Explain(arguments) => explain::run(arguments, terminal),
        Command::Keygen(arguments) => keygen::run(arguments, terminal),
    }
}
