//! Products with AMX: words split into bytes, and a tile instruction that multiplies 16 rows of 64 bytes by 64 rows of 16
//! columns at a time.
//!
//! Limb i of the left operand times limb j of the right one counts 2^(8(i + j)) times, so the products of one diagonal
//! d = i + j share a sum, and diagonals that begin above the ring are left out: 36 products of limbs for 64 bits, 28 for 56,
//! 10 for 32. The sums have 32 bits. They may wrap where no more than 32 bits of a diagonal lie within the ring, which holds
//! from the fourth on; the others bound the inner extent of a block.
//!
//! Everything but the instructions themselves, which [`unit`] emulates, runs and is tested on every processor.

use std::ops::Range;

use super::{Shape, scratch};

mod pack;

use crate::tiles::{self, DEPTH, Hardware, SIDE, Tile, Unit};

/// Bits of a limb.
const LIMB: u32 = 8;
/// Columns of a block of sums: two tiles.
const COLUMNS: usize = 2 * SIDE;

/// Longest inner extent for which no sum that matters above its 32 bits wraps: four products of two bytes per term.
const MOST_INNER: usize = 16512;
const _: () = assert!(4 * 255 * 255 * MOST_INNER as u64 <= u32::MAX as u64 && MOST_INNER.is_multiple_of(DEPTH));
/// Inner extent of a packed block.
const INNER: usize = 1024;
const _: () = assert!(INNER <= MOST_INNER && INNER.is_multiple_of(DEPTH));
/// Tiles of a packed block of the right operand, one mebibyte, which stays in the second-level cache.
const RIGHT_TILES: usize = 1024;
/// Tiles of a packed block of the left operand, four mebibytes, which are read once for every block of the right one.
const LEFT_TILES: usize = 4096;
/// Tiles of left limbs that are used before the sums are put aside, so that they and the right ones stay in the first-level
/// cache.
const CHUNK_TILES: usize = 16;

/// What a product takes, in hundredths of a picosecond on a Xeon with both units: a product of two bytes in a tile, a byte of an
/// operand that is packed from the third-level cache or from nearer, and a term of the vectors' kernels by the widest ring of each.
/// Only their ratios matter.
mod cost {
    pub(super) const BYTES: u64 = 45;
    pub(super) const PACKED_FAR: u64 = 21_000;
    pub(super) const PACKED_NEAR: u64 = 12_500;
    /// Operands of so many words are near.
    pub(super) const NEAR: usize = 1 << 15;
    pub(super) const VECTORS: [(u32, u64); 3] = [(32, 3_300), (52, 3_400), (64, 8_800)];
}

/// Whether tiles are faster than vectors: they multiply every pair of bytes that counts, of padded operands that are packed
/// byte by byte first.
pub(super) fn pays(bits: u32, shape: Shape) -> bool {
    let Shape { m, k, n } = shape;
    let limbs = u64::from(bits.div_ceil(LIMB));
    let [rows, inner, columns] =
        [(m, SIDE), (k, DEPTH), (n, COLUMNS)].map(|(extent, side)| extent.next_multiple_of(side));
    let operands = (rows + columns) * inner;
    let packing = if operands <= cost::NEAR { cost::PACKED_NEAR } else { cost::PACKED_FAR };
    let tiles = (rows * inner * columns) as u64 * (limbs * (limbs + 1) / 2) * cost::BYTES;
    let term = cost::VECTORS.iter().find(|(widest, _)| bits <= *widest).map_or(0, |(_, term)| *term);
    tiles + operands as u64 * limbs * packing <= (m * k * n) as u64 * term
}

/// C = A·B modulo 2^`bits` with the processor's tiles; higher bits of the result are arbitrary.
pub(super) fn on_hardware(bits: u32, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let mut unit = Hardware::new().expect("that level is reached only where the tiles work");
    product(&mut unit, bits, shape, a, b, c);
}

/// C = A·B modulo 2^`bits`; higher bits of the result are arbitrary.
fn product<U: Unit>(unit: &mut U, bits: u32, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { m, k, n } = shape;
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n, "operands of the shape");
    let limbs = bits.div_ceil(LIMB) as usize;
    let most_steps = INNER.min(k).div_ceil(DEPTH);
    // Columns of a packed right block, in blocks of sums, and rows of a packed left one, in tiles.
    let most_pairs = (RIGHT_TILES / (2 * limbs * most_steps)).clamp(1, n.div_ceil(COLUMNS));
    let most_sides = (LEFT_TILES / (limbs * most_steps)).clamp(1, m.div_ceil(SIDE));
    let left_tiles = most_sides * most_steps * limbs;
    let tile_words = size_of::<Tile>() / size_of::<u64>();
    let right_words = 2 * most_pairs * most_steps * limbs * tile_words;
    scratch::with((left_tiles + 2 * limbs) * tile_words, right_words, |left, right| {
        let (left, sums) = tiles::tiles(left).split_at_mut(left_tiles);
        let right = tiles::tiles(right);
        for k0 in (0..k).step_by(INNER) {
            let inner = INNER.min(k - k0);
            let side_tiles = inner.div_ceil(DEPTH) * limbs;
            for m0 in (0..m).step_by(most_sides * SIDE) {
                let rows = (m - m0).min(most_sides * SIDE);
                for (at, side) in (0..rows).step_by(SIDE).zip(left.chunks_exact_mut(side_tiles)) {
                    let words = &a[(m0 + at) * k + k0..];
                    pack::left(limbs, pack::Piece { words, stride: k, inner, used: SIDE.min(rows - at) }, side);
                }
                for n0 in (0..n).step_by(most_pairs * COLUMNS) {
                    let columns = (n - n0).min(most_pairs * COLUMNS);
                    let right = &mut right[..2 * columns.div_ceil(COLUMNS) * side_tiles];
                    let piece = pack::Piece { words: &b[k0 * n + n0..], stride: n, inner, used: columns };
                    pack::right(limbs, piece, right);
                    for (at, side) in (0..rows).step_by(SIDE).zip(left.chunks_exact(side_tiles)) {
                        let c = &mut c[(m0 + at) * n..][..SIDE.min(rows - at) * n];
                        let part = Part { rows: c, n, columns: n0..n0 + columns, add: k0 > 0 };
                        panels(unit, limbs, (side, right), sums, part);
                    }
                }
            }
        }
    });
}

/// Where the product of a left tile row and a right block goes.
struct Part<'a> {
    /// Up to 16 whole rows of the result.
    rows: &'a mut [u64],
    /// Columns of the result.
    n: usize,
    /// Those of the block.
    columns: Range<usize>,
    /// Onto what is there.
    add: bool,
}

/// One packed left tile row times a packed right block, panel by panel.
fn panels<U: Unit>(unit: &mut U, limbs: usize, (side, right): (&[Tile], &[Tile]), sums: &mut [Tile], part: Part<'_>) {
    let Part { rows, n, columns, add } = part;
    for (at, panel) in columns.clone().step_by(COLUMNS).zip(right.chunks_exact(2 * side.len())) {
        diagonals(unit, limbs, side, panel, sums);
        let used = COLUMNS.min(columns.end - at);
        U::wide(|| {
            for (r, row) in rows.chunks_exact_mut(n).enumerate() {
                join(limbs, sums, r, add, &mut row[at..][..used]);
            }
        });
    }
}

/// The sums of every diagonal of limbs for one left tile row, `[step][limb]`, and a right panel, `[half][step][limb]`, as
/// `[diagonal][half]`. Diagonals go in pairs so that a tile of right limbs serves two of them.
fn diagonals<U: Unit>(unit: &mut U, limbs: usize, left: &[Tile], right: &[Tile], sums: &mut [Tile]) {
    let steps = left.len() / limbs;
    let (first, second) = right.split_at(left.len());
    let chunk = CHUNK_TILES / limbs;
    for from in (0..steps).step_by(chunk) {
        let chunk = from..(from + chunk).min(steps);
        for (d, sums) in (0..limbs).step_by(2).zip(sums.chunks_mut(4)) {
            let both = d + 1 < limbs;
            if from == 0 {
                unit.zero::<0>();
                unit.zero::<1>();
                unit.zero::<2>();
                unit.zero::<3>();
            } else {
                unit.load::<0>(&sums[0]);
                unit.load::<1>(&sums[1]);
                if both {
                    unit.load::<2>(&sums[2]);
                    unit.load::<3>(&sums[3]);
                }
            }
            for step in chunk.clone() {
                let at = step * limbs;
                let (left, first, second) = (&left[at..][..limbs], &first[at..][..limbs], &second[at..][..limbs]);
                if both {
                    unit.load::<6>(&first[d + 1]);
                    unit.load::<7>(&second[d + 1]);
                }
                for i in 0..=d {
                    unit.load::<4>(&left[i]);
                    if both {
                        unit.multiply_add::<2, 4, 6>();
                        unit.multiply_add::<3, 4, 7>();
                    }
                    unit.load::<6>(&first[d - i]);
                    unit.load::<7>(&second[d - i]);
                    unit.multiply_add::<0, 4, 6>();
                    unit.multiply_add::<1, 4, 7>();
                }
                if both {
                    unit.load::<4>(&left[d + 1]);
                    unit.multiply_add::<2, 4, 6>();
                    unit.multiply_add::<3, 4, 7>();
                }
            }
            unit.store::<0>(&mut sums[0]);
            unit.store::<1>(&mut sums[1]);
            if both {
                unit.store::<2>(&mut sums[2]);
                unit.store::<3>(&mut sums[3]);
            }
        }
    }
}

/// Row `r` of the diagonals' sums, each at its weight, to or onto `out`.
#[inline(always)]
fn join(limbs: usize, sums: &[Tile], r: usize, add: bool, out: &mut [u64]) {
    for (half, out) in out.chunks_mut(SIDE).enumerate() {
        let mut row = [0u64; SIDE];
        for d in 0..limbs {
            let terms = sums[2 * d + half].row(r).as_chunks::<4>().0;
            for (sum, term) in row.iter_mut().zip(terms) {
                *sum = sum.wrapping_add(u64::from(u32::from_le_bytes(*term)) << (LIMB as usize * d));
            }
        }
        for (out, sum) in out.iter_mut().zip(row) {
            *out = if add { out.wrapping_add(sum) } else { sum };
        }
    }
}

#[cfg(test)]
mod tests;
