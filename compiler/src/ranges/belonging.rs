//! Which graph ranges belong to.

use serde::Serialize;

use crate::graph::{Graph, NodeId, Op, Type};

/// What the ranges of a node follow from, beside weights and inputs.
#[derive(Serialize)]
struct Meaning<'a> {
    op: &'a Op,
    ty: &'a Type,
    assumed: Option<(f64, f64)>,
}

/// The digest of what a graph computes, in hexadecimal: operations with their public numbers, shapes and declared ranges.
///
/// Nothing else decides which values there are: neither names, of tensors or of parts of the model, nor numbers of bits, labels
/// and how inputs are read.
pub fn digest(graph: &Graph) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mpcc graph 1");
    for id in (0..graph.nodes.len() as u32).map(NodeId) {
        let node = graph.node(id);
        let meaning = Meaning { op: &node.op, ty: &node.ty, assumed: node.assumed };
        // A node has no maps with keys that are not strings, and a hasher takes every byte.
        let written = serde_json::to_writer(&mut hasher, &meaning);
        debug_assert!(written.is_ok(), "a node is written");
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

/// The digest of a graph's text form, names and labels included: what a training goes on with, and what ranges of the schema
/// "mpcc.ranges/2" carry.
pub fn text_digest(graph: &Graph) -> String {
    blake3::hash(crate::text::graph(graph).as_bytes()).to_hex().to_string()
}
