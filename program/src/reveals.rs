//! What the outputs of a share program give away, from the program alone: how many bits an inference reveals, and by which
//! steps weights and inputs reach them.
//!
//! A step is linear in an operand if the result is, but for rounding, the operand times something plus something. What is
//! said is about steps and not about intent: a comparison whose outcome is known beforehand changes nothing and still
//! counts as a step that is not linear.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::program::{Gate, Program, ValueId, WeightId};

/// What one output gives away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disclosure {
    /// Name of the output.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Bits that one inference reveals: of every entry the whole ring in which it is revealed.
    pub bits: u64,
    /// Of the inputs that reach it.
    pub input_entries: u64,
    /// Whether every step from the inputs to it is linear: then `input_entries` + 1 inferences with chosen inputs give away the
    /// whole function. Without an input it is the same in every inference.
    pub linear_in_inputs: bool,
    /// The weights that reach it.
    pub weights: Weights,
    /// Those of them that reach it on a path of linear steps whose factors depend on inputs and public numbers alone.
    pub weights_by_linear_steps: Weights,
    /// Inferences that reveal as many bits as the weights have that reach it.
    pub inferences_of_as_many_bits: Option<u64>,
}

/// Weights as the program encodes them; one that it encodes twice counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// Where they come from in the source.
    pub paths: Vec<String>,
    /// Numbers in them.
    pub entries: u64,
    /// Bits of their encodings.
    pub bits: u64,
}

/// What the outputs of a program give away, in their order. The program must have passed [`crate::verify::verify`].
pub fn disclosures(program: &Program) -> Vec<Disclosure> {
    let origins = origins(program);
    let mut reveals: Vec<Option<usize>> = vec![None; program.outputs.len()];
    for (index, value) in program.values.iter().enumerate() {
        // The verdict stands behind the outputs and says one bit of what is checked.
        if let Gate::Reveal { output, .. } = value.gate
            && let Some(reveal) = reveals.get_mut(output as usize)
        {
            *reveal = Some(index);
        }
    }
    reveals.into_iter().flatten().map(|reveal| disclosure(program, &origins, reveal)).collect()
}

/// Whether weights and inputs reach a value, and whether all steps from inputs are linear.
#[derive(Clone, Copy, Default)]
struct Origin {
    weights: bool,
    inputs: bool,
    bent: bool,
}

/// How a gate treats its operands.
enum Steps {
    /// Linear in all of them together.
    Linear,
    /// Linear in each of two, which are multiplied.
    Product,
    /// Anything.
    Other,
}

fn steps(gate: &Gate) -> Steps {
    match gate {
        Gate::Input { .. }
        | Gate::ServerShare { .. }
        | Gate::ClientShare { .. }
        | Gate::Open { .. }
        | Gate::View { .. }
        | Gate::Rescale { .. }
        | Gate::Centre { .. }
        | Gate::Add { .. }
        | Gate::Sub { .. }
        | Gate::Concat { .. }
        // Low bits of a linear function are as telling as the function.
        | Gate::Residue { .. }
        | Gate::Reduce { .. }
        | Gate::SumRow { .. }
        | Gate::MulPublic { .. }
        | Gate::AddPublic { .. }
        | Gate::AddServer { .. }
        | Gate::MatMulServer { .. }
        | Gate::MulServer { .. }
        | Gate::Extend { .. }
        | Gate::SubRow { .. }
        | Gate::Reveal { .. } => Steps::Linear,
        Gate::MatMul { .. } | Gate::Hadamard { .. } | Gate::RowScale { .. } => Steps::Product,
        Gate::RowSquares { .. }
        | Gate::Square { .. }
        | Gate::SignDigits { .. }
        | Gate::OpenSign { .. }
        | Gate::CoarseSign { .. }
        | Gate::Select { .. }
        | Gate::SignShare { .. }
        | Gate::ReluShared { .. }
        | Gate::StepShared { .. }
        | Gate::RowFunction { .. }
        | Gate::RowOffer { .. }
        | Gate::TrigSeries { .. }
        | Gate::BucketBits { .. }
        | Gate::Exponential { .. }
        | Gate::BucketCounts { .. }
        | Gate::ZeroDigits { .. }
        | Gate::ZeroShare { .. } => Steps::Other,
    }
}

/// The weight of a gate, and whether it is a factor of the operand.
fn weight(gate: &Gate) -> Option<(WeightId, bool)> {
    match gate {
        Gate::ServerShare { weight } | Gate::AddServer { weight, .. } => Some((*weight, false)),
        Gate::MatMulServer { weight, .. } | Gate::MulServer { weight, .. } => Some((*weight, true)),
        _ => None,
    }
}

fn origins(program: &Program) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Vec::with_capacity(program.values.len());
    for value in &program.values {
        let operands = value.gate.operands();
        let mut origin = Origin {
            weights: weight(&value.gate).is_some(),
            inputs: matches!(value.gate, Gate::Input { .. } | Gate::ClientShare { .. }),
            bent: false,
        };
        let mut with_inputs = 0;
        for operand in &operands {
            let of = origins[operand.0 as usize];
            origin = Origin {
                weights: origin.weights || of.weights,
                inputs: origin.inputs || of.inputs,
                bent: origin.bent || of.bent,
            };
            with_inputs += usize::from(of.inputs);
        }
        origin.bent |= match steps(&value.gate) {
            Steps::Linear => false,
            Steps::Product => with_inputs > 1,
            Steps::Other => origin.inputs,
        };
        origins.push(origin);
    }
    origins
}

fn disclosure(program: &Program, origins: &[Origin], reveal: usize) -> Disclosure {
    let value = &program.values[reveal];
    let output = match value.gate {
        Gate::Reveal { output, .. } => &program.outputs[output as usize],
        _ => unreachable!("only reveals are looked at"),
    };
    let bits = entries(&value.shape).saturating_mul(u64::from(value.ring));
    let reached = reach(program, reveal, |gate| gate.operands().to_vec());
    let mut inputs = vec![false; program.inputs.len()];
    for (at, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
        if let Gate::Input { input } | Gate::ClientShare { input } = program.values[at].gate {
            inputs[input as usize] = true;
        }
    }
    // One node may be encoded for several uses, and is one thing that the data owner chooses.
    let chosen: BTreeMap<u32, u64> =
        program.inputs.iter().zip(inputs).filter(|(_, used)| *used).map(|(i, _)| (i.node, entries(&i.shape))).collect();
    let free_of_weights = |id: &ValueId| !origins[id.0 as usize].weights;
    let linear = reach(program, reveal, |gate| match steps(gate) {
        Steps::Linear if matches!(weight(gate), Some((_, true))) => Vec::new(),
        Steps::Linear => gate.operands().to_vec(),
        Steps::Product => {
            let operands = gate.operands();
            let pairs = [(operands[0], operands[1]), (operands[1], operands[0])];
            pairs.into_iter().filter(|(_, factor)| free_of_weights(factor)).map(|(operand, _)| operand).collect()
        }
        Steps::Other => Vec::new(),
    });
    let weights = collected(program, &reached, |_| true);
    let weights_by_linear_steps = collected(program, &linear, |gate| match weight(gate) {
        Some((_, true)) => gate.operands().iter().all(free_of_weights),
        _ => true,
    });
    Disclosure {
        name: output.name.clone(),
        shape: value.shape.to_vec(),
        bits,
        input_entries: chosen.values().fold(0, |sum, n| sum.saturating_add(*n)),
        linear_in_inputs: !origins[reveal].bent,
        inferences_of_as_many_bits: (weights.entries > 0).then(|| weights.bits.div_ceil(bits.max(1))),
        weights,
        weights_by_linear_steps,
    }
}

fn entries(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |n, extent| n.saturating_mul(*extent as u64))
}

/// The values that lead to `from`, where each leads back to those that `back` names.
fn reach(program: &Program, from: usize, back: impl Fn(&Gate) -> Vec<ValueId>) -> Vec<bool> {
    let mut reached = vec![false; from + 1];
    reached[from] = true;
    for at in (0..=from).rev() {
        if reached[at] {
            back(&program.values[at].gate).iter().for_each(|id| reached[id.0 as usize] = true);
        }
    }
    reached
}

/// The weights of the gates among `reached` that `counts` accepts.
fn collected(program: &Program, reached: &[bool], counts: impl Fn(&Gate) -> bool) -> Weights {
    let mut nodes: BTreeMap<u32, (&str, u64, u64)> = BTreeMap::new();
    for (value, _) in program.values.iter().zip(reached).filter(|(_, reached)| **reached) {
        let Some((id, _)) = weight(&value.gate).filter(|_| counts(&value.gate)) else { continue };
        let weight = &program.weights[id.0 as usize];
        let bits = u64::from(weight.bound) + 1;
        let known = nodes.entry(weight.node).or_insert((&weight.path, entries(&weight.shape), bits));
        known.2 = known.2.max(bits);
    }
    let mut weights = Weights::default();
    for (path, entries, bits) in nodes.into_values() {
        weights.paths.push(path.to_owned());
        weights.entries = weights.entries.saturating_add(entries);
        weights.bits = weights.bits.saturating_add(entries.saturating_mul(bits));
    }
    weights
}

#[cfg(test)]
mod tests;
