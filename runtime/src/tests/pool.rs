//! Two parties alone: they make a pool over loopback TLS, and run on it in later sessions.

use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, ScopedJoinHandle};
use std::time::Duration;

use mpcc_channel::{Identity, LinkOptions, Listener, Peer};
use mpcc_pair::Rates;
use mpcc_program::code::{Owner, Role};
use mpcc_program::gates::{lower, lower_making};
use mpcc_program::interpret::Interpreter;
use mpcc_program::program::{Program, Supplier};
use mpcc_protocols::{CheckedCode, OutputWords};

use super::lowered::{ROWS, WIDTHS, perceptron, within_rounding};
use super::{IDENTITY, given, numbers, program};
use crate::material::Inferences::{self, AtMost, Exactly};
use crate::material::{Making, MaterialFile, PoolOptions, PoolPrice, Pooled, file_name, pool, pool_price};
use crate::{
    Endpoint, NoProgress, PartyConfig, ProgramIdentity, Progress, RoleProgram, SessionError, Supply, data_owner,
    model_owner,
};

pub(super) const OWNERS: [(Owner, Role); 2] =
    [(Owner::ModelOwner, Role::ModelOwner), (Owner::DataOwner, Role::DataOwner)];

pub(super) fn network() -> Program {
    let program = Program { supplier: Supplier::Pair, ..perceptron(false) };
    mpcc_program::verify::verify(&program).expect("two parties can make it");
    program
}

pub(super) fn weights(salt: i64) -> Vec<Vec<u64>> {
    vec![numbers(WIDTHS[0] * WIDTHS[1], salt), numbers(WIDTHS[1] * WIDTHS[2], 5)]
}

pub(super) fn inputs(count: i64) -> Vec<Vec<Vec<u64>>> {
    (0..count).map(|i| vec![numbers(ROWS * WIDTHS[0], 1 + i)]).collect()
}

pub(super) fn making(network: &Program, owner: Owner, rates: Rates) -> Making {
    let made = lower_making(network, owner);
    let code = Arc::new(CheckedCode::new(made.code).expect("sound code"));
    Making { code, executor: Arc::new(Interpreter), rounds: made.rounds, rates }
}

fn link() -> LinkOptions {
    LinkOptions { setup_timeout: Duration::from_secs(5), ..LinkOptions::default() }
}

/// What is said of a party whose thread died.
pub(super) const KILLED: &str = "killed on purpose";

/// Two parties that know each other.
pub(super) struct Two {
    pub(super) identities: [Identity; 2],
    pub(super) peers: [Peer; 2],
    pub(super) rates: Rates,
}

impl Two {
    pub(super) fn new() -> Two {
        let identities: [Identity; 2] = std::array::from_fn(|_| Identity::generate().unwrap());
        let names = ["the model owner", "the data owner"];
        let peers = std::array::from_fn(|i| Peer::new(names[i], identities[i].fingerprint()));
        Two { identities, peers, rates: Rates::REFERENCE }
    }

    /// The model owner listens, the data owner connects.
    pub(super) fn endpoints() -> [Endpoint; 2] {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().to_string();
        [Endpoint::Listen(listener), Endpoint::Connect(address)]
    }

    /// Both make `inferences` each, and stop after `stops` of them.
    pub(super) fn make(
        &self,
        place: &Path,
        inferences: [Inferences; 2],
        identity: [ProgramIdentity; 2],
        stops: [u64; 2],
    ) -> [Result<Pooled, SessionError>; 2] {
        let network = network();
        let parties: Vec<JoinHandle<_>> = Two::endpoints()
            .into_iter()
            .enumerate()
            .map(|(p, peer_endpoint)| {
                let (owner, role) = OWNERS[p];
                let options = PoolOptions {
                    identity: self.identities[p].clone(),
                    peer: self.peers[1 - p].clone(),
                    peer_endpoint,
                    peer_link: link(),
                    patience: Duration::from_secs(20),
                    directory: place.to_owned(),
                    inferences: inferences[p],
                    replace: false,
                };
                let (program, making) =
                    (program(lower(&network, role), identity[p]), making(&network, owner, self.rates));
                let weights = if p == 0 { weights(17) } else { vec![] };
                let stop = stops[p];
                std::thread::spawn(move || pool(&options, (&program, &making), weights, &|done| done < stop))
            })
            .collect();
        let mut ended = parties.into_iter().map(|party| party.join().unwrap());
        std::array::from_fn(|_| ended.next().unwrap())
    }

    /// A session on what both made: the answers, and how the model owner's session ended.
    pub(super) fn run(
        &self,
        place: &Path,
        weights: Vec<Vec<u64>>,
        inputs: Vec<Vec<Vec<u64>>>,
    ) -> [Result<Vec<OutputWords>, SessionError>; 2] {
        self.run_watched(place, weights, inputs, [&NoProgress, &NoProgress])
    }

    /// The same, each party watched.
    pub(super) fn run_watched(
        &self,
        place: &Path,
        weights: Vec<Vec<u64>>,
        inputs: Vec<Vec<Vec<u64>>>,
        watched: [&dyn Progress; 2],
    ) -> [Result<Vec<OutputWords>, SessionError>; 2] {
        let network = network();
        let [serve, ask] = Two::endpoints();
        let config = |p: usize, peer_endpoint| -> Result<(PartyConfig, RoleProgram), SessionError> {
            let role = OWNERS[p].1;
            let file = MaterialFile::open_for(&place.join(file_name(role)), role, &IDENTITY)?;
            let config = PartyConfig {
                identity: self.identities[p].clone(),
                peer: self.peers[1 - p].clone(),
                peer_endpoint,
                peer_link: link(),
                supply: Supply::File(file),
                patience: Duration::from_secs(20),
                state_directory: place.join(["state-0", "state-1"][p]),
                in_memory: false,
                ahead: p == 1,
                at_once: 2,
                keep_weights: 0,
                rotate_weights: false,
            };
            Ok((config, program(lower(&network, role), IDENTITY)))
        };
        std::thread::scope(|scope| {
            let model_owner = scope.spawn(|| {
                let (config, program) = config(0, serve)?;
                model_owner::run(config, &program, weights, 1000, watched[0]).map(|_| vec![])
            });
            let data_owner = || {
                let (config, program) = config(1, ask)?;
                let inputs = given(&program, inputs, &|_| {})?;
                let done = data_owner::run(config, &program, inputs, watched[1])?;
                Ok(done.outputs.into_iter().map(|mut outputs| outputs.remove(0)).collect())
            };
            let data_owner = scope.spawn(data_owner);
            let ended = |thread: ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err(SessionError::OwnData(KILLED.to_owned())))
            };
            [ended(model_owner), ended(data_owner)]
        })
    }
}

pub(super) const ALL: [u64; 2] = [u64::MAX; 2];

/// Rates by which a network as small as this one multiplies under encryption.
pub(super) const DEAR_TRANSFERS: Rates = Rates { transfer: 1 << 40, ..Rates::REFERENCE };

#[test]
fn what_two_parties_made_serves_their_sessions_once() {
    let transfers = pool_serves_once(Two::new(), 3);
    let encrypted = pool_serves_once(Two { rates: DEAR_TRANSFERS, ..Two::new() }, 4);
    // The data owner's keys and uploads.
    assert!(encrypted[1] > transfers[1]);
}

/// The payload that both send for a pool whose setup takes so many hops.
fn pool_serves_once(two: Two, setup_hops: u64) -> [u64; 2] {
    let place = tempfile::tempdir().unwrap();
    let [a, b] = two.make(place.path(), [Exactly(5), Exactly(5)], [IDENTITY; 2], ALL).map(Result::unwrap);
    assert_eq!((a.batch, a.at_once), (b.batch, b.at_once));
    let [made, other] = OWNERS.map(|(owner, _)| making(&network(), owner, two.rates));
    let PoolPrice { bytes: predicted, hops, at_once, .. } = pool_price([&made, &other], 5).unwrap();
    assert_eq!(a.at_once, at_once);
    assert_eq!((a.bytes, b.bytes), (predicted, [predicted[1], predicted[0]]), "sent and received");
    assert_eq!((a.hops, b.hops), (hops, hops));
    assert_eq!(hops, setup_hops + 2 * made.rounds.len() as u64, "all five share their rounds");
    for count in [2, 3] {
        let given = inputs(count);
        let [model_owner, answers] = two.run(place.path(), weights(17), given.clone());
        model_owner.unwrap();
        let answers = answers.unwrap();
        assert_eq!(answers.len(), given.len());
        for (answer, input) in answers.iter().zip(&given) {
            within_rounding(&weights(17), &input[0], answer);
        }
    }
    let [model_owner, data_owner] = two.run(place.path(), weights(17), inputs(1));
    for error in [model_owner.err().unwrap(), data_owner.err().unwrap()] {
        assert_eq!(error.exit_code(), 5, "{error}");
    }
    predicted
}

/// A model owner that says the most it makes leaves the number to the data owner.
#[test]
fn the_party_that_knows_says_how_many_are_made() {
    let place = tempfile::tempdir().unwrap();
    let two = Two::new();
    for made in two.make(place.path(), [AtMost(9), Exactly(2)], [IDENTITY; 2], ALL) {
        let path = made.unwrap().path;
        assert_eq!(MaterialFile::open(&path).unwrap().contents().inferences, 2);
    }
}

/// A making that one party gives up, or over which they disagree, leaves no file behind.
#[test]
fn a_broken_pool_is_discarded_whole() {
    let nothing = |place: &Path| std::fs::read_dir(place).unwrap().count() == 0;
    let two = Two::new();
    for stops in [[1, u64::MAX], [u64::MAX, 1]] {
        let place = tempfile::tempdir().unwrap();
        let ended = two.make(place.path(), [Exactly(3), Exactly(3)], [IDENTITY; 2], stops);
        assert!(ended.iter().all(Result::is_err), "{ended:?}");
        assert!(nothing(place.path()));
    }
    let place = tempfile::tempdir().unwrap();
    for error in two.make(place.path(), [Exactly(3), Exactly(4)], [IDENTITY; 2], ALL) {
        let error = error.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("number of inferences to make: ours is ") && text.contains("theirs is "), "{error}");
        assert!(text.contains(" 3") && text.contains(" 4"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }
    for error in two.make(place.path(), [AtMost(2), Exactly(3)], [IDENTITY; 2], ALL) {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(" 2 at most") && error.contains(" 3"), "{error}");
    }
    let other = ProgramIdentity { program: [1; 32], ..IDENTITY };
    for error in two.make(place.path(), [Exactly(3), Exactly(3)], [IDENTITY, other], ALL) {
        let error = error.unwrap_err();
        assert!(error.to_string().contains("program: ours is"), "{error}");
    }
    assert!(nothing(place.path()));
}

/// Products with weights are in the pool: other weights would answer wrongly, and are refused before a session begins.
#[test]
fn a_pool_serves_the_weights_that_it_was_made_with() {
    let place = tempfile::tempdir().unwrap();
    let two = Two::new();
    two.make(place.path(), [Exactly(1), Exactly(1)], [IDENTITY; 2], ALL)
        .into_iter()
        .for_each(|made| assert!(made.is_ok()));
    let [model_owner, data_owner] = two.run(place.path(), weights(18), inputs(1));
    let error = model_owner.err().unwrap();
    assert!(error.to_string().contains("was dealt for weights"), "{error}");
    assert_eq!(error.exit_code(), 1);
    assert!(data_owner.is_err());
    let [model_owner, answers] = two.run(place.path(), weights(17), inputs(1));
    model_owner.unwrap();
    assert_eq!(answers.unwrap().len(), 1, "nothing was used");
}
