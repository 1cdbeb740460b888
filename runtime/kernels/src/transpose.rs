//! The transposition of a bit matrix of 128 columns into rows of 128 bits.
//!
//! Eight squares of 64 by 64 bits are transposed side by side, one in every lane, by exchanging halves of halves (Warren,
//! Hacker's Delight, section 7-3).

use zeroize::Zeroize;

use crate::level::{self, Level};

#[cfg(target_arch = "x86_64")]
mod avx512;

const SIDE: usize = 64;
const LANES: usize = 8;

/// Columns of the matrix.
pub const COLUMNS: usize = 128;

/// Fills `rows` from `columns`: bit c of row r is bit r of column c. A column has a bit for every row and is a whole number of
/// words; the low word of a row holds columns 0 to 63.
///
/// # Panics
/// If the number of rows is no multiple of 64 or `columns` is not as long.
pub fn transpose(columns: &[u64], rows: &mut [[u64; 2]]) {
    transpose_at_level(level::current(), columns, rows);
}

fn transpose_at_level(level: Level, columns: &[u64], rows: &mut [[u64; 2]]) {
    assert!(rows.len().is_multiple_of(SIDE), "rows come in words of 64");
    assert_eq!(columns.len(), rows.len() / SIDE * COLUMNS, "as many words as {} rows have", rows.len());
    #[cfg(target_arch = "x86_64")]
    let done = if avx512::available(level) { avx512::transpose(columns, rows) } else { 0 };
    #[cfg(not(target_arch = "x86_64"))]
    let done = (level, 0).1;
    squares(columns, rows, done);
}

/// The squares of the rows from `done` on, up to eight at a time.
fn squares(columns: &[u64], rows: &mut [[u64; 2]], done: usize) {
    let words = rows.len() / SIDE;
    let mut square = [[0; LANES]; SIDE];
    for (group, rows) in rows[done..].chunks_mut(LANES * SIDE).enumerate() {
        let (first, lanes) = (done / SIDE + group * LANES, rows.len() / SIDE);
        for half in 0..2 {
            for (c, line) in square.iter_mut().enumerate() {
                line[..lanes].copy_from_slice(&columns[(half * SIDE + c) * words + first..][..lanes]);
            }
            turn(&mut square);
            for (lane, rows) in rows.chunks_exact_mut(SIDE).enumerate() {
                for (row, line) in rows.iter_mut().zip(&square) {
                    row[half] = line[lane];
                }
            }
        }
    }
    square.zeroize();
}

/// Transposes the square of every lane.
fn turn(square: &mut [[u64; LANES]; SIDE]) {
    exchange::<32>(square, 0x0000_0000_ffff_ffff);
    exchange::<16>(square, 0x0000_ffff_0000_ffff);
    exchange::<8>(square, 0x00ff_00ff_00ff_00ff);
    exchange::<4>(square, 0x0f0f_0f0f_0f0f_0f0f);
    exchange::<2>(square, 0x3333_3333_3333_3333);
    exchange::<1>(square, 0x5555_5555_5555_5555);
}

/// Exchanges the high `HALF` columns of the upper lines with the low ones of the lower, in every block of twice the size.
fn exchange<const HALF: usize>(square: &mut [[u64; LANES]; SIDE], low: u64) {
    for block in square.chunks_exact_mut(2 * HALF) {
        let (upper, lower) = block.split_at_mut(HALF);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let moved = (*upper >> HALF ^ *lower) & low;
                *lower ^= moved;
                *upper ^= moved << HALF;
            }
        }
    }
}

#[cfg(test)]
mod tests;
