//! Diagnostics of a source file as records for programs and as a one-line summary.

use mpcc_grammar::ast::Span;
use mpcc_grammar::{Diagnostic, Label, Lines, MOST_SHOWN, Severity};
use mpcc_program::shown::{self, shown};
use serde::Serialize;

/// One diagnostic, as JSON has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
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

/// Diagnostics drawn with the lines that they point at. A source may be somebody else's: what a terminal would obey becomes as
/// many question marks as it has bytes, so that places stay.
pub fn drawn(diagnostics: &[Diagnostic], source: &str, file: &str, colour: bool) -> String {
    let mut text = String::with_capacity(source.len());
    for c in source.chars() {
        match c {
            '\n' | '\t' => text.push(c),
            _ if shown::is_plain(c) => text.push(c),
            _ => text.extend(std::iter::repeat_n('?', c.len_utf8())),
        }
    }
    let clean = |d: &Diagnostic| Diagnostic {
        message: shown::lines(&d.message),
        labels: d.labels.iter().map(|l| Label { span: l.span, text: shown::lines(&l.text) }).collect(),
        help: d.help.iter().map(|help| shown::lines(help)).collect(),
        ..d.clone()
    };
    let diagnostics: Vec<Diagnostic> = diagnostics.iter().map(clean).collect();
    mpcc_grammar::render(&diagnostics, &text, &shown(file).to_string(), colour)
}

/// Diagnostics as records, as many as are shown to people.
pub fn records(diagnostics: &[Diagnostic], source: &str) -> Vec<Record> {
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
pub fn counts(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    (errors, diagnostics.len() - errors)
}

/// `2 errors and 1 warning in model.mpv`
pub fn summary(diagnostics: &[Diagnostic], file: &str) -> String {
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match counts(diagnostics) {
        (errors, 0) => format!("{} in {file}", plural(errors, "error")),
        (0, warnings) => format!("{} in {file}", plural(warnings, "warning")),
        (errors, warnings) => format!("{} and {} in {file}", plural(errors, "error"), plural(warnings, "warning")),
    }
}
