//! Collecting diagnostics: each mistake once, in source order, with names suggested by edit distance.

use hashbrown::HashSet;
use mpcc_grammar::ast::Span;
use mpcc_grammar::{Diagnostic, Label, MOST_COLLECTED, MOST_SHOWN, Severity};

use crate::library;

/// Names among which a suggestion is looked for.
const MOST_CANDIDATES: usize = 1000;
/// Characters of a library's line that a message quotes.
const QUOTED: usize = 60;

/// A diagnostic being written; its first label is the primary one.
pub(super) struct Draft(Diagnostic);

/// Starts an error.
pub(super) fn error(code: &'static str, message: impl Into<String>) -> Draft {
    Draft(Diagnostic::error(code, message))
}

/// Starts a warning.
pub(super) fn warning(code: &'static str, message: impl Into<String>) -> Draft {
    Draft(Diagnostic::warning(code, message))
}

impl Draft {
    /// Points at source text.
    pub(super) fn at(self, span: Span, text: impl Into<String>) -> Self {
        Self(self.0.label(span, text))
    }

    /// Adds a line of advice.
    pub(super) fn help(self, text: impl Into<String>) -> Self {
        Self(self.0.help(text))
    }

    /// Adds `did you mean` if a candidate is close to `name`.
    pub(super) fn suggest<'c>(self, name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Self {
        match closest(name, candidates) {
            Some(candidate) => self.help(format!("did you mean `{candidate}`?")),
            None => self,
        }
    }

    /// Says of places in the standard library what stands there, and points at the model's call of it instead.
    pub(super) fn outside_library(mut self, call: Option<&(String, Span)>) -> Self {
        if !self.0.labels.iter().any(|label| library::holds(label.span)) {
            return self;
        }
        let primary_inside = self.0.labels.first().is_some_and(|label| library::holds(label.span));
        let (inside, outside): (Vec<Label>, Vec<Label>) =
            std::mem::take(&mut self.0.labels).into_iter().partition(|label| library::holds(label.span));
        self.0.labels = outside;
        if let Some((name, span)) = call
            && self.0.labels.iter().all(|label| label.span != *span)
        {
            let at = if primary_inside { 0 } else { self.0.labels.len() };
            self.0.labels.insert(at, Label { span: *span, text: format!("in this call of `{name}`") });
        }
        for label in inside {
            let Some(text) = library::text_at(label.span) else { continue };
            if library::definition(&text).is_some() {
                self = self.help(format!("`{text}` is in the standard library: `mpcc explain {text}`"));
                continue;
            }
            let quoted: String = text.chars().take(QUOTED).collect();
            let rest = if quoted.len() < text.len() { " …" } else { "" };
            self = self.help(format!("`{quoted}{rest}` in the standard library: {}", label.text));
        }
        self
    }

    pub(super) fn code(&self) -> &'static str {
        self.0.code
    }
}

/// All diagnostics so far.
#[derive(Default)]
pub(super) struct Report {
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    seen: HashSet<(&'static str, Option<Span>, Option<String>)>,
}

impl Report {
    /// Records a diagnostic, unless the same one was recorded for the same place (an unrolled loop, a function called twice).
    pub(super) fn emit(&mut self, draft: Draft) {
        let Draft(diagnostic) = draft;
        let place = diagnostic.primary();
        let message = place.is_none().then(|| diagnostic.message.clone());
        let error = diagnostic.severity == Severity::Error;
        let count = if error { &mut self.errors } else { &mut self.warnings };
        if *count < MOST_COLLECTED && self.seen.insert((diagnostic.code, place, message)) {
            *count += 1;
            self.diagnostics.push(diagnostic);
        }
    }

    /// How many names are looked through for a suggestion: none once nobody will see it.
    pub(super) fn most_candidates(&self) -> usize {
        if self.errors < MOST_SHOWN { MOST_CANDIDATES } else { 0 }
    }

    /// The warnings if there is no error, else the errors; both in source order.
    pub(super) fn finish(self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let (mut errors, mut warnings): (Vec<_>, Vec<_>) =
            self.diagnostics.into_iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
        let place = |diagnostic: &Diagnostic| (diagnostic.primary(), diagnostic.code);
        errors.sort_by_key(place);
        warnings.sort_by_key(place);
        if errors.is_empty() { Ok(warnings) } else { Err(errors) }
    }
}

/// The candidate with the fewest edits from `name`, if that is at most a third of its length, rounded down.
pub(super) fn closest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = name.chars().count() / 3;
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && candidate.len().abs_diff(name.len()) <= 4 * limit)
        .map(|candidate| (edits(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, swaps of neighbours counted as one edit.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best.min(table[i - 2][j - 2] + 1)
                } else {
                    best
                }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_suggested_and_far_ones_are_not() {
        let names = ["relu", "recip", "gelu", "split_heads"];
        assert_eq!(closest("rleu", names), Some("relu"));
        assert_eq!(closest("split_head", names), Some("split_heads"));
        assert_eq!(closest("softmax", names), None);
        assert_eq!(closest("relu", ["relu"]), None);
    }

    #[test]
    fn one_mistake_in_an_unrolled_loop_is_reported_once() {
        let mut report = Report::default();
        let span = Span { start: 3, end: 5 };
        for _ in 0..7 {
            report.emit(error("E0502", "shapes differ").at(span, "here"));
        }
        assert_eq!(report.finish().expect_err("an error was emitted").len(), 1);
    }
}
