//! The durable record of used correlations: a file per peer and dealer, or per batch that was dealt into files, that is
//! written before the first masked byte travels.
//!
//! A batch is one grant of seeds by the dealer. One that came over a link and was ever begun is refused. One that came
//! in files may go on later, but its setup only with the very message that is on record, so a static mask never covers
//! two encodings. Within a batch an index is refused unless it is above all that either party has used.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use mpcc_channel::Fingerprint;
use mpcc_program::code::Role;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const SCHEMA: &str = "mpcc.counters/1";

/// Batches remembered; the oldest is forgotten first.
const BATCHES: usize = 4096;

/// How long another process may hold the record: it is changed in a moment.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at whether the record is free.
const POLL: Duration = Duration::from_millis(10);

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
    /// Another process does not let go of the record.
    #[error(
        "another process holds {path} for more than {seconds} s; end it (a stopped run with the same state directory?), or give another state directory"
    )]
    Held {
        /// The lock.
        path: String,
        /// How long it was waited for.
        seconds: u64,
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
    /// Hash of the message of the setup that was sent, of a batch in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    /// Hash of the message of the setup that arrived, of a batch in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<String>,
}

impl Entry {
    fn new(batch: BatchId) -> Self {
        Entry { batch: batch.to_string(), own: None, peer: None, sent: None, received: None }
    }
}

/// What is on record of a batch in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The first index above all that either party has used.
    pub next: u64,
    /// Hash of the message of the setup that arrived from the other party, if one did.
    pub received: Option<[u8; 32]>,
}

/// The record of one pair of peer and dealer.
#[derive(Debug)]
pub struct CounterStore {
    directory: PathBuf,
    path: PathBuf,
    patience: Duration,
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
        Self::at(directory, format!("counters-{}.json", &name[..32]))
    }

    /// Opens the record of a batch in files, whoever the peer is: a copy of a file is the same batch.
    ///
    /// # Errors
    /// [`CounterError::File`], [`CounterError::Malformed`].
    pub fn open_material(directory: &Path, batch: BatchId, role: Role) -> Result<CounterStore, CounterError> {
        Self::at(directory, Self::material_name(batch, role))
    }

    /// Name of the record of a batch in files.
    fn material_name(batch: BatchId, role: Role) -> String {
        let role = if role == Role::ModelOwner { "model-owner" } else { "data-owner" };
        format!("material-{batch}-{role}.json")
    }

    fn at(directory: &Path, name: String) -> Result<CounterStore, CounterError> {
        fs::create_dir_all(directory).map_err(failed("create", directory))?;
        let store = CounterStore { directory: directory.to_owned(), path: directory.join(name), patience: PATIENCE };
        store.locked(|_| Ok(false))?;
        Ok(store)
    }

    /// What a directory has on record of a batch in files; nothing is made or changed.
    ///
    /// # Errors
    /// [`CounterError::File`], [`CounterError::Malformed`].
    pub fn look_up(directory: &Path, batch: BatchId, role: Role) -> Result<Usage, CounterError> {
        let path = directory.join(Self::material_name(batch, role));
        let store = CounterStore { directory: directory.to_owned(), path, patience: PATIENCE };
        store.read()?.usage(batch).map_err(|detail| store.malformed(detail))
    }

    /// What is on record of a batch in files.
    ///
    /// # Errors
    /// [`CounterError::File`], [`CounterError::Malformed`].
    pub fn usage(&self, batch: BatchId) -> Result<Usage, CounterError> {
        let mut usage = Usage::default();
        self.locked(|record| {
            usage = record.usage(batch).map_err(|detail| self.malformed(detail))?;
            Ok(false)
        })?;
        Ok(usage)
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
            record.batches.push(Entry::new(batch));
            Ok(true)
        })
    }

    /// Records, durably, the hash of the message of the setup that is about to be sent, for a batch in files.
    ///
    /// # Errors
    /// [`CounterError::Used`] if another message is on record: the mask that it was sent under serves once.
    pub fn begin_again(&self, batch: BatchId, sent: &[u8; 32]) -> Result<(), CounterError> {
        self.setup_message(batch, sent, |entry| &mut entry.sent)
    }

    /// The same for the message that arrived.
    ///
    /// # Errors
    /// [`CounterError::Used`] if another message is on record.
    pub fn arrived_again(&self, batch: BatchId, received: &[u8; 32]) -> Result<(), CounterError> {
        self.setup_message(batch, received, |entry| &mut entry.received)
    }

    fn setup_message(
        &self,
        batch: BatchId,
        hash: &[u8; 32],
        field: impl Fn(&mut Entry) -> &mut Option<String>,
    ) -> Result<(), CounterError> {
        self.locked(|record| {
            let name = batch.to_string();
            let at = record.batches.iter().position(|entry| entry.batch == name).unwrap_or_else(|| {
                record.batches.push(Entry::new(batch));
                record.batches.len() - 1
            });
            let hash = blake3::Hash::from_bytes(*hash).to_hex();
            match field(&mut record.batches[at]) {
                Some(known) if *known == *hash => Ok(false),
                Some(_) => Err(self.used(batch, "its setup, with another masked model,".to_owned())),
                unknown => {
                    *unknown = Some(hash.to_string());
                    Ok(true)
                }
            }
        })
    }

    /// Records that both parties use these indices, durably, before the first online byte.
    ///
    /// # Errors
    /// [`CounterError::Used`] unless both are above every index recorded for the batch, and the batch was begun.
    pub fn claim(&self, batch: BatchId, own: u64, peer: u64) -> Result<(), CounterError> {
        self.advance(batch, own.min(peer), own, peer)
    }

    /// Records that both parties use all these indices together, durably, before the first online byte.
    ///
    /// # Errors
    /// [`CounterError::Used`] unless the first is above every index recorded for the batch, and the batch was begun.
    pub fn claim_all(&self, batch: BatchId, indices: RangeInclusive<u64>) -> Result<(), CounterError> {
        self.advance(batch, *indices.start(), *indices.end(), *indices.end())
    }

    fn advance(&self, batch: BatchId, lowest: u64, own: u64, peer: u64) -> Result<(), CounterError> {
        self.locked(|record| {
            let name = batch.to_string();
            let Some(entry) = record.batches.iter_mut().find(|entry| entry.batch == name) else {
                return Err(self.used(batch, "which is not on record,".to_owned()));
            };
            let highest = entry.own.max(entry.peer);
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
        // Held until the end.
        let _lock = self.lock(&self.path.with_extension("lock"))?;
        let mut record = self.read()?;
        if change(&mut record)? {
            self.replace(&record).map_err(failed("write", &self.path))?;
        }
        Ok(())
    }

    /// Waits for the lock, which nobody but its owner can open and so hold.
    fn lock(&self, path: &Path) -> Result<File, CounterError> {
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
                    return Err(CounterError::Held { path: path.display().to_string(), seconds });
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
            }
        }
    }

    /// Waits for the lock no longer than this.
    #[cfg(test)]
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        CounterStore { patience, ..self }
    }

    fn read(&self) -> Result<Record, CounterError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Ok(Record { schema: SCHEMA.to_owned(), batches: Vec::new() });
            }
            Err(e) => return Err(failed("read", &self.path)(e)),
        };
        let record: Record = serde_json::from_str(&text).map_err(|e| self.malformed(e.to_string()))?;
        if record.schema == SCHEMA {
            Ok(record)
        } else {
            Err(self.malformed(format!("its schema is {:?}, not {SCHEMA:?}", record.schema)))
        }
    }

    fn malformed(&self, detail: String) -> CounterError {
        CounterError::Malformed { path: self.path.display().to_string(), detail }
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

impl Record {
    fn usage(&self, batch: BatchId) -> Result<Usage, String> {
        let name = batch.to_string();
        let Some(entry) = self.batches.iter().find(|entry| entry.batch == name) else {
            return Ok(Usage::default());
        };
        let next = entry.own.max(entry.peer).map_or(0, |highest| highest.saturating_add(1));
        let received = entry.received.as_ref().map(blake3::Hash::from_hex).transpose();
        let received = received.map_err(|_| "a hash in it is none".to_owned())?;
        Ok(Usage { next, received: received.map(|hash| *hash.as_bytes()) })
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> CounterError {
    let path = path.display().to_string();
    move |source| CounterError::File { action, path: path.clone(), source }
}
