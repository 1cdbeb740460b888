//! What is named on a command line, as one example for each inference.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use mpcc_compiler::graph::Graph;

use super::expand::{expand_for, usable};
use super::{InputError, Kind, expand, lines};

/// Where the inputs of one inference come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Example {
    /// A file that gives all of them.
    File(PathBuf),
    /// A line of a file of texts. What it says is the data owner's secret, and neither shown nor logged.
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1; nothing if the file has one alone.
        number: Option<usize>,
        /// What it says.
        text: String,
        /// What it should be labelled.
        label: Option<String>,
    },
    /// A text of the command line. It is the data owner's secret, and neither shown nor logged.
    Text {
        /// Which one, from 1.
        number: usize,
        /// What it says.
        text: String,
    },
    /// A file for each input, by name.
    Named(Vec<(String, PathBuf)>),
}

impl Example {
    /// The file that gives all inputs, or holds the line that does.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Line { path, .. } => Some(path),
            Self::Text { .. } | Self::Named(_) => None,
        }
    }

    /// The label that a column of its file says it should get.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Line { label, .. } => label.as_deref(),
            Self::File(_) | Self::Text { .. } | Self::Named(_) => None,
        }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Line { path, number: None, .. } => write!(f, "{}", path.display()),
            Self::Line { path, number: Some(number), .. } => write!(f, "{}:{number}", path.display()),
            Self::Text { number, .. } => write!(f, "text {number}"),
            Self::Named(files) => {
                let one = |(name, path): &(String, PathBuf)| format!("{name}={}", path.display());
                write!(f, "{}", files.iter().map(one).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl fmt::Debug for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Example({self})")
    }
}

/// One example for each inference: every file and every file of a directory, every line of a file of texts, every text if the
/// model reads text, and one for all `NAME=FILE` together.
///
/// An argument is text if the model has a tokenizer, nothing of that name exists but perhaps a directory without inputs, and it does
/// not look like a path: it has blanks, or neither the extension of an input file nor a path's beginning, which may be a folder that is there.
///
/// # Errors
/// If a path cannot be read, holds no input, or names do not fit the model's inputs.
pub fn examples(arguments: &[OsString], graph: &Graph) -> Result<Vec<Example>, InputError> {
    let mut found = Vec::new();
    let mut named: Vec<(String, PathBuf)> = Vec::new();
    let mut texts = 0;
    let reads_text = graph.tokenizer.is_some();
    for argument in arguments {
        let path = Path::new(argument);
        let written = argument.to_str().filter(|text| !path.exists() || (reads_text && is_word_beside(text, path)));
        let blank = |file: &Path| reads_text && !file.exists() && file.to_string_lossy().contains(' ');
        let assigned = assignment(argument).filter(|(name, file)| is_name(name) && !path.exists() && !blank(file));
        match (assigned, written) {
            (Some((name, file)), _) if graph.inputs.iter().any(|input| input.name == name) => {
                if named.iter().any(|(other, _)| other == name) {
                    return Err(InputError::GivenTwice { name: name.to_owned() });
                }
                named.push((name.to_owned(), file));
            }
            (Some((name, _)), Some(text)) if !reads_text => {
                return Err(InputError::UnknownInput {
                    place: text.to_owned(),
                    name: name.to_owned(),
                    inputs: names(graph),
                });
            }
            (_, Some(text)) if reads_text && !looks_like_a_path(text) => {
                texts += 1;
                found.push(Example::Text { number: texts, text: text.to_owned() });
            }
            _ => {
                for path in expand_for(&[path.to_owned()], &|kind| usable(kind, graph))? {
                    within(path, graph, &mut found)?;
                }
            }
        }
    }
    match (found.first(), named.is_empty()) {
        (_, true) => {}
        (Some(example), false) => return Err(InputError::Mixed { argument: example.to_string() }),
        (None, false) => found.push(Example::Named(named)),
    }
    Ok(found)
}

/// Adds the examples in a file.
fn within(path: PathBuf, graph: &Graph, found: &mut Vec<Example>) -> Result<(), InputError> {
    let lines = match Kind::of(&path) {
        Some(_) if graph.tokenizer.is_none() => None,
        Some(Kind::Text) => Some(lines::plain(&path)?),
        Some(Kind::Lines(kind)) => {
            let labels: Vec<String> = graph.outputs.iter().flat_map(|output| output.labels.iter().cloned()).collect();
            Some(lines::read(&path, kind, &labels)?)
        }
        _ => None,
    };
    match lines {
        None => found.push(Example::File(path)),
        Some(lines) => {
            let several = lines.len() > 1;
            found.extend(lines.into_iter().map(|line| Example::Line {
                path: path.clone(),
                number: several.then_some(line.number),
                text: line.text,
                label: line.label,
            }));
        }
    }
    Ok(())
}

/// Whether an argument is a word and only happens to be the name of a directory that holds no inputs.
fn is_word_beside(text: &str, path: &Path) -> bool {
    let plain = !text.contains(['/', '.', '~']);
    plain && path.is_dir() && matches!(expand(&[path.to_owned()]), Err(InputError::EmptyDirectory { .. }))
}

/// Names of a graph's inputs.
pub(super) fn names(graph: &Graph) -> Vec<String> {
    graph.inputs.iter().map(|input| input.name.clone()).collect()
}

/// `NAME=FILE`, where the name of a file need not be text.
#[cfg(unix)]
fn assignment(argument: &OsStr) -> Option<(&str, PathBuf)> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = argument.as_bytes();
    let (name, file) = bytes.split_at(bytes.iter().position(|byte| *byte == b'=')?);
    Some((std::str::from_utf8(name).ok()?, PathBuf::from(OsStr::from_bytes(&file[1..]))))
}

#[cfg(not(unix))]
fn assignment(argument: &OsStr) -> Option<(&str, PathBuf)> {
    let (name, file) = argument.to_str()?.split_once('=')?;
    Some((name, file.into()))
}

fn is_name(text: &str) -> bool {
    let start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    start && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn looks_like_a_path(text: &str) -> bool {
    let begins = ["/", "./", "../", "~"].iter().any(|start| text.starts_with(start));
    let ends = text.ends_with('/') || Kind::of(Path::new(text)).is_some();
    let inside = text.split_once('/').is_some_and(|(folder, _)| Path::new(folder).is_dir());
    !text.contains(char::is_whitespace) && (begins || ends || inside)
}
