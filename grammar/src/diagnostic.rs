//! What the compiler has to say about a source text, and how it is shown.
//!
//! Every phase that reads `.mpv` reports through [`Diagnostic`]; [`render`] draws a batch of them
//! with the lines they point at.

mod excerpt;

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::ast::Span;
use excerpt::{Excerpt, excerpt};

pub use excerpt::Lines;

/// Diagnostics of a source that are shown; there may be more.
pub const MOST_SHOWN: usize = 100;
/// Diagnostics of a source that are collected.
pub const MOST_COLLECTED: usize = 1000;
/// Places and suggestions of a diagnostic that are shown.
const MOST_PLACES: usize = 8;
/// Characters of a message that are shown.
const MOST_CHARACTERS: usize = 400;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The program is wrong.
    Error,
    /// The program means something, perhaps not what was meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A place in the source and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty.
    pub text: String,
}

/// One finding. The first label is the primary one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}[{code}]: {message}", .severity.as_str())]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code of the table behind [`crate::explain`], such as `E0104`.
    pub code: &'static str,
    /// One line, without a full stop.
    pub message: String,
    /// The places it is about.
    pub labels: Vec<Label>,
    /// What to do about it, one suggestion per entry.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error with a registered code.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning with a registered code.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        debug_assert!(crate::explain(code).is_some(), "diagnostic code {code} is missing in codes.rs");
        Self { severity, code, message, labels: Vec::new(), help: Vec::new() }
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a suggestion.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// The primary place, if there is one.
    pub fn primary(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }
}

/// Draws the first diagnostics one after another, each with its source lines, and says how many more there are.
///
/// `file_name` is shown as given. Without `colour` the text holds no escape codes.
pub fn render(diags: &[Diagnostic], source: &str, file_name: &str, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
    let lines = Lines::of(source);
    let mut text = String::new();
    for diag in diags.iter().take(MOST_SHOWN) {
        let spans: Vec<Span> = diag.labels.iter().take(MOST_PLACES).map(|label| label.span).collect();
        let source = NamedSource::new(file_name, excerpt(source, &lines, &spans));
        let report = Report { diag, source };
        let mut drawn = String::new();
        if handler.render_report(&mut drawn, &report).is_err() {
            drawn = format!("{diag}\n");
        }
        if !text.is_empty() {
            text.push('\n');
        }
        for line in drawn.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    if diags.len() > MOST_SHOWN {
        text.push_str(&format!("\nand {} more\n", diags.len() - MOST_SHOWN));
    }
    text
}

/// The start of a text that may be of any length.
fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A diagnostic with its source, in the form miette draws.
#[derive(Debug)]
struct Report<'a> {
    diag: &'a Diagnostic,
    source: NamedSource<Excerpt>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(&self.diag.message))
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let severity = self.diag.severity.as_str();
        Some(Box::new(format!("{severity}[{}]", self.diag.code)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diag.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        if self.diag.help.is_empty() {
            return None;
        }
        let shown: Vec<String> = self.diag.help.iter().take(MOST_PLACES).map(|help| short(help)).collect();
        Some(Box::new(shown.join("\n")))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.diag.labels.is_empty() {
            return None;
        }
        Some(Box::new(self.diag.labels.iter().zip(&self.source.inner().places).enumerate().map(
            |(nth, (label, place))| {
                let span = SourceSpan::from(*place);
                let text = (!label.text.is_empty()).then(|| short(&label.text));
                if nth == 0 {
                    LabeledSpan::new_primary_with_span(text, span)
                } else {
                    LabeledSpan::new_with_span(text, span)
                }
            },
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let source = "ab\nüx\n";
        let line_column = |source: &str, offset| Lines::of(source).line_column(source, offset);
        assert_eq!(line_column(source, 0), (1, 1));
        assert_eq!(line_column(source, 2), (1, 3));
        assert_eq!(line_column(source, 3), (2, 1));
        assert_eq!(line_column(source, 4), (2, 1));
        assert_eq!(line_column(source, 5), (2, 2));
        assert_eq!(line_column(source, 99), (3, 1));
    }

    #[test]
    fn warnings_and_places_off_the_text_are_drawn() {
        let far = Span { start: 50, end: 60 };
        let diag = Diagnostic::warning("E0101", "odd").label(far, "there").help("one").help("two");
        assert_eq!(diag.to_string(), "warning[E0101]: odd");
        let drawn = render(&[diag.clone(), Diagnostic::error("E0102", "bare")], "short\n", "f.mpv", false);
        assert!(drawn.contains("warning[E0101]") && drawn.contains("error[E0102]"), "{drawn}");
        assert!(drawn.contains("one") && drawn.contains("two") && !drawn.contains('\u{1b}'), "{drawn}");
        assert!(render(&[diag], "short\n", "f.mpv", true).contains('\u{1b}'));
    }

    #[test]
    fn a_hundred_are_drawn_and_the_others_counted() {
        let diags: Vec<Diagnostic> = (0..250).map(|_| Diagnostic::error("E0101", "odd")).collect();
        let drawn = render(&diags, "", "f.mpv", false);
        assert_eq!(drawn.matches("odd").count(), MOST_SHOWN);
        assert!(drawn.ends_with("\nand 150 more\n"), "{drawn}");
    }

    /// The library that draws panics at columns that do not fit 16 bits.
    #[test]
    fn a_place_far_out_in_a_line_is_drawn_and_nothing_long_is() {
        let source = format!("{}oops{}", " ".repeat(100_000), "x".repeat(3_000_000));
        let far = Span { start: 100_000, end: 100_004 };
        let all = Span { start: 0, end: source.len() };
        let long = "y".repeat(1_000_000);
        let mut diag = Diagnostic::error("E0101", &long).label(far, &long).label(all, "all").help(&long);
        for _ in 0..1000 {
            diag = diag.label(far, "again");
        }
        let drawn = render(&[diag], &source, "f.mpv", false);
        assert!(drawn.contains("f.mpv:1:100001"), "{drawn}");
        assert!(drawn.contains("oops") && drawn.len() < 8_000, "{} bytes", drawn.len());
    }
}
