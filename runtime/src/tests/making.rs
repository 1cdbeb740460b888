//! Two parties alone: each makes its material with the other one, and both run an inference on it.

use std::sync::Arc;

use mpcc_kernels::Seed;
use mpcc_pair::{Pair, Rates, Round, Scheme, Schemes, begin_keys};
use mpcc_program::code::{Owner, Role};
use mpcc_program::gates::{lower, lower_making};
use mpcc_program::interpret::Interpreter;
use mpcc_program::making::{Making, Task};
use mpcc_program::program::{Program, Supplier};
use mpcc_protocols::{CheckedCode, InMemory, Party, SessionSeed};
use mpcc_transfer::{Entropy, Field, SessionId, Side, begin};

use super::lowered::{ROWS, WIDTHS, perceptron, within_rounding};
use super::numbers;

const OWNERS: [Owner; 2] = [Owner::ModelOwner, Owner::DataOwner];

fn party(code: CheckedCode, weights: Vec<Vec<u64>>, owner: Owner) -> Party {
    let mut seed = [if owner == Owner::ModelOwner { 1 } else { 2 }; 16];
    let mut party =
        Party::new(Arc::new(code), Arc::new(Interpreter), weights, SessionSeed::take(&mut seed)).expect("a party");
    assert!(party.setup_message(&mut [].as_slice()).expect("a setup").is_empty(), "no weight leaves its owner");
    party.setup_receive(Vec::new(), &mut [].as_slice()).expect("a setup");
    party
}

fn field() -> Field {
    Field::new(8).expect("a field")
}

fn pairs(schemes: &Schemes) -> [Pair; 2] {
    let (id, field) = (SessionId::from_bytes([3; 32]), field());
    let end = |side, byte| begin(id, side, field, Entropy::from_bytes([byte; 32]));
    let ((a, from_a), (b, from_b)) = (end(Side::First, 4), end(Side::Second, 5));
    let ((a, from_a), (b, from_b)) = (a.reply(&from_b).expect("a reply"), b.reply(&from_a).expect("a reply"));
    let ((a, from_a), (b, from_b)) = (a.correct(&from_b).expect("keys"), b.correct(&from_a).expect("keys"));
    let (a, b) = (a.finish(&from_b).expect("an end"), b.finish(&from_a).expect("an end"));
    let keys = |owner, byte| begin_keys(schemes.clone(), owner, &Seed::from_bytes([byte; 16])).expect("keys");
    let ((x, from_x), (y, from_y)) = (keys(OWNERS[0], 6), keys(OWNERS[1], 7));
    let (x, y) = (x.finish(&from_y).expect("keys"), y.finish(&from_x).expect("keys"));
    [Pair::new(a.0, a.1, x), Pair::new(b.0, b.1, y)]
}

/// Brings an end's message of a hop to the other one.
fn bring((from, sends): (&mut Round<'_>, &mut Pair), (to, takes): (&mut Round<'_>, &mut Pair)) {
    while let Some(piece) = from.send(sends).expect("a piece") {
        to.take(takes, &piece).expect("the peer's");
    }
}

/// What both parties keep for inference `index`.
fn made(makings: &[Making; 2], makers: &[Party; 2], pairs: &mut [Pair; 2], index: u64) -> [Vec<u8>; 2] {
    let online = |maker: &'_ Party| {
        let material = maker.offline(index, &mut [].as_slice()).expect("masks");
        // A maker has no input.
        (material, Vec::new())
    };
    let [a, b] = makers.each_ref();
    let ((m0, none), (m1, nothing)) = (online(a), online(b));
    let mut runs = [a.online(m0, none).expect("a run"), b.online(m1, nothing).expect("a run")];
    let mut results = [Vec::new(), Vec::new()];
    let [zero, one] = pairs;
    for (round, tasks) in makings[0].rounds.iter().enumerate() {
        let [from_a, from_b] = step(&mut runs, round, &results);
        let (mut x, mut y) =
            (zero.begin(tasks, &from_a).expect("a round"), one.begin(tasks, &from_b).expect("a round"));
        for _ in 0..x.hops() {
            bring((&mut x, zero), (&mut y, one));
            bring((&mut y, one), (&mut x, zero));
            x.next_hop(zero).expect("a whole message");
            y.next_hop(one).expect("a whole message");
        }
        results = [x.finish().expect("shares"), y.finish().expect("shares")];
    }
    step(&mut runs, makings[0].rounds.len(), &results)
}

fn step(runs: &mut [mpcc_protocols::Online<'_>; 2], h: usize, incoming: &[Vec<u8>; 2]) -> [Vec<u8>; 2] {
    let [a, b] = runs;
    let local = |run: &mut mpcc_protocols::Online<'_>, incoming: &[u8]| {
        let mut peer = InMemory { incoming, outgoing: Vec::new() };
        run.step(h, &mut peer).expect("a step");
        assert!(peer.incoming.is_empty(), "every share is taken");
        peer.outgoing
    };
    [local(a, &incoming[0]), local(b, &incoming[1])]
}

#[test]
fn two_parties_alone_make_what_they_run_on() {
    made_and_run(|_| Schemes::transfers(field()));
    // Products by tiles, and products by slots.
    for wanted in
        [|scheme: &Scheme| matches!(scheme, Scheme::Tiles(_)), |scheme: &Scheme| matches!(scheme, Scheme::Slots(_))]
    {
        made_and_run(|rounds| {
            let by = |task: &Task| {
                let options = Scheme::options(task, field(), &Rates::REFERENCE).into_iter();
                let best = options.filter(|(scheme, _)| wanted(scheme)).min_by_key(|(_, cost)| *cost);
                best.map(|(scheme, _)| (*task, scheme))
            };
            let schemes = Schemes::fixed(rounds.iter().flatten().filter_map(by).collect(), field());
            assert_ne!(schemes.key_bytes().expect("a price"), [0, 0]);
            schemes
        });
    }
}

fn made_and_run(schemes: impl Fn(&[Vec<Task>]) -> Schemes) {
    let program = Program { supplier: Supplier::Pair, ..perceptron(false) };
    mpcc_program::verify::verify(&program).expect("two parties can make it");
    let weights = vec![numbers(WIDTHS[0] * WIDTHS[1], 17), numbers(WIDTHS[1] * WIDTHS[2], 5)];
    let own = |owner| if owner == Owner::ModelOwner { weights.clone() } else { vec![] };
    let makings = OWNERS.map(|owner| lower_making(&program, owner));
    let makers = [0, 1].map(|p| {
        let code = CheckedCode::new(makings[p].code.clone()).expect("sound code");
        party(code, own(OWNERS[p]), OWNERS[p])
    });
    let parties = [(Role::ModelOwner, OWNERS[0]), (Role::DataOwner, OWNERS[1])]
        .map(|(role, owner)| party(CheckedCode::new(lower(&program, role)).expect("sound code"), own(owner), owner));
    let schemes = schemes(&makings[0].rounds);
    let mut pairs = pairs(&schemes);
    for index in 0..2 {
        let material = made(&makings, &makers, &mut pairs, index);
        let input = vec![numbers(ROWS * WIDTHS[0], 1 + index as i64)];
        let materials = [0, 1].map(|p| {
            let mut stream = material[p].as_slice();
            let material = parties[p].offline(index, &mut stream).expect("material");
            assert!(stream.is_empty(), "every share is used");
            material
        });
        let [m0, m1] = materials;
        let mut runs =
            [parties[0].online(m0, vec![]).expect("a run"), parties[1].online(m1, input.clone()).expect("a run")];
        let mut incoming = [Vec::new(), Vec::new()];
        for h in 0..parties[0].hops() {
            let [from_a, from_b] = step(&mut runs, h, &incoming);
            incoming = [from_b, from_a];
        }
        let [_, data_owner] = runs;
        let mut last = InMemory { incoming: &incoming[1], outgoing: Vec::new() };
        let outputs = data_owner.finish(&mut last).expect("outputs");
        within_rounding(&weights, &input[0], &outputs[0]);
    }
}
