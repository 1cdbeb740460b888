//! What a row function is on plain integers, for a given mask.

use super::fit::{Cubics, around, rounded};
use super::{FIRST, NEAR, POWERS, RowTable};

/// 1, ρ, ρ², ρ³ of the mask's position in its bucket of a level, at scale 2^position_bits, each to the nearest.
pub fn powers(table: &RowTable, mask: u64, level: u32) -> [u64; POWERS] {
    const WIDE: u32 = 31;
    let (from, g) = (table.bucket_bits(level), table.position_bits);
    let position = mask & ((1 << from) - 1);
    let x = if from > WIDE { position >> (from - WIDE) } else { position << (WIDE - from) };
    let square = (x * x) >> WIDE;
    let cube = (square * x) >> WIDE;
    [1 << WIDE, x, square, cube].map(|power| rounded(power, WIDE, g))
}

/// The results at scale 2^(fraction + position_bits) for opened values with their masks, both modulo 2^ring_bits: exactly
/// what shares of them add up to. The table must satisfy [`RowTable::check`].
pub fn evaluate(table: &RowTable, opened: &[u64], masks: &[u64]) -> Vec<i64> {
    let cubics = Cubics::new(table);
    opened.iter().zip(masks).map(|(hat, mask)| one(table, &cubics, *hat, *mask)).collect()
}

fn one(table: &RowTable, cubics: &Cubics, hat: u64, mask: u64) -> i64 {
    let ring = (1u64 << table.ring_bits) - 1;
    let (hat, mask) = (hat & ring, mask & ring);
    for level in FIRST..=table.levels {
        let bits = table.bucket_bits(level);
        let distance = (hat >> bits).wrapping_sub(mask >> bits) & ((1 << level) - 1);
        if distance < u64::from(NEAR) && level < table.levels {
            continue;
        }
        // One bucket below 0: no visited node is the mask's.
        let Some(cubic) = cubics.level(level).get(distance as usize) else { return 0 };
        let tau = rounded(hat & ((1 << bits) - 1), bits, table.position_bits);
        let terms = around(*cubic, tau.cast_signed(), table.position_bits);
        let powers = powers(table, mask, level);
        return terms.iter().zip(powers).fold(0, |sum, (c, p)| sum + c * p.cast_signed());
    }
    0
}
