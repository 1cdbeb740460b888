//! Both parties in one process: they make their material with one another, and run on it.

use std::cell::RefCell;
use std::sync::Arc;

use mpcc_codegen::Jit;
use mpcc_kernels::{Seed, pack};
use mpcc_pair::{Pair, Rates, Round, Schemes, begin_keys};
use mpcc_program::code::{Lane, MapExecutor, Owner, Role, RoleCode};
use mpcc_program::correlation::{Correlation, Sharing, materials};
use mpcc_program::gates::{COIN, lower, lower_making, lower_recording};
use mpcc_program::interpret::Interpreter;
use mpcc_program::making::{Job, MakingPrice, Task};
use mpcc_program::program::Program;
use mpcc_protocols::ideal::correlations::meanings;
use mpcc_protocols::ideal::{self, Coins, IdealError};
use mpcc_protocols::{CheckedCode, InMemory, Online, OutputWords, Party, SessionSeed};
use mpcc_transfer::{Entropy, Field, SessionId, Side, begin};

const OWNERS: [Owner; 2] = [Owner::ModelOwner, Owner::DataOwner];

/// What came of an inference.
pub(crate) struct Run {
    pub(crate) hops: u32,
    /// Payload that each party sent online.
    pub(crate) sent: [u64; 2],
    /// Signed integers of every output.
    pub(crate) outputs: Vec<Vec<i64>>,
    /// Those of the ideal service with the same coins.
    pub(crate) ideal: Vec<Vec<i64>>,
}

/// Seconds by which plans are compared: a byte counts a microsecond.
#[derive(Default)]
pub(crate) struct Bytes(RefCell<Vec<(Task, usize)>>);

impl MakingPrice for Bytes {
    fn seconds(&self, rounds: &[Vec<Task>]) -> f64 {
        let of = |task: &Task| {
            let mut task = *task;
            if let Job::Products { again, .. } = &mut task.job {
                *again = 0;
            }
            let task = &task;
            let known = self.0.borrow().iter().find(|(known, _)| known == task).map(|(_, bytes)| *bytes);
            known.unwrap_or_else(|| {
                let schemes = Schemes::new(&[vec![*task]], 1 << 20, field(), &Rates::REFERENCE);
                let bytes = schemes.price(&[*task]).expect("a task").sent.iter().flatten().sum();
                self.0.borrow_mut().push((*task, bytes));
                bytes
            })
        };
        rounds.iter().flatten().map(of).sum::<usize>() as f64 * 1e-6
    }
}

fn words(integers: &[Vec<i64>]) -> Vec<Vec<u64>> {
    integers.iter().map(|list| list.iter().map(|x| *x as u64).collect()).collect()
}

fn seed(party: usize, seed: u64) -> SessionSeed {
    SessionSeed::take(&mut [1 + party as u8 + 2 * seed as u8; 16])
}

fn party((code, compiles): (RoleCode, bool), weights: Vec<Vec<u64>>, seed: SessionSeed) -> Party {
    let executor: Arc<dyn MapExecutor> =
        if compiles { Arc::new(Jit::compile(&code).expect("this host has a backend")) } else { Arc::new(Interpreter) };
    let code = CheckedCode::new(code).unwrap_or_else(|e| panic!("{e}"));
    let mut party = Party::new(Arc::new(code), executor, weights, seed).expect("a party");
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

fn step(runs: &mut [Online<'_>; 2], h: usize, incoming: &[Vec<u8>; 2]) -> [Vec<u8>; 2] {
    let [a, b] = runs;
    let local = |run: &mut Online<'_>, incoming: &[u8]| {
        let mut peer = InMemory { incoming, outgoing: Vec::new() };
        run.step(h, &mut peer).expect("a step");
        assert!(peer.incoming.is_empty(), "every share is taken");
        peer.outgoing
    };
    [local(a, &incoming[0]), local(b, &incoming[1])]
}

/// What both keep for an inference.
fn made((program, compiles): (&Program, bool), weights: &[Vec<u64>], of: u64) -> [Vec<u8>; 2] {
    let makings = OWNERS.map(|owner| lower_making(program, owner));
    let own = [weights.to_vec(), vec![]];
    let makers = [0, 1].map(|p| party((makings[p].code.clone(), compiles), own[p].clone(), seed(p, of)));
    let begun = |maker: &'_ Party| maker.offline(0, &mut [].as_slice()).expect("masks");
    let [m0, m1] = [begun(&makers[0]), begun(&makers[1])];
    let mut runs = [makers[0].online(m0, vec![]).expect("a run"), makers[1].online(m1, vec![]).expect("a run")];
    let schemes = Schemes::new(&makings[0].rounds, 1, field(), &Rates::REFERENCE);
    let [mut zero, mut one] = pairs(&schemes);
    let mut results = [Vec::new(), Vec::new()];
    for (round, tasks) in makings[0].rounds.iter().enumerate() {
        let [from_a, from_b] = step(&mut runs, round, &results);
        let (mut x, mut y) =
            (zero.begin(tasks, &from_a).expect("a round"), one.begin(tasks, &from_b).expect("a round"));
        for _ in 0..x.hops() {
            bring((&mut x, &mut zero), (&mut y, &mut one));
            bring((&mut y, &mut one), (&mut x, &mut zero));
            x.next_hop(&mut zero).expect("a whole message");
            y.next_hop(&mut one).expect("a whole message");
        }
        results = [x.finish().expect("shares"), y.finish().expect("shares")];
    }
    step(&mut runs, makings[0].rounds.len(), &results)
}

/// Both halves add up to what every item means to the ideal service, unless a value left its range. Of weights it means a dealer's
/// products, which are other ones.
fn adds_up(
    program: &Program,
    [weights, inputs]: [&[Vec<i64>]; 2],
    (coins, of): (&Coins, u64),
    material: &[Vec<u8>; 2],
) {
    let mut meanings = match meanings(program, weights, inputs, coins, &seed(0, of).setup()) {
        Err(IdealError::Range(_)) => return,
        meanings => meanings.unwrap_or_else(|e| panic!("{e}")).into_iter(),
    };
    let mut rest = material.each_ref().map(Vec::as_slice);
    for item in materials(program).iter().flatten() {
        let lane = Lane::of(item.bits);
        let [first, second] = [0, 1].map(|p| {
            let len = item.entries(OWNERS[p]);
            let (bytes, behind) = rest[p].split_at(pack::packed_len(len, item.bits.into()));
            rest[p] = behind;
            let mut words = vec![0; len * lane.words()];
            match lane {
                Lane::Word => pack::unpack(bytes, item.bits.into(), &mut words).expect("packed words"),
                Lane::Double => pack::unpack_double(bytes, item.bits.into(), &mut words).expect("packed words"),
            }
            words.into_iter().step_by(lane.words()).collect::<Vec<u64>>()
        });
        let join: fn(u64, u64) -> u64 = match item.sharing {
            Sharing::Additive => u64::wrapping_add,
            Sharing::Xor => |a, b| a ^ b,
            Sharing::Keys | Sharing::Pads => continue,
        };
        let meaning = meanings.next().expect("one for every sum");
        assert_eq!(&meaning.item, item);
        if !matches!(item.what, Correlation::MaskTimesWeight { .. }) {
            let low = u64::MAX >> (64 - item.bits.min(64));
            let joined = first.iter().zip(&second).map(|(a, b)| join(*a, *b) & low);
            assert!(joined.eq(meaning.words.iter().copied()), "{item:?} of %{}", meaning.value.0);
        }
    }
    assert!(rest.iter().all(|bytes| bytes.is_empty()) && meanings.next().is_none());
}

/// Makes the material of one inference, and runs it, by machine code or the interpreter.
pub(crate) fn run((program, compiles): (&Program, bool), weights: &[Vec<i64>], inputs: &[Vec<i64>], of: u64) -> Run {
    let own = [words(weights), vec![]];
    let material = made((program, compiles), &own[0], of);
    let codes = [lower(program, Role::ModelOwner), lower_recording(program)];
    let [p0, p1] = codes;
    let parties = [party((p0, compiles), own[0].clone(), seed(0, of)), party((p1, compiles), vec![], seed(1, of))];
    let materials = [0, 1].map(|p| {
        let mut stream = material[p].as_slice();
        let material = parties[p].offline(0, &mut stream).expect("material");
        assert!(stream.is_empty(), "every share is used");
        material
    });
    let [m0, m1] = materials;
    let mut runs =
        [parties[0].online(m0, vec![]).expect("a run"), parties[1].online(m1, words(inputs)).expect("a run")];
    let (mut incoming, mut sent) = ([Vec::new(), Vec::new()], [0; 2]);
    for h in 0..parties[0].hops() {
        let [from_a, from_b] = step(&mut runs, h, &incoming);
        sent = [sent[0] + from_a.len() as u64, sent[1] + from_b.len() as u64];
        incoming = [from_b, from_a];
    }
    let [_, data_owner] = runs;
    let mut last = InMemory { incoming: &incoming[1], outgoing: Vec::new() };
    let handed_out = data_owner.finish(&mut last).expect("outputs");
    let [first, second] = [0, 1].map(|p| seed(p, of).inference(0));
    let coins = Coins::of_run(first, second, &handed_out);
    let ideal =
        ideal::evaluate(program, weights, inputs, &coins, ideal::Ranges::Record).unwrap_or_else(|e| panic!("{e}"));
    adds_up(program, [weights, inputs], (&coins, of), &material);
    let outputs = handed_out.iter().filter(|words| words.output & COIN == 0).map(OutputWords::signed).collect();
    Run { hops: parties[0].hops() as u32, sent, outputs, ideal: ideal.outputs }
}
