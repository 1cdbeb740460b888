//! The data owner's session.

use mpcc_program::code::Role;
use mpcc_protocols::OutputWords;

use crate::error::SessionError;
pub use crate::inputs::{Encode, Inputs};
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

/// Runs one inference for each of `inputs`.
///
/// # Errors
/// [`SessionError`]; nothing about the inputs has left unmasked in any case.
pub fn run(
    config: PartyConfig,
    program: &RoleProgram,
    inputs: Inputs<'_>,
    progress: &dyn Progress,
) -> Result<Inferences, SessionError> {
    session::check_role(program, Role::DataOwner)?;
    let (outputs, report) = session::run(config, program, Own::Inputs(inputs), progress)?;
    Ok(Inferences { outputs, report })
}
