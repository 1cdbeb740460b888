//! The model owner's session.

use mpcc_program::code::Role;
use mpcc_protocols::party;

use crate::error::SessionError;
use crate::measure::RoleReport;
use crate::progress::Progress;
use crate::session::{self, Own, PartyConfig, RoleProgram};

/// Serves one session with `weights`, encoded in the program's order: the data owner says how many inferences, at most `most_inferences`.
///
/// # Errors
/// [`SessionError`]; nothing about the weights has left unmasked in any case.
pub fn run(
    config: PartyConfig,
    program: &RoleProgram,
    weights: Vec<Vec<u64>>,
    most_inferences: u64,
    progress: &dyn Progress,
) -> Result<RoleReport, SessionError> {
    session::check_role(program, Role::ModelOwner)?;
    party::check_weights(&program.code, &weights).map_err(|e| SessionError::OwnData(e.to_string()))?;
    let own = Own::Weights { weights, most_inferences };
    session::run(config, program, own, progress).map(|(_, report)| report)
}
