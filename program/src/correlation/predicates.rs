//! Which products of masks the polynomials of comparisons need.

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
        let borrow = self.borrow();
        let all = borrow.iter().flat_map(|factors| subsets(factors));
        let mut sets: Vec<u32> = all.filter(|set| set.count_ones() >= 2).collect();
        sets.sort_unstable();
        sets.dedup();
        sets
    }
}

/// All subsets of a list of positions, as bit sets.
pub(crate) fn subsets(factors: &[u8]) -> impl Iterator<Item = u32> {
    let chosen = |bits: u32| factors.iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1);
    (0..1u32 << factors.len()).map(move |bits| chosen(bits).fold(0, |set, (_, factor)| set | 1 << factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_mask_products() {
        assert_eq!((1..=5).map(|digits| Predicates { digits }.products().len()).collect::<Vec<_>>(), [0, 1, 5, 15, 37]);
    }
}
