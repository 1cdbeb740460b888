//! What each end sees does not depend on the other one's numbers, and its share of a result says nothing.

use mpcc_pair::Scheme;
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::Task;

use crate::harness::{OWNERS, Session, kinds, plain, products, transcript};

/// How far counts of equally likely outcomes are from equal, in deviations of the statistic: below 6 for uniform ones.
fn unevenness(outcomes: impl Iterator<Item = usize>, kinds: usize) -> f64 {
    let mut counts = vec![0f64; kinds];
    outcomes.for_each(|outcome| counts[outcome] += 1.0);
    let expected = counts.iter().sum::<f64>() / kinds as f64;
    let chi: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
    (chi - (kinds - 1) as f64) / (2.0 * (kinds - 1) as f64).sqrt()
}

/// A task by its schemes under encryption, with their encrypting party's index.
fn encrypted(task: &Task) -> Vec<(Scheme, usize)> {
    let key = |scheme: &Scheme| match scheme {
        Scheme::Transfers => None,
        Scheme::Tiles(tiles) => Some(tiles.encrypts),
        Scheme::Slots(slots) => Some(slots.encrypts),
    };
    let with = |scheme: Scheme| key(&scheme).map(|owner| (scheme, usize::from(owner == OWNERS[1])));
    kinds(task).into_iter().filter_map(with).collect()
}

/// Shares of both parties are uniform in every bit and pairwise, whatever the numbers are, and so are answers byte by byte.
#[test]
fn shares_and_answers_are_uniform_whatever_the_numbers_are() {
    let matrices = Pairing::Matrices { batch: 1, m: 40, k: 3, n: 50, shared_right: false };
    let entries = Pairing::Entries { rows: 40, cols: 50, right: Along::Both };
    for task in [matrices, entries].map(|pairing| products(OWNERS[0], pairing, [plain(20), plain(20)], 8)) {
        let [left, right] = match task.job {
            mpcc_program::making::Job::Products { pairing, .. } => pairing.lengths(),
            _ => unreachable!("products"),
        };
        for (scheme, encrypts) in encrypted(&task) {
            let mut session = Session::by(&[(task, scheme)], 11);
            for (a, b) in [(0, 0), ((1 << 20) - 1, (1 << 20) - 1), (1, 0), (0, 77)] {
                let given = [vec![vec![vec![a; left]]], vec![vec![vec![b; right]]]];
                let (shares, messages) = transcript(&mut session, &[task], &given);
                for share in &shares[0] {
                    assert!(unevenness(share.iter().map(|&v| v as usize), 256) < 6.0, "{scheme:?} of {a} and {b}");
                }
                let answers = &messages[1][1 - encrypts];
                // The rest of a ciphertext's rows is packed with zeros only behind its planes, which are whole words.
                assert!(unevenness(answers.iter().map(|&v| usize::from(v)), 256) < 6.0, "{scheme:?} of {a} and {b}");
            }
        }
    }
}

/// The encrypting end opens the same numbers in distribution whatever the other one multiplied by: here both are zero, one or
/// large, and what is opened has the same counts up to chance.
#[test]
fn what_is_opened_does_not_depend_on_the_evaluators_numbers() {
    let pairing = Pairing::Matrices { batch: 1, m: 64, k: 2, n: 64, shared_right: false };
    let task = products(OWNERS[0], pairing, [plain(6), plain(30)], 6);
    for (scheme, encrypts) in encrypted(&task) {
        let mut session = Session::by(&[(task, scheme)], 12);
        let mut counts = |number: u128| {
            let mut given = [vec![vec![vec![3; 128]]], vec![vec![vec![3; 128]]]];
            given[1 - encrypts][0][0].fill(number & 63);
            let mut counts = [0f64; 64];
            for _ in 0..4 {
                transcript(&mut session, &[task], &given).0[0][encrypts]
                    .iter()
                    .for_each(|&v| counts[v as usize] += 1.0);
            }
            counts
        };
        let [zero, one, large] = [0, 1, 63].map(&mut counts);
        for other in [one, large] {
            // Chi-square of two samples of equal size.
            let chi: f64 = zero.iter().zip(other).map(|(a, b)| (a - b).powi(2) / (a + b)).sum();
            assert!((chi - 63.0) / 126f64.sqrt() < 6.0, "{scheme:?}: {chi}");
        }
    }
}

/// Uploads of equal numbers have nothing in common, in one round or in two.
#[test]
fn uploads_of_equal_numbers_differ() {
    let pairing = Pairing::Matrices { batch: 2, m: 3, k: 4, n: 5, shared_right: false };
    let task = products(OWNERS[0], pairing, [plain(30), plain(30)], 30);
    for (scheme, encrypts) in encrypted(&task) {
        let mut session = Session::by(&[(task, scheme)], 13);
        let given = [vec![vec![vec![5; 24]]; 2], vec![vec![vec![6; 40]]; 2]];
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let (_, messages) = transcript(&mut session, &[task, task], &given);
            let uploads = &messages[0][encrypts];
            // However many uploads these are, they begin differently.
            for count in (1..=64).filter(|count| uploads.len().is_multiple_of(*count)) {
                for upload in uploads.chunks(uploads.len() / count) {
                    assert!(seen.insert((count, upload[..32].to_vec())), "{scheme:?}: {count} uploads");
                }
            }
        }
    }
}
