//! A program from its start to its exit status, and the two programs that start one another.
//!
//! What prepares and studies networks in the clear is a program of its own, `mpcc-studies`, since most users never need the
//! tensor library in it, and since no process that holds keys should contain it. Each finds the other beside itself, else on
//! the path, and refuses one of another version.

use std::env::{self, consts::EXE_SUFFIX};
use std::panic;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::failure::{self, Usage};
use crate::terminal::{Global, Terminal};

/// Tells a program that was started the version of the one that started it.
const STARTED_BY: &str = "MPCC_STARTED_BY";

/// Exit statuses, as `--help` lists them.
pub const EXIT_STATUS: &str = "\
Exit status:
  0   done
  1   the source, the weights or an input are wrong; the message says where
  2   wrong usage
  3   the peer or the dealer disagrees or misbehaved
  4   a link was lost, timed out or could not be made
  5   correlated randomness is exhausted or was already used
  6   an answer is withheld: a value left the range that the program checks
  70  a bug in mpcc: please report the text
  130 interrupted";

/// Runs a command to its end, and says what went wrong.
pub fn to_end(global: &Global, command: impl FnOnce(&Terminal) -> Result<()>) -> ExitCode {
    failure::report_panics();
    let terminal = Terminal::new(global);
    let run = || {
        if let Some(version) = env::var_os(STARTED_BY).filter(|version| *version != *env!("CARGO_PKG_VERSION")) {
            let (this, version) = (env!("CARGO_PKG_VERSION"), version.display());
            return Err(
                Usage(format!("mpcc {version} started a program of mpcc {this}: install both of one version")).into()
            );
        }
        mpcc_kernels::level::allowed()?;
        mpcc_kernels::threads::asked()?;
        command(&terminal)
    };
    let status = match panic::catch_unwind(panic::AssertUnwindSafe(run)) {
        Ok(Ok(())) => failure::DONE,
        Ok(Err(error)) => failure::report(&error, &terminal),
        Err(_) => failure::report_bug(&terminal),
    };
    ExitCode::from(if failure::panicked() { failure::BUG } else { status })
}

/// The other program `name`, told the version of this one: beside this one, else on the path; `None` if it is not installed.
/// A folder of the path that is relative is passed over: what it is depends on where one stands.
pub fn other(name: &str) -> Option<Command> {
    let file = format!("{name}{EXE_SUFFIX}");
    let beside = env::current_exe().ok().and_then(|this| this.parent().map(Path::to_owned));
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let folders = beside.into_iter().chain(on_path.filter(|folder| folder.is_absolute()));
    let program = folders.map(|folder| folder.join(&file)).find(|path| path.is_file())?;
    let mut command = Command::new(program);
    command.env(STARTED_BY, env!("CARGO_PKG_VERSION"));
    Some(command)
}
