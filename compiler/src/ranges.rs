//! What is known about the values of each node: ranges observed on calibration inputs, ranges proved, and ranges that hold
//! wherever the checks of a run pass.
//!
//! A program relies on the last kind unless its [`Basis`] says otherwise: on what is proved for every input, narrowed by
//! what the run checks. Before weights exist, [`nominal`] stands in for all of them.
//! Ranges belong to one rewritten graph and carry its [`digest`]; a file keeps those of several ([`Kept`]). They are public:
//! they go into the share program as ring widths, table domains and bounds.

mod belonging;
mod checked;
mod kept;
mod nominal;
mod weights;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::graph::{Graph, NodeId, Visibility};

pub use belonging::{digest, text_digest};
pub use checked::{ABOVE, BELOW, Checked, Relied};
pub use kept::{Entry, KEPT, Kept, SCHEMA, Unreadable};
pub use nominal::nominal;
pub use weights::weights_digest;

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
    /// Bounds that hold while no earlier check of a run has failed; left out where they are the proved ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub relied: Option<(f64, f64)>,
    /// What the run checks the entries against.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checked: Option<Checked>,
    /// The range of the argument, of a reciprocal, a root or an exponential; of the row variance, of an inverse deviation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub argument: Option<Checked>,
}

impl NodeRange {
    /// What was seen, widened by [`MARGIN`].
    pub fn widened(&self) -> Option<(f64, f64)> {
        self.observed.map(|(low, high)| {
            let m = low.abs().max(high.abs()) * MARGIN;
            (if low < 0.0 { -m } else { 0.0 }, if high > 0.0 { m } else { 0.0 })
        })
    }

    /// What its own words must hold where the run checks.
    fn held(&self) -> Option<(f64, f64)> {
        self.relied.or(self.proved)
    }

    /// Takes over what may be relied on.
    pub fn rely(&mut self, relied: &Relied) {
        self.relied = relied.entries.filter(|entries| Some(*entries) != self.proved);
        self.checked = relied.checked;
        self.argument = relied.argument;
    }
}

/// Ranges of a rewritten graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranges {
    /// [`digest`] of the graph.
    pub graph: String,
    /// [`weights_digest`] of the weights that they were made with; nothing if there were none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weights: Option<String>,
    /// By node.
    pub nodes: BTreeMap<u32, NodeRange>,
}

/// What a program may rely on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// On nothing but proofs: every input gets a right answer.
    Proved,
    /// On proofs and on checks in the run: an input gets a right answer or none.
    #[default]
    Guarded,
    /// Also on what was seen, with a margin: an input that is unlike the calibration inputs may get a wrong answer.
    Observed,
}

impl Basis {
    /// Its name, as options and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Basis::Proved => "proved",
            Basis::Guarded => "guarded",
            Basis::Observed => "observed",
        }
    }
}

impl Basis {
    /// What it means for an answer, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Basis::Proved => "proved for every input",
            Basis::Guarded => "guarded: an answer is right or withheld",
            Basis::Observed => "observed: an input unlike the calibration inputs may get a WRONG ANSWER",
        }
    }
}

/// Where a bound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// It holds for every input.
    Proved,
    /// It follows from checks in the run, or is checked where the input is encoded.
    Guarded,
    /// Declared in the source; checked in the run if the basis is [`Basis::Guarded`].
    Assumed,
    /// Seen on calibration inputs, widened by [`MARGIN`], and not checked.
    Observed,
}

impl Ranges {
    /// No ranges yet for a graph.
    pub fn new(graph: &Graph) -> Self {
        Self { graph: digest(graph), weights: None, nodes: BTreeMap::new() }
    }

    /// What is known of a node.
    pub fn of(&self, id: NodeId) -> NodeRange {
        self.nodes.get(&id.0).copied().unwrap_or_default()
    }

    /// The range of a node that its words must hold, and where it comes from.
    pub fn range(&self, graph: &Graph, id: NodeId, basis: Basis) -> Option<((f64, f64), Origin)> {
        let known = self.of(id);
        let of_client = graph.node(id).ty.visibility == Visibility::SecretClient;
        match basis {
            Basis::Proved => known.proved.map(|range| (range, Origin::Proved)),
            Basis::Guarded if of_client && known.proved.is_none() => {
                let declared = graph.node(id).assumed.map(|range| (range, Origin::Assumed));
                let encoded = known.relied.or_else(|| known.widened());
                declared.or_else(|| encoded.map(|range| (range, Origin::Guarded)))
            }
            Basis::Guarded => {
                let origin = if known.relied.is_some() { Origin::Guarded } else { Origin::Proved };
                known.held().map(|range| (range, origin))
            }
            Basis::Observed => self.observed(graph, id),
        }
    }

    /// The range of a node that those who use it may rely on: what its words hold, and passes the check that it has itself.
    pub fn used(&self, graph: &Graph, id: NodeId, basis: Basis) -> Option<(f64, f64)> {
        let (held, _) = self.range(graph, id, basis)?;
        match (basis, self.of(id).checked) {
            (Basis::Guarded, Some(checked)) => Some((held.0.max(checked.low), held.1.min(checked.high))),
            _ => Some(held),
        }
    }

    /// The tighter of what is proved and what was seen; a declared range stands in for what was seen.
    fn observed(&self, graph: &Graph, id: NodeId) -> Option<((f64, f64), Origin)> {
        let known = self.of(id);
        let loose = match (graph.node(id).assumed, known.widened()) {
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
