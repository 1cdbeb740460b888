//! Numbers of transfers: handed out in order and once, used up by value.

use crate::error::TransferError;

/// Transfers of a direction of a session. The distance of its hash from a random function stays below 2^-40 for this many.
pub(crate) const MOST: u64 = 1 << 40;

/// The next number of a direction.
#[derive(Debug)]
pub(crate) struct Counter {
    next: u64,
}

/// Numbers that belong to whoever holds this, and can be used once.
#[derive(Debug)]
pub(crate) struct Span {
    first: u64,
    len: u64,
}

impl Counter {
    pub(crate) fn new() -> Counter {
        Counter { next: 0 }
    }

    /// The number that comes next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next `len` numbers.
    pub(crate) fn take(&mut self, len: u64) -> Result<Span, TransferError> {
        let left = MOST - self.next;
        if len > left {
            return Err(TransferError::Exhausted { asked: len, left });
        }
        let first = self.next;
        self.next += len;
        Ok(Span { first, len })
    }
}

impl Span {
    /// Cuts the first `len` numbers off.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn cut(&mut self, len: u64) -> Span {
        assert!(len <= self.len, "{len} numbers of {}", self.len);
        let cut = Span { first: self.first, len };
        self.first += len;
        self.len -= len;
        cut
    }

    /// Uses the span up.
    pub(crate) fn spend(self) -> std::ops::Range<u64> {
        self.first..self.first + self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_handed_out_in_order_and_once() {
        let mut counter = Counter::new();
        let mut first = counter.take(10).unwrap();
        let second = counter.take(5).unwrap();
        assert_eq!(first.cut(4).spend(), 0..4);
        assert_eq!(first.spend(), 4..10);
        assert_eq!(second.spend(), 10..15);
        let asked = MOST - 14;
        assert_eq!(counter.take(asked).unwrap_err(), TransferError::Exhausted { asked, left: MOST - 15 });
        assert_eq!(counter.next(), 15);
    }
}
