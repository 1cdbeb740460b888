//! Nominal ranges: a network can be planned and priced before it has weights.

use mpcc_compiler::graph::{Graph, NodeId, Op, Visibility};
use mpcc_compiler::passes::run_all;
use mpcc_compiler::plan::{PlanOptions, plan_with};
use mpcc_compiler::ranges::{Basis, Checked, Origin, nominal};
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
fn row_functions_have_as_many_levels_as_their_range_has_octaves() {
    let program = planned(&paper());
    let mut levels = [Vec::new(), Vec::new()];
    for value in &program.values {
        let Gate::RowFunction { table, .. } = &value.gate else { continue };
        let is_norm = value.path.ends_with("/h") || value.path.ends_with('y');
        levels[usize::from(is_norm)].push(table.levels);
    }
    assert_eq!([levels[0].len(), levels[1].len()], [7, 15]);
    let (fewest, most) = (levels[0].iter().min(), levels[1].iter().max());
    assert!(fewest > most, "row sums vary by more octaves than variances: {levels:?}");
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

/// What nothing else is said of, values of attention, queries and keys, and scores.
const STREAM: f64 = 0.98 * 64.0;
const VALUE: f64 = 0.98 * 8.0;
const KEY: f64 = 0.98 * 16.0;
const SCORE: f64 = 0.98 * 32.0;

/// The nominal range of a node.
fn of(graph: &Graph, id: NodeId) -> (f64, f64) {
    nominal(graph).of(id).observed.expect("a range")
}

#[track_caller]
fn near(found: (f64, f64), expected: (f64, f64)) {
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.abs().max(1.0);
    assert!(close(found.0, expected.0) && close(found.1, expected.1), "{found:?} is not {expected:?}");
}

#[test]
fn operations_have_the_ranges_that_follow_from_their_operands() {
    let mut b = Builder::new("operations");
    let (x, y) = (b.shared("x", &[4, 6]), b.shared("y", &[4, 6]));
    let sum = (0.125, 0.98 * 1024.0);
    let cases = [
        (Op::Add(x, y), (-4.0, 4.0)),
        (Op::Sub(y, x), (-4.0, 4.0)),
        (Op::Mul(x, x), (0.0, 9.0)),
        (Op::Mul(x, y), (-12.0, 12.0)),
        (Op::Scale(x, -2.0), (-6.0, 4.0)),
        (Op::Offset(x, 1.0), (-1.0, 4.0)),
        (Op::Concat { parts: vec![y, x], axis: 0 }, (-4.0, 4.0)),
        (Op::Relu(x), (0.0, 3.0)),
        (Op::Smooth(Smooth::Exp, x), (0.0, 1.0)),
        (Op::Smooth(Smooth::Tanh, x), (-1.0, 1.0)),
        (Op::Smooth(Smooth::Gelu, x), (-0.17, 3.0)),
        (Op::Sqrt(y), (0.0, 2.0)),
        (Op::Rsqrt(y), (0.5, 2f64.sqrt())),
        (Op::Recip(y), (0.25, 2.0)),
        (Op::MaxRow(x), (-2.0, 3.0)),
        (Op::MeanRow(x), (-3.0, 3.0)),
        (Op::Centre(y), (-4.0, 4.0)),
        (Op::SumRow(x), sum),
    ];
    let made = cases.map(|(op, expected)| (b.add(op, "z"), expected));
    let mut graph = b.finish();
    graph.nodes[x.0 as usize].assumed = Some((-2.0, 3.0));
    graph.nodes[y.0 as usize].assumed = Some((0.5, 4.0));
    for (id, expected) in made {
        near(of(&graph, id), expected);
    }
}

#[test]
fn what_a_value_feeds_says_what_it_is() {
    let mut b = Builder::new("attention");
    let [q, k, v, p] = [6, 6, 6, 4].map(|width| b.shared("x", &[4, width]));
    let [k_linear, v_linear, z, x] = [6, 6, 6, 6].map(|width| b.shared("y", &[4, width]));
    let turned = b.add(Op::Transpose(k), "t");
    let halved = b.add(Op::Scale(turned, 0.5), "h");
    let scores = b.add(Op::MatMul(q, halved), "s");
    let mean = b.add(Op::MatMul(p, v), "m");
    let turned = b.add(Op::Transpose(k_linear), "t");
    let inner = b.add(Op::MatMul(turned, v_linear), "i");
    let scaled = b.add(Op::MatMul(q, inner), "c");
    let rectified = b.add(Op::Relu(p), "f");
    let sum = b.add(Op::SumRow(rectified), "u");
    let inverse = b.add(Op::Recip(sum), "d");
    let average = b.add(Op::MatMul(rectified, v), "e");
    let average = b.add(Op::Mul(average, inverse), "e");
    let share = b.add(Op::Mul(rectified, inverse), "g");
    let weight = b.param("w", &[6, 5]);
    let layer = b.add(Op::MatMul(x, weight), "l");
    let row = b.add(Op::MeanRow(z), "r");
    b.add(Op::Relu(row), "a");
    let graph = b.finish();
    for (id, bound) in [
        (q, KEY),
        (k, 2.0 * KEY),
        (v, VALUE),
        (p, SCORE),
        (scores, SCORE * 6f64.sqrt()),
        (mean, SCORE * VALUE * 4.0),
        (average, VALUE),
        // Of four tokens, whose products add up as those of either sign do.
        (k_linear, KEY),
        (v_linear, VALUE),
        (inner, KEY * VALUE * 2.0),
        // 4 √6 lies below 16.
        (scaled, SCORE * 16.0),
        // What a layer multiplies may be anything, and so is what it gives.
        (x, STREAM),
        (layer, STREAM),
        // A mean may be small where its row is not.
        (row, SCORE),
        (z, STREAM),
    ] {
        near(of(&graph, id), (-bound, bound));
    }
    near(of(&graph, share), (0.0, 1.0));
}

#[test]
fn functions_of_a_row_are_checked_on_a_range_about_what_is_usual() {
    let mut b = Builder::new("rows");
    let (number, row) = (b.shared("n", &[4, 1]), b.shared("x", &[4, 6]));
    let sum = b.add(Op::Recip(number), "r");
    let deviation = b.add(Op::InvStd { x: row, eps: 1e-5 }, "y");
    let ranges = nominal(&b.finish());
    let checked = |low: f64, high: f64, zero| Checked { low, high, most: 16.0 * high, below: true, above: true, zero };
    assert_eq!(ranges.of(sum).argument, Some(checked(0.0625, 2.0 * 0.98 * 1024.0, true)));
    assert_eq!(ranges.of(deviation).argument, Some(checked(0.125, 8.0, false)));
}
