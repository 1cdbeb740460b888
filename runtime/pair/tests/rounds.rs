//! Rounds between two ends, against the same tasks in plain integers.

use mpcc_kernels::pack::{pack, pack_double, packed_len, unpack, unpack_double};
use mpcc_pair::{Pair, PairError, price};
use mpcc_program::code::Owner;
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::{Factor, Job, Task};
use mpcc_transfer::{Entropy, Field, SessionId, Side, begin};
use proptest::prelude::*;

const OWNERS: [Owner; 2] = [Owner::ModelOwner, Owner::DataOwner];

fn field() -> Field {
    Field::new(8).expect("a field")
}

fn session(seed: u8) -> [Pair; 2] {
    let id = SessionId::from_bytes([seed; 32]);
    let end = |side, byte: u8| begin(id, side, field(), Entropy::from_bytes([byte ^ seed; 32]));
    let ((a, from_a), (b, from_b)) = (end(Side::First, 1), end(Side::Second, 2));
    let ((a, to_b), (b, to_a)) = (a.reply(&from_b).expect("a reply"), b.reply(&from_a).expect("a reply"));
    let ((a, from_a), (b, from_b)) = (a.correct(&to_a).expect("a key"), b.correct(&to_b).expect("a key"));
    let (a, b) = (a.finish(&from_b).expect("an end"), b.finish(&from_a).expect("an end"));
    [Pair::new(Owner::ModelOwner, a.0, a.1), Pair::new(Owner::DataOwner, b.0, b.1)]
}

fn mask(bits: u8) -> u128 {
    u128::MAX >> (128 - bits)
}

fn packed(numbers: &[u128], bits: u8, out: &mut Vec<u8>) {
    if bits > 64 {
        let words: Vec<u64> = numbers.iter().flat_map(|n| [*n as u64, (n >> 64) as u64]).collect();
        pack_double(&words, bits.into(), out);
    } else {
        pack(&numbers.iter().map(|n| *n as u64).collect::<Vec<_>>(), bits.into(), out);
    }
}

fn unpacked(bytes: &[u8], len: usize, bits: u8) -> Vec<u128> {
    if bits > 64 {
        let mut words = vec![0; 2 * len];
        unpack_double(bytes, bits.into(), &mut words).expect("as long");
        return words.chunks(2).map(|w| u128::from(w[0]) | u128::from(w[1]) << 64).collect();
    }
    let mut words = vec![0; len];
    unpack(bytes, bits.into(), &mut words).expect("as long");
    words.into_iter().map(u128::from).collect()
}

/// One step of a small generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

/// Both parties' lists of numbers for every task.
fn operands(tasks: &[Task], seed: u64) -> [Vec<Vec<Vec<u128>>>; 2] {
    let mut state = seed;
    OWNERS.map(|owner| {
        let list = |(len, bits): (usize, u8), state: &mut u64| {
            (0..len).map(|_| (u128::from(next(state)) << 64 | u128::from(next(state))) & mask(bits)).collect()
        };
        tasks.iter().map(|t| t.operands(owner).into_iter().map(|l| list(l, &mut state)).collect()).collect()
    })
}

/// The results of a round, by task, and what was sent.
fn round(pairs: &mut [Pair; 2], tasks: &[Task], given: &[Vec<Vec<Vec<u128>>>; 2]) -> Vec<[Vec<u128>; 2]> {
    let bytes = [0, 1].map(|p| {
        let mut out = Vec::new();
        for (task, lists) in tasks.iter().zip(&given[p]) {
            lists.iter().zip(task.operands(OWNERS[p])).for_each(|(l, (_, bits))| packed(l, bits, &mut out));
        }
        out
    });
    let [zero, one] = pairs;
    let (a, from_a) = zero.choose(tasks, &bytes[0]).expect("choices");
    let (b, from_b) = one.choose(tasks, &bytes[1]).expect("choices");
    let (a, back_a) = a.answer(zero, &from_b).expect("an answer");
    let (b, back_b) = b.answer(one, &from_a).expect("an answer");
    let priced = price(tasks, field()).expect("a price");
    assert_eq!((priced.choices, priced.strings), ([from_a.len(), from_b.len()], [back_a.len(), back_b.len()]));
    let results = [a.finish(zero, &back_b).expect("shares"), b.finish(one, &back_a).expect("shares")];
    let mut rest = results.each_ref().map(|bytes| bytes.as_slice());
    let mut take = |party: usize, task: &Task| {
        let entries = task.results(OWNERS[party]);
        let (bytes, behind) = rest[party].split_at(packed_len(entries, task.bits.into()));
        rest[party] = behind;
        unpacked(bytes, entries, task.bits)
    };
    let out = tasks.iter().map(|task| [0, 1].map(|party| take(party, task))).collect();
    assert!(rest.iter().all(|bytes| bytes.is_empty()));
    out
}

/// What a task's shares amount to, and how they are put together.
fn meant(task: &Task, zero: &[Vec<u128>], one: &[Vec<u128>]) -> (Vec<u128>, bool) {
    let number =
        |n: u128, f: Factor| if f.signed { ((n << (128 - f.width)) as i128 >> (128 - f.width)) as u128 } else { n };
    let all = mask(task.bits);
    match task.job {
        Job::Meets => (zero[0].iter().zip(&one[0]).map(|(a, b)| a & b).collect(), true),
        Job::Ands => ((0..task.len).map(|i| (zero[0][i] ^ one[0][i]) & (zero[1][i] ^ one[1][i])).collect(), true),
        Job::Pads { .. } => unreachable!("pads are no shares"),
        Job::Chosen { chooser } => {
            let (bits, words) = if chooser == Owner::ModelOwner { (&zero[0], &one[0]) } else { (&one[0], &zero[0]) };
            (bits.iter().zip(words).map(|(b, w)| b * w).collect(), false)
        }
        Job::Products { left, pairing, factors: [f, g] } => {
            let (a, b) = if left == Owner::ModelOwner { (&zero[0], &one[0]) } else { (&one[0], &zero[0]) };
            let product = |i: usize, j: usize| number(a[i], f).wrapping_mul(number(b[j], g));
            let entry = |at: usize| match pairing {
                Pairing::Matrices { batch: _, m, k, n, shared_right } => {
                    let (t, i, j) = (at / (m * n), at / n, at % n);
                    let right = if shared_right { 0 } else { t * k };
                    (0..k).fold(0u128, |sum, l| sum.wrapping_add(product(i * k + l, (right + l) * n + j)))
                }
                Pairing::Entries { cols, right, .. } => match right {
                    Along::Both => product(at, at),
                    Along::Columns => product(at, at % cols),
                    Along::Rows => product(at, at / cols),
                },
            };
            ((0..task.len).map(|at| entry(at) & all).collect(), false)
        }
    }
}

fn holds(pairs: &mut [Pair; 2], tasks: &[Task], seed: u64) {
    let given = operands(tasks, seed);
    let shares = round(pairs, tasks, &given);
    for (at, (task, [a, b])) in tasks.iter().zip(shares).enumerate() {
        if let Job::Pads { chooser, digit } = task.job {
            let (digits, got, all) =
                if chooser == Owner::ModelOwner { (&given[0][at][0], a, b) } else { (&given[1][at][0], b, a) };
            for (item, (of, pad)) in digits.iter().zip(&got).enumerate() {
                let pads = &all[item << digit..(item + 1) << digit];
                assert_eq!(pads[*of as usize], *pad, "{task:?}");
                // Equal pads of so many bits would be no accident.
                let same = pads.iter().filter(|other| *other == pad).count();
                assert!(task.bits < 60 || same == 1, "{task:?}");
            }
            continue;
        }
        let (want, xor) = meant(task, &given[0][at], &given[1][at]);
        let sum = |(a, b): (&u128, &u128)| if xor { a ^ b } else { a.wrapping_add(*b) } & mask(task.bits);
        assert_eq!(a.iter().zip(&b).map(sum).collect::<Vec<_>>(), want, "{task:?}");
    }
}

fn plain(width: u8) -> Factor {
    Factor { width, signed: false }
}

#[test]
fn every_job_of_a_round_is_done_in_two_hops() {
    let entries = |right| Pairing::Entries { rows: 3, cols: 4, right };
    let products =
        |left, pairing, factors, len, bits| Task { job: Job::Products { left, pairing, factors }, len, bits };
    let matrices = Pairing::Matrices { batch: 2, m: 3, k: 5, n: 2, shared_right: false };
    let shared = Pairing::Matrices { batch: 2, m: 3, k: 5, n: 2, shared_right: true };
    let weights = Factor { width: 13, signed: true };
    let mut tasks = vec![];
    for owner in OWNERS {
        tasks.extend([1, 7, 64, 65, 128].map(|bits| Task { job: Job::Chosen { chooser: owner }, len: 9, bits }));
        tasks.extend([(1, 128), (5, 128), (4, 9)].map(|(digit, bits)| Task {
            job: Job::Pads { chooser: owner, digit },
            len: 7,
            bits,
        }));
        tasks.push(products(owner, matrices, [plain(20), plain(31)], 12, 36));
        tasks.push(products(owner, shared, [plain(44), weights], 12, 44));
        tasks.push(products(owner, shared, [plain(61), weights], 12, 70));
        tasks.extend(
            [Along::Both, Along::Columns, Along::Rows]
                .map(|along| products(owner, entries(along), [plain(31), plain(14)], 12, 40)),
        );
        tasks.push(products(owner, entries(Along::Rows), [plain(70), plain(66)], 12, 90));
    }
    tasks.extend([1, 5, 31, 64].map(|bits| Task { job: Job::Meets, len: 11, bits }));
    tasks.extend([1, 5, 31, 64].map(|bits| Task { job: Job::Ands, len: 11, bits }));
    let mut pairs = session(3);
    for seed in 0..3 {
        holds(&mut pairs, &tasks, seed);
    }
    holds(&mut pairs, &[], 0);
}

#[test]
fn bits_are_right_for_all_of_both_ends() {
    let mut pairs = session(4);
    let tasks = [Task { job: Job::Ands, len: 16, bits: 1 }, Task { job: Job::Meets, len: 16, bits: 2 }];
    let all = |shift: u32| (0..16u128).map(|i| i >> shift & 1).collect::<Vec<_>>();
    let given = [
        vec![vec![all(0), all(1)], vec![(0..16).map(|i| i & 3).collect()]],
        vec![vec![all(2), all(3)], vec![(0..16).map(|i| i >> 2).collect()]],
    ];
    let shares = round(&mut pairs, &tasks, &given);
    for (i, (a, b)) in shares[0][0].iter().zip(&shares[0][1]).enumerate() {
        let bit = |at: usize| (i >> at & 1) as u128;
        assert_eq!(a ^ b, (bit(0) ^ bit(2)) & (bit(1) ^ bit(3)));
    }
    for (i, (a, b)) in shares[1][0].iter().zip(&shares[1][1]).enumerate() {
        assert_eq!(a ^ b, (i & 3 & i >> 2) as u128);
    }
}

/// A party's share of a result is uniform whatever the operands are: as often 1 as 0 at every bit.
#[test]
fn one_share_says_nothing() {
    let mut pairs = session(5);
    let tasks = [
        Task { job: Job::Chosen { chooser: Owner::DataOwner }, len: 4096, bits: 5 },
        Task { job: Job::Ands, len: 4096, bits: 3 },
    ];
    let given = [vec![vec![vec![9; 4096]], vec![vec![5; 4096]; 2]], vec![vec![vec![1; 4096]], vec![vec![2; 4096]; 2]]];
    let shares = round(&mut pairs, &tasks, &given);
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
    let given = operands(&tasks, 1);
    let mut bytes = Vec::new();
    given[0][0].iter().for_each(|list| packed(list, 3, &mut bytes));
    let [mut zero, mut one] = session(6);
    let (a, from_a) = zero.choose(&tasks, &bytes).expect("choices");
    let (b, _) = one.choose(&tasks, &bytes).expect("choices");
    assert!(matches!(a.answer(&mut zero, &from_a), Err(PairError::Transfer(_))), "its own message");
    assert!(matches!(b.answer(&mut one, &from_a[..from_a.len() - 1]), Err(PairError::Transfer(_))), "a short one");
    let [mut zero, _] = session(7);
    assert!(matches!(zero.choose(&tasks, &bytes[1..]), Err(PairError::Operands { expected: 4, got: 3 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn rounds_of_any_tasks_hold(kinds in prop::collection::vec((0..5u8, 1..20usize, 1..=128u8, 1..=128u8, any::<bool>()), 0..6), seed: u64) {
        let task = |(kind, len, bits, width, first): (u8, usize, u8, u8, bool)| {
            let owner = OWNERS[usize::from(first)];
            let words = (bits - 1) % 64 + 1;
            match kind {
                0 => Task { job: Job::Chosen { chooser: owner }, len, bits },
                1 => Task { job: Job::Meets, len, bits: words },
                2 => Task { job: Job::Ands, len, bits: words },
                3 => Task { job: Job::Pads { chooser: owner, digit: width % 6 + 1 }, len, bits },
                _ => {
                    let pairing = Pairing::Entries { rows: 1, cols: len, right: Along::Both };
                    // Only numbers of a word are chosen by.
                    let factors = [plain((width - 1) % 64 + 1), Factor { width: bits.min(64), signed: first }];
                    Task { job: Job::Products { left: owner, pairing, factors }, len, bits }
                }
            }
        };
        let tasks: Vec<Task> = kinds.into_iter().map(task).collect();
        holds(&mut session(8), &tasks, seed);
    }
}
