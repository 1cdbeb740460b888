//! What planners take a making to cost: what travels, on the link that ways to make products are chosen for.

use mpcc_pair::{KnownOptions, Rates, Schemes};
use mpcc_program::making::{MakingPrice, Task};

use super::pool::field;

/// Inferences of a pool so large that keys cost nothing.
const MANY: u64 = 1 << 20;
/// Picoseconds of a byte in either direction, on a link of 44 MB/s.
const BYTE: f64 = 22_700.0;
/// What a round counts that no session can do.
const IMPOSSIBLE: u64 = 1 << 50;

/// The bytes of all rounds, made in the ways that are cheapest for them together by [`Rates::REFERENCE`], as seconds of a wide-area link.
/// What parties compute meanwhile does not count.
#[derive(Debug)]
pub struct BytesMade {
    known: KnownOptions,
}

impl Default for BytesMade {
    fn default() -> BytesMade {
        BytesMade { known: KnownOptions::new(field(), &Rates::REFERENCE) }
    }
}

impl MakingPrice for BytesMade {
    fn seconds(&self, rounds: &[Vec<Task>]) -> f64 {
        let schemes = Schemes::known(rounds, MANY, &self.known);
        let sent = |tasks: &Vec<Task>| {
            schemes.price(tasks).map_or(IMPOSSIBLE, |price| price.sent.iter().flatten().sum::<usize>() as u64)
        };
        let bytes: u64 = rounds.iter().map(sent).sum();
        bytes as f64 * BYTE * 1e-12
    }
}

#[cfg(test)]
mod tests {
    use mpcc_program::code::Owner;
    use mpcc_program::making::Job;

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
