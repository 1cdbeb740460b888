//! The hash that breaks the correlation of rows: TMMO of Guo, Katz, Wang and Yu (Efficient and Secure Multiparty Computation
//! from Fixed-Key Block Ciphers, IEEE S&P 2020, section 7.4), up to the public tweak.
//!
//! H(i, s, x) = π(π(x) ⊕ (i, s)) ⊕ π(x) ⊕ (i, s), π = AES-128 under a public key of the session and direction. The first
//! π serves all strings s of a row, and (i, s) is never the same twice in a direction.

use mpcc_kernels::Permutation;

use crate::tree::Block;

/// Rows that are hashed together.
pub(crate) const PIECE: usize = 256;

/// Which hash of a row or item: the number of a string, or the step from rows to a pad.
#[derive(Clone, Copy)]
pub(crate) struct Use(u64);

impl Use {
    /// What the rows of an item contribute to its pads.
    pub(crate) const DIGIT: Use = Use(1 << 32);

    /// String `s` under one choice.
    pub(crate) fn string(s: usize) -> Use {
        Use(s as u64)
    }

    /// String `s` of a pad.
    pub(crate) fn pad(s: usize) -> Use {
        Use(1 << 33 | s as u64)
    }
}

/// The hash of one direction of a session.
pub(crate) struct Hash(Permutation);

impl Hash {
    pub(crate) fn new(key: &[u8; 16]) -> Hash {
        Hash(Permutation::new(key))
    }

    /// The part of the hash that is common to all strings of a row.
    pub(crate) fn prepare(&self, rows: &mut [Block]) {
        self.0.permute(rows);
    }

    /// Fills `out` with one string of every prepared row; the rows' numbers count up from `first`.
    pub(crate) fn strings(&self, prepared: &[Block], first: u64, name: Use, out: &mut [Block]) {
        for ((out, row), index) in out.iter_mut().zip(prepared).zip(first..) {
            *out = [row[0] ^ index, row[1] ^ name.0];
        }
        self.0.one_way(&mut out[..prepared.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_its_formula_and_no_two_uses_agree() {
        let (hash, permutation) = (Hash::new(&[5; 16]), Permutation::new(&[5; 16]));
        let row = [7, 9];
        let mut prepared = [row; 3];
        hash.prepare(&mut prepared);
        let mut seen = std::collections::HashSet::new();
        for name in [Use::string(0), Use::string(1), Use::DIGIT, Use::pad(0), Use::pad(1)] {
            let mut out = [[0; 2]; 3];
            hash.strings(&prepared, 40, name, &mut out);
            for (i, out) in out.into_iter().enumerate() {
                let mut inner = [row];
                permutation.permute(&mut inner);
                let tweaked = [inner[0][0] ^ (40 + i as u64), inner[0][1] ^ name.0];
                let mut outer = [tweaked];
                permutation.permute(&mut outer);
                assert_eq!(out, [outer[0][0] ^ tweaked[0], outer[0][1] ^ tweaked[1]]);
                assert!(seen.insert(out), "every number and use of a row has another hash");
            }
        }
    }
}
