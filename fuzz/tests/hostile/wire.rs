//! Real roles on real links whose messages are changed on the way: sessions with a dealer and with files dealt ahead.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use mpcc_channel::{Identity, LinkOptions, Listener, Peer};
use mpcc_codegen::Jit;
use mpcc_compiler::plan::PlanOptions;
use mpcc_fuzz::Choices;
use mpcc_program::code::Role;
use mpcc_program::gates;
use mpcc_protocols::CheckedCode;
use mpcc_runtime::data_owner::Inputs;
use mpcc_runtime::dealer::DealerConfig;
use mpcc_runtime::material::{DealOptions, MaterialFile, deal};
use mpcc_runtime::{
    Endpoint, NoProgress, PartyConfig, ProgramIdentity, RoleProgram, SessionError, Supply, data_owner, dealer,
    model_owner,
};
use tempfile::TempDir;

use crate::models;
use crate::reader::{encoded_inputs, encoded_weights};
use crate::tap::{Change, Keys, Tap};

/// Inferences of a session.
const INFERENCES: u64 = 2;
/// Messages of a direction of a link, roughly.
const MESSAGES: usize = 16;
/// Bytes that a connection carries before its first message, roughly, and in all.
const BYTES: [usize; 2] = [2000, 4000];
/// Sessions of a case. They run at the same time, since what they do most is wait.
const SESSIONS: usize = 24;
/// Choices of a session, which are made of those of the case.
const CHOICES: usize = 64;
/// All lines.
const LINES: [Line; 4] = [Line::Parties, Line::PartiesWithFiles, Line::ModelOwnerToDealer, Line::DataOwnerToDealer];
/// Exit status of a bug.
const BUG: u8 = 70;

/// Panics of any thread, those that only break a link included.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Sessions that cases have made, and those in which something was changed before they ended.
static MADE: AtomicU64 = AtomicU64::new(0);
static CHANGED: AtomicU64 = AtomicU64::new(0);
/// Milliseconds that a case took.
static SLOWEST: AtomicU64 = AtomicU64::new(0);

/// A line of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// The data owner connects to the model owner; both have the dealer.
    Parties,
    /// The same with files.
    PartiesWithFiles,
    /// The model owner connects to the dealer.
    ModelOwnerToDealer,
    /// The data owner connects to the dealer.
    DataOwnerToDealer,
}

/// Three roles with a small program.
pub(crate) struct Target {
    identities: [Identity; 3],
    programs: [RoleProgram; 3],
    weights: Vec<Vec<u64>>,
    inputs: Vec<Vec<u64>>,
    keys: [Keys; 3],
    folder: TempDir,
}

/// How long a role waits.
#[derive(Clone, Copy)]
struct Limits {
    patience: Duration,
    heartbeat: Duration,
}

impl Limits {
    fn link(self) -> LinkOptions {
        LinkOptions {
            setup_timeout: 2 * self.patience,
            hello_timeout: self.patience,
            idle_timeout: self.patience,
            heartbeat_interval: self.heartbeat,
            silence_limit: self.patience,
            linger: self.heartbeat,
            ..LinkOptions::default()
        }
    }
}

/// Of a case: whoever waits for what was changed gives up soon.
const SHORT: Limits = Limits { patience: Duration::from_millis(250), heartbeat: Duration::from_millis(80) };
/// After this time every role must have ended, on a machine that is busy with something else too.
const ENDED: Duration = Duration::from_secs(10);

impl Target {
    pub(crate) fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let earlier = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                PANICS.fetch_add(1, Ordering::Relaxed);
                earlier(panic);
            }));
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = models::root().join("tests/goldens/models/relu.mpv");
        let source = std::fs::read_to_string(path).expect("a model");
        let seed = models::compiled(&source, &PlanOptions::default()).expect("a model that compiles");
        let (graph, program) = (&seed.artefact.graph, &seed.artefact.program);
        let identity = ProgramIdentity { program: [1; 32], binding: [2; 32] };
        let programs = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| {
            let code = CheckedCode::new(gates::lower(program, role)).expect("lowered code");
            let executor = Arc::new(Jit::compile(code.code()).expect("checked code compiles"));
            RoleProgram { code: Arc::new(code), executor, identity }
        });
        let options = DealOptions { inferences: 2 * INFERENCES, jobs: 1, replace: false, weights_of: None };
        deal(&programs[2], &folder.path().join("dealt"), &options, &|_| true).expect("material");
        let identities = [(); 3].map(|()| Identity::generate().expect("a key"));
        let [first, second, third] = &identities;
        let keys = [(second, first), (first, third), (second, third)]
            .map(|(connector, acceptor)| Keys::new(connector, acceptor, folder.path()));
        let weights = encoded_weights(graph, program, &seed.params).expect("weights that fit");
        let inputs = encoded_inputs(graph, program).expect("inputs that fit");
        Self { identities, programs, weights, inputs, keys, folder }
    }

    /// Sessions in which bytes are changed that anybody on the line could change.
    pub(crate) fn strangers(&self, choices: &[u8]) {
        self.case(choices, |choices, rest| {
            let most = *choices.of(&BYTES);
            let (connection, back) = (choices.below(2), choices.coin());
            Change::Bytes { connection, back, at: choices.below(most), choices: rest }
        });
    }

    /// Sessions in which messages are changed that a peer sends.
    pub(crate) fn messages(&self, choices: &[u8]) {
        self.case(choices, |choices, rest| {
            let (flows_back, number) = (choices.coin(), choices.below(MESSAGES));
            Change::Message { flows_back, number, choices: rest }
        });
    }

    /// Every session ends in time, and in an error if not well: nobody panics, and nothing is taken for a bug of mpcc.
    fn case(&self, choices: &[u8], change: for<'c> fn(&mut Choices<'_>, &'c [u8]) -> Change<'c>) {
        let (before, began) = (PANICS.load(Ordering::Relaxed), Instant::now());
        thread::scope(|scope| {
            for number in 0..SESSIONS {
                scope.spawn(move || {
                    let mut own = [0; CHOICES];
                    blake3::Hasher::new().update(&[number as u8]).update(choices).finalize_xof().fill(&mut own);
                    let (first, rest) = own.split_at(CHOICES / 4);
                    let mut choices = Choices::new(first);
                    let line = *choices.of(&LINES);
                    let change = change(&mut choices, rest);
                    let state = self.folder.path().join(format!("session-{number}"));
                    MADE.fetch_add(1, Ordering::Relaxed);
                    for result in self.session(line, change, SHORT, &state) {
                        if let Err(error) = result {
                            assert!(error.exit_code() != BUG, "{line:?}: {error}");
                        }
                    }
                });
            }
        });
        assert_eq!(PANICS.load(Ordering::Relaxed), before, "a thread panicked");
        SLOWEST.fetch_max(began.elapsed().as_millis() as u64, Ordering::Relaxed);
        assert!(began.elapsed() < ENDED, "{:?}", began.elapsed());
    }

    /// A session with something changed on one line; what became of each role that takes part.
    fn session(&self, line: Line, change: Change<'_>, limits: Limits, state: &Path) -> Vec<Result<(), SessionError>> {
        let bind = || Listener::bind("127.0.0.1:0").expect("a port");
        let (parties, dealing, tap) = (bind(), bind(), Tap::new());
        let (to_parties, to_dealer) = (parties.local_addr(), dealing.local_addr());
        let tapped = |there: Line, address: std::net::SocketAddr| {
            if there == line { tap.address() } else { address.to_string() }
        };
        let parties_line = if line == Line::PartiesWithFiles { line } else { Line::Parties };
        let supplied = |role: Role| {
            if line == Line::PartiesWithFiles {
                let name = mpcc_runtime::material::file_name(role);
                let file = MaterialFile::open(&self.folder.path().join("dealt").join(name));
                return Supply::File(file.expect("material"));
            }
            let there = if role == Role::ModelOwner { Line::ModelOwnerToDealer } else { Line::DataOwnerToDealer };
            Supply::Dealer { peer: self.peer(Role::Dealer), address: tapped(there, to_dealer), link: limits.link() }
        };
        let config = |role: Role, other: Role, peer_endpoint| PartyConfig {
            identity: self.identities[role as usize].clone(),
            peer: self.peer(other),
            peer_endpoint,
            peer_link: limits.link(),
            supply: supplied(role),
            patience: limits.patience,
            state_directory: state.join(format!("{role:?}")),
            ahead: false,
            in_memory: true,
            at_once: 1,
            keep_weights: 1 << 30,
            rotate_weights: false,
        };
        let first = config(Role::ModelOwner, Role::DataOwner, Endpoint::Listen(parties));
        let address = tapped(parties_line, to_parties);
        let second = config(Role::DataOwner, Role::ModelOwner, Endpoint::Connect(address));
        let third = (line != Line::PartiesWithFiles).then(|| DealerConfig {
            identity: self.identities[Role::Dealer as usize].clone(),
            model_owner: self.peer(Role::ModelOwner),
            data_owner: self.peer(Role::DataOwner),
            listener: dealing,
            link: limits.link(),
        });
        let (acceptor, keys) = match line {
            Line::Parties | Line::PartiesWithFiles => (to_parties, &self.keys[0]),
            Line::ModelOwnerToDealer => (to_dealer, &self.keys[1]),
            Line::DataOwnerToDealer => (to_dealer, &self.keys[2]),
        };
        let [model_owner, data_owner, dealer] = &self.programs;
        let results = thread::scope(|scope| {
            scope.spawn(|| {
                if tap.run(acceptor, keys, change, 2 * limits.patience) {
                    CHANGED.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut roles = vec![
                scope.spawn(|| {
                    model_owner::run(first, model_owner, self.weights.clone(), INFERENCES, &NoProgress).map(drop)
                }),
                scope.spawn(|| {
                    let encode = Box::new(|_| Ok(self.inputs.clone()));
                    let inputs = Inputs::checked(&data_owner.code, INFERENCES, encode)?;
                    data_owner::run(second, data_owner, inputs, &NoProgress).map(drop)
                }),
            ];
            roles.extend(third.map(|third| scope.spawn(move || dealer::run(third, dealer, &NoProgress).map(drop))));
            let results = roles.into_iter().map(ended).collect();
            tap.stop();
            results
        });
        // The records of what was used: the next session may use the same files.
        let _ = std::fs::remove_dir_all(state);
        results
    }

    fn peer(&self, role: Role) -> Peer {
        let name = ["the model owner", "the data owner", "the dealer"][role as usize];
        Peer::new(name, self.identities[role as usize].fingerprint())
    }
}

/// Prints how many sessions the cases had since the last report.
pub(crate) fn report() {
    let [made, changed, slowest] = [&MADE, &CHANGED, &SLOWEST].map(|n| n.swap(0, Ordering::Relaxed));
    println!("{made} sessions, {changed} of them changed; the slowest case ended after {slowest} ms");
}

fn ended<T>(role: ScopedJoinHandle<'_, T>) -> T {
    role.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Where nothing is changed every session is done, with somebody on the line too; the targets reach what they are for.
#[test]
fn unchanged_sessions_are_done() {
    let target = Target::new();
    let limits = Limits { patience: Duration::from_secs(20), heartbeat: Duration::from_secs(1) };
    for line in LINES {
        let far = Change::Bytes { connection: 0, back: false, at: usize::MAX, choices: &[] };
        for change in [far, Change::Message { flows_back: false, number: usize::MAX, choices: &[] }] {
            for result in target.session(line, change, limits, &target.folder.path().join("state")) {
                result.unwrap_or_else(|error| panic!("{line:?}: {error}"));
            }
        }
    }
}
