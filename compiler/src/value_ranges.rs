//! Ranges of values from the weights alone, for every input the data owner could send.
//!
//! Bounds of rows (entries, norms, sums) go forward through the graph; whole patterns are bounded where single ops forget how
//! operands hang together: a centred layer divided by the row's standard deviation is at most `√d · ‖w‖₂`, attention is a
//! mean of its values. Where the run checks a number, what follows may rely on the check.
//! The bounds are those of the network on real numbers: whoever rounds adds its rounding.

mod facts;
mod forward;
mod guards;
mod interval;
mod order;
mod patterns;
mod spectral;

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::evaluate::{Tensor, Values};
use crate::graph::{Graph, NodeId, Op, Visibility};
use crate::ranges::{NodeRange, Relied};
use facts::Facts;
use interval::{Interval, Rows};

/// Relative widening of every bound, for the rounding of this computation itself.
const SLACK: f64 = 1e-9;
/// Largest argument of an exponential from which nothing is subtracted.
pub(crate) const EXP_HIGHEST: f64 = 12.0;

/// What was seen of a node on calibration inputs.
pub type Observed<'a> = dyn Fn(NodeId) -> NodeRange + 'a;

/// A proved range of each node, from the values of its server nodes (see `evaluate_server`); `None` where no
/// finite range was found.
pub fn proved(graph: &Graph, server_values: &Values) -> Vec<Option<(f64, f64)>> {
    let nodes = Analysis::run(graph, server_values, None);
    nodes.into_iter().map(|node| node.entries).collect()
}

/// What may be relied on if the run checks what cannot be proved narrowly enough; `observed` says what is expected of the
/// numbers that it checks, and of inputs, which are checked where they are encoded.
pub fn relied_on(graph: &Graph, server_values: &Values, observed: &Observed<'_>) -> Vec<Relied> {
    Analysis::run(graph, server_values, Some(observed))
}

/// Facts of the nodes so far.
struct Analysis<'a> {
    graph: &'a Graph,
    server: &'a Values,
    facts: Vec<Facts>,
    users: Vec<Vec<NodeId>>,
    spectral: RefCell<BTreeMap<NodeId, f64>>,
}

impl<'a> Analysis<'a> {
    fn run(graph: &'a Graph, server: &'a Values, observed: Option<&Observed<'_>>) -> Vec<Relied> {
        let facts = vec![Facts::UNKNOWN; graph.nodes.len()];
        let mut users = vec![Vec::new(); graph.nodes.len()];
        for (index, node) in (0u32..).zip(&graph.nodes) {
            node.op.operands().iter().for_each(|operand| users[operand.0 as usize].push(NodeId(index)));
        }
        let mut analysis = Self { graph, server, facts, users, spectral: RefCell::default() };
        let mut relied = vec![Relied::default(); graph.nodes.len()];
        for id in order::scalars_first(graph) {
            let node = graph.node(id);
            if let Some(observed) = observed
                && node.ty.visibility == Visibility::Shared
            {
                let most = EXP_HIGHEST;
                let argument = analysis.argument(id, observed).or_else(|| analysis.exponent(id, most, observed));
                if let Some(checked) = argument {
                    analysis.rely_on_argument(id, checked);
                    if let Op::Smooth(_, x) = node.op {
                        analysis.rely_on(x, Interval::new(checked.low, checked.high));
                    }
                }
                relied[id.0 as usize].argument = argument;
            }
            let mut facts = analysis.forward(id).settled(analysis.width(id));
            if let Some(by_pattern) = patterns::bound(&analysis, id) {
                facts = facts.both(&by_pattern).settled(analysis.width(id));
            }
            if let Some(observed) = observed {
                facts = analysis.checked_input(id, facts, observed);
                let checked = match node.ty.visibility {
                    Visibility::Shared => analysis.own_entries(id, &facts, observed),
                    _ => None,
                };
                relied[id.0 as usize].checked = checked;
                relied[id.0 as usize].entries = bounds(&facts);
                analysis.facts[id.0 as usize] = facts;
                if let Some(checked) = checked {
                    analysis.rely_on(id, Interval::new(checked.low, checked.high));
                }
            } else {
                relied[id.0 as usize].entries = bounds(&facts);
                analysis.facts[id.0 as usize] = facts;
            }
        }
        relied
    }

    /// What the data owner computes in the clear is refused beyond what it was encoded for.
    fn checked_input(&self, id: NodeId, facts: Facts, observed: &Observed<'_>) -> Facts {
        let node = self.graph.node(id);
        if node.ty.visibility != Visibility::SecretClient || facts.rows.is_some() {
            return facts;
        }
        let declared = node.assumed.or_else(|| observed(id).widened());
        let width = self.width(id);
        let rows = declared.map(|(low, high)| Rows::uniform(Interval::new(low, high), width));
        Facts { rows, ..facts }.settled(width)
    }

    fn op(&self, id: NodeId) -> &'a Op {
        &self.graph.node(id).op
    }

    fn shape(&self, id: NodeId) -> &'a [usize] {
        &self.graph.node(id).ty.shape
    }

    fn width(&self, id: NodeId) -> usize {
        self.shape(id).last().copied().unwrap_or(1)
    }

    fn rows(&self, id: NodeId) -> Option<&Rows> {
        self.facts.get(id.0 as usize)?.rows.as_ref()
    }

    /// The value of a node that the model owner or everyone can compute.
    fn known(&self, id: NodeId) -> Option<&'a Tensor> {
        self.server.value(id)
    }

    fn is_last(&self, x: NodeId, axis: usize) -> bool {
        axis + 1 == self.shape(x).len()
    }
}

fn bounds(facts: &Facts) -> Option<(f64, f64)> {
    facts.hull()?.widened(SLACK)
}
