//! The frame around a message: magic and version, session tag, sequence number, kind, length, then the payload.
//!
//! A header has 40 bytes, integers little-endian. Frames of one direction are numbered from 0 without gaps, heartbeats
//! and the closing frame included. A frame is cut into TLS records of 2^14 bytes of plaintext, the first one holding
//! the header and the beginning of the payload.

use crate::duplex::SessionTag;

/// Bytes of a frame header.
pub(crate) const HEADER_BYTES: usize = 40;
/// The most plaintext in one TLS record (RFC 8446, section 5.1).
pub(crate) const RECORD_BYTES: usize = 1 << 14;
/// What TLS 1.3 adds to a record: header 5, content type 1, authentication tag 16.
const RECORD_OVERHEAD: u64 = 22;

const MAGIC: [u8; 4] = *b"mpf\x01";

/// An empty frame that says that the sender is alive.
pub(crate) const HEARTBEAT: u8 = 0;
/// The last frame of a direction.
pub(crate) const BYE: u8 = 255;

/// A checked frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) session: SessionTag,
    pub(crate) sequence: u64,
    pub(crate) kind: u8,
    pub(crate) length: u64,
}

pub(crate) fn encode(header: &Header) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..20].copy_from_slice(&header.session.0);
    bytes[20..28].copy_from_slice(&header.sequence.to_le_bytes());
    bytes[28] = header.kind;
    bytes[32..].copy_from_slice(&header.length.to_le_bytes());
    bytes
}

/// Reads a header and checks all that does not depend on the session: form, order and length.
pub(crate) fn decode(bytes: &[u8; HEADER_BYTES], sequence: u64, max_bytes: u64) -> Result<Header, String> {
    if bytes[..4] != MAGIC {
        return Err("a frame does not begin as a frame of this version".to_owned());
    }
    if bytes[29..32] != [0; 3] {
        return Err("the unused bytes of a frame header are not zero".to_owned());
    }
    let header = Header {
        session: SessionTag(array(&bytes[4..20])),
        sequence: u64::from_le_bytes(array(&bytes[20..28])),
        kind: bytes[28],
        length: u64::from_le_bytes(array(&bytes[32..])),
    };
    if header.sequence != sequence {
        return Err(format!(
            "frame {} came where frame {sequence} was due (replayed, lost or out of order)",
            header.sequence
        ));
    }
    if header.length > max_bytes {
        return Err(format!("announced a frame of {} bytes, more than the limit of {max_bytes}", header.length));
    }
    if matches!(header.kind, HEARTBEAT | BYE) && header.length != 0 {
        return Err(format!("a frame of kind {} has a payload", header.kind));
    }
    Ok(header)
}

/// Says that a message of a kind is longer than what is due.
pub(crate) fn too_long(kind: u8, length: u64, most: u64) -> String {
    format!("announced {length} bytes in a message of kind {kind} that has {most} at most")
}

/// Bytes on the TCP stream for a message of `payload` bytes: header, payload and TLS records.
pub fn wire_bytes(payload: u64) -> u64 {
    record_bytes(payload + HEADER_BYTES as u64)
}

/// Bytes of the TLS records that carry this much plaintext, all but the last one full.
pub(crate) fn record_bytes(plaintext: u64) -> u64 {
    plaintext + plaintext.div_ceil(RECORD_BYTES as u64) * RECORD_OVERHEAD
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { session: SessionTag([7; 16]), sequence: 3, kind: 9, length: 1 << 20 };

    #[test]
    fn round_trip() {
        assert_eq!(decode(&encode(&HEADER), 3, 1 << 20), Ok(HEADER));
    }

    #[test]
    fn every_flipped_bit_outside_the_session_and_kind_is_refused() {
        let good = encode(&HEADER);
        for position in (0..HEADER_BYTES).filter(|p| !(4..20).contains(p) && *p != 28) {
            for bit in 0..8 {
                let mut bad = good;
                bad[position] ^= 1 << bit;
                let shorter = u64::from_le_bytes(array(&bad[32..])) < HEADER.length;
                assert_eq!(decode(&bad, 3, 1 << 20).is_ok(), shorter, "byte {position} bit {bit}");
            }
        }
    }

    #[test]
    fn reserved_kinds_are_empty() {
        for kind in [HEARTBEAT, BYE] {
            assert!(decode(&encode(&Header { kind, length: 1, ..HEADER }), 3, 10).is_err());
            assert!(decode(&encode(&Header { kind, length: 0, ..HEADER }), 3, 10).is_ok());
        }
    }

    #[test]
    fn wire_bytes_at_the_record_boundary() {
        assert_eq!(wire_bytes(0), 40 + 22);
        assert_eq!(wire_bytes(16384 - 40), 16384 + 22);
        assert_eq!(wire_bytes(16384 - 39), 16385 + 44);
    }
}
