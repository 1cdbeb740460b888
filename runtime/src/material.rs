//! Correlated randomness made ahead, dealt or made by the two parties: one file for each party, its format, and where everything
//! stands in it.
//!
//! A file is a head, an index and sections: one for the setup, then one for every inference, all of a length that the
//! program determines. The index holds the BLAKE3 hash of every piece of every section. The hash of a file's contents
//! is its root, and both files carry a commitment to the two roots of their batch, which the parties compare.

mod agree;
mod deal;
mod draft;
mod link;
mod pool;
mod price;
mod read;

use std::io;
use std::path::Path;

use mpcc_program::code::Role;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::counter_store::BatchId;
use crate::identity::ProgramIdentity;

pub(crate) use agree::{agree, check};
pub use deal::{DealOptions, Dealt, deal};
pub(crate) use link::MaterialLink;
pub use pool::{Inferences, Making, PoolOptions, PoolPrice, Pooled, pool, pool_price};
#[cfg(test)]
pub(crate) use pool::{Place, agree as agree_on_making, make};
pub use price::BytesMade;
pub use read::{Contents, MaterialFile};

/// Version of the format; a file of another version is refused.
pub const MATERIAL_VERSION: u16 = 4;

const MAGIC: [u8; 8] = *b"mpcc-mat";

/// The most of a section that one entry of the index covers.
const PIECE: u64 = 1 << 20;

/// Bytes of a hash.
const HASH: usize = 32;

/// Magic, version, role, program and its hash, batch, numbers and lengths, seed, weight grant and its seed, digest of weights, roots
/// and the hash of all that.
const HEAD_BYTES: usize = 8 + 2 + 1 + 5 + 3 * HASH + 16 + 3 * 8 + 16 + 2 * 16 + HASH + 2 * HASH + HASH;

/// The name of a party's file.
pub fn file_name(role: Role) -> &'static str {
    match role {
        Role::ModelOwner => "model-owner.material",
        _ => "data-owner.material",
    }
}

/// Why a file of correlated randomness cannot be made or used.
#[derive(Debug, Error)]
pub enum MaterialError {
    /// It cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Other users can read it.
    #[error(
        "{path} can be read by other users (mode {mode:03o}) and is a secret: run `chmod 600 {path}`, or deal again if it may have leaked"
    )]
    Exposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that is there is not replaced unasked.
    #[error("{0} already exists; choose another directory, or replace it with --force")]
    Exists(String),
    /// Somebody else is making it.
    #[error("{0} is being made by another process; wait for it, or choose another directory")]
    Busy(String),
    /// There is no room for it.
    #[error("{path}: {needed} bytes are needed and {free} are free; ask for fewer inferences or choose another disk")]
    NoRoom {
        /// The directory.
        path: String,
        /// Bytes of both files.
        needed: u64,
        /// Bytes that this user may still write.
        free: u64,
    },
    /// It is no such file, or not as it was dealt.
    #[error("{path} is not usable material: {detail}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// It was dealt for something else.
    #[error("{path} was dealt for {what} {theirs}, and this is {ours}; deal again with the artefact that is run")]
    Foreign {
        /// The file.
        path: String,
        /// What was compared.
        what: &'static str,
        /// Ours.
        ours: String,
        /// The file's.
        theirs: String,
    },
    /// The caller stopped it; no file was made.
    #[error("stopped; no file was made")]
    Stopped,
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> MaterialError {
    let path = path.display().to_string();
    move |source| MaterialError::File { action, path: path.clone(), source }
}

/// What both files of a batch are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    /// The program that uses it.
    program: ProgramIdentity,
    /// Digest of the public factors that it was dealt with.
    tables: [u8; HASH],
    /// Its name.
    id: BatchId,
    /// Inferences dealt.
    inferences: u64,
    /// Names the mask of the weights, which other batches may have too.
    weight_grant: BatchId,
}

/// Bytes of the sections of one party's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lengths {
    setup: u64,
    inference: u64,
}

/// A section of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Setup,
    Inference(u64),
}

/// Where the sections of a file stand and which entries of the index are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    inferences: u64,
    lengths: Lengths,
}

impl Layout {
    /// Entries of the index, or none where the numbers are beyond any file.
    fn pieces(&self) -> Option<u64> {
        let setup = self.lengths.setup.div_ceil(PIECE);
        self.lengths.inference.div_ceil(PIECE).checked_mul(self.inferences)?.checked_add(setup)
    }

    /// Where the sections begin.
    fn head_bytes(&self) -> Option<u64> {
        self.pieces()?.checked_mul(HASH as u64)?.checked_add(HEAD_BYTES as u64)
    }

    /// Length of the file.
    fn file_bytes(&self) -> Option<u64> {
        let sections = self.lengths.inference.checked_mul(self.inferences)?.checked_add(self.lengths.setup)?;
        self.head_bytes()?.checked_add(sections)
    }

    /// Place of a section in a file whose length is known to fit: its first byte, its length and its first entry of the
    /// index.
    fn place(&self, section: Section) -> (u64, u64, u64) {
        let head = self.head_bytes().unwrap_or(u64::MAX);
        match section {
            Section::Setup => (head, self.lengths.setup, 0),
            Section::Inference(index) => {
                let pieces = self.lengths.setup.div_ceil(PIECE) + index * self.lengths.inference.div_ceil(PIECE);
                (head + self.lengths.setup + index * self.lengths.inference, self.lengths.inference, pieces)
            }
        }
    }
}

/// The head of a file without its hash.
#[derive(Clone, PartialEq, Eq)]
struct Head {
    role: Role,
    batch: Batch,
    lengths: Lengths,
    seed: Secret,
    /// Of the mask of the weights; none at the data owner.
    weight_seed: Option<Secret>,
    /// Digest of the weights with which it was made, at the model owner that made it with the data owner; zeros otherwise.
    weights: [u8; HASH],
    /// Root of the other party's file.
    other_root: [u8; HASH],
    /// Of both roots.
    commitment: [u8; HASH],
}

/// A seed, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
struct Secret([u8; 16]);

impl Head {
    fn layout(&self) -> Layout {
        Layout { inferences: self.batch.inferences, lengths: self.lengths }
    }

    /// The head as it stands in the file; `index` is covered by its hash.
    fn encode(&self, index: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&MATERIAL_VERSION.to_le_bytes());
        bytes.push(self.role as u8);
        bytes.extend_from_slice(&[0; 5]);
        for part in [&self.batch.program.program, &self.batch.program.binding, &self.batch.tables] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.batch.id.0);
        for number in [self.batch.inferences, self.lengths.setup, self.lengths.inference] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.seed.0);
        bytes.extend_from_slice(&self.batch.weight_grant.0);
        bytes.extend_from_slice(self.weight_seed.as_ref().map_or(&[0; 16], |seed| &seed.0));
        bytes.extend_from_slice(&self.weights);
        bytes.extend_from_slice(&self.other_root);
        bytes.extend_from_slice(&self.commitment);
        let hash = head_hash(&bytes, index);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// Reads a head; what is wrong comes back as text. Its hash is checked with the index.
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut rest = bytes;
        if take::<8>(&mut rest)? != MAGIC {
            return Err("it does not begin like a file of `mpcc deal`".to_owned());
        }
        let version = u16::from_le_bytes(take(&mut rest)?);
        if version != MATERIAL_VERSION {
            return Err(format!("its format has version {version}, and this program reads {MATERIAL_VERSION}"));
        }
        let [role] = take(&mut rest)?;
        let role = [Role::ModelOwner, Role::DataOwner].into_iter().find(|known| *known as u8 == role);
        let role = role.ok_or("it is for no party")?;
        take::<5>(&mut rest)?;
        let program = ProgramIdentity { program: take(&mut rest)?, binding: take(&mut rest)? };
        let tables = take(&mut rest)?;
        let id = BatchId(take(&mut rest)?);
        let mut number = || take(&mut rest).map(u64::from_le_bytes);
        let (inferences, setup, inference) = (number()?, number()?, number()?);
        let seed = Secret(take(&mut rest)?);
        let weight_grant = BatchId(take(&mut rest)?);
        let weight_seed = Secret(take(&mut rest)?);
        Ok(Head {
            role,
            batch: Batch { program, tables, id, inferences, weight_grant },
            lengths: Lengths { setup, inference },
            seed,
            weight_seed: (role == Role::ModelOwner).then_some(weight_seed),
            weights: take(&mut rest)?,
            other_root: take(&mut rest)?,
            commitment: take(&mut rest)?,
        })
    }

    /// Root of this file, from its index.
    fn root(&self, index: &[u8]) -> [u8; HASH] {
        root(self.role, self.lengths, [Some(&self.seed), self.weight_seed.as_ref()], &self.weights, index)
    }

    /// The commitment that both files of the batch must carry.
    fn expected_commitment(&self, root: [u8; HASH]) -> [u8; HASH] {
        match self.role {
            Role::ModelOwner => commitment(&self.batch, root, self.other_root),
            _ => commitment(&self.batch, self.other_root, root),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or("it is cut short")?;
    *rest = tail;
    Ok(*head)
}

fn head_hash(head: &[u8], index: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 head and index of dealt material");
    hasher.update(head).update(index);
    hasher.finalize()
}

/// Hash of everything in one party's file.
fn root(role: Role, lengths: Lengths, seeds: [Option<&Secret>; 2], weights: &[u8; HASH], index: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 contents of dealt material");
    hasher.update(&[role as u8]).update(&lengths.setup.to_le_bytes()).update(&lengths.inference.to_le_bytes());
    for seed in seeds.into_iter().flatten() {
        hasher.update(&seed.0);
    }
    hasher.update(weights).update(index);
    *hasher.finalize().as_bytes()
}

fn commitment(batch: &Batch, model_owner: [u8; HASH], data_owner: [u8; HASH]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 both halves of dealt material");
    hasher.update(&batch.program.program).update(&batch.program.binding).update(&batch.tables);
    hasher.update(&batch.id.0).update(&batch.inferences.to_le_bytes()).update(&batch.weight_grant.0);
    hasher.update(&model_owner).update(&data_owner);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
