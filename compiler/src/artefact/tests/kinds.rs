//! Artefacts that ask for too much or hold what cannot be: each is refused at once, by the rule that it breaks.

use std::time::{Duration, Instant};

use mpcc_program::program::Term;

use super::*;

/// A refusal takes a moment, whatever a file asks for.
const MOMENT: Duration = Duration::from_secs(2);

/// How an honest artefact is refused after a change, word for word.
#[track_caller]
fn refused_as(change: impl FnOnce(&mut Artefact), said: &str) {
    let mut artefact = honest();
    change(&mut artefact);
    let parts = Parts::of(&artefact.facts, &artefact.graph, &artefact.program);
    let bytes = file(&parts, &[0; 32]);
    let began = Instant::now();
    let found = Artefact::from_bytes(&bytes);
    assert!(began.elapsed() < MOMENT, "{:?}", began.elapsed());
    match found {
        Err(ArtefactError::Damaged(text) | ArtefactError::Contradictory(text)) => assert_eq!(text, said),
        other => panic!("{:?}", other.map(|a| a.manifest)),
    }
}

fn first(artefact: &Artefact, is: impl Fn(&Value) -> bool) -> usize {
    artefact.program.values.iter().position(is).expect("such a value")
}

fn opened(value: &Value) -> bool {
    matches!(value.gate, Gate::Open { .. })
}

fn comparable(value: &Value) -> bool {
    value.kind == Kind::Wire && value.ring <= 32
}

#[test]
fn a_wire_narrower_than_what_is_opened_is_refused() {
    let narrow = |a: &mut Artefact| {
        let at = first(a, opened);
        (a.program.values[at].ring, a.program.values[at].bound) = (4, 3);
    };
    refused_as(
        narrow,
        "its program breaks a rule: %3 (h): values below 2^33 in size do not fit the opened ring of 20 bits with their sign",
    );
}

#[test]
fn an_opening_that_drops_more_than_there_is_is_refused() {
    let all = |a: &mut Artefact| {
        let at = first(a, opened);
        let value = &mut a.program.values[at];
        let Gate::Open { truncate, .. } = &mut value.gate else { unreachable!() };
        value.fraction -= 200 - i16::from(*truncate);
        *truncate = 200;
    };
    refused_as(all, "its program breaks a rule: %3 (h): drops 200 bits; at most 64 can be");
}

#[test]
fn a_reveal_of_what_both_parties_know_masked_is_refused() {
    let wire = |a: &mut Artefact| {
        let wire = ValueId(first(a, |value| value.kind == Kind::Wire) as u32);
        let at = first(a, |value| matches!(value.gate, Gate::Reveal { .. }));
        let Gate::Reveal { source, .. } = &mut a.program.values[at].gate else { unreachable!() };
        *source = wire;
    };
    refused_as(wire, "its program breaks a rule: %18 (logits): takes a Share, not a Wire");
}

#[test]
fn thousands_of_reveals_are_refused() {
    let many = |a: &mut Artefact, declared: bool| {
        let share = |v: &Value| v.kind == Kind::Share && !matches!(v.gate, Gate::Reveal { .. });
        let source = ValueId(a.program.values.iter().rposition(share).expect("a share") as u32);
        let of = a.program.value(source).clone();
        let output = a.graph.outputs[0].clone();
        for i in 0..5000 {
            let index = a.program.outputs.len() as u32;
            let name = format!("o{i}");
            let (shape, fraction) = (of.shape.clone(), of.fraction);
            a.program.outputs.push(Output { name: name.clone(), shape, fraction, labels: vec![] });
            let gate = Gate::Reveal { source, truncate: 0, output: index };
            a.program.values.push(Value { gate, ring: of.ring.min(64), level: of.level + 1, ..of.clone() });
            if declared {
                a.graph.outputs.push(crate::graph::Output { name, labels: vec![], ..output.clone() });
            }
        }
    };
    refused_as(|a| many(a, false), "its program breaks a rule: program: 5001 outputs; at most 1024");
    refused_as(|a| many(a, true), "its graph breaks a rule: outputs: there are 5001; at most 1024");
}

/// A constant column plus a constant row, 32 GiB of numbers out of a file of a MiB, which the data owner would make.
#[test]
fn an_input_made_of_billions_of_numbers_is_refused() {
    let huge = |a: &mut Artefact| {
        let ones = |a: &mut Artefact, shape: &[usize]| {
            build_shaped(&mut a.graph, Op::Const(vec![1.0; 1 << 16]), shape, "ones").expect("a constant")
        };
        let (column, row) = (ones(a, &[1 << 16, 1]), ones(a, &[1, 1 << 16]));
        let table = build(&mut a.graph, Op::Add(column, row), "table").expect("a table");
        let sums = build(&mut a.graph, Op::SumRow(table), "sums").expect("sums");
        let sums = build_shaped(&mut a.graph, Op::Reshape(sums), &[1, 1 << 16], "sums").expect("a row");
        let sum = build(&mut a.graph, Op::SumRow(sums), "sum").expect("a sum");
        let none = build(&mut a.graph, Op::Scale(sum, 0.0), "none").expect("nothing");
        let image = NodeId(a.program.inputs[0].node);
        a.program.inputs[0].node = build(&mut a.graph, Op::Add(image, none), "image").expect("the image").0;
    };
    refused_as(
        huge,
        "its graph breaks a rule: %22 (table): shape [65536, 65536] is empty, has more than 8 axes or more than 268435456 entries",
    );
}

#[test]
fn weights_and_inputs_that_are_no_nodes_or_somebody_elses_are_refused() {
    refused_as(|a| a.program.weights[0].node = 4_000_000_000, "weight 0 is no node of its graph");
    refused_as(|a| a.program.inputs[0].node = 4_000_000_000, "input 0 is no node of its graph");
    let input = node_where(&honest(), |op| matches!(op, Op::Input(_)));
    refused_as(|a| a.program.weights[0].node = input, "weight 0 (`patch_w`) is not the model owner's");
}

#[test]
fn a_comparison_at_thousands_of_offsets_is_refused() {
    let offsets = |a: &mut Artefact| {
        let source = first(a, comparable);
        let mut value = a.program.values[source].clone();
        let count = 20_000;
        let offsets = (0..count as i64).map(|i| i % 7).collect();
        value.gate = Gate::ReluShared { source: ValueId(source as u32), offsets };
        value.shape[0] *= count;
        (value.kind, value.ring, value.bound) = (Kind::Share, 40, 31);
        a.program.values.push(value);
    };
    refused_as(offsets, "its program breaks a rule: %19 (h): compares at 20000 offsets; at most 64");
}

#[test]
fn a_series_of_thousands_of_frequencies_is_refused() {
    let series = |a: &mut Artefact| {
        let source = first(a, comparable);
        let mut value = a.program.values[source].clone();
        let (cosines, sines) = ((0..4000).map(|i| i % 512 + 1).collect(), vec![1; 4000]);
        let source = ValueId(source as u32);
        value.gate = Gate::TrigSeries { source, period_bits: 10, table_fraction: 10, cosines, sines };
        (value.kind, value.fraction, value.ring, value.bound) = (Kind::Share, 20, 40, 30);
        a.program.values.push(value);
    };
    refused_as(series, "its program breaks a rule: %19 (h): a series of 4000 frequencies; at most 128");
}

#[test]
fn a_sum_of_thousands_of_terms_is_refused() {
    let sum = |a: &mut Artefact| {
        let source = first(a, |value| value.kind == Kind::Share && value.ring <= 64);
        let mut value = a.program.values[source].clone();
        value.gate = Gate::Add { terms: vec![Term { value: ValueId(source as u32), shift: 0 }; 40_000] };
        a.program.values.push(value);
    };
    refused_as(sum, "its program breaks a rule: %19 (h): a sum of 40000 terms; at most 4096");
}

/// What depends on a sign that is refused is not looked at: nothing is indexed by what does not exist.
#[test]
fn a_selection_by_a_sign_of_what_does_not_exist_is_refused() {
    let select = |a: &mut Artefact| {
        let source = ValueId(first(a, comparable) as u32);
        let mut value = a.program.values[source.0 as usize].clone();
        let bit = ValueId(a.program.values.len() as u32);
        let sign = Gate::OpenSign { signs: smallvec![ValueId(4_000_000_000)], negate: false };
        a.program.values.push(Value { gate: sign, kind: Kind::Bits, level: value.level + 1, ..value.clone() });
        (value.gate, value.kind) = (Gate::Select { source, bit, nonnegative: true }, Kind::Share);
        a.program.values.push(value);
    };
    refused_as(select, "its program breaks a rule: %19 (h): operand %4000000000 does not come earlier");
}
