//! The durable record of used correlations: a file per peer and dealer that is written before the first masked byte travels.
//!
//! A batch is one grant of seeds by the dealer. A batch that was ever begun is refused, so a static mask never
//! covers two encodings; within a batch an index is refused unless it is above all that either party has used.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mpcc_channel::Fingerprint;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const SCHEMA: &str = "mpcc.counters/1";

/// Batches remembered; the oldest is forgotten first.
const BATCHES: usize = 4096;

/// Names one grant of seeds: random bytes drawn by the dealer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchId(pub [u8; 16]);

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchId({self})")
    }
}

/// Why correlations may not be used.
#[derive(Debug, Error)]
pub enum CounterError {
    /// They were used before.
    #[error("the correlated randomness of batch {batch}, {what} was already used according to {path}")]
    Used {
        /// The batch.
        batch: BatchId,
        /// Which part of it.
        what: String,
        /// The record.
        path: String,
    },
    /// The record cannot be read or written.
    #[error("cannot {action} {path}: {source}; give a state directory that this user can write")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The record is not one.
    #[error(
        "{path} is not a record of used correlations ({detail}); it is never reset silently: restore it, or move it away and take a new identity"
    )]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Record {
    schema: String,
    batches: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    batch: String,
    /// Highest index used here; none before the first inference.
    own: Option<u64>,
    /// Highest index the peer said it uses.
    peer: Option<u64>,
}

/// The record of one pair of peer and dealer.
#[derive(Debug)]
pub struct CounterStore {
    directory: PathBuf,
    path: PathBuf,
}

impl CounterStore {
    /// Opens the record in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`CounterError::File`], [`CounterError::Malformed`].
    pub fn open(directory: &Path, peer: &Fingerprint, dealer: &Fingerprint) -> Result<CounterStore, CounterError> {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 name of a record of used correlations");
        hasher.update(peer.as_bytes()).update(dealer.as_bytes());
        let name = hasher.finalize().to_hex();
        fs::create_dir_all(directory).map_err(failed("create", directory))?;
        let path = directory.join(format!("counters-{}.json", &name[..32]));
        let store = CounterStore { directory: directory.to_owned(), path };
        store.locked(|_| Ok(false))?;
        Ok(store)
    }

    /// Records that a batch is begun, durably, before anything masked by it is sent.
    ///
    /// # Errors
    /// [`CounterError::Used`] if it was begun before.
    pub fn begin(&self, batch: BatchId) -> Result<(), CounterError> {
        self.locked(|record| {
            let name = batch.to_string();
            if record.batches.iter().any(|entry| entry.batch == name) {
                return Err(self.used(batch, "its setup".to_owned()));
            }
            let excess = (record.batches.len() + 1).saturating_sub(BATCHES);
            record.batches.drain(..excess);
            record.batches.push(Entry { batch: name, own: None, peer: None });
            Ok(true)
        })
    }

    /// Records that both parties use these indices, durably, before the first online byte.
    ///
    /// # Errors
    /// [`CounterError::Used`] unless both are above every index recorded for the batch, and the batch was begun.
    pub fn claim(&self, batch: BatchId, own: u64, peer: u64) -> Result<(), CounterError> {
        self.locked(|record| {
            let name = batch.to_string();
            let Some(entry) = record.batches.iter_mut().find(|entry| entry.batch == name) else {
                return Err(self.used(batch, "which is not on record,".to_owned()));
            };
            let highest = entry.own.max(entry.peer);
            let lowest = own.min(peer);
            if highest.is_some_and(|used| lowest <= used) {
                return Err(self.used(batch, format!("index {lowest}")));
            }
            (entry.own, entry.peer) = (Some(own), Some(peer));
            Ok(true)
        })
    }

    fn used(&self, batch: BatchId, what: String) -> CounterError {
        CounterError::Used { batch, what, path: self.path.display().to_string() }
    }

    /// Reads, changes and, if `change` says so, durably replaces the record, alone among processes.
    fn locked(&self, change: impl FnOnce(&mut Record) -> Result<bool, CounterError>) -> Result<(), CounterError> {
        let lock_path = self.path.with_extension("lock");
        let lock = File::options().create(true).append(true).open(&lock_path);
        let lock = lock.map_err(failed("open", &lock_path))?;
        lock.lock().map_err(failed("lock", &lock_path))?;
        let mut record = self.read()?;
        if change(&mut record)? {
            self.replace(&record).map_err(failed("write", &self.path))?;
        }
        Ok(())
    }

    fn read(&self) -> Result<Record, CounterError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Ok(Record { schema: SCHEMA.to_owned(), batches: Vec::new() });
            }
            Err(e) => return Err(failed("read", &self.path)(e)),
        };
        let malformed = |detail| CounterError::Malformed { path: self.path.display().to_string(), detail };
        let record: Record = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        if record.schema == SCHEMA {
            Ok(record)
        } else {
            Err(malformed(format!("its schema is {:?}, not {SCHEMA:?}", record.schema)))
        }
    }

    fn replace(&self, record: &Record) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        serde_json::to_writer(&mut file, record)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(&self.directory)?.sync_all()
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> CounterError {
    let path = path.display().to_string();
    move |source| CounterError::File { action, path: path.clone(), source }
}
