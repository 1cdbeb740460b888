//! AES-128 under a public key, as the random permutation that hashes of secrets are made of.

use crate::level::{self, Level};
use crate::prg::Cipher;

/// A key schedule of a key that everybody knows. Blocks are two words, low word first.
pub struct Permutation {
    cipher: Cipher,
}

impl Permutation {
    /// Expands the public key.
    pub fn new(key: &[u8; 16]) -> Permutation {
        Permutation::at_level(level::current(), key)
    }

    fn at_level(level: Level, key: &[u8; 16]) -> Permutation {
        Permutation { cipher: Cipher::new(level, key) }
    }

    /// Replaces every block b by AES(b).
    pub fn permute(&self, blocks: &mut [[u64; 2]]) {
        self.cipher.permute(blocks);
    }

    /// Replaces every block b by AES(b) ⊕ b, the one-way form of Matyas, Meyer and Oseas.
    pub fn one_way(&self, blocks: &mut [[u64; 2]]) {
        self.cipher.hash(blocks);
    }
}

impl std::fmt::Debug for Permutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permutation(..)")
    }
}
