//! What an end has of a plan afterwards.

use zeroize::Zeroizing;

use crate::plan::{Plan, Request};
use crate::word::lanes;

/// Which end of a plan.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Sender,
    Receiver,
}

/// Results of every request, a list of words for every string; wiped on drop.
///
/// A string of a product has a share for every item. A choice between messages has them at the receiver and nothing at the
/// sender. A pad has one element for every item at the receiver and 2^bits at the sender, those of an item side by side.
/// Elements of more than 64 bits take two words, low word first.
pub struct Shares(Vec<Vec<Zeroizing<Vec<u64>>>>);

impl Shares {
    pub(crate) fn new(plan: &Plan, end: End) -> Shares {
        let elements = |request: &Request| match (request, end) {
            (Request::Chosen { .. }, End::Sender) => 0,
            (Request::Random { count, bits, .. }, End::Sender) => count << bits,
            _ => request.count(),
        };
        let strings = |request: &Request| {
            let list = |&width: &u32| Zeroizing::new(vec![0; elements(request) * lanes(width)]);
            request.widths().iter().map(list).collect()
        };
        Shares(plan.requests().iter().map(strings).collect())
    }

    /// No results.
    pub(crate) fn none() -> Shares {
        Shares(Vec::new())
    }

    /// The words of a string of a request.
    ///
    /// # Panics
    /// If the plan has no such request or string.
    pub fn words(&self, request: usize, string: usize) -> &[u64] {
        &self.0[request][string]
    }

    /// Takes the words of a string of a request and leaves none; panics as [`Shares::words`].
    pub fn take(&mut self, request: usize, string: usize) -> Zeroizing<Vec<u64>> {
        std::mem::take(&mut self.0[request][string])
    }

    /// The elements of `items` items from `first` on, `each` for every item.
    pub(crate) fn part(
        &mut self,
        at: (usize, usize),
        width: u32,
        first: usize,
        items: usize,
        each: usize,
    ) -> &mut [u64] {
        let lanes = lanes(width) * each;
        &mut self.0[at.0][at.1][first * lanes..(first + items) * lanes]
    }
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shares(..)")
    }
}
