//! The dealer: expands both parties' seeds and writes the corrections for the setup and for every inference:
//! most for the data owner alone, some the same for both.
//!
//! Its input is the program's code alone; it sees no weight, no input and no message of the parties.

use std::io::{self, Write};
use std::sync::Arc;

use mpcc_kernels::pack::packed_len;
use mpcc_program::code::{Instr, MapExecutor, Role};
use mpcc_program::cost::PartyBytes;

use crate::engine::{self, Corrections, Environment, Executable, StageSeeds};
use crate::error::ProtocolError;
use crate::frame::{Frame, Pool};
use crate::seeds::SessionSeed;
use crate::stream::InMemory;
use crate::verify::CheckedCode;

/// The dealer in one session.
pub struct Dealer {
    code: Arc<CheckedCode>,
    executor: Arc<dyn MapExecutor>,
    model_owner: SessionSeed,
    data_owner: SessionSeed,
    frame: Frame,
    pool: Arc<Pool>,
    set_up: bool,
    next_index: u64,
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
        let frame = Frame::new(code.code().lengths.len(), Arc::clone(&pool));
        Ok(Dealer { code, executor, model_owner, data_owner, frame, pool, set_up: false, next_index: 0 })
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
        self.run(0, None, &mut io::sink(), out)?;
        self.run(1, None, &mut io::sink(), out)?;
        self.pool.trim();
        self.set_up = true;
        Ok(())
    }

    /// Writes the corrections of inference `index` for each party.
    ///
    /// # Errors
    /// An index not above all earlier ones, a call before the setup, or a failing stream.
    pub fn inference(
        &mut self,
        index: u64,
        model_owner: &mut dyn Write,
        data_owner: &mut dyn Write,
    ) -> Result<(), ProtocolError> {
        if !self.set_up {
            return Err(ProtocolError::OutOfOrder { called: "inference", expected: "the setup" });
        }
        let next = index.checked_add(1).filter(|_| index >= self.next_index);
        self.next_index = next.ok_or(ProtocolError::MaterialUsed { index })?;
        let done = self.run(2, Some(index), model_owner, data_owner);
        if done.is_err() {
            self.set_up = false;
            self.frame = Frame::new(0, Arc::clone(&self.pool));
        }
        done
    }

    /// Runs a list of the code, of inference `index` or of the setup.
    fn run(
        &mut self,
        list: usize,
        index: Option<u64>,
        model_owner: &mut dyn Write,
        data_owner: &mut dyn Write,
    ) -> Result<(), ProtocolError> {
        let setup = [&self.model_owner, &self.data_owner].map(SessionSeed::setup);
        let inference = index.map(|index| [&self.model_owner, &self.data_owner].map(|seed| seed.inference(index)));
        let seeds =
            |p: usize| Some(StageSeeds { setup: &setup[p], inference: inference.as_ref().map(|seeds| &seeds[p]) });
        let mut environment = Environment { model_owner: seeds(0), data_owner: seeds(1), ..Environment::default() };
        let executable =
            Executable { code: self.code.code(), schedule: self.code.schedule(), executor: &*self.executor };
        let mut corrections = Corrections::Deal { model_owner, data_owner };
        engine::run(executable, list, &mut self.frame, &mut environment, &mut corrections, &mut InMemory::default())
    }
}

fn correction_bytes(checked: &CheckedCode, instrs: &[Instr]) -> PartyBytes {
    let lengths = &checked.code().lengths;
    let mut bytes = PartyBytes::default();
    for instr in instrs {
        let (Instr::Deal { src, bits } | Instr::Broadcast { src, bits }) = instr else { continue };
        let size = packed_len(lengths[src.0 as usize], u32::from(*bits)) as u64;
        bytes.data_owner += size;
        if matches!(instr, Instr::Broadcast { .. }) {
            bytes.model_owner += size;
        }
    }
    bytes
}
