//! Two parties alone make the material of many inferences together, each into a file of its own.
//!
//! They compare programs and numbers, set transfers up, exchange the keys that their products take, and then do the rounds of their
//! making, some inferences at a time, two or three hops a round whatever it holds. Files appear when both are whole and each party has
//! committed to what is in its own, and stay when both have appeared; a making that ends earlier leaves nothing behind, and its transfers
//! serve nobody else.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpcc_channel::{Duplex, Identity, LinkOptions, Peer, Phase, connect};
use mpcc_kernels::Seed;
use mpcc_lattice::LatticeError;
use mpcc_pair::{PIECE, Pair, PairError, Rates, Round, Schemes, begin_keys};
use mpcc_program::code::{MapExecutor, Owner, Role};
use mpcc_program::making::Task;
use mpcc_protocols::{CheckedCode, InMemory, Online, Party, ProtocolError, SessionSeed, message};
use mpcc_transfer::{Entropy, Field, SessionId, Side, TransferError, begin, setup_price};
use zeroize::Zeroizing;

use super::draft::{Appeared, Draft, check_room, clear, create_private_directory};
use super::{Batch, HASH, Head, Layout, Lengths, MaterialError, Secret, Section, commitment, file_name, root};
use crate::counter_store::BatchId;
use crate::error::SessionError;
use crate::handshake::{Hello, SessionDigest, agree_at_once, agree_on_pool, random};
use crate::identity::tables_digest;
use crate::session::{Endpoint, RoleProgram, finish};
use crate::transfer::{exchange, kind};
use crate::weights;

/// Memory that inferences made at the same time may take together.
const MEMORY_BYTES: u64 = 1 << 30;

/// log2 of the field of the transfers: the fewest bytes.
const FIELD_BITS: u32 = 8;

/// How one party makes material with the other one.
#[derive(Clone)]
pub struct Making {
    /// The code of its part.
    pub code: Arc<CheckedCode>,
    /// Runs its maps.
    pub executor: Arc<dyn MapExecutor>,
    /// The tasks of every round, the same at both parties.
    pub rounds: Vec<Vec<Task>>,
    /// What the ways to make products are chosen by, the same at both parties: [`Rates::REFERENCE`].
    pub rates: Rates,
}

impl Making {
    /// With the usual ways to make products.
    pub fn new(code: Arc<CheckedCode>, executor: Arc<dyn MapExecutor>, rounds: Vec<Vec<Task>>) -> Making {
        Making { code, executor, rounds, rates: Rates::REFERENCE }
    }

    /// How the products of so many inferences are made.
    fn schemes(&self, inferences: u64) -> Schemes {
        Schemes::new(&self.rounds, inferences, field(), &self.rates)
    }

    /// How many of so many inferences this party makes at the same time: as many as fit into memory.
    fn fitting(&self, schemes: &Schemes, inferences: u64) -> Result<u64, PairError> {
        Ok((MEMORY_BYTES / self.held(schemes)?.max(1)).clamp(1, inferences.max(1)))
    }

    /// What this party holds for an inference at most: its buffers, and of its largest round the messages, operands and results.
    fn held(&self, schemes: &Schemes) -> Result<u64, PairError> {
        let code = self.code.code();
        let mut largest = 0;
        for (tasks, step) in self.rounds.iter().zip(&code.steps) {
            let sent: usize = schemes.price(tasks)?.sent.iter().flatten().sum();
            let [operands, results] =
                [&step.exchange.send, &step.exchange.receive].map(|list| message::message_len(list, &code.lengths));
            // Operands are there packed, and as words.
            largest = largest.max((sent + 2 * operands + results) as u64);
        }
        Ok(largest.saturating_add(self.code.peak_bytes()))
    }
}

/// Who makes a pool with whom, and where a party's half is kept.
#[derive(Debug)]
pub struct PoolOptions {
    /// Own key and certificate.
    pub identity: Identity,
    /// The other party.
    pub peer: Peer,
    /// How the link to it is made.
    pub peer_endpoint: Endpoint,
    /// Limits and shaping of that link.
    pub peer_link: LinkOptions,
    /// How long a party that is alive may work in silence.
    pub patience: Duration,
    /// The directory of the file, which is made if it does not exist.
    pub directory: PathBuf,
    /// How many inferences.
    pub inferences: Inferences,
    /// Whether a file that is there is replaced.
    pub replace: bool,
}

/// How many inferences a party makes material for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inferences {
    /// So many; the other party says the same, or as many at least.
    Exactly(u64),
    /// As many as the other party says, but no more than these.
    AtMost(u64),
}

impl Inferences {
    fn most(self) -> u64 {
        match self {
            Inferences::Exactly(count) | Inferences::AtMost(count) => count,
        }
    }
}

/// What a party has made.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// Names the batch; the other half has the same name.
    pub batch: BatchId,
    /// The party's file.
    pub path: PathBuf,
    /// Its bytes.
    pub file_bytes: u64,
    /// Inferences that it is for.
    pub inferences: u64,
    /// Inferences that were made at the same time.
    pub at_once: u64,
    /// Payload sent and received for transfers and rounds.
    pub bytes: [u64; 2],
    /// Exchanges of them.
    pub hops: u64,
    /// From the first of them to the last.
    pub seconds: f64,
}

/// What a pool costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolPrice {
    /// Payload that the model owner and the data owner send.
    pub bytes: [u64; 2],
    /// Exchanges.
    pub hops: u64,
    /// Inferences made at the same time: as many as both parties can.
    pub at_once: u64,
    /// Of both parties' arithmetic, one after the other, on processors like those of [`Rates::REFERENCE`].
    pub work_seconds: f64,
    /// What each party holds at most of buffers and messages.
    pub held_bytes: [u64; 2],
}

/// What two parties exchange in order to make so many inferences.
///
/// # Errors
/// [`SessionError::Misuse`] if a round asks for more transfers than a session gives.
pub fn pool_price(makings: [&Making; 2], inferences: u64) -> Result<PoolPrice, SessionError> {
    let rounds = &makings[0].rounds;
    let schemes = makings[0].schemes(inferences);
    let fitting = |making: &Making| making.fitting(&schemes, inferences).map_err(|e| beyond(&e));
    let at_once = fitting(makings[0])?.min(fitting(makings[1])?);
    let setup: usize = setup_price(field()).iter().sum();
    let keys = schemes.key_bytes().map_err(|e| beyond(&e))?;
    let mut bytes = keys.map(|keys| (setup + keys) as u64);
    let mut hops = setup_price(field()).len() as u64 + key_hops(keys);
    for (size, times) in [(at_once, inferences / at_once), (inferences % at_once, 1)] {
        for tasks in rounds.iter().filter(|_| size > 0) {
            let round = schemes.price(&repeated(tasks, size)).map_err(|e| beyond(&e))?;
            for sent in round.sent {
                bytes.iter_mut().zip(sent).for_each(|(bytes, sent)| *bytes += times * sent as u64);
            }
            hops += times * round.hops() as u64;
        }
    }
    let work = Rates { byte: 0, ..makings[0].rates };
    let mut picoseconds = 0;
    for tasks in rounds {
        picoseconds += schemes.picoseconds(tasks, &work).map_err(|e| beyond(&e))?;
    }
    let work_seconds = picoseconds as f64 * 1e-12 * inferences as f64;
    let [first, second] = makings.map(|making| making.held(&schemes).map_err(|e| beyond(&e)));
    Ok(PoolPrice { bytes, hops, at_once, work_seconds, held_bytes: [first?, second?].map(|held| held * at_once) })
}

/// Hops that keys of so many bytes take.
fn key_hops(bytes: [usize; 2]) -> u64 {
    u64::from(bytes != [0, 0])
}

pub(super) fn field() -> Field {
    Field::new(FIELD_BITS).expect("a field that transfers have")
}

fn repeated(tasks: &[Task], times: u64) -> Vec<Task> {
    tasks.repeat(usize::try_from(times).unwrap_or(usize::MAX))
}

/// Connects to the other party and makes a pool with it. `weights` are the model owner's, encoded; the data owner has none. Before
/// every round and after every inference `progress` is told how many are done, and says whether to go on.
///
/// # Errors
/// [`SessionError`]; no file was then made or changed.
pub fn pool(
    options: &PoolOptions,
    (program, making): (&RoleProgram, &Making),
    weights: Vec<Vec<u64>>,
    progress: &dyn Fn(u64) -> bool,
) -> Result<Pooled, SessionError> {
    let place = Place::new(options, (program, making))?;
    let PoolOptions { identity, peer, peer_endpoint, peer_link, patience, inferences, .. } = options;
    let mut link = match peer_endpoint {
        Endpoint::Listen(listener) => listener.accept(identity, peer, peer_link),
        Endpoint::Connect(address) => connect(address, identity, peer, peer_link),
    }?;
    let agreed = agree(&mut link, *inferences, (program, making))?;
    // Who has agreed on nothing yet is waited for as in any handshake.
    link.set_idle_timeout(*patience);
    link.receive_ahead(peer_link.queue_bytes);
    let (pooled, appeared) = make(&mut link, (place, agreed), (program, making), weights, progress)?;
    finish(link)?;
    appeared.keep();
    Ok(pooled)
}

/// Where a party's half will stand.
pub(crate) struct Place {
    path: PathBuf,
    replace: bool,
    lengths: Lengths,
}

impl Place {
    /// Everything that can be wrong with it is found before anybody is met, but for room for a number that the other party says.
    pub(crate) fn new(
        options: &PoolOptions,
        (program, making): (&RoleProgram, &Making),
    ) -> Result<Place, SessionError> {
        let role = program.code.code().role;
        if making.code.code().role != role || making.code.code().steps.len() != making.rounds.len() + 2 {
            return Err(SessionError::Misuse("a making of another role or program".to_owned()));
        }
        let path = options.directory.join(file_name(role));
        if !options.replace && path.symlink_metadata().is_ok() {
            return Err(MaterialError::Exists(path.display().to_string()).into());
        }
        let place = Place { path, replace: options.replace, lengths: Lengths { setup: 0, inference: shares(making) } };
        if let Inferences::Exactly(count) = options.inferences {
            place.room(count)?;
        }
        create_private_directory(&options.directory)?;
        clear(&options.directory, file_name(role))?;
        Ok(place)
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The layout of a file for so many inferences, for which there is room.
    fn room(&self, inferences: u64) -> Result<Layout, SessionError> {
        let layout = Layout { inferences, lengths: self.lengths };
        let bytes = layout.file_bytes().filter(|_| inferences > 0);
        let bytes = bytes.ok_or_else(|| SessionError::Misuse("that many inferences fit in no file".to_owned()))?;
        check_room(self.directory(), bytes)?;
        Ok(layout)
    }
}

/// Bytes of a party's shares for an inference.
fn shares(making: &Making) -> u64 {
    let code = making.code.code();
    message::message_len(&code.steps[making.rounds.len()].exchange.send, &code.lengths) as u64
}

/// What two parties agreed on before they make anything.
pub(crate) struct Agreed {
    session: SessionDigest,
    inferences: u64,
    at_once: u64,
    schemes: Schemes,
}

/// Compares programs and numbers with the other party.
pub(crate) fn agree(
    link: &mut dyn Duplex,
    wanted: Inferences,
    (program, making): (&RoleProgram, &Making),
) -> Result<Agreed, SessionError> {
    let role = program.code.code().role;
    let other = if role == Role::ModelOwner { Role::DataOwner } else { Role::ModelOwner };
    let hello = Hello::new(role, program.identity)?.making();
    let sent = hello.send(link);
    let theirs = hello.receive_matching(link, other)?;
    sent?;
    let (first, second) = if role == Role::ModelOwner { (&hello.nonce, &theirs) } else { (&theirs, &hello.nonce) };
    let session = SessionDigest::of_pool(&program.identity, first, second);
    let inferences = agree_on_pool(link, &session, (wanted.most(), matches!(wanted, Inferences::AtMost(_))))?;
    let schemes = making.schemes(inferences);
    let fitting = making.fitting(&schemes, inferences).map_err(|e| failed(link, &e))?;
    let at_once = agree_at_once(link, fitting)?;
    link.set_session(session.tag());
    Ok(Agreed { session, inferences, at_once, schemes })
}

/// Makes a pool over a link; the file is there, to be kept once the link has ended well.
pub(crate) fn make(
    link: &mut dyn Duplex,
    (place, agreed): (Place, Agreed),
    (program, making): (&RoleProgram, &Making),
    weights: Vec<Vec<u64>>,
    progress: &dyn Fn(u64) -> bool,
) -> Result<(Pooled, Appeared), SessionError> {
    let Agreed { session, inferences, at_once, schemes } = agreed;
    let role = program.code.code().role;
    let (owner, side) = match role {
        Role::ModelOwner => (Owner::ModelOwner, Side::First),
        _ => (Owner::DataOwner, Side::Second),
    };
    let draft = Draft::new(place.directory(), file_name(role), place.room(inferences)?)?;

    let digest = if role == Role::ModelOwner { weights::digest(&weights) } else { [0; HASH] };
    let mut seed = Zeroizing::new(random::<16>()?);
    let secret = Secret(*seed);
    let executor = Arc::clone(&making.executor);
    let party = Party::new(Arc::clone(&making.code), executor, weights, SessionSeed::take(&mut seed));
    let mut party = party.map_err(|e| blame(link, e))?;
    party.setup_message(&mut [].as_slice()).map_err(|e| blame(link, e))?;
    party.setup_receive(Vec::new(), &mut [].as_slice()).map_err(|e| blame(link, e))?;

    let start = Instant::now();
    link.set_phase(Phase::Offline);
    let hops = setup_price(field()).len() as u64 + key_hops(schemes.key_bytes().map_err(|e| failed(link, &e))?);
    let pair = set_up(link, &session, (owner, side), &schemes)?;
    let mut rounds = Rounds { owner, pair, schemes, tasks: &making.rounds, hops };
    for first in (0..inferences).step_by(usize::try_from(at_once).unwrap_or(usize::MAX)) {
        let numbers = first..inferences.min(first + at_once);
        let done = numbers.end;
        for (index, made) in numbers.clone().zip(rounds.make(link, &party, numbers, progress)?) {
            let mut section = draft.section(Section::Inference(index))?;
            section.write_all(&made).map_err(|e| blame(link, ProtocolError::Corrections(e)))?;
            section.finish()?;
        }
        go_on(progress, done)?;
    }
    let (hops, seconds) = (rounds.hops, start.elapsed().as_secs_f64());
    let counted = link.counters().phase(Phase::Offline);
    link.set_phase(Phase::Handshake);

    let batch = session.batch();
    let whole =
        Batch { program: program.identity, tables: tables_digest(), id: batch, inferences, weight_grant: batch };
    // No weight leaves its owner, so nothing is masked by this seed.
    let weight_seed = (role == Role::ModelOwner).then(|| random().map(Secret)).transpose()?;
    let lengths = place.lengths;
    let own = root(role, lengths, [Some(&secret), weight_seed.as_ref()], &digest, &draft.index());
    let other_root = exchange_roots(link, &own)?;
    let commitment = match role {
        Role::ModelOwner => commitment(&whole, own, other_root),
        _ => commitment(&whole, other_root, own),
    };
    let head = Head { role, batch: whole, lengths, seed: secret, weight_seed, weights: digest, other_root, commitment };
    draft.complete(&head)?;
    // Neither half appears before both are whole.
    link.send(kind::POOL_WHOLE, commitment.to_vec())?;
    if link.recv_exact(kind::POOL_WHOLE, HASH)? != commitment {
        let detail = "has committed to other halves of the pool".to_owned();
        return Err(SessionError::Misbehaved { peer: link.peer().to_owned(), detail });
    }
    let file_bytes = Layout { inferences, lengths }.file_bytes().unwrap_or_default();
    let appeared = draft.appear(&place.path, place.replace)?;
    // Nor does one stay without the other.
    link.send(kind::POOL_KEPT, vec![1])?;
    link.recv_exact(kind::POOL_KEPT, 1)?;
    let bytes = [counted.payload_sent, counted.payload_received];
    Ok((Pooled { batch, path: place.path, file_bytes, inferences, at_once, bytes, hops, seconds }, appeared))
}

fn go_on(progress: &dyn Fn(u64) -> bool, done: u64) -> Result<(), SessionError> {
    if progress(done) { Ok(()) } else { Err(MaterialError::Stopped.into()) }
}

fn exchange_roots(link: &mut dyn Duplex, own: &[u8; HASH]) -> Result<[u8; HASH], SessionError> {
    link.send(kind::POOL_ROOT, own.to_vec())?;
    let bytes = link.recv_exact(kind::POOL_ROOT, HASH)?;
    let mut root = [0; HASH];
    root.copy_from_slice(&bytes);
    Ok(root)
}

/// Sets transfers up in both directions, and exchanges keys.
fn set_up(
    link: &mut dyn Duplex,
    session: &SessionDigest,
    (owner, side): (Owner, Side),
    schemes: &Schemes,
) -> Result<Pair, SessionError> {
    let entropy = Zeroizing::new(random::<32>()?);
    let [greeting, replies, sums] = setup_price(field());
    let refused = |link: &dyn Duplex, error: TransferError| misbehaved(link, &error);
    let (state, message) = begin(SessionId::from_bytes(session.bytes()), side, field(), Entropy::from_bytes(*entropy));
    let theirs = exchange(link, kind::TRANSFERS, message, greeting, &mut |_| {})?;
    let (state, message) = state.reply(&theirs).map_err(|e| refused(link, e))?;
    let theirs = exchange(link, kind::TRANSFERS, message, replies, &mut |_| {})?;
    let (state, message) = state.correct(&theirs).map_err(|e| refused(link, e))?;
    let theirs = exchange(link, kind::TRANSFERS, message, sums, &mut |_| {})?;
    let (sender, receiver) = state.finish(&theirs).map_err(|e| refused(link, e))?;
    let entropy = Zeroizing::new(random::<16>()?);
    let keys = begin_keys(schemes.clone(), owner, &Seed::from_bytes(*entropy));
    let (keys, message) = keys.map_err(|e| failed(link, &e))?;
    let expected = schemes.key_bytes().map_err(|e| failed(link, &e))?[from(owner)];
    let theirs = exchange(link, kind::KEYS, message, expected, &mut |_| {})?;
    let lattice = keys.finish(&theirs).map_err(|e| failed(link, &e))?;
    Ok(Pair::new(sender, receiver, lattice))
}

/// The index of the party whose messages this one receives.
fn from(owner: Owner) -> usize {
    usize::from(owner == Owner::ModelOwner)
}

/// Sends this end's message of a hop while it is made, and takes the peer's of `expected` bytes as it comes.
fn hop(
    link: &mut dyn Duplex,
    (pair, round): (&mut Pair, &mut Round<'_>),
    (kind, expected): (u8, usize),
) -> Result<(), SessionError> {
    let mut missing = expected;
    loop {
        let piece = round.send(pair).map_err(|e| failed(link, &e))?;
        let done = piece.is_none();
        if let Some(piece) = piece {
            link.send(kind, piece)?;
        }
        let due = missing.min(PIECE);
        if due > 0 {
            let piece = link.recv_exact(kind, due)?;
            round.take(pair, &piece).map_err(|e| failed(link, &e))?;
            link.recycle(piece);
            missing -= due;
        } else if done {
            return round.next_hop(pair).map_err(|e| failed(link, &e));
        }
    }
}

/// The rounds of a making, over a link.
struct Rounds<'m> {
    owner: Owner,
    pair: Pair,
    schemes: Schemes,
    tasks: &'m [Vec<Task>],
    hops: u64,
}

impl Rounds<'_> {
    /// What a party keeps of each of these inferences.
    fn make(
        &mut self,
        link: &mut dyn Duplex,
        party: &Party,
        numbers: Range<u64>,
        progress: &dyn Fn(u64) -> bool,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, SessionError> {
        let (done, count) = (numbers.start, numbers.end - numbers.start);
        let begin = |index| party.offline(index, &mut [].as_slice()).and_then(|masks| party.online(masks, Vec::new()));
        let mut runs: Vec<Online<'_>> =
            numbers.map(begin).collect::<Result<_, ProtocolError>>().map_err(|e| blame(link, e))?;
        let mut results = vec![Zeroizing::new(Vec::new()); runs.len()];
        for (round, tasks) in self.tasks.iter().enumerate() {
            go_on(progress, done)?;
            let tasks = repeated(tasks, count);
            let operands = together(step(link, &mut runs, round, &std::mem::take(&mut results))?);
            let sizes = self.schemes.price(&tasks).map_err(|e| beyond(&e))?;
            let mut exchanged = self.pair.begin(&tasks, &operands).map_err(|e| failed(link, &e))?;
            drop(operands);
            let kinds = [kind::CHOICES, kind::STRINGS, kind::CONVERSIONS];
            for (kind, sent) in kinds.into_iter().zip(sizes.sent).take(sizes.hops()) {
                hop(link, (&mut self.pair, &mut exchanged), (kind, sent[from(self.owner)]))?;
            }
            self.hops += sizes.hops() as u64;
            let made = Zeroizing::new(exchanged.finish().map_err(|e| failed(link, &e))?);
            results = apart(made, runs.len());
        }
        step(link, &mut runs, self.tasks.len(), &results)
    }
}

/// What runs hand out, one behind the other.
fn together(mut of: Vec<Zeroizing<Vec<u8>>>) -> Zeroizing<Vec<u8>> {
    match &mut of[..] {
        [only] => std::mem::take(only),
        all => {
            let mut out = Zeroizing::new(Vec::with_capacity(all.iter().map(|one| one.len()).sum()));
            all.iter().for_each(|one| out.extend_from_slice(one));
            out
        }
    }
}

/// What was made for runs, each its part.
fn apart(made: Zeroizing<Vec<u8>>, runs: usize) -> Vec<Zeroizing<Vec<u8>>> {
    if runs == 1 {
        return vec![made];
    }
    let each = made.len() / runs;
    (0..runs).map(|run| Zeroizing::new(made[run * each..(run + 1) * each].to_vec())).collect()
}

/// A step of every run: what each hands out after it took what was made for it.
fn step(
    link: &dyn Duplex,
    runs: &mut [Online<'_>],
    round: usize,
    results: &[Zeroizing<Vec<u8>>],
) -> Result<Vec<Zeroizing<Vec<u8>>>, SessionError> {
    let one = |(run, incoming): (&mut Online<'_>, &Zeroizing<Vec<u8>>)| {
        let mut peer = InMemory { incoming, outgoing: Vec::new() };
        run.step(round, &mut peer)?;
        Ok(Zeroizing::new(peer.outgoing))
    };
    runs.iter_mut().zip(results).map(one).collect::<Result<_, ProtocolError>>().map_err(|e| blame(link, e))
}

fn blame(link: &dyn Duplex, error: ProtocolError) -> SessionError {
    SessionError::from_protocol(error, link.peer(), link.peer())
}

fn misbehaved(link: &dyn Duplex, error: &dyn std::error::Error) -> SessionError {
    SessionError::Misbehaved { peer: link.peer().to_owned(), detail: error.to_string() }
}

fn failed(link: &dyn Duplex, error: &PairError) -> SessionError {
    match error {
        PairError::Transfer(error) => misbehaved(link, error),
        PairError::Lattice(LatticeError::Length { .. } | LatticeError::Residue { .. } | LatticeError::Noise)
        | PairError::Length { .. } => misbehaved(link, error),
        PairError::Plan(_) => beyond(error),
        PairError::Lattice(_) | PairError::Operands { .. } | PairError::Scheme(_) | PairError::Order => {
            SessionError::Bug(error.to_string())
        }
    }
}

fn beyond(error: &PairError) -> SessionError {
    SessionError::Misuse(format!("this program is too large to be made by two parties: {error}"))
}
