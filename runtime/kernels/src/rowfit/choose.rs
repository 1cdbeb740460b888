//! Which ring, bucket count and number of windows a declared range of values needs.

use super::RowError;

/// A table's extent: the ring of the opened value, bucket index bits, windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Ring bits k.
    pub ring_bits: u32,
    /// Bucket index bits n.
    pub index_bits: u32,
    /// Windows W.
    pub windows: u32,
}

/// Layouts in order of preference: one window costs no extra hop.
const LAYOUTS: [(u32, u32); 5] = [(1, 8), (1, 9), (1, 10), (4, 6), (5, 6)];

/// The cheapest extent whose domain covers integers from `lo`/2 to 2·`hi`, where [`lo`, `hi`] is the declared
/// or calibrated range: 2·`hi` stays below the ring's top bucket and half a percent below 2^k.
///
/// # Errors
/// [`RowError::Range`] for an empty or non-finite range, [`RowError::Uncovered`] if no layout reaches.
pub fn choose_table(lo: f64, hi: f64) -> Result<Choice, RowError> {
    if !(lo > 0.0 && lo <= hi && hi.is_finite()) {
        return Err(RowError::Range { lo, hi });
    }
    LAYOUTS
        .into_iter()
        .find_map(|(windows, index_bits)| {
            let ring_bits = (0..=62).find(|&bits| covers(bits, index_bits, 2.0 * hi))?;
            let lowest = ring_bits.checked_sub((windows - 1) * (index_bits - 2) + index_bits)?;
            let reach = 2.75 * (1u64 << lowest) as f64;
            (reach <= lo / 2.0).then_some(Choice { ring_bits, index_bits, windows })
        })
        .ok_or(RowError::Uncovered { lo, hi })
}

fn covers(ring_bits: u32, index_bits: u32, top: f64) -> bool {
    let period = (1u64 << ring_bits) as f64;
    let buckets = (1u64 << index_bits) as f64;
    top * 1.005 <= period && top < period - period / buckets
}
