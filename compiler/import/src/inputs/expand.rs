//! Files and directories named on a command line as a list of input files.

use std::fs;
use std::path::{Path, PathBuf};

use super::{InputError, Kind};
use crate::FileError;

/// How many levels of directories are entered.
const DEPTH: usize = 16;

/// All input files among `paths`, directories replaced by what they hold, recursively and sorted by name.
/// Hidden files and directories are passed over; [`crate::labels::class_of`] gives the class of each file.
///
/// # Errors
/// If a path cannot be read, a file is not of a known kind, or a directory holds no input.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, InputError> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        add(path, 0, &mut files)?;
        if files.len() == before {
            return Err(InputError::EmptyDirectory { path: path.clone() });
        }
    }
    Ok(files)
}

fn add(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let io = |source| FileError::Io { path: path.into(), source };
    if !fs::metadata(path).map_err(io)?.is_dir() {
        if Kind::of(path).is_none() {
            return Err(InputError::UnknownKind { path: path.into() });
        }
        files.push(path.into());
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
    entries.iter().try_for_each(|entry| add(entry, depth + 1, files))
}
