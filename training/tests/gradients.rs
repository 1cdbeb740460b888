//! Values and gradients of every op beside the float evaluator: values, and differences of values.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use mpcc_compiler::evaluate::{Tensor as Array, Wanted, evaluate};
use mpcc_compiler::graph::{
    Element, Graph, Input, LoadOp, Node, NodeId, Op, Output, Param, ParamId, Shape, Type, Visibility,
};
use mpcc_compiler::smooth::Smooth;
use mpcc_training::network::Network;
use mpcc_training::parameters::{Parameter, Parameters};

const EXAMPLES: usize = 2;

/// A graph of one op on parameters, and on the first input where `from_input` is set.
struct Case {
    name: &'static str,
    op: Op,
    /// Extents of the operands.
    operands: Vec<Vec<usize>>,
    /// Extents of the result.
    result: Vec<usize>,
    /// Operands are made positive.
    positive: bool,
}

fn case(name: &'static str, op: Op, operands: &[&[usize]], result: &[usize]) -> Case {
    let operands = operands.iter().map(|shape| shape.to_vec()).collect();
    Case { name, op, operands, result: result.to_vec(), positive: false }
}

const X: NodeId = NodeId(1);
const Y: NodeId = NodeId(2);
const Z: NodeId = NodeId(3);

fn cases() -> Vec<Case> {
    let mut all = vec![
        case("add", Op::Add(X, Y), &[&[2, 3], &[3]], &[2, 3]),
        case("sub", Op::Sub(X, Y), &[&[2, 3], &[2, 1]], &[2, 3]),
        case("mul", Op::Mul(X, Y), &[&[2, 2, 3], &[2, 1]], &[2, 2, 3]),
        case("scale", Op::Scale(X, -1.5), &[&[4]], &[4]),
        case("offset", Op::Offset(X, 0.25), &[&[4]], &[4]),
        case("matmul", Op::MatMul(X, Y), &[&[2, 3, 4], &[2, 4, 2]], &[2, 3, 2]),
        case("matmul_flat", Op::MatMul(X, Y), &[&[3, 4], &[4, 2]], &[3, 2]),
        case("linear", Op::Linear { x: X, weight: Y, bias: Some(Z) }, &[&[3, 4], &[2, 4], &[2]], &[3, 2]),
        case("linear_unbiased", Op::Linear { x: X, weight: Y, bias: None }, &[&[4], &[2, 4]], &[2]),
        case("transpose", Op::Transpose(X), &[&[2, 3, 4]], &[2, 4, 3]),
        case("split_heads", Op::SplitHeads { x: X, heads: 2 }, &[&[3, 4]], &[2, 3, 2]),
        case("merge_heads", Op::MergeHeads(X), &[&[2, 3, 2]], &[3, 4]),
        case("slice", Op::Slice { x: X, axis: 1, start: 1, end: 3 }, &[&[2, 4]], &[2, 2]),
        case("gather", Op::Gather { x: X, axis: 0, index: vec![2, 0, 2] }, &[&[3, 2]], &[3, 2]),
        case("gather_far", Op::Gather { x: X, axis: 0, index: vec![5, 3, 1, 4, 2] }, &[&[6, 2]], &[5, 2]),
        case("gather_run", Op::Gather { x: X, axis: 0, index: vec![1, 2] }, &[&[3, 2]], &[2, 2]),
        case("concat", Op::Concat { parts: vec![X, Y], axis: 0 }, &[&[1, 3], &[2, 3]], &[3, 3]),
        case("reshape", Op::Reshape(X), &[&[2, 6]], &[3, 2, 2]),
        case("sum_row", Op::SumRow(X), &[&[2, 3]], &[2, 1]),
        case("mean_row", Op::MeanRow(X), &[&[2, 3]], &[2, 1]),
        case("relu", Op::Relu(X), &[&[2, 5]], &[2, 5]),
        case("max_row", Op::MaxRow(X), &[&[2, 5]], &[2, 1]),
        case("layer_norm", Op::LayerNorm { x: X, gain: Y, bias: Z, eps: 1e-3 }, &[&[2, 5], &[5], &[5]], &[2, 5]),
        case("centre", Op::Centre(X), &[&[2, 5]], &[2, 5]),
        case("centre_weight", Op::CentreWeight(X), &[&[2, 5]], &[2, 5]),
        case("inv_std", Op::InvStd { x: X, eps: 1e-3 }, &[&[2, 5]], &[2, 1]),
        case("patches", Op::Patches { x: X, size: 2 }, &[&[2, 4, 6]], &[6, 8]),
        case(
            "normalize",
            Op::Normalize { x: X, mean: vec![0.5, 0.25], std: vec![0.5, 2.0] },
            &[&[2, 3, 3]],
            &[2, 3, 3],
        ),
    ];
    for function in [
        Smooth::Gelu,
        Smooth::GeluFourier { cut: 1.7 },
        Smooth::Silu,
        Smooth::Tanh,
        Smooth::Sigmoid,
        Smooth::Erf,
        Smooth::Exp,
    ] {
        all.push(case(function.name(), Op::Smooth(function, X), &[&[3, 5]], &[3, 5]));
    }
    for (name, op) in [("recip", Op::Recip(X)), ("sqrt", Op::Sqrt(X)), ("rsqrt", Op::Rsqrt(X))] {
        all.push(Case { positive: true, ..case(name, op, &[&[2, 5]], &[2, 5]) });
    }
    all
}

fn ty(shape: &[usize], visibility: Visibility) -> Type {
    Type { element: Element::Real, shape: Shape::from_slice(shape), visibility }
}

fn node(op: Op, shape: &[usize], visibility: Visibility) -> Node {
    Node { op, ty: ty(shape, visibility), path: "x".to_owned(), assumed: None, span: None }
}

/// Node 0 is an input that nothing uses, nodes from 1 on are the parameters, and the last is the op.
fn graph(case: &Case) -> Graph {
    let mut graph = Graph { name: case.name.to_owned(), ..Graph::default() };
    graph.inputs.push(Input { name: "in".to_owned(), ty: ty(&[1], Visibility::SecretClient) });
    graph.push(node(Op::Input(0), &[1], Visibility::SecretClient));
    for (at, shape) in case.operands.iter().enumerate() {
        let shape = Shape::from_slice(shape);
        let param = Param { name: format!("p{at}"), file_shape: shape.clone(), ops: Vec::new(), shape: shape.clone() };
        graph.params.push(param);
        graph.push(node(Op::Param(ParamId(at as u32)), &shape, Visibility::SecretServer));
    }
    let result = graph.push(node(case.op.clone(), &case.result, Visibility::Shared));
    // Scores of one class, so that any result will do.
    let flat: usize = case.result.iter().product();
    let scores = graph.push(node(Op::Reshape(result), &[flat], Visibility::Shared));
    graph.outputs.push(Output { name: "out".to_owned(), node: scores, labels: Vec::new() });
    graph
}

/// Distinct numbers, none near 0, with no ties in a row.
fn numbers(count: usize, positive: bool) -> Vec<f64> {
    let number = |i: usize| {
        let v = ((i * 37 + 11) % 41) as f64 / 20.0 - 1.0 + i as f64 * 0.003;
        let v = if v.abs() < 0.05 { v + 0.1 } else { v };
        if positive { v.abs() + 0.2 } else { v }
    };
    (0..count).map(number).collect()
}

/// What the values are weighted by for a loss.
fn weights(count: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * 29 + 5) % 23) as f64 / 11.0 - 0.9).collect()
}

fn tensors(case: &Case) -> Vec<Array> {
    case.operands.iter().map(|s| Array::new(s, numbers(s.iter().product(), case.positive))).collect()
}

fn loss(graph: &Graph, params: &[Array]) -> f64 {
    let wanted = graph.outputs[0].node;
    let values = evaluate(graph, &[Array::new(&[1], vec![0.0])], params, Wanted::Only(&[wanted])).expect("a value");
    values[wanted].data.iter().zip(weights(values[wanted].data.len())).map(|(v, w)| v * w).sum()
}

#[test]
fn values_and_gradients_of_every_op_agree_with_the_float_evaluator() {
    let device = Device::flex().autodiff();
    for case in cases() {
        let graph = graph(&case);
        let params = tensors(&case);
        let network = Network::new(Arc::new(graph.clone())).expect("it can be trained");
        let leaf = |(at, array): (usize, &Array)| {
            let entries: Vec<f32> = array.data.iter().map(|v| *v as f32).collect();
            Parameter {
                name: format!("p{at}"),
                shape: array.shape.to_vec(),
                value: Tensor::from_data(entries.as_slice(), &device).require_grad(),
            }
        };
        let leaves = Parameters(params.iter().enumerate().map(leaf).collect());
        let inputs = [Tensor::<4>::zeros([EXAMPLES, 1, 1, 1], &device)];
        let value = network.forward(&leaves, &inputs, &[network.scores()], None, &device).values.remove(0);
        let count = value.dims()[3];
        let factors: Vec<f32> = weights(count).iter().map(|w| *w as f32).collect();
        let factors = Tensor::<1>::from_data(factors.as_slice(), &device).reshape([1, 1, 1, count]);
        let total = (value * factors).sum().div_scalar(EXAMPLES as f64);
        let exact = loss(&graph, &params);
        let got = f64::from(total.clone().into_scalar::<f32>());
        assert!((got - exact).abs() < 1e-5 * exact.abs().max(1.0), "{}: {got} {exact}", case.name);

        let mut gradients = total.backward();
        for (at, leaf) in leaves.0.iter().enumerate() {
            let gradient = leaf.value.grad_remove(&mut gradients).expect("every operand matters");
            let gradient: Vec<f64> = gradient.to_data().convert::<f64>().try_to_vec().expect("converted");
            for (entry, got) in gradient.iter().enumerate() {
                let moved = |by: f64| {
                    let mut params = params.clone();
                    params[at].data[entry] += by;
                    loss(&graph, &params)
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let error = (got - difference).abs() / difference.abs().max(1.0);
                assert!(error < 1e-4, "{} by operand {at}, entry {entry}: {got} {difference}", case.name);
            }
        }
    }
}

/// How many ops there are.
const OPS: usize = 34;

/// A new op does not compile here until it has a number, and then needs a case.
fn number(op: &Op) -> usize {
    match op {
        Op::Input(_) => 0,
        Op::Param(_) => 1,
        Op::Const(_) => 2,
        Op::Add(..) => 3,
        Op::Sub(..) => 4,
        Op::Mul(..) => 5,
        Op::Scale(..) => 6,
        Op::Offset(..) => 7,
        Op::MatMul(..) => 8,
        Op::Linear { .. } => 9,
        Op::Transpose(_) => 10,
        Op::SplitHeads { .. } => 11,
        Op::MergeHeads(_) => 12,
        Op::Slice { .. } => 13,
        Op::Gather { .. } => 14,
        Op::Concat { .. } => 15,
        Op::Reshape(_) => 16,
        Op::SumRow(_) => 17,
        Op::MeanRow(_) => 18,
        Op::Relu(_) => 19,
        Op::Smooth(..) => 20,
        Op::Recip(_) => 21,
        Op::Sqrt(_) => 22,
        Op::Rsqrt(_) => 23,
        Op::Step(_) => 24,
        Op::MaxRow(_) => 25,
        Op::OneHot { .. } => 26,
        Op::LayerNorm { .. } => 27,
        Op::Centre(_) => 28,
        Op::InvStd { .. } => 29,
        Op::CentreWeight(_) => 30,
        Op::Patches { .. } => 31,
        Op::Normalize { .. } => 32,
        Op::Argmax(_) => 33,
    }
}

#[test]
fn no_op_is_forgotten() {
    let leaves_and_steps = [
        Op::Step(X),
        Op::Argmax(X),
        Op::OneHot { x: X, extent: 2 },
        Op::Input(0),
        Op::Param(ParamId(0)),
        Op::Const(vec![]),
    ];
    let mut seen = [false; OPS];
    cases().iter().map(|case| number(&case.op)).chain(leaves_and_steps.iter().map(number)).for_each(|n| seen[n] = true);
    assert_eq!(seen, [true; OPS]);
}

/// Ops without a gradient compute the evaluator's values, on a batch.
#[test]
fn ops_without_gradient_have_the_evaluators_values() {
    let device = Device::flex();
    let rows = [[0.5, -0.25, 0.0], [-1.0, 2.0, 1.5]];
    for (op, result, input) in [
        (Op::Step(NodeId(0)), vec![3], rows),
        (Op::Argmax(NodeId(0)), vec![1], rows),
        (Op::OneHot { x: NodeId(0), extent: 4 }, vec![3, 4], [[0.0, 3.0, 1.0], [2.0, 2.0, 0.0]]),
    ] {
        let mut graph = Graph::default();
        graph.inputs.push(Input { name: "in".to_owned(), ty: ty(&[3], Visibility::SecretClient) });
        graph.push(node(Op::Input(0), &[3], Visibility::SecretClient));
        let made = graph.push(node(op.clone(), &result, Visibility::SecretClient));
        let flat: usize = result.iter().product();
        let scores = graph.push(node(Op::Reshape(made), &[flat], Visibility::SecretClient));
        graph.outputs.push(Output { name: "out".to_owned(), node: scores, labels: Vec::new() });
        let network = Network::new(Arc::new(graph.clone())).expect("it can be used");
        let entries: Vec<f32> = input.iter().flatten().map(|v| *v as f32).collect();
        let batch = Tensor::<1>::from_data(entries.as_slice(), &device).reshape([2, 1, 1, 3]);
        let value = network.forward(&Parameters(Vec::new()), &[batch], &[scores], None, &device).values.remove(0);
        let got: Vec<f64> = value.to_data().convert::<f64>().try_to_vec().expect("converted");
        for (row, got) in input.iter().zip(got.chunks(flat)) {
            let values = evaluate(&graph, &[Array::new(&[3], row.to_vec())], &[], Wanted::All).expect("a value");
            assert_eq!(values[scores].data, got, "{op:?}");
        }
    }
}

#[test]
fn load_time_reshapes_take_the_entries_that_the_importer_takes() {
    let device = Device::flex();
    let numbers: Vec<f32> = (0..24).map(|v| v as f32).collect();
    let parameter = Parameter {
        name: "p0".to_owned(),
        shape: vec![1, 2, 3, 4],
        value: Tensor::from_data(numbers.as_slice(), &device),
    };
    let mut graph = Graph::default();
    graph.inputs.push(Input { name: "in".to_owned(), ty: ty(&[1], Visibility::SecretClient) });
    let shape = Shape::from_slice(&[2, 2, 3]);
    graph.params.push(Param {
        name: "p0".to_owned(),
        file_shape: Shape::from_slice(&[1, 2, 3, 4]),
        ops: vec![LoadOp::Squeeze(0), LoadOp::Slice(2, 1, 3), LoadOp::Transpose(1, 2)],
        shape: shape.clone(),
    });
    let param = graph.push(node(Op::Param(ParamId(0)), &shape, Visibility::SecretServer));
    let scores = graph.push(node(Op::Reshape(param), &[12], Visibility::SecretServer));
    graph.outputs.push(Output { name: "out".to_owned(), node: scores, labels: Vec::new() });
    let network = Network::new(Arc::new(graph)).expect("it can be used");
    let input = Tensor::<4>::zeros([1, 1, 1, 1], &device);
    let value = network.forward(&Parameters(vec![parameter]), &[input], &[scores], None, &device).values.remove(0);
    let got: Vec<f32> = value.to_data().try_to_vec().expect("floats");
    assert_eq!(got, [1., 5., 9., 2., 6., 10., 13., 17., 21., 14., 18., 22.]);
}
