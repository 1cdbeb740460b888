//! Words to tiles of byte limbs. A left tile has 16 rows of 64 terms; a right tile has, in row q, the terms 4q .. 4q + 3 of
//! 16 columns side by side. What passes the operand's end is zero.
#![allow(unsafe_code, reason = "calls functions compiled for an instruction set found at run time")]

use crate::level::{self, Level};

use super::COLUMNS;
use crate::tiles::{DEPTH, SIDE, Tile};

mod vbmi;

/// A part of a row-major operand: of the left one `used` rows of `inner` words, of the right one `inner` rows of `used` words.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// From the part's first word on.
    pub(super) words: &'a [u64],
    /// Words between rows.
    pub(super) stride: usize,
    pub(super) inner: usize,
    pub(super) used: usize,
}

impl Piece<'_> {
    fn check(&self, limbs: usize, sides: usize, tiles: usize, rows: usize, len: usize) {
        assert!((1..=8).contains(&limbs) && self.used <= sides * SIDE, "a tile's limbs and sides");
        assert_eq!(tiles, self.inner.div_ceil(DEPTH) * limbs * sides, "tiles of the part");
        assert!(rows > 0 && len > 0 && self.words.len() >= (rows - 1) * self.stride + len, "an operand's part");
    }
}

/// Up to 16 left rows as `[step][limb]`.
pub(super) fn left(limbs: usize, piece: Piece<'_>, out: &mut [Tile]) {
    piece.check(limbs, 1, out.len(), piece.used, piece.inner);
    if vectors() {
        // SAFETY: the processor has AVX-512 F, BW and VBMI.
        unsafe { vbmi::left(limbs, piece, out) }
    } else {
        left_portable(limbs, piece, out);
    }
}

/// Right columns as `[half][step][limb]`, each half 16 of them and both halves of 32 there.
pub(super) fn right(limbs: usize, piece: Piece<'_>, out: &mut [Tile]) {
    piece.check(limbs, 2 * piece.used.div_ceil(COLUMNS), out.len(), piece.inner, piece.used);
    if vectors() {
        // SAFETY: the processor has AVX-512 F, BW and VBMI.
        unsafe { vbmi::right(limbs, piece, out) }
    } else {
        right_portable(limbs, piece, out);
    }
}

fn vectors() -> bool {
    level::hardware() >= Level::Avx512 && is_x86_feature_detected!("avx512vbmi")
}

fn left_portable(limbs: usize, piece: Piece<'_>, out: &mut [Tile]) {
    let Piece { words, stride, inner, used } = piece;
    out.fill(Tile::ZERO);
    for r in 0..used {
        for (p, word) in words[r * stride..][..inner].iter().enumerate() {
            for (limb, byte) in word.to_le_bytes().into_iter().enumerate().take(limbs) {
                out[p / DEPTH * limbs + limb].row_mut(r)[p % DEPTH] = byte;
            }
        }
    }
}

fn right_portable(limbs: usize, piece: Piece<'_>, out: &mut [Tile]) {
    let Piece { words, stride, inner, used } = piece;
    let half = inner.div_ceil(DEPTH) * limbs;
    out.fill(Tile::ZERO);
    for p in 0..inner {
        for (j, word) in words[p * stride..][..used].iter().enumerate() {
            for (limb, byte) in word.to_le_bytes().into_iter().enumerate().take(limbs) {
                let tile = &mut out[j / SIDE * half + p / DEPTH * limbs + limb];
                tile.row_mut(p % DEPTH / 4)[4 * (j % SIDE) + p % 4] = byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_pack_as_the_portable_code_does() {
        let mut words = vec![0; 40 * 300];
        crate::prg::fill(&crate::Seed::from_bytes([3; 16]), 0, 0, &mut words);
        for limbs in 1..=8 {
            for inner in [1usize, 3, 4, 63, 64, 65, 130] {
                for used in [1usize, 7, 8, 15, 16, 17, 24, 31, 32, 33, 80] {
                    let tiles = inner.div_ceil(DEPTH) * limbs;
                    let pairs = used.div_ceil(COLUMNS);
                    let dirty = |tiles| vec![Tile([0xee; SIDE * DEPTH]); tiles];
                    let same = |a: &[Tile], b: &[Tile]| a.iter().zip(b).all(|(a, b)| a.0 == b.0);
                    let piece = Piece { words: &words[5..], stride: 85, inner, used };
                    let (mut fast, mut plain) = (dirty(2 * pairs * tiles), dirty(2 * pairs * tiles));
                    right(limbs, piece, &mut fast);
                    right_portable(limbs, piece, &mut plain);
                    assert!(same(&fast, &plain), "right: {limbs} limbs, {inner} x {used}");
                    if used <= SIDE {
                        let piece = Piece { stride: 300, ..piece };
                        let (mut fast, mut plain) = (dirty(tiles), dirty(tiles));
                        left(limbs, piece, &mut fast);
                        left_portable(limbs, piece, &mut plain);
                        assert!(same(&fast, &plain), "left: {limbs} limbs, {used} x {inner}");
                    }
                }
            }
        }
    }
}
