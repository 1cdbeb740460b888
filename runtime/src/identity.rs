//! What every role of a session must have in common, and how it is written.

use mpcc_kernels::trig;

/// What every role of a session must have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramIdentity {
    /// BLAKE3 hash of the share program with its protocol choices, rings and constants.
    pub program: [u8; 32],
    /// BLAKE3 hash of the shapes and encodings in which weights are bound.
    pub binding: [u8; 32],
}

/// Digest of the public factors that roles must have alike.
pub(crate) fn tables_digest() -> [u8; 32] {
    let mut tables = [0; 32];
    for (bytes, word) in tables.chunks_exact_mut(8).zip(trig::table_digest()) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    tables
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
