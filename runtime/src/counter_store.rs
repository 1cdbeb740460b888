//! The durable record of used correlations: a file per peer and dealer, or per batch that was dealt into files, that is
//! written before the first masked byte travels.
//!
//! A batch is one grant of seeds by the dealer. One that came over a link and was ever begun is refused. One that came
//! in files may go on later, but its setup only with the very message that is on record, so a static mask never covers
//! two encodings. Within a batch an index is refused unless it is above all that either party has used.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
#[cfg(test)]
use std::time::Duration;

use mpcc_channel::Fingerprint;
use mpcc_program::code::Role;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::record::{Content, RecordError, RecordFile};

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
    /// The record cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: String,
    batches: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    batch: String,
    /// Highest index used here; none before the first inference.
    own: Option<u64>,
    /// Highest index the peer said it uses.
    peer: Option<u64>,
    /// Hash of the message of the setup that was sent, of a batch in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    /// Digest of the weights that it masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
    /// Hash of the message of the setup that arrived, of a batch in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<String>,
}

impl Entry {
    fn new(batch: BatchId) -> Self {
        Entry { batch: batch.to_string(), own: None, peer: None, sent: None, masked: None, received: None }
    }
}

/// What is on record of a batch in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The first index above all that either party has used.
    pub next: u64,
    /// Hash of the message of the setup that arrived from the other party, if one did.
    pub received: Option<[u8; 32]>,
    /// Digest of the weights, and hash of the message with which they were sent, if they were.
    pub sent: Option<([u8; 32], [u8; 32])>,
}

/// The record of one pair of peer and dealer.
#[derive(Debug)]
pub struct CounterStore(RecordFile<Record>);

impl CounterStore {
    /// Opens the record in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`CounterError::Record`].
    pub fn open(directory: &Path, peer: &Fingerprint, dealer: &Fingerprint) -> Result<CounterStore, CounterError> {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 name of a record of used correlations");
        hasher.update(peer.as_bytes()).update(dealer.as_bytes());
        let name = hasher.finalize().to_hex();
        Ok(CounterStore(RecordFile::at(directory, &format!("counters-{}.json", &name[..32])).open()?))
    }

    /// Opens the record of a batch in files, whoever the peer is: a copy of a file is the same batch.
    ///
    /// # Errors
    /// [`CounterError::Record`].
    pub fn open_material(directory: &Path, batch: BatchId, role: Role) -> Result<CounterStore, CounterError> {
        Ok(CounterStore(RecordFile::at(directory, &Self::material_name(batch, role)).open()?))
    }

    /// Name of the record of a batch in files.
    fn material_name(batch: BatchId, role: Role) -> String {
        let role = if role == Role::ModelOwner { "model-owner" } else { "data-owner" };
        format!("material-{batch}-{role}.json")
    }

    /// What a directory has on record of a batch in files; nothing is made or changed.
    ///
    /// # Errors
    /// [`CounterError::Record`].
    pub fn look_up(directory: &Path, batch: BatchId, role: Role) -> Result<Usage, CounterError> {
        let record = RecordFile::at(directory, &Self::material_name(batch, role));
        usage(&record, &record.read()?, batch)
    }

    /// What is on record of a batch in files.
    ///
    /// # Errors
    /// [`CounterError::Record`].
    pub fn usage(&self, batch: BatchId) -> Result<Usage, CounterError> {
        let mut found = Usage::default();
        self.0.change(|record| {
            found = usage(&self.0, record, batch)?;
            Ok::<_, CounterError>(false)
        })?;
        Ok(found)
    }

    /// Records that a batch is begun, durably, before anything masked by it is sent.
    ///
    /// # Errors
    /// [`CounterError::Used`] if it was begun before.
    pub fn begin(&self, batch: BatchId) -> Result<(), CounterError> {
        self.0.change(|record| {
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

    /// Records, durably, the hash of the message of the setup that is about to be sent, for a batch in files, and the
    /// digest of what it masks.
    ///
    /// # Errors
    /// [`CounterError::Used`] if another message is on record: the mask that it was sent under serves once.
    pub fn begin_again(&self, batch: BatchId, sent: &[u8; 32], masked: Option<&[u8; 32]>) -> Result<(), CounterError> {
        self.setup_message(batch, sent, masked, |entry| &mut entry.sent)
    }

    /// Records, durably, that inferences of a batch in files may follow. Its setup is on record by itself, since other batches
    /// may share it.
    ///
    /// # Errors
    /// [`CounterError::Record`].
    pub fn note(&self, batch: BatchId) -> Result<(), CounterError> {
        self.0.change(|record| {
            let name = batch.to_string();
            let new = !record.batches.iter().any(|entry| entry.batch == name);
            if new {
                record.batches.push(Entry::new(batch));
            }
            Ok(new)
        })
    }

    /// Records, durably, the hash of the message of the setup that arrived, for a batch in files.
    ///
    /// # Errors
    /// [`CounterError::Used`] if another message is on record.
    pub fn arrived_again(&self, batch: BatchId, received: &[u8; 32]) -> Result<(), CounterError> {
        self.setup_message(batch, received, None, |entry| &mut entry.received)
    }

    fn setup_message(
        &self,
        batch: BatchId,
        hash: &[u8; 32],
        masked: Option<&[u8; 32]>,
        field: impl Fn(&mut Entry) -> &mut Option<String>,
    ) -> Result<(), CounterError> {
        let masked = masked.map(|digest| blake3::Hash::from_bytes(*digest).to_hex().to_string());
        self.0.change(|record| {
            let name = batch.to_string();
            let at = record.batches.iter().position(|entry| entry.batch == name).unwrap_or_else(|| {
                record.batches.push(Entry::new(batch));
                record.batches.len() - 1
            });
            let hash = blake3::Hash::from_bytes(*hash).to_hex();
            let entry = &mut record.batches[at];
            let known = match field(entry) {
                Some(known) if *known == *hash => true,
                Some(_) => return Err(self.used(batch, "its setup, with another masked model,".to_owned())),
                unknown => {
                    *unknown = Some(hash.to_string());
                    false
                }
            };
            // The same message masks the same weights; a record of an earlier version does not say which.
            let said = masked.is_none() || entry.masked == masked;
            if !said {
                entry.masked = masked;
            }
            Ok(!(known && said))
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
        self.0.change(|record| {
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
        CounterError::Used { batch, what, path: self.0.path().display().to_string() }
    }

    /// Waits for the lock no longer than this.
    #[cfg(test)]
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        CounterStore(self.0.with_patience(patience))
    }
}

fn usage(file: &RecordFile<Record>, record: &Record, batch: BatchId) -> Result<Usage, CounterError> {
    Ok(record.usage(batch).map_err(|detail| file.malformed(detail))?)
}

impl Content for Record {
    const OF: &'static str = "used correlations";
    const ADVICE: &'static str = "it is never reset silently: restore it, or move it away and take a new identity";

    fn empty() -> Self {
        Record { schema: SCHEMA.to_owned(), batches: Vec::new() }
    }

    fn check(&self) -> Result<(), String> {
        if self.schema == SCHEMA {
            return Ok(());
        }
        Err(format!("its schema is {:?}, not {SCHEMA:?}", self.schema))
    }
}

impl Record {
    fn usage(&self, batch: BatchId) -> Result<Usage, String> {
        let name = batch.to_string();
        let Some(entry) = self.batches.iter().find(|entry| entry.batch == name) else {
            return Ok(Usage::default());
        };
        let hash = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match blake3::Hash::from_hex(text) {
                Ok(hash) => Ok(Some(*hash.as_bytes())),
                Err(_) => Err("a hash in it is none".to_owned()),
            },
        };
        let next = entry.own.max(entry.peer).map_or(0, |highest| highest.saturating_add(1));
        let sent = hash(&entry.masked)?.zip(hash(&entry.sent)?);
        Ok(Usage { next, received: hash(&entry.received)?, sent })
    }
}
