//! Which weights ranges were made with.
//!
//! What is proved of a network is proved of its weights, and what was seen was seen with them, so a program says which they
//! were and runs with no others.

use crate::evaluate::Tensor;

/// The digest of a rewritten graph's weights in hexadecimal: extents and entries as
/// 32-bit floats, in order of declaration.
///
/// It tells nothing of weights that nobody could guess whole; whoever has a candidate can compare.
pub fn weights_digest(params: &[Tensor]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(b"mpcc weights 1");
    let mut buffer = Vec::new();
    for tensor in params {
        add(format!("{:?}", tensor.shape.as_slice()).as_bytes());
        for part in tensor.data.chunks(PART) {
            buffer.clear();
            buffer.extend(part.iter().flat_map(|v| (*v as f32).to_le_bytes()));
            add(&buffer);
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Entries that are hashed at a time.
const PART: usize = 1 << 16;
