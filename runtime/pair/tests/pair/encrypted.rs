//! Products under encryption, against plain integers: every scheme, all factors of small rings, widths as they occur and beyond.

use mpcc_pair::{PairError, Rates, Scheme, Schemes};
use mpcc_program::code::Owner;
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::{Job, Task};

use crate::harness::{
    OWNERS, Session, field, handed, holds, kinds, mask, meant, message, operands, plain, products, round, signed,
};

fn matrices(batch: usize, m: usize, k: usize, n: usize, shared_right: bool) -> Pairing {
    Pairing::Matrices { batch, m, k, n, shared_right }
}

fn entries(rows: usize, cols: usize, right: Along) -> Pairing {
    Pairing::Entries { rows, cols, right }
}

const ALONG: [Along; 3] = [Along::Both, Along::Columns, Along::Rows];

/// Whether a task can be done by tiles and by slots, by every party whose numbers are masks as far as it says.
fn offered(task: &Task) -> [bool; 2] {
    let Job::Products { left, factors: [first, second], .. } = task.job else { unreachable!("products") };
    let masks = |owner: Owner| {
        let (own, other) = if left == owner { (first, second) } else { (second, first) };
        !own.signed || other.signed
    };
    let by = |wanted: fn(&Scheme) -> Option<Owner>| {
        let owners: Vec<Owner> = kinds(task).iter().filter_map(wanted).collect();
        assert!(owners.iter().all(|owner| masks(*owner)), "no weights are encrypted: {task:?}");
        OWNERS.iter().all(|owner| owners.contains(owner) || !masks(*owner))
    };
    let tiles = |scheme: &Scheme| if let Scheme::Tiles(tiles) = scheme { Some(tiles.encrypts) } else { None };
    let slots = |scheme: &Scheme| if let Scheme::Slots(slots) = scheme { Some(slots.encrypts) } else { None };
    [by(tiles), by(slots)]
}

/// Does tasks by every scheme that they have, all tasks' first schemes in one round, then all their second ones, and so on.
fn by_every_scheme(tasks: &[Task]) {
    let kinds: Vec<Vec<Scheme>> = tasks.iter().map(kinds).collect();
    for at in 0..kinds.iter().map(Vec::len).max().unwrap_or(0) {
        let chosen: Vec<(Task, Scheme)> =
            tasks.iter().zip(&kinds).filter_map(|(task, kinds)| Some((*task, *kinds.get(at)?))).collect();
        let tasks: Vec<Task> = chosen.iter().map(|(task, _)| *task).collect();
        holds(&mut Session::by(&chosen, at as u8), &tasks, at as u64);
    }
}

#[test]
fn matrices_of_every_shape_are_exact_by_every_scheme() {
    let mut tasks = vec![];
    for (owner, other) in [(OWNERS[0], 1), (OWNERS[1], 2)] {
        tasks.extend([
            products(owner, matrices(1, 5, 7, 3, false), [plain(20), signed(9)], 30 + other),
            products(owner, matrices(3, 2, 5, 4, false), [plain(31), plain(31)], 33 + other),
            products(owner, matrices(3, 2, 5, 4, true), [signed(17), plain(44)], 44 + other),
            products(owner, matrices(6, 1, 37, 1, false), [plain(32), plain(31)], 50 + other),
            products(owner, matrices(1, 5, 7, 3, false), [signed(17), plain(61)], 69 + other),
        ]);
    }
    tasks.iter().for_each(|task| assert_eq!(offered(task), [true, true], "{task:?}"));
    by_every_scheme(&tasks);
}

#[test]
fn entries_of_every_pairing_are_exact_by_every_scheme() {
    let mut tasks = vec![];
    for (owner, other) in [(OWNERS[0], 1), (OWNERS[1], 2)] {
        for along in ALONG {
            tasks.push(products(owner, entries(5, 6, along), [plain(31), signed(14)], 40 + other));
            tasks.push(products(owner, entries(2, 3, along), [signed(12), plain(46)], 66 + other));
        }
        // More than a ciphertext holds, in either direction.
        tasks.push(products(owner, entries(3, 9000, Along::Columns), [plain(8), plain(7)], 13 + other));
        tasks.push(products(owner, entries(9000, 2, Along::Rows), [plain(9), signed(7)], 13 + other));
        tasks.push(products(owner, entries(1, 8193, Along::Both), [signed(9), plain(7)], 13 + other));
    }
    tasks.iter().for_each(|task| assert_eq!(offered(task), [false, true], "{task:?}"));
    by_every_scheme(&tasks);
}

/// Complex numbers, more of them than a ciphertext holds and few enough that one holds both parts, in rings that results fit into
/// and in narrower ones.
#[test]
fn complex_numbers_are_exact_by_every_scheme() {
    let mut tasks = vec![];
    for owner in OWNERS {
        for (count, factors, bits) in [
            (5, [plain(18), signed(18)], 50),
            (4097, [signed(9), signed(8)], 11),
            (8200, [plain(12), signed(11)], 41),
            (3, [signed(20), plain(31)], 66),
            (2, [plain(50), plain(66)], 128),
        ] {
            tasks.push(products(owner, Pairing::Complex { count }, factors, bits));
        }
    }
    tasks.iter().for_each(|task| assert_eq!(offered(task), [false, true], "{task:?}"));
    by_every_scheme(&tasks);
}

/// All pairs of factors, in rings that hold their products and in rings that do not.
#[test]
fn all_factors_of_small_rings_are_exact() {
    for bits in [1, 4, 7, 9] {
        for factors in [[plain(4), plain(4)], [plain(4), signed(4)], [signed(3), plain(5)], [signed(4), signed(4)]] {
            let all = |width: u8| (0..1u128 << width).collect::<Vec<_>>();
            let [a, b] = factors.map(|factor| all(factor.width));
            let outer = products(OWNERS[0], matrices(1, a.len(), 1, b.len(), false), factors, bits);
            let pairs = products(OWNERS[0], entries(1, a.len() * b.len(), Along::Both), factors, bits);
            let both: Vec<(u128, u128)> = a.iter().flat_map(|x| b.iter().map(move |y| (*x, *y))).collect();
            let [left, right] = [both.iter().map(|p| p.0).collect(), both.iter().map(|p| p.1).collect()];
            let given = [vec![vec![a], vec![left]], vec![vec![b], vec![right]]];
            let complex = products(OWNERS[0], Pairing::Complex { count: both.len() / 2 }, factors, bits);
            let given = given.map(|lists| [lists[0].clone(), lists[1].clone(), lists[1].clone()].to_vec());
            let tasks = [outer, pairs, complex];
            let [tiles, slots] = [kinds(&outer), kinds(&pairs)];
            let turned = kinds(&complex);
            for (at, scheme) in tiles.iter().enumerate() {
                let chosen = [(outer, *scheme), (pairs, slots[at % slots.len()]), (complex, turned[at % turned.len()])];
                let shares = round(&mut Session::by(&chosen, bits), &tasks, &given);
                for (task, ([x, y], (zero, one))) in tasks.iter().zip(shares.iter().zip(given[0].iter().zip(&given[1])))
                {
                    let sum: Vec<u128> = x.iter().zip(y).map(|(x, y)| x.wrapping_add(*y) & mask(bits)).collect();
                    assert_eq!(sum, meant(task, zero, one).0, "{scheme:?} modulo 2^{bits}");
                }
            }
        }
    }
}

#[test]
fn weights_of_17_bits_times_masks_of_65_tokens_are_exact_modulo_2_to_48() {
    let factors = [plain(48), signed(17)];
    let task = products(Owner::DataOwner, matrices(1, 65, 256, 256, true), factors, 48);
    let schemes = Schemes::new(&[vec![task]], 1, field(), &Rates::REFERENCE);
    assert!(matches!(schemes.scheme(&task), Scheme::Tiles(tiles) if tiles.encrypts == Owner::DataOwner));
    holds(&mut Session::new(schemes, 1), &[task], 1);
}

#[test]
fn factors_wider_than_a_multiplier_are_split() {
    let wide = [
        products(OWNERS[0], matrices(1, 4, 9, 5, false), [plain(64), plain(64)], 64),
        products(OWNERS[1], matrices(1, 4, 9, 5, false), [plain(60), signed(63)], 64),
        products(OWNERS[1], matrices(2, 4, 3, 5, false), [plain(58), plain(57)], 61),
        products(OWNERS[0], matrices(1, 3, 300, 2, false), [plain(128), plain(100)], 62),
        products(OWNERS[1], matrices(2, 4, 3, 5, false), [plain(70), plain(66)], 75),
        products(OWNERS[1], matrices(1, 4, 3, 5, false), [plain(128), plain(128)], 128),
    ];
    for task in &wide {
        let split = kinds(task).into_iter().filter(|scheme| matches!(scheme, Scheme::Tiles(tiles) if tiles.parts > 1));
        assert!(split.count() > 0, "{task:?}");
    }
    by_every_scheme(&wide);
}

/// What no scheme under encryption holds is done by transfers, up to the widest that there is.
#[test]
fn the_widest_entries_are_exact_and_wider_ones_fall_back() {
    let widest = [
        products(OWNERS[0], entries(2, 3, Along::Both), [plain(74), plain(73)], 128),
        products(OWNERS[1], entries(2, 3, Along::Rows), [plain(66), plain(66)], 66),
        products(OWNERS[1], entries(2, 3, Along::Rows), [plain(88), signed(60)], 127),
        products(OWNERS[1], matrices(3, 1, 30, 1, false), [plain(47), plain(46)], 100),
    ];
    widest.iter().for_each(|task| assert!(offered(task)[1], "{task:?}"));
    by_every_scheme(&widest);
    let beyond = [
        products(OWNERS[0], entries(2, 3, Along::Both), [plain(100), plain(73)], 128),
        products(OWNERS[1], entries(2, 3, Along::Columns), [plain(128), signed(128)], 128),
    ];
    beyond.iter().for_each(|task| assert_eq!(kinds(task), [Scheme::Transfers], "{task:?}"));
    holds(&mut Session::new(Schemes::new(&[beyond.to_vec()], 1000, field(), &Rates::REFERENCE), 1), &beyond, 1);
}

/// Transfers, tiles and slots of both parties in the rounds of one session, with nothing used twice.
#[test]
fn rounds_mix_all_schemes_and_follow_one_another() {
    let weights = products(OWNERS[1], matrices(2, 33, 64, 40, true), [plain(44), signed(14)], 44);
    let scores = products(OWNERS[0], matrices(2, 9, 16, 9, false), [plain(36), plain(36)], 36);
    let scale = products(OWNERS[0], entries(33, 40, Along::Rows), [plain(40), plain(20)], 60);
    let gains = products(OWNERS[1], entries(33, 40, Along::Columns), [plain(40), signed(12)], 50);
    let few = products(OWNERS[0], entries(1, 4, Along::Both), [plain(20), plain(20)], 40);
    let by = |task: &Task, wanted: fn(&Scheme) -> bool, encrypts: Owner| {
        let found = kinds(task).into_iter().find(|scheme| match scheme {
            Scheme::Tiles(tiles) => wanted(scheme) && tiles.encrypts == encrypts,
            Scheme::Slots(slots) => wanted(scheme) && slots.encrypts == encrypts,
            Scheme::Transfers => false,
        });
        (*task, found.expect("such a scheme"))
    };
    let (tiles, slots) = (|s: &Scheme| matches!(s, Scheme::Tiles(_)), |s: &Scheme| matches!(s, Scheme::Slots(_)));
    let schemes = [
        by(&weights, tiles, OWNERS[1]),
        by(&scores, tiles, OWNERS[0]),
        by(&scale, slots, OWNERS[0]),
        by(&gains, slots, OWNERS[1]),
    ];
    let mut session = Session::by(&schemes, 9);
    let ands = Task { job: Job::Ands, len: 11, bits: 5 };
    let chosen = Task { job: Job::Chosen { chooser: OWNERS[0] }, len: 9, bits: 70 };
    // Tasks repeat within a round and over rounds; one round has no slots, and one has no transfers.
    let rounds: [&[Task]; 5] = [
        &[weights, few, scale, ands, scores, gains, weights, chosen, scale],
        &[scores, ands, weights],
        &[gains, scale],
        &[],
        &[few, chosen, scores],
    ];
    for (seed, tasks) in rounds.into_iter().enumerate() {
        let hops = session.schemes.price(tasks).expect("a price").hops();
        assert_eq!(hops, if tasks.contains(&scale) { 3 } else { 2 });
        holds(&mut session, tasks, seed as u64);
    }
}

/// A message of more than one piece, transfers in front and answers behind.
#[test]
fn long_messages_travel_in_pieces() {
    let task = products(OWNERS[0], matrices(1, 3, 4, 5, false), [plain(30), plain(30)], 30);
    let scheme = kinds(&task).into_iter().find(|scheme| matches!(scheme, Scheme::Tiles(_))).expect("such a scheme");
    let chosen = Task { job: Job::Chosen { chooser: OWNERS[0] }, len: 2_200_000, bits: 63 };
    let mut session = Session::by(&[(task, scheme)], 4);
    let longest = session.schemes.price(&[chosen, task]).expect("a price").sent[1].into_iter().max();
    assert!(longest > Some(mpcc_pair::PIECE));
    holds(&mut session, &[chosen, task], 1);
}

#[test]
fn malformed_uploads_and_answers_are_errors() {
    let task = products(OWNERS[0], matrices(1, 3, 4, 5, false), [plain(30), plain(30)], 30);
    let by = |scheme: fn(&Scheme) -> bool| kinds(&task).into_iter().find(scheme).expect("such a scheme");
    let tasks = [task];
    let given = operands(&tasks, 1);
    let bytes = [0, 1].map(|p| handed(&tasks, &given[p], OWNERS[p]));
    let owner = |scheme: &Scheme| match scheme {
        Scheme::Tiles(tiles) => tiles.encrypts,
        Scheme::Slots(slots) => slots.encrypts,
        Scheme::Transfers => unreachable!("no key"),
    };
    for scheme in [by(|s| matches!(s, Scheme::Tiles(_))), by(|s| matches!(s, Scheme::Slots(_)))] {
        let fresh = || {
            let mut pairs = Session::by(&[(task, scheme)], 2).pairs;
            let encrypts = usize::from(owner(&scheme) == OWNERS[1]);
            pairs.rotate_left(encrypts);
            (pairs, [bytes[encrypts].clone(), bytes[1 - encrypts].clone()])
        };
        // Uploads of numbers that are no residues, too few bytes, too many.
        let ([mut x, mut y], [of_x, of_y]) = fresh();
        let (mut a, mut b) = (x.begin(&tasks, &of_x).expect("a round"), y.begin(&tasks, &of_y).expect("a round"));
        let uploads = message(&mut a, &mut x);
        assert!(!uploads.is_empty() && message(&mut b, &mut y).is_empty());
        let ones = vec![0xff; uploads.len()];
        assert!(matches!(b.take(&mut y, &ones), Err(PairError::Lattice(_))));
        for wrong in [&uploads[1..], &[&uploads[..], &[0]].concat()] {
            let ([_, mut y], [_, of_y]) = fresh();
            let mut b = y.begin(&tasks, &of_y).expect("a round");
            let refused = b.take(&mut y, wrong).and_then(|()| b.next_hop(&mut y));
            assert!(matches!(refused, Err(PairError::Length { .. })));
        }
        // And of answers.
        let ([mut x, mut y], [of_x, of_y]) = fresh();
        let (mut a, mut b) = (x.begin(&tasks, &of_x).expect("a round"), y.begin(&tasks, &of_y).expect("a round"));
        let uploads = message(&mut a, &mut x);
        let _ = message(&mut b, &mut y);
        b.take(&mut y, &uploads).expect("uploads");
        b.next_hop(&mut y).expect("all of them");
        a.next_hop(&mut x).expect("nothing was due");
        let answers = message(&mut b, &mut y);
        a.take(&mut x, &answers[..answers.len() - 1]).expect("a piece");
        assert!(matches!(a.next_hop(&mut x), Err(PairError::Length { .. })));
    }
}

/// A message in which something was changed on the way is refused or gives other numbers; nothing panics.
#[test]
fn changed_messages_end_in_errors_or_other_numbers() {
    let pairing = matrices(2, 3, 4, 5, false);
    let task = products(OWNERS[0], pairing, [plain(30), plain(30)], 30);
    let tasks = [task, Task { job: Job::Ands, len: 7, bits: 5 }];
    let given = operands(&tasks, 1);
    let bytes = [0, 1].map(|p| handed(&tasks, &given[p], OWNERS[p]));
    let kinds = kinds(&task);
    let encrypted = kinds.iter().filter(|scheme| !matches!(scheme, Scheme::Transfers));
    for (scheme, hop, place) in encrypted.flat_map(|s| (0..3).flat_map(move |hop| (0..4).map(move |at| (s, hop, at)))) {
        let Session { pairs: [mut zero, mut one], schemes } = Session::by(&[(task, *scheme)], 3);
        let hops = schemes.price(&tasks).expect("a price").hops();
        let mut a = zero.begin(&tasks, &bytes[0]).expect("a round");
        let mut b = one.begin(&tasks, &bytes[1]).expect("a round");
        let mut run = || -> Result<(), PairError> {
            for now in 0..hops {
                let mut sent = [message(&mut a, &mut zero), message(&mut b, &mut one)];
                for sent in sent.iter_mut().filter(|sent| now == hop && !sent.is_empty()) {
                    let at = (sent.len() - 1) * place / 3;
                    sent[at] ^= 1 << (at % 8);
                }
                a.take(&mut zero, &sent[1])?;
                b.take(&mut one, &sent[0])?;
                a.next_hop(&mut zero)?;
                b.next_hop(&mut one)?;
            }
            Ok(())
        };
        match run() {
            Ok(()) => assert!(a.finish().is_ok() && b.finish().is_ok()),
            Err(error) => assert!(matches!(error, PairError::Lattice(_) | PairError::Transfer(_)), "{error}"),
        }
    }
}
