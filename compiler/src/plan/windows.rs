//! Choosing the windows of a row table (gate G10) for the range of its argument.

use mpcc_program::code::RowFunction;

/// Ring bits, index bits and windows of a row table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) ring_bits: u8,
    pub(crate) index_bits: u8,
    pub(crate) windows: u8,
}

impl Windows {
    /// The value at which a decreasing function saturates below the domain.
    pub(crate) fn greatest(self, function: RowFunction) -> f64 {
        let lowest = i32::from(self.ring_bits)
            - (i32::from(self.windows) - 1) * (i32::from(self.index_bits) - 2)
            - i32::from(self.index_bits);
        let v = 1.75 * libm::exp2(f64::from(lowest));
        match function {
            RowFunction::Rsqrt { scale, eps } => 1.0 / libm::sqrt(v * scale + eps),
            RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
        }
    }
}

/// The cheapest table that is exact on `[low, high]` in ring units, with a factor 2 of room below, where it saturates,
/// and 4 above, where it would wrap.
///
/// One window reaches 6.5 to 8.5 octaves and costs no hop; more windows cost one.
pub(crate) fn choose(low: f64, high: f64) -> Option<Windows> {
    [(1, 8), (1, 9), (1, 10), (4, 6), (5, 6), (6, 6)].into_iter().find_map(|(windows, n)| {
        // The top bucket is outside the domain, hence the room above 2·high; the rest keeps the argument's declared
        // bound, a power of two above 2·high, below the ring.
        let usable = 1.0 - libm::exp2(-f64::from(n));
        let ring = libm::ceil(libm::log2(4.0 * high / usable * 1.03)) as i32;
        let ring = ring.max(16).max((windows - 1) * (n - 2) + n);
        let lowest = ring - (windows - 1) * (n - 2) - n;
        let reaches = lowest >= 0 && 2.75 * libm::exp2(f64::from(lowest)) <= low / 2.0;
        (reaches && ring < 62).then_some(Windows { ring_bits: ring as u8, index_bits: n as u8, windows: windows as u8 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_window_where_it_reaches_and_more_where_it_does_not() {
        let one = choose(4e6, 3e7).unwrap();
        assert_eq!((one.windows, one.index_bits), (1, 8));
        let four = choose(1e4, 3e7).unwrap();
        assert_eq!((four.windows, four.index_bits), (4, 6));
        assert_eq!(choose(1.0, 1e15), None);
    }

    #[test]
    fn the_domain_reaches_below_the_least_and_above_the_greatest_argument() {
        for step in 0..4000u32 {
            let low = libm::exp2(3.0 + f64::from(step % 40) * 0.7);
            let high = low * libm::exp2(f64::from(step / 40) * 0.2);
            let Some(w) = choose(low, high) else {
                assert!(high / low > libm::exp2(14.0) || high > libm::exp2(50.0), "{low} {high}");
                continue;
            };
            let bucket = |w: Windows, window: i32| {
                i32::from(w.ring_bits) - window * (i32::from(w.index_bits) - 2) - i32::from(w.index_bits)
            };
            let lowest = bucket(w, i32::from(w.windows) - 1);
            assert!(lowest >= 0 && 2.75 * libm::exp2(f64::from(lowest)) <= low / 2.0);
            let top = libm::exp2(f64::from(w.ring_bits)) - libm::exp2(f64::from(bucket(w, 0)));
            assert!(4.0 * high < top, "{low} {high} {w:?}");
        }
    }
}
