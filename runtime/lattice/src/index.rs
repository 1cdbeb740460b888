//! Which random stream an upload has: a batch, begun once and in rising order, and a place in it, handed out once.

use crate::error::{LatticeError, Result};

/// Uploads in order. Both sides begin a batch with the same number and take indices for uploads in the same order.
#[derive(Debug)]
pub struct Batch {
    number: u64,
    next: u64,
}

/// The right to make, or to read, one upload. It cannot be copied.
#[derive(Debug, PartialEq, Eq)]
pub struct UploadIndex {
    pub(crate) batch: u64,
    pub(crate) at: u64,
}

impl Batch {
    /// The next index.
    #[expect(clippy::should_implement_trait, reason = "indices never end, and an iterator could be cloned")]
    pub fn next(&mut self) -> UploadIndex {
        let at = self.next;
        self.next += 1;
        UploadIndex { batch: self.number, at }
    }
}

/// The highest batch that was begun.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    last: Option<u64>,
}

/// Batches are below this; what is above serves keys.
pub(crate) const MOST_BATCHES: u64 = 1 << 62;

impl Batches {
    pub(crate) fn begin(&mut self, number: u64) -> Result<Batch> {
        if number >= MOST_BATCHES {
            return Err(LatticeError::Range { what: "a batch number", allowed: "below 2^62", found: number });
        }
        if let Some(last) = self.last.filter(|&last| last >= number) {
            return Err(LatticeError::Batch { number, last });
        }
        self.last = Some(number);
        Ok(Batch { number, next: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_rise_and_indices_are_handed_out_once() {
        let mut batches = Batches::default();
        let mut first = batches.begin(3).expect("the first batch");
        assert_eq!((first.next().at, first.next().at), (0, 1));
        assert_eq!(batches.begin(3).unwrap_err(), LatticeError::Batch { number: 3, last: 3 });
        assert_eq!(batches.begin(2).unwrap_err(), LatticeError::Batch { number: 2, last: 3 });
        assert_eq!(batches.begin(4).expect("a higher batch").next(), UploadIndex { batch: 4, at: 0 });
        assert!(batches.begin(1 << 62).is_err());
    }
}
