//! Proved ranges hold on every input tried, and are as tight as the formula behind them.

use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted, evaluate_server};
use mpcc_compiler::graph::{Element, Graph, NodeId, Op, Visibility};
use mpcc_compiler::passes::run_all;
use mpcc_compiler::value_ranges::proved;

use crate::models::{self, Builder, Noise, Vit};

/// Inputs at the corners of their range make large values.
fn corners(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut noise = Noise(seed);
    let mut tensors = models::inputs(graph, seed);
    for tensor in &mut tensors {
        tensor.data.iter_mut().for_each(|v| *v = if noise.next() > 0.0 { 255.0 } else { 0.0 });
    }
    tensors
}

/// All values of `inputs` lie in the proved ranges; gives the ranges.
fn holds(graph: &Graph, params: &[Tensor], inputs: &[Vec<Tensor>]) -> Vec<Option<(f64, f64)>> {
    let ranges = proved(graph, &evaluate_server(graph, params).expect("the weights fit"));
    let evaluator = Evaluator::new(graph, params).expect("the weights fit");
    for input in inputs {
        for (id, tensor) in evaluator.run(input, Wanted::All).expect("finite values").iter() {
            let Some((low, high)) = ranges[id.0 as usize] else { continue };
            for v in &tensor.data {
                assert!((low..=high).contains(v), "{id:?} {}: {v} is not in [{low}, {high}]", graph.node(id).path);
            }
        }
    }
    ranges
}

#[test]
fn every_value_of_a_network_has_a_range_that_holds() {
    for vit in [Vit::small(), Vit { dim: 24, hidden: 20, ..Vit::small() }, Vit { row_plan: true, ..Vit::small() }] {
        let lowered = vit.graph();
        for graph in [run_all(&lowered).0, lowered] {
            for seed in 0..4 {
                let inputs: Vec<_> =
                    (0..20).flat_map(|n| [corners(&graph, seed + n), models::inputs(&graph, seed + n)]).collect();
                let ranges = holds(&graph, &models::params(&graph, seed), &inputs);
                let unproved = ranges.iter().position(Option::is_none);
                assert_eq!(unproved, None, "{:?}", graph.nodes[unproved.unwrap_or(0)]);
            }
        }
    }
}

fn norm_graph(b: &mut Builder, x: NodeId, width: usize, out: usize) -> NodeId {
    let (gain, bias) = (b.param("n_g", &[width]), b.param("n_b", &[width]));
    let z = b.add(Op::LayerNorm { x, gain, bias, eps: 1e-5 }, "z");
    let weight = b.param("w", &[out, width]);
    b.add(Op::Linear { x: z, weight, bias: None }, "u")
}

#[test]
fn a_layer_on_a_norm_is_bounded_by_its_weight_rows_alone() {
    let mut b = Builder::new("norm");
    let x = b.shared("x", &[3, 8]);
    let u = norm_graph(&mut b, x, 8, 5);
    let u = b.slice(u, 0, 1, 2, "row");
    b.output("u", u);
    let (graph, _) = run_all(&b.finish());
    let params = models::params(&graph, 3);
    let mut noise = Noise(9);
    let inputs: Vec<_> = (0..200)
        .map(|n| {
            let size = 10f64.powi(n % 7 - 3);
            vec![Tensor::new(&[3, 8], (0..24).map(|_| size * noise.next().powi(3)).collect())]
        })
        .collect();
    let ranges = holds(&graph, &params, &inputs);
    let (low, high) = ranges[graph.outputs[0].node.0 as usize].unwrap();
    let (gain, bias, weight) = (&params[0].data, &params[1].data, &params[2].data);
    let bounds: Vec<(f64, f64)> = weight
        .chunks(8)
        .map(|row| {
            let gained: Vec<f64> = row.iter().zip(gain).map(|(w, g)| w * g).collect();
            let mean = gained.iter().sum::<f64>() / 8.0;
            let norm = gained.iter().map(|w| (w - mean) * (w - mean)).sum::<f64>().sqrt();
            let constant: f64 = row.iter().zip(bias).map(|(w, b)| w * b).sum();
            (constant - 8f64.sqrt() * norm, constant + 8f64.sqrt() * norm)
        })
        .collect();
    let expected = bounds.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |r, b| (r.0.min(b.0), r.1.max(b.1)));
    assert!((low - expected.0).abs() < 1e-6 && (high - expected.1).abs() < 1e-6, "{low} {high} {expected:?}");
}

#[test]
fn the_deviation_of_another_value_bounds_nothing() {
    let mut b = Builder::new("forged");
    let x = b.shared("x", &[3, 8]);
    let other = b.shared("other", &[3, 8]);
    let weight = b.param("w", &[5, 8]);
    let weight = b.add(Op::CentreWeight(weight), "c");
    let u = b.add(Op::Linear { x, weight, bias: None }, "u");
    let y = b.add(Op::InvStd { x: other, eps: 1e-5 }, "y");
    let p = b.add(Op::Mul(u, y), "p");
    let x_row = b.slice(x, 0, 0, 1, "x_row");
    let u = b.add(Op::Linear { x: x_row, weight, bias: None }, "u");
    let y = b.add(Op::InvStd { x, eps: 1e-5 }, "y");
    let y_row = b.slice(y, 0, 1, 2, "y_row");
    let q = b.add(Op::Mul(u, y_row), "q");
    b.output("p", p);
    b.output("q", q);
    let graph = b.finish();
    let ranges = proved(&graph, &evaluate_server(&graph, &models::params(&graph, 1)).unwrap());
    assert_eq!(ranges[p.0 as usize], None, "the deviation is another value's");
    assert_eq!(ranges[q.0 as usize], None, "the deviation is another row's");
}

#[test]
fn attention_stays_within_its_values_and_zero() {
    let graph = run_all(&Vit { heads: vec![vec![true; 4]; 2], ..Vit::small() }.graph()).0;
    let params = models::params(&graph, 6);
    let ranges = holds(&graph, &params, &[models::inputs(&graph, 6)]);
    let mut seen = 0;
    for (index, node) in graph.nodes.iter().enumerate() {
        let Op::Mul(product, inverse) = node.op else { continue };
        let (Op::MatMul(_, v), Op::Recip(_)) = (&graph.node(product).op, &graph.node(inverse).op) else { continue };
        let (attention, values) = (ranges[index].unwrap(), ranges[v.0 as usize].unwrap());
        assert!(attention.0 >= values.0.min(0.0) - 1e-6 && attention.1 <= values.1.max(0.0) + 1e-6);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn nothing_is_proved_about_unknown_inputs() {
    let mut b = Builder::new("unknown");
    let x = b.input("x", Element::Real, &[2, 4], Visibility::SecretClient);
    let weight = b.param("w", &[3, 4]);
    let h = b.add(Op::Linear { x, weight, bias: None }, "h");
    let r = b.add(Op::Relu(h), "r");
    b.output("r", r);
    let mut graph = b.finish();
    graph.nodes[h.0 as usize].assumed = Some((-1.0, 1.0));
    let ranges = proved(&graph, &evaluate_server(&graph, &models::params(&graph, 1)).unwrap());
    assert_eq!((ranges[x.0 as usize], ranges[h.0 as usize], ranges[r.0 as usize]), (None, None, None));
}
