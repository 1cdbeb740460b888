//! When a rewrite pays: multiplications weighed against numbers that need not be opened.

/// Multiply-accumulates that one opened number is worth: the time in which a gigabit link carries about six bytes each
/// way. Constant, since a model compiles to the same program for every network.
const OPENED_NUMBER: usize = 256;

/// What a way to compute something costs, to be compared with another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// Numbers opened on the way.
    pub(super) opened: usize,
    /// Multiply-accumulates.
    pub(super) multiplications: usize,
}

impl Work {
    /// Whether this is worth no more than `other`.
    pub(super) fn at_most(self, other: Self) -> bool {
        self.total() <= other.total()
    }

    fn total(self) -> usize {
        self.opened.saturating_mul(OPENED_NUMBER).saturating_add(self.multiplications)
    }
}
