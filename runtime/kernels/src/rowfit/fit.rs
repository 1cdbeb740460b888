//! The dealer's fit of a row. The same steps fit one bucket or a window of them; for a window the compiler takes several
//! buckets at a time, which rounds every operation as one alone does.

use crate::level::{self, Level};

use super::{HAND_OVER, LEAST, NODE, NODES, RowError, RowFunction, RowTable};

#[cfg(target_arch = "x86_64")]
mod x86;

/// One bucket of a dealt row: coefficients and, below the last window, the hand-over flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Coefficients of τ^0 .. τ^3 at scale 2^fraction, two's complement.
    pub coefficients: [u64; NODES],
    /// 1 if the next window decides; the coefficients are then zero.
    pub low: u64,
}

/// What the buckets of one window share.
#[derive(Clone, Copy)]
struct Window {
    mask: u64,
    /// Bits of a position within a bucket.
    shift: u32,
    /// Width of the window, a power of two, and of a bucket.
    period: u64,
    width: u64,
    /// Buckets that begin below hand over.
    hand_over: i64,
    /// 2^fraction.
    scale: f64,
}

impl Window {
    fn new(table: &RowTable, mask: u64, w: u32) -> Window {
        let (period, shift) = (1u64 << table.window_bits(w), table.bucket_bits(w));
        let width = 1u64 << shift;
        // In quarters, rounded up; the last window keeps every bucket.
        let below = (HAND_OVER * i128::from(width) + 3) >> 2;
        let hand_over = if w + 1 < table.windows { below as i64 } else { i64::MIN };
        Window { mask, shift, period, width, hand_over, scale: (1u64 << table.fraction) as f64 }
    }
}

/// The dealer's bucket `j` of window `w` for the mask `mask` (counted mod 2^k_w).
///
/// The bucket stands for v in [a, a + Δ), a = jΔ − mask mod 2^k_w, taken as negative if it would pass the
/// window's end. Above the last window a bucket with a < 2.75Δ hands over. In the last, one that ends at or below
/// lo = 2.25Δ holds the constant f(lo). Otherwise the coefficients are those of the cubic through f at the four
/// Chebyshev nodes of the bucket's part from lo on, or of its upper half if that part is shorter, times 2^fraction
/// and rounded to the nearest integer, halves to even. For 1/v these nodes make the largest relative error least.
pub fn fit_entry(table: &RowTable, mask: u64, w: u32, j: usize) -> Entry {
    let (coefficients, low) = bucket(Window::new(table, mask, w), |v| table.function.value(v), j);
    Entry { coefficients, low }
}

#[inline(always)]
fn bucket(window: Window, function: impl Fn(f64) -> f64, j: usize) -> ([u64; NODES], u64) {
    let Window { mask, shift, period, width, hand_over, scale } = window;
    let start = ((j as u64) << shift).wrapping_sub(mask) & (period - 1);
    let start = if start > period - width { start as i64 - period as i64 } else { start as i64 };
    let low = start < hand_over;
    let (start, width) = (start as f64, width as f64);
    let least = LEAST as f64 / 4.0 * width;
    // Where the fitted part begins, as a position in the bucket.
    let from = ((least - start) / width).clamp(0.0, 0.5);
    let nodes = NODE.map(|node| from + (1.0 - from) * node);
    let constant = start + width <= least;
    let values = nodes.map(|node| function(if constant { least } else { start + width * node }));
    let coefficients = interpolate(values, nodes).map(|c| {
        let rounded = (c * scale).round_ties_even() as i64 as u64;
        if low { 0 } else { rounded }
    });
    (coefficients, u64::from(low))
}

/// Monomial coefficients of the cubic through the `values` at the `nodes`, by divided differences.
#[inline(always)]
fn interpolate(mut values: [f64; NODES], nodes: [f64; NODES]) -> [f64; NODES] {
    for j in 1..NODES {
        for i in (j..NODES).rev() {
            values[i] = (values[i] - values[i - 1]) / (nodes[i] - nodes[i - j]);
        }
    }
    let mut poly = [0.0; NODES];
    for i in (0..NODES).rev() {
        for q in (1..NODES).rev() {
            poly[q] = poly[q - 1] - nodes[i] * poly[q];
        }
        poly[0] = values[i] - nodes[i] * poly[0];
    }
    poly
}

/// Writes the dealer's whole row for `mask` into `out`: coefficients `[w][q][j]`, then flags `[w][j]` for all
/// windows but the last. Words are integers in two's complement, to be reduced to the ring of the shares.
///
/// # Errors
/// [`RowError::Parameter`] from [`RowTable::check`].
///
/// # Panics
/// If `out` is not [`RowTable::words_per_row`] long.
pub fn fit_row(table: &RowTable, mask: u64, out: &mut [u64]) -> Result<(), RowError> {
    table.check()?;
    fit_row_at(level::current(), table, mask, out);
    Ok(())
}

pub(super) fn fit_row_at(level: Level, table: &RowTable, mask: u64, out: &mut [u64]) {
    assert_eq!(out.len(), table.words_per_row(), "a row of the table's shape");
    let entries = table.entries();
    let (coefficients, flags) = out.split_at_mut(table.windows as usize * NODES * entries);
    let mut flags = flags.chunks_exact_mut(entries);
    for (w, coefficients) in (0..).zip(coefficients.chunks_exact_mut(NODES * entries)) {
        let window = Window::new(table, mask, w);
        let low = flags.next().unwrap_or_default();
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => x86::avx512(window, table.function, coefficients, low),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86::avx2(window, table.function, coefficients, low),
            _ => buckets(window, table.function, coefficients, low),
        }
    }
}

/// All buckets of a window: coefficients `[q][j]` and, if there is a place for them, flags.
#[inline(always)]
fn buckets(window: Window, function: RowFunction, coefficients: &mut [u64], low: &mut [u64]) {
    // The function is chosen outside the loops, so that they have no branches.
    match function {
        RowFunction::Rsqrt { scale, eps } => {
            each(window, |v| RowFunction::Rsqrt { scale, eps }.value(v), coefficients, low);
        }
        RowFunction::Recip { scale, eps } => {
            each(window, |v| RowFunction::Recip { scale, eps }.value(v), coefficients, low);
        }
        RowFunction::Sqrt { scale, eps } => {
            each(window, |v| RowFunction::Sqrt { scale, eps }.value(v), coefficients, low);
        }
    }
}

#[inline(always)]
fn each(window: Window, function: impl Fn(f64) -> f64, coefficients: &mut [u64], low: &mut [u64]) {
    let entries = coefficients.len() / NODES;
    let (c0, rest) = coefficients.split_at_mut(entries);
    let (c1, rest) = rest.split_at_mut(entries);
    let (c2, c3) = rest.split_at_mut(entries);
    let coefficients = c0.iter_mut().zip(c1).zip(c2).zip(c3).enumerate();
    for (j, (((c0, c1), c2), c3)) in coefficients {
        ([*c0, *c1, *c2, *c3], _) = bucket(window, &function, j);
    }
    for (j, low) in low.iter_mut().enumerate() {
        (_, *low) = bucket(window, &function, j);
    }
}
