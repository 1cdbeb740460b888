//! What a graph may ask of whoever reads or evaluates it at most.
//!
//! A few bytes can describe any amount of work. Both owners evaluate their part of a graph in the clear, and every
//! command reads the whole of it, so its size is bounded here before that begins. The limits are many times what the
//! largest networks need that can be run on shares.

pub(crate) use mpcc_program::verify::MOST_ENTRIES;

use crate::graph::{Graph, Node, NodeId, Op, Shape, Visibility};

/// Axes of a value.
pub(crate) const MOST_AXES: usize = 8;
/// Nodes of a graph.
pub(crate) const MOST_NODES: usize = 1 << 20;
/// Nodes of a graph that is still to be rewritten, so that no pass exceeds the limit above.
pub(crate) const MOST_LOWERED_NODES: usize = 1 << 17;
/// Operands of all nodes, and positions of all gathers.
const MOST_OPERANDS: usize = 1 << 22;
/// Parameters of a graph.
const MOST_PARAMS: usize = 1 << 16;
/// Entries of all parameters.
const MOST_PARAM_ENTRIES: u64 = 1 << 31;
/// Entries of all that the data owner computes in the clear.
const MOST_CLEAR_ENTRIES: u64 = 1 << 28;
/// Entries of all values.
const MOST_TOTAL_ENTRIES: u64 = 1 << 33;
/// Multiply-accumulates of what either owner computes in the clear.
const MOST_CLEAR_PRODUCTS: u64 = 1 << 42;

/// Whether a shape has few axes, at least one entry and at most [`MOST_ENTRIES`], so that no size computed from it
/// overflows.
pub(crate) fn countable(shape: &[usize]) -> bool {
    if shape.len() > MOST_AXES {
        return false;
    }
    let count = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    count.is_some_and(|n| (1..=MOST_ENTRIES).contains(&n))
}

/// What is wrong with a shape that is not [`countable`].
pub(super) fn uncountable(shape: &[usize]) -> String {
    let shown = &shape[..shape.len().min(MOST_AXES)];
    format!("shape {shown:?} is empty, has more than {MOST_AXES} axes or more than {MOST_ENTRIES} entries")
}

/// What the nodes up to one ask for.
#[derive(Default)]
pub(crate) struct Spent {
    operands: usize,
    clear: u64,
    total: u64,
    products: u64,
}

impl Spent {
    /// Adds a node whose shape and operands can be counted.
    ///
    /// # Errors
    /// The limit that is exceeded with it.
    pub(crate) fn add(&mut self, graph: &Graph, node: &Node) -> Result<(), String> {
        let entries = node.ty.shape.iter().product::<usize>() as u64;
        let picked = match &node.op {
            Op::Gather { index, .. } => index.len(),
            _ => 0,
        };
        self.operands = self.operands.saturating_add(node.op.operands().len() + picked);
        self.total = self.total.saturating_add(entries);
        match node.ty.visibility {
            Visibility::Shared => {}
            Visibility::SecretServer => self.products = self.products.saturating_add(products(graph, node)),
            Visibility::Public | Visibility::SecretClient => {
                self.clear = self.clear.saturating_add(entries);
                self.products = self.products.saturating_add(products(graph, node));
            }
        }
        for (spent, most, what) in [
            (self.operands as u64, MOST_OPERANDS as u64, "operands and positions"),
            (self.total, MOST_TOTAL_ENTRIES, "entries"),
            (self.clear, MOST_CLEAR_ENTRIES, "entries that the data owner computes in the clear"),
            (self.products, MOST_CLEAR_PRODUCTS, "products that an owner computes in the clear"),
        ] {
            if spent > most {
                return Err(format!("the model has {spent} {what} up to here; at most {most}"));
            }
        }
        Ok(())
    }
}

/// Multiply-accumulates of a node.
fn products(graph: &Graph, node: &Node) -> u64 {
    let entries = node.ty.shape.iter().product::<usize>() as u64;
    match node.op {
        Op::MatMul(x, _) | Op::Linear { x, .. } => {
            entries.saturating_mul(graph.node(x).ty.shape.last().map_or(1, |inner| *inner as u64))
        }
        _ => 0,
    }
}

/// What is declared: how much there is, and shapes that can be computed with.
///
/// # Errors
/// What is too large, with the name of the declaration.
pub(crate) fn declarations(graph: &Graph) -> Result<(), (String, String)> {
    for (what, count, most) in [
        ("operations", graph.nodes.len(), MOST_NODES),
        ("parameters", graph.params.len(), MOST_PARAMS),
        ("inputs", graph.inputs.len(), mpcc_program::verify::MOST_INTERFACES),
        ("outputs", graph.outputs.len(), mpcc_program::verify::MOST_INTERFACES),
    ] {
        if count > most {
            return Err((what.to_owned(), format!("there are {count}; at most {most}")));
        }
    }
    let shapes = graph.params.iter().flat_map(|p| [(&p.name, &p.shape), (&p.name, &p.file_shape)]);
    let odd = |(_, shape): &(&String, &Shape)| !countable(shape);
    if let Some((name, shape)) = shapes.chain(graph.inputs.iter().map(|i| (&i.name, &i.ty.shape))).find(odd) {
        return Err((name.clone(), uncountable(shape)));
    }
    let total: u64 = graph.params.iter().map(|p| p.shape.iter().product::<usize>() as u64).sum();
    if total > MOST_PARAM_ENTRIES {
        return Err(("parameters".to_owned(), format!("they have {total} entries; at most {MOST_PARAM_ENTRIES}")));
    }
    Ok(())
}

/// The first node of a graph that is still to be rewritten with which it asks for too much.
///
/// # Errors
/// The node and the limit.
pub(crate) fn before_rewrites(graph: &Graph) -> Result<(), (NodeId, String)> {
    let mut spent = Spent::default();
    for (id, node) in (0..).map(NodeId).zip(&graph.nodes) {
        if id.0 as usize >= MOST_LOWERED_NODES {
            return Err((id, format!("the model has more than {MOST_LOWERED_NODES} operations")));
        }
        spent.add(graph, node).map_err(|message| (id, message))?;
    }
    Ok(())
}
