//! The part of a source that a diagnostic is drawn with: the lines around its places, and of long lines a piece.
//!
//! Other lines are left empty, so that line numbers stay right. What is drawn is short whatever the source holds.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::ast::Span;

/// Lines kept around a place.
const CONTEXT: usize = 5;
/// Lines that a place may cover; of a longer one the first is marked.
const MOST_LINES: usize = 12;
/// Bytes of a line that is shown whole.
const LINE: usize = 200;
/// Bytes shown before the place in a line that is not.
const BEFORE: usize = 60;

/// The nearest place of a character at or before `offset`.
pub(super) fn floor_boundary(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Where the lines of a source begin.
#[derive(Clone, Debug)]
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// Of a source.
    pub fn of(source: &str) -> Self {
        Self { starts: std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect() }
    }

    /// The line of a byte, counted from 0.
    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// Line and column of a byte offset, both counted from 1, the column in characters.
    ///
    /// An offset past the end counts as the end; one inside a character as that character.
    pub fn line_column(&self, source: &str, offset: usize) -> (usize, usize) {
        let offset = floor_boundary(source, offset);
        let line = self.line(offset);
        (line + 1, source[self.starts[line]..offset].chars().count() + 1)
    }

    /// The text of a line without its end.
    fn text<'s>(&self, source: &'s str, line: usize) -> (usize, &'s str) {
        let start = self.starts[line];
        let end = self.starts.get(line + 1).map_or(source.len(), |next| next - 1);
        (start, &source[start..end])
    }
}

/// What is drawn, and where each place is in it: start and length. A source for the library that draws.
#[derive(Debug)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) places: Vec<(usize, usize)>,
    /// The column of each place in the whole line.
    columns: Vec<usize>,
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        // A place by itself is read to say where it is.
        let place = self.places.iter().position(|place| *place == (span.offset(), span.len()));
        let column = place.filter(|_| before == 0 && after == 0).map_or(read.column(), |at| self.columns[at]);
        let (data, shown, line, count) = (read.data(), *read.span(), read.line(), read.line_count());
        Ok(Box::new(MietteSpanContents::new(data, shown, line, column, count)))
    }
}

/// A line of the excerpt: which bytes of the source it shows, and where.
struct Shown {
    line: usize,
    from: usize,
    to: usize,
    at: usize,
}

/// The excerpt for places in a source.
pub(super) fn excerpt(source: &str, lines: &Lines, spans: &[Span]) -> Excerpt {
    let clamped: Vec<(usize, usize)> = spans.iter().map(|span| clamped(source, lines, *span)).collect();
    let mut wanted: Vec<usize> = Vec::new();
    for (start, end) in &clamped {
        let (first, last) = (lines.line(*start), lines.line(*end));
        wanted.extend(first.saturating_sub(CONTEXT)..=(last + CONTEXT).min(lines.starts.len() - 1));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut text = String::new();
    let mut shown: Vec<Shown> = Vec::new();
    let mut next = 0;
    for line in wanted {
        (next..line).for_each(|_| text.push('\n'));
        next = line + 1;
        let (start, whole) = lines.text(source, line);
        let here = clamped.iter().map(|(at, _)| *at).find(|at| (start..=start + whole.len()).contains(at));
        let (from, to) = window(whole, here.map_or(0, |at| at - start));
        if from > 0 {
            text.push('…');
        }
        shown.push(Shown { line, from: start + from, to: start + to, at: text.len() });
        text.push_str(&whole[from..to]);
        if to < whole.len() {
            text.push('…');
        }
        if line + 1 < lines.starts.len() {
            text.push('\n');
        }
    }
    let place = |offset: usize| {
        let line = lines.line(offset);
        let at = shown.partition_point(|shown| shown.line < line).min(shown.len() - 1);
        let shown = &shown[at];
        shown.at + offset.clamp(shown.from, shown.to) - shown.from
    };
    let places = clamped.iter().map(|(start, end)| (place(*start), place(*end) - place(*start))).collect();
    let columns = clamped.iter().map(|(start, _)| lines.line_column(source, *start).1 - 1).collect();
    Excerpt { text, places, columns }
}

/// Start and end of a place inside the source, over few lines.
fn clamped(source: &str, lines: &Lines, span: Span) -> (usize, usize) {
    let start = floor_boundary(source, span.start);
    let end = floor_boundary(source, span.end.max(start));
    let first = lines.line(start);
    if lines.line(end) < first + MOST_LINES {
        return (start, end);
    }
    let (from, whole) = lines.text(source, first);
    (start, from + whole.len())
}

/// The bytes of a line that are shown.
fn window(line: &str, place: usize) -> (usize, usize) {
    if line.len() <= LINE {
        return (0, line.len());
    }
    let from = floor_boundary(line, place.saturating_sub(BEFORE));
    (from, floor_boundary(line, from + LINE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, spans: &[(usize, usize)]) -> (String, Vec<String>) {
        let spans: Vec<Span> = spans.iter().map(|(start, end)| Span { start: *start, end: *end }).collect();
        let excerpt = excerpt(source, &Lines::of(source), &spans);
        let marked = excerpt.places.iter().map(|(at, length)| excerpt.text[*at..at + length].to_owned()).collect();
        (excerpt.text, marked)
    }

    #[test]
    fn a_short_source_is_drawn_as_it_is() {
        for source in ["ab\ncd\n", "ab\ncd", "", "ü\r\nx\n"] {
            let (text, marked) = shown(source, &[(0, source.len())]);
            assert_eq!((text.as_str(), marked[0].as_str()), (source, source));
        }
    }

    #[test]
    fn lines_that_nobody_points_at_are_empty_and_keep_their_numbers() {
        let source: String = (0..30).map(|line| format!("line {line}\n")).collect();
        let at = source.find("line 20").expect("a line");
        let (text, marked) = shown(&source, &[(at, at + 7)]);
        assert_eq!(marked, ["line 20"]);
        assert_eq!(text.lines().nth(20), Some("line 20"));
        assert_eq!((text.lines().nth(14), text.lines().nth(15)), (Some(""), Some("line 15")));
        assert_eq!(text.lines().count(), 26);
    }

    #[test]
    fn a_long_line_is_cut_around_its_place_and_a_long_place_to_its_first_line() {
        let source = format!("{}here{}\n", "ü".repeat(50_000), "y".repeat(100_000));
        let at = source.find("here").expect("a word");
        let (text, marked) = shown(&source, &[(at, at + 4), (at, source.len() - 1)]);
        assert!(text.len() < 250 && text.starts_with('…') && text.ends_with("…\n"), "{text}");
        assert_eq!(marked[0], "here");
        assert!(marked[1].starts_with("herey") && marked[1].len() < LINE, "{}", marked[1]);
        let tall = "x\n".repeat(1000);
        let (text, marked) = shown(&tall, &[(0, tall.len())]);
        assert_eq!((text.as_str(), marked[0].as_str()), ("x\nx\nx\nx\nx\nx\n", "x"));
    }
}
