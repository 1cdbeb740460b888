//! Whole files into memory, with a limit known before the first byte is read, and whole files out of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use mpcc_compiler::shown::shown;
use thiserror::Error;

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot read {}: {source}; check the path and its permissions", shown(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, socket or the like.
    #[error("{} is not a regular file; name the file itself", shown(.path))]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Larger than anything the model can use.
    #[error("{} has {size} bytes and at most {limit} can be used here; is this the right file?", shown(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
}

/// Whether a path is a regular file.
pub(crate) fn check(path: &Path) -> Result<(), FileError> {
    let found = std::fs::metadata(path).map_err(|source| FileError::Io { path: path.into(), source })?;
    if found.is_file() { Ok(()) } else { Err(FileError::NotAFile { path: path.into() }) }
}

/// Puts `bytes` at `path` by way of a file beside it, readable by its owner alone; whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The bytes of a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let io = |source| FileError::Io { path: path.into(), source };
    check(path)?;
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let too_large = |size| FileError::TooLarge { path: path.into(), size, limit };
    if size > limit {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(|_| too_large(size))?);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}
