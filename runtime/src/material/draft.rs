//! A file of material that is being written: under a temporary name until it is whole.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;
use zeroize::Zeroize;

use super::{HASH, Head, Layout, MaterialError, PIECE, Section, failed};
use crate::error::SessionError;

/// Of a disk that must not be filled to the last byte.
const SPARE_BYTES: u64 = 1 << 20;

/// A file that does not have its name yet.
pub(super) struct Draft {
    file: NamedTempFile,
    layout: Layout,
    /// Hashes of the pieces written so far.
    index: Mutex<Vec<u8>>,
}

impl Draft {
    pub(super) fn new(directory: &Path, layout: Layout) -> Result<Self, MaterialError> {
        let pieces = layout.pieces().and_then(|pieces| usize::try_from(pieces).ok()).unwrap_or(usize::MAX);
        let mut builder = tempfile::Builder::new();
        // For its owner only from its first byte on.
        #[cfg(unix)]
        builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600));
        let file = builder.prefix(".dealing-").tempfile_in(directory).map_err(failed("write to", directory))?;
        Ok(Draft { file, layout, index: Mutex::new(vec![0; pieces.saturating_mul(HASH)]) })
    }

    /// A place to write a section to, in the order of its bytes.
    pub(super) fn section(&self, section: Section) -> Result<SectionWriter<'_>, MaterialError> {
        let (offset, length, first) = self.layout.place(section);
        let mut file = self.file.reopen().map_err(failed("open", self.file.path()))?;
        file.seek(SeekFrom::Start(offset)).map_err(failed("write", self.file.path()))?;
        let entry = usize::try_from(first).unwrap_or(usize::MAX).saturating_mul(HASH);
        Ok(SectionWriter { draft: self, file, entry, left: length, piece: Vec::new() })
    }

    pub(super) fn index(&self) -> Vec<u8> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes head and index; the file is then whole, on the disk too.
    pub(super) fn complete(&self, head: &Head) -> Result<(), MaterialError> {
        let index = self.index();
        let mut file = self.file.as_file();
        let write = file.seek(SeekFrom::Start(0)).and_then(|_| {
            let mut bytes = head.encode(&index);
            let written = file.write_all(&bytes).and_then(|()| file.write_all(&index));
            bytes.zeroize();
            written.and_then(|()| file.sync_all())
        });
        write.map_err(failed("write", self.file.path()))
    }

    /// Gives the file its name.
    pub(super) fn appear(self, path: &Path, replace: bool) -> Result<(), MaterialError> {
        let named = if replace { self.file.persist(path) } else { self.file.persist_noclobber(path) };
        match named {
            Ok(_) => Ok(()),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(MaterialError::Exists(path.display().to_string()))
            }
            Err(e) => Err(failed("write", path)(e.error)),
        }
    }
}

/// Writes one section, and the hashes of its pieces into the index.
pub(super) struct SectionWriter<'a> {
    draft: &'a Draft,
    file: File,
    /// Where in the index the next hash belongs.
    entry: usize,
    /// Bytes still due.
    left: u64,
    piece: Vec<u8>,
}

impl SectionWriter<'_> {
    fn write_piece(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.left = self.left.checked_sub(self.piece.len() as u64).ok_or_else(|| io::Error::other("a section grew"))?;
        let hash = blake3::hash(&self.piece);
        let mut index = self.draft.index.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = index.get_mut(self.entry..self.entry + HASH).ok_or_else(|| io::Error::other("the index is full"))?;
        slot.copy_from_slice(hash.as_bytes());
        drop(index);
        self.entry += HASH;
        self.file.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Writes the last piece, which makes the section as long as the program says.
    pub(super) fn finish(mut self) -> Result<(), SessionError> {
        let path = self.draft.file.path();
        self.write_piece().map_err(failed("write", path))?;
        match self.left {
            0 => Ok(()),
            left => Err(SessionError::Bug(format!("a section of dealt material lacks {left} bytes"))),
        }
    }
}

impl Write for SectionWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A piece is at most as long as its limit.
        let room = PIECE as usize - self.piece.len();
        let taken = bytes.len().min(room);
        self.piece.extend_from_slice(&bytes[..taken]);
        if taken == room {
            self.write_piece().map_err(|e| {
                let error = failed("write", self.draft.file.path())(e);
                io::Error::other(SessionError::Material(error))
            })?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn create_private_directory(directory: &Path) -> Result<(), MaterialError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(failed("create", directory))
}

#[cfg(unix)]
pub(super) fn check_room(directory: &Path, bytes: u64) -> Result<(), MaterialError> {
    // The directory may still have to be made.
    let there = directory.ancestors().find(|a| a.is_dir()).unwrap_or(Path::new("."));
    let space = rustix::fs::statvfs(there).map_err(|e| failed("look at", there)(e.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = bytes.saturating_add(SPARE_BYTES);
    if needed <= free {
        return Ok(());
    }
    Err(MaterialError::NoRoom { path: directory.display().to_string(), needed, free })
}

#[cfg(not(unix))]
pub(super) fn check_room(_directory: &Path, _bytes: u64) -> Result<(), MaterialError> {
    Ok(())
}
