//! How many numbers of a row lie at or below public thresholds, from the buckets of their masks (gate G18).
//!
//! A masked number y^ = y + r modulo 2^ring is cut into a bucket and a position in it, as r is. With y^ at bucket j and position
//! τ, and r in bucket e, y is (j − e) D + τ up to r's position, which is taken to be D/2: that decides which thresholds y is at or
//! below. Whether r is in bucket e is shared, so shares are added up at thresholds that are public.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Bits of a masked number, at most 40.
    pub ring: u32,
    /// log2 of the number of buckets, below the ring.
    pub buckets: u32,
    /// log2 of the distance of thresholds, which begin at 0; at most 40.
    pub step: u32,
    /// Numbers of a row.
    pub cols: usize,
    /// Whether this party adds what is no share: that r is in one of the buckets.
    pub whole: bool,
}

/// Shares of the counts of every row, `out` of `[rows, thresholds]`, from the masked numbers `points` of `[rows, cols]`, below 2^ring,
/// and `shares` of whether r is in a bucket, `[2^buckets − 1, rows, cols]`; the last bucket's follow. All sums wrap modulo 2^64.
///
/// # Panics
/// If the lengths do not fit one another.
pub fn counts(of: &Counts, points: &[u64], shares: &[u64], out: &mut [u64]) {
    let others = (1usize << of.buckets) - 1;
    assert!(points.len().is_multiple_of(of.cols) && shares.len() == others * points.len(), "shares for every point");
    let rows = points.len() / of.cols;
    assert!(rows > 0 && out.len().is_multiple_of(rows) && !out.is_empty(), "thresholds for every row");
    let thresholds = out.len() / rows;
    let mut rest = vec![0u64; of.cols];
    for (row, out) in out.chunks_exact_mut(thresholds).enumerate() {
        let first = row * of.cols;
        let points = &points[first..first + of.cols];
        out.fill(0);
        rest.fill(u64::from(of.whole));
        for bucket in 0..others {
            let shares = &shares[bucket * rows * of.cols + first..][..of.cols];
            for ((point, share), rest) in points.iter().zip(shares).zip(&mut rest) {
                if let Some(sum) = out.get_mut(threshold(of, *point, bucket as u64)) {
                    *sum = sum.wrapping_add(*share);
                }
                *rest = rest.wrapping_sub(*share);
            }
        }
        for (point, share) in points.iter().zip(&rest) {
            if let Some(sum) = out.get_mut(threshold(of, *point, others as u64)) {
                *sum = sum.wrapping_add(*share);
            }
        }
        let mut sum = 0u64;
        for at in out {
            sum = sum.wrapping_add(*at);
            *at = sum;
        }
    }
}

/// The first threshold that the number at a point is at or below, if its mask is in `bucket`.
#[inline]
fn threshold(of: &Counts, point: u64, bucket: u64) -> usize {
    let bits = of.ring - of.buckets;
    let above = (point >> bits).wrapping_sub(bucket) & ((1 << of.buckets) - 1);
    let taken = (above << bits | point & ((1 << bits) - 1)) as i64 - (1 << bits >> 1);
    let up = (taken + (1 << of.step) - 1) >> of.step;
    up.max(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number under every mask, one to a row and three to a row, against what counts mean.
    #[test]
    fn counts_are_those_of_the_numbers_up_to_half_a_bucket() {
        for (ring, buckets, step) in [(6u32, 2u32, 1u32), (6, 3, 0), (7, 3, 4), (5, 1, 3)] {
            let (size, width) = (1u64 << ring, 1u64 << (ring - buckets));
            let thresholds = ((size - width) >> step).max(1) as usize;
            for cols in [1usize, 3] {
                let rows = (size * size) as usize / cols;
                let all: Vec<(u64, u64)> = (0..(rows * cols) as u64).map(|i| (i / size * 7 % size, i % size)).collect();
                let points: Vec<u64> = all.iter().map(|(y, r)| (y + r) % size).collect();
                let others = (1 << buckets) - 1;
                let inside = |e: u64| all.iter().map(move |(_, r)| u64::from(r / width == e));
                let one_hot: Vec<u64> = (0..others).flat_map(inside).collect();
                let own: Vec<u64> = (0..one_hot.len() as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
                let other: Vec<u64> = one_hot.iter().zip(&own).map(|(w, s)| w.wrapping_sub(*s)).collect();
                let mut found = vec![0; rows * thresholds];
                for (whole, shares) in [(true, own), (false, other)] {
                    let of = Counts { ring, buckets, step, cols, whole };
                    let mut part = vec![7; found.len()];
                    counts(&of, &points, &shares, &mut part);
                    found.iter_mut().zip(part).for_each(|(f, p): (&mut u64, u64)| *f = f.wrapping_add(p));
                }
                for (row, found) in found.chunks(thresholds).enumerate() {
                    for (i, found) in found.iter().enumerate() {
                        let below = |(y, r): &(u64, u64)| {
                            // y + ρ − D/2 where y does not reach the ring's last bucket.
                            let taken = (y + r % width) % size;
                            taken as i64 - (width / 2) as i64 <= (i as i64) << step
                        };
                        let want = all[row * cols..][..cols].iter().filter(|pair| below(pair)).count() as u64;
                        assert_eq!(*found, want, "ring {ring}, 2^{buckets} buckets, row {row}, threshold {i}");
                    }
                }
            }
        }
    }
}
