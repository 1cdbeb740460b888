//! The data owner's side: masked weights in a file of its state directory, sealed under a key that follows from its private
//! key, and addressed by who sent them for which program.
//!
//! A file is a head and the sealed message with its hash. Its key follows from the head, salt included, so nothing in the
//! head can be changed either. What cannot be read is never used: the weights come again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mpcc_channel::{Fingerprint, Identity};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::seal::{self, Sealing};
use super::{HASH, Masked, WeightsError};
use crate::counter_store::BatchId;
use crate::handshake::random;
use crate::identity::ProgramIdentity;
use crate::record::failed;

/// The folder in the state directory.
const FOLDER: &str = "weights";

/// How the names of files end, and how those begin that are being written.
const ENDING: &str = "kept";
const UNFINISHED: &str = ".keeping-";

/// After so long a file that is being written was left by a process that ended.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

const MAGIC: [u8; 8] = *b"mpcc-kep";
/// Version of the format; a file of another version is sent for again.
const VERSION: u16 = 1;

/// Magic, version, salt, address, grant and length.
const HEAD_BYTES: usize = 8 + 2 + 32 + HASH + 16 + 8;

/// Of which weights a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address([u8; HASH]);

impl Address {
    /// Those that a model owner sends for a program with a dealer, or for the files of a weight grant.
    pub(crate) fn new(
        program: &ProgramIdentity,
        model_owner: &Fingerprint,
        dealer: Result<&Fingerprint, BatchId>,
    ) -> Address {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 address of kept masked weights");
        hasher.update(&program.program).update(&program.binding).update(model_owner.as_bytes());
        match dealer {
            Ok(dealer) => hasher.update(&[0]).update(dealer.as_bytes()),
            Err(grant) => hasher.update(&[1]).update(&grant.0),
        };
        Address(*hasher.finalize().as_bytes())
    }
}

/// Keeps masked weights at one address.
pub(crate) struct Keeper {
    folder: PathBuf,
    secret: Zeroizing<[u8; 32]>,
    address: Address,
    /// The most bytes of all files.
    most: u64,
}

/// Masked weights of an earlier session.
pub(crate) struct KeptWeights {
    pub(crate) masked: Masked,
    /// The message of the setup.
    pub(crate) message: Vec<u8>,
}

impl Keeper {
    /// Keeps at most `most` bytes in a folder of `state`. With 0 nothing is kept, what was kept is removed, and there is no
    /// keeper.
    pub(crate) fn new(
        state: &Path,
        identity: &Identity,
        address: Address,
        most: u64,
    ) -> Result<Option<Keeper>, WeightsError> {
        let folder = state.join(FOLDER);
        if most == 0 {
            make_room(&folder, 0, None).map_err(failed("empty", &folder))?;
            return Ok(None);
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(failed("create", &folder))?;
        let secret = identity.derive_secret("mpcc runtime 2026-11 secret of kept masked weights")?;
        Ok(Some(Keeper { folder, secret, address, most }))
    }

    fn path(&self) -> PathBuf {
        let name = blake3::Hash::from_bytes(self.address.0).to_hex();
        self.folder.join(format!("{}.{ENDING}", &name[..32]))
    }

    /// What is kept, if its message has this length; or why what is there cannot be used.
    pub(crate) fn find(&self, message_bytes: usize) -> Result<Option<KeptWeights>, String> {
        let path = self.path();
        let refused = |detail: &str| {
            format!("the masked weights kept in {} are refused and come again: {detail}", path.display())
        };
        let unreadable = |e: io::Error| refused(&format!("the file cannot be read ({e})"));
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(e)),
        };
        let length = file.metadata().map_err(unreadable)?.len();
        let mut head = [0; HEAD_BYTES];
        file.read_exact(&mut head).map_err(|_| refused("the file is cut short"))?;
        let (fields, announced) = head.split_at(HEAD_BYTES - 8);
        let (fields, grant) = fields.split_at(fields.len() - 16);
        if fields[..8] != MAGIC {
            return Err(refused("the file is something else"));
        }
        if fields[8..10] != VERSION.to_le_bytes() {
            return Err(refused("the file has the format of another version of mpcc"));
        }
        if fields[fields.len() - HASH..] != self.address.0 {
            return Err(refused("they are of another model, model owner or dealer"));
        }
        if announced != (message_bytes as u64).to_le_bytes() {
            return Err(refused("they have another length than the program takes"));
        }
        let plain = message_bytes as u64 + HASH as u64;
        if seal::sealed_bytes(plain).and_then(|sealed| sealed.checked_add(HEAD_BYTES as u64)) != Some(length) {
            return Err(refused("the file has another length than was written"));
        }
        let opened = seal::open(&self.key(&head), message_bytes + HASH, &mut file);
        let mut message = opened.map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => refused("the file was damaged, or written under another identity"),
            _ => unreadable(e),
        })?;
        let mut masked = Masked { grant: BatchId([0; 16]), digest: [0; HASH] };
        masked.grant.0.copy_from_slice(grant);
        masked.digest.copy_from_slice(&message[message_bytes..]);
        message.truncate(message_bytes);
        // What was used last is removed last. Where the time cannot be set, the order is that of writing.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(KeptWeights { masked, message }))
    }

    fn key(&self, head: &[u8; HEAD_BYTES]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 key of a file of kept masked weights");
        hasher.update(&*self.secret).update(head);
        Zeroizing::new(*hasher.finalize().as_bytes())
    }

    /// Begins to keep the weights of `grant`, while they arrive; or why they are not kept.
    pub(crate) fn begin(&self, grant: BatchId, message_bytes: usize) -> Result<Keeping<'_>, String> {
        let plain = message_bytes as u64 + HASH as u64;
        let sealed = seal::sealed_bytes(plain).and_then(|sealed| sealed.checked_add(HEAD_BYTES as u64));
        let bytes = sealed.filter(|bytes| *bytes <= self.most).ok_or_else(|| {
            format!(
                "the masked weights are not kept, so every session has a whole setup: they take {plain} bytes, and {} are allowed; --keep-weights allows more",
                self.most
            )
        })?;
        let failed = |e: io::Error| not_kept(&self.folder, &e);
        make_room(&self.folder, self.most - bytes, Some(&self.path())).map_err(failed)?;
        let mut head = [0; HEAD_BYTES];
        let salt: [u8; 32] = random().map_err(|e| e.to_string())?;
        let parts: [&[u8]; 6] =
            [&MAGIC, &VERSION.to_le_bytes(), &salt, &self.address.0, &grant.0, &(message_bytes as u64).to_le_bytes()];
        let mut at = 0;
        for part in parts {
            head[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let begun = || {
            let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
            file.write_all(&head)?;
            Sealing::new(&self.key(&head), file)
        };
        Ok(Keeping { keeper: self, sealing: begun().map_err(failed)? })
    }
}

/// A file that does not have its name yet.
pub(crate) struct Keeping<'k> {
    keeper: &'k Keeper,
    sealing: Sealing<NamedTempFile>,
}

impl Keeping<'_> {
    /// The next bytes of the message; or why it is not kept after all.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.sealing.write(bytes).map_err(|e| not_kept(&self.keeper.folder, &e))
    }

    /// The message was whole and has this hash: the file gets its name, in the place of an earlier one. It is not forced to
    /// the disk, since one that a power cut leaves in pieces is refused.
    pub(crate) fn finish(mut self, digest: &[u8; HASH]) -> Result<(), String> {
        let path = self.keeper.path();
        let named = self.sealing.write(digest).and_then(|()| self.sealing.finish()).and_then(|mut file| {
            file.flush()?;
            Ok(file.persist(&path)?)
        });
        named.map(drop).map_err(|e| not_kept(&self.keeper.folder, &e))
    }
}

fn not_kept(folder: &Path, error: &io::Error) -> String {
    format!("the masked weights are not kept, so the next session has a whole setup: {}: {error}", folder.display())
}

/// Removes what was used longest ago until all files together have at most `most` bytes, and what was left unfinished. The
/// file `replaced` counts nothing and goes last.
fn make_room(folder: &Path, most: u64, replaced: Option<&Path>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let abandoned = name.starts_with(UNFINISHED) && used.elapsed().is_ok_and(|age| age > ABANDONED);
        if abandoned {
            remove(&path)?;
        } else if path.extension().is_some_and(|e| e == ENDING) && replaced != Some(&*path) {
            files.push((used, metadata.len(), path));
        }
    }
    files.sort();
    let mut all: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if all <= most {
            break;
        }
        remove(&path)?;
        all -= bytes;
    }
    Ok(())
}

/// Another process may have removed it.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
