//! Sixty-four words at a time: a byte permutation brings the limbs of eight words together, and a transposition of eight
//! vectors those of all.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use super::Piece;
use crate::tiles::{DEPTH, SIDE, Tile};

const LANES: usize = 8;

/// Byte 8i + j of the result is byte i of word j.
const TRANSPOSED: [u8; 64] = {
    let mut indices = [0; 64];
    let mut at = 0;
    while at < 64 {
        indices[at] = (at % 8 * 8 + at / 8) as u8;
        at += 1;
    }
    indices
};

/// Of four rows of bytes for each of two groups of eight columns, `[group][row][column]`, the four bytes of every column.
const QUADS: [u8; 64] = {
    let mut indices = [0; 64];
    let mut at = 0;
    while at < 64 {
        let (column, row) = (at / 4, at % 4);
        indices[at] = (column / 8 * 32 + row * 8 + column % 8) as u8;
        at += 1;
    }
    indices
};

#[target_feature(enable = "avx512f")]
#[inline]
fn indices(table: &[u8; 64]) -> __m512i {
    // SAFETY: the table has 64 bytes.
    unsafe { _mm512_loadu_si512(table.as_ptr().cast()) }
}

/// The words `from ..`, as far as there are `count` of them, zeros beyond.
///
/// # Safety
/// `from` is readable for `count` words, of which eight count at most.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn words(from: *const u64, count: usize) -> __m512i {
    let mask = ((1u32 << count.min(LANES)) - 1) as __mmask8;
    // SAFETY: the mask limits the load to the words.
    unsafe { _mm512_maskz_loadu_epi64(mask, from.cast()) }
}

/// Of eight vectors, vector i of lanes i.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(v: [__m512i; 8]) -> [__m512i; 8] {
    let pairs = [0, 2, 4, 6].map(|i| [_mm512_unpacklo_epi64(v[i], v[i + 1]), _mm512_unpackhi_epi64(v[i], v[i + 1])]);
    // For odd and even lanes: 128-bit pieces 0, 2 and 1, 3 of two pairs of vectors, of the first four and of the others.
    let mut out = v;
    for odd in 0..2 {
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|i| pairs[i][odd]);
        let low = [
            _mm512_shuffle_i64x2::<0b10_00_10_00>(first, second),
            _mm512_shuffle_i64x2::<0b10_00_10_00>(third, fourth),
        ];
        let high = [
            _mm512_shuffle_i64x2::<0b11_01_11_01>(first, second),
            _mm512_shuffle_i64x2::<0b11_01_11_01>(third, fourth),
        ];
        out[odd] = _mm512_shuffle_i64x2::<0b10_00_10_00>(low[0], low[1]);
        out[4 + odd] = _mm512_shuffle_i64x2::<0b11_01_11_01>(low[0], low[1]);
        out[2 + odd] = _mm512_shuffle_i64x2::<0b10_00_10_00>(high[0], high[1]);
        out[6 + odd] = _mm512_shuffle_i64x2::<0b11_01_11_01>(high[0], high[1]);
    }
    out
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(vector: __m512i, row: &mut [u8; DEPTH]) {
    // SAFETY: the row has 64 bytes.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), vector) };
}

/// As [`super::left`], on a checked piece.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn left(limbs: usize, piece: Piece<'_>, out: &mut [Tile]) {
    let Piece { words: source, stride, inner, used } = piece;
    let transposed = indices(&TRANSPOSED);
    for (step, tiles) in out.chunks_exact_mut(limbs).enumerate() {
        for r in 0..SIDE {
            let mut limb = [_mm512_setzero_si512(); 8];
            if r < used {
                let row = &source[r * stride + step * DEPTH..][..DEPTH.min(inner - step * DEPTH)];
                for (group, limb) in row.chunks(LANES).zip(&mut limb) {
                    // SAFETY: the group's words.
                    let group = unsafe { words(group.as_ptr(), group.len()) };
                    *limb = _mm512_permutexvar_epi8(transposed, group);
                }
                limb = transpose(limb);
            }
            for (tile, limb) in tiles.iter_mut().zip(limb) {
                store(limb, tile.row_mut(r));
            }
        }
    }
}

/// As [`super::right`], on a checked piece. Four rows at a time over all columns, so that memory is read in its order.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn right(limbs: usize, piece: Piece<'_>, out: &mut [Tile]) {
    let Piece { words: source, stride, inner, used } = piece;
    let (transposed, quads) = (indices(&TRANSPOSED), indices(&QUADS));
    let side_tiles = inner.div_ceil(DEPTH) * limbs;
    for p0 in (0..inner.next_multiple_of(DEPTH)).step_by(4) {
        let (tile, q) = (p0 / DEPTH * limbs, p0 % DEPTH / 4);
        for (side, tiles) in out.chunks_exact_mut(side_tiles).enumerate() {
            let j0 = side * SIDE;
            // Rows p0 .. p0 + 3 of the first eight columns, then of the others.
            let mut limb = [_mm512_setzero_si512(); 8];
            if p0 + 4 <= inner && j0 + SIDE <= used {
                let rows = &source[p0 * stride + j0..][..3 * stride + SIDE];
                for (at, limb) in limb.iter_mut().enumerate() {
                    // SAFETY: at most three rows and eight words on, eight words are left.
                    *limb = unsafe { _mm512_loadu_epi64(rows.as_ptr().add(at % 4 * stride + at / 4 * LANES).cast()) };
                }
            } else {
                for (at, limb) in limb.iter_mut().enumerate() {
                    let (p, j) = (p0 + at % 4, j0 + at / 4 * LANES);
                    if p < inner && j < used {
                        let row = &source[p * stride + j..][..LANES.min(used - j)];
                        // SAFETY: the row's words.
                        *limb = unsafe { words(row.as_ptr(), row.len()) };
                    }
                }
            }
            let limb = transpose(limb.map(|words| _mm512_permutexvar_epi8(transposed, words)));
            for (tile, limb) in tiles[tile..][..limbs].iter_mut().zip(limb) {
                store(_mm512_permutexvar_epi8(quads, limb), tile.row_mut(q));
            }
        }
    }
}
