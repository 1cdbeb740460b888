//! `mpcc keygen`: an identity for a real deployment.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_channel::Identity;
use mpcc_cli::terminal::Terminal;
use serde::Serialize;

/// Make an identity: a private key, its certificate, and the fingerprint that the peers must be told.
#[derive(Args, Debug)]
#[command(after_help = "\
Each party and the dealer makes its own identity on its own machine, and tells the others the fingerprint by a way \
that both trust. The key never leaves the directory.

Examples:
  mpcc keygen ~/.config/mpcc/identity")]
pub(crate) struct KeygenArguments {
    /// Where to put it; an identity that is there already is never overwritten.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    directory: String,
    fingerprint: String,
}

pub(crate) fn run(arguments: &KeygenArguments, terminal: &Terminal) -> Result<()> {
    let identity = Identity::generate()?;
    identity.save(&arguments.directory)?;
    let report = Report {
        schema: "mpcc.keygen/1",
        directory: arguments.directory.display().to_string(),
        fingerprint: identity.fingerprint().to_string(),
    };
    terminal.remark(&format!(
        "wrote key.pem (keep it secret), certificate.pem and fingerprint to {}; tell the peers this fingerprint:",
        report.directory
    ));
    Ok(terminal.result(&report, || format!("{}\n", report.fingerprint))?)
}
