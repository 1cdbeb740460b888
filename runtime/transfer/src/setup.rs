//! The three hops from nothing to a sender and a receiver, for both directions at once: points, points, sums of trees.
//!
//! The end that will be the receiver of a direction grows whole trees and offers A; the sender of the direction replies with a
//! point for every bit of its Δ, and gets of every level of every tree the sum that its path does not touch, masked by the
//! keys of a base transfer.

use mpcc_kernels::Permutation;
use subtle::Choice;
use zeroize::Zeroizing;

use crate::base::{Offer, POINT, Received, Reply, SCALAR};
use crate::delta::{Delta, delta_bit, mask};
use crate::error::{SetupMessage, TransferError};
use crate::field::Field;
use crate::hash::Hash;
use crate::plan::TAG;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::session::{Entropy, GREETING, HASH_KEY, Place, SessionId, Side, TRANSCRIPT, TREE_KEY, derived};
use crate::tree::{Block, block, bytes, punctured, whole, xor};
use crate::vole::{Punctured, Whole, keys};

/// Bytes of both masked sums of a level.
const SUMS: usize = 32;

/// What every step knows.
struct Common {
    place: Place,
    field: Field,
    offer: Offer,
    /// Uniform bytes for Δ, the replies and the roots, in this order.
    random: Zeroizing<Vec<u8>>,
}

const DELTA: usize = 32;

impl Common {
    /// Bits beyond those of the field serve nobody.
    fn delta(&self) -> Delta {
        Delta::from_bytes(self.random[..DELTA].first_chunk().expect("bytes of Δ"))
    }

    /// The bytes behind the reply of transfer `index`.
    fn scalar(&self, index: usize) -> &[u8; SCALAR] {
        self.random[DELTA + index * SCALAR..].first_chunk().expect("bytes of every reply")
    }

    fn root(&self, tree: usize) -> Block {
        let at = DELTA + self.field.base() * SCALAR + tree * 16;
        block(self.random[at..].first_chunk().expect("bytes of every root"))
    }
}

fn greeting(place: Place, field: Field) -> [u8; TAG] {
    place.derived(GREETING, &[&[field.bits() as u8]])
}

fn sized(what: SetupMessage, message: &[u8], expected: usize) -> Result<(), TransferError> {
    let found = message.len();
    if found == expected { Ok(()) } else { Err(TransferError::Length { what: what.name(), expected, found }) }
}

/// One end after its first message, waiting for the peer's.
pub struct Greeted(Box<Common>);

/// One end after its replies, waiting for the peer's.
pub struct Replied {
    common: Box<Common>,
    offered: Received,
    replies: Vec<Reply>,
}

/// One end after its sums of trees, waiting for the peer's.
pub struct Corrected {
    common: Box<Common>,
    offered: Received,
    replies: Vec<Reply>,
    received: Whole,
    transcript: Transcript,
}

/// Begins a setup; the session, the field and opposite sides are agreed on. Returns the state and the first message.
pub fn begin(id: SessionId, side: Side, field: Field, entropy: Entropy) -> (Greeted, Vec<u8>) {
    let place = Place { id, side };
    let mut drawn = Zeroizing::new(vec![0; SCALAR + DELTA + field.base() * SCALAR + field.parts().count() * 16]);
    place.draw(entropy, &mut drawn);
    let offer = Offer::new(drawn.first_chunk().expect("bytes of the offer"));
    let random = Zeroizing::new(drawn[SCALAR..].to_vec());
    let message = [greeting(place, field).as_slice(), &offer.bytes].concat();
    (Greeted(Box::new(Common { place, field, offer, random })), message)
}

impl Greeted {
    /// Takes the peer's first message; returns the next state and the second message.
    ///
    /// # Errors
    /// [`TransferError`] if the message has another length, belongs to another session, field or side, or holds no point.
    pub fn reply(self, message: &[u8]) -> Result<(Replied, Vec<u8>), TransferError> {
        let common = self.0;
        let what = SetupMessage::Greeting;
        sized(what, message, TAG + POINT)?;
        let (tag, point) = message.split_at(TAG);
        if tag != greeting(common.place.peer(), common.field) {
            return Err(TransferError::Foreign { what: what.name() });
        }
        let point = point.first_chunk().expect("bytes of a point");
        let offered = Received::decode_offer(point).ok_or(TransferError::Point { what: what.name(), index: 0 })?;
        let delta = common.delta();
        // The chosen sum of a level is that of the side which the path does not take.
        let reply = |i: usize| Reply::new(common.scalar(i), Choice::from(delta_bit(&delta, i) as u8 ^ 1), &offered);
        let replies: Vec<Reply> = (0..common.field.base()).map(reply).collect();
        let message = replies.iter().flat_map(|reply| reply.bytes).collect();
        Ok((Replied { common, offered, replies }, message))
    }
}

impl Replied {
    /// Takes the peer's second message; returns the next state and the third message.
    ///
    /// # Errors
    /// [`TransferError`] if the message has another length or holds something that is no point.
    pub fn correct(self, message: &[u8]) -> Result<(Corrected, Vec<u8>), TransferError> {
        let Replied { common, offered, replies } = self;
        let what = SetupMessage::Replies;
        sized(what, message, common.field.base() * POINT)?;
        let decode = |(index, point): (usize, &[u8; POINT])| {
            Received::decode(point).ok_or(TransferError::Point { what: what.name(), index })
        };
        let points: Vec<Received> =
            message.as_chunks().0.iter().enumerate().map(decode).collect::<Result<_, TransferError>>()?;
        let hash = tree_hash(common.place, &common.offer.bytes, message);
        let mut sent = vec![0; common.field.base() * SUMS];
        let mut trees = Vec::with_capacity(common.field.parts().count());
        for (tree, (first, depth)) in common.field.parts().enumerate() {
            let (leaves, sums) = whole(&hash, common.root(tree), depth);
            for (level, sums) in sums.iter().enumerate() {
                let index = index(first, depth, level);
                let keys = common.offer.keys(common.place, index, &points[index]);
                let (out, _) = sent[index * SUMS..].as_chunks_mut::<16>();
                for ((out, key), sum) in out.iter_mut().zip(&keys).zip(sums) {
                    *out = bytes(xor(*sum, block(key)));
                }
            }
            trees.push(self::keys(&leaves));
        }
        let own: Vec<u8> = replies.iter().flat_map(|reply| reply.bytes).collect();
        let transcript = Transcript {
            offers: [common.offer.bytes, *offered.bytes()],
            replies: [own, message.to_vec()],
            sums: sent.clone(),
        };
        let received = Whole::new(common.field, trees);
        Ok((Corrected { common, offered, replies, received, transcript }, sent))
    }
}

/// The base transfer of a level of a tree: the first level decides on the top bit of a leaf's number.
fn index(first: usize, depth: usize, level: usize) -> usize {
    first + depth - 1 - level
}

/// The public key of a direction's trees; `place` is that of the end that offered.
fn tree_hash(place: Place, offer: &[u8; POINT], replies: &[u8]) -> Permutation {
    Permutation::new(&place.derived(TREE_KEY, &[offer, replies]))
}

/// Both ends' messages of a setup, this end's first.
struct Transcript {
    offers: [[u8; POINT]; 2],
    replies: [Vec<u8>; 2],
    /// This end's.
    sums: Vec<u8>,
}

impl Transcript {
    /// The name and the hash of the direction in which the end at `place` receives.
    fn direction(&self, place: Place, common: &Common, sums: &[u8]) -> ([u8; 32], Hash) {
        let both = [(common.place.side, &self.sums[..]), (common.place.side.other(), sums)];
        let own_first = common.place.side == Side::First;
        let order = |i: usize| if own_first { i } else { 1 - i };
        let part = |i: usize| [&self.offers[order(i)][..], &self.replies[order(i)], both[order(i)].1];
        let parts: Vec<&[u8]> = (0..2).flat_map(part).collect();
        let name: [u8; 32] = Place { side: Side::First, ..place }.derived(TRANSCRIPT, &parts);
        let direction = place.derived(TRANSCRIPT, &[&name, &[common.field.bits() as u8]]);
        (direction, Hash::new(&derived(HASH_KEY, &[&direction])))
    }
}

impl Corrected {
    /// Takes the peer's third message; returns this end's sender of one direction and receiver of the other.
    ///
    /// # Errors
    /// [`TransferError`] if the message has another length.
    pub fn finish(self, message: &[u8]) -> Result<(Sender, Receiver), TransferError> {
        let Corrected { common, offered, replies, received, transcript } = self;
        sized(SetupMessage::Sums, message, common.field.base() * SUMS)?;
        let peer = common.place.peer();
        let [own, _] = &transcript.replies;
        let hash = tree_hash(peer, offered.bytes(), own);
        let delta = common.delta();
        let mut trees = Vec::with_capacity(common.field.parts().count());
        for (first, depth) in common.field.parts() {
            let (mut path, mut beside) = (Zeroizing::new(vec![0; depth]), Zeroizing::new(vec![[0; 2]; depth]));
            for level in 0..depth {
                let index = index(first, depth, level);
                path[level] = delta_bit(&delta, index);
                let (sums, _) = message[index * SUMS..].as_chunks::<16>();
                let chosen = mask(path[level] ^ 1);
                let [left, right] = [block(&sums[0]), block(&sums[1])];
                let masked = xor(left, xor(left, right).map(|difference| difference & chosen));
                beside[level] = xor(masked, block(&replies[index].key(peer, index, &offered)));
            }
            trees.push(keys(&punctured(&hash, &path, &beside)[1..]));
        }
        let (sends, sending) = transcript.direction(peer, &common, message);
        let (receives, receiving) = transcript.direction(common.place, &common, message);
        let sender = Sender::new(Punctured::new(common.field, trees, delta), sending, sends);
        Ok((sender, Receiver::new(received, common.field, receiving, receives)))
    }
}

macro_rules! says_nothing {
    ($($state:ident),*) => {$(
        impl std::fmt::Debug for $state {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($state), "(..)"))
            }
        }
    )*};
}

says_nothing!(Greeted, Replied, Corrected);

#[cfg(test)]
mod tests;
