//! One small graph per pass, before and after it, as a golden of the pass's name.

use mpcc_compiler::graph::{Graph, NodeId, Op};
use mpcc_compiler::passes::{PASSES, run_until};
use mpcc_compiler::text;
use mpcc_compiler::verify::build_shaped;

use crate::meaning::difference;
use crate::models::{self, Builder};

/// Runs the list up to the pass before `name`, then `name`, and compares both graphs with the golden `case`.
fn check(name: &str, case: &str, graph: &Graph) {
    let place = PASSES.iter().position(|p| p.name == name).expect("the pass is in the list");
    let before = match place {
        0 => graph.clone(),
        _ => run_until(graph, PASSES[place - 1].name).expect("no pass has a bug").0,
    };
    let (after, reports) = run_until(graph, name).expect("no pass has a bug");
    assert!(reports[place].changed, "{name} has nothing to do in {case}");
    assert!(difference(graph, &after, 4) < 1e-9, "{name} changed the value of {case}");
    let text = format!("{}\n---- {name}\n\n{}", text::graph(&before), text::graph(&after));
    models::golden(&format!("passes/{name}/{case}.graph"), &text);
}

fn constant(b: &mut Builder, values: &[f64], shape: &[usize], name: &str) -> NodeId {
    build_shaped(&mut b.graph, Op::Const(values.to_vec()), shape, name).expect("the entries fit")
}

/// Attention of one kind on projected heads: `kernel` makes weights out of scores.
fn attention(heads: usize, tokens: usize, kernel: impl Fn(&mut Builder, NodeId) -> NodeId) -> Graph {
    let mut b = Builder::new("attention");
    let width = 4 * heads;
    let x = b.shared("x", &[tokens, width]);
    let weight = b.param("qkv", &[3 * width, width]);
    let p = b.add(Op::Linear { x, weight, bias: None }, "p");
    let split = |b: &mut Builder, n: usize, name: &str| {
        let x = b.slice(p, 1, n * width, (n + 1) * width, name);
        b.add(Op::SplitHeads { x, heads }, name)
    };
    let (q, k, v) = (split(&mut b, 0, "q"), split(&mut b, 1, "k"), split(&mut b, 2, "v"));
    let k = b.add(Op::Transpose(k), "k");
    let s = b.add(Op::MatMul(q, k), "s");
    let weights = kernel(&mut b, s);
    let a = b.add(Op::MatMul(weights, v), "a");
    let a = b.add(Op::MergeHeads(a), "a");
    let weight = b.param("o_w", &[width, width]);
    let o = b.add(Op::Linear { x: a, weight, bias: None }, "o");
    b.output("o", o);
    b.finish()
}

#[test]
fn common_subexpressions() {
    let mut b = Builder::new("constants");
    let x = b.shared("x", &[2, 4]);
    let two = constant(&mut b, &[2.0], &[1], "two");
    let three = constant(&mut b, &[3.0], &[1], "three");
    let six = b.add(Op::Mul(two, three), "six");
    let scaled = b.add(Op::Mul(x, six), "scaled");
    let again = b.add(Op::Scale(scaled, 0.5), "again");
    let same = b.add(Op::Scale(x, 3.0), "same");
    let sum = b.add(Op::Add(again, same), "sum");
    let moved = b.add(Op::Sub(sum, three), "moved");
    let all = b.slice(moved, 1, 0, 4, "all");
    let one = b.add(Op::Scale(all, 1.0), "one");
    let odd = b.add(Op::Gather { x: one, axis: 1, index: vec![3, 1, 2] }, "odd");
    let last = b.add(Op::Gather { x: odd, axis: 1, index: vec![1, 2] }, "last");
    let there = b.add(Op::Transpose(last), "there");
    let back = b.add(Op::Transpose(there), "back");
    let flat = build_shaped(&mut b.graph, Op::Reshape(back), &[4], "flat").unwrap();
    let square = build_shaped(&mut b.graph, Op::Reshape(flat), &[2, 2], "square").unwrap();
    b.output("y", square);
    check("common_subexpressions", "identities", &b.finish());
}

#[test]
fn group_heads() {
    let graph = attention(3, 5, |b, s| {
        let soft = b.add(Op::Gather { x: s, axis: 0, index: vec![1] }, "soft");
        let soft = b.add(Op::Relu(soft), "soft");
        let scaled = b.add(Op::Gather { x: s, axis: 0, index: vec![0, 2] }, "scaled");
        let scaled = b.add(Op::Scale(scaled, 0.25), "scaled");
        let joined = b.add(Op::Concat { parts: vec![soft, scaled], axis: 0 }, "chosen");
        b.add(Op::Gather { x: joined, axis: 0, index: vec![1, 0, 2] }, "chosen")
    });
    check("group_heads", "two_kinds", &graph);
    let rows = attention(2, 4, |b, s| {
        let soft = b.add(Op::Gather { x: s, axis: 1, index: vec![0, 3] }, "soft");
        let soft = b.add(Op::Relu(soft), "soft");
        let scaled = b.slice(s, 1, 1, 3, "scaled");
        let joined = b.add(Op::Concat { parts: vec![soft, scaled], axis: 1 }, "chosen");
        b.add(Op::Gather { x: joined, axis: 1, index: vec![0, 2, 3, 1] }, "chosen")
    });
    check("group_heads", "rows", &rows);
}

#[test]
fn split_linear() {
    let mut b = Builder::new("columns");
    let x = b.shared("x", &[2, 3]);
    let (weight, bias) = (b.param("w", &[6, 3]), b.param("b", &[6]));
    let p = b.add(Op::Linear { x, weight, bias: Some(bias) }, "p");
    let first = b.slice(p, 1, 0, 2, "first");
    let rest = b.add(Op::Gather { x: p, axis: 1, index: vec![5, 3] }, "rest");
    let y = b.add(Op::Add(first, rest), "y");
    b.output("y", y);
    check("split_linear", "columns", &b.finish());
}

#[test]
fn narrow_rows() {
    let graph = attention(2, 5, Builder::keep);
    let mut b = Builder { graph, path: String::new() };
    let o = b.graph.outputs.remove(0).node;
    let (gain, bias) = (b.param("n_g", &[8]), b.param("n_b", &[8]));
    let x = NodeId(0);
    let sum = b.add(Op::Add(x, o), "sum");
    let z = b.add(Op::LayerNorm { x: sum, gain, bias, eps: 1e-5 }, "z");
    let row = b.slice(z, 0, 0, 1, "row");
    let row = build_shaped(&mut b.graph, Op::Reshape(row), &[8], "row").unwrap();
    let weight = b.param("fc", &[3, 8]);
    let y = b.add(Op::Linear { x: row, weight, bias: None }, "y");
    b.output("y", y);
    check("narrow_rows", "class_row", &b.finish());
}

#[test]
fn linearise_attention() {
    let scaled = attention(2, 5, |b, s| {
        let s = b.add(Op::Scale(s, 0.5), "s");
        b.add(Op::Scale(s, 0.2), "s")
    });
    check("linearise_attention", "scaling", &scaled);
}

#[test]
fn attention_on_few_tokens_is_not_reordered() {
    let graph = attention(1, 3, Builder::keep);
    let (_, reports) = run_until(&graph, "linearise_attention").unwrap();
    assert!(!reports.last().unwrap().changed, "3 x 3 scores are fewer than 4 x 4 products");
    let (_, reports) = run_until(&attention(1, 4, Builder::keep), "linearise_attention").unwrap();
    assert!(reports.last().unwrap().changed, "as many: the linear order wins ties");
}

#[test]
fn defer_normaliser() {
    let soft = attention(1, 4, |b, s| {
        let r = b.add(Op::Relu(s), "r");
        let d = b.add(Op::SumRow(r), "d");
        let d = b.add(Op::Offset(d, 1e-5), "d");
        let inverse = b.add(Op::Recip(d), "inverse");
        b.add(Op::Mul(inverse, r), "w")
    });
    check("defer_normaliser", "relu_softmax", &soft);
}

#[test]
fn fold_scales() {
    let scaled = attention(1, 4, |b, s| b.add(Op::Scale(s, -0.3), "s"));
    check("fold_scales", "attention", &scaled);
    let mut b = Builder::new("ways");
    let x = b.shared("x", &[2, 4]);
    let mean = b.add(Op::MeanRow(x), "mean");
    let (weight, bias) = (b.param("w", &[4, 4]), b.param("b", &[4]));
    let h = b.add(Op::Linear { x, weight, bias: Some(bias) }, "h");
    let r = b.add(Op::Relu(h), "r");
    let up = b.add(Op::Scale(r, 3.0), "up");
    let g = b.add(Op::Gelu(up), "g");
    let kept = b.add(Op::Scale(g, 3.0), "kept");
    let gain = b.param("g", &[4]);
    let gained = b.add(Op::Mul(kept, gain), "gained");
    let shrunk = b.add(Op::Scale(gained, 0.7), "shrunk");
    let y = b.add(Op::Add(shrunk, mean), "y");
    b.output("y", y);
    check("fold_scales", "ways", &b.finish());
}

#[test]
fn a_negative_factor_does_not_pass_relu() {
    let mut b = Builder::new("negative");
    let x = b.shared("x", &[2, 4]);
    let weight = b.param("w", &[4, 4]);
    let h = b.add(Op::Linear { x, weight, bias: None }, "h");
    let r = b.add(Op::Relu(h), "r");
    let y = b.add(Op::Scale(r, -1.5), "y");
    b.output("y", y);
    let graph = b.finish();
    let (after, _) = run_until(&graph, "fold_scales").unwrap();
    assert!(difference(&graph, &after, 4) < 1e-9);
}

#[test]
fn split_layernorm() {
    let mut b = Builder::new("norm");
    let x = b.shared("x", &[4, 6]);
    let (gain, bias) = (b.param("n_g", &[6]), b.param("n_b", &[6]));
    let h = b.add(Op::LayerNorm { x, gain, bias, eps: 1e-5 }, "h");
    let (weight, own) = (b.param("w1", &[8, 6]), b.param("b1", &[8]));
    let m = b.add(Op::Linear { x: h, weight, bias: Some(own) }, "m");
    let m = b.add(Op::Gelu(m), "m");
    let weight = b.param("w2", &[6, 8]);
    let m = b.add(Op::Linear { x: m, weight, bias: None }, "m2");
    let row = b.slice(h, 0, 1, 2, "row");
    let weight = b.param("w3", &[6, 6]);
    let row = b.add(Op::Linear { x: row, weight, bias: None }, "row");
    let out = b.add(Op::Add(h, m), "out");
    let out = b.add(Op::Add(out, row), "out");
    b.output("out", out);
    check("split_layernorm", "residual", &b.finish());
}

#[test]
fn fuse_linear() {
    let mut b = Builder::new("linear");
    let x = b.shared("x", &[3, 4]);
    let (weight, bias) = (b.param("w1", &[6, 4]), b.param("b1", &[6]));
    let h = b.add(Op::Linear { x, weight, bias: Some(bias) }, "h");
    let weight = b.param("w2", &[4, 6]);
    let y = b.add(Op::Linear { x: h, weight, bias: None }, "y");
    let more = b.param("more", &[4]);
    let y = b.add(Op::Add(more, y), "y");
    let class = b.param("cls", &[1, 4]);
    let joined = b.add(Op::Concat { parts: vec![class, y], axis: 0 }, "joined");
    let positions = b.param("pos", &[4, 4]);
    let z = b.add(Op::Add(joined, positions), "z");
    b.output("z", z);
    check("fuse_linear", "biases", &b.finish());
}

#[test]
fn a_narrow_middle_is_not_multiplied_out() {
    let mut b = Builder::new("narrow");
    let x = b.shared("x", &[3, 8]);
    let weight = b.param("w1", &[2, 8]);
    let h = b.add(Op::Linear { x, weight, bias: None }, "h");
    let weight = b.param("w2", &[8, 2]);
    let y = b.add(Op::Linear { x: h, weight, bias: None }, "y");
    b.output("y", y);
    let (_, reports) = run_until(&b.finish(), "fuse_linear").unwrap();
    assert!(reports.iter().all(|r| !r.changed));
}

#[test]
fn every_pass_has_a_golden_folder() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/passes");
    let mut found: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected: Vec<String> = PASSES.iter().map(|p| p.name.to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn an_unknown_pass_is_refused_with_the_list() {
    let error = run_until(&Graph::default(), "fuse").unwrap_err().to_string();
    assert!(error.contains("`fuse`") && error.contains("fuse_linear"), "{error}");
}
