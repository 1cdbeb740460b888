//! A party's session: connect, agree, set up once, then offline and online for every inference.
//!
//! Both parties run this same sequence; they differ in their code, in what they own and in who counts the inferences.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpcc_channel::{Duplex, Identity, Link, LinkError, LinkOptions, Listener, Peer, Phase, connect};
use mpcc_program::code::{MapExecutor, Role};
use mpcc_protocols::{CheckedCode, OutputWords, Party, ProtocolError, SessionSeed};

use crate::counter_store::{BatchId, CounterStore};
use crate::error::SessionError;
use crate::handshake::{self, Hello, ProgramIdentity, SessionDigest};
use crate::material::{self, MaterialFile, MaterialLink};
use crate::measure::{InferenceMeasurement, RoleReport, peak_rss_bytes};
use crate::progress::{Progress, ProgressEvent};
use crate::transfer::{CorrectionReader, exchange, kind};

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
    /// Asks for the next inference's corrections while one is online.
    pub ahead: bool,
}

/// What a party owns.
pub(crate) enum Own {
    /// The model owner's encoded weights, and how many inferences it serves at most.
    Weights { weights: Vec<Vec<u64>>, most_inferences: Option<u64> },
    /// The data owner's encoded inputs, one list per inference.
    Inputs(Vec<Vec<Vec<u64>>>),
}

impl Own {
    /// Inferences that this party asks for, and the other party.
    pub(crate) fn asked(&self) -> (u64, Role) {
        match self {
            Own::Weights { .. } => (0, Role::DataOwner),
            Own::Inputs(inputs) => (inputs.len() as u64, Role::ModelOwner),
        }
    }
}

/// Corrections of the next inference that a party takes while one is online.
const AHEAD_BYTES: u64 = 256 << 20;

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
    own: Own,
    progress: &dyn Progress,
) -> Result<(Vec<Vec<OutputWords>>, RoleReport), SessionError> {
    let PartyConfig { identity, peer, peer_endpoint, peer_link, supply, patience, state_directory, ahead } = config;
    let meet = || match &peer_endpoint {
        Endpoint::Listen(listener) => listener.accept(&identity, &peer, &peer_link),
        Endpoint::Connect(address) => connect(address, &identity, &peer, &peer_link),
    };
    match supply {
        Supply::Dealer { peer: dealer, address, mut link } => {
            let store = CounterStore::open(&state_directory, &peer.fingerprint, &dealer.fingerprint)?;
            if ahead {
                link.queue_bytes = link.queue_bytes.max(AHEAD_BYTES);
            }
            let mut dealer = connect(&address, &identity, &dealer, &link)?;
            let mut peer = meet()?;
            progress.event(ProgressEvent::Connected);
            let agreement = agree(&mut peer, &mut dealer, program, &own)?;
            peer.set_idle_timeout(patience);
            dealer.set_idle_timeout(patience);
            let done = converse(&mut peer, &mut dealer, program, own, agreement, &store, ahead, progress)?;
            finish(dealer)?;
            finish(peer)?;
            Ok(done)
        }
        Supply::File(mut file) => {
            let role = program.code.code().role;
            let store = CounterStore::open_material(&state_directory, file.contents().batch, role)?;
            let mut peer = meet()?;
            progress.event(ProgressEvent::Connected);
            let agreement = material::agree(&mut peer, &file, program, &own, &store)?;
            peer.set_idle_timeout(patience);
            material::check(&mut peer, &mut file, &agreement)?;
            let mut file = MaterialLink::new(file);
            let done = converse(&mut peer, &mut file, program, own, agreement, &store, ahead, progress)?;
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

/// What the parties agreed on, with the dealer or beside their files.
pub(crate) struct Agreement {
    pub(crate) batch: BatchId,
    pub(crate) seed: SessionSeed,
    pub(crate) inferences: u64,
    /// Index of the first inference.
    pub(crate) start: u64,
    pub(crate) setup: SetupRule,
}

/// When a batch may be set up.
#[derive(Clone, Copy)]
pub(crate) enum SetupRule {
    /// If it never was.
    Once,
    /// If the messages are those of every earlier time.
    Alike {
        /// Hash of the message that the peer has on record.
        at_peer: Option<[u8; 32]>,
    },
}

impl SetupRule {
    /// Records the setup before its message is sent.
    fn claim(self, store: &CounterStore, batch: BatchId, sent: &blake3::Hash) -> Result<(), SessionError> {
        match self {
            SetupRule::Once => store.begin(batch)?,
            SetupRule::Alike { at_peer } => {
                if at_peer.is_some_and(|known| known != *sent.as_bytes()) {
                    let what = format!("the other party has another masked model of batch {batch} on record");
                    return Err(SessionError::MaterialUsed(what));
                }
                store.begin_again(batch, sent.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Records the peer's message.
    fn arrived(self, store: &CounterStore, batch: BatchId, received: &blake3::Hash) -> Result<(), SessionError> {
        match self {
            SetupRule::Once => Ok(()),
            SetupRule::Alike { .. } => Ok(store.arrived_again(batch, received.as_bytes())?),
        }
    }
}

/// Compares programs with both other roles, takes the dealer's grant, and confirms the session with the peer.
pub(crate) fn agree(
    peer: &mut dyn Duplex,
    dealer: &mut dyn Duplex,
    program: &RoleProgram,
    own: &Own,
) -> Result<Agreement, SessionError> {
    let role = program.code.code().role;
    let (asked, other) = own.asked();
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
    let inferences = served(peer, own, theirs)?;
    Ok(Agreement { batch, seed, inferences, start: 0, setup: SetupRule::Once })
}

/// How many inferences follow, where the peer asks for `theirs`.
pub(crate) fn served(peer: &dyn Duplex, own: &Own, theirs: u64) -> Result<u64, SessionError> {
    match own {
        Own::Inputs(inputs) => Ok(inputs.len() as u64),
        Own::Weights { most_inferences, .. } => {
            let limit = most_inferences.unwrap_or(NO_FURTHER - 1);
            if theirs == 0 || theirs > limit {
                return Err(SessionError::Incompatible {
                    peer: peer.peer().to_owned(),
                    what: "number of inferences",
                    ours: format!("1 to {limit}"),
                    theirs: theirs.to_string(),
                });
            }
            Ok(theirs)
        }
    }
}

/// The session after agreement.
#[expect(clippy::too_many_arguments, reason = "two links and everything that passes between them")]
pub(crate) fn converse(
    peer: &mut dyn Duplex,
    dealer: &mut dyn Duplex,
    program: &RoleProgram,
    own: Own,
    agreement: Agreement,
    store: &CounterStore,
    ahead: bool,
    progress: &dyn Progress,
) -> Result<(Vec<Vec<OutputWords>>, RoleReport), SessionError> {
    let Agreement { batch, seed, inferences, start: first, setup } = agreement;
    let (weights, mut inputs) = match own {
        Own::Weights { weights, .. } => (weights, Vec::new().into_iter()),
        Own::Inputs(inputs) => (Vec::new(), inputs.into_iter()),
    };
    let names = (peer.peer().to_owned(), dealer.peer().to_owned());
    let blame = |error: ProtocolError| SessionError::from_protocol(error, &names.0, &names.1);
    let role = program.code.code().role;
    let mut party =
        Party::new(Arc::clone(&program.code), Arc::clone(&program.executor), weights, seed).map_err(blame)?;
    let mut report = RoleReport {
        role: if role == Role::ModelOwner { "model-owner" } else { "data-owner" }.to_owned(),
        hops: party.hops() as u64,
        ..RoleReport::default()
    };

    progress.event(ProgressEvent::Setup);
    let start = Instant::now();
    peer.set_phase(Phase::Setup);
    dealer.set_phase(Phase::Setup);
    let records = SetupRecords {
        claim: &|sent| setup.claim(store, batch, sent),
        arrived: &|received| setup.arrived(store, batch, received),
    };
    let model = set_up(peer, dealer, &mut party, role, records, &blame)?;
    report.setup_seconds = start.elapsed().as_secs_f64();
    report.setup_bytes_sent = peer.counters().phase(Phase::Setup).payload_sent;
    report.setup_bytes_received = peer.counters().phase(Phase::Setup).payload_received;
    report.setup_correction_bytes = dealer.counters().phase(Phase::Setup).payload_received;

    let request = |dealer: &mut dyn Duplex, index: u64| {
        dealer.set_phase(Phase::Handshake);
        dealer.send(kind::REQUEST, index.to_le_bytes().to_vec())
    };
    request(dealer, first)?;
    let mut outputs = Vec::new();
    for number in 0..inferences {
        let index = first + number;
        progress.event(ProgressEvent::Offline { inference: number + 1, of: Some(inferences) });
        let start = Instant::now();
        let offline_before = dealer.counters().phase(Phase::Offline).payload_received;
        dealer.set_phase(Phase::Offline);
        let material = with_corrections(dealer, kind::CORRECTIONS, &blame, |c| party.offline(index, c))?;
        let offline_bytes = dealer.counters().phase(Phase::Offline).payload_received - offline_before;
        peer.set_phase(Phase::Handshake);
        let theirs = handshake::ready(peer, index, &model)?;
        if theirs != index {
            let what = format!("{} uses the correlations of index {theirs} where ours are of {index}", names.0);
            return Err(SessionError::MaterialUsed(what));
        }
        store.claim(batch, index, theirs)?;
        let offline_seconds = start.elapsed().as_secs_f64();

        let more = number + 1 < inferences;
        if ahead && more {
            request(dealer, index + 1)?;
        }
        peer.set_phase(Phase::Online);
        let before = peer.counters().phase(Phase::Online);
        let start = Instant::now();
        let mut online = party.online(material, inputs.next().unwrap_or_default()).map_err(blame)?;
        let hops = report.hops as usize;
        for hop in 0..hops {
            online.lend(peer.buffer());
            let message = online.step(hop).map_err(blame)?;
            let expected = online.incoming_bytes();
            let theirs = exchange(peer, kind::HOP, message, expected)?;
            online.receive(hop, &theirs).map_err(blame)?;
            peer.recycle(theirs);
            progress.event(ProgressEvent::Hop { hop: hop + 1, of: hops, inference: number + 1, inferences });
        }
        outputs.push(online.finish().map_err(blame)?);
        let online_seconds = start.elapsed().as_secs_f64();
        let after = peer.counters().phase(Phase::Online);
        report.inferences.push(InferenceMeasurement {
            online_bytes_sent: after.payload_sent - before.payload_sent,
            online_bytes_received: after.payload_received - before.payload_received,
            offline_bytes,
            offline_seconds,
            online_seconds,
        });
        if !ahead || !more {
            request(dealer, if more { index + 1 } else { NO_FURTHER })?;
        }
    }
    let framing = |link: &dyn Duplex| link.counters().total().framing_sent();
    report.wire_overhead_bytes = framing(peer) + framing(dealer);
    report.peak_rss_bytes = peak_rss_bytes();
    progress.event(ProgressEvent::Finished);
    Ok((outputs, report))
}

/// What is put on record of a setup.
struct SetupRecords<'a> {
    /// Before anything masked is sent, with the hash of the message.
    claim: &'a dyn Fn(&blake3::Hash) -> Result<(), SessionError>,
    /// When the peer's message has arrived, with its hash.
    arrived: &'a dyn Fn(&blake3::Hash) -> Result<(), SessionError>,
}

/// The setup; returns the hash of the masked model, which both parties hold.
fn set_up(
    peer: &mut dyn Duplex,
    dealer: &mut dyn Duplex,
    party: &mut Party,
    role: Role,
    records: SetupRecords<'_>,
    blame: &dyn Fn(ProtocolError) -> SessionError,
) -> Result<blake3::Hash, SessionError> {
    let (_, expected) = party.setup_bytes();
    with_corrections(dealer, kind::SETUP_CORRECTIONS, blame, |corrections| {
        let message = party.setup_message(corrections)?;
        let sent = blake3::hash(&message);
        (records.claim)(&sent).map_err(io::Error::other)?;
        let theirs = exchange(peer, kind::SETUP, message, expected).map_err(io::Error::other)?;
        let received = blake3::hash(&theirs);
        (records.arrived)(&received).map_err(io::Error::other)?;
        party.setup_receive(theirs, corrections)?;
        let (first, second) = if role == Role::ModelOwner { (sent, received) } else { (received, sent) };
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 masked model");
        hasher.update(first.as_bytes()).update(second.as_bytes());
        Ok(hasher.finalize())
    })
}

/// Runs `work` on the dealer's stream, of which it reads what the code receives, and checks that it was used up.
fn with_corrections<T>(
    dealer: &mut dyn Duplex,
    kind: u8,
    blame: &dyn Fn(ProtocolError) -> SessionError,
    work: impl FnOnce(&mut dyn io::Read) -> Result<T, ProtocolError>,
) -> Result<T, SessionError> {
    let mut reader = CorrectionReader::new(dealer, kind);
    let done = work(&mut reader).map_err(blame)?;
    reader.finish()?;
    Ok(done)
}
