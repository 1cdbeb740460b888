//! Sessions of a small hand-made program over loopback TLS and over memory links, and everything that must end one.

mod broken_pool;
mod counters;
mod failures;
mod hostile;
mod lowered;
mod making;
mod over_tls;
mod pool;
mod scripted;
mod setup_once;
#[path = "../protocols/src/tests/tiny.rs"]
pub(crate) mod tiny;
mod used_pool;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mpcc_channel::{Fingerprint, Identity, LinkOptions, Listener, Peer};
use mpcc_program::code::RoleCode;
use mpcc_program::interpret::Interpreter;
use mpcc_protocols::CheckedCode;

use crate::data_owner::{Inferences, Inputs};
use crate::dealer::DealerConfig;
use crate::{
    Endpoint, NoProgress, PartyConfig, ProgramIdentity, Progress, RoleProgram, RoleReport, SessionError, Supply,
    data_owner, dealer, model_owner,
};
use tiny::Tiny;

const T: Tiny = Tiny { k: 7, n: 4, bits: 41 };
pub(crate) const IDENTITY: ProgramIdentity = ProgramIdentity { program: [0xab; 32], binding: [2; 32] };

pub(crate) fn program(code: RoleCode, identity: ProgramIdentity) -> RoleProgram {
    RoleProgram { code: Arc::new(CheckedCode::new(code).unwrap()), executor: Arc::new(Interpreter), identity }
}

pub(crate) fn numbers(n: usize, salt: i64) -> Vec<u64> {
    (0..n as i64).map(|i| ((i * 7919 + salt) % 2001 - 1000) as u64).collect()
}

fn weights() -> Vec<Vec<u64>> {
    vec![numbers(T.k * T.n, 3)]
}

fn inputs(count: i64) -> Vec<Vec<Vec<u64>>> {
    (0..count).map(|i| vec![numbers(T.k, i)]).collect()
}

/// The same as a session takes them.
pub(crate) fn given<'a>(
    program: &RoleProgram,
    inputs: Vec<Vec<Vec<u64>>>,
    encoding: &'a dyn Fn(u64),
) -> Result<Inputs<'a>, SessionError> {
    let count = inputs.len() as u64;
    let encode = move |inference: u64| {
        encoding(inference);
        Ok(inputs[inference as usize].clone())
    };
    Inputs::checked(&program.code, count, Box::new(encode))
}

fn expected(input: &[Vec<u64>]) -> Vec<i64> {
    tiny::plain(T, &input[0], &weights()[0])
}

/// What may differ between the roles of a test.
struct Setting {
    codes: [RoleCode; 3],
    programs: [ProgramIdentity; 3],
    inputs: Vec<Vec<Vec<u64>>>,
    /// Called when an input is encoded.
    encoding: Arc<dyn Fn(u64) + Send + Sync>,
    weights: Vec<Vec<u64>>,
    most_inferences: u64,
    ahead: bool,
    batch: u64,
    most_at_a_time: u64,
    progress: [Arc<dyn Progress>; 3],
    link: LinkOptions,
    identities: [Identity; 3],
    /// Where the parties keep what they must remember; none for a place of the session alone.
    state: Option<PathBuf>,
    keep_weights: u64,
    rotate_weights: bool,
}

impl Default for Setting {
    fn default() -> Setting {
        let none = || Arc::new(NoProgress) as Arc<dyn Progress>;
        Setting {
            codes: [tiny::model_owner(T), tiny::data_owner(T), tiny::dealer(T)],
            programs: [IDENTITY; 3],
            inputs: inputs(1),
            encoding: Arc::new(|_| {}),
            weights: weights(),
            most_inferences: 1000,
            ahead: false,
            batch: 1,
            most_at_a_time: 16,
            progress: [none(), none(), none()],
            link: LinkOptions { setup_timeout: Duration::from_secs(5), ..LinkOptions::default() },
            identities: std::array::from_fn(|_| Identity::generate().unwrap()),
            state: None,
            keep_weights: 0,
            rotate_weights: false,
        }
    }
}

/// Three roles on threads of this process, linked over loopback TLS.
struct Session {
    model_owner: JoinHandle<Result<RoleReport, SessionError>>,
    data_owner: JoinHandle<Result<Inferences, SessionError>>,
    dealer: JoinHandle<Result<RoleReport, SessionError>>,
    state: tempfile::TempDir,
}

fn start(setting: Setting) -> Session {
    let state = tempfile::tempdir().unwrap();
    let place = setting.state.clone().unwrap_or_else(|| state.path().to_owned());
    let identities = setting.identities.clone();
    let prints: [Fingerprint; 3] = std::array::from_fn(|i| identities[i].fingerprint());
    let peers: [Peer; 3] =
        std::array::from_fn(|i| Peer::new(["the model owner", "the data owner", "the dealer"][i], prints[i]));
    let listeners: [Listener; 2] = std::array::from_fn(|_| Listener::bind("127.0.0.1:0").unwrap());
    let [model_listener, dealer_listener] = listeners;
    let model_address = model_listener.local_addr().to_string();
    let dealer_address = dealer_listener.local_addr().to_string();
    let party = |own: usize, peer: usize, peer_endpoint, state_directory: PathBuf| PartyConfig {
        identity: identities[own].clone(),
        peer: peers[peer].clone(),
        peer_endpoint,
        peer_link: setting.link.clone(),
        supply: Supply::Dealer { peer: peers[2].clone(), address: dealer_address.clone(), link: setting.link.clone() },
        patience: Duration::from_secs(20),
        state_directory,
        in_memory: false,
        ahead: setting.ahead,
        at_once: [setting.most_at_a_time, setting.batch][own],
        keep_weights: setting.keep_weights,
        rotate_weights: setting.rotate_weights,
    };
    let model_config = party(0, 1, Endpoint::Listen(model_listener), place.join("model-owner"));
    let data_config = party(1, 0, Endpoint::Connect(model_address), place.join("data-owner"));
    let dealer_config = DealerConfig {
        identity: identities[2].clone(),
        model_owner: peers[0].clone(),
        data_owner: peers[1].clone(),
        listener: dealer_listener,
        link: setting.link.clone(),
    };
    let [model_code, data_code, dealer_code] = setting.codes;
    let model_program = program(model_code, setting.programs[0]);
    let data_program = program(data_code, setting.programs[1]);
    let dealer_program = program(dealer_code, setting.programs[2]);
    let [model_progress, data_progress, dealer_progress] = setting.progress;
    let (weights, most, inputs) = (setting.weights, setting.most_inferences, setting.inputs);
    let encoding = setting.encoding;
    Session {
        model_owner: std::thread::spawn(move || {
            model_owner::run(model_config, &model_program, weights, most, &*model_progress)
        }),
        data_owner: std::thread::spawn(move || {
            let inputs = given(&data_program, inputs, &*encoding)?;
            data_owner::run(data_config, &data_program, inputs, &*data_progress)
        }),
        dealer: std::thread::spawn(move || dealer::run(dealer_config, &dealer_program, &*dealer_progress)),
        state,
    }
}
