//! The parties' own code for making correlated randomness, with its tasks done in the clear by someone who knows both
//! parties' numbers: what an item means is held against what the dealer's words add up to.

use std::collections::VecDeque;

use mpcc_program::code::{Owner, Role};
use mpcc_program::correlation::{Along, Correlation, Item, Pairing, Sharing, materials};
use mpcc_program::gates::lower_making;
use mpcc_program::making::{Factor, Job, Making, Task};
use mpcc_program::program::{Program, Supplier, ValueId, stream};

use super::{Draw, Machine, Messages, Seen, mask, mix, signed};

/// What both parties made of every item, in order.
pub(crate) struct Made {
    pub(crate) items: Vec<(ValueId, Item)>,
    pub(crate) shares: [Vec<Vec<u64>>; 2],
}

/// Whether two parties can make all that a program needs.
pub(crate) fn can(program: &Program) -> bool {
    materials(program).iter().flatten().all(|item| item.made_by(Supplier::Pair))
        && materials(program).iter().flatten().all(|item| item.bits <= 64)
}

/// Runs both parties' makings in step.
pub(crate) fn make(program: &Program, weights: &[Vec<i64>], draw: &mut Draw<'_>, seed: u64) -> Made {
    let owners = [Owner::ModelOwner, Owner::DataOwner];
    let makings = owners.map(|owner| lower_making(program, owner));
    let [rounds, other] = makings.each_ref().map(|making| making.rounds.clone());
    assert_eq!(rounds, other, "both parties have the same tasks");
    let [items, other] = makings.each_ref().map(|making| making.items.clone());
    assert_eq!(items, other);
    let mut machines = makings.map(|Making { code, .. }| Machine::of(code));
    let none = &mut VecDeque::new();
    for (machine, weights) in machines.iter_mut().zip([weights, &[]]) {
        let lists = [machine.code.setup.local.clone(), machine.code.setup_after.clone(), machine.code.offline.clone()];
        lists.iter().for_each(|list| machine.run(list, weights, draw, none));
    }
    let mut state = seed;
    for round in 0..=rounds.len() {
        for machine in &mut machines {
            let local = machine.code.steps[round].local.clone();
            machine.run(&local, &[], draw, none);
        }
        if round == rounds.len() {
            break;
        }
        let exchanges = machines.each_ref().map(|machine| machine.code.steps[round].exchange.clone());
        let mut operands = [0, 1].map(|p| VecDeque::from(machines[p].words(&exchanges[p].send)));
        let mut results = [vec![], vec![]];
        let mut lefts: Vec<Option<Vec<u64>>> = vec![];
        for task in &rounds[round] {
            let given = [0, 1].map(|p| {
                let of = task.operands(owners[p]);
                let words: Vec<Vec<u64>> = of.iter().map(|_| operands[p].pop_front().expect("an operand")).collect();
                assert!(words.iter().zip(&of).all(|(words, (len, _))| words.len() == *len), "{task:?}");
                words
            });
            let left = match task.job {
                Job::Products { left, again, .. } => {
                    let list = given[usize::from(left == Owner::DataOwner)][0].clone();
                    let earlier = (again > 0).then(|| lefts[lefts.len() - again as usize].as_ref());
                    assert!(
                        earlier.is_none_or(|earlier| earlier == Some(&list)),
                        "not the same left numbers: {task:?}"
                    );
                    Some(list)
                }
                _ => None,
            };
            lefts.push(left);
            if let Job::Pads { digit, .. } = task.job {
                let all: Vec<u64> = (0..(2 * task.len) << digit).map(|_| mix(&mut state)).collect();
                let named = |(item, digit_of): (usize, &u64)| {
                    let at = 2 * ((item << digit) + *digit_of as usize);
                    [all[at], all[at + 1]]
                };
                results[0].push(given[0][0].iter().enumerate().flat_map(named).collect());
                results[1].push(all);
                continue;
            }
            let (value, xor) = done(task, &given);
            let all = mask(task.bits);
            let first: Vec<u64> = value.iter().map(|_| mix(&mut state) & all).collect();
            let rest = value.iter().zip(&first);
            let second = rest.map(|(v, s)| if xor { v ^ s } else { v.wrapping_sub(*s) } & all).collect();
            results[0].push(first);
            results[1].push(second);
        }
        assert!(operands.iter().all(VecDeque::is_empty), "every operand is used");
        for ((machine, exchange), results) in machines.iter_mut().zip(&exchanges).zip(&results) {
            machine.store(&exchange.receive, results);
        }
    }
    let shares = machines.map(|machine| machine.words(&machine.code.steps[rounds.len()].exchange.send));
    Made { items, shares }
}

/// A task's result, and whether it is shared by exclusive or.
fn done(task: &Task, given: &[Vec<Vec<u64>>; 2]) -> (Vec<u64>, bool) {
    let [zero, one] = given;
    match task.job {
        Job::Sums { digit, hot, .. } => {
            let value = |(a, b): (&u64, &u64)| {
                let (sum, size) = (a + b, 1 << digit);
                match hot {
                    true => 1 << (sum % size) | (sum >> digit) << size,
                    false => sum >> digit | u64::from(sum == size - 1) << 1,
                }
            };
            (zero[0].iter().zip(&one[0]).map(value).collect(), true)
        }
        Job::Carries { digit, .. } => {
            let value = |(a, b): (&u64, &u64)| u64::from((a >> 1) + (b >> 1) + (a + b) % 2 >= 1 << digit);
            (zero[0].iter().zip(&one[0]).map(value).collect(), true)
        }
        Job::Under => {
            let whole = |i: usize| zero[i].iter().zip(&one[i]).map(|(a, b)| a ^ b);
            (whole(0).zip(whole(1)).map(|(bit, word)| bit * word).collect(), true)
        }
        Job::Ands => {
            let whole = |i: usize| zero[i].iter().zip(&one[i]).map(|(a, b)| a ^ b);
            (whole(0).zip(whole(1)).map(|(a, b)| a & b).collect(), true)
        }
        Job::Pads { .. } => unreachable!("pads are no shares"),
        Job::Chosen { chooser } => {
            let (bits, words) = if chooser == Owner::ModelOwner { (&zero[0], &one[0]) } else { (&one[0], &zero[0]) };
            assert!(bits.iter().all(|b| *b < 2));
            (bits.iter().zip(words).map(|(b, w)| b * w).collect(), false)
        }
        Job::Products { left, pairing, factors, .. } => {
            let (a, b) = if left == Owner::ModelOwner { (&zero[0], &one[0]) } else { (&one[0], &zero[0]) };
            let [a, b] = [(a, factors[0]), (b, factors[1])].map(|(words, of)| numbers(words, of));
            (products(pairing, &a, &b), false)
        }
    }
}

fn numbers(words: &[u64], Factor { width, signed: is }: Factor) -> Vec<u64> {
    words.iter().map(|w| if is { signed(*w, width) as u64 } else { *w & mask(width) }).collect()
}

fn products(pairing: Pairing, a: &[u64], b: &[u64]) -> Vec<u64> {
    match pairing {
        Pairing::Matrices { batch, m, k, n, shared_right } => {
            let entry = |at: usize| {
                let (t, i, j) = (at / (m * n), at / n % m, at % n);
                let right = if shared_right { 0 } else { t * k * n };
                (0..k).fold(0u64, |sum, l| sum.wrapping_add(a[(t * m + i) * k + l].wrapping_mul(b[right + l * n + j])))
            };
            (0..batch * m * n).map(entry).collect()
        }
        Pairing::Complex { count } => {
            let product = |i: usize, j: usize| a[i].wrapping_mul(b[j]);
            let real = (0..count).map(|i| product(i, i).wrapping_sub(product(count + i, count + i)));
            let imaginary = (0..count).map(|i| product(i, count + i).wrapping_add(product(count + i, i)));
            real.chain(imaginary).collect()
        }
        Pairing::Entries { rows, cols, right } => {
            let other = |at: usize| match right {
                Along::Both => at,
                Along::Columns => at % cols,
                Along::Rows => at / cols,
            };
            (0..rows * cols).map(|at| a[at].wrapping_mul(b[other(at)])).collect()
        }
    }
}

/// What the parties make of every item adds up to what the dealer's words add up to; of a weight's product it is known by the
/// result of the run.
pub(crate) fn agrees_with_dealer(program: &Program, weights: &[Vec<i64>], seen: &Seen, draw: &mut Draw<'_>) -> Made {
    let made = make(&paired(program), weights, draw, 1);
    let mut received = [&seen.dealt_to_model_owner, &seen.dealt].map(|dealt| VecDeque::from(dealt.clone()));
    for (at, (id, item)) in made.items.iter().enumerate() {
        let (to, drawer) = match item.to {
            Owner::ModelOwner => (0, Owner::DataOwner),
            Owner::DataOwner => (1, Owner::ModelOwner),
        };
        let rest = received[to].pop_front().expect("dealt");
        let drawn = draw(drawer, stream(*id, item.number), item.bits, item.len);
        let sum = |a: &[u64], b: &[u64]| -> Vec<u64> {
            let one = |(a, b): (&u64, &u64)| if item.sharing == Sharing::Xor { a ^ b } else { a.wrapping_add(*b) };
            a.iter().zip(b).map(one).map(|w| w & mask(item.bits)).collect()
        };
        if !matches!(item.what, Correlation::MaskTimesWeight { .. }) {
            let [a, b] = &made.shares;
            assert_eq!(sum(&a[at], &b[at]), sum(&drawn, &rest), "{item:?}");
        }
    }
    assert!(received.iter().all(VecDeque::is_empty));
    made
}

/// The outputs of a run on what the parties made.
pub(crate) fn run(
    program: &Program,
    weights: &[Vec<i64>],
    inputs: &[Vec<i64>],
    draw: &mut Draw<'_>,
    made: Made,
) -> Vec<Vec<i64>> {
    run_seen(program, weights, inputs, draw, made).0
}

/// The outputs of a run on what the parties made, and the words of both messages of every hop.
pub(crate) fn run_seen(
    program: &Program,
    weights: &[Vec<i64>],
    inputs: &[Vec<i64>],
    draw: &mut Draw<'_>,
    made: Made,
) -> (Vec<Vec<i64>>, Vec<Messages>) {
    let program = paired(program);
    let mut parties = [Role::ModelOwner, Role::DataOwner].map(|role| Machine::new(&program, role));
    for ((party, shares), weights) in parties.iter_mut().zip(made.shares).zip([weights, &[]]) {
        assert!(party.code.setup.exchange.send.is_empty() && party.code.setup.exchange.receive.is_empty());
        let mut shares = VecDeque::from(shares);
        let lists = [party.code.setup.local.clone(), party.code.setup_after.clone(), party.code.offline.clone()];
        lists.iter().for_each(|list| party.run(list, weights, draw, &mut shares));
        assert!(shares.is_empty(), "every share is used");
    }
    let [p0, p1] = &mut parties;
    super::online([p0, p1], weights, inputs, draw)
}

/// The program without a dealer.
pub(crate) fn paired(program: &Program) -> Program {
    Program { supplier: Supplier::Pair, ..program.clone() }
}
