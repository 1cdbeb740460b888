//! Declared ranges (`assume`) beside what the network as written does.

use anyhow::Result;
use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::{Graph, NodeId};
use serde::Serialize;

use crate::source::Source;

/// A declared range that was left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Declared {
    /// The value.
    pub path: String,
    /// Line of the source on which the value is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is declared.
    pub declared: (f64, f64),
    /// Least and greatest entry of the network as written.
    pub found: (f64, f64),
    /// Inputs for which it was left.
    pub inputs: usize,
    /// Of so many.
    pub of: usize,
}

impl Declared {
    /// A line for people.
    pub fn text(&self) -> String {
        let line = self.line.map_or(String::new(), |line| format!(" (line {line})"));
        let ((low, high), (least, most)) = (self.declared, self.found);
        format!(
            "declared of {}{line}: [{low}, {high}]; the network as written gives {least:.6} to {most:.6}, outside for {} of {} inputs\n",
            self.path, self.inputs, self.of
        )
    }
}

/// What the network as written gives for every value with a declared range.
pub struct DeclaredRanges {
    nodes: Vec<NodeId>,
    seen: Vec<Declared>,
}

impl DeclaredRanges {
    /// Of a graph, which is that of a source unless it comes from an artefact.
    pub fn new(graph: &Graph, source: Option<&Source>) -> Self {
        let nodes: Vec<NodeId> =
            (0..).map(NodeId).zip(&graph.nodes).filter(|(_, n)| n.assumed.is_some()).map(|(id, _)| id).collect();
        let line = |id: NodeId| {
            let (text, span) = (&source?.text, graph.node(id).span?);
            Some(text.get(..span.start)?.lines().count().max(1))
        };
        let seen = |id: &NodeId| Declared {
            path: graph.node(*id).path.clone(),
            line: line(*id),
            declared: graph.node(*id).assumed.unwrap_or_default(),
            found: (f64::INFINITY, f64::NEG_INFINITY),
            inputs: 0,
            of: 0,
        };
        Self { seen: nodes.iter().map(seen).collect(), nodes }
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// One input of the network as written.
    pub fn add(&mut self, network: &Evaluator<'_>, input: &[Tensor]) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let values = network.run(input, Wanted::Only(&self.nodes))?;
        for (node, seen) in self.nodes.iter().zip(&mut self.seen) {
            let data = &values[*node].data;
            let ends =
                data.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
            seen.found = (seen.found.0.min(ends.0), seen.found.1.max(ends.1));
            seen.of += 1;
            seen.inputs += usize::from(ends.0 < seen.declared.0 || ends.1 > seen.declared.1);
        }
        Ok(())
    }

    /// The ranges that were left.
    pub fn left(self) -> Vec<Declared> {
        self.seen.into_iter().filter(|declared| declared.inputs > 0).collect()
    }
}
