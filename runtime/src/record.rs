//! Durable records: JSON files in a state directory that one process at a time changes, whole or not at all, and that
//! nobody but their owner can read.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// How long another process may hold a record: it is changed in a moment.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at whether the record is free.
const POLL: Duration = Duration::from_millis(10);

/// Why a record cannot be used.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file or its directory cannot be read or written.
    #[error("cannot {action} {path}: {source}; give a state directory that this user can write")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process does not let go of it.
    #[error(
        "another process holds {path} for more than {seconds} s; end it (a stopped run with the same state directory?), or give another state directory"
    )]
    Held {
        /// The lock.
        path: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The file is no such record.
    #[error("{path} is not a record of {of} ({detail}); {advice}")]
    Malformed {
        /// The file.
        path: String,
        /// What is on such a record.
        of: &'static str,
        /// What is wrong.
        detail: String,
        /// What to do.
        advice: &'static str,
    },
}

/// What a record holds.
pub(crate) trait Content: Serialize + DeserializeOwned {
    /// What it is a record of.
    const OF: &'static str;

    /// What to do with a file that is no such record.
    const ADVICE: &'static str;

    /// Of a record that does not exist yet.
    fn empty() -> Self;

    /// What is wrong with what was read, such as another schema.
    fn check(&self) -> Result<(), String>;
}

/// One record.
#[derive(Debug)]
pub(crate) struct RecordFile<T> {
    directory: PathBuf,
    path: PathBuf,
    patience: Duration,
    content: PhantomData<fn() -> T>,
}

impl<T: Content> RecordFile<T> {
    /// The record `name` in `directory`; nothing is made.
    pub(crate) fn at(directory: &Path, name: &str) -> Self {
        let (directory, path) = (directory.to_owned(), directory.join(name));
        RecordFile { directory, path, patience: PATIENCE, content: PhantomData }
    }

    /// Makes the directory, and reads the record once.
    pub(crate) fn open(self) -> Result<Self, RecordError> {
        fs::create_dir_all(&self.directory).map_err(failed("create", &self.directory))?;
        self.change(|_| Ok::<_, RecordError>(false))?;
        Ok(self)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the lock no longer than this.
    #[cfg(test)]
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        RecordFile { patience, ..self }
    }

    /// What is on record now, without the lock.
    pub(crate) fn read(&self) -> Result<T, RecordError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(T::empty()),
            Err(e) => return Err(failed("read", &self.path)(e)),
        };
        let content: T = serde_json::from_str(&text).map_err(|e| self.malformed(e.to_string()))?;
        content.check().map_err(|detail| self.malformed(detail))?;
        Ok(content)
    }

    pub(crate) fn malformed(&self, detail: String) -> RecordError {
        RecordError::Malformed { path: self.path.display().to_string(), of: T::OF, detail, advice: T::ADVICE }
    }

    /// Reads, changes and, if `change` says so, durably replaces the record, alone among processes.
    pub(crate) fn change<E: From<RecordError>>(&self, change: impl FnOnce(&mut T) -> Result<bool, E>) -> Result<(), E> {
        // Held until the end.
        let _lock = self.lock(&self.path.with_extension("lock"))?;
        let mut content = self.read()?;
        if change(&mut content)? {
            self.replace(&content).map_err(failed("write", &self.path))?;
        }
        Ok(())
    }

    /// Waits for the lock, which nobody but its owner can open and so hold.
    fn lock(&self, path: &Path) -> Result<File, RecordError> {
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(path).map_err(failed("open", path))?;
        #[cfg(unix)]
        keep_private(&lock).map_err(failed("protect", path))?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if start.elapsed() < self.patience => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    let seconds = self.patience.as_secs();
                    return Err(RecordError::Held { path: path.display().to_string(), seconds });
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
            }
        }
    }

    fn replace(&self, content: &T) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        serde_json::to_writer(&mut file, content)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(&self.directory)?.sync_all()
    }
}

/// A lock that an earlier version made may be open to others.
#[cfg(unix)]
fn keep_private(lock: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = lock.metadata()?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(0o600);
    lock.set_permissions(permissions)
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> RecordError {
    let path = path.display().to_string();
    move |source| RecordError::File { action, path: path.clone(), source }
}
