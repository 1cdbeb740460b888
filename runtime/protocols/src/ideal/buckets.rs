//! Gates that know in which bucket a mask is: exponentials (G17), counts below thresholds (G18) and coarse signs (G19).

use mpcc_program::exponential::Exponential;
use mpcc_program::program::{Gate, ValueId};

use super::coins::{hat, low, total};
use super::{RangeError, State};

/// Where a masked number lies.
pub(super) struct At {
    /// Its bucket above that of the mask.
    pub(super) above: u32,
    /// Its position in its bucket.
    position: u64,
    /// The parts of the mask, modulo the ring.
    parts: [u64; 2],
    /// Bits of a position.
    bits: u8,
}

/// Where the numbers x + offset of a wire lie, which must stay below the ring by a bucket.
pub(super) fn within(state: &State<'_>, source: ValueId, offset: i64, buckets: u8) -> Result<Vec<At>, RangeError> {
    let ring = state.program.value(source).ring;
    let bits = ring - buckets;
    // A negative number stands for one at the upper end of the ring.
    let numbers = state.integers(source).iter().map(|x| i128::from(low((*x).wrapping_add(offset) as u64, ring)));
    state.within(source, &numbers.collect::<Vec<_>>(), (1 << ring) - (1 << bits))?;
    Ok(all(state, source, offset, buckets))
}

fn all(state: &State<'_>, source: ValueId, offset: i64, buckets: u8) -> Vec<At> {
    let (mask, ring) = (state.mask(source), state.program.value(source).ring);
    let (bits, hats) = (ring - buckets, hat(state.integers(source), mask, ring));
    let [first, second] = mask;
    let pairs = hats.into_iter().zip(total(mask, ring)).zip(first.iter().zip(second));
    pairs
        .map(|((hat, r), (first, second))| {
            let hat = low(hat.wrapping_add(offset as u64), ring);
            let above = low((hat >> bits).wrapping_sub(r >> bits), buckets) as u32;
            At { above, position: low(hat, bits), parts: [low(*first, ring), low(*second, ring)], bits }
        })
        .collect()
}

/// Whether x + offset is taken to be negative: it lies in the upper half of the ring, by its bucket above that of the mask.
pub(super) fn signs(state: &State<'_>, source: ValueId, offset: i64, buckets: u8) -> Vec<i128> {
    all(state, source, offset, buckets).into_iter().map(|at| i128::from(at.above >> (buckets - 1))).collect()
}

/// The product of both factors in the buckets that are opened, else 0.
pub(super) fn exponential(state: &State<'_>, (bits, source): (ValueId, ValueId), of: &Exponential) -> Vec<i128> {
    let Gate::BucketBits { offset, buckets, .. } = state.program.value(bits).gate else { unreachable!("verified") };
    let factors = of.factors();
    let value = |at: At| match u8::try_from(at.above) {
        Ok(bucket) if bucket < of.count => {
            i128::from(factors.public(bucket, at.position)) * i128::from(factors.secret(at.parts))
        }
        _ => 0,
    };
    all(state, source, offset, buckets).into_iter().map(value).collect()
}

/// Of every row how many numbers, with the mask's position taken to be half a bucket, lie at or below each threshold.
pub(super) fn counts(at: &[At], (cols, thresholds): (usize, usize), step: u8, ring: u8) -> Vec<i128> {
    let taken = |at: &At| (i128::from(at.above) << at.bits) + i128::from(at.position) - (1 << at.bits) / 2;
    let middle = (1i128 << (ring - 1)) - 1;
    let row = |row: &[At]| -> Vec<i128> {
        let below = |i: usize| row.iter().filter(|at| taken(at) <= (i as i128) << step).count() as i128;
        (0..thresholds).map(|i| below(i) - middle).collect()
    };
    at.chunks(cols).flat_map(row).collect()
}
