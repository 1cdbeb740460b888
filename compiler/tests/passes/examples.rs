//! The example models, from their source through all passes.

use std::collections::BTreeMap;
use std::fmt::Write;

use mpcc_compiler::graph::{Graph, Visibility};
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_compiler::passes::{PASSES, check_final, run_all, run_until};
use mpcc_compiler::text::op_name;

use crate::meaning::difference;
use crate::models;

pub(crate) fn lowered(example: &str) -> Graph {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join("model.mpv");
    let source = std::fs::read_to_string(path).expect("the example has a model");
    let module = mpcc_grammar::parse(&source).expect("the example parses");
    lower(&module, &LowerOptions::default()).expect("the example is well typed").0
}

/// What each pass did, and how often each op is left on shared values.
fn summary(graph: &Graph) -> String {
    let (rewritten, reports) = run_all(graph);
    let mut out = String::new();
    for report in reports {
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
