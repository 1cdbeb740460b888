//! Bytes sealed for the disk: AES-256-GCM in pieces, so that neither end holds all of them, and no piece can be changed,
//! moved, left out or added.
//!
//! A key seals one stream only. The nonce of a piece is its number, and whether it is the last.

use std::io::{self, Read, Write};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// The most plain bytes of a piece.
const PIECE: usize = 1 << 20;

/// Bytes that sealing adds to a piece.
const TAG: usize = 16;

/// Length of `plain` bytes when sealed.
pub(super) fn sealed_bytes(plain: u64) -> Option<u64> {
    plain.div_ceil(PIECE as u64).max(1).checked_mul(TAG as u64)?.checked_add(plain)
}

fn cipher(key: &[u8; 32]) -> io::Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| io::Error::other("the cipher takes no such key"))?;
    Ok(LessSafeKey::new(key))
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// Seals what is written to it.
pub(super) struct Sealing<W> {
    cipher: LessSafeKey,
    number: u64,
    piece: Vec<u8>,
    out: W,
}

impl<W: Write> Sealing<W> {
    /// `key` must be fresh: it may have sealed nothing before.
    pub(super) fn new(key: &[u8; 32], out: W) -> io::Result<Self> {
        Ok(Sealing { cipher: cipher(key)?, number: 0, piece: Vec::with_capacity(PIECE + TAG), out })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // A full piece leaves when something follows it: the last one is marked.
            if self.piece.len() == PIECE {
                self.leave(false)?;
            }
            let taken = bytes.len().min(PIECE - self.piece.len());
            self.piece.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn leave(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.cipher.seal_in_place_append_tag(nonce(self.number, last), Aad::empty(), &mut self.piece);
        sealed.map_err(|_| io::Error::other("a piece cannot be sealed"))?;
        self.number += 1;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Seals the last piece, and gives back what was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.leave(true)?;
        Ok(self.out)
    }
}

/// Reads `plain` bytes that were sealed under `key`. An error of kind [`io::ErrorKind::InvalidData`] says that they were not,
/// or are not what was sealed.
pub(super) fn open(key: &[u8; 32], plain: usize, sealed: &mut dyn Read) -> io::Result<Vec<u8>> {
    let cipher = cipher(key)?;
    let mut opened = Vec::with_capacity(plain);
    let mut piece = vec![0; PIECE + TAG];
    let mut number = 0;
    loop {
        let left = plain - opened.len();
        let piece = &mut piece[..left.min(PIECE) + TAG];
        sealed.read_exact(piece)?;
        let last = left <= PIECE;
        let bytes = cipher.open_in_place(nonce(number, last), Aad::empty(), piece);
        opened.extend_from_slice(bytes.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?);
        number += 1;
        if last {
            return Ok(opened);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: u8, plain: &[u8], writes: usize) -> Vec<u8> {
        let mut sealing = Sealing::new(&[key; 32], Vec::new()).unwrap();
        plain.chunks(writes).for_each(|bytes| sealing.write(bytes).unwrap());
        sealing.finish().unwrap()
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn what_is_sealed_comes_back_however_it_was_written() {
        for length in [0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 5] {
            let plain = bytes(length);
            for writes in [PIECE / 3, PIECE, 5 * PIECE] {
                let sealed = sealed(1, &plain, writes);
                assert_eq!(Some(sealed.len() as u64), sealed_bytes(length as u64));
                assert!(open(&[1; 32], length, &mut &sealed[..]).unwrap() == plain);
                assert!(open(&[2; 32], length, &mut &sealed[..]).is_err());
            }
        }
    }

    #[test]
    fn pieces_cannot_be_changed_moved_left_out_or_added() {
        let length = 2 * PIECE + 5;
        let good = sealed(1, &bytes(length), PIECE);
        let opened = |bytes: &[u8], plain: usize| open(&[1; 32], plain, &mut &*bytes);
        for at in [0, PIECE, PIECE + TAG, good.len() - 1] {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&changed, length).unwrap_err().kind(), io::ErrorKind::InvalidData, "{at}");
        }
        let whole = PIECE + TAG;
        let swapped = [&good[whole..2 * whole], &good[..whole], &good[2 * whole..]].concat();
        assert!(opened(&swapped, length).is_err());
        assert!(opened(&good[whole..], PIECE + 5).is_err());
        // Whole pieces that end early: the last of them is not marked.
        assert!(opened(&good[..2 * whole], 2 * PIECE).is_err());
        assert!(opened(&good[..good.len() - 1], length).is_err());
        // Equal plain bytes look different in every place.
        let zeros = sealed(1, &vec![0; 2 * PIECE], PIECE);
        assert!(zeros[..PIECE] != zeros[whole..whole + PIECE]);
    }
}
