//! Files with an example in every line: texts, perhaps in pairs, and perhaps with the label that each should get.
//!
//! `.txt` has a text a line, or two with a tab between them. `.tsv` and `.csv` have columns that their first line names, `text` (or
//! `sentence`, `premise`, `question` and the like), a second one and `label` (or `answer`); a `.tsv` without names has the columns of a training
//! file, or one text or two. `.jsonl` has an object a line with the same names, or a string.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use serde_json::Value;

use super::InputError;

/// The longest file that is read: 64 MiB.
const LIMIT: u64 = 1 << 26;
/// Names of the column with the text, of the second, and of the label.
const TEXT: [&str; 9] =
    ["text", "sentence", "sentence1", "text1", "premise", "question", "question1", "review", "content"];
const SECOND: [&str; 7] = ["text2", "sentence2", "hypothesis", "question2", "second", "context", "passage"];
const LABEL: [&str; 6] = ["label", "labels", "class", "category", "target", "answer"];

/// What the lines of a file hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    Tsv,
    Csv,
    Json,
}

/// One example of a file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    /// The text, or two with a tab between them.
    pub(super) text: String,
    /// What it should be labelled.
    pub(super) label: Option<String>,
}

/// A line as it was read, before text and label are told apart.
struct Row {
    number: usize,
    cells: Vec<String>,
}

/// The text of a file.
fn text_of(path: &Path) -> Result<String, InputError> {
    let bytes = crate::file::read(path, LIMIT)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| InputError::Text { name: path.display().to_string(), reason: "is not UTF-8 text" })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn some(path: &Path, lines: Vec<Line>) -> Result<Vec<Line>, InputError> {
    if lines.is_empty() {
        return Err(InputError::Text { name: path.display().to_string(), reason: "holds no text" });
    }
    Ok(lines)
}

/// The lines of a `.txt` file that are not blank.
pub(super) fn plain(path: &Path) -> Result<Vec<Line>, InputError> {
    let text = text_of(path)?;
    let kept = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    some(path, kept.map(|(number, line)| Line { number, text: line.to_owned(), label: None }).collect())
}

/// The examples of a file of lines, for a model whose outputs have these labels.
pub(super) fn read(path: &Path, kind: Lines, labels: &[String]) -> Result<Vec<Line>, InputError> {
    let text = text_of(path)?;
    let name = if kind == Lines::Csv { "CSV" } else { "TSV" };
    let wrong = |reason: String| InputError::Format { path: path.into(), kind: name, reason };
    let lines = match kind {
        Lines::Json => objects(path, &text)?,
        Lines::Tsv | Lines::Csv => table(&text, kind == Lines::Tsv, labels).map_err(wrong)?,
    };
    some(path, lines)
}

/// Two texts as one argument has them; blanks inside are kept but for tabs and line ends.
fn joined(first: &str, second: Option<&str>) -> String {
    let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    match second {
        None => plain(first),
        Some(second) => format!("{}\t{}", plain(first), plain(second)),
    }
}

fn table(text: &str, tabs: bool, labels: &[String]) -> Result<Vec<Line>, String> {
    let mut reader = ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .quoting(!tabs)
        .has_headers(false)
        .flexible(true)
        .trim(if tabs { Trim::None } else { Trim::Headers })
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record: StringRecord = record.map_err(|error| error.to_string())?;
        let number = record.position().map_or(rows.len() + 1, |at| at.line() as usize);
        if record.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push(Row { number, cells: record.iter().map(str::to_owned).collect() });
        }
    }
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let place = |names: &[&str]| {
        let named = |cell: &String| names.contains(&cell.trim().to_lowercase().as_str());
        first.cells.iter().position(named)
    };
    let (columns, skipped) = match place(&TEXT) {
        Some(text) => ((text, place(&SECOND), place(&LABEL)), 1),
        None if !tabs => {
            return Err(format!(
                "its first line names no column with the text: name one `text`, not {:?}",
                first.cells.len()
            ));
        }
        None => {
            let labelled = rows.iter().all(|row| row.cells.len() > 1 && labels.contains(&row.cells[0]));
            let start = usize::from(labelled);
            let counts = rows.iter().map(|row| row.cells.len());
            let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
            if most > start + 2 || least != most {
                return Err(format!("some lines have {least} columns and others {most}: name them in the first line"));
            }
            ((start, (most > start + 1).then_some(start + 1), labelled.then_some(0)), 0)
        }
    };
    let (text, second, label) = columns;
    let line = |row: &Row| {
        let cell = |at: usize| row.cells.get(at).map(String::as_str).filter(|cell| !cell.trim().is_empty());
        let written = cell(text).ok_or_else(|| format!("line {} has no text", row.number))?;
        let label = label.and_then(cell).map(|label| label.trim().to_owned());
        Ok(Line { number: row.number, text: joined(written, second.and_then(cell)), label })
    };
    rows.iter().skip(skipped).map(line).collect()
}

fn objects(path: &Path, text: &str) -> Result<Vec<Line>, InputError> {
    let wrong = |number: usize, reason: &str| InputError::Format {
        path: path.into(),
        kind: "JSONL",
        reason: format!("line {number} {reason}"),
    };
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line).map_err(|_| wrong(number, "is no JSON"))?;
        if let Some(text) = value.as_str() {
            lines.push(Line { number, text: joined(text, None), label: None });
            continue;
        }
        let field = |names: &[&str]| names.iter().find_map(|name| value.get(name));
        let first = field(&TEXT).and_then(Value::as_str).ok_or_else(|| wrong(number, "has no `text`"))?;
        // Questions have the answers that people gave, the first of which is meant.
        let answer = || value.pointer("/answers/text/0");
        let label = field(&LABEL).or_else(answer).map(|label| match label {
            Value::String(label) => label.clone(),
            other => other.to_string(),
        });
        let second = field(&SECOND).and_then(Value::as_str);
        lines.push(Line { number, text: joined(first, second), label });
    }
    Ok(lines)
}
