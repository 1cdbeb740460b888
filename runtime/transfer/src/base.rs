//! One base transfer on the Ristretto group: Chou and Orlandi (The Simplest Protocol for Oblivious Transfer, LATINCRYPT 2015,
//! figure 1), of which only the two random keys are used. A key is the hash of session, index, both messages and the
//! shared point.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity};
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

use crate::session::{BASE_KEY, Place};

/// Bytes of an encoded point.
pub(crate) const POINT: usize = 32;

/// Uniform bytes that a scalar is made of.
pub(crate) const SCALAR: usize = 64;

/// A key of a base transfer.
pub(crate) type Key = Zeroizing<[u8; 16]>;

/// A point that the peer sent, and its bytes.
pub(crate) struct Received {
    point: RistrettoPoint,
    bytes: [u8; POINT],
}

impl Received {
    pub(crate) fn bytes(&self) -> &[u8; POINT] {
        &self.bytes
    }

    /// Decodes a point; `None` if it is none.
    pub(crate) fn decode(bytes: &[u8; POINT]) -> Option<Received> {
        let point = CompressedRistretto(*bytes).decompress()?;
        Some(Received { point, bytes: *bytes })
    }

    /// Decodes the point A; the identity, under which both keys were equal, is none.
    pub(crate) fn decode_offer(bytes: &[u8; POINT]) -> Option<Received> {
        Received::decode(bytes).filter(|received| !received.point.is_identity())
    }
}

/// The end that gets both keys of all base transfers: a and A = a·G.
pub(crate) struct Offer {
    secret: Zeroizing<Scalar>,
    /// a·A, by which the points of both keys of a transfer differ.
    square: Zeroizing<RistrettoPoint>,
    pub(crate) bytes: [u8; POINT],
}

impl Offer {
    pub(crate) fn new(random: &[u8; SCALAR]) -> Offer {
        let secret = Zeroizing::new(Scalar::from_bytes_mod_order_wide(random));
        let point = RistrettoPoint::mul_base(&secret);
        let square = Zeroizing::new(point * *secret);
        Offer { secret, square, bytes: point.compress().to_bytes() }
    }

    /// Both keys of transfer `index`: hashes of a·B and a·(B − A). `place` is this end's.
    pub(crate) fn keys(&self, place: Place, index: usize, reply: &Received) -> [Key; 2] {
        let mut shared = [reply.point * *self.secret; 2];
        shared[1] -= *self.square;
        let keys = shared.map(|shared| key(place, index, &self.bytes, &reply.bytes, shared));
        shared.zeroize();
        keys
    }
}

/// The end that gets one key of a base transfer: b and B = b·G + c·A.
pub(crate) struct Reply {
    secret: Zeroizing<Scalar>,
    pub(crate) bytes: [u8; POINT],
}

impl Reply {
    pub(crate) fn new(random: &[u8; SCALAR], choice: Choice, offer: &Received) -> Reply {
        let secret = Zeroizing::new(Scalar::from_bytes_mod_order_wide(random));
        let added = RistrettoPoint::conditional_select(&RistrettoPoint::identity(), &offer.point, choice);
        let bytes = (RistrettoPoint::mul_base(&secret) + added).compress().to_bytes();
        Reply { secret, bytes }
    }

    /// The chosen key: the hash of b·A. `place` is that of the end that offered.
    pub(crate) fn key(&self, place: Place, index: usize, offer: &Received) -> Key {
        key(place, index, &offer.bytes, &self.bytes, offer.point * *self.secret)
    }
}

fn key(place: Place, index: usize, offer: &[u8; POINT], reply: &[u8; POINT], mut shared: RistrettoPoint) -> Key {
    let mut bytes = shared.compress().to_bytes();
    let key = place.derived(BASE_KEY, &[&(index as u64).to_le_bytes(), offer, reply, &bytes]);
    bytes.zeroize();
    shared.zeroize();
    Zeroizing::new(key)
}

#[cfg(test)]
mod tests;
