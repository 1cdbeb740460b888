//! What is named on a command line, as one example for each inference.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use mpcc_compiler::graph::Graph;

use super::{InputError, Kind, expand};

/// Where the inputs of one inference come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Example {
    /// A file that gives all of them.
    File(PathBuf),
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
    /// The file that gives all inputs.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text { .. } | Self::Named(_) => None,
        }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
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

/// One example for each inference: every file and every file of a directory, every text if the model reads text, and
/// one for all `NAME=FILE` together.
///
/// An argument is text if the model has a tokenizer, nothing of that name exists, and it does not look like a path: it
/// has blanks, or neither a slash nor the extension of an input file.
///
/// # Errors
/// If a path cannot be read, holds no input, or names do not fit the model's inputs.
pub fn examples(arguments: &[OsString], graph: &Graph) -> Result<Vec<Example>, InputError> {
    let mut found = Vec::new();
    let mut named: Vec<(String, PathBuf)> = Vec::new();
    let mut texts = 0;
    for argument in arguments {
        let path = Path::new(argument);
        let written = argument.to_str().filter(|_| !path.exists());
        let assigned = assignment(argument).filter(|(name, _)| is_name(name) && !path.exists());
        match (assigned, written) {
            (Some((name, file)), _) if graph.inputs.iter().any(|input| input.name == name) => {
                if named.iter().any(|(other, _)| other == name) {
                    return Err(InputError::GivenTwice { name: name.to_owned() });
                }
                named.push((name.to_owned(), file));
            }
            (Some((name, _)), Some(text)) if graph.tokenizer.is_none() => {
                return Err(InputError::UnknownInput {
                    place: text.to_owned(),
                    name: name.to_owned(),
                    inputs: names(graph),
                });
            }
            (_, Some(text)) if graph.tokenizer.is_some() && !looks_like_a_path(text) => {
                texts += 1;
                found.push(Example::Text { number: texts, text: text.to_owned() });
            }
            _ => found.extend(expand(&[path.to_owned()])?.into_iter().map(Example::File)),
        }
    }
    match (found.first(), named.is_empty()) {
        (_, true) => {}
        (Some(example), false) => return Err(InputError::Mixed { argument: example.to_string() }),
        (None, false) => found.push(Example::Named(named)),
    }
    Ok(found)
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
    !text.contains(char::is_whitespace) && (text.contains('/') || Kind::of(Path::new(text)).is_some())
}
