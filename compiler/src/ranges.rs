//! What is known about the values of each node: ranges observed on calibration inputs, and ranges proved.
//!
//! The planner takes the tighter of a proved range and the observed one with a margin; a source `assume` overrides
//! an observation, and what the data owner computes in the clear relies on nothing narrower than its proved range.
//! Before weights exist, [`nominal`] stands in for both.
//! Ranges belong to one rewritten graph and carry its digest. They are public: they go into the
//! share program as ring widths, table domains and bounds.

mod nominal;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::graph::{Graph, NodeId, Visibility};

pub use nominal::nominal;

/// Factor by which an observed magnitude is widened before it is relied on.
pub const MARGIN: f64 = 2.0;

/// What is known about one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRange {
    /// Least and greatest entry seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed: Option<(f64, f64)>,
    /// Least entry above zero seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub smallest_positive: Option<f64>,
    /// Bounds that hold for every input.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proved: Option<(f64, f64)>,
}

/// Ranges of a rewritten graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranges {
    /// `mpcc.ranges/1`
    pub schema: String,
    /// Digest of the rewritten graph's text form.
    pub graph: String,
    /// By node.
    pub nodes: BTreeMap<u32, NodeRange>,
}

/// Where a bound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// It holds for every input.
    Proved,
    /// Declared in the source.
    Assumed,
    /// Seen on calibration inputs, widened by [`MARGIN`].
    Observed,
}

/// Digest that ties ranges to a graph.
pub fn digest(graph: &Graph) -> String {
    blake3::hash(crate::text::graph(graph).as_bytes()).to_hex().to_string()
}

impl Ranges {
    /// No ranges yet for a graph.
    pub fn new(graph: &Graph) -> Self {
        Self { schema: "mpcc.ranges/1".into(), graph: digest(graph), nodes: BTreeMap::new() }
    }

    /// The range of a node to rely on, and where it comes from.
    pub fn range(&self, graph: &Graph, id: NodeId) -> Option<((f64, f64), Origin)> {
        let known = self.nodes.get(&id.0).copied().unwrap_or_default();
        let widened = known.observed.map(|(low, high)| {
            let m = low.abs().max(high.abs()) * MARGIN;
            (if low < 0.0 { -m } else { 0.0 }, if high > 0.0 { m } else { 0.0 })
        });
        let loose = match (graph.node(id).assumed, widened) {
            (Some(assumed), _) => Some((assumed, Origin::Assumed)),
            (None, seen) => seen.map(|r| (r, Origin::Observed)),
        };
        let width = |r: (f64, f64)| r.0.abs().max(r.1.abs());
        let of_client = graph.node(id).ty.visibility == Visibility::SecretClient;
        match (known.proved, loose) {
            // Whatever the data owner may send must fit, however dark the calibration images were.
            (Some(p), _) if of_client => Some((p, Origin::Proved)),
            (Some(p), Some((l, _))) if width(p) <= width(l) => Some((p, Origin::Proved)),
            (Some(p), None) => Some((p, Origin::Proved)),
            (_, loose) => loose,
        }
    }
}
