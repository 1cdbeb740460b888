//! What a session is called, the randomness that is handed in, and everything that BLAKE3 derives from either.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The name of a session, which both ends agree on: a hash of nonces of both and of all that they agree on. It is public, and
/// no two sessions may have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// Wraps a hash.
    pub fn from_bytes(bytes: [u8; 32]) -> SessionId {
        SessionId(bytes)
    }
}

/// Which end of a session this is; the two ends differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One end.
    First,
    /// The other one.
    Second,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::First => Side::Second,
            Side::Second => Side::First,
        }
    }

    fn byte(self) -> [u8; 1] {
        [self as u8]
    }
}

/// Fresh uniform bytes from the operating system, all the randomness of one end of a session. It is used up by a setup.
#[derive(ZeroizeOnDrop)]
pub struct Entropy([u8; 32]);

impl Entropy {
    /// Wraps bytes that were drawn for this session and are used for nothing else.
    pub fn from_bytes(bytes: [u8; 32]) -> Entropy {
        Entropy(bytes)
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// A purpose: hashes of different purposes are unrelated.
#[derive(Clone, Copy)]
pub(crate) struct Purpose(&'static str);

pub(crate) const RANDOMNESS: Purpose = Purpose("mpcc-transfer v1 randomness of one end of a session");
pub(crate) const GREETING: Purpose = Purpose("mpcc-transfer v1 greeting");
pub(crate) const BASE_KEY: Purpose = Purpose("mpcc-transfer v1 key of a base transfer");
pub(crate) const TREE_KEY: Purpose = Purpose("mpcc-transfer v1 public key of the trees of a direction");
pub(crate) const TRANSCRIPT: Purpose = Purpose("mpcc-transfer v1 transcript of a setup");
pub(crate) const HASH_KEY: Purpose = Purpose("mpcc-transfer v1 public key of the hash of a direction");
pub(crate) const CHOICES_TAG: Purpose = Purpose("mpcc-transfer v1 choices of a batch");
pub(crate) const STRINGS_TAG: Purpose = Purpose("mpcc-transfer v1 strings of a batch");
pub(crate) const PLAN: Purpose = Purpose("mpcc-transfer v1 list of requests");

/// Fills `out` with the hash of parts of fixed lengths.
pub(crate) fn derive(purpose: Purpose, parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_derive_key(purpose.0);
    for part in parts {
        hasher.update(part);
    }
    let mut reader = hasher.finalize_xof();
    reader.fill(out);
    reader.zeroize();
    hasher.zeroize();
}

/// [`derive`] to an array.
pub(crate) fn derived<const N: usize>(purpose: Purpose, parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    derive(purpose, parts, &mut out);
    out
}

/// A session seen from one of its ends.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) id: SessionId,
    pub(crate) side: Side,
}

impl Place {
    /// The same session seen from the other end.
    pub(crate) fn peer(self) -> Place {
        Place { side: self.side.other(), ..self }
    }

    /// A hash of the session, the end and the parts.
    pub(crate) fn derived<const N: usize>(self, purpose: Purpose, parts: &[&[u8]]) -> [u8; N] {
        let mut out = [0; N];
        self.derive(purpose, parts, &mut out);
        out
    }

    /// [`Place::derived`] into a slice.
    pub(crate) fn derive(self, purpose: Purpose, parts: &[&[u8]], out: &mut [u8]) {
        let side = self.side.byte();
        let all: Vec<&[u8]> = [self.id.0.as_slice(), &side].into_iter().chain(parts.iter().copied()).collect();
        derive(purpose, &all, out);
    }

    /// Everything that this end draws, uniform and unrelated to what any other session or end draws from the same bytes.
    pub(crate) fn draw(self, entropy: Entropy, out: &mut [u8]) {
        self.derive(RANDOMNESS, &[&entropy.0], out);
    }
}
