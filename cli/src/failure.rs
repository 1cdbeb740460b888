//! From an error to a message and an exit status.
//!
//! Errors travel as [`anyhow::Error`]; their type decides the status, here and nowhere else. What has no other
//! status is wrong source, weights or input.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use mpcc_channel::{IdentityError, LinkError, ProfileError};
use mpcc_grammar::Diagnostic;
use mpcc_kernels::level::UnknownLevel;
use mpcc_kernels::threads::NoNumber;
use mpcc_program::shown;
use mpcc_runtime::SessionError;
use serde::Serialize;
use thiserror::Error;

use crate::diagnostics;
use crate::terminal::Terminal;

/// Done.
pub const DONE: u8 = 0;
/// The source, the weights or an input are wrong.
pub const WRONG_INPUT: u8 = 1;
/// Wrong usage.
pub const USAGE: u8 = 2;
/// A link was lost, timed out or could not be made.
pub const LINK_LOST: u8 = 4;
/// An answer is withheld: a value was outside the range that the program checks.
pub const WITHHELD: u8 = 6;
/// A bug in mpcc.
pub const BUG: u8 = 70;
/// Ctrl-C, or a request to terminate.
pub const INTERRUPTED: u8 = 130;

/// Arguments that clap cannot refuse by itself.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A mistake of this program that was noticed.
#[derive(Debug, Error)]
#[error("{0}; this is a bug in mpcc, please report it")]
pub struct Bug(pub String);

/// An error of another process, with its status.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct Relayed {
    /// How that process ended.
    pub status: u8,
    /// What it said.
    pub message: String,
}

/// Ctrl-C, or a request to terminate.
#[derive(Debug, Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Everything was said already; only the status is left.
#[derive(Debug, Error)]
#[error("exit status {0}")]
pub struct Said(pub u8);

/// A source file with errors.
#[derive(Debug, Error)]
#[error("{}", diagnostics::summary(.diagnostics, .file))]
pub struct SourceErrors {
    /// As named on the command line.
    pub file: String,
    /// Its text.
    pub source_text: String,
    /// What is wrong, and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// The exit status of an error.
pub fn status(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Usage>()
            || cause.is::<ProfileError>()
            || cause.is::<IdentityError>()
            || cause.is::<UnknownLevel>()
            || cause.is::<NoNumber>()
        {
            return USAGE;
        }
        if cause.is::<Bug>() {
            return BUG;
        }
        if let Some(Said(status)) = cause.downcast_ref() {
            return *status;
        }
        if let Some(relayed) = cause.downcast_ref::<Relayed>() {
            return relayed.status;
        }
        if cause.is::<Interrupted>() {
            return INTERRUPTED;
        }
        if let Some(session) = cause.downcast_ref::<SessionError>() {
            return session.exit_code();
        }
        if let Some(link) = cause.downcast_ref::<LinkError>() {
            return link.exit_class().status();
        }
    }
    WRONG_INPUT
}

/// The causes from the outermost in, each said once: many errors already name what caused them.
pub fn chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.is_empty() {
            true => cause,
            false if said.contains(&cause) => said,
            false => format!("{said}: {cause}"),
        }
    })
}

#[derive(Serialize)]
struct ErrorReport<'a> {
    schema: &'static str,
    status: u8,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<diagnostics::Record>,
}

/// Says what is wrong, once, and returns the exit status.
pub fn report(error: &anyhow::Error, terminal: &Terminal) -> u8 {
    let status = status(error);
    if error.is::<Said>() {
        return status;
    }
    let mut records = Vec::new();
    if let Some(source) = error.downcast_ref::<SourceErrors>() {
        terminal.drawn(&source.drawn(terminal));
        records = diagnostics::records(&source.diagnostics, &source.source_text);
    }
    let message = chain(error);
    terminal.message(&format!("error: {message}"));
    json(terminal, status, &message, records);
    status
}

/// After a panic, whose message the hook has shown.
pub fn report_bug(terminal: &Terminal) -> u8 {
    json(terminal, BUG, "mpcc has a bug; standard error has the details", Vec::new());
    BUG
}

fn json(terminal: &Terminal, status: u8, message: &str, diagnostics: Vec<diagnostics::Record>) {
    if terminal.json() {
        let report = ErrorReport { schema: "mpcc.error/1", status, message, diagnostics };
        // The status says it too if standard output is gone.
        let _ = terminal.result(&report, String::new);
    }
}

impl SourceErrors {
    fn drawn(&self, terminal: &Terminal) -> String {
        diagnostics::drawn(&self.diagnostics, &self.source_text, &self.file, terminal.error_colour())
    }
}

static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether any thread has panicked.
pub fn panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// Makes panics ask for a report, once, without a backtrace.
pub fn report_panics() {
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        if PANICKED.swap(true, Ordering::SeqCst) {
            return;
        }
        let what = shown::lines(info.payload_as_str().unwrap_or("no message"));
        let place = info.location().map_or_else(String::new, |l| format!(" ({}:{})", l.file(), l.line()));
        let version = env!("CARGO_PKG_VERSION");
        let repository = env!("CARGO_PKG_REPOSITORY");
        eprintln!(
            "error: this is a bug in mpcc {version}, not a mistake of yours: {what}{place}\n\
             please report this text and the command at {repository}/issues"
        );
    }));
}
