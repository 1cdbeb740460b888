//! Choosing the ring and the levels of a row function (gate G10) for the range of its argument.

use mpcc_program::code::{RowFunction, RowTable};

use super::POSITION_BITS;

/// Ring bits and finest level of a row function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) ring_bits: u8,
    pub(crate) finest: u8,
}

/// Widest ring of an argument that a row function takes.
const WIDEST_ARGUMENT: i32 = 61;

impl Levels {
    /// The parameters of `function` with `fraction` bits in its coefficients.
    pub(crate) fn table(self, function: RowFunction, fraction: u8) -> RowTable {
        RowTable {
            ring_bits: self.ring_bits,
            levels: self.finest,
            position_bits: POSITION_BITS as u8,
            fraction,
            function,
        }
    }

    /// The largest value of the function: where a decreasing one saturates below the domain, or at the top of the ring.
    pub(crate) fn greatest(self, function: RowFunction) -> f64 {
        let v = self.table(function, 0).least();
        match function {
            RowFunction::Rsqrt { scale, eps } => 1.0 / libm::sqrt(v * scale + eps),
            RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
            RowFunction::Sqrt { scale, eps } => libm::sqrt(libm::exp2(self.ring_bits.into()) * scale + eps),
        }
    }

    /// The fewest bits and levels for arguments in `[low, high]`, in ring units, with a factor 2 of room below, where the
    /// function saturates, and 4 above, where it would wrap.
    pub(crate) fn for_range(low: f64, high: f64) -> Option<Levels> {
        // The top sixteenth is outside the domain, hence the room above 2·high; the rest keeps the argument's declared
        // bound, a power of two above 2·high, below the ring.
        let ring = (libm::ceil(libm::log2(4.0 * high * (16.0 / 15.0) * 1.03)) as i32).max(16);
        if ring > WIDEST_ARGUMENT {
            return None;
        }
        let covers = |finest: &i32| {
            let levels = Levels { ring_bits: ring as u8, finest: *finest as u8 };
            2.0 * levels.table(RowFunction::Recip { scale: 1.0, eps: 0.0 }, 0).domain().start as f64 <= low
        };
        let finest = (RowTable::FIRST.into()..=ring).find(covers)?;
        Some(Levels { ring_bits: ring as u8, finest: finest as u8 })
    }

    /// For all of `[low, high]`, in ring units, without room beyond.
    pub(crate) fn covering(low: f64, high: f64) -> Option<Levels> {
        Levels::for_range(2.0 * low, (high / 4.0).max(2.0 * low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(levels: Levels) -> std::ops::Range<u64> {
        levels.table(RowFunction::Recip { scale: 1.0, eps: 0.0 }, 0).domain()
    }

    #[test]
    fn the_domain_reaches_below_the_least_and_above_the_greatest_argument() {
        for step in 0..4000u32 {
            let low = libm::exp2(1.0 + f64::from(step % 40) * 0.7);
            let high = low * libm::exp2(f64::from(step / 40) * 0.6);
            let Some(levels) = Levels::for_range(low, high) else {
                assert!(high > libm::exp2(58.8), "{low} {high}");
                continue;
            };
            let found = domain(levels);
            assert!(2.0 * found.start as f64 <= low && 4.0 * high < found.end as f64, "{low} {high} {levels:?}");
            let fewer = Levels { finest: levels.finest - 1, ..levels };
            assert!(fewer.finest < RowTable::FIRST || 2.0 * domain(fewer).start as f64 > low, "{levels:?}");
        }
    }

    #[test]
    fn an_argument_that_no_ring_holds_has_no_levels() {
        assert_eq!(Levels::for_range(8.0, libm::exp2(60.0)), None);
        assert_eq!(Levels::for_range(1.0, 1000.0), None);
    }

    #[test]
    fn a_range_is_covered_without_room() {
        for (low, high) in [(2.0, 1e9), (8.0, 4e4), (3e5, 3e7), (1e6, 1e6)] {
            let found = domain(Levels::covering(low, high).unwrap());
            assert!(found.start as f64 <= low && high < found.end as f64, "{low} {high}: {found:?}");
        }
    }
}
