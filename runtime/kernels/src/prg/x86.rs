//! AES-128 with the processor's AES instructions, four blocks to a vector where it has VAES: counter mode, and many blocks
//! as they are, with and without the input added to the output.
#![allow(unsafe_code, reason = "vector stores through pointers, instruction sets found at run time")]

use std::arch::x86_64::*;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::level::{self, Level};

const ROUNDS: usize = 10;

/// The keys of all rounds.
pub(crate) type Schedule = [[u64; 2]; ROUNDS + 1];

/// A key schedule and the widest instruction set it may be used with.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Cipher {
    keys: Schedule,
    #[zeroize(skip)]
    width: Width,
}

/// Blocks to a vector.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    /// AES-NI.
    One,
    /// VAES with AVX2.
    Two,
    /// VAES with AVX-512 F.
    Four,
}

impl Cipher {
    /// The schedule of `key`, or `None` if the processor has no AES instructions or `level` forbids them.
    pub(super) fn new(level: Level, key: &[u8; 16]) -> Option<Cipher> {
        if level.min(level::hardware()) < Level::Avx2 || !is_x86_feature_detected!("aes") {
            return None;
        }
        let width = match level.min(level::hardware()) {
            _ if !is_x86_feature_detected!("vaes") => Width::One,
            Level::Portable | Level::Avx2 => Width::Two,
            Level::Avx512 | Level::Amx => Width::Four,
        };
        // SAFETY: the processor has AES-NI.
        Some(Cipher { keys: unsafe { expand(key) }, width })
    }

    /// The schedule, if it may be used four blocks to a vector.
    pub(super) fn wide(&self) -> Option<&Schedule> {
        (self.width == Width::Four).then_some(&self.keys)
    }

    /// Words of consecutive blocks from `block` on, the halves of every block under `masks`; an odd length drops the last
    /// half.
    pub(super) fn blocks(&self, stream: u64, block: u64, masks: [u64; 2], out: &mut [u64]) {
        // SAFETY (all): a `Cipher` exists only on processors with AVX2 and AES-NI, two blocks to a vector only with VAES, and
        // four only with AVX-512 F as well.
        match self.width {
            Width::One => unsafe { narrow(&self.keys, stream, block, masks, out) },
            Width::Two => unsafe { middle(&self.keys, stream, block, masks, out) },
            Width::Four => unsafe { wide(&self.keys, stream, block, masks, out) },
        }
    }

    /// Replaces every block b by AES(b), or by AES(b) ⊕ b if b is fed forward.
    pub(super) fn encrypt<const FEED: bool>(&self, blocks: &mut [[u64; 2]]) {
        // SAFETY (both): as in `blocks`.
        match self.width {
            Width::Four => unsafe { encrypt_wide::<FEED>(&self.keys, blocks) },
            Width::One | Width::Two => unsafe { encrypt_narrow::<FEED>(&self.keys, blocks) },
        }
    }
}

#[target_feature(enable = "aes")]
fn words(value: __m128i) -> [u64; 2] {
    [_mm_cvtsi128_si64(value) as u64, _mm_cvtsi128_si64(_mm_unpackhi_epi64(value, value)) as u64]
}

#[target_feature(enable = "aes")]
fn vector([low, high]: [u64; 2]) -> __m128i {
    _mm_set_epi64x(high as i64, low as i64)
}

#[target_feature(enable = "aes")]
fn next_key(key: __m128i, assist: __m128i) -> __m128i {
    let key = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
    let key = _mm_xor_si128(key, _mm_slli_si128::<8>(key));
    _mm_xor_si128(key, _mm_shuffle_epi32::<0xff>(assist))
}

/// The AES-128 key schedule (FIPS 197, section 5.2).
#[target_feature(enable = "aes")]
fn expand(key: &[u8; 16]) -> Schedule {
    let whole = u128::from_le_bytes(*key);
    let mut keys = [vector([whole as u64, (whole >> 64) as u64]); ROUNDS + 1];
    macro_rules! round {
        ($i:literal, $constant:literal) => {
            keys[$i] = next_key(keys[$i - 1], _mm_aeskeygenassist_si128::<$constant>(keys[$i - 1]));
        };
    }
    round!(1, 0x01);
    round!(2, 0x02);
    round!(3, 0x04);
    round!(4, 0x08);
    round!(5, 0x10);
    round!(6, 0x20);
    round!(7, 0x40);
    round!(8, 0x80);
    round!(9, 0x1b);
    round!(10, 0x36);
    keys.map(|key| words(key))
}

/// Eight blocks at a time.
#[target_feature(enable = "aes")]
fn narrow(keys: &Schedule, stream: u64, first: u64, masks: [u64; 2], out: &mut [u64]) {
    const WIDTH: usize = 8;
    let (keys, masks) = (keys.map(|key| vector(key)), vector(masks));
    let (mut counter, step) = (vector([stream, first]), vector([0, 1]));
    let mut group = || {
        let state: [__m128i; WIDTH] = std::array::from_fn(|_| {
            let state = _mm_xor_si128(counter, keys[0]);
            counter = _mm_add_epi64(counter, step);
            state
        });
        let rounds = keys[1..ROUNDS].iter().fold(state, |state, &key| state.map(|state| _mm_aesenc_si128(state, key)));
        rounds.map(|state| _mm_and_si128(_mm_aesenclast_si128(state, keys[ROUNDS]), masks))
    };
    let (whole, rest) = out.as_chunks_mut::<{ 2 * WIDTH }>();
    for piece in whole {
        for (words, state) in piece.as_chunks_mut::<2>().0.iter_mut().zip(group()) {
            // SAFETY: two words hold a block.
            unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), state) };
        }
    }
    if !rest.is_empty() {
        for (out, state) in rest.chunks_mut(2).zip(group()) {
            out.copy_from_slice(&words(state)[..out.len()]);
        }
    }
}

/// Eight vectors of two blocks at a time, then single blocks.
#[target_feature(enable = "avx2,aes,vaes")]
fn middle(keys: &Schedule, stream: u64, first: u64, masks: [u64; 2], out: &mut [u64]) {
    const WIDTH: usize = 8;
    const VECTOR_WORDS: usize = 4;
    let twice = |block| _mm256_broadcastsi128_si256(vector(block));
    let (wide, wide_masks) = (keys.map(twice), twice(masks));
    let (mut counter, step) = (_mm256_add_epi64(twice([stream, first]), _mm256_set_epi64x(1, 0, 0, 0)), twice([0, 2]));
    let (whole, rest) = out.as_chunks_mut::<{ WIDTH * VECTOR_WORDS }>();
    let block = first.wrapping_add((whole.len() * WIDTH * VECTOR_WORDS / 2) as u64);
    for piece in whole {
        let mut state: [__m256i; WIDTH] = std::array::from_fn(|_| {
            let state = _mm256_xor_si256(counter, wide[0]);
            counter = _mm256_add_epi64(counter, step);
            state
        });
        for &key in &wide[1..ROUNDS] {
            for state in &mut state {
                *state = _mm256_aesenc_epi128(*state, key);
            }
        }
        for (words, state) in piece.as_chunks_mut::<VECTOR_WORDS>().0.iter_mut().zip(state) {
            let words_out = _mm256_and_si256(_mm256_aesenclast_epi128(state, wide[ROUNDS]), wide_masks);
            // SAFETY: the words are those of a vector.
            unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), words_out) };
        }
    }
    narrow(keys, stream, block, masks, rest);
}

/// Eight vectors of four blocks at a time, and one or two vectors at the end.
#[target_feature(enable = "avx512f,vaes")]
fn wide(keys: &Schedule, stream: u64, first: u64, masks: [u64; 2], out: &mut [u64]) {
    const WIDTH: usize = 8;
    const VECTOR_WORDS: usize = 8;
    let keys = keys.map(|key| repeated(key));
    let masks = repeated(masks);
    let mut counter = _mm512_add_epi64(repeated([stream, first]), _mm512_set_epi64(3, 0, 2, 0, 1, 0, 0, 0));
    let (whole, rest) = out.as_chunks_mut::<{ WIDTH * VECTOR_WORDS }>();
    for piece in whole {
        for (words, state) in
            piece.as_chunks_mut::<VECTOR_WORDS>().0.iter_mut().zip(group::<WIDTH>(&keys, &mut counter))
        {
            // SAFETY: the words are those of a vector.
            unsafe { _mm512_storeu_epi64(words.as_mut_ptr().cast(), _mm512_and_si512(state, masks)) };
        }
    }
    let store = |states: &[__m512i], rest: &mut [u64]| {
        for (words, state) in rest.chunks_mut(VECTOR_WORDS).zip(states) {
            let lanes = ((1u32 << words.len()) - 1) as __mmask8;
            // SAFETY: the mask limits the store to the words.
            unsafe { _mm512_mask_storeu_epi64(words.as_mut_ptr().cast(), lanes, _mm512_and_si512(*state, masks)) };
        }
    };
    if rest.len() > 2 * VECTOR_WORDS {
        store(&group::<WIDTH>(&keys, &mut counter), rest);
    } else if !rest.is_empty() {
        store(&group::<2>(&keys, &mut counter), rest);
    }
}

/// Four times the same block.
#[target_feature(enable = "avx512f")]
#[inline]
fn repeated([low, high]: [u64; 2]) -> __m512i {
    let (low, high) = (low as i64, high as i64);
    _mm512_set_epi64(high, low, high, low, high, low, high, low)
}

/// The next N vectors of encrypted counters.
#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn group<const N: usize>(keys: &[__m512i; ROUNDS + 1], counter: &mut __m512i) -> [__m512i; N] {
    let step = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
    let mut state = [*counter; N];
    for state in &mut state {
        *state = _mm512_xor_si512(*counter, keys[0]);
        *counter = _mm512_add_epi64(*counter, step);
    }
    for &key in &keys[1..ROUNDS] {
        for state in &mut state {
            *state = _mm512_aesenc_epi128(*state, key);
        }
    }
    state.map(|state| _mm512_aesenclast_epi128(state, keys[ROUNDS]))
}

/// Eight blocks at a time.
#[target_feature(enable = "aes")]
fn encrypt_narrow<const FEED: bool>(keys: &Schedule, blocks: &mut [[u64; 2]]) {
    const WIDTH: usize = 8;
    let keys = keys.map(|key| vector(key));
    for piece in blocks.chunks_mut(WIDTH) {
        let input: [__m128i; WIDTH] = std::array::from_fn(|i| vector(piece.get(i).copied().unwrap_or_default()));
        let mut state = input.map(|block| _mm_xor_si128(block, keys[0]));
        for &key in &keys[1..ROUNDS] {
            for state in &mut state {
                *state = _mm_aesenc_si128(*state, key);
            }
        }
        for ((block, state), input) in piece.iter_mut().zip(state).zip(input) {
            let last = _mm_aesenclast_si128(state, keys[ROUNDS]);
            *block = words(if FEED { _mm_xor_si128(last, input) } else { last });
        }
    }
}

/// Eight vectors of four blocks at a time, then single blocks.
#[target_feature(enable = "avx512f,aes,vaes")]
fn encrypt_wide<const FEED: bool>(keys: &Schedule, blocks: &mut [[u64; 2]]) {
    const WIDTH: usize = 8;
    const VECTOR_BLOCKS: usize = 4;
    let wide = keys.map(|key| repeated(key));
    let (whole, rest) = blocks.as_chunks_mut::<{ WIDTH * VECTOR_BLOCKS }>();
    for piece in whole {
        let start = piece.as_mut_ptr();
        let input: [__m512i; WIDTH] = std::array::from_fn(|i| {
            // SAFETY: the piece holds eight vectors.
            unsafe { _mm512_loadu_epi64(start.add(VECTOR_BLOCKS * i).cast()) }
        });
        let mut state = input.map(|block| _mm512_xor_si512(block, wide[0]));
        for &key in &wide[1..ROUNDS] {
            for state in &mut state {
                *state = _mm512_aesenc_epi128(*state, key);
            }
        }
        for (i, (state, input)) in state.into_iter().zip(input).enumerate() {
            let last = _mm512_aesenclast_epi128(state, wide[ROUNDS]);
            let words = if FEED { _mm512_xor_si512(last, input) } else { last };
            // SAFETY: the piece holds eight vectors.
            unsafe { _mm512_storeu_epi64(start.add(VECTOR_BLOCKS * i).cast(), words) };
        }
    }
    encrypt_narrow::<FEED>(keys, rest);
}
