//! By what endpoints know each other: the fingerprint of a certificate.

use std::fmt;
use std::str::FromStr;

use crate::error::IdentityError;

const PREFIX: &str = "mpcc1-";

/// The BLAKE3 hash of a certificate (DER), written `mpcc1-` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Fingerprint {
        Fingerprint(*blake3::hash(der).as_bytes())
    }

    /// The hash itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Fingerprint, IdentityError> {
        let text = text.trim();
        text.strip_prefix(PREFIX)
            .and_then(|hex| blake3::Hash::from_hex(hex).ok())
            .map(|hash| Fingerprint(*hash.as_bytes()))
            .ok_or_else(|| IdentityError::Fingerprint(text.chars().take(100).collect()))
    }
}

/// An endpoint that this one expects at the other end: a name for messages, and the one certificate it must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As messages should call it, for example `the dealer`.
    pub name: String,
    /// The fingerprint it must have.
    pub fingerprint: Fingerprint,
}

impl Peer {
    /// A peer of this name and fingerprint.
    pub fn new(name: impl Into<String>, fingerprint: Fingerprint) -> Peer {
        Peer { name: name.into(), fingerprint }
    }
}
