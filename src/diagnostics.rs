//! Diagnostics of a source file as records for programs and as a one-line summary.

use mpcc_grammar::ast::Span;
use mpcc_grammar::{Diagnostic, Lines, MOST_SHOWN, Severity};
use serde::Serialize;

/// One diagnostic, as JSON has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Record {
    severity: &'static str,
    code: &'static str,
    message: String,
    labels: Vec<LabelRecord>,
    help: Vec<String>,
}

/// A place: lines and columns count from 1, columns in characters, offsets in bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct LabelRecord {
    start: Position,
    end: Position,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Position {
    line: usize,
    column: usize,
    offset: usize,
}

/// Diagnostics as records, as many as are shown to people.
pub(crate) fn records(diagnostics: &[Diagnostic], source: &str) -> Vec<Record> {
    let lines = Lines::of(source);
    diagnostics.iter().take(MOST_SHOWN).map(|d| record(d, source, &lines)).collect()
}

fn record(diagnostic: &Diagnostic, source: &str, lines: &Lines) -> Record {
    let position = |offset: usize| {
        let (line, column) = lines.line_column(source, offset);
        Position { line, column, offset }
    };
    let place = |span: Span, text: &str| LabelRecord {
        start: position(span.start),
        end: position(span.end),
        text: text.to_owned(),
    };
    Record {
        severity: diagnostic.severity.as_str(),
        code: diagnostic.code,
        message: diagnostic.message.clone(),
        labels: diagnostic.labels.iter().map(|l| place(l.span, &l.text)).collect(),
        help: diagnostic.help.clone(),
    }
}

/// How many errors and warnings.
pub(crate) fn counts(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    (errors, diagnostics.len() - errors)
}

/// `2 errors and 1 warning in model.mpv`
pub(crate) fn summary(diagnostics: &[Diagnostic], file: &str) -> String {
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match counts(diagnostics) {
        (errors, 0) => format!("{} in {file}", plural(errors, "error")),
        (0, warnings) => format!("{} in {file}", plural(warnings, "warning")),
        (errors, warnings) => format!("{} and {} in {file}", plural(errors, "error"), plural(warnings, "warning")),
    }
}
