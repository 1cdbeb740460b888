//! A file of material that is being written: under a temporary name until it is whole, and under its own only while the other half
//! of its batch appears too.
//!
//! Whoever writes a draft holds a lock on it. A draft that nobody holds is of a process that was killed: it counts for nothing, and
//! the next one with the same name removes it.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{NamedTempFile, TempPath};
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
    /// A draft of the file `name` in `directory`. Drafts that nobody holds any more are removed.
    ///
    /// # Errors
    /// [`MaterialError::Busy`] while somebody else writes one.
    pub(super) fn new(directory: &Path, name: &str, layout: Layout) -> Result<Self, MaterialError> {
        let pieces = layout.pieces().and_then(|pieces| usize::try_from(pieces).ok()).unwrap_or(usize::MAX);
        clear(directory, name)?;
        let file = loop {
            let file = temporary(directory, name)?;
            hold(file.as_file());
            // Whoever cleared the directory meanwhile took it for one that nobody holds.
            if file.path().exists() {
                break file;
            }
        };
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

    /// Gives the file its name, which it has until it is kept or withdrawn.
    ///
    /// # Errors
    /// [`MaterialError::Exists`] where a file that is there is not to be replaced.
    pub(super) fn appear(self, path: &Path, replace: bool) -> Result<Appeared, MaterialError> {
        let replaced = if replace { Replaced::set_aside(path)? } else { None };
        match self.file.persist_noclobber(path) {
            Ok(file) => {
                let appeared = Appeared { path: path.to_owned(), replaced, kept: false, file };
                appeared.on_disk()?;
                Ok(appeared)
            }
            Err(e) => {
                // Where another one appeared meanwhile, it stays.
                let back = replaced.map(|replaced| replaced.path.persist_noclobber(path));
                if let Some(Err(e)) = back {
                    let _ = e.path.keep();
                }
                match e.error.kind() {
                    io::ErrorKind::AlreadyExists => Err(MaterialError::Exists(path.display().to_string())),
                    _ => Err(failed("write", path)(e.error)),
                }
            }
        }
    }
}

/// A file that has its name. Unless it is kept it goes when this is dropped, and what it replaced is back.
pub(crate) struct Appeared {
    path: PathBuf,
    replaced: Option<Replaced>,
    kept: bool,
    file: File,
}

impl Appeared {
    /// The file stays, and what it replaced goes.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// Whether the file that has the name is still this one.
    #[cfg(unix)]
    fn is_there(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        matches!((self.file.metadata(), fs::symlink_metadata(&self.path)), (Ok(a), Ok(b)) if same(&a, &b))
    }

    #[cfg(not(unix))]
    fn is_there(&self) -> bool {
        self.file.metadata().is_ok()
    }

    #[cfg(unix)]
    fn on_disk(&self) -> Result<(), MaterialError> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed("write", directory))
    }

    #[cfg(not(unix))]
    fn on_disk(&self) -> Result<(), MaterialError> {
        Ok(())
    }
}

impl Drop for Appeared {
    fn drop(&mut self) {
        if self.kept || !self.is_there() {
            return;
        }
        match self.replaced.take() {
            // If that is refused, what was replaced keeps its temporary name rather than going.
            Some(replaced) => drop(replaced.path.persist(&self.path).map_err(|e| e.path.keep())),
            None => drop(fs::remove_file(&self.path)),
        }
    }
}

/// A file in whose place another one appeared, under a temporary name; it goes when this is dropped.
struct Replaced {
    path: TempPath,
    _held: Option<File>,
}

impl Replaced {
    /// Nothing where there is no file.
    fn set_aside(path: &Path) -> Result<Option<Self>, MaterialError> {
        let directory = path.parent().unwrap_or(Path::new(""));
        let place = temporary(directory, &path.file_name().unwrap_or_default().to_string_lossy())?.into_temp_path();
        match fs::rename(path, &place) {
            Ok(()) => {
                let held = File::open(&place).ok().inspect(hold);
                Ok(Some(Replaced { path: place, _held: held }))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("replace", path)(e)),
        }
    }
}

/// How the names of all drafts of a file begin.
fn prefix(name: &str) -> String {
    format!(".{name}-")
}

fn temporary(directory: &Path, name: &str) -> Result<NamedTempFile, MaterialError> {
    let (prefix, mut builder) = (prefix(name), tempfile::Builder::new());
    // For its owner only from its first byte on.
    #[cfg(unix)]
    builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600));
    builder.prefix(&prefix).tempfile_in(directory).map_err(failed("write to", directory))
}

/// Tells other processes that somebody has a file. Where locks are not to be had, nobody removes it.
#[cfg(unix)]
fn hold(file: &File) {
    let _ = file.lock();
}

#[cfg(not(unix))]
fn hold(_file: &File) {}

/// Removes drafts of a file that nobody holds.
///
/// # Errors
/// [`MaterialError::Busy`] if somebody holds one.
#[cfg(unix)]
pub(super) fn clear(directory: &Path, name: &str) -> Result<(), MaterialError> {
    let prefix = prefix(name);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        let Ok(draft) = File::open(entry.path()) else { continue };
        match draft.try_lock() {
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(fs::TryLockError::WouldBlock) => {
                return Err(MaterialError::Busy(directory.join(name).display().to_string()));
            }
            Err(fs::TryLockError::Error(_)) => {}
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn clear(_directory: &Path, _name: &str) -> Result<(), MaterialError> {
    Ok(())
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
