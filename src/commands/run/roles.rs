//! One role of a session: what it runs, what it owns, and the session itself.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mpcc_channel::{Identity, LinkOptions, Listener, NetworkShape, Peer};
use mpcc_cli::encoded;
use mpcc_cli::examples;
use mpcc_cli::failure::Bug;
use mpcc_cli::outputs::Answer;
use mpcc_cli::terminal::Terminal;
use mpcc_codegen::{CodegenError, Extensions, Jit};
use mpcc_compiler::artefact::Artefact;
use mpcc_import::inputs::Example;
use mpcc_import::weights;
use mpcc_kernels::level::{self, Level};
use mpcc_program::code::{MapExecutor, Owner, RoleCode};
use mpcc_program::gates;
use mpcc_program::interpret::Interpreter;
use mpcc_program::program::Supplier;
use mpcc_protocols::{CheckedCode, OutputWords};
use mpcc_runtime::data_owner::Inputs;
use mpcc_runtime::dealer::{self, DealerConfig};
use mpcc_runtime::material::{Inferences, Making, MaterialFile, PoolOptions, file_name, pool};
use mpcc_runtime::{
    Endpoint, MakingMeasurement, PartyConfig, ProgramIdentity, Progress, ProgressEvent, RoleProgram, RoleReport,
    SessionError, Supply, data_owner, model_owner,
};
use tempfile::TempDir;

use super::RoleName;

/// Bytes of corrections that wait at either end of a link to the dealer: enough for the line, no more than memory is worth.
const DEALT_QUEUE_BYTES: u64 = 8 << 20;

/// How long a role that is alive may compute in silence.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a role owns.
enum Data {
    Weights(Vec<Vec<u64>>),
    Inputs(Inputs<'static>),
    Nothing,
}

/// A role that is ready to meet the others: everything that can be wrong with its own files was found.
pub(super) struct Prepared {
    /// What all roles run.
    pub(super) artefact: Arc<Artefact>,
    program: RoleProgram,
    /// How a party makes material with the other one, of a program without a dealer.
    making: Option<Making>,
    data: Data,
    /// Where the inputs came from, for each inference.
    pub(super) examples: Vec<Example>,
}

/// Loads what the role owns, checks that it can be encoded, and makes its code; that for making material only if it `makes` some
/// rather than having a file. Remarks on the inputs go to `terminal`.
pub(super) fn prepare(
    artefact: Artefact,
    role: RoleName,
    weights_file: Option<&Path>,
    input: &[OsString],
    (interpret, makes): (bool, bool),
    terminal: Option<&Terminal>,
) -> Result<Prepared> {
    let (mut weights, mut examples, mut given) = (Vec::new(), Vec::new(), Vec::new());
    match role {
        RoleName::ModelOwner => {
            let file = weights_file.ok_or_else(|| Bug("a model owner without weights".to_owned()))?;
            let params = weights::load(file, &artefact.graph)?.params;
            weights = encoded::words(encoded::weights(&artefact, params, None)?);
        }
        RoleName::DataOwner => {
            examples = examples::find(input, &artefact.graph, terminal)?;
            given = examples::load(&examples, &artefact.graph, artefact.tokenizer.as_deref(), terminal)?;
        }
        RoleName::Dealer => {}
    }
    let program = program(&artefact, role, interpret)?;
    let making = if makes { making(&artefact, role, interpret)? } else { None };
    let artefact = Arc::new(artefact);
    let data = match role {
        RoleName::ModelOwner => Data::Weights(weights),
        RoleName::DataOwner => {
            let encode = encoded::batch(Arc::clone(&artefact), examples.clone(), given);
            Data::Inputs(Inputs::checked(&program.code, examples.len() as u64, encode)?)
        }
        RoleName::Dealer => Data::Nothing,
    };
    Ok(Prepared { artefact, program, making, data, examples })
}

/// A role's code, ready to run.
pub(crate) fn program(artefact: &Artefact, role: RoleName, interpret: bool) -> Result<RoleProgram> {
    let code = CheckedCode::new(gates::lower(&artefact.program, role.role())).map_err(SessionError::from)?;
    let executor = executor(code.code(), interpret)?;
    Ok(RoleProgram { code: Arc::new(code), executor, identity: identity_of(artefact)? })
}

/// A party's part in making material with the other one; nothing where a dealer makes it.
pub(crate) fn making(artefact: &Artefact, role: RoleName, interpret: bool) -> Result<Option<Making>> {
    let owner = match (artefact.program.supplier, role) {
        (Supplier::Dealer, _) | (_, RoleName::Dealer) => return Ok(None),
        (Supplier::Pair, RoleName::ModelOwner) => Owner::ModelOwner,
        (Supplier::Pair, RoleName::DataOwner) => Owner::DataOwner,
    };
    let made = gates::lower_making(&artefact.program, owner);
    let code = CheckedCode::new(made.code).map_err(SessionError::from)?;
    let executor = executor(code.code(), interpret)?;
    Ok(Some(Making::new(Arc::new(code), executor, made.rounds)))
}

/// Compiled code where this machine allows it, else the interpreter: both give the same words.
fn executor(code: &RoleCode, interpret: bool) -> Result<Arc<dyn MapExecutor>> {
    if interpret {
        return Ok(Arc::new(Interpreter));
    }
    match Jit::compile_with(extensions(), code) {
        Ok(jit) => Ok(Arc::new(jit)),
        Err(CodegenError::Host { .. } | CodegenError::Executable { .. }) => Ok(Arc::new(Interpreter)),
        Err(error) => Err(Bug(error.to_string()).into()),
    }
}

/// What compiled code may use of this processor, as the kernels do.
pub(crate) fn extensions() -> Extensions {
    match level::current() {
        Level::Portable => Extensions::None,
        Level::Avx2 => Extensions::Avx2,
        Level::Avx512 | Level::Amx => Extensions::All,
    }
}

fn identity_of(artefact: &Artefact) -> Result<ProgramIdentity> {
    let program = blake3::Hash::from_hex(&artefact.manifest.program)
        .map_err(|_| Bug("the program hash of an artefact is not hexadecimal".to_owned()))?;
    let mut hasher = blake3::Hasher::new_derive_key("mpcc 2026-11 shapes and encodings of weights");
    for weight in &artefact.program.weights {
        hasher.update(format!("{weight:?}\n").as_bytes());
    }
    Ok(ProgramIdentity { program: *program.as_bytes(), binding: *hasher.finalize().as_bytes() })
}

/// How a role reaches the others.
pub(super) enum Meeting {
    /// Of a party.
    Party { peer: Peer, peer_endpoint: Endpoint, source: Source, state: PathBuf },
    /// Of the dealer.
    Dealer { model_owner: Peer, data_owner: Peer, listener: Listener },
}

/// Where a party's correlated randomness comes from.
pub(super) enum Source {
    /// A dealer that listens at an address.
    Dealer { peer: Peer, address: String },
    /// A file that was dealt, or made, before.
    File(PathBuf),
    /// The parties make it for so many inferences before the session.
    Made { inferences: Inferences },
}

/// Settings of a session that have nothing to do with secrets.
pub(super) struct Settings {
    /// How long connecting may take.
    pub(super) timeout: Duration,
    /// The network to imitate.
    pub(super) shape: Option<NetworkShape>,
    /// Whether material for the next batch is made during this one.
    pub(super) ahead: bool,
    /// Whether a large program's corrections all stay in memory.
    pub(super) in_memory: bool,
    /// How many inferences share hops, at most at the model owner.
    pub(super) batch: u64,
    /// The most inferences that the model owner serves, at the model owner.
    pub(super) max_inferences: Option<u64>,
    /// The most bytes of masked weights kept for later sessions, at the data owner.
    pub(super) keep_weights: u64,
    /// Whether weights are sent under a fresh mask whatever the data owner holds, at the model owner.
    pub(super) rotate_weights: bool,
}

/// What a role has after a session.
pub(super) struct Outcome {
    /// What it saw.
    pub(super) report: RoleReport,
    /// For each inference, at the data owner only.
    pub(super) answers: Vec<Answer>,
}

/// Runs the session.
pub(super) fn session(
    prepared: Prepared,
    identity: Identity,
    meeting: Meeting,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let link = LinkOptions { setup_timeout: settings.timeout, shape: settings.shape.clone(), ..LinkOptions::default() };
    let dealt = LinkOptions { queue_bytes: DEALT_QUEUE_BYTES, ..link.clone() };
    let program = &prepared.program;
    let (peer, mut peer_endpoint, source, mut state_directory) = match meeting {
        Meeting::Dealer { model_owner, data_owner, listener } => {
            let config = DealerConfig { identity, model_owner, data_owner, listener, link: dealt };
            let report = dealer::run(config, program, progress)?;
            return Ok(Outcome { report, answers: Vec::new() });
        }
        Meeting::Party { peer, peer_endpoint, source, state } => (peer, peer_endpoint, source, state),
    };
    let role = program.code.code().role;
    let file = |path: &Path| -> Result<Supply> {
        Ok(Supply::File(MaterialFile::open_for(path, role, &program.identity).map_err(SessionError::from)?))
    };
    let mut measured = None;
    // What was made for this session alone goes with it.
    let place;
    let supply = match source {
        Source::Dealer { peer, address } => Supply::Dealer { peer, address, link: dealt },
        Source::File(path) => file(&path)?,
        Source::Made { inferences } => {
            let making = prepared.making.as_ref().ok_or_else(|| Bug("a party that makes nothing".to_owned()))?;
            let weights = match &prepared.data {
                Data::Weights(weights) => weights.clone(),
                _ => Vec::new(),
            };
            place = Place::in_state(&state_directory)?;
            let options = PoolOptions {
                identity: identity.clone(),
                peer: peer.clone(),
                peer_endpoint,
                peer_link: link.clone(),
                patience: PATIENCE,
                directory: place.path().join("made"),
                inferences,
                replace: false,
            };
            let tell = |done| {
                progress.event(ProgressEvent::Made { inferences: done });
                true
            };
            let pooled = pool(&options, (program, making), weights, &tell)?;
            let [bytes_sent, bytes_received] = pooled.bytes;
            let (hops, seconds) = (pooled.hops, pooled.seconds);
            let inferences = pooled.inferences;
            measured = Some(MakingMeasurement { inferences, hops, bytes_sent, bytes_received, seconds });
            let path = options.directory.join(file_name(role));
            state_directory = place.path().join("state");
            peer_endpoint = options.peer_endpoint;
            file(&path)?
        }
    };
    let config = PartyConfig {
        identity,
        peer,
        peer_endpoint,
        peer_link: link,
        supply,
        patience: PATIENCE,
        state_directory,
        in_memory: settings.in_memory,
        ahead: settings.ahead,
        at_once: settings.batch,
        keep_weights: settings.keep_weights,
        rotate_weights: settings.rotate_weights,
    };
    match prepared.data {
        Data::Weights(weights) => {
            let most = settings
                .max_inferences
                .ok_or_else(|| Bug("a model owner that does not say how many inferences it serves".to_owned()))?;
            let report = model_owner::run(config, program, weights, most, progress)?;
            Ok(Outcome { report: RoleReport { making: measured, ..report }, answers: Vec::new() })
        }
        Data::Inputs(inputs) => {
            let done = data_owner::run(config, program, inputs, progress)?;
            let answers = done.outputs.iter().map(|words| answer(&prepared.artefact, words)).collect::<Result<_>>()?;
            Ok(Outcome { report: RoleReport { making: measured, ..done.report }, answers })
        }
        Data::Nothing => Err(Bug("a party without weights or inputs".to_owned()).into()),
    }
}

/// A directory for what is made for one session, and for the record of what of it was used.
///
/// Its process holds a lock on it. One that nobody holds is of a process that was killed, and the next session removes it.
struct Place {
    directory: TempDir,
    _held: Option<File>,
}

impl Place {
    const PREFIX: &str = "pool-";

    fn in_state(state: &Path) -> Result<Self> {
        fs::create_dir_all(state).with_context(|| format!("cannot make {}", state.display()))?;
        for left in fs::read_dir(state).into_iter().flatten().flatten() {
            let of_a_pool = left.file_name().to_string_lossy().starts_with(Self::PREFIX);
            if of_a_pool && open(&left.path()).is_some_and(|place| place.try_lock().is_ok()) {
                let _ = fs::remove_dir_all(left.path());
            }
        }
        loop {
            let made = tempfile::Builder::new().prefix(Self::PREFIX).tempdir_in(state);
            let directory = made.with_context(|| format!("cannot make a directory in {}", state.display()))?;
            let held = open(directory.path()).filter(|place| place.lock().is_ok());
            // Another process may have taken it for one that nobody holds.
            if directory.path().is_dir() {
                return Ok(Self { directory, _held: held });
            }
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// A directory that can be locked; none where that is not possible.
fn open(directory: &Path) -> Option<File> {
    if cfg!(unix) { File::open(directory).ok() } else { None }
}

fn answer(artefact: &Artefact, words: &[OutputWords]) -> Result<Answer> {
    let mut integers = vec![Vec::new(); artefact.program.revealed()];
    for words in words {
        let place = integers.get_mut(words.output as usize);
        *place.ok_or_else(|| Bug("an output that the program does not have".to_owned()))? = words.signed();
    }
    Ok(Answer::decode(&artefact.program, &integers))
}
