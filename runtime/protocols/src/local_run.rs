//! All three roles in one process in lock step, for tests, goldens and simulation.
//!
//! **Insecure by construction**: one process knows both seeds, the weights and the input.

use std::sync::Arc;

use mpcc_program::code::{MapExecutor, Packed};

use crate::error::{Moment, ProtocolError};
use crate::message;
use crate::verify::CheckedCode;
use crate::{Dealer, InMemory, OutputWords, Party, SessionSeed};

/// One role's code and what runs its maps.
#[derive(Clone)]
pub struct RoleInProcess {
    /// Verified code.
    pub code: Arc<CheckedCode>,
    /// Runs its maps.
    pub executor: Arc<dyn MapExecutor>,
}

/// The three roles of one program.
#[derive(Clone)]
pub struct Trio {
    /// Party 0.
    pub model_owner: RoleInProcess,
    /// Party 1.
    pub data_owner: RoleInProcess,
    /// The dealer.
    pub dealer: RoleInProcess,
}

/// What is run on.
pub struct InsecureInputs<'a> {
    /// The model owner's encoded weights.
    pub weights: Vec<Vec<u64>>,
    /// The data owner's encoded inputs, one list per inference.
    pub inputs: &'a [Vec<Vec<u64>>],
    /// The seed the dealer would give the model owner.
    pub model_owner_seed: [u8; 16],
    /// The seed the dealer would give the data owner.
    pub data_owner_seed: [u8; 16],
    /// Keeps every message in [`InferenceRecord::hops`].
    pub record: bool,
}

/// What happened in all.
pub struct LocalRun {
    /// Payload bytes of the setup that the model owner sent.
    pub model_owner_setup_bytes: u64,
    /// Payload bytes of the setup that the data owner sent.
    pub data_owner_setup_bytes: u64,
    /// Bytes of corrections for the setup.
    pub setup_correction_bytes: u64,
    /// One record per inference.
    pub inferences: Vec<InferenceRecord>,
}

/// What happened in one inference.
pub struct InferenceRecord {
    /// What the data owner learns.
    pub outputs: Vec<OutputWords>,
    /// Number of hops.
    pub hops: usize,
    /// Online payload bytes that the model owner sent.
    pub model_owner_bytes: u64,
    /// Online payload bytes that the data owner sent.
    pub data_owner_bytes: u64,
    /// Bytes of the data owner's corrections.
    pub correction_bytes: u64,
    /// Bytes of the model owner's corrections.
    pub model_owner_correction_bytes: u64,
    /// Both messages of every hop, if they were to be recorded.
    pub messages: Vec<HopMessages>,
}

/// The messages of one hop as words: one vector per packed buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopMessages {
    /// From the model owner.
    pub model_owner: Vec<SentWords>,
    /// From the data owner.
    pub data_owner: Vec<SentWords>,
}

/// One packed buffer of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentWords {
    /// Width of the words.
    pub bits: u8,
    /// The words.
    pub words: Vec<u64>,
}

/// Runs setup and every inference of `given` in this process.
///
/// # Errors
/// As [`Party`] and [`Dealer`]; code that does not fit together shows as a message or stream of the wrong length.
pub fn run_insecurely_in_one_process(trio: &Trio, given: InsecureInputs<'_>) -> Result<LocalRun, ProtocolError> {
    let seeds = (given.model_owner_seed, given.data_owner_seed);
    let (model, data, deal) = (&trio.model_owner, &trio.data_owner, &trio.dealer);
    let mut dealer = Dealer::new(Arc::clone(&deal.code), Arc::clone(&deal.executor), take(seeds.0), take(seeds.1))?;
    let mut p0 = Party::new(Arc::clone(&model.code), Arc::clone(&model.executor), given.weights, take(seeds.0))?;
    let mut p1 = Party::new(Arc::clone(&data.code), Arc::clone(&data.executor), Vec::new(), take(seeds.1))?;

    let mut corrections = Vec::new();
    dealer.setup(&mut corrections)?;
    let mut stream = corrections.as_slice();
    let from_p0 = p0.setup_message(&mut [].as_slice())?;
    let from_p1 = p1.setup_message(&mut stream)?;
    let setup_bytes = [&from_p0, &from_p1].map(|message| message.len() as u64);
    p0.setup_receive(from_p1, &mut [].as_slice())?;
    p1.setup_receive(from_p0, &mut stream)?;
    used_up(stream)?;
    let mut run = LocalRun {
        model_owner_setup_bytes: setup_bytes[0],
        data_owner_setup_bytes: setup_bytes[1],
        setup_correction_bytes: corrections.len() as u64,
        inferences: Vec::new(),
    };
    for (index, inputs) in (0u64..).zip(given.inputs) {
        corrections.clear();
        let mut for_p0 = Vec::new();
        dealer.inference(index, &mut for_p0, &mut corrections)?;
        let (mut stream, mut stream_p0) = (corrections.as_slice(), for_p0.as_slice());
        let m0 = p0.offline(index, &mut stream_p0)?;
        used_up(stream_p0)?;
        let m1 = p1.offline(index, &mut stream)?;
        used_up(stream)?;
        let hops = p0.hops().max(p1.hops());
        let mut record = InferenceRecord {
            outputs: Vec::new(),
            hops,
            model_owner_bytes: 0,
            data_owner_bytes: 0,
            correction_bytes: corrections.len() as u64,
            model_owner_correction_bytes: for_p0.len() as u64,
            messages: Vec::new(),
        };
        let mut o0 = p0.online(m0, Vec::new())?;
        let mut o1 = p1.online(m1, inputs.clone())?;
        let (mut from_p0, mut from_p1) = (Vec::new(), Vec::new());
        for h in 0..hops {
            let mut at_p0 = InMemory { incoming: &from_p1, outgoing: Vec::new() };
            let mut at_p1 = InMemory { incoming: &from_p0, outgoing: Vec::new() };
            o0.step(h, &mut at_p0)?;
            o1.step(h, &mut at_p1)?;
            used_up(at_p0.incoming)?;
            used_up(at_p1.incoming)?;
            (from_p0, from_p1) = (at_p0.outgoing, at_p1.outgoing);
            record.model_owner_bytes += from_p0.len() as u64;
            record.data_owner_bytes += from_p1.len() as u64;
            if given.record {
                record.messages.push(HopMessages {
                    model_owner: words_of(&model.code, h, &from_p0)?,
                    data_owner: words_of(&data.code, h, &from_p1)?,
                });
            }
        }
        o0.finish(&mut InMemory { incoming: &from_p1, outgoing: Vec::new() })?;
        record.outputs = o1.finish(&mut InMemory { incoming: &from_p0, outgoing: Vec::new() })?;
        run.inferences.push(record);
    }
    Ok(run)
}

impl HopMessages {
    /// Sums of both parties' words where both sent a buffer of the same width and length at the same place: the opened wires.
    pub fn opened(&self) -> Vec<SentWords> {
        let pairs = self.model_owner.iter().zip(&self.data_owner);
        let same = pairs.filter(|(a, b)| a.bits == b.bits && a.words.len() == b.words.len());
        let sums = same.map(|(a, b)| SentWords {
            bits: a.bits,
            words: a
                .words
                .iter()
                .zip(&b.words)
                .map(|(x, y)| x.wrapping_add(*y) & (u64::MAX >> (64 - a.bits)))
                .collect(),
        });
        sums.collect()
    }
}

fn words_of(code: &CheckedCode, h: usize, bytes: &[u8]) -> Result<Vec<SentWords>, ProtocolError> {
    let parts: &[Packed] = code.code().steps.get(h).map_or(&[], |s| &s.exchange.send);
    let words = message::decode(parts, &code.code().lengths, bytes, Moment::Hop(h))?;
    Ok(parts.iter().zip(words).map(|(p, words)| SentWords { bits: p.bits, words }).collect())
}

fn take(mut bytes: [u8; 16]) -> SessionSeed {
    SessionSeed::take(&mut bytes)
}

fn used_up(stream: &[u8]) -> Result<(), ProtocolError> {
    match stream.len() {
        0 => Ok(()),
        got => Err(ProtocolError::MessageLength { at: Moment::Correction, expected: 0, got }),
    }
}
