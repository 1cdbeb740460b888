//! The seekable pseudo-random word stream behind masks and correlations: AES-128 in counter mode.
//!
//! Word `w` of stream `s` is half `w & 1` of AES_seed(s ‖ w >> 1), both numbers as little-endian 64-bit
//! words and the halves read little-endian. Streams below 2^63 belong to [`fill`]; streams from 2^63 on are
//! reserved for [`derive()`], so a derived seed never coincides with words that a stream hands out.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::level::{self, Level};

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

/// First stream number that [`fill`] refuses; [`derive()`] works above it.
pub const RESERVED: u64 = 1 << 63;

/// A 128-bit key of a pseudo-random stream. Wiped on drop, and its `Debug` form shows nothing.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 16]);

impl Seed {
    /// Wraps key bytes that the caller drew or received.
    pub fn from_bytes(bytes: [u8; 16]) -> Seed {
        Seed(bytes)
    }

    /// The key bytes, for hand-over on an encrypted link or storage.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A seed with its key schedule, for callers that draw many short pieces.
pub struct Prg {
    cipher: Cipher,
}

/// The widest available implementation of the block cipher.
pub(crate) enum Cipher {
    /// Software, bit-sliced.
    Portable(Aes128),
    /// The processor's instructions.
    #[cfg(target_arch = "x86_64")]
    Native(x86::Cipher),
}

impl Cipher {
    pub(crate) fn new(level: Level, key: &[u8; 16]) -> Cipher {
        #[cfg(target_arch = "x86_64")]
        if let Some(cipher) = x86::Cipher::new(level, key) {
            return Cipher::Native(cipher);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = level;
        Cipher::Portable(Aes128::new(&Array(*key)))
    }

    /// Replaces every block b by AES(b) ⊕ b; blocks are little-endian words.
    pub(crate) fn hash(&self, blocks: &mut [[u64; 2]]) {
        self.encrypt::<true>(blocks);
    }

    /// Replaces every block b by AES(b); blocks are little-endian words.
    pub(crate) fn permute(&self, blocks: &mut [[u64; 2]]) {
        self.encrypt::<false>(blocks);
    }

    fn encrypt<const FEED: bool>(&self, blocks: &mut [[u64; 2]]) {
        match self {
            Cipher::Portable(cipher) => encrypt_portable::<FEED>(cipher, blocks),
            #[cfg(target_arch = "x86_64")]
            Cipher::Native(cipher) => cipher.encrypt::<FEED>(blocks),
        }
    }
}

impl std::fmt::Debug for Prg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prg(..)")
    }
}

impl Prg {
    /// Expands the key.
    pub fn new(seed: &Seed) -> Prg {
        Prg::at_level(level::current(), seed)
    }

    pub(crate) fn at_level(level: Level, seed: &Seed) -> Prg {
        Prg { cipher: Cipher::new(level, &seed.0) }
    }

    /// The key schedule, where the processor has AES on vectors of four blocks and the level allows it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn wide(&self) -> Option<&x86::Schedule> {
        match &self.cipher {
            Cipher::Portable(_) => None,
            Cipher::Native(cipher) => cipher.wide(),
        }
    }

    /// Fills `out` with words `first_word ..` of `stream`.
    ///
    /// # Panics
    /// If `stream` is reserved (≥ 2^63) or the word index would pass 2^64.
    pub fn fill(&self, stream: u64, first_word: u64, out: &mut [u64]) {
        self.fill_under([u64::MAX; 2], stream, first_word, out);
    }

    /// As [`Prg::fill`], each word reduced mod 2^`bits`.
    ///
    /// # Panics
    /// As [`Prg::fill`], and if `bits` is not in 1..=64.
    pub fn fill_masked(&self, stream: u64, first_word: u64, bits: u32, out: &mut [u64]) {
        assert!((1..=64).contains(&bits), "a ring word has 1 to 64 bits, not {bits}");
        self.fill_under([u64::MAX >> (64 - bits); 2], stream, first_word, out);
    }

    /// Fills `out` with doubles `first ..` of `stream`, reduced mod 2^`bits`: double `d` is word 2d and, with
    /// `bits` − 64 bits, word 2d + 1.
    ///
    /// # Panics
    /// As [`Prg::fill`], and if `bits` is not in 65..=128 or the number of words is odd.
    pub fn fill_double(&self, stream: u64, first: u64, bits: u32, out: &mut [u64]) {
        assert!((65..=128).contains(&bits), "a double has 65 to 128 bits, not {bits}");
        assert!(out.len().is_multiple_of(2), "doubles have two words each, got {} words", out.len());
        let first_word = first.checked_mul(2).expect("a stream has fewer than 2^64 words");
        self.fill_under([u64::MAX, u64::MAX >> (128 - bits)], stream, first_word, out);
    }

    /// As [`Prg::fill`], the words at even indices under the first mask and those at odd ones under the second.
    fn fill_under(&self, masks: [u64; 2], stream: u64, first_word: u64, out: &mut [u64]) {
        assert!(stream < RESERVED, "stream {stream:#x} is reserved for derived seeds");
        assert!(first_word.checked_add(out.len() as u64).is_some(), "a stream has fewer than 2^64 words");
        let (mut block, mut out) = (first_word >> 1, out);
        if first_word & 1 == 1 && !out.is_empty() {
            let (head, rest) = out.split_at_mut(1);
            head[0] = self.block(stream, block)[1] & masks[1];
            block += 1;
            out = rest;
        }
        self.blocks(stream, block, masks, out);
    }

    /// Word `index` of `stream`; equals the first word of a fill at that index, with the same panics.
    pub fn word(&self, stream: u64, index: u64) -> u64 {
        let mut word = [0];
        self.fill(stream, index, &mut word);
        word[0]
    }

    /// The seed numbered `index` in `domain`; see [`derive()`].
    pub fn derive(&self, domain: u64, index: u64) -> Seed {
        assert!(domain < RESERVED, "a derivation domain is below 2^63, not {domain:#x}");
        let mut words = self.block(RESERVED | domain, index);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&words[0].to_le_bytes());
        bytes[8..].copy_from_slice(&words[1].to_le_bytes());
        words.zeroize();
        Seed(bytes)
    }

    fn block(&self, stream: u64, block: u64) -> [u64; 2] {
        let mut words = [0; 2];
        self.blocks(stream, block, [u64::MAX; 2], &mut words);
        words
    }

    /// Words of consecutive blocks from `block` on, the halves of every block under `masks`; an odd length drops the last
    /// half.
    fn blocks(&self, stream: u64, block: u64, masks: [u64; 2], out: &mut [u64]) {
        match &self.cipher {
            Cipher::Portable(cipher) => portable(cipher, stream, block, masks, out),
            #[cfg(target_arch = "x86_64")]
            Cipher::Native(cipher) => cipher.blocks(stream, block, masks, out),
        }
    }
}

/// Fills `out` with words `first_word ..` of the seed's `stream`; panics as [`Prg::fill`].
pub fn fill(seed: &Seed, stream: u64, first_word: u64, out: &mut [u64]) {
    Prg::new(seed).fill(stream, first_word, out);
}

/// As [`fill`] with words reduced mod 2^`bits`; panics as [`Prg::fill_masked`].
pub fn fill_masked(seed: &Seed, stream: u64, first_word: u64, bits: u32, out: &mut [u64]) {
    Prg::new(seed).fill_masked(stream, first_word, bits, out);
}

/// As [`fill`] with doubles `first ..` reduced mod 2^`bits`, 65 to 128 bits; panics as [`Prg::fill_double`].
pub fn fill_double(seed: &Seed, stream: u64, first: u64, bits: u32, out: &mut [u64]) {
    Prg::new(seed).fill_double(stream, first, bits, out);
}

/// The child seed AES_seed(2^63 + `domain` ‖ `index`). Children of different (domain, index) pairs are
/// independent of one another and of every stream of the parent.
///
/// # Panics
/// If `domain` is 2^63 or more.
pub fn derive(seed: &Seed, domain: u64, index: u64) -> Seed {
    Prg::new(seed).derive(domain, index)
}

fn portable(cipher: &Aes128, stream: u64, first: u64, masks: [u64; 2], out: &mut [u64]) {
    const WIDTH: usize = 16;
    let mut block = first;
    for piece in out.chunks_mut(2 * WIDTH) {
        let mut blocks = [Array([0u8; 16]); WIDTH];
        let used = piece.len().div_ceil(2);
        for bytes in &mut blocks[..used] {
            bytes[..8].copy_from_slice(&stream.to_le_bytes());
            bytes[8..].copy_from_slice(&block.to_le_bytes());
            block = block.wrapping_add(1);
        }
        cipher.encrypt_blocks(&mut blocks[..used]);
        for (words, bytes) in piece.chunks_mut(2).zip(&blocks) {
            let value = u128::from_le_bytes(bytes.0);
            words[0] = value as u64 & masks[0];
            if let Some(high) = words.get_mut(1) {
                *high = (value >> 64) as u64 & masks[1];
            }
        }
    }
}

fn encrypt_portable<const FEED: bool>(cipher: &Aes128, blocks: &mut [[u64; 2]]) {
    const WIDTH: usize = 16;
    for piece in blocks.chunks_mut(WIDTH) {
        let mut bytes = [Array([0u8; 16]); WIDTH];
        for (bytes, words) in bytes.iter_mut().zip(piece.iter()) {
            bytes[..8].copy_from_slice(&words[0].to_le_bytes());
            bytes[8..].copy_from_slice(&words[1].to_le_bytes());
        }
        cipher.encrypt_blocks(&mut bytes[..piece.len()]);
        for (words, bytes) in piece.iter_mut().zip(&bytes) {
            let value = u128::from_le_bytes(bytes.0);
            let fed = if FEED { *words } else { [0; 2] };
            *words = [value as u64 ^ fed[0], (value >> 64) as u64 ^ fed[1]];
        }
    }
}

#[cfg(test)]
mod tests;
