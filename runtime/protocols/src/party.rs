//! A party as a state machine over bytes: setup once, then for every inference offline work, one step per hop, and the outputs.
//!
//! Material of an inference is a value that going online consumes, and a party makes it for rising indices only,
//! so no mask serves two inputs.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mpcc_program::code::{Exchange, Instr, MapExecutor, Owner, Role, Source};

use crate::engine::{
    self, Corrections, Environment, Executable, FIRST_STEP, OFFLINE, SETUP, SETUP_AFTER, StageSeeds, Weights,
};
use crate::error::{Moment, ProtocolError};
use crate::frame::{Arrived, Frame, Pool};
use crate::message;
use crate::seeds::{SessionSeed, StageSeed, WeightSeed};
use crate::stream::{InMemory, MakeStore, PeerStream};
use crate::verify::CheckedCode;

/// One of the two parties in a session. After the setup several threads may use it, each for other inferences.
pub struct Party {
    code: Arc<CheckedCode>,
    executor: Arc<dyn MapExecutor>,
    owner: Owner,
    seed: SessionSeed,
    /// Of the setup's streams.
    setup_seed: StageSeed,
    weights: Vec<Vec<u64>>,
    takes_weights: bool,
    /// The last step that loads an input.
    last_input: usize,
    /// Makes stores, and how many bytes of corrections stay in memory beside one.
    make_store: Option<(Box<MakeStore>, u64)>,
    setup: Frame,
    pool: Arc<Pool>,
    phase: Phase,
    next_index: AtomicU64,
    identity: Arc<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    SetupSent,
    Ready,
}

/// Everything one inference needs but the input. Going online consumes it.
pub struct Material {
    index: u64,
    seed: StageSeed,
    frame: Frame,
    identity: Arc<()>,
}

impl Material {
    /// The inference it belongs to.
    pub fn index(&self) -> u64 {
        self.index
    }
}

/// An inference between its input and its output.
pub struct Online<'p> {
    party: &'p Party,
    seed: StageSeed,
    frame: Frame,
    inputs: Vec<Vec<u64>>,
    step: usize,
}

/// The words of one output, each a signed integer modulo 2^bits.
#[derive(Clone, PartialEq, Eq)]
pub struct OutputWords {
    /// Index of the output in the program.
    pub output: u32,
    /// Width of the words.
    pub bits: u8,
    /// The words, reduced modulo 2^bits.
    pub words: Vec<u64>,
}

impl OutputWords {
    /// The words as signed integers.
    pub fn signed(&self) -> Vec<i64> {
        let shift = 64 - u32::from(self.bits);
        self.words.iter().map(|w| ((w << shift) as i64) >> shift).collect()
    }
}

impl Party {
    /// A party before its setup. `weights` are the model owner's encoded weights in the program's order; the data owner has none.
    ///
    /// # Errors
    /// Code of the dealer, or a weight of another length than the code loads.
    pub fn new(
        code: Arc<CheckedCode>,
        executor: Arc<dyn MapExecutor>,
        weights: Vec<Vec<u64>>,
        seed: SessionSeed,
    ) -> Result<Self, ProtocolError> {
        let owner = match code.code().role {
            Role::ModelOwner => Owner::ModelOwner,
            Role::DataOwner => Owner::DataOwner,
            Role::Dealer => {
                return Err(ProtocolError::WrongRole { expected: Role::ModelOwner, got: Role::Dealer });
            }
        };
        check_own_data(&code, &weights, "weight")?;
        let pool = Arc::new(Pool::default());
        let setup = Frame::new(code.code().lengths.len(), Arc::clone(&pool));
        let takes_weights = loads_each_weight_once(&code);
        let input = |instr: &Instr| matches!(instr, Instr::Load { source: Source::Input(_), .. });
        let last_input = code.code().steps.iter().rposition(|step| step.local.iter().any(input)).unwrap_or(0);
        Ok(Party {
            code,
            executor,
            owner,
            setup_seed: seed.setup(),
            seed,
            weights,
            takes_weights,
            last_input,
            make_store: None,
            setup,
            pool,
            phase: Phase::Fresh,
            next_index: AtomicU64::new(0),
            identity: Arc::new(()),
        })
    }

    /// Draws the mask of the weights from a seed of its own, before the setup; without it the mask is the session's. The
    /// data owner draws none.
    pub fn mask_weights_by(&mut self, seed: WeightSeed) {
        self.setup_seed = seed.setup();
    }

    /// Keeps the corrections of a large program, one that makes its words late, in stores outside of memory, but for the
    /// first `in_memory` bytes of each inference.
    pub fn keep_large_in(&mut self, make_store: Box<MakeStore>, in_memory: u64) {
        self.make_store = Some((make_store, in_memory));
    }

    /// Number of hops of an inference.
    pub fn hops(&self) -> usize {
        self.code.code().steps.len().saturating_sub(1)
    }

    /// Bytes of the setup's messages: sent and received.
    pub fn setup_bytes(&self) -> (usize, usize) {
        self.exchange_bytes(&self.code.code().setup.exchange)
    }

    /// Bytes of the messages of hop `h`: sent and received.
    pub fn hop_bytes(&self, h: usize) -> (usize, usize) {
        self.code.code().steps.get(h).map_or((0, 0), |s| self.exchange_bytes(&s.exchange))
    }

    fn exchange_bytes(&self, exchange: &Exchange) -> (usize, usize) {
        let lengths = &self.code.code().lengths;
        (message::message_len(&exchange.send, lengths), message::message_len(&exchange.receive, lengths))
    }

    /// First half of the setup: the message for the peer, empty if there is none.
    ///
    /// # Errors
    /// A second call, or a failing stream of corrections.
    pub fn setup_message(&mut self, corrections: &mut dyn Read) -> Result<Vec<u8>, ProtocolError> {
        if self.phase != Phase::Fresh {
            return Err(ProtocolError::OutOfOrder { called: "setup_message", expected: "the rest of the session" });
        }
        let mut peer = InMemory::default();
        self.run_setup(SETUP, corrections, &mut peer)?;
        self.phase = Phase::SetupSent;
        Ok(peer.outgoing)
    }

    /// First half of a setup whose message the peer holds already: makes what inferences need of it, and neither draws
    /// the mask nor packs anything.
    ///
    /// # Errors
    /// A second call, or code whose setup takes corrections.
    pub fn setup_sent_before(&mut self) -> Result<(), ProtocolError> {
        if self.phase != Phase::Fresh {
            return Err(ProtocolError::OutOfOrder { called: "setup_sent_before", expected: "the rest of the session" });
        }
        let (model_owner, data_owner) = own_seeds(self.owner, StageSeeds { setup: &self.setup_seed, inference: None });
        let weights = if self.takes_weights { Weights::Taken(&mut self.weights) } else { Weights::Kept(&self.weights) };
        let mut environment = Environment { inputs: &[], weights, model_owner, data_owner };
        let executable =
            Executable { code: self.code.code(), schedule: self.code.schedule(), executor: &*self.executor };
        engine::run_without_message(executable, &mut self.setup, &mut environment)?;
        self.phase = Phase::SetupSent;
        Ok(())
    }

    /// Second half of the setup: takes the peer's message, empty if there is none.
    ///
    /// # Errors
    /// A call before [`Party::setup_message`], a malformed message, or a failing stream of corrections.
    pub fn setup_receive(&mut self, bytes: Vec<u8>, corrections: &mut dyn Read) -> Result<(), ProtocolError> {
        if self.phase != Phase::SetupSent {
            return Err(ProtocolError::OutOfOrder { called: "setup_receive", expected: "setup_message" });
        }
        let checked = Arc::clone(&self.code);
        self.take_setup(bytes)?;
        engine::release(&checked.schedule().sections[SETUP].exchange, &mut self.setup);
        self.run_setup(SETUP_AFTER, corrections, &mut InMemory::default())?;
        if !inference_instrs(&checked).any(|i| matches!(i, Instr::Load { source: Source::Weight(_), .. })) {
            self.weights = Vec::new();
        }
        self.setup = self.setup.sharing(&checked.schedule().persistent);
        self.pool.trim();
        self.phase = Phase::Ready;
        Ok(())
    }

    /// Makes the material of inference `index`, reading the dealer's corrections for it. Other inferences may be online
    /// meanwhile.
    ///
    /// # Errors
    /// An index not above all earlier ones, a call before the setup is done, or a failing stream of corrections.
    pub fn offline(&self, index: u64, corrections: &mut dyn Read) -> Result<Material, ProtocolError> {
        if self.phase != Phase::Ready {
            return Err(ProtocolError::OutOfOrder { called: "offline", expected: "the setup" });
        }
        let seed = self.claim(index)?;
        let mut frame = self.setup.shared();
        if let Some((make_store, in_memory)) = self.make_store.as_ref().filter(|_| self.code.schedule().late) {
            frame.set_store(make_store().map_err(ProtocolError::Store)?, *in_memory);
        }
        let mut corrections = Corrections::Receive(corrections);
        self.run(OFFLINE, &seed, &mut frame, &[], &mut corrections, &mut InMemory::default())?;
        if self.code.schedule().late {
            self.pool.trim();
        }
        self.pool.reserve(self.code.reserve());
        Ok(Material { index, seed, frame, identity: Arc::clone(&self.identity) })
    }

    /// Starts the inference that `material` was made for. `inputs` are the data owner's encoded inputs in the program's order.
    ///
    /// # Errors
    /// Material of another party, or an input of another length than the code loads.
    pub fn online(&self, material: Material, inputs: Vec<Vec<u64>>) -> Result<Online<'_>, ProtocolError> {
        if !Arc::ptr_eq(&self.identity, &material.identity) {
            return Err(ProtocolError::MaterialUsed { index: material.index });
        }
        check_own_data(&self.code, &inputs, "input")?;
        Ok(Online { party: self, seed: material.seed, frame: material.frame, inputs, step: 0 })
    }

    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.pool.kept_bytes()
    }

    fn claim(&self, index: u64) -> Result<StageSeed, ProtocolError> {
        let used = ProtocolError::MaterialUsed { index };
        let Some(next) = index.checked_add(1) else { return Err(used) };
        match self.next_index.fetch_max(next, Ordering::AcqRel) {
            before if before <= index => Ok(self.seed.inference(index)),
            _ => Err(used),
        }
    }

    /// Runs a list of the setup.
    fn run_setup(
        &mut self,
        list: usize,
        corrections: &mut dyn Read,
        peer: &mut InMemory<'_>,
    ) -> Result<(), ProtocolError> {
        let (model_owner, data_owner) = own_seeds(self.owner, StageSeeds { setup: &self.setup_seed, inference: None });
        let weights = if self.takes_weights { Weights::Taken(&mut self.weights) } else { Weights::Kept(&self.weights) };
        let mut environment = Environment { inputs: &[], weights, model_owner, data_owner };
        let executable =
            Executable { code: self.code.code(), schedule: self.code.schedule(), executor: &*self.executor };
        let mut corrections = Corrections::Receive(corrections);
        engine::run(executable, list, &mut self.setup, &mut environment, &mut corrections, peer)
    }

    /// Runs a list of an inference.
    fn run(
        &self,
        list: usize,
        inference: &StageSeed,
        frame: &mut Frame,
        inputs: &[Vec<u64>],
        corrections: &mut Corrections<'_>,
        peer: &mut dyn PeerStream,
    ) -> Result<(), ProtocolError> {
        let (model_owner, data_owner) =
            own_seeds(self.owner, StageSeeds { setup: &self.setup_seed, inference: Some(inference) });
        let mut environment = Environment { inputs, weights: Weights::Kept(&self.weights), model_owner, data_owner };
        let executable =
            Executable { code: self.code.code(), schedule: self.code.schedule(), executor: &*self.executor };
        engine::run(executable, list, frame, &mut environment, corrections, peer)
    }

    fn prepare(&self, list: usize, inference: &StageSeed, frame: &mut Frame) -> Result<(), ProtocolError> {
        let (model_owner, data_owner) =
            own_seeds(self.owner, StageSeeds { setup: &self.setup_seed, inference: Some(inference) });
        let environment = Environment { model_owner, data_owner, ..Environment::default() };
        let executable =
            Executable { code: self.code.code(), schedule: self.code.schedule(), executor: &*self.executor };
        engine::prepare(executable, list, frame, &environment)
    }

    /// Takes the peer's message of the setup: as words, or as bits that words are made from.
    fn take_setup(&mut self, bytes: Vec<u8>) -> Result<(), ProtocolError> {
        let checked = Arc::clone(&self.code);
        let (exchange, at) = (&checked.code().setup.exchange, Moment::Setup);
        let lengths = &checked.code().lengths;
        if !checked.schedule().late {
            let words = message::decode(&exchange.receive, lengths, &bytes, at)?;
            for (part, words) in exchange.receive.iter().zip(words) {
                self.setup[part.buf.0 as usize] = words.into();
            }
            return Ok(());
        }
        let ranges = message::split(&exchange.receive, lengths, &bytes, at)?;
        let bytes = Arc::new(bytes);
        for (part, range) in exchange.receive.iter().zip(ranges) {
            self.setup.arrive(part.buf, Arrived::Here { bytes: Arc::clone(&bytes), range });
        }
        Ok(())
    }
}

/// A party holds its own seeds only: the model owner's, then the data owner's.
fn own_seeds(owner: Owner, seeds: StageSeeds<'_>) -> (Option<StageSeeds<'_>>, Option<StageSeeds<'_>>) {
    match owner {
        Owner::ModelOwner => (Some(seeds), None),
        Owner::DataOwner => (None, Some(seeds)),
    }
}

impl Online<'_> {
    /// Local work of step `h`, counted from 0, during which the peer's message of the hop before it is taken from `peer`
    /// and the message that ends the step is given to it. Both may be empty.
    ///
    /// # Errors
    /// A step that is not next, a malformed message, or a failing link.
    pub fn step(&mut self, h: usize, peer: &mut dyn PeerStream) -> Result<(), ProtocolError> {
        if h != self.step || h >= self.party.hops() {
            return Err(ProtocolError::OutOfOrder { called: "step", expected: "the step after the last one" });
        }
        self.local(peer)?;
        self.step += 1;
        Ok(())
    }

    /// Local work after the last hop, whose message is taken from `peer`, and the outputs; only the data owner has any.
    ///
    /// # Errors
    /// A call before the last step, a malformed message, or a failing link.
    pub fn finish(mut self, peer: &mut dyn PeerStream) -> Result<Vec<OutputWords>, ProtocolError> {
        if self.step != self.party.hops() {
            return Err(ProtocolError::OutOfOrder { called: "finish", expected: "the remaining hops" });
        }
        self.local(peer)?;
        let outputs = self.party.code.code().outputs.iter().map(|o| OutputWords {
            output: o.output,
            bits: o.bits,
            words: self.frame[o.buf.0 as usize].iter().map(|w| w & (u64::MAX >> (64 - o.bits))).collect(),
        });
        Ok(outputs.collect())
    }

    /// Makes what the next step needs from seeds and corrections, best while the peer's message travels.
    ///
    /// # Errors
    /// Corrections that cannot be had again from where they are kept.
    pub fn prepare(&mut self) -> Result<(), ProtocolError> {
        self.party.prepare(FIRST_STEP + self.step, &self.seed, &mut self.frame)
    }

    fn local(&mut self, peer: &mut dyn PeerStream) -> Result<(), ProtocolError> {
        let (list, party) = (FIRST_STEP + self.step, self.party);
        party.run(list, &self.seed, &mut self.frame, &self.inputs, &mut Corrections::None, peer)?;
        if self.step >= party.last_input {
            self.inputs = Vec::new();
        }
        Ok(())
    }
}

/// Whether every weight that the code loads is loaded once, in the setup.
fn loads_each_weight_once(code: &CheckedCode) -> bool {
    let weight = |instr: &Instr| match instr {
        Instr::Load { source: Source::Weight(index), .. } => Some(*index),
        _ => None,
    };
    let mut seen = HashSet::new();
    code.code().lists().iter().flat_map(|(instrs, _)| *instrs).filter_map(weight).all(|index| seen.insert(index))
        && inference_instrs(code).filter_map(weight).next().is_none()
}

fn inference_instrs(code: &CheckedCode) -> impl Iterator<Item = &Instr> {
    code.code().offline.iter().chain(code.code().steps.iter().flat_map(|s| &s.local))
}

/// Checks that encoded weights have the lengths that the model owner's code loads.
///
/// # Errors
/// [`ProtocolError::OwnData`] for the first that has not.
pub fn check_weights(code: &CheckedCode, weights: &[Vec<u64>]) -> Result<(), ProtocolError> {
    check_own_data(code, weights, "weight")
}

/// Checks that the encoded inputs of one inference have the lengths that the data owner's code loads.
///
/// # Errors
/// [`ProtocolError::OwnData`] for the first that has not.
pub fn check_inputs(code: &CheckedCode, inputs: &[Vec<u64>]) -> Result<(), ProtocolError> {
    check_own_data(code, inputs, "input")
}

fn check_own_data(checked: &CheckedCode, data: &[Vec<u64>], what: &'static str) -> Result<(), ProtocolError> {
    let code = checked.code();
    for instr in code.setup.local.iter().chain(&code.setup_after).chain(inference_instrs(checked)) {
        let (dst, index) = match instr {
            Instr::Load { dst, source: Source::Weight(i) } if what == "weight" => (dst, *i),
            Instr::Load { dst, source: Source::Input(i) } if what == "input" => (dst, *i),
            _ => continue,
        };
        let expected = code.lengths[dst.0 as usize];
        let got = data.get(index as usize).map_or(0, Vec::len);
        if got != expected {
            return Err(ProtocolError::OwnData { what, index, expected, got });
        }
    }
    Ok(())
}
