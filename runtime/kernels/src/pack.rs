//! Ring words of 1 to 64 bits packed back to back, little-endian: word `i` occupies bits `i·bits ..` of the
//! byte string, least significant first. The unused high bits of the last byte are zero. Doubles, two words per
//! element, follow the same rule with 65 to 128 bits.

use crate::level::{self, Level};

#[cfg(target_arch = "x86_64")]
mod avx512;
mod double;

pub use double::{pack_double, unpack_double};

/// Why packed bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The byte string is not the length that the words take.
    #[error(
        "{words} elements of {bits} bits take {expected} bytes, got {found}; check that both sides agree on shape and ring"
    )]
    Length {
        /// Words or doubles asked for.
        words: usize,
        /// Bits per word or double.
        bits: u32,
        /// Bytes that many words take.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}

/// Bytes that `words` words (or doubles) of `bits` bits take: ⌈words·bits/8⌉.
///
/// # Panics
/// If the number of bits overflows `usize`.
pub fn packed_len(words: usize, bits: u32) -> usize {
    let whole = (words / 8).checked_mul(bits as usize).expect("packed length fits the address space");
    whole + (words % 8 * bits as usize).div_ceil(8)
}

fn mask(bits: u32) -> u64 {
    assert!((1..=64).contains(&bits), "a ring word has 1 to 64 bits, not {bits}");
    u64::MAX >> (64 - bits)
}

/// Appends the low `bits` bits of every word of `src` to `out`; higher bits are ignored.
///
/// # Panics
/// If `bits` is not in 1..=64.
pub fn pack(src: &[u64], bits: u32, out: &mut Vec<u8>) {
    pack_at_level(level::current(), src, bits, out);
}

fn pack_at_level(level: Level, src: &[u64], bits: u32, out: &mut Vec<u8>) {
    let mask = mask(bits);
    let start = out.len();
    out.resize(start + packed_len(src.len(), bits), 0);
    let out = &mut out[start..];
    match bits {
        64 => {
            for (bytes, word) in out.chunks_exact_mut(8).zip(src) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
        1 => pack_single(src, out),
        _ => {
            // Both forms meet on a byte boundary after any multiple of eight words.
            let done = pack_vectors(level, src, bits, out);
            pack_words(&src[done..], bits, mask, &mut out[packed_len(done, bits)..]);
        }
    }
}

/// Reads `out.len()` words of `bits` bits back from `bytes`.
///
/// # Errors
/// [`PackError::Length`] if `bytes` is not exactly as long as [`packed_len`] says.
///
/// # Panics
/// If `bits` is not in 1..=64.
pub fn unpack(bytes: &[u8], bits: u32, out: &mut [u64]) -> Result<(), PackError> {
    unpack_at_level(level::current(), bytes, bits, out)
}

fn unpack_at_level(level: Level, bytes: &[u8], bits: u32, out: &mut [u64]) -> Result<(), PackError> {
    let mask = mask(bits);
    let expected = packed_len(out.len(), bits);
    if bytes.len() != expected {
        return Err(PackError::Length { words: out.len(), bits, expected, found: bytes.len() });
    }
    match bits {
        64 => {
            for (bytes, word) in bytes.chunks_exact(8).zip(out) {
                *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
            }
        }
        1 => {
            for (&byte, words) in bytes.iter().zip(out.chunks_mut(8)) {
                for (i, word) in words.iter_mut().enumerate() {
                    *word = u64::from(byte >> i & 1);
                }
            }
        }
        _ => {
            let done = unpack_vectors(level, bytes, bits, out);
            unpack_words(&bytes[packed_len(done, bits)..], bits, mask, &mut out[done..]);
        }
    }
    Ok(())
}

/// Packs a leading multiple of eight words with vectors, if there are any; returns how many.
fn pack_vectors(level: Level, src: &[u64], bits: u32, out: &mut [u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if avx512::available(level, bits) {
        return avx512::pack(src, bits, out);
    }
    let _ = (level, src, bits, out);
    0
}

/// The reverse of [`pack_vectors`].
fn unpack_vectors(level: Level, bytes: &[u8], bits: u32, out: &mut [u64]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if avx512::available(level, bits) {
        return avx512::unpack(bytes, bits, out);
    }
    let _ = (level, bytes, bits, out);
    0
}

fn pack_single(src: &[u64], out: &mut [u8]) {
    for (words, byte) in src.chunks(8).zip(out) {
        *byte = words.iter().enumerate().fold(0, |byte, (i, &word)| byte | ((word & 1) as u8) << i);
    }
}

fn pack_words(src: &[u64], bits: u32, mask: u64, out: &mut [u8]) {
    let (mut pending, mut fill) = (0u64, 0u32);
    let mut out = out.chunks_mut(8);
    for &word in src {
        let word = word & mask;
        pending |= word << fill;
        fill += bits;
        if fill >= 64 {
            if let Some(bytes) = out.next() {
                bytes.copy_from_slice(&pending.to_le_bytes());
            }
            fill -= 64;
            pending = if fill == 0 { 0 } else { word >> (bits - fill) };
        }
    }
    if let Some(bytes) = out.next() {
        bytes.copy_from_slice(&pending.to_le_bytes()[..bytes.len()]);
    }
}

fn unpack_words(bytes: &[u8], bits: u32, mask: u64, out: &mut [u64]) {
    let mut words = bytes.chunks(8).map(|chunk| {
        let mut whole = [0; 8];
        whole[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(whole)
    });
    let (mut pending, mut left) = (0u64, 0u32);
    for out in out {
        if left >= bits {
            *out = pending & mask;
            pending >>= bits;
            left -= bits;
        } else {
            let next = words.next().unwrap_or(0);
            *out = (pending | next << left) & mask;
            let taken = bits - left;
            pending = if taken == 64 { 0 } else { next >> taken };
            left = 64 - taken;
        }
    }
}

#[cfg(test)]
mod tests;
