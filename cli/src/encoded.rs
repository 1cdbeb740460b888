//! Weights and inputs of a model as the ring integers its share program takes, and its outputs in float.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::encode;
use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::NodeId;
use mpcc_compiler::ranges::{Basis, weights_digest};
use mpcc_import::inputs::Example;
use mpcc_protocols::SessionSeed;
use mpcc_protocols::ideal::Coins;
use mpcc_runtime::data_owner::Encode;

use crate::failure;
use crate::model::Model;
use crate::outputs::Revealed;
use crate::source::Source;

/// The model owner's encoded weights, in the program's order; errors are as those of [`check_weights`].
pub fn weights(artefact: &Artefact, params: Vec<Tensor>, source: Option<&Source>) -> Result<Vec<Vec<i64>>> {
    let checked = check_weights(artefact, &params, source);
    let weights = &artefact.program.weights;
    let wanted: Vec<NodeId> = weights.iter().map(|w| NodeId(w.node)).collect();
    let mut encoded = vec![None; weights.len()];
    Evaluator::for_each_server_value(&artefact.graph, params, &wanted, |node, value| -> Result<()> {
        for (slot, weight) in encoded.iter_mut().zip(weights).filter(|(_, w)| NodeId(w.node) == node) {
            *slot = Some(encode::weight(weight, Some(value))?);
        }
        Ok(())
    })?;
    let one = |(list, weight): (Option<Vec<i64>>, _)| list.map_or_else(|| encode::weight(weight, None), Ok);
    let encoded = encoded.into_iter().zip(weights).map(one).collect::<Result<_, _>>()?;
    // A weight that does not fit is named first.
    checked.map(|()| encoded)
}

/// Whether weights are those for which the program's ranges hold, if it relies on more than what was seen. A program that was
/// compiled just now has a source, and then what was given for it is repeated.
pub fn check_weights(artefact: &Artefact, params: &[Tensor], source: Option<&Source>) -> Result<()> {
    if artefact.facts.basis == Basis::Observed {
        return Ok(());
    }
    let of_program = artefact.facts.weights.as_deref();
    if of_program == Some(weights_digest(params).as_str()) {
        return Ok(());
    }
    let others = if of_program.is_some() { "with other weights" } else { "without weights" };
    let command = source.map_or_else(
        || "`mpcc simulate MODEL.mpv --weights W --calibrate DIR`) and compile again".to_owned(),
        |source| format!("`{}`)", source.calibrating()),
    );
    bail!(
        "the ranges of this program were made {others}, and what holds for them need not hold for these: observe ranges with \
         these weights ({command}"
    )
}

/// The data owner's encoded inputs, in the program's order: it evaluates its part of the graph in the clear, without
/// weights.
pub fn inputs(artefact: &Artefact, given: &[Tensor]) -> Result<Vec<Vec<i64>>> {
    let wanted: Vec<NodeId> = artefact.program.inputs.iter().map(|i| NodeId(i.node)).collect();
    let values = Evaluator::without_params(&artefact.graph).run(given, Wanted::Only(&wanted))?;
    Ok(encode::inputs(&artefact.program, &values)?)
}

/// What the float network gives for one input, as the outputs of the share program.
pub fn float_outputs(model: &Model, float: &Evaluator<'_>, input: &[Tensor]) -> Result<Vec<Revealed>> {
    let nodes: Vec<NodeId> = model.float_graph().outputs.iter().map(|o| o.node).collect();
    let values = float.run(input, Wanted::Only(&nodes))?;
    let outputs = model.artefact.program.outputs.iter().zip(&nodes);
    Ok(outputs.map(|(output, node)| Revealed::new(output, values[*node].data.clone())).collect())
}

/// Integers as ring words.
pub fn words(lists: Vec<Vec<i64>>) -> Vec<Vec<u64>> {
    lists.into_iter().map(|list| list.into_iter().map(|v| v as u64).collect()).collect()
}

/// Encodes the data owner's inputs one at a time, as ring words; an error names the example.
pub fn batch(artefact: Arc<Artefact>, examples: Vec<Example>, given: Vec<Vec<Tensor>>) -> Encode<'static> {
    Box::new(move |inference| {
        let index = inference as usize;
        let (Some(example), Some(given)) = (examples.get(index), given.get(index)) else {
            return Err(format!("there is no input {inference}"));
        };
        let encoded = inputs(&artefact, given).with_context(|| example.to_string());
        encoded.map(words).map_err(|error| failure::chain(&error))
    })
}

/// The coins that two parties with these seeds would have.
pub fn coins(seed: u64, index: u64) -> Coins {
    let stage = |party: u8| {
        let mut bytes = [party; 16];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        SessionSeed::take(&mut bytes).inference(index)
    };
    Coins::new(stage(0), stage(1))
}
