//! Which graph ranges belong to, and ranges of several in one file.

use std::collections::BTreeMap;

use mpcc_compiler::graph::{Element, Graph, LoadOp, NodeId, Op, Shape, Visibility};
use mpcc_compiler::ranges::{Entry, KEPT, Kept, NodeRange, Ranges, SCHEMA, Unreadable, digest, text_digest};
use mpcc_compiler::smooth::Smooth;
use mpcc_compiler::verify::build_shaped;

use crate::models::Builder;

/// A constant too long to stand whole in a text form, and one of every kind of public number.
fn graph() -> Graph {
    let mut b = Builder::new("net");
    let x = b.input("x", Element::Real, &[2, 12], Visibility::SecretClient);
    let long = Op::Const((0..12).map(f64::from).collect());
    let constant = build_shaped(&mut b.graph, long, &[12], "c").expect("twelve numbers");
    let sum = b.add(Op::Add(x, constant), "sum");
    let scaled = b.add(Op::Scale(sum, 0.5), "scaled");
    let w = b.param("w", &[12]);
    let product = b.add(Op::Mul(scaled, w), "product");
    let smooth = b.add(Op::Smooth(Smooth::GeluFourier { cut: 2.0 }, product), "act");
    let y = b.slice(smooth, 1, 0, 4, "y");
    b.output("y", y);
    b.finish()
}

fn entry(graph: &Graph, high: f64) -> Entry {
    let known = NodeRange { observed: Some((0.0, high)), ..NodeRange::default() };
    let ranges = Ranges { nodes: BTreeMap::from([(0, known)]), ..Ranges::new(graph) };
    Entry { options: None, inputs: Some(1), ranges }
}

#[test]
fn names_labels_formats_and_the_reading_of_inputs_do_not_matter() {
    let mut other = graph();
    other.name = "another".to_owned();
    other.numeric.frac += 1;
    other.plans.push(("ATTN".to_owned(), "[…]".to_owned()));
    other.ignore.push("unused.*".to_owned());
    other.inputs[0].name = "pixels".to_owned();
    other.params[0].name = "module.w".to_owned();
    other.params[0].file_shape = Shape::from_slice(&[1, 12]);
    other.params[0].ops.push(LoadOp::Squeeze(0));
    other.outputs[0].name = "logits".to_owned();
    other.outputs[0].labels = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    other.several.push(0);
    for node in &mut other.nodes {
        node.path = format!("elsewhere/{}", node.path);
        node.span = None;
    }
    assert_eq!(digest(&other), digest(&graph()));
    assert_ne!(text_digest(&other), text_digest(&graph()));
}

#[test]
fn operations_shapes_public_numbers_and_declared_ranges_matter() {
    let change = |graph: &mut Graph, which: usize| {
        let node = |graph: &mut Graph, find: fn(&Op) -> bool| {
            graph.nodes.iter().position(|node| find(&node.op)).expect("it is there")
        };
        match which {
            0 => {
                let at = node(graph, |op| matches!(op, Op::Add(..)));
                graph.nodes[at].op = Op::Sub(NodeId(0), NodeId(1));
            }
            1 => {
                let at = node(graph, |op| matches!(op, Op::Const(_)));
                graph.nodes[at].op =
                    Op::Const((0..12).map(|i| if i == 11 { 11.000_000_1 } else { f64::from(i) }).collect());
            }
            2 => {
                let at = node(graph, |op| matches!(op, Op::Scale(..)));
                graph.nodes[at].op = Op::Scale(NodeId(2), 0.500_000_1);
            }
            3 => {
                let at = node(graph, |op| matches!(op, Op::Smooth(..)));
                graph.nodes[at].op = Op::Smooth(Smooth::GeluFourier { cut: 2.1 }, NodeId(5));
            }
            4 => graph.nodes.iter_mut().for_each(|node| {
                if let Op::Slice { start, end, .. } = &mut node.op {
                    (*start, *end) = (1, 5);
                }
            }),
            5 => graph.nodes[0].ty.shape = Shape::from_slice(&[3, 12]),
            6 => graph.nodes[0].ty.visibility = Visibility::Shared,
            7 => graph.nodes[0].assumed = Some((0.0, 1.0)),
            _ => graph.nodes[0].assumed = Some((0.0, 2.0)),
        }
    };
    let mut digests = vec![digest(&graph())];
    for which in 0..9 {
        let mut other = graph();
        change(&mut other, which);
        digests.push(digest(&other));
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 10);
}

/// Files of ranges carry it, so it stays what it is.
#[test]
fn the_digest_of_a_graph_is_as_recorded() {
    assert_eq!(digest(&graph()), "aa9c3e86ec19f27a7f8406c75edd76f2e04392805bb33b3badaa1b448388c1c8");
}

#[test]
fn a_file_keeps_the_newest_of_each_graph_and_not_too_many() {
    let numbered = |index: usize| {
        let mut graph = graph();
        graph.nodes[0].assumed = Some((0.0, index as f64));
        graph
    };
    let mut kept = Kept::default();
    for index in 0..KEPT + 2 {
        kept.keep(&numbered(index), entry(&numbered(index), 1.0));
    }
    kept.keep(&numbered(5), entry(&numbered(5), 2.0));
    let kept = Kept::read(&kept.text().expect("text")).expect("its own text");
    assert_eq!(kept.entries().len(), KEPT);
    assert!(kept.of(&numbered(0)).is_none() && kept.of(&numbered(1)).is_none());
    for index in 2..KEPT + 2 {
        let high = if index == 5 { 2.0 } else { 1.0 };
        assert_eq!(kept.of(&numbered(index)), Some(entry(&numbered(index), high).ranges));
    }
    assert_eq!(kept.entries()[0], entry(&numbered(5), 2.0));
}

#[test]
fn files_of_one_graph_are_read_by_its_text() {
    let mut value = serde_json::to_value(entry(&graph(), 3.0).ranges).expect("JSON");
    value["schema"] = "mpcc.ranges/2".into();
    value["graph"] = text_digest(&graph()).into();
    let mut kept = Kept::read(&value.to_string()).expect("ranges");
    assert_eq!(kept.of(&graph()), Some(entry(&graph(), 3.0).ranges));
    let renamed = Graph { name: "renamed".to_owned(), ..graph() };
    assert_eq!(kept.of(&renamed), None, "nothing says that they are of the same graph");
    kept.keep(&graph(), entry(&graph(), 4.0));
    assert_eq!(kept.entries().len(), 1);
    for text in ["", "[]", "{}", "{\"schema\": 3}", "{\"schema\": \"mpcc.ranges/3\"}"] {
        assert!(matches!(Kept::read(text), Err(Unreadable::Malformed(_))), "{text}");
    }
    assert_eq!(Kept::read("{\"schema\": \"x\"}"), Err(Unreadable::Schema("x".to_owned())));
    assert!(Kept::default().text().expect("text").contains(SCHEMA));
}
