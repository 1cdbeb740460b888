//! Masked weights that serve many sessions: the model owner names and seeds their mask, the data owner keeps them.
//!
//! A mask belongs to one message. It follows from a grant, a random name that is new whenever the weights are sent, and
//! from everything that the message depends on, so other weights, another program or another data owner have another mask
//! even if every record is lost.

mod grant;
mod kept;
mod seal;

use mpcc_channel::IdentityError;
use thiserror::Error;

use crate::counter_store::BatchId;
use crate::record::RecordError;

pub(crate) use grant::{Bound, Granter};
pub(crate) use kept::{Address, Keeper, Keeping, KeptWeights};

/// Bytes of a hash.
const HASH: usize = 32;

/// Masked weights by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Masked {
    /// The grant of their mask.
    pub(crate) grant: BatchId,
    /// Hash of the message that they are.
    pub(crate) digest: [u8; HASH],
}

/// Why masked weights can be neither granted nor kept.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The record or the directory cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// No secret can be made from the identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Digest of encoded weights in the program's order.
pub(crate) fn digest(weights: &[Vec<u64>]) -> [u8; HASH] {
    const WORDS: usize = 1 << 13;
    let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 encoded weights");
    let mut bytes = Vec::with_capacity(8 * WORDS);
    for weight in weights {
        hasher.update(&(weight.len() as u64).to_le_bytes());
        for words in weight.chunks(WORDS) {
            bytes.clear();
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    *hasher.finalize().as_bytes()
}
