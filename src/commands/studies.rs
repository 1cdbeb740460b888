//! The commands of `mpcc-studies`, which `mpcc` starts: what is typed goes there as it is.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;
use mpcc_cli::failure::Usage;
use mpcc_cli::started;

/// The program.
const STUDIES: &str = "mpcc-studies";

/// Whatever follows the command's name.
#[derive(Args, Debug)]
pub(crate) struct StudyArguments {
    /// Options and arguments of the command; `--help` lists them.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<OsString>,
}

/// Starts the other program with the arguments of this one, in its place where the system can.
pub(crate) fn run() -> Result<()> {
    let Some(mut command) = started::other(STUDIES) else {
        return Err(Usage(format!(
            "training, search, distillation and benchmarks are in {STUDIES}, which is not installed beside mpcc: \
             `cargo install --path studies`, or `cargo build --release --workspace` in a checkout"
        ))
        .into());
    };
    command.args(env::args_os().skip(1));
    instead(command)
}

#[cfg(unix)]
fn instead(mut command: Command) -> Result<()> {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    bail!("cannot start {STUDIES}: {error}")
}

#[cfg(not(unix))]
fn instead(mut command: Command) -> Result<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(mpcc_cli::failure::Said(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)).into())
        }
        Err(error) => bail!("cannot start {STUDIES}: {error}"),
    }
}
