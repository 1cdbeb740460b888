//! Nominal ranges: a network can be planned and priced before it has weights.

use mpcc_compiler::graph::{Graph, NodeId, Op, Visibility};
use mpcc_compiler::passes::run_all;
use mpcc_compiler::plan::{PlanOptions, plan_with};
use mpcc_compiler::ranges::{Basis, Origin, nominal};
use mpcc_compiler::smooth::Smooth;
use mpcc_program::program::{Gate, Program};

use crate::examples::lowered;
use crate::models::{Builder, Vit};

/// The network of the paper at the scales that the design's widths are computed for.
fn paper() -> Graph {
    let mut graph = lowered("mpcvit-cifar10-paper");
    (graph.numeric.weight_frac, graph.numeric.table_frac) = (16, 16);
    run_all(&graph).0
}

fn planned(graph: &Graph) -> Program {
    plan_with(graph, &nominal(graph), &PlanOptions { basis: Basis::Observed, ..PlanOptions::default() })
        .unwrap_or_else(|errors| panic!("{errors:?}"))
        .program
}

/// Bits sent for each entry of the first opening of `shape` at `path`.
fn opened_bits(program: &Program, path: &str, shape: &[usize]) -> i32 {
    let opened = program.values.iter().find_map(|v| match v.gate {
        Gate::Open { truncate, .. } if v.path == path && v.shape.as_slice() == shape => {
            Some(i32::from(v.ring) + i32::from(truncate))
        }
        _ => None,
    });
    opened.unwrap_or_else(|| panic!("nothing of shape {shape:?} is opened at {path}"))
}

#[test]
fn a_network_without_weights_has_the_widths_of_the_design() {
    let program = planned(&paper());
    assert!(program.hops <= 131, "{}", program.hops);
    for (path, shape, expected) in [
        ("blocks.1/q", &[65, 128][..], 37),   // the centred layer: f + f_w + 7 + 2
        ("blocks.0", &[65, 256][..], 53),     // the residual stream: 37 + f_w
        ("blocks.0/m", &[65, 512][..], 36),   // the argument of GeLU: f + f_y + 4 + 2
        ("blocks.0/s", &[2, 65, 65][..], 30), // scores: 2f + 5 + 1
    ] {
        let found = opened_bits(&program, path, shape);
        assert!((expected - 1..=expected + 3).contains(&found), "{path}: {found} bits, {expected} by design");
    }
}

#[test]
fn row_functions_take_one_window_for_norms_and_some_for_row_sums() {
    let program = planned(&paper());
    let mut windows = [Vec::new(), Vec::new()];
    for value in &program.values {
        let Gate::RowTable { table, .. } = &value.gate else { continue };
        let is_norm = value.path.ends_with("/h") || value.path.ends_with('y');
        windows[usize::from(is_norm)].push(table.windows);
    }
    assert_eq!(windows[1], [1; 15]);
    assert!(windows[0].len() == 7 && windows[0].iter().all(|w| *w > 1), "{:?}", windows[0]);
}

#[test]
fn gelu_needs_no_comparison() {
    let mut graph = lowered("mpcvit-cifar10-paper");
    for node in &mut graph.nodes {
        if let Op::Relu(x) = node.op {
            node.op = Op::Scale(x, 1.0);
        }
    }
    let program = planned(&run_all(&graph).0);
    assert!(!program.values.iter().any(|v| matches!(v.gate, Gate::OpenSign { .. })));
}

#[test]
fn every_node_has_a_range_before_and_after_the_passes() {
    for vit in [Vit::small(), Vit { row_plan: true, ..Vit::small() }, Vit { linear_rows: true, ..Vit::small() }] {
        let lowered = vit.graph();
        for graph in [run_all(&lowered).0, lowered] {
            let ranges = nominal(&graph);
            for index in 0..graph.nodes.len() {
                let id = NodeId(index as u32);
                let ((low, high), _) = ranges.range(&graph, id, Basis::Guarded).expect("a range");
                assert!(low <= high && low.is_finite() && high.is_finite(), "{:?}", graph.node(id));
            }
        }
    }
}

#[test]
fn a_declared_range_wins() {
    let mut b = Builder::new("declared");
    let x = b.input("x", mpcc_compiler::graph::Element::Real, &[4, 6], Visibility::SecretClient);
    let weight = b.param("w", &[8, 6]);
    let h = b.add(Op::Linear { x, weight, bias: None }, "h");
    let g = b.add(Op::Smooth(Smooth::Gelu, h), "g");
    b.output("g", g);
    let mut graph = b.finish();
    let of_argument = |graph: &Graph| nominal(graph).range(graph, h, Basis::Observed);
    assert!(matches!(of_argument(&graph), Some(((-6.9, 6.9), Origin::Proved))));
    graph.nodes[h.0 as usize].assumed = Some((-20.0, 3.0));
    assert_eq!(of_argument(&graph), Some(((-20.0, 3.0), Origin::Assumed)));
}
