//! Both ends of a session in one process, and what tasks mean in plain integers.

use mpcc_kernels::Seed;
use mpcc_kernels::pack::{pack, pack_double, packed_len, unpack, unpack_double};
use mpcc_pair::{PIECE, Pair, Rates, Round, Scheme, Schemes, begin_keys};
use mpcc_program::code::Owner;
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::{Factor, Job, Task};
use mpcc_transfer::{Entropy, Field, SessionId, Side, begin};

pub(crate) const OWNERS: [Owner; 2] = [Owner::ModelOwner, Owner::DataOwner];

pub(crate) fn field() -> Field {
    Field::new(8).expect("a field")
}

/// Two ends that have agreed on how tasks are done.
pub(crate) struct Session {
    pub(crate) schemes: Schemes,
    pub(crate) pairs: [Pair; 2],
}

impl Session {
    pub(crate) fn new(schemes: Schemes, seed: u8) -> Session {
        let id = SessionId::from_bytes([seed; 32]);
        let end = |side, byte: u8| begin(id, side, field(), Entropy::from_bytes([byte ^ seed; 32]));
        let ((a, from_a), (b, from_b)) = (end(Side::First, 1), end(Side::Second, 2));
        let ((a, to_b), (b, to_a)) = (a.reply(&from_b).expect("a reply"), b.reply(&from_a).expect("a reply"));
        let ((a, from_a), (b, from_b)) = (a.correct(&to_a).expect("a key"), b.correct(&to_b).expect("a key"));
        let (a, b) = (a.finish(&from_b).expect("an end"), b.finish(&from_a).expect("an end"));
        let keys =
            |owner, byte: u8| begin_keys(schemes.clone(), owner, &Seed::from_bytes([byte ^ seed; 16])).expect("keys");
        let ((x, from_x), (y, from_y)) = (keys(OWNERS[0], 3), keys(OWNERS[1], 4));
        assert_eq!(schemes.key_bytes().expect("a price"), [from_x.len(), from_y.len()]);
        let (x, y) = (x.finish(&from_y).expect("keys"), y.finish(&from_x).expect("keys"));
        Session { schemes, pairs: [Pair::new(a.0, a.1, x), Pair::new(b.0, b.1, y)] }
    }

    /// A session in which each of these tasks is done in its way.
    pub(crate) fn by(tasks: &[(Task, Scheme)], seed: u8) -> Session {
        Session::new(Schemes::fixed(tasks.to_vec(), field()), seed)
    }
}

pub(crate) fn mask(bits: u8) -> u128 {
    u128::MAX >> (128 - bits)
}

pub(crate) fn packed(numbers: &[u128], bits: u8, out: &mut Vec<u8>) {
    if bits > 64 {
        let words: Vec<u64> = numbers.iter().flat_map(|n| [*n as u64, (n >> 64) as u64]).collect();
        pack_double(&words, bits.into(), out);
    } else {
        pack(&numbers.iter().map(|n| *n as u64).collect::<Vec<_>>(), bits.into(), out);
    }
}

pub(crate) fn unpacked(bytes: &[u8], len: usize, bits: u8) -> Vec<u128> {
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
pub(crate) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

/// Both parties' lists of numbers for every task, the largest of a width and its top bit among them; where a task says so, those of
/// an earlier one.
pub(crate) fn operands(tasks: &[Task], seed: u64) -> [Vec<Vec<Vec<u128>>>; 2] {
    let mut state = seed;
    let mut lists = OWNERS.map(|owner| {
        let list = |(len, bits): (usize, u8), state: &mut u64| {
            let number = |at: usize| match at % 7 {
                2 => mask(bits),
                5 => 1 << (bits - 1),
                _ => (u128::from(next(state)) << 64 | u128::from(next(state))) & mask(bits),
            };
            (0..len).map(number).collect()
        };
        let lists = |t: &Task| t.operands(owner).into_iter().map(|l| list(l, &mut state)).collect();
        tasks.iter().map(lists).collect::<Vec<Vec<Vec<u128>>>>()
    });
    for (at, task) in tasks.iter().enumerate() {
        if let Job::Products { left, again, .. } = task.job {
            let lists = &mut lists[usize::from(left == OWNERS[1])];
            lists[at] = lists[at - again as usize].clone();
        }
    }
    lists
}

/// What a party's code hands out.
pub(crate) fn handed(tasks: &[Task], given: &[Vec<Vec<u128>>], owner: Owner) -> Vec<u8> {
    let mut out = Vec::new();
    for (task, lists) in tasks.iter().zip(given) {
        lists.iter().zip(task.operands(owner)).for_each(|(list, (_, bits))| packed(list, bits, &mut out));
    }
    out
}

/// A whole message of an end.
pub(crate) fn message(round: &mut Round<'_>, pair: &mut Pair) -> Vec<u8> {
    let mut message = Vec::new();
    while let Some(piece) = round.send(pair).expect("a piece") {
        assert!(piece.len() <= PIECE && message.len() % PIECE == 0, "pieces are whole but for the last");
        message.extend(piece);
    }
    message
}

/// Both parties' shares of every task's results.
pub(crate) type Shares = Vec<[Vec<u128>; 2]>;

/// The shares of a round's results by task, and the messages of every hop, as many bytes as predicted.
pub(crate) fn transcript(
    session: &mut Session,
    tasks: &[Task],
    given: &[Vec<Vec<Vec<u128>>>; 2],
) -> (Shares, Vec<[Vec<u8>; 2]>) {
    let Session { schemes, pairs: [zero, one] } = session;
    let priced = schemes.price(tasks).expect("a price");
    let mut a = zero.begin(tasks, &handed(tasks, &given[0], OWNERS[0])).expect("a round");
    let mut b = one.begin(tasks, &handed(tasks, &given[1], OWNERS[1])).expect("a round");
    assert_eq!([a.hops(), b.hops()], [priced.hops(); 2]);
    let mut messages = Vec::new();
    for hop in 0..priced.hops() {
        // One end speaks when it has heard the other one, and bytes arrive in any pieces.
        let from_a = message(&mut a, zero);
        from_a.chunks(1 << 17).for_each(|piece| b.take(one, piece).expect("the peer's"));
        let from_b = message(&mut b, one);
        from_b.chunks(100_001).for_each(|piece| a.take(zero, piece).expect("the peer's"));
        assert_eq!(priced.sent[hop], [from_a.len(), from_b.len()], "hop {hop}");
        a.next_hop(zero).expect("a whole message");
        b.next_hop(one).expect("a whole message");
        messages.push([from_a, from_b]);
    }
    let results = [a.finish().expect("shares"), b.finish().expect("shares")];
    let mut rest = results.each_ref().map(|bytes| bytes.as_slice());
    let mut take = |party: usize, task: &Task| {
        let entries = task.results(OWNERS[party]);
        let (bytes, behind) = rest[party].split_at(packed_len(entries, task.bits.into()));
        rest[party] = behind;
        unpacked(bytes, entries, task.bits)
    };
    let out = tasks.iter().map(|task| [0, 1].map(|party| take(party, task))).collect();
    assert!(rest.iter().all(|bytes| bytes.is_empty()));
    (out, messages)
}

/// The shares of a round's results by task.
pub(crate) fn round(session: &mut Session, tasks: &[Task], given: &[Vec<Vec<Vec<u128>>>; 2]) -> Shares {
    transcript(session, tasks, given).0
}

/// What a task's shares amount to, and how they are put together.
pub(crate) fn meant(task: &Task, zero: &[Vec<u128>], one: &[Vec<u128>]) -> (Vec<u128>, bool) {
    let number =
        |n: u128, f: Factor| if f.signed { ((n << (128 - f.width)) as i128 >> (128 - f.width)) as u128 } else { n };
    let all = mask(task.bits);
    match task.job {
        Job::Ands => ((0..task.len).map(|i| (zero[0][i] ^ one[0][i]) & (zero[1][i] ^ one[1][i])).collect(), true),
        Job::Pads { .. } => unreachable!("pads are no shares"),
        Job::Sums { digit, hot, .. } => {
            let value = |(a, b): (&u128, &u128)| {
                let (sum, size) = (a + b, 1 << digit);
                match hot {
                    true => 1 << (sum % size) | (sum >> digit) << size,
                    false => sum >> digit | u128::from(sum == size - 1) << 1,
                }
            };
            (zero[0].iter().zip(&one[0]).map(value).collect(), true)
        }
        Job::Carries { digit, .. } => {
            let value = |(a, b): (&u128, &u128)| u128::from((a >> 1) + (b >> 1) + (a + b) % 2 >= 1 << digit);
            (zero[0].iter().zip(&one[0]).map(value).collect(), true)
        }
        Job::Under => {
            let word = |i: usize| (zero[0][i] ^ one[0][i]) * (zero[1][i] ^ one[1][i]);
            ((0..task.len).map(word).collect(), true)
        }
        Job::Chosen { chooser } => {
            let (bits, words) = if chooser == Owner::ModelOwner { (&zero[0], &one[0]) } else { (&one[0], &zero[0]) };
            (bits.iter().zip(words).map(|(b, w)| b * w).collect(), false)
        }
        Job::Products { left, pairing, factors: [f, g], .. } => {
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
                Pairing::Complex { count } if at < count => {
                    product(at, at).wrapping_sub(product(count + at, count + at))
                }
                Pairing::Complex { count } => product(at - count, at).wrapping_add(product(at, at - count)),
            };
            ((0..task.len).map(|at| entry(at) & all).collect(), false)
        }
    }
}

pub(crate) fn holds(session: &mut Session, tasks: &[Task], seed: u64) {
    let given = operands(tasks, seed);
    let shares = round(session, tasks, &given);
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

pub(crate) fn plain(width: u8) -> Factor {
    Factor { width, signed: false }
}

pub(crate) fn signed(width: u8) -> Factor {
    Factor { width, signed: true }
}

/// A task of products.
pub(crate) fn products(left: Owner, pairing: Pairing, factors: [Factor; 2], bits: u8) -> Task {
    let len = match pairing {
        Pairing::Matrices { batch, m, n, .. } => batch * m * n,
        Pairing::Entries { rows, cols, .. } => rows * cols,
        Pairing::Complex { count } => 2 * count,
    };
    Task { job: Job::Products { left, pairing, factors, again: 0 }, len, bits }
}

/// The same products of the left numbers that the task so many before it has.
pub(crate) fn again(task: Task, distance: u32) -> Task {
    let Job::Products { left, pairing, factors, .. } = task.job else { unreachable!("products") };
    Task { job: Job::Products { left, pairing, factors, again: distance }, ..task }
}

/// The cheapest scheme of each kind and encrypting party.
pub(crate) fn kinds(task: &Task) -> Vec<Scheme> {
    let kind = |scheme: &Scheme| match scheme {
        Scheme::Transfers => (0, None),
        Scheme::Tiles(tiles) => (1, Some(tiles.encrypts)),
        Scheme::Slots(slots) => (2, Some(slots.encrypts)),
    };
    let mut options = Scheme::options(task, field(), &Rates::REFERENCE);
    options.sort_by_key(|(_, cost)| *cost);
    let mut out: Vec<Scheme> = vec![];
    for (scheme, _) in options {
        if out.iter().all(|known| kind(known) != kind(&scheme)) {
            out.push(scheme);
        }
    }
    out
}
