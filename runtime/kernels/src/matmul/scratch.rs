//! Reusable memory for packed panels, aligned to a cache line. Pieces belong to the process and not to threads, so that
//! threads of one product find those of the product before.

use std::sync::{Mutex, PoisonError};

static FREE: Mutex<Vec<[Vec<u64>; 2]>> = Mutex::new(Vec::new());

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
    // A panic elsewhere leaves the list whole.
    let free = || FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = free().pop().unwrap_or_default();
    let [l, r] = &mut taken;
    let result = body(aligned(l, left), aligned(r, right));
    free().push(taken);
    result
}
