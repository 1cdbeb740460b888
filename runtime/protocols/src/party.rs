//! A party as a state machine over bytes: setup once, then for every inference offline work, one step per hop, and the outputs.
//!
//! Material of an inference is a value that going online consumes, and a party makes it for rising indices only,
//! so no mask serves two inputs.

use std::io::Read;
use std::sync::Arc;

use mpcc_program::code::{Exchange, Instr, MapExecutor, Role, SeedOwner, Source};

use crate::engine::{self, Corrections, Environment, Frame};
use crate::error::{Moment, ProtocolError};
use crate::message;
use crate::seeds::{SessionSeed, StageSeed};
use crate::verify::CheckedCode;

/// One of the two parties in a session.
pub struct Party {
    code: Arc<CheckedCode>,
    executor: Arc<dyn MapExecutor>,
    owner: SeedOwner,
    seed: SessionSeed,
    weights: Vec<Vec<u64>>,
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
    frame: Vec<Vec<u64>>,
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
        Ok(Party {
            code,
            executor,
            owner,
            seed,
            weights,
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
        let checked = Arc::clone(&self.code);
        let code = checked.code();
        let seed = self.seed.setup();
        self.run(&code.setup.local, &checked.schedule().setup, &seed, &[], Corrections::Receive(corrections))?;
        self.phase = Phase::SetupSent;
        Ok(message::encode(&code.setup.exchange.send, &self.frame, &code.lengths))
    }

    /// Second half of the setup: takes the peer's message, empty if there is none.
    ///
    /// # Errors
    /// A call before [`Party::setup_message`], a malformed message, or a failing stream of corrections.
    pub fn setup_receive(&mut self, bytes: &[u8], corrections: &mut dyn Read) -> Result<(), ProtocolError> {
        if self.phase != Phase::SetupSent {
            return Err(ProtocolError::OutOfOrder { called: "setup_receive", expected: "setup_message" });
        }
        let checked = Arc::clone(&self.code);
        let code = checked.code();
        self.take_message(&code.setup.exchange, bytes, Moment::Setup)?;
        self.frame.release(&checked.schedule().setup.free_after_exchange);
        let seed = self.seed.setup();
        self.run(&code.setup_after, &checked.schedule().setup_after, &seed, &[], Corrections::Receive(corrections))?;
        if !inference_instrs(&checked).any(|i| matches!(i, Instr::Load { source: Source::Weight(_), .. })) {
            self.weights = Vec::new();
        }
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
        let offline = &checked.code().offline;
        let done = self.run(offline, &checked.schedule().offline, &seed, &[], Corrections::Receive(corrections));
        let frame = self.frame.split_off(&checked.schedule().persistent);
        done?;
        Ok(Material { index, seed, frame, identity: Arc::clone(&self.identity) })
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
        for (own, taken) in self.frame.iter_mut().zip(material.frame) {
            if !taken.is_empty() {
                *own = taken;
            }
        }
        Ok(Online { party: self, seed: material.seed, inputs, step: 0, sent: false })
    }

    #[cfg(test)]
    pub(crate) fn kept_words(&self) -> usize {
        self.frame.kept_words()
    }

    fn claim(&mut self, index: u64) -> Result<StageSeed, ProtocolError> {
        let next = index.checked_add(1).filter(|_| index >= self.next_index);
        self.next_index = next.ok_or(ProtocolError::MaterialUsed { index })?;
        Ok(self.seed.inference(index))
    }

    fn run(
        &mut self,
        instrs: &[Instr],
        section: &crate::schedule::Section,
        seed: &StageSeed,
        inputs: &[Vec<u64>],
        mut corrections: Corrections<'_>,
    ) -> Result<(), ProtocolError> {
        let own = |owner| (self.owner == owner).then_some(seed);
        let environment = Environment {
            weights: &self.weights,
            inputs,
            model_owner: own(SeedOwner::ModelOwner),
            data_owner: own(SeedOwner::DataOwner),
        };
        let list = (instrs, section);
        engine::run(self.code.code(), list, &*self.executor, &mut self.frame, &environment, &mut corrections)
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
    /// Local work of step `h`, counted from 0, and the message that ends it; empty if nothing is sent.
    ///
    /// # Errors
    /// A step that is not next.
    pub fn step(&mut self, h: usize) -> Result<Vec<u8>, ProtocolError> {
        if self.sent || h != self.step || h >= self.party.hops() {
            return Err(ProtocolError::OutOfOrder { called: "step", expected: "the step after the last message" });
        }
        self.local()?;
        self.sent = true;
        let code = self.party.code.code();
        Ok(message::encode(&code.steps[h].exchange.send, &self.party.frame, &code.lengths))
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
        self.party.frame.release(&checked.schedule().steps[h].free_after_exchange);
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

    fn local(&mut self) -> Result<(), ProtocolError> {
        let checked = Arc::clone(&self.party.code);
        let (Some(step), Some(section)) =
            (checked.code().steps.get(self.step), checked.schedule().steps.get(self.step))
        else {
            return Ok(());
        };
        self.party.run(&step.local, section, &self.seed, &self.inputs, Corrections::None)
    }
}

impl Drop for Online<'_> {
    fn drop(&mut self) {
        let checked = Arc::clone(&self.party.code);
        self.party.frame.release_all_but(&checked.schedule().persistent);
    }
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
