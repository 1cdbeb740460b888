//! What two parties make without a dealer, priced before they do.

use std::sync::Arc;

use anyhow::Result;
use mpcc_program::code::Owner;
use mpcc_program::cost::PartyBytes;
use mpcc_program::gates::lower_making;
use mpcc_program::interpret::Interpreter;
use mpcc_program::machine::Link;
use mpcc_program::program::{Program, Supplier};
use mpcc_protocols::CheckedCode;
use mpcc_runtime::SessionError;
use mpcc_runtime::material::{Making, PoolPrice, pool_price};

use crate::report::MadePrediction;

/// What the parties of a program exchange in order to make material for so many inferences, and how long that takes if the link between
/// them is known; nothing if a dealer makes it. Arithmetic, what the busier direction carries and the exchanges' delays are taken to follow one
/// another, which is an upper bound on processors like those of the reference.
///
/// # Errors
/// A program that is too large for two parties.
pub fn predicted(program: &Program, inferences: u64, link: Option<Link>) -> Result<Option<MadePrediction>> {
    if program.supplier == Supplier::Dealer {
        return Ok(None);
    }
    let [first, second] = [Owner::ModelOwner, Owner::DataOwner].map(|owner| lower_making(program, owner));
    let [first, second] = [first, second].map(|made| -> Result<Making> {
        let code = CheckedCode::new(made.code).map_err(SessionError::from)?;
        Ok(Making::new(Arc::new(code), Arc::new(Interpreter), made.rounds))
    });
    let (first, second) = (first?, second?);
    let price = pool_price([&first, &second], inferences)?;
    let PoolPrice { bytes: [model_owner, data_owner], hops, work_seconds, held_bytes, .. } = price;
    let seconds = link.map(|link| {
        let carried = model_owner.max(data_owner) as f64 / link.bytes_per_second;
        work_seconds + carried + hops as f64 * link.round_trip_seconds / 2.0
    });
    let [first, second] = held_bytes;
    let held_bytes = PartyBytes { model_owner: first, data_owner: second };
    Ok(Some(MadePrediction { inferences, hops, bytes: PartyBytes { model_owner, data_owner }, seconds, held_bytes }))
}
