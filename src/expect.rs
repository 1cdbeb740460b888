//! The program that a role means to run, by its hash.

use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use mpcc_compiler::artefact::Artefact;
use thiserror::Error;

/// The hash that the program must have.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ExpectOption {
    /// Refuse every program but the one with this hash, before weights or inputs are read. Its own compilation, or
    /// `mpcc inspect MODEL.mpca --source MODEL.mpv`, is where the owner of a secret gets it from.
    #[arg(long, value_name = "HASH")]
    expect: Option<ProgramHash>,
}

/// Hash of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ProgramHash(String);

impl FromStr for ProgramHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match blake3::Hash::from_hex(text) {
            Ok(hash) => Ok(Self(hash.to_hex().to_string())),
            Err(_) => {
                Err("it is the 64 hexadecimal digits after `program` in what compile and inspect print".to_owned())
            }
        }
    }
}

/// Another program than expected.
#[derive(Debug, Error)]
#[error(
    "the program is {found} and not the expected {expected}: nothing was read but the program; find out what differs with `mpcc inspect MODEL.mpca --source MODEL.mpv`"
)]
struct OtherProgram {
    found: String,
    expected: String,
}

impl ExpectOption {
    /// Refuses another program than the expected one.
    pub(crate) fn check(&self, artefact: &Artefact) -> Result<()> {
        let found = &artefact.manifest.program;
        match &self.expect {
            Some(ProgramHash(expected)) if expected != found => {
                Err(OtherProgram { found: found.clone(), expected: expected.clone() }.into())
            }
            _ => Ok(()),
        }
    }
}
