//! Rounds of all jobs by transfers, against the same tasks in plain integers.

use mpcc_pair::{PairError, Schemes};
use mpcc_program::code::Owner;
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::{Factor, Job, Task};
use proptest::prelude::*;

use crate::harness::{OWNERS, Session, field, handed, holds, message, operands, plain, products, round};

fn session(seed: u8) -> Session {
    Session::new(Schemes::transfers(field()), seed)
}

#[test]
fn every_job_of_a_round_is_done_in_two_hops() {
    let entries = |right| Pairing::Entries { rows: 3, cols: 4, right };
    let matrices = Pairing::Matrices { batch: 2, m: 3, k: 5, n: 2, shared_right: false };
    let shared = Pairing::Matrices { batch: 2, m: 3, k: 5, n: 2, shared_right: true };
    let weights = Factor { width: 13, signed: true };
    let mut tasks = vec![];
    for owner in OWNERS {
        tasks.extend([1, 7, 64, 65, 128].map(|bits| Task { job: Job::Chosen { chooser: owner }, len: 9, bits }));
        for digit in 1..=5 {
            let sums = |hot, bits| Task { job: Job::Sums { chooser: owner, digit, hot }, len: 300, bits };
            tasks.extend([sums(false, 2), sums(true, (1 << digit) + 1)]);
            tasks.push(Task { job: Job::Carries { chooser: owner, digit: digit - 1 }, len: 300, bits: 1 });
        }
        tasks.extend([1, 5, 33, 64].map(|bits| Task { job: Job::Under, len: 11, bits }));
        tasks.extend([(1, 128), (5, 128), (4, 9)].map(|(digit, bits)| Task {
            job: Job::Pads { chooser: owner, digit },
            len: 7,
            bits,
        }));
        tasks.push(products(owner, matrices, [plain(20), plain(31)], 36));
        tasks.push(products(owner, shared, [plain(44), weights], 44));
        tasks.push(products(owner, shared, [plain(61), weights], 70));
        tasks.extend(
            [Along::Both, Along::Columns, Along::Rows]
                .map(|along| products(owner, entries(along), [plain(31), plain(14)], 40)),
        );
        tasks.push(products(owner, entries(Along::Rows), [plain(70), plain(66)], 90));
        let complex = Pairing::Complex { count: 5 };
        tasks.push(products(owner, complex, [plain(18), Factor { width: 18, signed: true }], 50));
        tasks.push(products(owner, complex, [plain(70), plain(66)], 90));
    }
    tasks.extend([1, 5, 31, 64].map(|bits| Task { job: Job::Ands, len: 11, bits }));
    let mut session = session(3);
    for seed in 0..3 {
        holds(&mut session, &tasks, seed);
    }
    holds(&mut session, &[], 0);
}

#[test]
fn bits_are_right_for_all_of_both_ends() {
    let mut session = session(4);
    let sums = Job::Sums { chooser: Owner::ModelOwner, digit: 2, hot: true };
    let tasks = [Task { job: Job::Ands, len: 16, bits: 1 }, Task { job: sums, len: 16, bits: 5 }];
    let all = |shift: u32| (0..16u128).map(|i| i >> shift & 1).collect::<Vec<_>>();
    let given = [
        vec![vec![all(0), all(1)], vec![(0..16).map(|i| i & 3).collect()]],
        vec![vec![all(2), all(3)], vec![(0..16).map(|i| i >> 2).collect()]],
    ];
    let shares = round(&mut session, &tasks, &given);
    for (i, (a, b)) in shares[0][0].iter().zip(&shares[0][1]).enumerate() {
        let bit = |at: usize| (i >> at & 1) as u128;
        assert_eq!(a ^ b, (bit(0) ^ bit(2)) & (bit(1) ^ bit(3)));
    }
    for (i, (a, b)) in shares[1][0].iter().zip(&shares[1][1]).enumerate() {
        let sum = (i & 3) + (i >> 2);
        assert_eq!(a ^ b, 1 << (sum % 4) | (sum as u128 >> 2) << 4);
    }
}

/// A party's share of a result is uniform whatever the operands are: as often 1 as 0 at every bit.
#[test]
fn one_share_says_nothing() {
    let mut session = session(5);
    let tasks = [
        Task { job: Job::Chosen { chooser: Owner::DataOwner }, len: 4096, bits: 5 },
        Task { job: Job::Ands, len: 4096, bits: 3 },
    ];
    let given = [vec![vec![vec![9; 4096]], vec![vec![5; 4096]; 2]], vec![vec![vec![1; 4096]], vec![vec![2; 4096]; 2]]];
    let shares = round(&mut session, &tasks, &given);
    for (task, shares) in tasks.iter().zip(shares) {
        for share in shares {
            for bit in 0..task.bits {
                let ones = share.iter().filter(|word| *word >> bit & 1 == 1).count();
                // Seven standard deviations.
                assert!((1824..2272).contains(&ones), "{ones} of 4096 at bit {bit} of {task:?}");
            }
        }
    }
}

#[test]
fn what_is_no_message_of_the_round_is_refused() {
    let tasks = [Task { job: Job::Ands, len: 5, bits: 3 }];
    let bytes = handed(&tasks, &operands(&tasks, 1)[0], OWNERS[0]);
    let Session { pairs: [mut zero, mut one], .. } = session(6);
    let mut a = zero.begin(&tasks, &bytes).expect("a round");
    let mut b = one.begin(&tasks, &bytes).expect("a round");
    let from_a = message(&mut a, &mut zero);
    assert!(matches!(a.take(&mut zero, &from_a), Err(PairError::Transfer(_))), "its own message");
    b.take(&mut one, &from_a[..from_a.len() - 1]).expect("a piece");
    assert!(matches!(b.next_hop(&mut one), Err(PairError::Length { .. })), "a short one");
    let Session { pairs: [mut zero, _], .. } = session(7);
    assert!(matches!(zero.begin(&tasks, &bytes[1..]), Err(PairError::Operands { expected: 4, got: 3 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn rounds_of_any_tasks_hold(kinds in prop::collection::vec((0..6u8, 1..20usize, 1..=128u8, 1..=128u8, any::<bool>()), 0..6), seed: u64) {
        let task = |(kind, len, bits, width, first): (u8, usize, u8, u8, bool)| {
            let owner = OWNERS[usize::from(first)];
            let words = (bits - 1) % 64 + 1;
            match kind {
                0 => Task { job: Job::Chosen { chooser: owner }, len, bits },
                1 => {
                    let digit = width % 5 + 1;
                    Task { job: Job::Sums { chooser: owner, digit, hot: true }, len, bits: (1 << digit) + 1 }
                }
                2 => Task { job: Job::Ands, len, bits: words },
                4 => Task { job: Job::Under, len, bits: words },
                3 => Task { job: Job::Pads { chooser: owner, digit: width % 6 + 1 }, len, bits },
                _ => {
                    let pairing = Pairing::Entries { rows: 1, cols: len, right: Along::Both };
                    // Only numbers of a word are chosen by.
                    let factors = [plain((width - 1) % 64 + 1), Factor { width: bits.min(64), signed: first }];
                    Task { job: Job::Products { left: owner, pairing, factors, again: 0 }, len, bits }
                }
            }
        };
        let tasks: Vec<Task> = kinds.into_iter().map(task).collect();
        holds(&mut session(8), &tasks, seed);
    }
}
