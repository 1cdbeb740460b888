//! A pass keeps what a graph computes: outputs before and after, in float, on seeded weights and inputs.

use mpcc_compiler::evaluate::{Evaluator, Wanted};
use mpcc_compiler::graph::{Graph, NodeId, Op, Visibility};
use mpcc_compiler::passes::{PASSES, check_final, run_all, run_until};

use crate::models::{self, Builder, Vit};

/// Outputs on `seeds` inputs, flattened.
fn outputs(graph: &Graph, seeds: u64) -> Vec<f64> {
    let mut all = Vec::new();
    let ids: Vec<_> = graph.outputs.iter().map(|o| o.node).collect();
    for seed in 0..seeds {
        let params = models::params(graph, seed);
        let evaluator = Evaluator::new(graph, &params).expect("the weights fit");
        let values = evaluator.run(&models::inputs(graph, seed), Wanted::Only(&ids)).expect("finite values");
        ids.iter().for_each(|id| all.extend(&values[*id].data));
    }
    all
}

/// Largest difference relative to the largest entry.
pub(crate) fn difference(a: &Graph, b: &Graph, seeds: u64) -> f64 {
    let (a, b) = (outputs(a, seeds), outputs(b, seeds));
    let size = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}

pub(crate) fn networks() -> Vec<(&'static str, Graph)> {
    let mixed = Vit::small();
    let soft = Vit { heads: vec![vec![true; 4]; 2], ..Vit::small() };
    let linear = Vit { heads: vec![vec![false; 4]; 2], ..Vit::small() };
    let ordered = Vit { heads: vec![vec![true, true, false, false]; 2], ..Vit::small() };
    let wide = Vit { dim: 24, hidden: 20, image: 12, ..Vit::small() };
    let named = [("mixed", mixed), ("soft", soft), ("linear", linear), ("ordered", ordered), ("wide", wide)];
    let mut networks: Vec<_> = named.into_iter().map(|(name, vit)| (name, vit.graph())).collect();
    networks.push(("plus", Vit { linear_rows: true, ..Vit::small() }.graph()));
    networks.push(("rows", Vit { row_plan: true, ..Vit::small() }.graph()));
    networks
}

#[test]
fn every_pass_keeps_the_value_of_every_network() {
    for (name, graph) in networks() {
        for pass in PASSES {
            let (rewritten, _) = run_until(&graph, pass.name).unwrap();
            let error = difference(&graph, &rewritten, 2);
            assert!(error < 1e-9, "{} on {name}: {error:e}", pass.name);
        }
    }
}

#[test]
fn nothing_without_a_protocol_is_left() {
    for (name, graph) in networks() {
        let (rewritten, _) = run_all(&graph);
        let violations = check_final(&rewritten).err().unwrap_or_default();
        assert!(violations.is_empty(), "{name}: {violations:?}");
        assert!(check_final(&graph).is_err(), "{name} has a layer norm");
    }
}

#[test]
fn facts_are_established_before_they_are_needed() {
    let mut known: Vec<&str> = Vec::new();
    for pass in PASSES {
        for fact in pass.needs {
            assert!(known.contains(fact), "{} needs `{fact}`", pass.name);
        }
        known.extend(pass.establishes);
    }
}

#[test]
fn passes_settle() {
    for (name, graph) in networks() {
        let (once, _) = run_all(&graph);
        let (twice, reports) = run_all(&once);
        let changed: Vec<_> = reports.iter().filter(|r| r.changed).map(|r| r.name).collect();
        assert!(once == twice, "{name}: {changed:?} changed it again");
    }
}

#[test]
fn shared_products_of_the_network_are_counted() {
    let (graph, _) = run_all(&Vit::cifar10().graph());
    let count = |wanted: fn(&Op) -> bool| {
        graph.nodes.iter().filter(|n| n.ty.visibility == Visibility::Shared && wanted(&n.op)).count()
    };
    // Patches, fc, and per layer q, k, v of two groups, output projection and two MLP layers.
    assert_eq!(count(|op| matches!(op, Op::Linear { .. })), 1 + 1 + 7 * (2 * 3 + 1 + 2));
    // Per layer and group: scores and values, or keys by values and queries by that.
    assert_eq!(count(|op| matches!(op, Op::MatMul(..))), 7 * 2 * 2);
    assert_eq!(count(|op| matches!(op, Op::Relu(_) | Op::Recip(_))), 7 * 2);
    assert_eq!(count(|op| matches!(op, Op::InvStd { .. })), 7 * 2 + 1);
    assert_eq!(count(|op| matches!(op, Op::Centre(_) | Op::Smooth(..))), 7 * 2);
    assert_eq!(count(|op| matches!(op, Op::Gather { .. })), 0);
}

#[test]
fn rows_without_an_activation_have_one_layer_instead_of_two() {
    let (graph, _) = run_all(&Vit { linear_rows: true, ..Vit::small() }.graph());
    let fused = |id: NodeId| matches!(graph.node(id).op, Op::CentreWeight(w) if graph.node(w).path.ends_with("m2"));
    let weights = graph.nodes.iter().filter_map(|n| match n.op {
        Op::Linear { weight, .. } if n.ty.visibility == Visibility::Shared => Some(weight),
        _ => None,
    });
    // The class row of the last layer keeps both: its activation is linear too.
    assert_eq!(weights.filter(|w| fused(*w)).count(), 3);
}

#[test]
fn declared_ranges_go_where_their_values_go() {
    let mut b = Builder::new("ranges");
    let x = b.shared("x", &[2, 4]);
    let weight = b.param("w", &[6, 4]);
    let h = b.add(Op::Linear { x, weight, bias: None }, "h");
    let columns = b.slice(h, 1, 0, 3, "columns");
    let y = b.add(Op::Scale(columns, -1.5), "y");
    b.output("y", y);
    let mut graph = b.finish();
    graph.nodes[h.0 as usize].assumed = Some((-2.0, 4.0));
    graph.nodes[y.0 as usize].assumed = Some((-5.0, 5.0));
    let (after, _) = run_all(&graph);
    assert_eq!(after.node(after.outputs[0].node).assumed, Some((-5.0, 3.0)));
}
