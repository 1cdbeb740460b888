//! Files and directories named on a command line as a list of input files.

use std::fs;
use std::path::{Path, PathBuf};

use mpcc_compiler::graph::{Element, Graph, Input};

use super::{InputError, Kind};
use crate::FileError;

/// How many levels of directories are entered.
const DEPTH: usize = 16;

/// All input files among `paths`, directories replaced by what they hold, recursively and sorted by name.
/// Hidden files and directories, and files of a directory that are no inputs, are passed over; [`crate::labels::class_of`] gives
/// the class of each file.
///
/// # Errors
/// If a path cannot be read, a file that is named itself is not of a known kind, or a directory holds no input.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, InputError> {
    expand_for(paths, &|_| true)
}

/// [`expand`] of files that can be used; of a directory, the others are passed over.
pub(super) fn expand_for(paths: &[PathBuf], usable: &dyn Fn(Kind) -> bool) -> Result<Vec<PathBuf>, InputError> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        add(path, (0, usable), &mut files, &mut Vec::new())?;
        if files.len() == before {
            return Err(InputError::EmptyDirectory { path: path.clone() });
        }
    }
    Ok(files)
}

/// Files in directories among `paths` that are no inputs of a model.
///
/// # Errors
/// If a directory cannot be read.
pub fn passed_over(paths: &[PathBuf], graph: &Graph) -> Result<Vec<PathBuf>, InputError> {
    let mut strangers = Vec::new();
    for path in paths.iter().filter(|path| path.is_dir()) {
        add(path, (0, &|kind| usable(kind, graph)), &mut Vec::new(), &mut strangers)?;
    }
    Ok(strangers)
}

/// Whether files of a kind can be examples for a model: texts if it has a tokenizer, pictures if an input takes them.
pub(super) fn usable(kind: Kind, graph: &Graph) -> bool {
    let depicted =
        |input: &Input| input.ty.element == Element::U8 && matches!(input.ty.shape.as_slice(), [1 | 3, _, _]);
    match kind {
        Kind::Npy | Kind::Npz => true,
        Kind::Text | Kind::Lines(_) => graph.tokenizer.is_some(),
        _ => graph.inputs.iter().any(depicted),
    }
}

fn add(
    path: &Path,
    (depth, usable): (usize, &dyn Fn(Kind) -> bool),
    files: &mut Vec<PathBuf>,
    strangers: &mut Vec<PathBuf>,
) -> Result<(), InputError> {
    let io = |source| FileError::Io { path: path.into(), source };
    if !fs::metadata(path).map_err(io)?.is_dir() {
        match Kind::of(path) {
            // What is named itself is refused with a reason where it is read.
            Some(kind) if depth == 0 || usable(kind) => files.push(path.into()),
            None if depth == 0 => return Err(InputError::UnknownKind { path: path.into() }),
            _ => strangers.push(path.into()),
        }
        return Ok(());
    }
    if depth > DEPTH {
        return Err(InputError::TooDeep { path: path.into(), limit: DEPTH });
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    entries.iter().try_for_each(|entry| add(entry, (depth + 1, usable), files, strangers))
}
