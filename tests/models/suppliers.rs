//! Golden models by every supplier of correlated randomness, over real links: files of a dealer, and what two parties alone make for
//! each other. (A dealer's stream in one process is held against the ideal service by all other tests of models.) The integers are
//! those of the ideal service with the parties' seeds, whoever interprets and whoever compiles.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mpcc::codegen::Jit;
use mpcc::compiler::encode;
use mpcc::program::code::{MapExecutor, Owner, Role, RoleCode};
use mpcc::program::gates::{COIN, lower, lower_making, lower_recording};
use mpcc::program::interpret::Interpreter;
use mpcc::program::program::Supplier;
use mpcc::protocols::{CheckedCode, OutputWords};
use mpcc_channel::{Identity, LinkOptions, Listener, Peer};
use mpcc_runtime::data_owner::{self, Inputs};
use mpcc_runtime::material::{DealOptions, Inferences, Making, MaterialFile, PoolOptions, deal, file_name, pool};
use mpcc_runtime::{
    Endpoint, NoProgress, PartyConfig, ProgramIdentity, RoleProgram, SessionError, Supply, model_owner,
};

use super::goldens;
use super::pipeline::{Compiled, Inference, compile, compile_alone, seeded_inputs};

/// Golden models that two parties alone cannot run, and what they have no protocol for.
const NOT_ALONE: [(&str, &str); 4] = [
    // An exponential by itself.
    ("curves", EXP),
    ("curves_shared", EXP),
    // A mask that takes 10000 off the scores of some keys.
    ("softmax", EXP),
    ("softmax_shared", EXP),
];
const EXP: &str = "exp but under a softmax of rows that spread over about 100 at most";

const ROLES: [(Role, Owner); 2] = [(Role::ModelOwner, Owner::ModelOwner), (Role::DataOwner, Owner::DataOwner)];
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the seed of a party's masks stands in its file.
const SEED: std::ops::Range<usize> = 152..168;

/// Whether model owner and data owner run machine code.
type Compiles = [bool; 2];

/// In a session one inference each: nobody compiles, and both.
const SESSIONS: [Compiles; 2] = [[false; 2], [true; 2]];

fn executor(code: &RoleCode, compiles: bool) -> Arc<dyn MapExecutor> {
    if compiles { Arc::new(Jit::compile(code).expect("this host has a backend")) } else { Arc::new(Interpreter) }
}

fn checked(code: RoleCode, compiles: bool) -> (Arc<CheckedCode>, Arc<dyn MapExecutor>) {
    let executor = executor(&code, compiles);
    (Arc::new(CheckedCode::new(code).expect("lowered code is valid")), executor)
}

/// Two parties that know each other, and a directory.
struct Place {
    directory: tempfile::TempDir,
    identities: [Identity; 2],
    program: ProgramIdentity,
}

impl Place {
    fn new(compiled: &Compiled) -> Place {
        let program = *blake3::hash(compiled.source.as_bytes()).as_bytes();
        Place {
            directory: tempfile::tempdir().expect("a directory"),
            identities: [(); 2].map(|()| Identity::generate().expect("a key")),
            program: ProgramIdentity { program, binding: [0; 32] },
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn peer(&self, p: usize) -> Peer {
        Peer::new(["the model owner", "the data owner"][p], self.identities[p].fingerprint())
    }

    fn role(&self, compiled: &Compiled, p: usize, compiles: bool) -> RoleProgram {
        let code = if p == 0 { lower(&compiled.program, ROLES[p].0) } else { lower_recording(&compiled.program) };
        let (code, executor) = checked(code, compiles);
        RoleProgram { code, executor, identity: self.program }
    }

    /// Both parties on threads, with the ends of a link.
    fn both<T: Send>(&self, party: impl Fn(usize, Endpoint) -> Result<T, SessionError> + Sync) -> [T; 2] {
        let listener = Listener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().to_string();
        thread::scope(|scope| {
            let first = scope.spawn(|| party(0, Endpoint::Listen(listener)));
            let second = party(1, Endpoint::Connect(address));
            let first = first.join().expect("a thread");
            [first, second].map(|ended| ended.unwrap_or_else(|e| panic!("{e}")))
        })
    }

    fn dealt(&self, compiled: &Compiled, inferences: u64) {
        let (code, executor) = checked(lower(&compiled.program, Role::Dealer), true);
        let dealer = RoleProgram { code, executor, identity: self.program };
        let options = DealOptions { inferences, jobs: 1, replace: false, weights_of: None };
        deal(&dealer, self.path(), &options, &|_| true).unwrap_or_else(|e| panic!("{e}"));
    }

    fn made(&self, compiled: &Compiled, inferences: u64) {
        self.both(|p, peer_endpoint| {
            let made = lower_making(&compiled.program, ROLES[p].1);
            // The halves fit together only if interpreter and machine code agree.
            let (code, executor) = checked(made.code, p == 0);
            let making = Making::new(code, executor, made.rounds);
            let options = PoolOptions {
                identity: self.identities[p].clone(),
                peer: self.peer(1 - p),
                peer_endpoint,
                peer_link: LinkOptions::default(),
                patience: PATIENCE,
                directory: self.path().to_owned(),
                inferences: Inferences::Exactly(inferences),
                replace: false,
            };
            let weights = if p == 0 { compiled.weight_words() } else { vec![] };
            pool(&options, (&self.role(compiled, p, false), &making), weights, &|_| true)
        });
    }

    /// An inference on what the files hold.
    fn run(&self, compiled: &Compiled, compiles: Compiles, input: &[Vec<u64>]) -> Vec<OutputWords> {
        let [_, mut outputs] = self.both(|p, peer_endpoint| {
            let program = self.role(compiled, p, compiles[p]);
            let file = MaterialFile::open_for(&self.path().join(file_name(ROLES[p].0)), ROLES[p].0, &self.program)?;
            let config = PartyConfig {
                identity: self.identities[p].clone(),
                peer: self.peer(1 - p),
                peer_endpoint,
                peer_link: LinkOptions::default(),
                supply: Supply::File(file),
                patience: PATIENCE,
                state_directory: self.path().join(["model-owner", "data-owner"][p]),
                in_memory: true,
                ahead: false,
                at_once: 1,
                keep_weights: 0,
                rotate_weights: false,
            };
            if p == 0 {
                return model_owner::run(config, &program, compiled.weight_words(), 1, &NoProgress).map(|_| vec![]);
            }
            let given = Inputs::checked(&program.code, 1, Box::new(|_| Ok(input.to_vec())))?;
            Ok(data_owner::run(config, &program, given, &NoProgress)?.outputs)
        });
        outputs.pop().expect("one inference")
    }

    /// The seeds of both parties' masks.
    fn seeds(&self) -> [[u8; 16]; 2] {
        ROLES.map(|(role, _)| {
            let bytes = std::fs::read(self.path().join(file_name(role))).expect("a file");
            bytes[SEED].try_into().expect("sixteen bytes")
        })
    }

    /// Every session's integers against the ideal service, and the largest error against the float network.
    fn agrees(&self, name: &str, compiled: &Compiled, values: &[Inference]) -> f64 {
        let mut worst = 0f64;
        for (index, (compiles, value)) in SESSIONS.into_iter().zip(values).enumerate() {
            let words = self.run(compiled, compiles, &value.encoded_words());
            let outputs: Vec<Vec<i64>> =
                words.iter().filter(|words| words.output & COIN == 0).map(OutputWords::signed).collect();
            let ideal = compiled.ideal_by(&value.encoded, self.seeds(), index as u64, &words);
            assert_eq!(outputs, ideal.outputs, "{name}: the ideal service and two parties");
            for ((output, integers), float) in compiled.program.outputs.iter().zip(&outputs).zip(&value.float) {
                let pairs = encode::decode(output, integers).into_iter().zip(float);
                worst = pairs.map(|(got, want)| (got - want).abs()).fold(worst, f64::max);
            }
        }
        worst
    }
}

fn values(compiled: &Compiled) -> Vec<Inference> {
    (0..SESSIONS.len() as u64).map(|i| compiled.inference(seeded_inputs(&compiled.graph, 50 + i))).collect()
}

#[test]
fn golden_models_on_dealt_files_are_the_ideal_service() {
    for file in goldens() {
        let (name, compiled) = (name(&file), compile(&file, 7));
        let place = Place::new(&compiled);
        place.dealt(&compiled, SESSIONS.len() as u64);
        let worst = place.agrees(&name, &compiled, &values(&compiled));
        assert!(worst < compiled.tolerance, "{name}: error {worst} against float");
    }
}

#[test]
fn golden_models_of_two_parties_alone_are_the_ideal_service() {
    let mut refused = Vec::new();
    for file in goldens() {
        let name = name(&file);
        let compiled = match compile_alone(&file, 7) {
            Ok(compiled) => compiled,
            Err(errors) => {
                refused.push((name, errors));
                continue;
            }
        };
        assert_eq!(compiled.program.supplier, Supplier::Pair);
        let place = Place::new(&compiled);
        place.made(&compiled, SESSIONS.len() as u64);
        let worst = place.agrees(&name, &compiled, &values(&compiled));
        assert!(worst < compiled.tolerance, "{name}: error {worst} against float");
    }
    let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, NOT_ALONE.map(|(name, _)| name), "{refused:?}");
    for ((name, errors), (_, reason)) in refused.iter().zip(NOT_ALONE) {
        let all = errors.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(all.iter().all(|text| text.contains("two parties alone") && text.contains(reason)), "{name}: {all:?}");
    }
}

fn name(file: &Path) -> String {
    file.file_stem().expect("a name").to_string_lossy().into_owned()
}
