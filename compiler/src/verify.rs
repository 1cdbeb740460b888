//! The verifier of the typed graph; this header is its checklist.
//!
//! 1. An operand is an earlier node, so the arena is in topological order and has no cycle.
//! 2. Every node's element, shape and visibility are what [`infer()`] derives from its operands
//!    (`Input` and `Param` from the declarations, `Const` and `Reshape` keep their own shape).
//! 3. Slices and gathers stay inside their operand, constants fill their shape, public numbers are finite,
//!    normalisers are positive, an assumed range is an interval.
//! 4. No value is empty, and nothing is larger than any model needs (`budget`).
//! 5. Inputs and parameters exist, outputs name nodes that exist, labels fit the output's last axis, and there are at
//!    most [`MOST_OUTPUTS`] outputs.
//! 6. A tokenizer fills inputs that exist, each once: vectors of one length, of integers and of bits. A picture becomes an
//!    input of bytes, and has its size in the end.
//! 7. What is searched has two or more candidates and a parameter with one coefficient fewer for each position.
//!
//! A violation is a bug of the compiler, never of the model; or the graph came in an artefact that somebody else wrote.

pub(crate) mod budget;
mod infer;

use std::fmt;

use crate::graph::{Element, Graph, LONGEST_SIDE, Node, NodeId, Op, Picture, Resize, Tokenizer};
use crate::smooth::Smooth;

pub(crate) use infer::derived_type;
pub use infer::{broadcast, build, build_shaped, infer};

/// The most outputs of a model: what each gives away is to be read by people.
pub const MOST_OUTPUTS: usize = 64;
/// Violations that are collected; more of them say nothing new.
const MOST_VIOLATIONS: usize = 100;

/// Proof that a graph passed the verifier.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'g>(&'g Graph);

impl<'g> Verified<'g> {
    /// The graph that was verified.
    pub fn graph(self) -> &'g Graph {
        self.0
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The node at fault; `None` for the graph as a whole.
    pub node: Option<NodeId>,
    /// Path of that node, or the name of the declaration.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some(id) => write!(f, "{id:?} ({}): {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

impl std::error::Error for Violation {}

/// Recomputes every derived fact of `graph`.
///
/// # Errors
/// The violations found, in node order, and not more than a hundred. A node that depends on a refused one is not
/// examined, since nothing can be said about it.
pub fn verify(graph: &Graph) -> Result<Verified<'_>, Vec<Violation>> {
    if let Err((path, message)) = budget::declarations(graph) {
        return Err(vec![Violation { node: None, path, message }]);
    }
    let mut violations = nodes(graph);
    if violations.len() < MOST_VIOLATIONS {
        violations.extend(declared(graph));
        violations.truncate(MOST_VIOLATIONS);
    }
    if violations.is_empty() { Ok(Verified(graph)) } else { Err(violations) }
}

fn nodes(graph: &Graph) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut refused = vec![false; graph.nodes.len()];
    let mut spent = budget::Spent::default();
    for (index, node) in graph.nodes.iter().enumerate() {
        let operands = node.op.operands();
        let mut messages = Vec::new();
        if let Some(late) = operands.iter().find(|o| o.0 as usize >= index) {
            messages.push(format!("operand {late:?} is not an earlier node"));
        } else if operands.iter().any(|o| refused[o.0 as usize]) {
            refused[index] = true;
            continue;
        } else if !budget::countable(&node.ty.shape) {
            messages.push(budget::uncountable(&node.ty.shape));
        } else {
            messages.extend(examined(graph, node));
        }
        if messages.is_empty()
            && let Err(message) = spent.add(graph, node)
        {
            violations.push(Violation { node: Some(NodeId(index as u32)), path: node.path.clone(), message });
            return violations;
        }
        refused[index] = !messages.is_empty();
        for message in messages {
            violations.push(Violation { node: Some(NodeId(index as u32)), path: node.path.clone(), message });
        }
        if violations.len() >= MOST_VIOLATIONS {
            return violations;
        }
    }
    violations
}

/// What is wrong with a node whose operands are right.
fn examined(graph: &Graph, node: &Node) -> Vec<String> {
    let mut messages = Vec::new();
    match derived_type(graph, &node.op, Some(&node.ty.shape)) {
        Ok(ty) if ty == node.ty => {}
        Ok(ty) => messages.push(format!("has type {:?} where its operands give {ty:?}", node.ty)),
        Err(message) => messages.push(message),
    }
    messages.extend(numbers(&node.op).err());
    if let Some((low, high)) = node.assumed
        && !(low.is_finite() && high.is_finite() && low <= high)
    {
        messages.push(format!("assumed range [{low:?}, {high:?}] is not an interval"));
    }
    messages
}

/// What is wrong with outputs, the tokenizer and what is searched.
fn declared(graph: &Graph) -> Vec<Violation> {
    let mut violations = Vec::new();
    if graph.outputs.len() > MOST_OUTPUTS {
        let message = format!("{} outputs; at most {MOST_OUTPUTS} are allowed", graph.outputs.len());
        violations.push(Violation { node: None, path: graph.name.clone(), message });
    }
    for output in graph.outputs.iter().take(MOST_OUTPUTS) {
        let mut report = |message: String| {
            violations.push(Violation { node: None, path: output.name.clone(), message });
        };
        match graph.nodes.get(output.node.0 as usize) {
            None => report(format!("output names {:?}, which does not exist", output.node)),
            Some(node) => {
                let last = node.ty.shape.last().copied().unwrap_or(0);
                let index = matches!(node.op, Op::Argmax(_));
                if !output.labels.is_empty() && !index && output.labels.len() != last {
                    report(format!("{} labels for a last axis of {last}", output.labels.len()));
                }
            }
        }
    }
    if let Some(Err(message)) = graph.tokenizer.as_ref().map(|tokenizer| fillable(graph, tokenizer)) {
        violations.push(Violation { node: None, path: "tokenizer".to_owned(), message });
    }
    for (at, picture) in graph.pictures.iter().enumerate() {
        if let Err(message) = depicted(graph, at, picture) {
            violations.push(Violation { node: None, path: "preprocess".to_owned(), message });
        }
    }
    if let Some(output) = graph.several.iter().find(|at| **at as usize >= graph.outputs.len()) {
        let message = format!("labels of output {output}, which does not exist, may hold together");
        violations.push(Violation { node: None, path: graph.name.clone(), message });
    }
    for searched in &graph.searched {
        let (rest, positions) = (searched.candidates.len().wrapping_sub(1), searched.positions.len());
        let wanted = if rest == 1 { vec![positions] } else { vec![rest, positions] };
        let param = graph.params.get(searched.param.0 as usize);
        if rest == 0 || positions == 0 || param.is_none_or(|param| param.shape.as_slice() != wanted) {
            let message = format!("layer {} has no coefficients {wanted:?}", searched.layer);
            violations.push(Violation { node: None, path: searched.plan.clone(), message });
        }
    }
    violations
}

/// Whether a picture can become its input, once and of the input's size.
fn depicted(graph: &Graph, at: usize, picture: &Picture) -> Result<(), String> {
    let input = graph.inputs.get(picture.input as usize).ok_or("fills an input that does not exist")?;
    let (Element::U8, &[1 | 3, height, width]) = (input.ty.element, input.ty.shape.as_slice()) else {
        return Err(format!("cannot fill `{}` of type {:?}", input.name, input.ty));
    };
    if graph.pictures[..at].iter().any(|other| other.input == picture.input) {
        return Err(format!("fills `{}` twice", input.name));
    }
    let sides = match picture.resize {
        None => return Ok(()),
        Some(Resize::Shortest(side)) => (side, side),
        Some(Resize::To(height, width)) => (height, width),
    };
    let exact = matches!(picture.resize, Some(Resize::To(h, w)) if (h as usize, w as usize) == (height, width));
    let allowed = 1..=LONGEST_SIDE;
    if !allowed.contains(&sides.0) || !allowed.contains(&sides.1) || !(exact || picture.crop) {
        return Err(format!("resizes pictures to {sides:?}, which do not become `{}`", input.name));
    }
    Ok(())
}

/// The inputs that a tokenizer fills.
fn fillable(graph: &Graph, tokenizer: &Tokenizer) -> Result<(), String> {
    let wanted =
        [(Some(tokenizer.ids), Element::I32), (tokenizer.segments, Element::I32), (tokenizer.mask, Element::Bit)];
    let mut filled: Vec<(u32, &[usize])> = Vec::new();
    for (index, element) in wanted.into_iter().filter_map(|(index, element)| Some((index?, element))) {
        let input =
            graph.inputs.get(index as usize).ok_or_else(|| format!("fills input {index}, which does not exist"))?;
        let shape = input.ty.shape.as_slice();
        if input.ty.element != element || shape.len() != 1 || filled.iter().any(|(_, other)| *other != shape) {
            return Err(format!("cannot fill `{}` of type {:?}", input.name, input.ty));
        }
        if filled.iter().any(|(other, _)| *other == index) {
            return Err(format!("fills `{}` twice", input.name));
        }
        filled.push((index, shape));
    }
    Ok(())
}

/// The public numbers inside an op.
fn numbers(op: &Op) -> Result<(), String> {
    let finite = |what: &str, values: &[f64]| match values.iter().find(|v| !v.is_finite()) {
        Some(v) => Err(format!("{what} {v:?} is not a finite number")),
        None => Ok(()),
    };
    match op {
        Op::Const(values) => finite("constant", values),
        Op::Smooth(Smooth::GeluFourier { cut }, _) => {
            finite("cut", &[*cut])?;
            if *cut > 0.0 { Ok(()) } else { Err(format!("cut {cut:?} is not positive")) }
        }
        Op::Scale(_, factor) => finite("factor", &[*factor]),
        Op::Offset(_, term) => finite("term", &[*term]),
        Op::LayerNorm { eps, .. } | Op::InvStd { eps, .. } => {
            finite("eps", &[*eps])?;
            if *eps < 0.0 { Err(format!("eps {eps:?} is negative")) } else { Ok(()) }
        }
        Op::Normalize { mean, std, .. } => {
            finite("mean", mean)?;
            finite("standard deviation", std)?;
            match std.iter().find(|s| **s <= 0.0) {
                Some(s) => Err(format!("standard deviation {s:?} is not positive")),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
