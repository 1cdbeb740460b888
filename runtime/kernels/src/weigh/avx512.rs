//! The same sums, eight vectors of four blocks at a time: the streams of two neighbours are made and added up in registers.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use zeroize::Zeroize;

use super::{MOST_BITS, PIECE};
use crate::level::{self, Level};
use crate::prg::x86::Schedule;

const VECTORS: usize = 8;
const WORDS: usize = 8;

/// A piece of a stream or sum.
type Piece = [__m512i; VECTORS];

/// As [`weigh`](super::weigh()), from words of `stream` and the first block on. Schedules of this kind exist only where the processor has
/// AVX-512 F and VAES.
pub(super) fn weigh(keys: &[Schedule], absent: usize, first: [u64; 2], weighted: &mut [u64], total: &mut [u64]) {
    assert!(level::hardware() >= Level::Avx512, "AVX-512 kernel on a processor without it");
    assert!(weighted.len() / total.len() <= MOST_BITS, "a place for every level");
    // SAFETY: whoever has a schedule for four blocks a vector found AVX-512 F and VAES.
    unsafe { vectorised(keys, absent, first, weighted, total) }
}

#[target_feature(enable = "avx512f,vaes")]
fn vectorised(keys: &[Schedule], absent: usize, [stream, block]: [u64; 2], weighted: &mut [u64], total: &mut [u64]) {
    let (words, zero) = (total.len(), [_mm512_setzero_si512(); VECTORS]);
    let bits = weighted.len() / words;
    let mut sums = [[[0u64; PIECE]; MOST_BITS], [[0; PIECE]; MOST_BITS]];
    let [left, right] = &mut sums;
    for start in (0..words).step_by(PIECE) {
        let len = PIECE.min(words - start);
        let counters = counters(stream, block.wrapping_add((start / 2) as u64));
        let mut odd = zero;
        right.iter_mut().for_each(|right| right.fill(0));
        for pair in 0..1usize << (bits - 1) {
            let first = (2 * pair).checked_sub(absent).map_or(zero, |at| stream_of(&keys[at], &counters));
            let second = stream_of(&keys[2 * pair + 1 - absent], &counters);
            odd = xor(odd, second);
            let mut sum = xor(first, second);
            let level = pair.trailing_ones() as usize;
            for (right, left) in right[1..].iter_mut().zip(&left[1..]).take(level.min(bits - 1)) {
                store(xor(load(right), sum), right);
                sum = xor(sum, load(left));
            }
            // The sum of all pairs has no level of its own and takes the first place, which no pair needs.
            store(sum, &mut left[(level + 1) % bits]);
        }
        store(odd, &mut right[0]);
        total[start..][..len].copy_from_slice(&left[0][..len]);
        for (right, weighted) in right.iter().zip(weighted.chunks_exact_mut(words)) {
            weighted[start..][..len].copy_from_slice(&right[..len]);
        }
    }
    sums.zeroize();
}

#[target_feature(enable = "avx512f")]
#[inline]
fn counters(stream: u64, block: u64) -> Piece {
    let (stream, block) = (_mm512_set1_epi64(stream as i64), block as i64);
    std::array::from_fn(|i| {
        let at = |j: i64| block.wrapping_add(4 * i as i64 + j);
        let blocks = _mm512_set_epi64(at(3), 0, at(2), 0, at(1), 0, at(0), 0);
        _mm512_mask_mov_epi64(blocks, 0b0101_0101, stream)
    })
}

/// The encrypted counters.
#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn stream_of(keys: &Schedule, counters: &Piece) -> Piece {
    let mut keys = keys.iter().map(|key| {
        // SAFETY: a key has 16 bytes.
        _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(key.as_ptr().cast()) })
    });
    let mut next = || keys.next().expect("a key for every round");
    let whitening = next();
    let mut state = *counters;
    for state in &mut state {
        *state = _mm512_xor_si512(*state, whitening);
    }
    for _ in 1..10 {
        let key = next();
        for state in &mut state {
            *state = _mm512_aesenc_epi128(*state, key);
        }
    }
    let last = next();
    for state in &mut state {
        *state = _mm512_aesenclast_epi128(*state, last);
    }
    state
}

#[target_feature(enable = "avx512f")]
#[inline]
fn xor(mut a: Piece, b: Piece) -> Piece {
    for (a, b) in a.iter_mut().zip(b) {
        *a = _mm512_xor_si512(*a, b);
    }
    a
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(words: &[u64; PIECE]) -> Piece {
    let words = words.as_chunks::<WORDS>().0;
    // SAFETY: eight words are a vector.
    std::array::from_fn(|i| unsafe { _mm512_loadu_epi64(words[i].as_ptr().cast()) })
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(piece: Piece, words: &mut [u64; PIECE]) {
    for (words, vector) in words.as_chunks_mut::<WORDS>().0.iter_mut().zip(piece) {
        // SAFETY: eight words are a vector.
        unsafe { _mm512_storeu_epi64(words.as_mut_ptr().cast(), vector) };
    }
}
