//! The typed graph's verifier and evaluator, on whole graphs.

use crate::models::{self, Builder, Vit};
use mpcc_compiler::evaluate::{EvaluateError, Evaluator, Tensor, Wanted, evaluate, evaluate_server};
use mpcc_compiler::graph::{Graph, Node, NodeId, Op, Type, Visibility};
use mpcc_compiler::verify::{build, build_shaped, verify};

fn messages(graph: &Graph) -> String {
    let violations = verify(graph).expect_err("the graph was forged");
    violations.iter().map(|v| v.to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn lowered_networks_verify() {
    verify(&Vit::small().graph()).unwrap();
    verify(&Vit::cifar10().graph()).unwrap();
}

#[test]
fn every_forged_fact_is_a_violation() {
    let graph = Vit::small().graph();
    let find = |name: fn(&Op) -> bool| graph.nodes.iter().position(|n| name(&n.op)).unwrap();
    let linear = find(|op| matches!(op, Op::Linear { .. }));
    let gather = find(|op| matches!(op, Op::Gather { .. }));
    let slice = find(|op| matches!(op, Op::Slice { .. }));
    let scale = find(|op| matches!(op, Op::Scale(..)));
    let forge = |change: &dyn Fn(&mut Graph)| {
        let mut forged = graph.clone();
        change(&mut forged);
        messages(&forged)
    };
    assert!(forge(&|g| g.nodes[linear].ty.shape[1] = 7).contains("has type"));
    assert!(forge(&|g| g.nodes[linear].ty.visibility = Visibility::Public).contains("has type"));
    assert!(forge(&|g| g.nodes[linear].op = Op::Relu(NodeId(900))).contains("not an earlier node"));
    assert!(forge(&|g| g.nodes[linear].op = Op::Relu(NodeId(linear as u32))).contains("not an earlier node"));
    assert!(forge(&|g| g.outputs[0].node = NodeId(9999)).contains("does not exist"));
    assert!(forge(&|g| g.outputs[0].labels = vec!["one".into()]).contains("labels"));
    assert!(forge(&|g| g.nodes[scale].assumed = Some((1.0, -1.0))).contains("not an interval"));
    assert!(
        forge(&|g| if let Op::Gather { index, .. } = &mut g.nodes[gather].op {
            index[0] = 50
        })
        .contains("axis of 4")
    );
    assert!(
        forge(&|g| if let Op::Slice { end, .. } = &mut g.nodes[slice].op {
            *end = 99
        })
        .contains("leaves an axis")
    );
    assert!(
        forge(&|g| if let Op::Scale(_, f) = &mut g.nodes[scale].op {
            *f = f64::NAN
        })
        .contains("not a finite")
    );
    assert!(forge(&|g| g.params.truncate(3)).contains("is not declared"));
}

#[test]
fn all_violations_are_reported_at_once() {
    let mut graph = Vit::small().graph();
    graph.nodes[1].ty.shape[0] = 9;
    graph.outputs[0].node = NodeId(9999);
    assert!(verify(&graph).unwrap_err().len() >= 2);
}

/// A few constants that are added up to 2^32 entries, and other ways to ask much with few bytes.
#[test]
fn a_graph_that_asks_for_too_much_is_refused() {
    let refused = |change: &dyn Fn(&mut Graph)| {
        let mut graph = Vit::small().graph();
        change(&mut graph);
        let violations = verify(&graph).expect_err("it asks for too much");
        violations[0].to_string()
    };
    let sides = |graph: &mut Graph, extent: usize| {
        let ones = || Op::Const(vec![1.0; extent]);
        let column = build_shaped(graph, ones(), &[extent, 1], "z").expect("a column");
        let row = build_shaped(graph, ones(), &[1, extent], "z").expect("a row");
        (column, row)
    };
    let spread = |graph: &mut Graph| {
        let (column, row) = sides(graph, 1 << 16);
        build(graph, Op::Add(column, row), "z").expect("a sum");
    };
    assert!(refused(&spread).contains("entries"));
    let often = |graph: &mut Graph| {
        let (column, row) = sides(graph, 1 << 13);
        for _ in 0..5 {
            build(graph, Op::Add(column, row), "z").expect("a sum");
        }
    };
    assert!(refused(&often).contains("computes in the clear"));
    let products = |graph: &mut Graph| {
        let (column, row) = sides(graph, 1 << 12);
        let mut square = build(graph, Op::Add(column, row), "z").expect("a sum");
        for _ in 0..10 {
            square = build(graph, Op::MatMul(square, square), "z").expect("a product");
        }
        for _ in 0..100 {
            build(graph, Op::MatMul(square, square), "z").expect("a product");
        }
    };
    assert!(refused(&products).contains("in the clear"));
    let outputs = |graph: &mut Graph| graph.outputs = vec![graph.outputs[0].clone(); 5000];
    assert!(refused(&outputs).contains("5000"));
    assert!(refused(&|graph| graph.params[0].shape = [usize::MAX, 3][..].into()).contains("entries"));
    assert!(refused(&|graph| graph.inputs[0].ty.shape = [1usize; 100][..].into()).contains("axes"));
    let terms = |graph: &mut Graph| {
        let parts = vec![NodeId(0); 1 << 21];
        let x = graph.nodes[0].ty.clone();
        let mut shape = x.shape.clone();
        shape[0] *= parts.len();
        let ty = Type { shape, ..x };
        let op = Op::Concat { parts, axis: 0 };
        for _ in 0..3 {
            graph.push(Node { op: op.clone(), ty: ty.clone(), path: "z".into(), assumed: None, span: None });
        }
    };
    refused(&terms);
}

#[test]
fn a_node_that_depends_on_a_refused_one_is_not_examined() {
    let mut graph = Vit::small().graph();
    let first = graph.nodes.iter().position(|node| !node.op.operands().is_empty()).expect("an operation");
    graph.nodes[first].op = Op::Relu(NodeId(4_000_000_000));
    let violations = verify(&graph).unwrap_err();
    assert_eq!(violations.len(), 1, "{violations:?}");
    let mut graph = Vit::small().graph();
    let relu = Node { op: Op::Relu(NodeId(u32::MAX)), ..graph.nodes[0].clone() };
    graph.nodes = vec![relu; 10_000];
    assert!(verify(&graph).unwrap_err().len() <= 100);
}

#[test]
fn server_values_are_computed_without_an_input() {
    let graph = Vit::small().graph();
    let params = models::params(&graph, 4);
    let server = evaluate_server(&graph, &params).unwrap();
    for (index, node) in graph.nodes.iter().enumerate() {
        let known = matches!(node.ty.visibility, Visibility::SecretServer | Visibility::Public);
        assert_eq!(server.value(NodeId(index as u32)).is_some(), known, "{}", node.path);
    }
}

#[test]
fn only_what_is_wanted_is_computed_and_equals_the_whole() {
    let graph = Vit::small().graph();
    let (params, inputs) = (models::params(&graph, 4), models::inputs(&graph, 4));
    let all = evaluate(&graph, &inputs, &params, Wanted::All).unwrap();
    let wanted = NodeId(40);
    let some = evaluate(&graph, &inputs, &params, Wanted::Only(&[wanted])).unwrap();
    assert_eq!(some[wanted], all[wanted]);
    assert!(some.value(graph.outputs[0].node).is_none());
}

#[test]
fn a_value_that_is_not_finite_names_its_node() {
    let mut b = Builder::new("m");
    let x = b.shared("x", &[2]);
    b.path = "blocks.3/".into();
    let y = b.add(Op::Mul(x, x), "square");
    b.output("y", y);
    let graph = b.finish();
    let error = evaluate(&graph, &[Tensor::new(&[2], vec![1.0, 1e200])], &[], Wanted::All).unwrap_err();
    assert!(matches!(&error, EvaluateError::NotFinite { entry: 1, .. }), "{error}");
    assert!(error.to_string().contains("blocks.3/square"), "{error}");
}

#[test]
fn tensors_of_another_shape_are_refused() {
    let graph = Vit::small().graph();
    let mut params = models::params(&graph, 4);
    let evaluator = Evaluator::new(&graph, &params).unwrap();
    let error = evaluator.run(&[], Wanted::All).unwrap_err();
    assert_eq!(error.to_string(), "0 inputs were given where the model declares 1");
    let error = evaluator.run(&[params[0].clone()], Wanted::All).unwrap_err();
    assert!(error.to_string().starts_with("`pixels` has shape [16, 48]"), "{error}");
    params.pop();
    assert!(matches!(Evaluator::new(&graph, &params), Err(EvaluateError::Count { .. })));
}

#[test]
fn the_text_form_of_a_network() {
    let text = mpcc_compiler::text::graph(&Vit::small().graph());
    models::golden("text/small.graph", &text);
}
