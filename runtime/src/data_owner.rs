//! The data owner's session.

use mpcc_program::code::Role;
use mpcc_protocols::{OutputWords, party};

use crate::error::SessionError;
use crate::measure::RoleReport;
use crate::progress::Progress;
use crate::session::{self, Own, PartyConfig, RoleProgram};

/// What the data owner gets out of a session.
pub struct Inferences {
    /// Per inference, the outputs in the program's order.
    pub outputs: Vec<Vec<OutputWords>>,
    /// What it cost.
    pub report: RoleReport,
}

/// Runs one inference per entry of `inputs`; each entry holds the encoded inputs in the program's order.
///
/// # Errors
/// [`SessionError`]; nothing about the inputs has left unmasked in any case.
pub fn run(
    config: PartyConfig,
    program: &RoleProgram,
    inputs: Vec<Vec<Vec<u64>>>,
    progress: &dyn Progress,
) -> Result<Inferences, SessionError> {
    session::check_role(program, Role::DataOwner)?;
    if inputs.is_empty() {
        return Err(SessionError::OwnData("there is no input; give at least one".to_owned()));
    }
    for one in &inputs {
        party::check_inputs(&program.code, one).map_err(|e| SessionError::OwnData(e.to_string()))?;
    }
    let (outputs, report) = session::run(config, program, Own::Inputs(inputs), progress)?;
    Ok(Inferences { outputs, report })
}
