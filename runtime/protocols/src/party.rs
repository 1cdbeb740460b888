//! A party as a state machine over bytes: setup once, then for every inference offline work, one step per hop, and the outputs.
//!
//! Material of an inference is a value that going online consumes, and a party makes it for rising indices only,
//! so no mask serves two inputs.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use mpcc_program::code::{Exchange, Instr, MapExecutor, Role, SeedOwner, Source};

use crate::engine::{self, Corrections, Environment, Executable, StageSeeds};
use crate::error::{Moment, ProtocolError};
use crate::frame::{Arrived, Frame, Held};
use crate::message;
use crate::seeds::{SessionSeed, StageSeed};
use crate::verify::CheckedCode;

/// Positions of a role's lists, as [`mpcc_program::code::RoleCode::lists`] has them.
const SETUP: usize = 0;
const SETUP_AFTER: usize = 1;
const OFFLINE: usize = 2;
const FIRST_STEP: usize = 3;

/// One of the two parties in a session.
pub struct Party {
    code: Arc<CheckedCode>,
    executor: Arc<dyn MapExecutor>,
    owner: SeedOwner,
    seed: SessionSeed,
    weights: Vec<Vec<u64>>,
    takes_weights: bool,
    frame: Frame,
    phase: Phase,
    next_index: u64,
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
    held: Held,
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
    party: &'p mut Party,
    seed: StageSeed,
    inputs: Vec<Vec<u64>>,
    step: usize,
    sent: bool,
    lent: Vec<u8>,
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
            Role::ModelOwner => SeedOwner::ModelOwner,
            Role::DataOwner => SeedOwner::DataOwner,
            Role::Dealer => {
                return Err(ProtocolError::WrongRole { expected: Role::ModelOwner, got: Role::Dealer });
            }
        };
        check_own_data(&code, &weights, "weight")?;
        let frame = Frame::new(code.code().lengths.len());
        let takes_weights = loads_each_weight_once(&code);
        Ok(Party {
            code,
            executor,
            owner,
            seed,
            weights,
            takes_weights,
            frame,
            phase: Phase::Fresh,
            next_index: 0,
            identity: Arc::new(()),
        })
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
        let message = self.run(SETUP, None, &[], Corrections::Receive(corrections), Vec::new())?;
        self.phase = Phase::SetupSent;
        Ok(message)
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
        engine::release(&checked.schedule().sections[SETUP].exchange, &mut self.frame);
        self.run(SETUP_AFTER, None, &[], Corrections::Receive(corrections), Vec::new())?;
        if !inference_instrs(&checked).any(|i| matches!(i, Instr::Load { source: Source::Weight(_), .. })) {
            self.weights = Vec::new();
        }
        self.frame.trim();
        self.phase = Phase::Ready;
        Ok(())
    }

    /// Makes the material of inference `index`, reading the dealer's corrections for it.
    ///
    /// # Errors
    /// An index not above all earlier ones, a call before the setup is done, or a failing stream of corrections.
    pub fn offline(&mut self, index: u64, corrections: &mut dyn Read) -> Result<Material, ProtocolError> {
        if self.phase != Phase::Ready {
            return Err(ProtocolError::OutOfOrder { called: "offline", expected: "the setup" });
        }
        let seed = self.claim(index)?;
        let checked = Arc::clone(&self.code);
        let done = self.run(OFFLINE, Some(&seed), &[], Corrections::Receive(corrections), Vec::new());
        let held = self.frame.split_off(&checked.schedule().persistent);
        if checked.schedule().late {
            self.frame.trim();
        }
        done?;
        self.frame.reserve(checked.reserve());
        Ok(Material { index, seed, held, identity: Arc::clone(&self.identity) })
    }

    /// Starts the inference that `material` was made for. `inputs` are the data owner's encoded inputs in the program's order.
    ///
    /// # Errors
    /// Material of another party, or an input of another length than the code loads.
    pub fn online(&mut self, material: Material, inputs: Vec<Vec<u64>>) -> Result<Online<'_>, ProtocolError> {
        if !Arc::ptr_eq(&self.identity, &material.identity) {
            return Err(ProtocolError::MaterialUsed { index: material.index });
        }
        check_own_data(&self.code, &inputs, "input")?;
        self.frame.join(material.held);
        Ok(Online { party: self, seed: material.seed, inputs, step: 0, sent: false, lent: Vec::new() })
    }

    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.frame.kept_bytes()
    }

    fn claim(&mut self, index: u64) -> Result<StageSeed, ProtocolError> {
        let next = index.checked_add(1).filter(|_| index >= self.next_index);
        self.next_index = next.ok_or(ProtocolError::MaterialUsed { index })?;
        Ok(self.seed.inference(index))
    }

    /// Runs a list of the code; the message that ends it comes back.
    fn run(
        &mut self,
        list: usize,
        inference: Option<&StageSeed>,
        inputs: &[Vec<u64>],
        mut corrections: Corrections<'_>,
        lent: Vec<u8>,
    ) -> Result<Vec<u8>, ProtocolError> {
        let setup = self.seed.setup();
        let own = |owner| (self.owner == owner).then_some(StageSeeds { setup: &setup, inference });
        let mut environment = Environment {
            inputs,
            takes_weights: self.takes_weights,
            model_owner: own(SeedOwner::ModelOwner),
            data_owner: own(SeedOwner::DataOwner),
            weights: &mut self.weights,
        };
        let executable =
            Executable { code: self.code.code(), schedule: self.code.schedule(), executor: &*self.executor };
        engine::run(executable, list, &mut self.frame, &mut environment, &mut corrections, lent)
    }

    /// Takes the peer's message of the setup: as words, or as bits that words are made from.
    fn take_setup(&mut self, bytes: Vec<u8>) -> Result<(), ProtocolError> {
        let checked = Arc::clone(&self.code);
        let (exchange, at) = (&checked.code().setup.exchange, Moment::Setup);
        if !checked.schedule().late {
            return self.take_message(exchange, &bytes, at);
        }
        let ranges = message::split(&exchange.receive, &checked.code().lengths, &bytes, at)?;
        let bytes = Arc::new(bytes);
        for (part, range) in exchange.receive.iter().zip(ranges) {
            self.frame.arrive(part.buf, Arrived { bytes: Arc::clone(&bytes), range });
        }
        Ok(())
    }

    fn take_message(&mut self, exchange: &Exchange, bytes: &[u8], at: Moment) -> Result<(), ProtocolError> {
        let lengths = &self.code.code().lengths;
        let words = message::decode_into(&exchange.receive, lengths, bytes, at, |len| self.frame.fresh(len))?;
        for (part, words) in exchange.receive.iter().zip(words) {
            self.frame[part.buf.0 as usize] = words;
        }
        Ok(())
    }
}

impl Online<'_> {
    /// Lends memory for the next message; its content is dropped.
    pub fn lend(&mut self, buffer: Vec<u8>) {
        self.lent = buffer;
    }

    /// Local work of step `h`, counted from 0, and the message that ends it; empty if nothing is sent.
    ///
    /// # Errors
    /// A step that is not next.
    pub fn step(&mut self, h: usize) -> Result<Vec<u8>, ProtocolError> {
        if self.sent || h != self.step || h >= self.party.hops() {
            return Err(ProtocolError::OutOfOrder { called: "step", expected: "the step after the last message" });
        }
        let message = self.local()?;
        self.sent = true;
        Ok(message)
    }

    /// Bytes of the peer's message in the exchange that comes next.
    pub fn incoming_bytes(&self) -> usize {
        self.party.hop_bytes(self.step).1
    }

    /// Takes the peer's message of hop `h`; empty if nothing is received.
    ///
    /// # Errors
    /// A hop that is not next, or a malformed message.
    pub fn receive(&mut self, h: usize, bytes: &[u8]) -> Result<(), ProtocolError> {
        if !self.sent || h != self.step {
            return Err(ProtocolError::OutOfOrder { called: "receive", expected: "the step before it" });
        }
        let checked = Arc::clone(&self.party.code);
        self.party.take_message(&checked.code().steps[h].exchange, bytes, Moment::Hop(h))?;
        engine::release(&checked.schedule().sections[FIRST_STEP + h].exchange, &mut self.party.frame);
        self.sent = false;
        self.step += 1;
        Ok(())
    }

    /// Local work after the last hop, and the outputs; only the data owner has any.
    ///
    /// # Errors
    /// A call before the last hop is done.
    pub fn finish(mut self) -> Result<Vec<OutputWords>, ProtocolError> {
        if self.sent || self.step != self.party.hops() {
            return Err(ProtocolError::OutOfOrder { called: "finish", expected: "the remaining hops" });
        }
        self.local()?;
        let outputs = self.party.code.code().outputs.iter().map(|o| OutputWords {
            output: o.output,
            bits: o.bits,
            words: self.party.frame[o.buf.0 as usize].iter().map(|w| w & (u64::MAX >> (64 - o.bits))).collect(),
        });
        Ok(outputs.collect())
    }

    fn local(&mut self) -> Result<Vec<u8>, ProtocolError> {
        let lent = std::mem::take(&mut self.lent);
        self.party.run(FIRST_STEP + self.step, Some(&self.seed), &self.inputs, Corrections::None, lent)
    }
}

impl Drop for Online<'_> {
    fn drop(&mut self) {
        let checked = Arc::clone(&self.party.code);
        self.party.frame.release_all_but(&checked.schedule().persistent);
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
