//! Labelled texts: one text, or two that belong together, on each line of a file.
//!
//! A `.tsv` file has `LABEL<tab>TEXT` or `LABEL<tab>TEXT<tab>TEXT` on a line, with no quoting, and may begin with the
//! line `label<tab>text`. A `.jsonl` file has an object with `label`, `text` and perhaps `text2` on a line.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use mpcc_compiler::shown::shown;
use serde::Deserialize;

use super::DataError;

/// Labelled texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    /// Names of the classes; a label is a position here. Whole numbers are in their order, other names in theirs.
    pub classes: Vec<String>,
    /// The texts, in the order of the file.
    pub rows: Vec<Text>,
}

/// One text or a pair of texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// Its class.
    pub label: usize,
    /// The text, or the first of two.
    pub text: String,
    /// The second text. All rows of a file have one, or none has.
    pub second: Option<String>,
}

/// The splits of a data set of texts, all of the same classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDataset {
    /// Texts to train on.
    pub train: Texts,
    /// Texts to choose by.
    pub dev: Option<Texts>,
    /// Texts to test on.
    pub test: Option<Texts>,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} texts in {} classes", self.rows.len(), self.classes.len())
    }
}

/// Reads `train`, `dev` and `test` of a directory, each a `.tsv` or `.jsonl` file. Classes are those of the texts to train
/// on.
///
/// # Errors
/// If there is nothing to train on, a split has two files, a line is no labelled text, a class of another split is not
/// trained on, or some rows are pairs and others are not.
pub fn open(dir: &Path) -> Result<TextDataset, DataError> {
    if !dir.is_dir() {
        return Err(DataError::NotADirectory { path: dir.into() });
    }
    let Some(train) = split(dir, "train")? else { return Err(DataError::NoTexts { path: dir.into() }) };
    let rows = lines(&train)?;
    let classes = classes(&rows);
    let pairs = rows.first().is_some_and(|row| row.second.is_some());
    let other = |name| -> Result<Option<Texts>, DataError> {
        let Some(path) = split(dir, name)? else { return Ok(None) };
        numbered(lines(&path)?, &classes, pairs, &path).map(Some)
    };
    let (dev, test) = (other("dev")?, other("test")?);
    Ok(TextDataset { train: numbered(rows, &classes, pairs, &train)?, dev, test })
}

/// A row before classes are numbered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(skip)]
    line: usize,
    label: Label,
    text: String,
    #[serde(rename = "text2")]
    second: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    Number(i64),
    Name(String),
}

impl Label {
    fn name(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}

/// The file of a split, if there is one.
fn split(dir: &Path, name: &str) -> Result<Option<PathBuf>, DataError> {
    let files = ["tsv", "jsonl"].map(|extension| dir.join(format!("{name}.{extension}")));
    let [first, second] = files;
    match (first.is_file(), second.is_file()) {
        (true, true) => Err(DataError::Twice { first, second }),
        (true, false) => Ok(Some(first)),
        (false, true) => Ok(Some(second)),
        (false, false) => Ok(None),
    }
}

/// All rows of a file.
fn lines(path: &Path) -> Result<Vec<Row>, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::Io { path: path.into(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let reason = format!("byte {} is not UTF-8; save it in UTF-8", error.utf8_error().valid_up_to());
        DataError::File { path: path.into(), reason }
    })?;
    let tabs = path.extension().is_some_and(|extension| extension == "tsv");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if tabs && number == 0 && (line == "label\ttext" || line.starts_with("label\ttext\t")) {
            continue;
        }
        let row = if tabs { separated(line) } else { object(line) };
        let row =
            row.and_then(filled).map_err(|reason| DataError::Line { path: path.into(), line: number + 1, reason })?;
        rows.push(Row { line: number + 1, ..row });
    }
    if rows.is_empty() {
        return Err(DataError::File { path: path.into(), reason: "it holds no texts".into() });
    }
    Ok(rows)
}

fn separated(line: &str) -> Result<Row, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let (label, text, second) = match fields[..] {
        [label, text] => (label, text, None),
        [label, text, second] => (label, text, Some(second.to_owned())),
        _ => {
            return Err(format!(
                "a label, a tab and a text are expected, or another tab and text; there are {} fields",
                fields.len()
            ));
        }
    };
    Ok(Row { line: 0, label: Label::Name(label.trim().to_owned()), text: text.to_owned(), second })
}

fn object(line: &str) -> Result<Row, String> {
    serde_json::from_str(line).map_err(|error| {
        let (at, what) = (error.column(), error.classify());
        let problem = match what {
            serde_json::error::Category::Data => "has other fields or values",
            _ => "is no JSON",
        };
        format!("it {problem} at column {at}; an object with `label`, `text` and perhaps `text2` is expected")
    })
}

fn filled(row: Row) -> Result<Row, String> {
    let empty = |text: &str| text.trim().is_empty();
    if empty(&row.label.name()) {
        return Err("the label is empty".into());
    }
    if empty(&row.text) || row.second.as_deref().is_some_and(empty) {
        return Err("a text is empty".into());
    }
    Ok(row)
}

/// Names of all labels.
fn classes(rows: &[Row]) -> Vec<String> {
    let names: BTreeSet<String> = rows.iter().map(|row| row.label.name()).collect();
    let mut names: Vec<String> = names.into_iter().collect();
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or(i64::MAX));
    }
    names
}

/// The rows with numbers for labels.
fn numbered(rows: Vec<Row>, classes: &[String], pairs: bool, path: &Path) -> Result<Texts, DataError> {
    let wrong = |line, reason| DataError::Line { path: path.into(), line, reason };
    let number = |row: Row| {
        let name = row.label.name();
        let Some(label) = classes.iter().position(|class| *class == name) else {
            return Err(wrong(row.line, format!("no text to train on has the label `{}`", shown(&name))));
        };
        if row.second.is_some() != pairs {
            let reason = "either every line has two texts or none has, in all files of a data set";
            return Err(wrong(row.line, reason.into()));
        }
        Ok(Text { label, text: row.text, second: row.second })
    };
    let rows = rows.into_iter().map(number).collect::<Result<_, _>>()?;
    Ok(Texts { classes: classes.to_vec(), rows })
}

#[cfg(test)]
mod tests;
