//! What planners take a making to cost: what travels, on the link that ways to make products are chosen for.

use std::cell::RefCell;

use mpcc_pair::{Rates, Schemes};
use mpcc_program::making::{Job, MakingPrice, Task};

use super::pool::field;

/// Inferences of a pool so large that keys cost nothing.
const MANY: u64 = 1 << 20;
/// What a task counts that no session can do.
const IMPOSSIBLE: u64 = 1 << 50;

/// The bytes of tasks, each made in the way that is cheapest for it, as seconds of the link of [`Rates::REFERENCE`]. What parties
/// compute meanwhile does not count.
#[derive(Debug, Default)]
pub struct BytesMade {
    known: RefCell<Vec<(Task, u64)>>,
}

impl BytesMade {
    /// Bytes that both parties send for a task by itself, whatever it has in common with others.
    fn bytes(&self, task: &Task) -> u64 {
        let mut task = *task;
        if let Job::Products { again, .. } = &mut task.job {
            *again = 0;
        }
        let task = &task;
        let known = self.known.borrow().iter().find(|(known, _)| known == task).map(|(_, bytes)| *bytes);
        known.unwrap_or_else(|| {
            let schemes = Schemes::new(&[vec![*task]], MANY, field(), &Rates::REFERENCE);
            let sent = schemes.price(&[*task]).map(|price| price.sent.iter().flatten().sum::<usize>() as u64);
            let bytes = sent.unwrap_or(IMPOSSIBLE);
            self.known.borrow_mut().push((*task, bytes));
            bytes
        })
    }
}

impl MakingPrice for BytesMade {
    fn seconds(&self, rounds: &[Vec<Task>]) -> f64 {
        let bytes: u64 = rounds.iter().flatten().map(|task| self.bytes(task)).sum();
        bytes as f64 * Rates::REFERENCE.byte as f64 * 1e-12
    }
}

#[cfg(test)]
mod tests {
    use mpcc_program::code::Owner;

    use super::*;

    #[test]
    fn a_task_counts_what_it_sends_wherever_it_stands() {
        let task = Task { job: Job::Chosen { chooser: Owner::DataOwner }, len: 8000, bits: 64 };
        let [once, twice] = [vec![vec![task]], vec![vec![task], vec![task]]].map(|rounds| {
            let price = BytesMade::default();
            let seconds = price.seconds(&rounds);
            assert!((price.seconds(&rounds) - seconds).abs() < 1e-12, "the same again");
            seconds
        });
        // A transfer's 16 bits from the chooser and the string.
        let bytes = 8000.0 * 10.0;
        assert!((once / (bytes * 22.7e-9) - 1.0).abs() < 0.01, "{once}");
        assert!((twice - 2.0 * once).abs() < 1e-12);
    }
}
