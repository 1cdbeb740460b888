//! What the parties compute with a row: the public bucket and powers, the per-window value and the hand-over.

use super::{NODES, RowTable, fit_entry};

/// The public part of a look-up in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Bucket index j.
    pub index: usize,
    /// τ^0 .. τ^3 at scale 2^tau_bits, each power the previous one times τ, rounded down.
    pub powers: [u64; NODES],
}

/// The bucket and powers of the opened value `masked` (counted mod 2^k) in window `w`.
pub fn bucket(table: &RowTable, w: u32, masked: u64) -> Bucket {
    let (bits, shift, g) = (table.window_bits(w), table.bucket_bits(w), table.tau_bits);
    let reduced = masked & ((1 << bits) - 1);
    let position = reduced & ((1 << shift) - 1);
    let tau = if shift >= g { position >> (shift - g) } else { position << (g - shift) };
    let mut powers = [1 << g; NODES];
    for q in 1..NODES {
        powers[q] = (powers[q - 1] * tau) >> g;
    }
    Bucket { index: (reduced >> shift) as usize, powers }
}

/// The value T_w at scale 2^(fraction + tau_bits) and the flag L_w (0 for the last window) of window `w`.
/// `word` gives a word of the row by its position; the sums wrap, so `word` may give one party's shares.
pub fn window_value(table: &RowTable, word: impl Fn(usize) -> u64, w: u32, masked: u64) -> (u64, u64) {
    let Bucket { index, powers } = bucket(table, w, masked);
    let value = (0u32..)
        .zip(powers)
        .fold(0u64, |sum, (q, power)| sum.wrapping_add(power.wrapping_mul(word(table.coefficient_at(w, q, index)))));
    let low = if w + 1 < table.windows { word(table.flag_at(w, index)) } else { 0 };
    (value, low)
}

/// T_0 + L_0(T_1 + L_1(T_2 + …)) over the windows' (T_w, L_w), widest first, wrapping.
pub fn combine(windows: impl DoubleEndedIterator<Item = (u64, u64)>) -> u64 {
    windows.rev().fold(0, |below, (value, low)| value.wrapping_add(low.wrapping_mul(below)))
}

/// The row function's result at scale 2^(fraction + tau_bits) for the opened value `masked`, from a plain row
/// given by position.
pub fn eval_row(table: &RowTable, word: impl Fn(usize) -> u64, masked: u64) -> i64 {
    combine((0..table.windows).map(|w| window_value(table, &word, w, masked))) as i64
}

/// As [`eval_row`] on the row dealt for `mask`, for the value `v`: fits only the buckets it needs. The table
/// must satisfy [`RowTable::check`].
pub fn eval_plain(table: &RowTable, v: u64, mask: u64) -> i64 {
    let masked = v.wrapping_add(mask);
    combine((0..table.windows).map(|w| {
        let Bucket { index, powers } = bucket(table, w, masked);
        let entry = fit_entry(table, mask, w, index);
        let value = entry
            .coefficients
            .iter()
            .zip(powers)
            .fold(0u64, |sum, (c, power)| sum.wrapping_add(power.wrapping_mul(*c)));
        (value, entry.low)
    })) as i64
}
