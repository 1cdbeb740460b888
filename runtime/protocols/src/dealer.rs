//! The dealer: expands both parties' seeds and writes the corrections for the setup and for every inference:
//! some for one of them, some the same for both.
//!
//! Its input is the program's code alone; it sees no weight, no input and no message of the parties.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mpcc_kernels::pack::packed_len;
use mpcc_program::code::{Instr, MapExecutor, Owner, Role};
use mpcc_program::cost::PartyBytes;

use crate::engine::{self, Corrections, Environment, Executable, OFFLINE, SETUP, SETUP_AFTER, StageSeeds};
use crate::error::ProtocolError;
use crate::frame::{Frame, Pool};
use crate::seeds::{SessionSeed, StageSeed, WeightSeed};
use crate::stream::InMemory;
use crate::verify::CheckedCode;

/// The dealer in one session. Several inferences may be dealt at the same time.
pub struct Dealer {
    code: Arc<CheckedCode>,
    executor: Arc<dyn MapExecutor>,
    model_owner: SessionSeed,
    data_owner: SessionSeed,
    /// Of the setup's streams, by party.
    setup_seeds: [StageSeed; 2],
    /// Before the setup is done its frame, then what it left.
    setup: Frame,
    pool: Arc<Pool>,
    set_up: bool,
    next_index: AtomicU64,
}

/// The right to deal one inference.
pub struct Deal<'d> {
    dealer: &'d Dealer,
    index: u64,
}

impl Dealer {
    /// A dealer before its setup, with the seed it gives to each party.
    ///
    /// # Errors
    /// Code of another role.
    pub fn new(
        code: Arc<CheckedCode>,
        executor: Arc<dyn MapExecutor>,
        model_owner: SessionSeed,
        data_owner: SessionSeed,
    ) -> Result<Self, ProtocolError> {
        let got = code.code().role;
        if got != Role::Dealer {
            return Err(ProtocolError::WrongRole { expected: Role::Dealer, got });
        }
        let pool = Arc::new(Pool::default());
        let setup = Frame::new(code.code().lengths.len(), Arc::clone(&pool));
        let next_index = AtomicU64::new(0);
        let setup_seeds = [model_owner.setup(), data_owner.setup()];
        let set_up = false;
        Ok(Dealer { code, executor, model_owner, data_owner, setup_seeds, setup, pool, set_up, next_index })
    }

    /// Draws the mask of the weights from the seed that the model owner draws it from, before the setup.
    pub fn mask_weights_by(&mut self, seed: WeightSeed) {
        self.setup_seeds[0] = seed.setup();
    }

    /// Bytes of the data owner's corrections of the setup.
    pub fn setup_bytes(&self) -> u64 {
        let code = self.code.code();
        let lists = [&code.setup.local, &code.setup_after];
        lists.into_iter().map(|list| correction_bytes(&self.code, list).data_owner).sum()
    }

    /// Bytes of the corrections of one inference, by receiver.
    pub fn inference_bytes(&self) -> PartyBytes {
        correction_bytes(&self.code, &self.code.code().offline)
    }

    /// Writes the data owner's corrections of the setup; the model owner gets none.
    ///
    /// # Errors
    /// A second call, or a failing stream.
    pub fn setup(&mut self, out: &mut dyn Write) -> Result<(), ProtocolError> {
        if self.set_up {
            return Err(ProtocolError::OutOfOrder { called: "setup", expected: "an inference" });
        }
        let seeds = Seeds { setup: &self.setup_seeds, inference: None };
        let executable = executable(&self.code, &*self.executor);
        for list in [SETUP, SETUP_AFTER] {
            let mut corrections = Corrections::Deal { model_owner: &mut io::sink(), data_owner: out };
            let (environment, peer) = (&mut seeds.environment(), &mut InMemory::default());
            engine::run(executable, list, &mut self.setup, environment, &mut corrections, peer)?;
        }
        self.setup = self.setup.sharing(&self.code.schedule().persistent);
        self.pool.trim();
        self.set_up = true;
        Ok(())
    }

    /// Begins inference `index`, whose corrections may then be written while others are.
    ///
    /// # Errors
    /// An index not above all earlier ones, or a call before the setup.
    pub fn begin(&self, index: u64) -> Result<Deal<'_>, ProtocolError> {
        if !self.set_up {
            return Err(ProtocolError::OutOfOrder { called: "inference", expected: "the setup" });
        }
        let used = ProtocolError::MaterialUsed { index };
        let Some(next) = index.checked_add(1) else { return Err(used) };
        match self.next_index.fetch_max(next, Ordering::AcqRel) {
            before if before <= index => Ok(Deal { dealer: self, index }),
            _ => Err(used),
        }
    }

    /// Writes the corrections of inference `index` for each party.
    ///
    /// # Errors
    /// As [`Dealer::begin`], and a failing stream.
    pub fn inference(
        &self,
        index: u64,
        model_owner: &mut dyn Write,
        data_owner: &mut dyn Write,
    ) -> Result<(), ProtocolError> {
        self.begin(index)?.write(model_owner, data_owner)
    }
}

impl Deal<'_> {
    /// Writes the corrections for each party.
    ///
    /// # Errors
    /// A failing stream.
    pub fn write(self, model_owner: &mut dyn Write, data_owner: &mut dyn Write) -> Result<(), ProtocolError> {
        let Deal { dealer, index } = self;
        let seeds = Seeds::new(dealer, index);
        let executable = executable(&dealer.code, &*dealer.executor);
        let mut corrections = Corrections::Deal { model_owner, data_owner };
        let (mut frame, peer) = (dealer.setup.shared(), &mut InMemory::default());
        engine::run(executable, OFFLINE, &mut frame, &mut seeds.environment(), &mut corrections, peer)
    }
}

fn executable<'a>(code: &'a CheckedCode, executor: &'a dyn MapExecutor) -> Executable<'a> {
    Executable { code: code.code(), schedule: code.schedule(), executor }
}

/// Both parties' seeds of the setup and of one inference.
struct Seeds<'d> {
    setup: &'d [StageSeed; 2],
    inference: Option<[StageSeed; 2]>,
}

impl<'d> Seeds<'d> {
    fn new(dealer: &'d Dealer, index: u64) -> Self {
        let owners = [&dealer.model_owner, &dealer.data_owner];
        Seeds { setup: &dealer.setup_seeds, inference: Some(owners.map(|seed| seed.inference(index))) }
    }

    fn environment(&self) -> Environment<'_> {
        let seeds = |p: usize| StageSeeds { setup: &self.setup[p], inference: self.inference.as_ref().map(|i| &i[p]) };
        Environment { model_owner: Some(seeds(0)), data_owner: Some(seeds(1)), ..Environment::default() }
    }
}

fn correction_bytes(checked: &CheckedCode, instrs: &[Instr]) -> PartyBytes {
    let lengths = &checked.code().lengths;
    let mut bytes = PartyBytes::default();
    for instr in instrs {
        let (src, bits, to) = match instr {
            Instr::Deal { src, bits, to } => (src, bits, Some(*to)),
            Instr::Broadcast { src, bits } => (src, bits, None),
            _ => continue,
        };
        let size = packed_len(lengths[src.0 as usize], u32::from(*bits)) as u64;
        bytes.add(PartyBytes {
            model_owner: if to == Some(Owner::DataOwner) { 0 } else { size },
            data_owner: if to == Some(Owner::ModelOwner) { 0 } else { size },
        });
    }
    bytes
}
