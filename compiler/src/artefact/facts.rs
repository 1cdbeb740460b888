//! What a reader of an artefact should know and cannot derive from its graph and program: what the compiler relied on and
//! what it chose among.
//!
//! Facts stand under the program's hash, so whoever has the same hash has the same facts. They are the word of whoever
//! compiled; compiling again is how to check them.

use serde::{Deserialize, Serialize};

use crate::graph::NodeId;
use crate::plan::{Plan, Taken};
use crate::ranges::{Basis, Origin};

/// The facts of one program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What the protocols were chosen for; nothing if the caller chose.
    pub planned_for: Option<PlannedFor>,
    /// Where there was a choice between protocols, in the order of the nodes.
    pub choices: Vec<ChoiceFact>,
    /// What the program relies on.
    pub basis: Basis,
    /// The digest of the weights for which the bounds hold.
    pub weights: Option<String>,
    /// Bounds the program relies on, in the order of the nodes.
    pub ranges: Vec<RangeFact>,
}

/// What the protocols of a program were chosen for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedFor {
    /// The network, as it was named.
    pub network: String,
    /// The machine whose rates were used.
    pub machine: String,
    /// What a second before the input is known counts, beside one after.
    pub alpha: f64,
}

/// A protocol that was taken where there was another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceFact {
    /// The node of the rewritten graph.
    pub node: NodeId,
    /// The protocol.
    pub taken: Taken,
}

/// A bound the program relies on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangeFact {
    /// Path of the value.
    pub path: String,
    /// Why it holds.
    pub origin: Origin,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
}

impl Facts {
    /// The facts of a plan.
    pub fn of(plan: &Plan, planned_for: Option<PlannedFor>) -> Self {
        let range = |note: &crate::plan::RangeNote| RangeFact {
            path: note.path.clone(),
            origin: note.origin,
            low: note.range.0,
            high: note.range.1,
        };
        Self {
            planned_for,
            choices: plan.choices.iter().map(|c| ChoiceFact { node: c.node, taken: c.taken }).collect(),
            basis: plan.basis,
            weights: plan.weights.clone(),
            ranges: plan.ranges.iter().map(range).collect(),
        }
    }
}
