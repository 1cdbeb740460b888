//! How two artefacts differ, in words: for whoever compiles again what somebody else compiled.

use std::fmt::Debug;

use mpcc_program::program::{Program, Value};
use mpcc_program::shown::shown;

use super::{Artefact, ChoiceRow, Facts, RangeFact};
use crate::graph::Graph;
use crate::text::op_name;

/// What differs between an artefact and one that should be the same; nothing if they have the same hash.
pub fn differences(given: &Artefact, compiled: &Artefact) -> Vec<String> {
    if given.manifest.program == compiled.manifest.program {
        return Vec::new();
    }
    let mut found = Vec::new();
    graphs(&given.graph, &compiled.graph, &mut found);
    if given.tokenizer != compiled.tokenizer {
        found.push("the tokenizer".to_owned());
    }
    programs(&given.program, &compiled.program, &mut found);
    facts(given, compiled, &mut found);
    if found.is_empty() {
        found.push("the code that is made of the same program".to_owned());
    }
    found
}

/// The first position at which two lists differ.
fn first<T: PartialEq>(given: &[T], compiled: &[T]) -> Option<usize> {
    if given == compiled {
        return None;
    }
    let same = given.iter().zip(compiled).take_while(|(a, b)| a == b).count();
    Some(same)
}

/// Something that differs, as text on both sides; where the text is the same, in every detail.
fn declared<T: PartialEq + Debug>(
    what: &str,
    given: &[T],
    compiled: &[T],
    text: impl Fn(&T) -> String,
    found: &mut Vec<String>,
) {
    let Some(at) = first(given, compiled) else { return };
    let side = |list: &[T], text: &dyn Fn(&T) -> String| list.get(at).map_or_else(|| "nothing".to_owned(), text);
    let mut sides = [side(given, &text), side(compiled, &text)];
    if sides[0] == sides[1] {
        sides = [side(given, &debug), side(compiled, &debug)];
    }
    let counts = match given.len() == compiled.len() {
        true => String::new(),
        false => format!(" ({} against {})", given.len(), compiled.len()),
    };
    let [given, compiled] = sides;
    found.push(format!("{what} {at}{counts}: {given} in the file, {compiled} compiled"));
}

fn debug<T: Debug>(value: &T) -> String {
    shown(&format!("{value:?}")).to_string()
}

fn graphs(given: &Graph, compiled: &Graph, found: &mut Vec<String>) {
    if given.name != compiled.name {
        found.push(format!("the model: `{}` in the file, `{}` compiled", shown(&given.name), shown(&compiled.name)));
    }
    let output = |graph: &Graph| {
        let one = |o: &crate::graph::Output| (o.name.clone(), graph.node(o.node).ty.shape.clone(), o.labels.clone());
        graph.outputs.iter().map(one).collect::<Vec<_>>()
    };
    declared(
        "input",
        &given.inputs,
        &compiled.inputs,
        |i| format!("{} {:?}", shown(&i.name), i.ty.shape.as_slice()),
        found,
    );
    declared("output", &output(given), &output(compiled), debug, found);
    declared(
        "weight",
        &given.params,
        &compiled.params,
        |p| format!("{} {:?}", shown(&p.name), p.shape.as_slice()),
        found,
    );
    declared("plan", &given.plans, &compiled.plans, debug, found);
    if given.numeric != compiled.numeric {
        found.push(format!("numbers of bits: {:?} in the file, {:?} compiled", given.numeric, compiled.numeric));
    }
    let node =
        |n: &crate::graph::Node| format!("{} at `{}` {:?}", op_name(&n.op), shown(&n.path), n.ty.shape.as_slice());
    // Spans are of the source, not of what it means.
    let nodes = |graph: &Graph| {
        let bare = |n: &crate::graph::Node| crate::graph::Node { span: None, ..n.clone() };
        graph.nodes.iter().map(bare).collect::<Vec<_>>()
    };
    declared("step of the graph", &nodes(given), &nodes(compiled), node, found);
    if given.tokenizer.as_ref().map(|t| &t.file) != compiled.tokenizer.as_ref().map(|t| &t.file) {
        found.push("the tokenizer's file".to_owned());
    }
}

fn programs(given: &Program, compiled: &Program, found: &mut Vec<String>) {
    declared("encoded weight", &given.weights, &compiled.weights, debug, found);
    declared("encoded input", &given.inputs, &compiled.inputs, debug, found);
    declared("revealed output", &given.outputs, &compiled.outputs, debug, found);
    let step = |value: &Value| {
        let gate = format!("{:?}", value.gate);
        let name = gate.split([' ', '{']).next().unwrap_or_default().to_owned();
        format!("{name} at `{}` {:?}", shown(&value.path), value.shape.as_slice())
    };
    declared("step of the program", &given.values, &compiled.values, step, found);
}

fn facts(given: &Artefact, compiled: &Artefact, found: &mut Vec<String>) {
    let (a, b): (&Facts, &Facts) = (&given.facts, &compiled.facts);
    if a.planned_for != b.planned_for {
        let purpose = |f: &Facts| {
            f.planned_for.as_ref().map_or_else(
                || "nothing".to_owned(),
                |p| format!("{} with alpha {} and {} rates", shown(&p.network), p.alpha, shown(&p.machine)),
            )
        };
        found.push(format!("what protocols were chosen for: {} in the file, {} compiled", purpose(a), purpose(b)));
    }
    if a.weights != b.weights {
        found.push("the weights for which ranges hold".to_owned());
    }
    let choice = |c: &ChoiceRow| format!("{} at `{}`", c.protocol, shown(&c.path));
    declared("choice", &given.manifest.choices, &compiled.manifest.choices, choice, found);
    let range = |r: &RangeFact| format!("{:?} of `{}` in [{}, {}]", r.origin, shown(&r.path), r.low, r.high);
    declared("value range", &a.ranges, &b.ranges, range, found);
}
