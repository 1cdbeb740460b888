//! A party's session: connect, agree, set up once, then offline and online for every batch of inferences that share hops.
//!
//! Both parties run this same sequence; they differ in their code, in what they own and in who counts the inferences.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use mpcc_channel::{Duplex, Identity, Link, LinkError, LinkOptions, Listener, Peer, Phase, connect};
use mpcc_program::code::{MapExecutor, Role};
use mpcc_program::memory::CORRECTIONS_IN_MEMORY;
use mpcc_protocols::{BitStore, CheckedCode, Material, OutputWords, Party, SessionSeed, message};

use crate::blame::{Names, with_corrections};
use crate::counter_store::{BatchId, CounterStore};
use crate::error::SessionError;
use crate::handshake::{self, Hello, SessionDigest, Wanted};
use crate::identity::ProgramIdentity;
use crate::inputs::Inputs;
use crate::material::{self, MaterialFile, MaterialLink};
use crate::measure::{InferenceMeasurement, RoleReport, peak_rss_bytes};
use crate::progress::{Progress, ProgressEvent};
use crate::setup::{Done, Ends, Part, SetupRule, set_up};
use crate::store::UnnamedFile;
use crate::transfer::{Hops, kind};
use crate::weights::{self, Address, Bound, Granter, Keeper};

/// What a role runs.
#[derive(Clone)]
pub struct RoleProgram {
    /// Verified code of the role.
    pub code: Arc<CheckedCode>,
    /// Runs its maps.
    pub executor: Arc<dyn MapExecutor>,
    /// What all roles compare.
    pub identity: ProgramIdentity,
}

/// How the link between the parties is made.
#[derive(Debug)]
pub enum Endpoint {
    /// The peer connects here.
    Listen(Listener),
    /// The peer listens at this `host:port`.
    Connect(String),
}

/// Where a party's correlated randomness comes from.
#[derive(Debug)]
pub enum Supply {
    /// A dealer, over a link.
    Dealer {
        /// Who it is.
        peer: Peer,
        /// Where it listens.
        address: String,
        /// Limits and shaping of the link.
        link: LinkOptions,
    },
    /// A file that was dealt before; the other party holds its other half.
    File(MaterialFile),
}

/// Everything a party needs besides its program and its data.
#[derive(Debug)]
pub struct PartyConfig {
    /// Own key and certificate.
    pub identity: Identity,
    /// The other party.
    pub peer: Peer,
    /// How the link to it is made.
    pub peer_endpoint: Endpoint,
    /// Limits and shaping of that link.
    pub peer_link: LinkOptions,
    /// Where correlated randomness comes from.
    pub supply: Supply,
    /// How long a role that is alive may work in silence once the session runs.
    pub patience: Duration,
    /// Where used correlations are recorded.
    pub state_directory: PathBuf,
    /// Makes the material of the next batch while one is online.
    pub ahead: bool,
    /// Keeps all corrections of a large program in memory, instead of some in an encrypted file without a name in the
    /// state directory.
    pub in_memory: bool,
    /// How many inferences share hops: the data owner decides, the model owner allows so many at most.
    pub at_once: u64,
    /// At the data owner, the most bytes of masked weights kept in the state directory for later sessions; with 0 none are,
    /// and what was kept is removed.
    pub keep_weights: u64,
    /// At the model owner, sends its weights under a fresh mask, whatever the data owner holds.
    pub rotate_weights: bool,
}

/// What a party owns.
pub(crate) enum Own<'a> {
    /// The model owner's encoded weights, and how many inferences it serves at most.
    Weights { weights: Vec<Vec<u64>>, most_inferences: u64 },
    /// The data owner's inputs.
    Inputs(Inputs<'a>),
}

impl Own<'_> {
    /// What this party asks for or serves at most, where so many inferences may share hops, and the other party.
    pub(crate) fn asked(&self, at_once: u64) -> (Wanted, Role) {
        match self {
            Own::Weights { most_inferences, .. } => {
                (Wanted { inferences: *most_inferences, at_once: at_once.max(1) }, Role::DataOwner)
            }
            Own::Inputs(inputs) => {
                let inferences = inputs.inferences();
                (Wanted { inferences, at_once: at_once.clamp(1, inferences.max(1)) }, Role::ModelOwner)
            }
        }
    }
}

/// Tells the dealer that no further inference follows.
pub(crate) const NO_FURTHER: u64 = u64::MAX;

/// Refuses code of another role.
pub(crate) fn check_role(program: &RoleProgram, role: Role) -> Result<(), SessionError> {
    match program.code.code().role {
        got if got == role => Ok(()),
        got => Err(SessionError::Misuse(format!("code of {got:?} was given to {role:?}"))),
    }
}

/// Runs a party's whole session.
pub(crate) fn run(
    config: PartyConfig,
    program: &RoleProgram,
    own: Own<'_>,
    progress: &dyn Progress,
) -> Result<(Vec<Vec<OutputWords>>, RoleReport), SessionError> {
    let PartyConfig {
        identity,
        peer,
        peer_endpoint,
        peer_link,
        supply,
        patience,
        state_directory,
        in_memory,
        ahead,
        at_once,
        keep_weights,
        rotate_weights,
    } = config;
    let role = program.code.code().role;
    // Before anybody waits: of large weights this takes a while.
    let weights = match &own {
        Own::Weights { weights, .. } => weights::digest(weights),
        Own::Inputs(_) => [0; 32],
    };
    let kept = |address: Address| -> Result<Part, SessionError> {
        let keeper = Keeper::new(&state_directory, &identity, address, keep_weights)?;
        let held = keeper.as_ref().map(|keeper| keeper.find(setup_message(program)));
        let held = held.unwrap_or(Ok(None)).inspect_err(|why| progress.remark(why)).unwrap_or_default();
        Ok(Part::Keeps(keeper, held))
    };
    let spill = (!in_memory).then(|| state_directory.clone());
    let meet = || match &peer_endpoint {
        Endpoint::Listen(listener) => listener.accept(&identity, &peer, &peer_link),
        Endpoint::Connect(address) => connect(address, &identity, &peer, &peer_link),
    };
    let ready = |link: &mut Link, agreement: &Agreement| {
        link.set_idle_timeout(patience);
        link.receive_ahead(peer_link.queue_bytes);
        // Both parties write a message while they read the one before it, so neither may wait for the other to read.
        link.set_queue_bytes(peer_link.queue_bytes.max(2 * agreement.at_once * largest_message(program)));
    };
    match supply {
        Supply::Dealer { peer: dealer, address, link } => {
            let store = CounterStore::open(&state_directory, &peer.fingerprint, &dealer.fingerprint)?;
            let part = match role {
                Role::ModelOwner => {
                    let (data_owner, dealer) = (peer.fingerprint, dealer.fingerprint);
                    let bound = Bound { program: program.identity, weights, data_owner, dealer };
                    Part::Grants(Granter::open(&state_directory, &identity, bound, rotate_weights)?, weights)
                }
                _ => kept(Address::new(&program.identity, &peer.fingerprint, Ok(&dealer.fingerprint)))?,
            };
            let mut dealer = connect(&address, &identity, &dealer, &link)?;
            let mut peer = meet()?;
            progress.event(ProgressEvent::Connected);
            let agreement = agree(&mut peer, &mut dealer, program, &own, at_once)?;
            ready(&mut peer, &agreement);
            dealer.set_idle_timeout(patience);
            dealer.receive_ahead(link.queue_bytes);
            let spill = spill.clone();
            let session = Session { program, agreement, part, store: &store, spill, ahead, progress };
            let done = converse(&mut peer, &mut dealer, own, session)?;
            finish(dealer)?;
            finish(peer)?;
            Ok(done)
        }
        Supply::File(mut file) => {
            let contents = file.contents();
            if role == Role::ModelOwner {
                file.check_weights(&weights)?;
            }
            let store = CounterStore::open_material(&state_directory, contents.batch, role)?;
            let grants = CounterStore::open_material(&state_directory, contents.weight_grant, role)?;
            if rotate_weights {
                return Err(SessionError::Misuse(
                    "weights that files mask have the mask of the files: deal again for a fresh one".to_owned(),
                ));
            }
            let part = match file.weight_seed() {
                Some(seed) => Part::Dealt(seed, weights),
                None => kept(Address::new(&program.identity, &peer.fingerprint, Err(contents.weight_grant)))?,
            };
            let mut peer = meet()?;
            progress.event(ProgressEvent::Connected);
            let agreement = material::agree(&mut peer, &file, program, (&own, at_once), (&store, grants))?;
            ready(&mut peer, &agreement);
            material::check(&mut peer, &mut file, &agreement)?;
            let mut file = MaterialLink::new(file);
            let spill = spill.clone();
            let session = Session { program, agreement, part, store: &store, spill, ahead, progress };
            let done = converse(&mut peer, &mut file, own, session)?;
            finish(peer)?;
            Ok(done)
        }
    }
}

/// Ends a link whose work is done. That the other end said goodbye first, so that the last heartbeat found nobody, is
/// no failure.
pub(crate) fn finish(link: Link) -> Result<(), LinkError> {
    match link.close() {
        Err(LinkError::Closed { .. }) => Ok(()),
        other => other,
    }
}

/// Bytes of the largest message of a hop that this role sends.
fn largest_message(program: &RoleProgram) -> u64 {
    let code = program.code.code();
    let sent = code.steps.iter().map(|step| message::message_len(&step.exchange.send, &code.lengths));
    sent.max().unwrap_or(0) as u64
}

/// Bytes of the message of the setup that this role receives.
fn setup_message(program: &RoleProgram) -> usize {
    let code = program.code.code();
    message::message_len(&code.setup.exchange.receive, &code.lengths)
}

/// What the parties agreed on, with the dealer or beside their files.
pub(crate) struct Agreement {
    pub(crate) batch: BatchId,
    pub(crate) seed: SessionSeed,
    pub(crate) inferences: u64,
    /// Inferences that share hops.
    pub(crate) at_once: u64,
    /// Index of the first inference.
    pub(crate) start: u64,
    pub(crate) setup: SetupRule,
}

/// Compares programs with both other roles, takes the dealer's grant, and confirms the session with the peer.
pub(crate) fn agree(
    peer: &mut dyn Duplex,
    dealer: &mut dyn Duplex,
    program: &RoleProgram,
    own: &Own<'_>,
    at_once: u64,
) -> Result<Agreement, SessionError> {
    let role = program.code.code().role;
    let (asked, other) = own.asked(at_once);
    let hello = Hello::new(role, program.identity)?;
    // A role that found a difference has left: its hello, which says why, is read before a failed send counts.
    let sent = hello.send(dealer).and(hello.send(peer));
    let dealer_nonce = hello.receive_matching(dealer, Role::Dealer)?;
    let peer_nonce = hello.receive_matching(peer, other)?;
    sent?;
    let (batch, seed) = handshake::receive_grant(dealer)?;
    let (first, second) = match role {
        Role::ModelOwner => (&hello.nonce, &peer_nonce),
        _ => (&peer_nonce, &hello.nonce),
    };
    let session = SessionDigest::new(&program.identity, first, second, &dealer_nonce, batch);
    dealer.set_session(session.tag());
    let theirs = handshake::confirm(peer, &session, batch, asked)?;
    peer.set_session(session.tag());
    let Wanted { inferences, at_once } = served(own, at_once, theirs)?;
    Ok(Agreement { batch, seed, inferences, at_once, start: 0, setup: SetupRule::Once })
}

/// What follows of what the data owner asks for and the model owner serves at most. Each party looks.
pub(crate) fn served(own: &Own<'_>, at_once: u64, theirs: Wanted) -> Result<Wanted, SessionError> {
    let (ours, _) = own.asked(at_once);
    let (asked, most) = match own {
        Own::Weights { .. } => (theirs, ours),
        Own::Inputs(_) => (ours, theirs),
    };
    for (what, option, asked, most) in [
        ("inferences", "--max-inferences", asked.inferences, most.inferences.min(NO_FURTHER - 1)),
        ("inferences at a time", "--batch", asked.at_once, most.at_once),
    ] {
        if !(1..=most).contains(&asked) {
            return Err(SessionError::MoreThanServed { what, option, asked, most });
        }
    }
    Ok(asked)
}

/// A session that both parties agreed on.
pub(crate) struct Session<'a> {
    pub(crate) program: &'a RoleProgram,
    pub(crate) agreement: Agreement,
    pub(crate) part: Part,
    pub(crate) store: &'a CounterStore,
    /// Where a file for a large program's corrections is made.
    pub(crate) spill: Option<PathBuf>,
    pub(crate) ahead: bool,
    pub(crate) progress: &'a dyn Progress,
}

/// The session after agreement.
pub(crate) fn converse(
    peer: &mut dyn Duplex,
    dealer: &mut dyn Duplex,
    own: Own<'_>,
    session: Session<'_>,
) -> Result<(Vec<Vec<OutputWords>>, RoleReport), SessionError> {
    let Session { program, agreement, part, store, spill, ahead, progress } = session;
    let Agreement { batch, seed, inferences, at_once, start: first_index, setup } = agreement;
    let (weights, mut inputs) = match own {
        Own::Weights { weights, .. } => (weights, None),
        Own::Inputs(inputs) => (Vec::new(), Some(inputs)),
    };
    let names = Names { peer: peer.peer().to_owned(), dealer: dealer.peer().to_owned() };
    let role = program.code.code().role;
    let mut party = Party::new(Arc::clone(&program.code), Arc::clone(&program.executor), weights, seed)
        .map_err(|e| names.blame(e))?;
    if let Some(directory) = spill {
        let make_store = move || Ok(Box::new(UnnamedFile::new(&directory)?) as Box<dyn BitStore>);
        party.keep_large_in(Box::new(make_store), CORRECTIONS_IN_MEMORY);
    }
    let mut report = RoleReport {
        role: if role == Role::ModelOwner { "model-owner" } else { "data-owner" }.to_owned(),
        hops: party.hops() as u64,
        batch: at_once,
        ..RoleReport::default()
    };

    progress.event(ProgressEvent::Setup);
    let start = Instant::now();
    peer.set_phase(Phase::Setup);
    dealer.set_phase(Phase::Setup);
    let ends = Ends { peer, dealer, names: &names, progress };
    let Done { model, kept } = set_up(ends, &mut party, part, (&setup, store, batch))?;
    report.setup_kept = kept;
    report.setup_seconds = start.elapsed().as_secs_f64();
    report.setup_bytes_sent = peer.counters().phase(Phase::Setup).payload_sent;
    report.setup_bytes_received = peer.counters().phase(Phase::Setup).payload_received;
    report.setup_correction_bytes = dealer.counters().phase(Phase::Setup).payload_received;

    let mut outputs = Vec::new();
    let supplier = Supplier { dealer, party: &party, names: &names, first_index };
    let dealer = std::thread::scope(|scope| {
        let after = |number: u64| number..inferences.min(number + at_once);
        let mut idle = Some(supplier);
        let mut working = None;
        for first in (0..inferences).step_by(usize::try_from(at_once).unwrap_or(usize::MAX)) {
            let numbers = after(first);
            let (size, index) = (numbers.end - first, first_index + first);
            progress.event(ProgressEvent::Offline { inference: first + 1, of: Some(inferences) });
            let start = Instant::now();
            let (supplier, made) = match (working.take(), idle.take()) {
                (Some(thread), _) => joined(thread)?,
                (None, Some(supplier)) => supplier.make(numbers.clone())?,
                (None, None) => return Err(SessionError::Bug("nobody supplies material".to_owned())),
            };
            let made_after = start.elapsed();
            let encoded = inputs.as_mut().map(|inputs| numbers.clone().map(|number| inputs.encode(number)).collect());
            let given: Vec<Vec<Vec<u64>>> = encoded.transpose()?.unwrap_or_default();
            let start = Instant::now();
            peer.set_phase(Phase::Handshake);
            let theirs = handshake::ready(peer, index, &model)?;
            if theirs != index {
                let peer = &names.peer;
                let what = format!("{peer} uses the correlations of index {theirs} where ours are of {index}");
                return Err(SessionError::MaterialUsed(what));
            }
            store.claim_all(batch, index..=index + size - 1)?;
            let offline_seconds = (made_after + start.elapsed()).as_secs_f64();

            let next = after(numbers.end);
            if ahead && !next.is_empty() {
                working = Some(scope.spawn(move || supplier.make(next)));
            } else {
                idle = Some(supplier);
            }
            peer.set_phase(Phase::Online);
            let before = peer.counters().phase(Phase::Online);
            let start = Instant::now();
            outputs.extend(online(peer, &party, made.materials, given, &names, first, inferences, progress)?);
            let online_seconds = start.elapsed().as_secs_f64();
            let after = peer.counters().phase(Phase::Online);
            let one = InferenceMeasurement {
                online_bytes_sent: (after.payload_sent - before.payload_sent) / size,
                online_bytes_received: (after.payload_received - before.payload_received) / size,
                offline_bytes: made.bytes / size,
                offline_seconds: offline_seconds / size as f64,
                online_seconds: online_seconds / size as f64,
            };
            report.inferences.extend((0..size).map(|_| one));
        }
        let supplier = idle.ok_or_else(|| SessionError::Bug("a supplier is still at work".to_owned()))?;
        request(supplier.dealer, NO_FURTHER)?;
        Ok(supplier.dealer)
    })?;
    let framing = |link: &dyn Duplex| link.counters().total().framing_sent();
    report.wire_overhead_bytes = framing(peer) + framing(dealer);
    report.peak_rss_bytes = peak_rss_bytes();
    progress.event(ProgressEvent::Finished);
    Ok((outputs, report))
}

fn request(dealer: &mut dyn Duplex, index: u64) -> Result<(), SessionError> {
    dealer.set_phase(Phase::Handshake);
    Ok(dealer.send(kind::REQUEST, index.to_le_bytes().to_vec())?)
}

/// Makes material from the dealer's stream, on the session's thread or beside it.
struct Supplier<'a> {
    dealer: &'a mut dyn Duplex,
    party: &'a Party,
    names: &'a Names,
    /// Index of the session's first inference.
    first_index: u64,
}

/// Material of a batch.
struct Made {
    materials: Vec<Material>,
    /// Of corrections.
    bytes: u64,
}

impl<'a> Supplier<'a> {
    /// Asks for all of a batch at once, so that the dealer need not wait. `numbers` are counted within the session.
    fn make(self, numbers: Range<u64>) -> Result<(Self, Made), SessionError> {
        let indices = self.first_index + numbers.start..self.first_index + numbers.end;
        for index in indices.clone() {
            request(self.dealer, index)?;
        }
        self.dealer.set_phase(Phase::Offline);
        let before = self.dealer.counters().phase(Phase::Offline).payload_received;
        let mut materials = Vec::new();
        for index in indices {
            let one = |corrections: &mut dyn io::Read| self.party.offline(index, corrections);
            materials.push(with_corrections(self.dealer, kind::CORRECTIONS, self.names, one)?);
        }
        let bytes = self.dealer.counters().phase(Phase::Offline).payload_received - before;
        Ok((self, Made { materials, bytes }))
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, SessionError>>) -> Result<T, SessionError> {
    // The panic hook has reported a panic.
    thread.join().unwrap_or_else(|_| Err(SessionError::Bug("making material panicked".to_owned())))
}

/// The online phase of inferences that share hops: in every hop, all of them in order.
#[expect(clippy::too_many_arguments, reason = "what a batch needs and where it stands")]
fn online(
    peer: &mut dyn Duplex,
    party: &Party,
    materials: Vec<Material>,
    mut inputs: Vec<Vec<Vec<u64>>>,
    names: &Names,
    first: u64,
    inferences: u64,
    progress: &dyn Progress,
) -> Result<Vec<Vec<OutputWords>>, SessionError> {
    let blame = |error| names.blame(error);
    inputs.resize(materials.len(), Vec::new());
    let members = materials.into_iter().zip(inputs).map(|(material, inputs)| party.online(material, inputs));
    let mut members = members.collect::<Result<Vec<_>, _>>().map_err(blame)?;
    let (hops, count) = (party.hops(), members.len());
    let bytes = |hop: usize| if hop < hops { party.hop_bytes(hop) } else { (0, 0) };
    let due = |hop: usize| hop.checked_sub(1).map_or(0, |before| count * bytes(before).1);
    let mut messages = Hops::new(peer);
    for hop in 0..hops {
        messages.begin(due(hop), count * bytes(hop).0);
        for member in &mut members {
            member.step(hop, &mut messages).map_err(blame)?;
        }
        messages.end()?;
        progress.event(ProgressEvent::Hop { hop: hop + 1, of: hops, inference: first + 1, inferences });
        // Several inferences would hold it at the same time, and overlap anyway.
        if let [alone] = members.as_mut_slice() {
            alone.prepare().map_err(blame)?;
        }
    }
    messages.begin(due(hops), 0);
    let outputs = members.into_iter().map(|member| member.finish(&mut messages).map_err(blame));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    messages.end()?;
    Ok(outputs)
}
