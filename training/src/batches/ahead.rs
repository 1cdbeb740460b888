//! Batches prepared ahead of their use, in order, on threads that wait when nobody takes what they made.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::Batch;

/// Batches that wait for each thread, besides the one it has in hand.
const WAITING: usize = 1;

/// Batches in order. Its threads end when it is dropped.
pub struct Batches {
    numbers: Range<usize>,
    source: Source,
}

enum Source {
    Here(Box<dyn Fn(usize) -> Batch + Send>),
    /// Batch `first + i` comes from thread `i` modulo their number.
    Threads {
        first: usize,
        threads: Vec<Thread>,
    },
}

/// A thread and what it prepared. Dropping the receiver first lets the thread end.
struct Thread {
    receiver: Receiver<Batch>,
    handle: JoinHandle<()>,
}

/// The batches of `numbers`, prepared on that many threads.
pub(super) fn ahead(
    numbers: Range<usize>,
    threads: usize,
    prepare: impl Fn(usize) -> Batch + Send + Sync + 'static,
) -> Batches {
    if threads == 0 {
        return Batches { numbers, source: Source::Here(Box::new(prepare)) };
    }
    let prepare = Arc::new(prepare);
    let threads = threads.min(numbers.len());
    let start = |place: usize| {
        let (sender, receiver) = sync_channel(WAITING);
        let (prepare, numbers) = (Arc::clone(&prepare), numbers.clone().skip(place).step_by(threads));
        let handle = std::thread::spawn(move || {
            for number in numbers {
                if sender.send(prepare(number)).is_err() {
                    return;
                }
            }
        });
        Thread { receiver, handle }
    };
    let threads = (0..threads).map(start).collect();
    Batches { source: Source::Threads { first: numbers.start, threads }, numbers }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let number = self.numbers.next()?;
        match &mut self.source {
            Source::Here(prepare) => Some(prepare(number)),
            Source::Threads { first, threads } => {
                let place = (number - *first) % threads.len();
                if let Ok(batch) = threads[place].receiver.recv() {
                    return Some(batch);
                }
                let panicked = threads.swap_remove(place).handle.join();
                panicked.map_or_else(|panic| std::panic::resume_unwind(panic), |()| None)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        if let Source::Threads { threads, .. } = &mut self.source {
            for Thread { receiver, handle } in threads.drain(..) {
                drop(receiver);
                // A panic of a thread whose batches nobody takes is of no consequence.
                drop(handle.join());
            }
        }
    }
}
