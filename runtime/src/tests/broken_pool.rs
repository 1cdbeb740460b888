//! Makings that break: a party dies or stalls at some message, those of the commit included. The other one ends in time with an error
//! that says why, and nothing of it serves again.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mpcc_channel::{Counters, Duplex, InsecureMemoryLink, LinkError, Phase, SessionTag, insecure_memory_pair};
use mpcc_pair::Rates;
use mpcc_program::gates::lower;
use mpcc_program::program::{Gate, Kind, Output, Program, Value, ValueId};
use tempfile::TempDir;

use super::lowered::within_rounding;
use super::pool::{ALL, DEAR_TRANSFERS, KILLED, OWNERS, Two, inputs, making, network, weights};
use super::{IDENTITY, program};
use crate::material::Inferences::Exactly;
use crate::material::{MaterialFile, Place, PoolOptions, Pooled, agree_on_making, file_name, make};
use crate::transfer::kind;
use crate::{Endpoint, SessionError};

pub(super) const LIMIT: Duration = Duration::from_secs(10);
const INFERENCES: u64 = 2;

/// What a party does at a message: sends one of a kind, or waits for one.
type Step = (bool, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Dies,
    Stalls,
}

/// A party's end of a link at which its fate may meet it.
struct Mortal {
    link: InsecureMemoryLink,
    fate: Option<(Fate, usize)>,
    /// Ends when the other party has ended.
    other: Receiver<()>,
    steps: Arc<Mutex<Vec<Step>>>,
    /// All that was ever sent of what must not be sent twice.
    sent: Arc<Mutex<Vec<blake3::Hash>>>,
}

impl Mortal {
    fn at(&mut self, step: Step) {
        let mut steps = self.steps.lock().unwrap();
        let now = steps.len();
        steps.push(step);
        drop(steps);
        match self.fate {
            Some((Fate::Dies, at)) if at == now => panic!("{KILLED}"),
            Some((Fate::Stalls, at)) if at == now => {
                let _ = self.other.recv_timeout(2 * LIMIT);
                panic!("{KILLED}");
            }
            _ => {}
        }
    }
}

/// Kinds whose messages are made of randomness that serves once.
const SERVE_ONCE: [u8; 6] =
    [kind::TRANSFERS, kind::KEYS, kind::CHOICES, kind::STRINGS, kind::CONVERSIONS, kind::POOL_ROOT];

impl Duplex for Mortal {
    fn peer(&self) -> &str {
        self.link.peer()
    }

    fn send(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        self.at((true, kind));
        if SERVE_ONCE.contains(&kind) {
            self.sent.lock().unwrap().push(blake3::hash(&payload));
        }
        self.link.send(kind, payload)
    }

    fn send_secret(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        self.send(kind, payload)
    }

    fn recv(&mut self, kind: u8, most: usize) -> Result<Vec<u8>, LinkError> {
        self.at((false, kind));
        self.link.recv(kind, most)
    }

    fn set_phase(&mut self, phase: Phase) {
        self.link.set_phase(phase);
    }

    fn set_session(&mut self, tag: SessionTag) {
        self.link.set_session(tag);
    }

    fn counters(&self) -> Counters {
        self.link.counters()
    }
}

/// Makings of two parties, each with a directory of its own.
struct Trial {
    two: Two,
    network: Program,
    places: [TempDir; 2],
    replace: bool,
    patience: Duration,
    sent: Arc<Mutex<Vec<blake3::Hash>>>,
}

/// How a making ended, and each party's steps.
struct Ended {
    results: [Result<Pooled, SessionError>; 2],
    steps: [Vec<Step>; 2],
}

impl Trial {
    fn new(rates: Rates) -> Trial {
        let places = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let two = Two { rates, ..Two::new() };
        Trial {
            two,
            network: network(),
            places,
            replace: false,
            patience: Duration::from_secs(20),
            sent: Arc::default(),
        }
    }

    /// A making in which `fates` meet the parties, and each is told of every inference that it has made.
    fn make(&self, fates: [Option<(Fate, usize)>; 2], told: [&(dyn Fn(u64) + Sync); 2]) -> Ended {
        let (first, second) = insecure_memory_pair("the model owner", "the data owner");
        let (mut ends, mut steps, mut leave) = (vec![], vec![], vec![]);
        let (to_first, from_second) = channel();
        let (to_second, from_first) = channel();
        for (mut link, other, leaves) in [(first, from_second, to_second), (second, from_first, to_first)] {
            link.set_idle_timeout(self.patience);
            let (fate, done) = (fates[ends.len()], Arc::default());
            steps.push(Arc::clone(&done));
            leave.push(leaves);
            ends.push(Mortal { link, fate, other, steps: done, sent: Arc::clone(&self.sent) });
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let parties: Vec<_> = ends
                .into_iter()
                .zip(leave)
                .enumerate()
                .map(|(p, (link, leave))| {
                    scope.spawn(move || {
                        let ended = self.party(p, link, told[p]);
                        drop(leave);
                        ended
                    })
                })
                .collect();
            let killed = |_| Err(SessionError::OwnData(KILLED.to_owned()));
            parties.into_iter().map(|party| party.join().unwrap_or_else(killed)).collect()
        });
        let steps = [0, 1].map(|p| steps[p].lock().unwrap().clone());
        let mut results = results.into_iter();
        Ended { results: std::array::from_fn(|_| results.next().unwrap()), steps }
    }

    fn party(&self, p: usize, mut link: Mortal, told: &dyn Fn(u64)) -> Result<Pooled, SessionError> {
        let (owner, role) = OWNERS[p];
        let options = PoolOptions {
            identity: self.two.identities[p].clone(),
            peer: self.two.peers[1 - p].clone(),
            peer_endpoint: Endpoint::Connect(String::new()),
            peer_link: Default::default(),
            patience: self.patience,
            directory: self.places[p].path().to_owned(),
            inferences: Exactly(INFERENCES),
            replace: self.replace,
        };
        let (program, making) =
            (program(lower(&self.network, role), IDENTITY), making(&self.network, owner, self.two.rates));
        let mine = (&program, &making);
        let place = Place::new(&options, mine)?;
        let agreed = agree_on_making(&mut link, options.inferences, mine)?;
        let own = if p == 0 { weights(17) } else { vec![] };
        let progress = |done| {
            told(done);
            true
        };
        let (pooled, appeared) = make(&mut link, (place, agreed), mine, own, &progress)?;
        drop(link);
        appeared.keep();
        Ok(pooled)
    }

    fn kill(&self, victim: usize, fate: Fate, at: usize) -> Ended {
        let mut fates = [None; 2];
        fates[victim] = Some((fate, at));
        self.make(fates, [&|_| {}, &|_| {}])
    }

    fn whole(&self) -> Ended {
        self.make([None; 2], [&|_| {}, &|_| {}])
    }

    fn files(&self) -> [BTreeSet<PathBuf>; 2] {
        [0, 1].map(|p| files(self.places[p].path()))
    }
}

fn files(place: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Every step but those between the first and the last of its kind.
fn turns(steps: &[Step]) -> BTreeSet<usize> {
    let ends = |step: &Step| {
        let [first, last] = [steps.iter().position(|s| s == step), steps.iter().rposition(|s| s == step)];
        [first.unwrap(), last.unwrap()]
    };
    steps.iter().flat_map(ends).collect()
}

/// Transfers alone, and products under encryption too, of matrices and of entries whose results are converted.
fn both() -> [Trial; 2] {
    let mut squares = network();
    let opened = ValueId(6);
    let Value { shape, level, .. } = squares.value(opened).clone();
    squares.outputs.push(Output { name: "squares".to_owned(), shape: shape.clone(), fraction: 0, labels: vec![] });
    let square = ValueId(squares.values.len() as u32);
    let mut push = |gate, level| {
        let (kind, path) = (Kind::Share, "squares".to_owned());
        squares.values.push(Value { gate, kind, shape: shape.clone(), ring: 44, fraction: 0, bound: 34, level, path });
    };
    push(Gate::Hadamard { left: opened, right: opened }, level);
    push(Gate::Reveal { source: square, truncate: 0, output: 1 }, level + 1);
    mpcc_program::verify::verify(&squares).expect("two parties can make it");
    [Trial::new(Rates::REFERENCE), Trial { network: squares, ..Trial::new(DEAR_TRANSFERS) }]
}

#[test]
fn a_party_that_dies_at_any_message_leaves_the_other_an_error_and_no_file() {
    let mut met = HashSet::new();
    for trial in both() {
        let whole = trial.whole();
        trial.files().iter().flatten().for_each(|file| std::fs::remove_file(file).unwrap());
        whole.results.iter().for_each(|made| assert!(made.is_ok(), "{made:?}"));
        for (victim, steps) in whole.steps.iter().enumerate() {
            for at in turns(steps) {
                met.insert(steps[at]);
                let start = Instant::now();
                let ended = trial.kill(victim, Fate::Dies, at);
                assert!(start.elapsed() < LIMIT, "{victim} at {at}");
                assert_eq!(ended.steps[victim], steps[..=at], "a making is the same steps each time");
                let survivor = &ended.results[1 - victim];
                match survivor {
                    Err(error) => {
                        assert_eq!(error.exit_code(), 4, "{error}");
                        assert!(error.to_string().contains(["the model owner", "the data owner"][victim]), "{error}");
                    }
                    // Whoever said that its half stands may have left the other one a pool.
                    Ok(made) => {
                        assert!(steps[..at].contains(&(true, kind::POOL_KEPT)), "{victim} at {:?}", steps[at]);
                        MaterialFile::open(&made.path).unwrap();
                        std::fs::remove_file(&made.path).unwrap();
                    }
                }
                assert_eq!(trial.files(), [BTreeSet::new(), BTreeSet::new()], "{victim} at {:?}", steps[at]);
            }
        }
        let sent = trial.sent.lock().unwrap();
        let different: HashSet<_> = sent.iter().collect();
        assert_eq!(different.len(), sent.len(), "nothing of one making is in another");
    }
    let kinds: HashSet<u8> = met.into_iter().map(|(_, kind)| kind).collect();
    for kind in [kind::HELLO, kind::CONFIRM_POOL, kind::POOL_WHOLE, kind::POOL_KEPT].iter().chain(&SERVE_ONCE) {
        assert!(kinds.contains(kind), "nobody died at a message of kind {kind}");
    }
}

/// A party that is there and says nothing is given up after the patience of the link, wherever it stopped.
#[test]
fn a_party_that_stalls_is_given_up_in_time() {
    for (trial, first) in both().into_iter().zip([kind::HELLO, kind::KEYS]) {
        let steps = trial.whole().steps;
        trial.files().iter().flatten().for_each(|file| std::fs::remove_file(file).unwrap());
        let trial = Trial { patience: Duration::from_millis(800), ..trial };
        let kinds: BTreeSet<u8> = steps[0].iter().map(|(_, kind)| *kind).filter(|kind| *kind >= first).collect();
        for (turn, kind) in kinds.into_iter().enumerate() {
            let victim = turn % 2;
            let at = steps[victim].iter().position(|step| step.1 == kind).unwrap();
            let start = Instant::now();
            let ended = trial.kill(victim, Fate::Stalls, at);
            assert!(start.elapsed() < LIMIT, "{victim} at {kind}");
            let error = ended.results[1 - victim].as_ref().unwrap_err();
            assert_eq!(error.exit_code(), 4, "{error}");
            assert!(error.to_string().contains("timed out"), "{error}");
            assert_eq!(trial.files(), [BTreeSet::new(), BTreeSet::new()], "{victim} at {kind}");
        }
    }
}

/// Whatever broke before, the same parties make another pool in the same place, of another name.
#[test]
fn after_broken_makings_the_same_parties_make_a_pool() {
    let trial = Trial::new(Rates::REFERENCE);
    let steps = Trial::new(Rates::REFERENCE).whole().steps;
    for kind in [kind::TRANSFERS, kind::STRINGS, kind::POOL_WHOLE, kind::POOL_KEPT] {
        let at = steps[0].iter().position(|step| *step == (true, kind)).unwrap();
        assert!(trial.kill(0, Fate::Dies, at).results.iter().all(Result::is_err));
    }
    let made = trial.whole().results.map(Result::unwrap);
    assert_eq!(made[0].batch, made[1].batch);
    let together = tempfile::tempdir().unwrap();
    for one in &made {
        std::fs::rename(&one.path, together.path().join(one.path.file_name().unwrap())).unwrap();
    }
    let given = inputs(INFERENCES as i64);
    let [model_owner, answers] = trial.two.run(together.path(), weights(17), given.clone());
    model_owner.unwrap();
    for (answer, input) in answers.unwrap().iter().zip(&given) {
        within_rounding(&weights(17), &input[0], answer);
    }
    assert_ne!(trial.whole().results.map(Result::unwrap)[0].batch, made[0].batch);
}

/// A half that cannot have its name takes the other one with it.
#[test]
fn neither_half_stays_where_the_other_cannot() {
    for late in [0, 1] {
        let trial = Trial::new(Rates::REFERENCE);
        let path = trial.places[late].path().join(file_name(OWNERS[late].1));
        let another = |done| {
            if done == INFERENCES {
                std::fs::write(&path, "another pool").unwrap();
            }
        };
        let mut told: [&(dyn Fn(u64) + Sync); 2] = [&|_| {}, &|_| {}];
        told[late] = &another;
        let ended = trial.make([None; 2], told);
        let [own, echo] = [late, 1 - late].map(|p| ended.results[p].as_ref().unwrap_err());
        assert_eq!((own.exit_code(), echo.exit_code()), (2, 4), "{own}, {echo}");
        assert!(own.to_string().contains("already exists"), "{own}");
        let mut left = [BTreeSet::new(), BTreeSet::new()];
        left[late].insert(path.clone());
        assert_eq!(trial.files(), left);
        assert_eq!(std::fs::read(&path).unwrap(), b"another pool");
    }
}

/// A pool that was to be replaced is there as it was if the new one breaks, and gone if it is whole.
#[test]
fn a_pool_is_replaced_by_a_whole_one_only() {
    let trial = Trial { replace: true, ..Trial::new(Rates::REFERENCE) };
    let ended = trial.whole();
    let content = || [0, 1].map(|p| std::fs::read(trial.places[p].path().join(file_name(OWNERS[p].1))).unwrap());
    let (before, names) = (content(), trial.files());
    for victim in [0, 1] {
        for kind in [kind::CHOICES, kind::POOL_ROOT, kind::POOL_WHOLE, kind::POOL_KEPT] {
            let at = ended.steps[victim].iter().position(|step| *step == (true, kind)).unwrap();
            assert!(trial.kill(victim, Fate::Dies, at).results.iter().all(Result::is_err));
            assert!(content() == before && trial.files() == names, "{victim} at {kind}");
        }
    }
    assert!(trial.whole().results.iter().all(Result::is_ok));
    assert!(content() != before && trial.files() == names);
}

/// Two makings at the same time in one place: of all files there is one pool or none, and whoever has none is told why.
#[test]
fn two_makings_in_one_place_leave_one_pool_or_none() {
    for _ in 0..3 {
        let place = tempfile::tempdir().unwrap();
        let one = || Two::new().make(place.path(), [Exactly(1), Exactly(1)], [IDENTITY; 2], ALL);
        let ended = std::thread::scope(|scope| {
            let other = scope.spawn(one);
            [one(), other.join().unwrap()]
        });
        let whole: Vec<_> = ended.iter().filter(|both| both.iter().all(Result::is_ok)).collect();
        assert!(whole.len() < 2);
        let names = OWNERS.map(|(_, role)| place.path().join(file_name(role)));
        assert_eq!(files(place.path()), names.iter().filter(|_| whole.len() == 1).cloned().collect());
        for both in ended.iter().filter(|both| both.iter().any(Result::is_err)) {
            let texts: Vec<String> = both.iter().flat_map(|one| one.as_ref().err().map(ToString::to_string)).collect();
            assert_eq!(texts.len(), 2, "one half alone: {texts:?}");
            let why = |text: &String| text.contains("already exists") || text.contains("being made by another process");
            assert!(texts.iter().any(why), "{texts:?}");
        }
        if let [both] = whole[..] {
            let halves = names.map(|name| MaterialFile::open(&name).unwrap().contents().batch);
            assert_eq!(halves, [both[0].as_ref().unwrap().batch; 2]);
        }
    }
}

/// What a killed process left of a file is removed by the next one; what another process still writes is not touched.
#[cfg(unix)]
#[test]
fn drafts_of_killed_processes_go_and_those_in_use_stay() {
    let trial = Trial::new(Rates::REFERENCE);
    let draft = trial.places[0].path().join(format!(".{}-AbCdEf", file_name(OWNERS[0].1)));
    std::fs::write(&draft, "half of a half").unwrap();
    let held = std::fs::File::open(&draft).unwrap();
    held.lock().unwrap();
    let [busy, _] = trial.whole().results;
    let busy = busy.unwrap_err();
    assert_eq!(busy.exit_code(), 2, "{busy}");
    assert!(busy.to_string().contains("is being made by another process"), "{busy}");
    assert_eq!(std::fs::read(&draft).unwrap(), b"half of a half");
    drop(held);
    let made = trial.whole().results.map(Result::unwrap);
    assert_eq!(trial.files(), made.map(|one| BTreeSet::from([one.path])));
}
