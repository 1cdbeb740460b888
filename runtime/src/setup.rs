//! The setup of a session: the parties compare which masked weights the data owner holds and which the model owner means,
//! and only if they are not the same do weights travel, under a fresh mask.
//!
//! What is sent is on record before its first byte leaves.

use std::io;

use mpcc_channel::Duplex;
use mpcc_protocols::{Party, WeightSeed};

use crate::blame::{Names, with_corrections};
use crate::counter_store::{BatchId, CounterStore};
use crate::error::SessionError;
use crate::handshake::{random, send_weight_grant};
use crate::progress::Progress;
use crate::transfer::{exchange, kind};
use crate::weights::{Granter, Keeper, Keeping, KeptWeights, Masked};

/// Bytes of what the model owner says: whether it sent these weights before, under which grant and with which hash, and the
/// grant under which it sends them now if they are not held.
const MEANT_BYTES: usize = 1 + 16 + 32 + 16;
/// Bytes of what the data owner says: whether it holds weights, of which grant and with which hash.
const HELD_BYTES: usize = 1 + 16 + 32;

/// Payload of a setup between the parties, both ways, of a program with so many bytes of masked weights: in a session that
/// sends them, or in a later one whose data owner has kept them.
pub fn setup_bytes(masked_weights: u64, later: bool) -> u64 {
    match masked_weights {
        0 => 0,
        weights => (MEANT_BYTES + HELD_BYTES) as u64 + if later { 0 } else { weights },
    }
}

/// How the setup of a batch is recorded.
pub(crate) enum SetupRule {
    /// The batch came over a link: it is begun once.
    Once,
    /// The batch is in files: its weights are sent again with the same message only.
    Alike {
        /// The grant of the files' mask, which other batches may have too, and its record.
        grant: BatchId,
        grants: CounterStore,
        /// Digest of the weights, and hash of the message with which they were sent under the grant, if they were.
        sent: Option<([u8; 32], [u8; 32])>,
        /// Hash of the message that the peer has on record.
        at_peer: Option<[u8; 32]>,
    },
}

impl SetupRule {
    /// Records the setup before its message is sent. `weights` is the digest of what it masks, at the model owner.
    fn claim(
        &self,
        store: &CounterStore,
        batch: BatchId,
        sent: &blake3::Hash,
        weights: Option<&[u8; 32]>,
    ) -> Result<(), SessionError> {
        match self {
            SetupRule::Once => store.begin(batch)?,
            SetupRule::Alike { grant, grants, at_peer, .. } => {
                if at_peer.is_some_and(|known| known != *sent.as_bytes()) {
                    let what = format!("the other party has another masked model of weight grant {grant} on record");
                    return Err(SessionError::MaterialUsed(what));
                }
                grants.begin_again(*grant, sent.as_bytes(), weights)?;
                store.note(batch)?;
            }
        }
        Ok(())
    }

    /// Records the peer's message.
    fn arrived(&self, received: &blake3::Hash) -> Result<(), SessionError> {
        match self {
            SetupRule::Once => Ok(()),
            SetupRule::Alike { grant, grants, .. } => Ok(grants.arrived_again(*grant, received.as_bytes())?),
        }
    }
}

/// What a party has to do with the mask of the weights.
pub(crate) enum Part {
    /// The model owner grants it, to a dealer that takes part.
    Grants(Granter, [u8; 32]),
    /// The model owner has it from its file; with the digest of the weights.
    Dealt(WeightSeed, [u8; 32]),
    /// The data owner keeps what is masked, if it keeps anything, and may hold it already.
    Keeps(Option<Keeper>, Option<KeptWeights>),
}

/// A setup that is done.
pub(crate) struct Done {
    /// Hash of the masked model, which both parties hold.
    pub(crate) model: blake3::Hash,
    /// Whether the masked weights were those of an earlier session.
    pub(crate) kept: bool,
}

/// A party's ends, and what it tells whom.
pub(crate) struct Ends<'a> {
    pub(crate) peer: &'a mut dyn Duplex,
    pub(crate) dealer: &'a mut dyn Duplex,
    pub(crate) names: &'a Names,
    pub(crate) progress: &'a dyn Progress,
}

/// Runs the setup of `batch`, which is recorded in `store` as `rule` says.
pub(crate) fn set_up(
    ends: Ends<'_>,
    party: &mut Party,
    part: Part,
    (rule, store, batch): (&SetupRule, &CounterStore, BatchId),
) -> Result<Done, SessionError> {
    match part {
        Part::Grants(granter, weights) => {
            let agreed = agree_as_model_owner(ends.peer, party, granter.known(), BatchId(random()?))?;
            let Agreed { grant, held } = agreed;
            let mut seed = granter.seed(grant);
            send_weight_grant(ends.dealer, &seed)?;
            party.mask_weights_by(WeightSeed::take(&mut seed));
            let claim = |sent: &blake3::Hash| {
                rule.claim(store, batch, sent, Some(&weights))?;
                let masked = Masked { grant, digest: *sent.as_bytes() };
                if held.is_some() { Ok(()) } else { Ok(granter.record(masked)?) }
            };
            as_model_owner(ends, party, held, rule, &claim)
        }
        Part::Dealt(seed, weights) => {
            let SetupRule::Alike { grant, sent, .. } = rule else {
                return Err(SessionError::Bug("a dealt mask of no file".to_owned()));
            };
            let known = sent.filter(|(masked, _)| *masked == weights);
            let known = known.map(|(_, digest)| Masked { grant: *grant, digest });
            let Agreed { held, .. } = agree_as_model_owner(ends.peer, party, known, *grant)?;
            party.mask_weights_by(seed);
            let claim = |sent: &blake3::Hash| rule.claim(store, batch, sent, Some(&weights));
            as_model_owner(ends, party, held, rule, &claim)
        }
        Part::Keeps(keeper, held) => as_data_owner(ends, party, (keeper, held), (rule, store, batch)),
    }
}

/// Whether a setup is nothing but the model owner's message, so that holding the message is having it behind.
fn is_one_message((sent, received): (usize, usize)) -> bool {
    (sent == 0) != (received == 0)
}

/// What the model owner comes to know: the grant of the session's mask, and what the data owner holds, if it need not be
/// sent.
struct Agreed {
    grant: BatchId,
    held: Option<Masked>,
}

/// Says what was sent before and compares it with what the data owner holds. `next` is the grant under which weights are sent now, if
/// they must be.
fn agree_as_model_owner(
    peer: &mut dyn Duplex,
    party: &Party,
    known: Option<Masked>,
    next: BatchId,
) -> Result<Agreed, SessionError> {
    if !is_one_message(party.setup_bytes()) {
        return Ok(Agreed { grant: next, held: None });
    }
    let mut bytes = encode(known);
    bytes.extend_from_slice(&next.0);
    peer.send(kind::MEANT, bytes)?;
    let bytes = peer.recv_exact(kind::HELD, HELD_BYTES)?;
    let held = decode(peer, &bytes)?.filter(|held| known == Some(*held));
    Ok(Agreed { grant: held.map_or(next, |held| held.grant), held })
}

fn encode(masked: Option<Masked>) -> Vec<u8> {
    let mut bytes = vec![u8::from(masked.is_some())];
    bytes.extend_from_slice(&masked.map_or([0; 16], |masked| masked.grant.0));
    bytes.extend_from_slice(&masked.map_or([0; 32], |masked| masked.digest));
    bytes
}

/// Masked weights from the front of a message.
fn decode(peer: &dyn Duplex, bytes: &[u8]) -> Result<Option<Masked>, SessionError> {
    let mut masked = Masked { grant: BatchId([0; 16]), digest: [0; 32] };
    masked.grant.0.copy_from_slice(&bytes[1..17]);
    masked.digest.copy_from_slice(&bytes[17..HELD_BYTES]);
    match bytes[0] {
        0 => Ok(None),
        1 => Ok(Some(masked)),
        _ => Err(SessionError::Misbehaved {
            peer: peer.peer().to_owned(),
            detail: "says neither that it has masked weights nor that it has none".to_owned(),
        }),
    }
}

fn as_model_owner(
    ends: Ends<'_>,
    party: &mut Party,
    held: Option<Masked>,
    rule: &SetupRule,
    claim: &dyn Fn(&blake3::Hash) -> Result<(), SessionError>,
) -> Result<Done, SessionError> {
    let Ends { peer, dealer, names, .. } = ends;
    let (_, expected) = party.setup_bytes();
    with_corrections(dealer, kind::SETUP_CORRECTIONS, names, |corrections| {
        let (sent, theirs) = match held {
            Some(held) => {
                party.setup_sent_before()?;
                let sent = blake3::Hash::from_bytes(held.digest);
                claim(&sent).map_err(io::Error::other)?;
                (sent, Vec::new())
            }
            None => {
                let message = party.setup_message(corrections)?;
                let sent = blake3::hash(&message);
                claim(&sent).map_err(io::Error::other)?;
                (sent, exchange(peer, kind::SETUP, message, expected, &mut |_| {}).map_err(io::Error::other)?)
            }
        };
        let received = blake3::hash(&theirs);
        rule.arrived(&received).map_err(io::Error::other)?;
        party.setup_receive(theirs, corrections)?;
        Ok(Done { model: model(&sent, &received), kept: held.is_some() })
    })
}

fn as_data_owner(
    ends: Ends<'_>,
    party: &mut Party,
    (keeper, held): (Option<Keeper>, Option<KeptWeights>),
    (rule, store, batch): (&SetupRule, &CounterStore, BatchId),
) -> Result<Done, SessionError> {
    let Ends { peer, dealer, names, progress } = ends;
    let (_, expected) = party.setup_bytes();
    let (mut usable, mut keeping) = (None, None);
    if is_one_message(party.setup_bytes()) {
        peer.send(kind::HELD, encode(held.as_ref().map(|held| held.masked)))?;
        let bytes = peer.recv_exact(kind::MEANT, MEANT_BYTES)?;
        let meant = decode(peer, &bytes)?;
        usable = held.filter(|held| meant == Some(held.masked));
        let mut grant = [0; 16];
        grant.copy_from_slice(&bytes[HELD_BYTES..]);
        if let (None, Some(keeper)) = (&usable, &keeper) {
            keeping = said(keeper.begin(BatchId(grant), expected), progress);
        }
    }
    with_corrections(dealer, kind::SETUP_CORRECTIONS, names, |corrections| {
        let message = party.setup_message(corrections)?;
        let sent = blake3::hash(&message);
        rule.claim(store, batch, &sent, None).map_err(io::Error::other)?;
        let (received, theirs, kept) = match usable {
            Some(KeptWeights { masked, message }) => (blake3::Hash::from_bytes(masked.digest), message, true),
            None => {
                let mut hasher = blake3::Hasher::new();
                let mut arrived = |bytes: &[u8]| {
                    hasher.update(bytes);
                    let failed = keeping.as_mut().map(|keeping: &mut Keeping<'_>| keeping.write(bytes));
                    if said(failed.unwrap_or(Ok(())), progress).is_none() {
                        keeping = None;
                    }
                };
                let theirs = exchange(peer, kind::SETUP, message, expected, &mut arrived).map_err(io::Error::other)?;
                (hasher.finalize(), theirs, false)
            }
        };
        rule.arrived(&received).map_err(io::Error::other)?;
        if let Some(keeping) = keeping {
            said(keeping.finish(received.as_bytes()), progress);
        }
        party.setup_receive(theirs, corrections)?;
        Ok(Done { model: model(&received, &sent), kept })
    })
}

/// What was done, or nothing, with a remark that says why.
fn said<T>(done: Result<T, String>, progress: &dyn Progress) -> Option<T> {
    done.inspect_err(|why| progress.remark(why)).ok()
}

/// What both parties compare before an inference: hashes of the model owner's and of the data owner's message.
fn model(first: &blake3::Hash, second: &blake3::Hash) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 masked model");
    hasher.update(first.as_bytes()).update(second.as_bytes());
    hasher.finalize()
}
