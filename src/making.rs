//! What two parties make without a dealer, priced before they do.

use anyhow::Result;
use mpcc_program::code::Owner;
use mpcc_program::cost::PartyBytes;
use mpcc_program::gates::lower_making;
use mpcc_program::program::{Program, Supplier};
use mpcc_protocols::CheckedCode;
use mpcc_runtime::SessionError;
use mpcc_runtime::material::{made_at_once, pool_bytes};

use crate::report::MadePrediction;

/// What the parties of a program exchange in order to make material for so many inferences; nothing if a dealer makes it.
///
/// # Errors
/// A program that is too large for two parties.
pub fn predicted(program: &Program, inferences: u64) -> Result<Option<MadePrediction>> {
    if program.supplier == Supplier::Dealer {
        return Ok(None);
    }
    let [first, second] = [Owner::ModelOwner, Owner::DataOwner].map(|owner| lower_making(program, owner));
    let rounds = first.rounds;
    let [first, second] = [first.code, second.code].map(|code| CheckedCode::new(code).map_err(SessionError::from));
    let (first, second) = (first?, second?);
    let ([model_owner, data_owner], hops) =
        pool_bytes(&rounds, inferences, made_at_once([&first, &second], inferences))?;
    Ok(Some(MadePrediction { inferences, hops, bytes: PartyBytes { model_owner, data_owner } }))
}
