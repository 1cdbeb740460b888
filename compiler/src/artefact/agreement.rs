//! The parts of an artefact against each other; this header is the checklist.
//!
//! 1. The program is called as the graph is.
//! 2. Every input of the graph is the data owner's, and none of its outputs is a function of weights alone.
//! 3. The program has the outputs of the graph: in order, with their names, shapes and labels; and an input reaches each that
//!    weights reach.
//! 4. A weight of the program is a node that the model owner can compute alone, under its path, in its shape or
//!    transposed; only a centred weight is rounded to zero sums.
//! 5. An input of the program is a node that the data owner can compute alone, under its path and in its shape.
//! 6. A choice names a node.
//! 7. A program that reveals whether its values were in range relies on that.
//!
//! Graph and program must each have passed their verifier. Nothing may index one by what the other says before this.

use mpcc_program::program::{Program, Weight, WeightRounding};
use mpcc_program::reveals::Disclosure;
use mpcc_program::shown::shown;

use super::facts::Facts;
use crate::graph::{Graph, Node, Op, Shape, Visibility};
use crate::ranges::Basis;

/// The first rule of the checklist that is broken, in words.
pub(super) fn agree(graph: &Graph, program: &Program, facts: &Facts) -> Result<(), String> {
    if program.name != graph.name {
        return Err(format!("its program is called `{}` and its graph `{}`", shown(&program.name), shown(&graph.name)));
    }
    if let Some(input) = graph.inputs.iter().find(|input| input.ty.visibility != Visibility::SecretClient) {
        return Err(format!("its input `{}` is not the data owner's", shown(&input.name)));
    }
    outputs(graph, program)?;
    for (index, weight) in program.weights.iter().enumerate() {
        let node = node(graph, weight.node).ok_or_else(|| format!("weight {index} is no node of its graph"))?;
        self::weight(graph, weight, node)
            .map_err(|what| format!("weight {index} (`{}`) {what}", shown(&weight.path)))?;
    }
    for (index, input) in program.inputs.iter().enumerate() {
        let node = node(graph, input.node).ok_or_else(|| format!("input {index} is no node of its graph"))?;
        let fits =
            node.ty.visibility == Visibility::SecretClient && node.ty.shape == input.shape && node.path == input.path;
        if !fits {
            return Err(format!(
                "input {index} (`{}`) is not the value of the data owner that its graph has there",
                shown(&input.path)
            ));
        }
    }
    if program.verdict && facts.basis != Basis::Guarded {
        return Err(format!("its program checks ranges, and it says that it relies on what is {}", facts.basis.name()));
    }
    match facts.choices.iter().find(|choice| node(graph, choice.node.0).is_none()) {
        Some(choice) => Err(format!("a choice is said of {:?}, which its graph does not have", choice.node)),
        None => Ok(()),
    }
}

/// An output that no input reaches hands out the same function of the weights every time.
pub(super) fn reached_by_inputs(disclosed: &[Disclosure]) -> Result<(), String> {
    match disclosed.iter().find(|output| output.input_entries == 0 && output.weights.entries > 0) {
        Some(output) => Err(format!(
            "its output `{}` hands weights to the data owner: {} weights reach it and no input does",
            shown(&output.name),
            output.weights.paths.len()
        )),
        None => Ok(()),
    }
}

fn node(graph: &Graph, index: u32) -> Option<&Node> {
    graph.nodes.get(index as usize)
}

fn outputs(graph: &Graph, program: &Program) -> Result<(), String> {
    if program.outputs.len() != graph.outputs.len() {
        return Err(format!(
            "its program reveals {} outputs and its graph declares {}",
            program.outputs.len(),
            graph.outputs.len()
        ));
    }
    for (revealed, declared) in program.outputs.iter().zip(&graph.outputs) {
        let name = shown(&declared.name);
        let node =
            graph.nodes.get(declared.node.0 as usize).ok_or_else(|| format!("its output `{name}` is no node"))?;
        if node.ty.visibility == Visibility::SecretServer {
            return Err(format!("its output `{name}` is a function of weights alone"));
        }
        if revealed.name != declared.name || revealed.labels != declared.labels || revealed.shape != node.ty.shape {
            return Err(format!(
                "its program reveals `{}` {:?} where its graph declares `{name}` {:?}, or with other labels",
                shown(&revealed.name),
                revealed.shape.as_slice(),
                node.ty.shape.as_slice()
            ));
        }
    }
    Ok(())
}

fn weight(graph: &Graph, weight: &Weight, node: &Node) -> Result<(), &'static str> {
    if !matches!(node.ty.visibility, Visibility::SecretServer | Visibility::Public) {
        return Err("is not the model owner's");
    }
    if node.path != weight.path {
        return Err("stands elsewhere in its graph");
    }
    let mut shape: Shape = node.ty.shape.clone();
    if weight.transposed {
        let axes = shape.len();
        if axes < 2 {
            return Err("has no two axes to transpose");
        }
        shape.swap(axes - 1, axes - 2);
    }
    if shape != weight.shape {
        return Err("has another shape in its graph");
    }
    if weight.rounding == WeightRounding::ZeroColumnSums
        && !(weight.transposed && shape.len() == 2 && centred(graph, node))
    {
        return Err("is not centred, so its columns have no sums to keep at zero");
    }
    Ok(())
}

/// Whether a node is a centred weight, or one times public numbers.
fn centred(graph: &Graph, node: &Node) -> bool {
    let mut op = &node.op;
    while let Op::Scale(inner, _) = op {
        op = &graph.node(*inner).op;
    }
    matches!(op, Op::CentreWeight(_))
}
