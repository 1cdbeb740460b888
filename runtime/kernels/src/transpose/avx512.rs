//! The same exchanges on vectors of eight words, three halvings at a time in registers.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use zeroize::Zeroize;

use super::{COLUMNS, LANES, SIDE};
use crate::level::{self, Level};

/// Lines that are held in registers.
const HELD: usize = 8;

type Square = [[u64; LANES]; SIDE];

/// Whether this form can run at `level`.
pub(super) fn available(level: Level) -> bool {
    level.min(level::hardware()) >= Level::Avx512
}

/// Transposes the leading groups of 512 rows; returns how many rows.
pub(super) fn transpose(columns: &[u64], rows: &mut [[u64; 2]]) -> usize {
    assert!(available(Level::Avx512), "AVX-512 kernel on a processor without it");
    assert_eq!(columns.len() * 64, rows.len() * COLUMNS, "a bit for every row and column");
    // SAFETY: the processor has AVX-512 F.
    unsafe { vectorised(columns, rows) }
}

#[target_feature(enable = "avx512f")]
fn vectorised(columns: &[u64], rows: &mut [[u64; 2]]) -> usize {
    let words = rows.len() / SIDE;
    let mut squares = [[[0; LANES]; SIDE]; 2];
    let groups = rows.as_chunks_mut::<{ LANES * SIDE }>().0;
    let done = groups.len() * LANES * SIDE;
    for (group, rows) in groups.iter_mut().enumerate() {
        for (half, square) in squares.iter_mut().enumerate() {
            let column = |c: usize| &columns[(half * SIDE + c) * words + group * LANES..][..LANES];
            for first in 0..SIDE / HELD {
                let lines = std::array::from_fn(|i| load(column(first + i * HELD)));
                let turned = exchange::<4, 32>(lines, 0x0000_0000_ffff_ffff);
                let turned = exchange::<2, 16>(turned, 0x0000_ffff_0000_ffff);
                let turned = exchange::<1, 8>(turned, 0x00ff_00ff_00ff_00ff);
                for (i, line) in turned.into_iter().enumerate() {
                    store(line, &mut square[first + i * HELD]);
                }
            }
            for held in square.as_chunks_mut::<HELD>().0 {
                let lines = std::array::from_fn(|i| load(&held[i]));
                let turned = exchange::<4, 4>(lines, 0x0f0f_0f0f_0f0f_0f0f);
                let turned = exchange::<2, 2>(turned, 0x3333_3333_3333_3333);
                let turned = exchange::<1, 1>(turned, 0x5555_5555_5555_5555);
                for (line, held) in turned.into_iter().zip(held) {
                    store(line, held);
                }
            }
        }
        join(&squares, rows);
    }
    squares.zeroize();
    done
}

/// Rows from the lines of both halves: lane l of line r is row 64 l + r.
#[target_feature(enable = "avx512f")]
#[inline]
fn join([low, high]: &[Square; 2], rows: &mut [[u64; 2]; LANES * SIDE]) {
    for (r, (low, high)) in low.iter().zip(high).enumerate() {
        let (low, high) = (load(low), load(high));
        let (even, odd) = (_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
        let mut put = |lane: usize, row: __m128i| {
            let row_out = &mut rows[lane * SIDE + r];
            // SAFETY: a row has two words.
            unsafe { _mm_storeu_si128(row_out.as_mut_ptr().cast(), row) };
        };
        put(0, _mm512_castsi512_si128(even));
        put(1, _mm512_castsi512_si128(odd));
        put(2, _mm512_extracti32x4_epi32::<1>(even));
        put(3, _mm512_extracti32x4_epi32::<1>(odd));
        put(4, _mm512_extracti32x4_epi32::<2>(even));
        put(5, _mm512_extracti32x4_epi32::<2>(odd));
        put(6, _mm512_extracti32x4_epi32::<3>(even));
        put(7, _mm512_extracti32x4_epi32::<3>(odd));
    }
}

/// Exchanges the high `SHIFT` bits of a line with the low ones of the line `APART` below it.
#[target_feature(enable = "avx512f")]
#[inline]
fn exchange<const APART: usize, const SHIFT: u32>(mut lines: [__m512i; HELD], low: u64) -> [__m512i; HELD] {
    let low = _mm512_set1_epi64(low as i64);
    for i in (0..HELD).filter(|i| i & APART == 0) {
        let (upper, lower) = (lines[i], lines[i + APART]);
        let moved = _mm512_and_si512(_mm512_xor_si512(_mm512_srli_epi64::<SHIFT>(upper), lower), low);
        lines[i + APART] = _mm512_xor_si512(lower, moved);
        lines[i] = _mm512_xor_si512(upper, _mm512_slli_epi64::<SHIFT>(moved));
    }
    lines
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(words: &[u64]) -> __m512i {
    let words = words.first_chunk::<LANES>().expect("eight words");
    // SAFETY: eight words are a vector.
    unsafe { _mm512_loadu_epi64(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(line: __m512i, words: &mut [u64; LANES]) {
    // SAFETY: eight words are a vector.
    unsafe { _mm512_storeu_epi64(words.as_mut_ptr().cast(), line) };
}
