//! Reusable per-thread memory for packed panels, aligned to a cache line.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<[Vec<u64>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

const LINE: usize = 64;

/// A line-aligned piece of `words` words, grown on demand.
fn aligned(buffer: &mut Vec<u64>, words: usize) -> &mut [u64] {
    let slack = LINE / size_of::<u64>();
    if buffer.len() < words + slack {
        buffer.resize(words + slack, 0);
    }
    let skip = buffer.as_ptr().align_offset(LINE).min(slack);
    &mut buffer[skip..skip + words]
}

/// Runs `body` with a left and a right buffer of the given numbers of words, whose content is whatever an
/// earlier product left there.
pub(super) fn with<R>(left: usize, right: usize, body: impl FnOnce(&mut [u64], &mut [u64]) -> R) -> R {
    SCRATCH.with_borrow_mut(|[l, r]| body(aligned(l, left), aligned(r, right)))
}
