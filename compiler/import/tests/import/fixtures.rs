//! A small graph with a parameter in each role.

use mpcc_compiler::graph::{
    Element, Graph, Input, LoadOp, Node, NodeId, Op, Output, Param, ParamId, Shape, Type, Visibility,
};

/// An input of one element type.
pub(crate) fn input(element: Element, shape: &[usize]) -> Input {
    let ty = Type { element, shape: Shape::from_slice(shape), visibility: Visibility::SecretClient };
    Input { name: "x".into(), ty }
}

struct Builder(Graph);

impl Builder {
    fn node(&mut self, op: Op, shape: &[usize]) -> NodeId {
        let visibility = match op {
            Op::Param(_) => Visibility::SecretServer,
            _ => Visibility::Shared,
        };
        let ty = Type { element: Element::Real, shape: Shape::from_slice(shape), visibility };
        self.0.push(Node { op, ty, path: String::new(), assumed: None, span: None })
    }

    fn param(&mut self, name: &str, file_shape: &[usize], ops: &[LoadOp], shape: &[usize]) -> NodeId {
        let id = ParamId(self.0.params.len() as u32);
        self.0.params.push(Param {
            name: name.into(),
            file_shape: Shape::from_slice(file_shape),
            ops: ops.to_vec(),
            shape: Shape::from_slice(shape),
        });
        self.node(Op::Param(id), shape)
    }
}

/// Patches of a 3x4x4 image through a kernel, a class token and positions, LayerNorm, and a classifier.
pub(crate) fn graph() -> Graph {
    let mut b = Builder(Graph { ignore: vec!["net.*.alpha".into()], ..Graph::default() });
    b.0.inputs.push(input(Element::Real, &[3, 4, 4]));
    let x = b.node(Op::Input(0), &[3, 4, 4]);
    let patches = b.node(Op::Patches { x, size: 2 }, &[4, 12]);
    let kernel = b.param("patch.weight", &[8, 3, 2, 2], &[LoadOp::Reshape(Shape::from_slice(&[8, 12]))], &[8, 12]);
    let bias = b.param("patch.bias", &[8], &[], &[8]);
    let tokens = b.node(Op::Linear { x: patches, weight: kernel, bias: Some(bias) }, &[4, 8]);
    let class = b.param("class", &[1, 1, 8], &[LoadOp::Squeeze(0)], &[1, 8]);
    let joined = b.node(Op::Concat { parts: vec![class, tokens], axis: 0 }, &[5, 8]);
    let positions = b.param("positions", &[1, 5, 8], &[LoadOp::Squeeze(0)], &[5, 8]);
    let x = b.node(Op::Add(joined, positions), &[5, 8]);
    let gain = b.param("norm.weight", &[8], &[], &[8]);
    let bias = b.param("norm.bias", &[8], &[], &[8]);
    let x = b.node(Op::LayerNorm { x, gain, bias, eps: 1e-5 }, &[5, 8]);
    let weight = b.param("fc.weight", &[2, 8], &[], &[2, 8]);
    let bias = b.param("fc.bias", &[2], &[], &[2]);
    let logits = b.node(Op::Linear { x, weight, bias: Some(bias) }, &[5, 2]);
    b.0.outputs.push(Output { name: "logits".into(), node: logits, labels: vec!["a".into(), "b".into()] });
    b.0
}
