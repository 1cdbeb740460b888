//! The example models, from their source through all passes.

use std::collections::BTreeMap;
use std::fmt::Write;

use mpcc_compiler::graph::{Graph, Op, Visibility};
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_compiler::passes::{PASSES, check_final, run_all, run_until};
use mpcc_compiler::text::op_name;

use crate::meaning::difference;
use crate::models;

/// A model of the folder of examples.
pub(crate) fn lowered(example: &str) -> Graph {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let path = examples.join(example).join("model.mpv");
    let source = std::fs::read_to_string(path).expect("the example has a model");
    let module = mpcc_grammar::parse(&source).expect("the example parses");
    lower(&module, &LowerOptions::default()).expect("the example is well typed").0
}

/// What each pass with something to do did, and how often each op is left on shared values.
fn summary(graph: &Graph) -> String {
    let (rewritten, reports) = run_all(graph);
    let mut out = String::new();
    for report in reports.iter().filter(|r| r.changed) {
        let _ = writeln!(out, "{}: {} -> {} nodes", report.name, report.before, report.after);
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in rewritten.nodes.iter().filter(|n| n.ty.visibility == Visibility::Shared) {
        *counts.entry(op_name(&node.op)).or_default() += 1;
    }
    out.push_str("on shared values:\n");
    for (op, count) in counts {
        let _ = writeln!(out, "  {op} {count}");
    }
    out
}

/// Compares the values after each of `passes` with those of the source, and the op counts with their golden.
fn check(example: &str, passes: &[&str]) {
    let graph = lowered(example);
    models::golden(&format!("examples/{example}.passes"), &summary(&graph));
    let (rewritten, _) = run_all(&graph);
    let violations = check_final(&rewritten).err().unwrap_or_default();
    assert!(violations.is_empty(), "{violations:?}");
    for pass in passes {
        let after = run_until(&graph, pass).expect("no pass has a bug").0;
        let error = difference(&graph, &after, 1);
        assert!(error < 1e-9, "{pass}: {error:e}");
    }
}

#[test]
fn the_trained_cifar10_network() {
    let all: Vec<&str> = PASSES.iter().map(|p| p.name).collect();
    check("cifar10", &all);
}

#[test]
fn the_papers_network() {
    let last = PASSES[PASSES.len() - 1].name;
    check("mpcvit-cifar10-paper", &[last]);
}

#[test]
fn a_network_with_activations_on_some_tokens_only() {
    check("mpcvit-plus", &[PASSES[PASSES.len() - 1].name]);
    let (graph, _) = run_all(&lowered("mpcvit-plus"));
    let rows = |wanted: fn(&Op) -> bool| -> Vec<usize> {
        let shared = graph.nodes.iter().filter(|n| n.ty.visibility == Visibility::Shared && wanted(&n.op));
        shared.map(|n| n.ty.shape[0]).collect()
    };
    // Only the tokens with a GeLU are curved; of the last layer, which has none, the class token alone is computed.
    assert_eq!(rows(|op| matches!(op, Op::Smooth(..))), [65, 33, 40, 1, 64, 10]);
    // The other tokens' layers of the MLP are one, and their residual is in it except where they are rectified.
    let weights = graph.nodes.iter().filter(|n| n.ty.visibility == Visibility::Shared).filter_map(|n| match n.op {
        Op::Linear { weight, .. } => Some((weight, n.ty.shape[0])),
        _ => None,
    });
    let [mut fused, mut with_residual] = [Vec::new(), Vec::new()];
    for (weight, tokens) in weights {
        let Op::CentreWeight(gained) = graph.node(weight).op else { continue };
        let Op::Mul(product, _) = graph.node(gained).op else { continue };
        match graph.node(product).op {
            Op::MatMul(..) => fused.push(tokens),
            Op::Add(..) => with_residual.push(tokens),
            _ => {}
        }
    }
    assert_eq!((fused, with_residual), (vec![32], vec![25, 64, 1, 55, 1]));
    // So the norm itself is centred and opened for the rest alone.
    assert_eq!(rows(|op| matches!(op, Op::Centre(_))), [65, 65, 40, 1, 64, 10]);
}
