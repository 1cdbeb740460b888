//! Choosing the windows of a row table (gate G10) for the range of its argument.

use mpcc_program::code::{RowFunction, RowTable};
use mpcc_program::correlation::chain_products;

use super::{RowTables, TAU_BITS};

/// Ring bits, index bits and windows of a row table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) ring_bits: u8,
    pub(crate) index_bits: u8,
    pub(crate) windows: u8,
}

impl Windows {
    /// The table of `function` with `fraction` bits in its coefficients.
    pub(crate) fn table(self, function: RowFunction, fraction: u8) -> RowTable {
        RowTable {
            ring_bits: self.ring_bits,
            index_bits: self.index_bits,
            windows: self.windows,
            degree: 3,
            tau_bits: TAU_BITS as u8,
            fraction,
            function,
        }
    }

    /// The largest value that a table gives: where a decreasing function saturates below the domain, or at the top of the
    /// ring.
    pub(crate) fn greatest(self, function: RowFunction) -> f64 {
        let table = self.table(function, 0);
        // One bucket below 2.25 of them.
        let v = 1.25 * libm::exp2(f64::from(table.bucket_bits(self.windows - 1)));
        match function {
            RowFunction::Rsqrt { scale, eps } => 1.0 / libm::sqrt(v * scale + eps),
            RowFunction::Recip { scale, eps } => 1.0 / (v * scale + eps),
            RowFunction::Sqrt { scale, eps } => libm::sqrt(libm::exp2(table.ring_bits.into()) * scale + eps),
        }
    }

    /// Words that the dealer deals for a row, those of the chain of windows included.
    pub(crate) fn dealt_words(self) -> usize {
        let table = self.table(RowFunction::Recip { scale: 1.0, eps: 0.0 }, 0);
        table.words_per_row() + if self.windows > 1 { chain_products(self.windows.into()).len() } else { 0 }
    }

    /// The fewest ring bits in which arguments up to `high` leave a factor 4 of room above, if the domain then begins at
    /// half of `low` or below.
    fn reach(windows: u8, index_bits: u8, low: f64, high: f64) -> Option<Windows> {
        let n = i32::from(index_bits);
        // The top bucket is outside the domain, hence the room above 2·high; the rest keeps the argument's declared
        // bound, a power of two above 2·high, below the ring.
        let usable = 1.0 - libm::exp2(-f64::from(n));
        let ring = libm::ceil(libm::log2(4.0 * high / usable * 1.03)) as i32;
        let ring = ring.max(16).max((i32::from(windows) - 1) * (n - 2) + n);
        if ring >= 62 {
            return None;
        }
        let found = Windows { ring_bits: ring as u8, index_bits, windows };
        let domain = found.table(RowFunction::Recip { scale: 1.0, eps: 0.0 }, 0).domain();
        (domain.start as f64 <= low / 2.0).then_some(found)
    }
}

/// Most windows that are considered.
const WINDOWS: u8 = 6;

/// Most index bits that are considered.
fn index_bits(windows: u8) -> u8 {
    if windows == 1 { 14 } else { 12 }
}

/// For every number of windows the smallest table that is exact on `[low, high]` in ring units, with a factor 2 of room
/// below, where it saturates, and 4 above, where it would wrap; ordered by the words dealt per row.
fn candidates(low: f64, high: f64) -> Vec<Windows> {
    let smallest = |windows| (5..=index_bits(windows)).find_map(|n| Windows::reach(windows, n, low, high));
    let mut all: Vec<Windows> = (1..=WINDOWS).filter_map(smallest).collect();
    all.sort_by_key(|w| w.dealt_words());
    all
}

/// Index bits up to which one window, without a hop, is worth its bytes.
const ONE_WINDOW: u8 = 10;

/// The tables between which there is a choice: one window costs no hop, and any more cost one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tables {
    /// What they are for.
    pub(crate) range: (f64, f64),
    one: Option<Windows>,
    /// With the fewest bytes.
    several: Option<Windows>,
}

impl Tables {
    /// None.
    pub(crate) const NONE: Tables = Tables { range: (0.0, 0.0), one: None, several: None };

    /// The tables that are exact on all of `[low, high]`, in ring units, without room beyond.
    pub(crate) fn covering(low: f64, high: f64) -> Tables {
        let high = high.max(low);
        Tables { range: (low, high), ..Tables::for_range(2.0 * low, (high / 4.0).max(2.0 * low)) }
    }

    /// The tables for arguments in `[low, high]`, in ring units.
    pub(crate) fn for_range(low: f64, high: f64) -> Tables {
        let all = candidates(low, high);
        let first = |test: fn(&&Windows) -> bool| all.iter().find(test).copied();
        Tables { range: (low, high), one: first(|w| w.windows == 1), several: first(|w| w.windows > 1) }
    }

    /// Whether there are both.
    pub(crate) fn differ(self) -> bool {
        self.one.is_some() && self.several.is_some()
    }

    /// The table wanted, or what there is. If nothing is wanted, one window if it has few buckets, else fewer bytes.
    pub(crate) fn take(self, wanted: Option<RowTables>) -> Option<Windows> {
        let (Some(one), Some(several)) = (self.one, self.several) else { return self.one.or(self.several) };
        let takes_one = match wanted {
            Some(wanted) => wanted == RowTables::One,
            None => one.index_bits <= ONE_WINDOW || one.dealt_words() <= several.dealt_words(),
        };
        Some(if takes_one { one } else { several })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(low: f64, high: f64) -> Option<Windows> {
        Tables::for_range(low, high).take(None)
    }

    #[test]
    fn what_is_wanted_is_taken_where_there_is_a_choice() {
        for (low, one, several) in
            [(8e6, 7, (2, 5)), (1e6, 10, (3, 5)), (5e5, 11, (3, 5)), (2.5e5, 12, (4, 5)), (1e5, 13, (4, 5))]
        {
            let tables = Tables::for_range(low, 3e7);
            let taken = |wanted| tables.take(Some(wanted)).map(|w| (w.windows, w.index_bits)).unwrap();
            assert!(tables.differ(), "{low}");
            assert_eq!((taken(RowTables::One), taken(RowTables::Several)), ((1, one), several), "{low}");
        }
        let wide = Tables::for_range(1e4, 3e7);
        assert!(!wide.differ());
        assert_eq!(wide.take(Some(RowTables::One)), wide.take(None));
    }

    #[test]
    fn one_window_where_it_reaches_and_more_where_it_does_not() {
        for (low, shape) in [(8e6, (1, 7)), (4e6, (1, 8)), (1e6, (1, 10)), (1e5, (4, 5)), (1e4, (5, 5)), (1e3, (6, 5))]
        {
            let found = choose(low, 3e7).unwrap();
            assert_eq!((found.windows, found.index_bits), shape, "{low}");
        }
        assert_eq!(choose(1.0, 1e15), None);
    }

    #[test]
    fn candidates_are_ordered_by_what_is_dealt_and_none_can_shrink() {
        for step in 0..1000u32 {
            let low = libm::exp2(4.0 + f64::from(step % 40) * 0.7);
            let high = low * libm::exp2(f64::from(step / 40) * 0.7);
            let all = candidates(low, high);
            assert!(all.is_sorted_by_key(|w| w.dealt_words()));
            for w in &all {
                assert_eq!(all.iter().filter(|o| o.windows == w.windows).count(), 1);
                assert!(w.index_bits == 5 || Windows::reach(w.windows, w.index_bits - 1, low, high).is_none());
            }
            let chosen = choose(low, high);
            assert!(
                chosen.is_none_or(|c| all.contains(&c) && (c.windows == 1 || c == all[0])),
                "{chosen:?} of {all:?}"
            );
        }
    }

    #[test]
    fn the_domain_reaches_below_the_least_and_above_the_greatest_argument() {
        for step in 0..4000u32 {
            let low = libm::exp2(3.0 + f64::from(step % 40) * 0.7);
            let high = low * libm::exp2(f64::from(step / 40) * 0.2);
            let all = candidates(low, high);
            assert!(!all.is_empty() || high / low > libm::exp2(16.0) || high > libm::exp2(50.0), "{low} {high}");
            for w in all {
                let domain = w.table(RowFunction::Recip { scale: 1.0, eps: 0.0 }, 0).domain();
                assert!(2.0 * domain.start as f64 <= low && 4.0 * high < domain.end as f64, "{low} {high} {w:?}");
            }
        }
    }
}
