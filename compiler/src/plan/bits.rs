//! Bits of integers: how many hold a value at some fraction bits.

/// Bits of the integers of a value below 2^magnitude: enough for a few units of rounding however small it is.
pub(crate) fn bound_bits(fraction: i32, magnitude: i32) -> i32 {
    (fraction + magnitude).max(4)
}

pub(super) fn log2_bound(value: f64) -> i32 {
    if value <= 0.0 { -8 } else { (libm::ceil(libm::log2(value * 1.01)) as i32).max(-24) }
}

/// Widest wire that digit tables compare.
pub(super) const COMPARED: i32 = 30;
