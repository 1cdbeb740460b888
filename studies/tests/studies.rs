//! The commands that compute in the clear, started by the command line as a user does.

#[path = "studies/bench.rs"]
mod bench;
#[path = "../../tests/cli/documents.rs"]
mod documents;
#[path = "studies/pareto.rs"]
mod pareto;
#[path = "studies/readme.rs"]
mod readme;
#[path = "studies/search.rs"]
mod search;
#[path = "../../tests/cli/support.rs"]
mod support;
#[path = "studies/training.rs"]
mod training;

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every command must have ended by then; some train, on cores that other tests share.
const LIMIT: Duration = Duration::from_secs(40);

/// The command line, which `cargo test --workspace` builds beside this crate's program.
fn program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_mpcc-studies")).with_file_name(format!("mpcc{EXE_SUFFIX}"))
}
