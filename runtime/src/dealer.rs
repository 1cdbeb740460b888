//! The dealer's session: it grants a batch with fresh seeds, is granted the mask of the weights, and streams corrections for
//! what both parties ask.
//!
//! It knows the program's code, hence shapes, and the order of requests; it has no weight, no input, no link
//! key of the parties and no message of theirs.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpcc_channel::{Duplex, Identity, LinkOptions, Listener, Peer, Phase};
use mpcc_program::code::Role;
use mpcc_protocols::{Dealer, SessionSeed};
use zeroize::Zeroizing;

use crate::counter_store::BatchId;
use crate::error::SessionError;
use crate::handshake::{Hello, SessionDigest, random, receive_weight_grant, send_grant};
use crate::measure::{InferenceMeasurement, RoleReport, peak_rss_bytes};
use crate::progress::{Progress, ProgressEvent};
use crate::session::{NO_FURTHER, RoleProgram, check_role, finish};
use crate::transfer::{CorrectionWriter, kind};

/// How long the parties may be busy with one inference; a dead one is noticed long before.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Everything the dealer needs besides its program.
#[derive(Debug)]
pub struct DealerConfig {
    /// Own key and certificate.
    pub identity: Identity,
    /// Party 0.
    pub model_owner: Peer,
    /// Party 1.
    pub data_owner: Peer,
    /// Where both connect.
    pub listener: Listener,
    /// Limits and shaping of the links.
    pub link: LinkOptions,
}

/// Serves one session, until both parties say that no further inference follows.
///
/// # Errors
/// [`SessionError`]
pub fn run(config: DealerConfig, program: &RoleProgram, progress: &dyn Progress) -> Result<RoleReport, SessionError> {
    check_role(program, Role::Dealer)?;
    let peers = [config.model_owner, config.data_owner];
    let mut links = config.listener.accept_all(&config.identity, &peers, &config.link)?;
    let (Some(mut data_owner), Some(mut model_owner)) = (links.pop(), links.pop()) else {
        return Err(SessionError::Bug("the listener returned too few links".to_owned()));
    };
    progress.event(ProgressEvent::Connected);
    let dealer = grant(&mut model_owner, &mut data_owner, program)?;
    model_owner.set_idle_timeout(PATIENCE);
    data_owner.set_idle_timeout(PATIENCE);
    let report = serve(&mut model_owner, &mut data_owner, dealer, progress)?;
    finish(data_owner)?;
    finish(model_owner)?;
    Ok(report)
}

/// Compares programs with both parties, gives each its seed, and takes the model owner's seed of the mask of the weights.
pub(crate) fn grant(
    model_owner: &mut dyn Duplex,
    data_owner: &mut dyn Duplex,
    program: &RoleProgram,
) -> Result<Dealer, SessionError> {
    let hello = Hello::new(Role::Dealer, program.identity)?;
    // As at the parties, a difference explains a failed send.
    let sent = hello.send(model_owner).and(hello.send(data_owner));
    let first = hello.receive_matching(model_owner, Role::ModelOwner)?;
    let second = hello.receive_matching(data_owner, Role::DataOwner)?;
    sent?;
    let batch = BatchId(random()?);
    let mut seeds = Zeroizing::new([random::<16>()?, random()?]);
    send_grant(model_owner, batch, &seeds[0])?;
    send_grant(data_owner, batch, &seeds[1])?;
    let session = SessionDigest::new(&program.identity, &first, &second, &hello.nonce, batch);
    model_owner.set_session(session.tag());
    data_owner.set_session(session.tag());
    let [for_model_owner, for_data_owner] = &mut *seeds;
    let (first, second) = (SessionSeed::take(for_model_owner), SessionSeed::take(for_data_owner));
    let (code, executor) = (Arc::clone(&program.code), Arc::clone(&program.executor));
    let mut dealer = Dealer::new(code, executor, first, second).map_err(blame)?;
    dealer.mask_weights_by(receive_weight_grant(model_owner)?);
    Ok(dealer)
}

/// The session after the grant.
pub(crate) fn serve(
    model_owner: &mut dyn Duplex,
    data_owner: &mut dyn Duplex,
    mut dealer: Dealer,
    progress: &dyn Progress,
) -> Result<RoleReport, SessionError> {
    progress.event(ProgressEvent::Setup);
    let mut report = RoleReport { role: "dealer".to_owned(), ..RoleReport::default() };
    let start = Instant::now();
    data_owner.set_phase(Phase::Setup);
    let mut stream = CorrectionWriter::new(data_owner, kind::SETUP_CORRECTIONS);
    dealer.setup(&mut stream).map_err(blame)?;
    stream.flush().map_err(|e| blame(e.into()))?;
    report.setup_seconds = start.elapsed().as_secs_f64();
    report.setup_correction_bytes = data_owner.counters().phase(Phase::Setup).payload_sent;
    data_owner.set_phase(Phase::Offline);
    model_owner.set_phase(Phase::Offline);
    let mut last = None;
    loop {
        let asked = (request(model_owner)?, request(data_owner)?);
        if asked.0 != asked.1 {
            let detail = format!("asks for inference {} where the model owner asks for {}", asked.1, asked.0);
            return Err(SessionError::Misbehaved { peer: data_owner.peer().to_owned(), detail });
        }
        let index = asked.0;
        if index == NO_FURTHER {
            break;
        }
        if last.is_some_and(|last| index <= last) {
            return Err(SessionError::MaterialUsed(format!("both parties ask for inference {index} again")));
        }
        last = Some(index);
        progress.event(ProgressEvent::Offline { inference: index.saturating_add(1), of: None });
        let start = Instant::now();
        let sent = |link: &dyn Duplex| link.counters().phase(Phase::Offline).payload_sent;
        let before = sent(model_owner) + sent(data_owner);
        let mut to_model_owner = CorrectionWriter::new(model_owner, kind::CORRECTIONS);
        let mut to_data_owner = CorrectionWriter::new(data_owner, kind::CORRECTIONS);
        dealer.inference(index, &mut to_model_owner, &mut to_data_owner).map_err(blame)?;
        to_model_owner.flush().and(to_data_owner.flush()).map_err(|e| blame(e.into()))?;
        report.inferences.push(InferenceMeasurement {
            offline_bytes: sent(model_owner) + sent(data_owner) - before,
            offline_seconds: start.elapsed().as_secs_f64(),
            ..InferenceMeasurement::default()
        });
    }
    let framing = |link: &dyn Duplex| link.counters().total().framing_sent();
    report.wire_overhead_bytes = framing(model_owner) + framing(data_owner);
    report.peak_rss_bytes = peak_rss_bytes();
    progress.event(ProgressEvent::Finished);
    Ok(report)
}

fn request(link: &mut dyn Duplex) -> Result<u64, SessionError> {
    let bytes = link.recv_exact(kind::REQUEST, 8)?;
    let mut index = [0; 8];
    index.copy_from_slice(&bytes);
    Ok(u64::from_le_bytes(index))
}

fn blame(error: mpcc_protocols::ProtocolError) -> SessionError {
    SessionError::from_protocol(error, "a party", "the dealer")
}
