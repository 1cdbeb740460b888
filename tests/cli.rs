//! The command line from outside: what it prints, what it writes, and how it ends when something is wrong.

#[path = "cli/bad_files.rs"]
mod bad_files;
#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/deal.rs"]
mod deal;
#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/example.rs"]
mod example;
#[path = "cli/families.rs"]
mod families;
#[path = "cli/machines.rs"]
mod machines;
#[path = "../compiler/import/tests/import/networks.rs"]
mod networks;
#[path = "cli/new.rs"]
mod new;
#[path = "cli/pair.rs"]
mod pair;
#[cfg(unix)]
#[path = "cli/pair_broken.rs"]
mod pair_broken;
#[cfg(unix)]
#[path = "cli/paths.rs"]
mod paths;
#[path = "cli/ranges.rs"]
mod ranges;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/sessions.rs"]
mod sessions;
#[cfg(unix)]
#[path = "cli/started.rs"]
mod started;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/text.rs"]
mod text;
#[path = "../compiler/import/tests/import/torch.rs"]
mod torch;
#[path = "cli/trust.rs"]
mod trust;
#[path = "cli/weights.rs"]
mod weights;

use std::path::PathBuf;
use std::time::Duration;

/// Every command must have ended by then, well before any time-out of its own.
const LIMIT: Duration = Duration::from_secs(10);

/// The command line.
fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_mpcc").into()
}
