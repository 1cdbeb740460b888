//! Messages of an exchange: every buffer packed at its width into whole bytes, concatenated in order.

use std::ops::Range;

use mpcc_kernels::pack;
use mpcc_program::code::{Lane, Packed};

use crate::error::{Moment, ProtocolError};

/// Bytes of a message of these buffers.
pub fn message_len(parts: &[Packed], lengths: &[usize]) -> usize {
    parts.iter().map(|p| pack::packed_len(lengths[p.buf.0 as usize], u32::from(p.bits))).sum()
}

/// The message of these buffers; entries are reduced modulo 2^bits.
#[cfg(test)]
pub(crate) fn encode(parts: &[Packed], buffers: &[Vec<u64>], lengths: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message_len(parts, lengths));
    parts.iter().for_each(|part| pack_entries(&buffers[part.buf.0 as usize], part.bits, &mut bytes));
    bytes
}

/// The words of a message, one vector per buffer.
///
/// # Errors
/// A length other than [`message_len`], or set bits after the last word of a buffer.
pub fn decode(parts: &[Packed], lengths: &[usize], bytes: &[u8], at: Moment) -> Result<Vec<Vec<u64>>, ProtocolError> {
    let mut words = Vec::with_capacity(parts.len());
    for (part, range) in parts.iter().zip(split(parts, lengths, bytes, at)?) {
        let mut out = vec![0; lengths[part.buf.0 as usize] * Lane::of(part.bits).words()];
        unpack_canonical(&bytes[range], part.bits, &mut out, at)?;
        words.push(out);
    }
    Ok(words)
}

/// Appends entries of the lane of `bits`, reduced modulo 2^bits.
pub(crate) fn pack_entries(words: &[u64], bits: u8, out: &mut Vec<u8>) {
    match Lane::of(bits) {
        Lane::Word => pack::pack(words, u32::from(bits), out),
        Lane::Double => pack::pack_double(words, u32::from(bits), out),
    }
}

/// Unpacks entries of the lane of `bits`, of which the unused last bits must be zero.
pub(crate) fn unpack_canonical(bytes: &[u8], bits: u8, out: &mut [u64], at: Moment) -> Result<(), ProtocolError> {
    let (lane, width) = (Lane::of(bits), u32::from(bits));
    let entries = out.len() / lane.words();
    check_padding(bytes, bits, entries, at)?;
    let unpacked = match lane {
        Lane::Word => pack::unpack(bytes, width, out),
        Lane::Double => pack::unpack_double(bytes, width, out),
    };
    unpacked.map_err(|_| ProtocolError::MessageLength {
        at,
        expected: pack::packed_len(entries, width),
        got: bytes.len(),
    })
}

/// Refuses set bits after the last of `entries` entries.
pub(crate) fn check_padding(bytes: &[u8], bits: u8, entries: usize, at: Moment) -> Result<(), ProtocolError> {
    let used = (entries * usize::from(bits)) % 8;
    if used != 0 && bytes.last().is_some_and(|last| last >> used != 0) {
        return Err(ProtocolError::Padding { at });
    }
    Ok(())
}

/// The bits of a message, one range per buffer.
///
/// # Errors
/// As [`decode`].
pub(crate) fn split(
    parts: &[Packed],
    lengths: &[usize],
    bytes: &[u8],
    at: Moment,
) -> Result<Vec<Range<usize>>, ProtocolError> {
    let expected = message_len(parts, lengths);
    if bytes.len() != expected {
        return Err(ProtocolError::MessageLength { at, expected, got: bytes.len() });
    }
    let mut start = 0;
    let mut ranges = Vec::with_capacity(parts.len());
    for part in parts {
        let entries = lengths[part.buf.0 as usize];
        let end = start + pack::packed_len(entries, u32::from(part.bits));
        check_padding(&bytes[start..end], part.bits, entries, at)?;
        ranges.push(start..end);
        start = end;
    }
    Ok(ranges)
}
