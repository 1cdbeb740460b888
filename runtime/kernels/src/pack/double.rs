//! Doubles of 65 to 128 bits in the layout of [`pack`](super::pack): element `i` occupies bits `i·bits ..`. Every
//! element is moved as a whole: its bytes overlap its neighbours' in one byte at most, so no bit is looked at alone.

use super::{PackError, packed_len};

/// Bytes that an element of up to 128 bits can touch.
const TOUCHED: usize = 17;

/// The bits of the high word that are packed.
fn mask(bits: u32) -> u64 {
    assert!((65..=128).contains(&bits), "a double has 65 to 128 bits, not {bits}");
    u64::MAX >> (128 - bits)
}

/// Appends the low `bits` bits of every double of `src`, two words each and the low word first; higher bits are
/// ignored. The bytes are [`packed_len`] of the number of doubles.
///
/// # Panics
/// If `bits` is not in 65..=128 or the number of words is odd.
pub fn pack_double(src: &[u64], bits: u32, out: &mut Vec<u8>) {
    let mask = mask(bits);
    let (doubles, odd) = src.as_chunks::<2>();
    assert!(odd.is_empty(), "doubles have two words each, got {} words", src.len());
    let start = out.len();
    out.resize(start + packed_len(doubles.len(), bits), 0);
    let out = &mut out[start..];
    if bits == 128 {
        for (bytes, double) in out.as_chunks_mut::<16>().0.iter_mut().zip(doubles) {
            bytes.as_chunks_mut::<8>().0.copy_from_slice(&double.map(u64::to_le_bytes));
        }
        return;
    }
    let (mut at, mut shift, mut shared) = (0, 0, 0);
    for &[low, high] in doubles {
        let high = high & mask;
        let words = [low << shift | shared, high << shift | low >> 1 >> (63 - shift)];
        let last = (high >> 1 >> (63 - shift)) as u8;
        match out[at..].first_chunk_mut::<TOUCHED>() {
            // The bytes after the element's last one are zeros that the next element overwrites.
            Some(bytes) => {
                bytes[..8].copy_from_slice(&words[0].to_le_bytes());
                bytes[8..16].copy_from_slice(&words[1].to_le_bytes());
                bytes[16] = last;
            }
            None => {
                let rest = &mut out[at..];
                let len = rest.len();
                rest.copy_from_slice(&words.map(u64::to_le_bytes).as_flattened()[..len]);
            }
        }
        let end = shift + bits;
        (at, shift) = (at + (end / 8) as usize, end % 8);
        // The element's top bits, which share a byte with the next element: none if that byte is the next one's.
        let top = high << (128 - bits) | low >> (bits - 64);
        shared = top >> 1 >> (63 - shift);
    }
}

/// Reads `out.len()` / 2 doubles of `bits` bits back from `bytes`; unused bits of the last byte are ignored.
///
/// # Errors
/// [`PackError::Length`] if `bytes` is not exactly as long as [`packed_len`] says for the number of doubles.
///
/// # Panics
/// If `bits` is not in 65..=128 or the number of words is odd.
pub fn unpack_double(bytes: &[u8], bits: u32, out: &mut [u64]) -> Result<(), PackError> {
    let mask = mask(bits);
    let words = out.len();
    let (doubles, odd) = out.as_chunks_mut::<2>();
    assert!(odd.is_empty(), "doubles have two words each, got {words} words");
    let expected = packed_len(doubles.len(), bits);
    if bytes.len() != expected {
        return Err(PackError::Length { words: doubles.len(), bits, expected, found: bytes.len() });
    }
    if bits == 128 {
        for (bytes, double) in bytes.as_chunks::<16>().0.iter().zip(doubles) {
            *double = halves(u128::from_le_bytes(*bytes));
        }
        return Ok(());
    }
    let (mut at, mut shift) = (0, 0);
    for double in doubles {
        let rest = &bytes[at..];
        let touched = match rest.first_chunk::<TOUCHED>() {
            Some(touched) => *touched,
            None => {
                let mut touched = [0; TOUCHED];
                touched[..rest.len()].copy_from_slice(rest);
                touched
            }
        };
        let [low @ .., last] = touched;
        let [low, high] = halves(u128::from_le_bytes(low));
        *double =
            [low >> shift | high << 1 << (63 - shift), (high >> shift | u64::from(last) << 1 << (63 - shift)) & mask];
        let end = shift + bits;
        (at, shift) = (at + (end / 8) as usize, end % 8);
    }
    Ok(())
}

fn halves(double: u128) -> [u64; 2] {
    [double as u64, (double >> 64) as u64]
}

#[cfg(test)]
mod tests;
