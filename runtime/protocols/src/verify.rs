//! The verifier of role code; [`CheckedCode`] is the proof that it passed.
//!
//! 1. Every buffer has one length and one lane; indices are in range; every instruction's extents and widths agree with
//!    them.
//! 2. A buffer is written once, before it is read, and never overlaps its operands. Copies may fill a zeroed
//!    buffer in parts, until it is read. Inference code does not write buffers of the setup.
//! 3. A map's operations refer to earlier ones, and no map reads what it stores.
//! 4. A party draws from its own seed only, setup code from the session's and inference code from the
//!    inference's; every stream of a stage is drawn once.
//! 5. Only the model owner loads weights. Only the data owner loads inputs, online, and has outputs. Parties receive
//!    corrections before they are online, the model owner in inferences only. Only the dealer deals, fits rows and makes
//!    keys; it exchanges nothing and evaluates no key.
//! 6. The last step exchanges nothing.
//!
//! All violations are collected. One is a bug in the compiler, or a damaged artefact.

mod flow;
mod shapes;
mod trio;

use std::fmt;

use mpcc_program::code::{Role, RoleCode};
use mpcc_program::memory::{self, Footprint};
use mpcc_program::schedule::Schedule;
use thiserror::Error;

pub use trio::verify_trio;

/// A list of instructions of role code, and the position in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which list.
    pub section: SectionName,
    /// Instruction, counted from 0; `None` for the exchange or the list as a whole.
    pub position: Option<usize>,
}

/// Lists of role code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionName {
    /// `setup.local`
    Setup,
    /// `setup_after`
    SetupAfter,
    /// `offline`
    Offline,
    /// `steps[i]`
    Step(usize),
    /// `outputs`
    Outputs,
}

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Whose code.
    pub role: Role,
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, ", self.role)?;
        match self.place.section {
            SectionName::Setup => f.write_str("setup")?,
            SectionName::SetupAfter => f.write_str("setup_after")?,
            SectionName::Offline => f.write_str("offline")?,
            SectionName::Step(s) => write!(f, "step {s}")?,
            SectionName::Outputs => f.write_str("outputs")?,
        }
        if let Some(i) = self.place.position {
            write!(f, ", instruction {i}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Role code that breaks the rules of this module.
#[derive(Clone, Debug, Error)]
#[error(
    "role code is malformed in {} places, first: {}; the artefact is damaged or this is a bug in the compiler",
    .violations.len(), .violations.first().map(ToString::to_string).unwrap_or_default()
)]
pub struct CodeError {
    /// Everything wrong.
    pub violations: Vec<Violation>,
}

/// Verified code of one role, with its schedule.
#[derive(Debug)]
pub struct CheckedCode {
    code: RoleCode,
    schedule: Schedule,
    reserve: Vec<(usize, usize)>,
    peak_bytes: u64,
}

impl CheckedCode {
    /// Verifies and schedules code.
    ///
    /// # Errors
    /// All violations of the rules of this module.
    pub fn new(code: RoleCode) -> Result<Self, CodeError> {
        verify_code(&code)?;
        let schedule = Schedule::new(&code);
        Ok(Self::scheduled(code, schedule))
    }

    /// As [`CheckedCode::new`], scheduled as a large program whatever its size.
    ///
    /// # Errors
    /// As [`CheckedCode::new`].
    pub fn late(code: RoleCode) -> Result<Self, CodeError> {
        verify_code(&code)?;
        let schedule = Schedule::with(&code, true);
        Ok(Self::scheduled(code, schedule))
    }

    fn scheduled(code: RoleCode, schedule: Schedule) -> Self {
        let Footprint { reserve, peak_bytes, .. } = memory::footprint(&code, &schedule);
        CheckedCode { code, schedule, reserve, peak_bytes }
    }

    /// The code.
    pub fn code(&self) -> &RoleCode {
        &self.code
    }

    /// Buffers that the steps need beyond those of the offline phase: words, and how many.
    pub(crate) fn reserve(&self) -> &[(usize, usize)] {
        &self.reserve
    }

    /// The most memory that the role's process is predicted to hold, in bytes, with one inference at a time.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes
    }

    /// Its schedule.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

/// Checks one role's code.
///
/// # Errors
/// All violations of the rules of this module.
pub fn verify_code(code: &RoleCode) -> Result<(), CodeError> {
    let violations = flow::violations(code);
    if violations.is_empty() { Ok(()) } else { Err(CodeError { violations }) }
}
