//! Planning: fixed-point formats, ring widths, protocols and hops for a rewritten graph.
//!
//! Three sweeps. `formats` goes forward and gives every node the scale of its share and of its opened wire.
//! `rings` goes backward and gives every share and wire the ring its consumers need; where one word cannot hold a
//! chain of products, the chain takes two, or the wire is opened narrow, extended and opened again. `build` goes forward once more and writes the gates.
//! An opening happens in the first hop after its operand is known, so independent openings share hops.

mod bits;
mod build;
mod choose;
mod exponents;
mod format;
mod formats;
mod frequencies;
mod levels;
mod limits;
mod rings;
mod series;
mod shift;
mod smooth;
mod windows;

use std::collections::BTreeMap;

use mpcc_program::program::{Program, Supplier};
use mpcc_program::verify::Violation;
use thiserror::Error;

use crate::graph::{Graph, Node, NodeId, Op};
use crate::ranges::{Basis, Origin, Ranges};

pub use choose::{Chosen, Decided, Objective, plan_for};
pub use series::{Series, fit};

/// Why a graph cannot be planned. Each names the node and says what to change.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    /// Nothing is known about a node's values.
    #[error("no range is known for `{path}` ({node:?})")]
    NoRange {
        /// The node.
        node: NodeId,
        /// Its path.
        path: String,
    },
    /// The ranges are those of another graph.
    #[error("these ranges belong to another model, plan or weights file")]
    StaleRanges,
    /// A value does not fit the widest ring of its gate.
    #[error(
        "`{path}` needs a ring of {needed} bits and {available} are available: it ranges over ±{} with {fraction} fraction bits",
        libm::exp2(f64::from(*magnitude))
    )]
    TooWide {
        /// The node.
        node: NodeId,
        /// Its path.
        path: String,
        /// log2 of the bound on its values.
        magnitude: i32,
        /// Fraction bits of its opened wire.
        fraction: i32,
        /// Bits needed.
        needed: i32,
        /// Bits available.
        available: i32,
    },
    /// A row function's domain is wider than its tables can cover.
    #[error("the argument of `{path}` ranges from {low:.3e} to {high:.3e}: no table covers that")]
    RowDomain {
        /// The node.
        node: NodeId,
        /// Its path.
        path: String,
        /// Least argument.
        low: f64,
        /// Greatest argument.
        high: f64,
    },
    /// The graph mixes candidates of entries that are still to be searched.
    #[error("plan `{plan}` is still to be searched: run `mpcc search`, or give a plan with --plan")]
    Searched {
        /// The plan.
        plan: String,
    },
    /// An operation on secret values has no protocol yet.
    #[error("`{path}`: no protocol for {what} on secret values")]
    Unsupported {
        /// The node.
        node: NodeId,
        /// Its path.
        path: String,
        /// What it is.
        what: String,
    },
    /// An operation for which two parties have no protocol without a dealer.
    #[error("`{path}`: two parties alone cannot compute {what} yet")]
    Alone {
        /// The node.
        node: NodeId,
        /// Its path.
        path: String,
        /// What it is.
        what: String,
    },
    /// The program written for the graph breaks a rule of share programs.
    #[error(
        "`{path}`: no valid share program was found ({message}): write this value in another way, and report the model"
    )]
    Invalid {
        /// Path of the value.
        path: String,
        /// The rule that is broken.
        message: String,
    },
}

impl PlanError {
    /// The node concerned.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            PlanError::StaleRanges | PlanError::Searched { .. } | PlanError::Invalid { .. } => None,
            PlanError::NoRange { node, .. }
            | PlanError::TooWide { node, .. }
            | PlanError::RowDomain { node, .. }
            | PlanError::Alone { node, .. }
            | PlanError::Unsupported { node, .. } => Some(*node),
        }
    }
}

/// Bits of a machine word: the widest ring of what is handed out or comes from comparison keys.
pub(crate) const WORD: i32 = 64;
/// The widest ring: two machine words.
pub(crate) const WIDEST: i32 = 128;
/// Bits of a position in a bucket of a row function.
pub(crate) const POSITION_BITS: i32 = 13;
/// Significant bits kept on a wire whose values are small.
pub(crate) const SIGNIFICANT: i32 = 15;

/// A bound relied on, for the report.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RangeNote {
    /// Path of the node.
    pub path: String,
    /// Where its bound comes from.
    pub origin: Origin,
    /// The range relied on.
    pub range: (f64, f64),
}

/// A share program and what it relies on.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The program.
    pub program: Program,
    /// Every bound relied on.
    pub ranges: Vec<RangeNote>,
    /// Where there was a choice between protocols, in the order of the nodes.
    pub choices: Vec<Choice>,
    /// What it relies on.
    pub basis: Basis,
    /// The weights that its ranges were made with, by their digest.
    pub weights: Option<String>,
    /// The ring in which every node is opened at last, 0 if it is not: what distinguishes nodes of one name.
    opened: Vec<i32>,
}

/// How ReLU is computed, and the thresholds of a GeLU whose argument has no bound to rely on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Digit tables (G8, G9): two hops and few dealt bytes; two hops more for such a GeLU.
    #[default]
    DigitTables,
    /// Function secret sharing (G16): no hop and many dealt bytes; one hop more for such a GeLU. Under a ReLU, wires of
    /// more than 32 bits keep digit tables.
    FunctionSharing,
}

/// How a value is opened whose chain of products needs a ring of more than 64 bits, or that a series gives, whose price grows
/// with its ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// In a ring of up to 128 bits: no hop, more bytes, and two words an entry beyond 64.
    #[default]
    Wide,
    /// In a ring that holds the value, extended and opened again: one hop more.
    Narrow,
}

/// What softmax subtracts from a row before its exponentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Softmax {
    /// The row's maximum: what counts below thresholds tell of it (G18), where a ring holds the row, else by comparisons.
    Maximum,
    /// A public number, where the maxima are proved or declared to lie close enough together; else the maximum.
    #[default]
    Declared,
    /// A public number also where that was only observed: an input whose maxima lie elsewhere gives wrong results.
    Static,
    /// The row's maximum, by a tree of comparisons (G12).
    Compared,
}

/// Choices between protocols: one for the whole graph, and others for single nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// For ReLU and GeLU.
    pub comparison: Comparison,
    /// For single ReLUs and GeLUs.
    pub comparison_of: BTreeMap<NodeId, Comparison>,
    /// For chains of products that one word cannot hold.
    pub chain: Chain,
    /// For single values of such chains.
    pub chain_of: BTreeMap<NodeId, Chain>,
    /// For the row maxima of softmax.
    pub softmax: Softmax,
    /// For single row maxima.
    pub softmax_of: BTreeMap<NodeId, Softmax>,
    /// What the program may rely on.
    pub basis: Basis,
    /// Who makes the correlated randomness. Two parties alone make no keys, so they compare by digits whatever else is asked for.
    pub supplier: Supplier,
}

impl PlanOptions {
    /// Whether there is no dealer.
    pub(crate) fn alone(&self) -> bool {
        self.supplier == Supplier::Pair
    }

    pub(crate) fn comparison_at(&self, id: NodeId) -> Comparison {
        if self.alone() {
            return Comparison::DigitTables;
        }
        self.comparison_of.get(&id).copied().unwrap_or(self.comparison)
    }

    pub(crate) fn chain_at(&self, id: NodeId) -> Chain {
        self.chain_of.get(&id).copied().unwrap_or(self.chain)
    }

    pub(crate) fn softmax_at(&self, id: NodeId) -> Softmax {
        self.softmax_of.get(&id).copied().unwrap_or(self.softmax)
    }
}

/// A node at which the plan could have taken another protocol.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Choice {
    /// The node of the rewritten graph.
    pub node: NodeId,
    /// Its path.
    pub path: String,
    /// What was taken.
    pub taken: Taken,
}

/// What a choice took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// For a ReLU, or a GeLU that saturates.
    Comparison(Comparison),
    /// For a value that needs more than one word, or would without a hop of its own, or that a series gives.
    Chain(Chain),
    /// For the row maxima of softmax.
    Softmax(Softmax),
}

impl Taken {
    /// The protocol in words.
    pub fn name(self) -> &'static str {
        match self {
            Taken::Comparison(Comparison::DigitTables) => "comparison by digit tables",
            Taken::Comparison(Comparison::FunctionSharing) => "comparison by function sharing",
            Taken::Chain(Chain::Wide) => "one opening in a wide ring",
            Taken::Chain(Chain::Narrow) => "a second opening",
            Taken::Softmax(Softmax::Maximum) => "a row maximum by counts",
            Taken::Softmax(Softmax::Compared) => "a row maximum by comparisons",
            Taken::Softmax(_) => "a number in place of a row maximum",
        }
    }
}

/// Plans a graph that passed all rewrites, with the default protocols.
///
/// # Errors
/// As [`plan_with`].
pub fn plan(graph: &Graph, ranges: &Ranges) -> Result<Plan, Vec<PlanError>> {
    plan_with(graph, ranges, &PlanOptions::default())
}

/// Plans a graph that passed all rewrites.
///
/// # Errors
/// Every violation, not only the first.
pub fn plan_with(graph: &Graph, ranges: &Ranges, options: &PlanOptions) -> Result<Plan, Vec<PlanError>> {
    if let Some(searched) = graph.searched.first() {
        return Err(vec![PlanError::Searched { plan: searched.plan.clone() }]);
    }
    if ranges.graph != crate::ranges::digest(graph) {
        return Err(vec![PlanError::StaleRanges]);
    }
    let unsupported = crate::passes::without_protocol(graph).into_iter().map(|(node, reason)| {
        let (path, name) = (graph.node(node).path.clone(), crate::text::op_name(&graph.node(node).op));
        PlanError::Unsupported { node, path, what: format!("{name} ({reason})") }
    });
    let unsupported: Vec<PlanError> = unsupported.collect();
    if !unsupported.is_empty() {
        return Err(unsupported);
    }
    let formats = formats::assign(graph, ranges, options)?;
    let rings = rings::assign(graph, &formats, options)?;
    let program = Program { supplier: options.supplier, ..build::program(graph, &formats, &rings, options) };
    mpcc_program::verify::verify(&program).map_err(|violations| {
        let invalid = |v: Violation| PlanError::Invalid { path: v.path.clone(), message: v.to_string() };
        violations.into_iter().map(invalid).collect::<Vec<_>>()
    })?;
    let notes = graph
        .nodes
        .iter()
        .enumerate()
        .filter(|(i, _)| formats.nodes[*i].is_shared())
        .filter_map(|(i, n)| {
            let (range, origin) = ranges.range(graph, NodeId(i as u32), options.basis)?;
            Some(RangeNote { path: n.path.clone(), origin, range })
        })
        .collect();
    Ok(Plan {
        program,
        ranges: notes,
        choices: choices(graph, &formats, &rings, options),
        basis: options.basis,
        weights: ranges.weights.clone(),
        opened: rings.nodes.iter().map(|ring| ring.wire).collect(),
    })
}

fn choices(graph: &Graph, formats: &format::Formats, rings: &rings::Rings, options: &PlanOptions) -> Vec<Choice> {
    let taken = |id: NodeId, node: &Node| {
        let form = &formats.of(id).form;
        let used = rings.of(id).is_used();
        let compared = matches!(node.op, Op::Relu(_) | Op::Step(_)) || form.compares();
        let comparison = (used && compared).then(|| Taken::Comparison(options.comparison_at(id)));
        let chain = rings.of(id).chain.filter(|_| used).map(Taken::Chain);
        let maximum = match form {
            format::Form::Shift(shift) if shift.power.is_none_or(|power| power.counts.is_none()) => Softmax::Static,
            format::Form::Shift(_) => Softmax::Maximum,
            _ => Softmax::Compared,
        };
        let softmax = formats.softmax.contains(&id).then_some(Taken::Softmax(maximum));
        [comparison, chain, softmax].into_iter().flatten()
    };
    let nodes = graph.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n));
    let choice = |node, n: &Node, taken| Choice { node, path: n.path.clone(), taken };
    nodes.flat_map(|(node, n)| taken(node, n).map(move |taken| choice(node, n, taken))).collect()
}
