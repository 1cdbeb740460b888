//! What two parties make without a dealer, priced before they do.

use std::sync::Arc;

use anyhow::Result;
use mpcc_program::code::Owner;
use mpcc_program::cost::PartyBytes;
use mpcc_program::gates::lower_making;
use mpcc_program::interpret::Interpreter;
use mpcc_program::program::{Program, Supplier};
use mpcc_protocols::CheckedCode;
use mpcc_runtime::SessionError;
use mpcc_runtime::material::{Making, PoolPrice, pool_price};

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
    let [first, second] = [first, second].map(|made| -> Result<Making> {
        let code = CheckedCode::new(made.code).map_err(SessionError::from)?;
        Ok(Making::new(Arc::new(code), Arc::new(Interpreter), made.rounds))
    });
    let (first, second) = (first?, second?);
    let PoolPrice { bytes: [model_owner, data_owner], hops, .. } = pool_price([&first, &second], inferences)?;
    Ok(Some(MadePrediction { inferences, hops, bytes: PartyBytes { model_owner, data_owner } }))
}
