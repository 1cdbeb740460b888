//! Which products of masks the polynomials of comparisons and window chains need.

/// The predicate bits that a comparison of D digits opens, in a word: lt_0..lt_{D−2}, eq_1..eq_{D−2}, A, E (E only if D > 1).
#[derive(Clone, Copy)]
pub(crate) struct Predicates {
    /// D.
    pub(crate) digits: usize,
}

impl Predicates {
    /// Position of \[digit i of x^ < digit i of r\].
    pub(crate) fn lt(self, i: usize) -> u8 {
        i as u8
    }

    /// Position of \[digit i of x^ = digit i of r\].
    pub(crate) fn eq(self, i: usize) -> u8 {
        (self.digits - 1 + i - 1) as u8
    }

    /// Position of the top digit's sign without a borrow.
    pub(crate) fn a(self) -> u8 {
        (2 * self.digits).saturating_sub(3) as u8
    }

    /// Position of whether a borrow changes the sign.
    pub(crate) fn e(self) -> u8 {
        (2 * self.digits - 2) as u8
    }

    /// Bits of the word.
    pub(crate) fn bits(self) -> u8 {
        (2 * self.digits - 1) as u8
    }

    /// The products whose sum is E·borrow: E·lt_i·∏_{j>i} eq_j, as lists of positions.
    pub(crate) fn borrow(self) -> Vec<Vec<u8>> {
        (0..self.digits.saturating_sub(1))
            .map(|i| {
                let mut f = vec![self.e(), self.lt(i)];
                f.extend((i + 1..self.digits - 1).map(|j| self.eq(j)));
                f
            })
            .collect()
    }

    /// Every product of at least two pads that the polynomial needs, as bit sets of positions, sorted.
    pub(crate) fn products(self) -> Vec<u32> {
        several(self.borrow().iter().flat_map(|factors| subsets(factors)))
    }
}

/// All subsets of a list of positions, as bit sets.
pub(crate) fn subsets(factors: &[u8]) -> impl Iterator<Item = u32> {
    (0..1u32 << factors.len()).map(|chosen| pick(factors, chosen))
}

/// The positions that `chosen` selects from a list of them, as a bit set.
pub(crate) fn pick(factors: &[u8], chosen: u32) -> u32 {
    factors.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1).fold(0, |set, (_, f)| set | 1 << f)
}

/// The factors of each term of T_0 + L_0 (T_1 + …) for `windows` windows, as columns: w is T_w, windows + u is L_u.
pub(crate) fn chain_terms(windows: usize) -> Vec<Vec<u8>> {
    (0..windows).map(|w| (0..w).map(|u| (windows + u) as u8).chain([w as u8]).collect()).collect()
}

/// Every product of at least two masks that those terms need, as bit sets of columns, sorted.
pub fn chain_products(windows: usize) -> Vec<u32> {
    several(chain_terms(windows).iter().flat_map(|factors| subsets(factors)))
}

/// The sets of at least two, sorted, each once.
fn several(sets: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut sets: Vec<u32> = sets.filter(|set| set.count_ones() >= 2).collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_mask_products() {
        assert_eq!((1..=5).map(|digits| Predicates { digits }.products().len()).collect::<Vec<_>>(), [0, 1, 5, 15, 37]);
        assert_eq!((2..=5).map(|windows| chain_products(windows).len()).collect::<Vec<_>>(), [1, 5, 15, 37]);
    }
}
