//! Tasks that are done together: one list of left numbers times several right operands, and numbers of several tasks in common
//! ciphertexts, of one inference or of several. Against plain integers, and against what the same tasks take one by one.

use std::time::{Duration, Instant};

use mpcc_pair::{Rates, Scheme, Schemes};
use mpcc_program::code::Owner;
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::Task;

use crate::harness::{OWNERS, Session, again, field, holds, kinds, plain, products, signed, transcript};

fn matrices(batch: usize, m: usize, k: usize, n: usize, shared_right: bool) -> Pairing {
    Pairing::Matrices { batch, m, k, n, shared_right }
}

fn entries(rows: usize, cols: usize, right: Along) -> Pairing {
    Pairing::Entries { rows, cols, right }
}

/// Schemes of one kind for what tasks amount to, so that the choice between kinds does not hide it.
fn by(tasks: &[Task], wanted: impl Fn(&Scheme) -> bool) -> Schemes {
    let scheme = |task: &Task| Some((*task, kinds(task).into_iter().find(|scheme| wanted(scheme))?));
    Schemes::fixed(tasks.iter().filter_map(scheme).collect(), field())
}

fn tiles(owner: Owner) -> impl Fn(&Scheme) -> bool {
    move |scheme| matches!(scheme, Scheme::Tiles(tiles) if tiles.encrypts == owner)
}

fn slots(owner: Owner) -> impl Fn(&Scheme) -> bool {
    move |scheme| matches!(scheme, Scheme::Slots(slots) if slots.encrypts == owner)
}

fn sent(schemes: &Schemes, tasks: &[Task]) -> [[usize; 2]; 3] {
    schemes.price(tasks).expect("a price").sent
}

/// Products of one list by either party's ciphertexts: the encrypting one uploads a left list once, or all right operands beside
/// each other; a task between them has another list.
#[test]
fn products_of_one_list_are_exact_and_it_is_uploaded_once() {
    for (left, right) in [(OWNERS[0], OWNERS[1]), (OWNERS[1], OWNERS[0])] {
        let of = |n, width, bits| products(left, matrices(1, 5, 7, n, false), [plain(33), plain(width)], bits);
        let shared = |n, bits| products(left, matrices(5, 1, 7, n, true), [plain(33), plain(9)], bits);
        let other = of(2, 9, 33);
        let tasks = [of(3, 9, 33), other, again(of(4, 12, 31), 2), again(shared(1, 40), 1), of(3, 9, 33)];
        // What the first, the third and the fourth amount to.
        let whole = products(left, matrices(1, 5, 7, 8, false), [plain(33), plain(12)], 40);
        for encrypts in [left, right] {
            let schemes = by(&[whole, other, of(3, 9, 33)], tiles(encrypts));
            let uploads = |tasks: &[Task]| sent(&schemes, tasks)[0][usize::from(encrypts == OWNERS[1])];
            assert_eq!(uploads(&tasks), uploads(&[whole, other, of(3, 9, 33)]));
            let mut session = Session::new(schemes, 21);
            (0..2).for_each(|seed| holds(&mut session, &tasks, seed));
            // Two inferences at the same time have a list each.
            holds(&mut session, &tasks.repeat(2), 2);
        }
        // By transfers each stands for itself, and slots hold all of them.
        holds(&mut Session::new(Schemes::transfers(field()), 22), &tasks, 3);
        for encrypts in [left, right] {
            holds(&mut Session::new(by(&[whole, other, of(3, 9, 33)], slots(encrypts)), 23), &tasks, 4);
        }
    }
}

/// Widths of a network: queries, keys and values of 65 tokens, in rings of their own.
#[test]
fn weights_times_one_mask_share_its_uploads_at_production_widths() {
    let weights = |n, width, bits| products(OWNERS[1], matrices(1, 65, 256, n, true), [plain(32), signed(width)], bits);
    let tasks = [
        weights(128, 11, 31),
        again(weights(128, 11, 31), 1),
        again(weights(64, 12, 32), 2),
        again(weights(128, 11, 31), 1),
    ];
    let schemes = Schemes::new(&[tasks.to_vec()], 1, field(), &Rates::REFERENCE);
    let alone = Schemes::new(&[vec![weights(128, 11, 31)]], 1, field(), &Rates::REFERENCE);
    let [together, alone] = [sent(&schemes, &tasks)[0][1], sent(&alone, &[weights(128, 11, 31)])[0][1]];
    assert!(5 * together < 3 * 4 * alone, "{together} bytes of uploads of four tasks, {alone} of one");
    holds(&mut Session::new(schemes, 24), &tasks, 1);
}

/// A distance that leads nowhere, or to other numbers, joins nothing.
#[test]
fn a_list_that_is_no_earlier_one_stands_for_itself() {
    let of = |width| products(OWNERS[0], matrices(1, 5, 7, 3, false), [plain(width), plain(9)], 33);
    let schemes = by(&[of(33), of(30)], tiles(OWNERS[0]));
    let alone = |task| sent(&schemes, &[task])[0][0];
    for tasks in [[again(of(33), 1), of(33)], [of(30), again(of(33), 1)], [of(33), again(of(30), 7)]] {
        let tasks: Vec<Task> = tasks.to_vec();
        assert_eq!(sent(&schemes, &tasks)[0][0], tasks.iter().map(|task| alone(*task)).sum::<usize>());
    }
}

/// Entries of every pairing, complex numbers and sums of few, in factors and rings of different widths: exact in common
/// ciphertexts, whichever party encrypts, and several times.
#[test]
fn tasks_of_one_kind_share_ciphertexts_and_are_exact() {
    let kinds: [fn(usize) -> Pairing; 5] = [
        |n| entries(n, 9, Along::Rows),
        |n| entries(3, n, Along::Columns),
        |n| entries(n, 2, Along::Both),
        |n| Pairing::Complex { count: n },
        |n| matrices(n, 1, 21, 1, false),
    ];
    for pairing in kinds {
        for (left, encrypts) in [(OWNERS[0], OWNERS[0]), (OWNERS[0], OWNERS[1]), (OWNERS[1], OWNERS[0])] {
            let of = |n, factors, bits| products(left, pairing(n), factors, bits);
            let narrow = [plain(14), plain(20)];
            let wide = [plain(12), plain(29)];
            let last = [plain(15), if encrypts == left { signed(18) } else { plain(18) }];
            let tasks = [of(5, narrow, 30), of(6, wide, 41), of(70, narrow, 36), of(1, last, 70)];
            let mut schemes: Vec<(Task, Scheme)> = vec![];
            for task in &tasks {
                schemes.push((*task, self::kinds(task).into_iter().find(slots(encrypts)).expect("slots")));
            }
            // All by the slots of the widest.
            let largest = |scheme: &Scheme| if let Scheme::Slots(slots) = scheme { slots.modulus_bits } else { 0 };
            let widest = schemes.iter().map(|(_, scheme)| *scheme).max_by_key(largest).expect("a scheme");
            let one = Schemes::fixed(tasks.iter().map(|task| (*task, widest)).collect(), field());
            for schemes in [one, Schemes::fixed(schemes, field())] {
                let mut session = Session::new(schemes, 25);
                holds(&mut session, &tasks, 5);
                holds(&mut session, &tasks.repeat(3), 6);
            }
            let one = Schemes::fixed(tasks.iter().map(|task| (*task, widest)).collect(), field());
            let [together, alone] = [sent(&one, &tasks), {
                let mut sum = [[0; 2]; 3];
                for bytes in tasks.iter().map(|task| sent(&one, &[*task])) {
                    sum.iter_mut().flatten().zip(bytes.iter().flatten()).for_each(|(sum, more)| *sum += more);
                }
                sum
            }];
            let (encrypts, answers) = (usize::from(encrypts == OWNERS[1]), usize::from(encrypts == OWNERS[0]));
            assert!(3 * together[0][encrypts] <= alone[0][encrypts], "uploads of {:?}", pairing(1));
            assert!(2 * together[1][answers] <= alone[1][answers], "answers of {:?}", pairing(1));
        }
    }
}

/// Many small tasks take about what one of their size does.
#[test]
fn scales_of_rows_fill_their_ciphertexts() {
    let heads = |rows| products(OWNERS[0], entries(rows, 128, Along::Rows), [plain(18), plain(57)], 57);
    let tasks = vec![heads(65); 10];
    let schemes = Schemes::new(std::slice::from_ref(&tasks), 1, field(), &Rates::REFERENCE);
    assert!(matches!(schemes.scheme(&heads(65)), Scheme::Slots(_)));
    let of_all = |tasks: &[Task]| sent(&schemes, tasks).iter().flatten().sum::<usize>();
    let (together, whole, one) = (of_all(&tasks), of_all(&[heads(650)]), of_all(&[heads(65)]));
    assert!(together < whole + whole / 100 && 2 * together < 10 * one, "{together} of {whole}, one {one}");
    holds(&mut Session::new(schemes, 26), &tasks, 7);
}

/// How far counts of equally likely outcomes are from equal, in deviations of the statistic: below 6 for uniform ones.
fn unevenness(outcomes: impl Iterator<Item = usize>, kinds: usize) -> f64 {
    let mut counts = vec![0f64; kinds];
    outcomes.for_each(|outcome| counts[outcome] += 1.0);
    let expected = counts.iter().sum::<f64>() / kinds as f64;
    let chi: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
    (chi - (kinds - 1) as f64) / (2.0 * (kinds - 1) as f64).sqrt()
}

/// Of one upload multiplied by the same numbers twice, and of equal numbers in common ciphertexts, either party's shares of both
/// results are uniform together, whatever the numbers are, and so are the answers.
#[test]
fn shares_of_joined_tasks_are_uniform_and_independent() {
    let pair = products(OWNERS[1], matrices(1, 40, 3, 50, false), [plain(20), plain(20)], 8);
    let single = products(OWNERS[1], entries(40, 50, Along::Rows), [plain(20), plain(20)], 8);
    let beside = products(OWNERS[1], matrices(1, 40, 3, 100, false), [plain(20), plain(20)], 8);
    let cases =
        [([pair, again(pair, 1)], by(&[beside], tiles(OWNERS[1]))), ([single; 2], by(&[single], slots(OWNERS[1])))];
    for (tasks, schemes) in cases {
        let mut session = Session::new(schemes, 27);
        let operands = |owner: usize, number: u128| -> Vec<Vec<Vec<u128>>> {
            let list = |(len, _): (usize, u8)| vec![number; len];
            tasks.iter().map(|task| task.operands(OWNERS[owner]).into_iter().map(list).collect()).collect()
        };
        for (a, b) in [(0, 0), ((1 << 20) - 1, (1 << 20) - 1), (0, 77)] {
            let (shares, messages) = transcript(&mut session, &tasks, &[operands(0, a), operands(1, b)]);
            let [first, second] = &shares[..] else { unreachable!("two tasks") };
            for (party, (one, other)) in first.iter().zip(second).enumerate() {
                let both = one.iter().zip(other).map(|(x, y)| (x >> 4 << 4 | y >> 4) as usize);
                assert!(unevenness(both, 256) < 6.0, "party {party} of {a} and {b}: {tasks:?}");
                let difference = one.iter().zip(other).map(|(x, y)| (x.wrapping_sub(*y) & 255) as usize);
                assert!(unevenness(difference, 256) < 6.0, "party {party} of {a} and {b}: {tasks:?}");
            }
            assert!(unevenness(messages[1][0].iter().map(|&v| usize::from(v)), 256) < 6.0, "{a} and {b}: {tasks:?}");
        }
    }
}

/// Of equal numbers no two results have the same share, in answers to one upload and in answers of common ciphertexts: no mask serves
/// twice.
#[test]
fn no_two_results_of_joined_tasks_have_one_mask() {
    let pair = products(OWNERS[1], matrices(1, 64, 4, 128, false), [plain(20), plain(20)], 60);
    let beside = products(OWNERS[1], matrices(1, 64, 4, 256, false), [plain(20), plain(20)], 60);
    let single = products(OWNERS[1], entries(64, 128, Along::Rows), [plain(20), plain(20)], 60);
    let cases =
        [([pair, again(pair, 1)], by(&[beside], tiles(OWNERS[1]))), ([single; 2], by(&[single], slots(OWNERS[1])))];
    for (tasks, schemes) in cases {
        let of = |owner| tasks.iter().map(|task| vec![vec![77; task.operands(owner)[0].0]]).collect();
        let (shares, _) = transcript(&mut Session::new(schemes, 28), &tasks, &OWNERS.map(of));
        for party in 0..2 {
            let all: Vec<u128> = shares.iter().flat_map(|shares| shares[party].iter().copied()).collect();
            let distinct: std::collections::BTreeSet<u128> = all.iter().copied().collect();
            assert_eq!((all.len(), distinct.len()), (2 * 64 * 128, 2 * 64 * 128), "party {party}: {tasks:?}");
        }
    }
}

/// Thousands of different tasks, as a program made for it has: ways are chosen and priced in moments, however they are repeated.
#[test]
fn thousands_of_different_tasks_are_priced_at_once() {
    let mut tasks = vec![];
    for at in 0..1000 {
        let (width, bits) = ((at % 40 + 10) as u8, (at % 90 + 20) as u8);
        let owner = OWNERS[at % 2];
        tasks.push(products(owner, entries(at + 1, at % 7 + 1, Along::Rows), [plain(width), plain(20)], bits));
        tasks.push(products(owner, entries(1, at + 1, Along::Both), [plain(width), signed(9)], bits));
        tasks.push(products(owner, matrices(1, at + 1, 64, at % 9 + 1, false), [plain(width), plain(30)], bits));
        tasks.push(again(products(owner, matrices(1, at + 1, 64, 5, false), [plain(width), signed(30)], bits), 1));
    }
    let start = Instant::now();
    let schemes = Schemes::new(std::slice::from_ref(&tasks), 1, field(), &Rates::REFERENCE);
    sent(&schemes, &tasks.repeat(4));
    let took = start.elapsed();
    let most = Duration::from_secs(if cfg!(debug_assertions) { 12 } else { 2 });
    assert!(took < most, "{took:?}");
}
