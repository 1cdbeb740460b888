mod differences;
mod kinds;

use mpcc_program::program::{
    Gate, Input, Kind, Output, Program, Supplier, Value, ValueId, View, Weight, WeightId, WeightRounding,
};
use smallvec::smallvec;

use super::*;
use crate::compile::{assemble_with, rewrite};
use crate::graph::{NodeId, Op};
use crate::lower::LowerOptions;
use crate::plan::PlanOptions;
use crate::ranges::{Basis, Origin, nominal};
use crate::verify::{build, build_shaped};

const SOURCE: &str = r#"mpv 1;

model Tiny() {
  input pixels: secret client Tensor<u8, 3, 4, 8>;
  weights secret server { format: safetensors }
  param patch_w: Tensor<6, 3, 4, 4> = "patch.weight";
  param patch_b: Tensor<6> = "patch.bias";
  param gain: Tensor<6> = "norm.weight";
  param shift: Tensor<6> = "norm.bias";
  param fc_w: Tensor<3, 6> = "fc.weight";
  param fc_b: Tensor<3> = "fc.bias";
  local client {
    let image = pixels / 255;
  }
  let h = layernorm(relu(patch_embed(image, patch_w, patch_b, stride: 4)), gain, shift, eps: 0.00001);
  output logits: reveal client Tensor<3> = linear(h[0], fc_w, fc_b) labels ["cat", "dog", "owl"];
}
"#;

fn honest() -> Artefact {
    let graph = rewrite(SOURCE, &LowerOptions::default()).expect("a model").graph;
    let options = PlanOptions { basis: Basis::Observed, ..PlanOptions::default() };
    assemble_with(&graph, &nominal(&graph), &options).expect("a plan")
}

/// A file with these parts and any hash, whole by its digest.
fn file(parts: &Parts, hash: &[u8; 32]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(FORMAT.to_le_bytes());
    out.extend(hash);
    for part in parts.list(None) {
        out.extend((part.len() as u64).to_le_bytes());
        out.extend(part);
    }
    let digest = *blake3::hash(&out).as_bytes();
    out.extend(digest);
    out
}

fn read(artefact: &Artefact) -> Result<Artefact, ArtefactError> {
    let parts = Parts::of(&artefact.facts, &artefact.graph, &artefact.program);
    Artefact::from_bytes(&file(&parts, &[0; 32]))
}

/// Why an honest artefact is refused after a change.
#[track_caller]
fn refused(change: impl FnOnce(&mut Artefact)) -> String {
    let mut artefact = honest();
    change(&mut artefact);
    match read(&artefact) {
        Err(error @ (ArtefactError::Contradictory(_) | ArtefactError::Damaged(_))) => error.to_string(),
        other => panic!("{:?}", other.map(|a| a.manifest)),
    }
}

#[track_caller]
fn says(change: impl FnOnce(&mut Artefact), said: &str) {
    let text = refused(change);
    assert!(text.contains(said), "`{said}` is not said in: {text}");
}

fn node_where(artefact: &Artefact, is: impl Fn(&Op) -> bool) -> u32 {
    artefact.graph.nodes.iter().position(|n| is(&n.op)).expect("such a node") as u32
}

fn value(gate: Gate, kind: Kind, shape: &[usize], (ring, fraction, bound): (u8, i16, u8), level: u16) -> Value {
    Value { gate, kind, shape: shape.into(), ring, fraction, bound, level, path: "logits".to_owned() }
}

#[test]
fn an_artefact_is_read_as_it_was_written() {
    let artefact = honest();
    let bytes = artefact.to_bytes();
    let read = Artefact::from_bytes(&bytes).expect("it is whole");
    assert!(read.manifest == artefact.manifest && read.facts == artefact.facts && read.program == artefact.program);
    assert_eq!(read.to_bytes(), bytes);
    let shown = &artefact.manifest.disclosed[0];
    assert_eq!((shown.name.as_str(), shown.linear_in_inputs), ("logits", false));
    // LayerNorm's gain and shift are multiplied into what follows.
    assert!(shown.weights.paths.len() > shown.weights_by_linear_steps.paths.len(), "{shown:?}");
    assert!(shown.inferences_of_as_many_bits > Some(1));
}

/// What a reader is shown stands under the hash, or in no file at all: nobody can show something else under the same hash.
#[test]
fn whoever_says_something_else_has_another_hash() {
    let artefact = honest();
    let changes: [fn(&mut Artefact); 6] = [
        |a| a.facts.ranges[0].origin = Origin::Observed,
        |a| a.facts.ranges[0].path = "everything".to_owned(),
        |a| a.facts.ranges.clear(),
        |a| {
            a.facts.planned_for =
                Some(PlannedFor { network: "wan".to_owned(), machine: "fast".to_owned(), alpha: 0.0 });
        },
        |a| a.graph.plans.push(("NOTE".to_owned(), "weights are never opened".to_owned())),
        |a| {
            a.graph.name = "Harmless\x1b[2K".to_owned();
            a.program.name = a.graph.name.clone();
        },
    ];
    assert_ne!(artefact.facts.ranges[0].origin, Origin::Observed);
    for change in changes {
        let mut other = artefact.clone();
        change(&mut other);
        // The parts alone, under the hash of the honest artefact.
        let parts = Parts::of(&other.facts, &other.graph, &other.program);
        let hash = blake3::Hash::from_hex(&artefact.manifest.program).expect("a hash");
        let found = Artefact::from_bytes(&file(&parts, hash.as_bytes()));
        assert!(matches!(found, Err(ArtefactError::OtherProgram { .. })), "{found:?}");
        let signed = Artefact::new(other.graph, other.program, other.facts);
        let read = Artefact::from_bytes(&signed.to_bytes()).expect("it is whole");
        assert_ne!(read.manifest.program, artefact.manifest.program);
        assert_eq!(read.manifest.trust, "semi-honest, dealer");
    }
}

#[test]
fn the_code_of_the_roles_is_under_the_hash() {
    let mut artefact = honest();
    let before = artefact.to_bytes();
    artefact.code[0] ^= 1;
    let after = artefact.to_bytes();
    assert_ne!(before, after);
    let found = Artefact::from_bytes(&after).expect_err("another build made it").to_string();
    assert!(found.contains("another build"), "{found}");
}

/// Only the bytes that the values in a file are written as: no part has room for something else.
#[test]
fn a_file_holds_nothing_but_its_parts() {
    let artefact = honest();
    for part in 0..3 {
        let mut parts = Parts::of(&artefact.facts, &artefact.graph, &artefact.program);
        [&mut parts.facts, &mut parts.graph, &mut parts.program][part].push(0);
        let hash = blake3::Hash::from_hex(&artefact.manifest.program).expect("a hash");
        assert!(matches!(Artefact::from_bytes(&file(&parts, hash.as_bytes())), Err(ArtefactError::Damaged(_))));
    }
    let whole = artefact.to_bytes();
    let mut longer = whole[..whole.len() - 32].to_vec();
    longer.extend([0; 8]);
    let digest = *blake3::hash(&longer).as_bytes();
    longer.extend(digest);
    assert!(matches!(Artefact::from_bytes(&longer), Err(ArtefactError::Damaged(_))));
}

#[test]
fn a_program_is_that_of_its_graph() {
    says(|a| a.program.name = "Other".to_owned(), "called `Other`");
    says(|a| a.program.outputs[0].name = "\x1b[8m".to_owned(), "reveals `\\u{1b}[8m`");
    says(|a| a.program.outputs[0].labels.swap(0, 1), "other labels");
    says(|a| a.graph.outputs[0].labels[0] = "horse".to_owned(), "other labels");
    says(|a| a.graph.outputs.clear(), "declares 0");
}

#[test]
fn weights_of_the_program_are_the_model_owners_in_its_graph() {
    let (input, local) = {
        let artefact = honest();
        (node_where(&artefact, |op| matches!(op, Op::Input(_))), artefact.program.inputs[0].node)
    };
    says(|a| a.program.weights[0].node = 4_000_000_000, "weight 0 is no node");
    says(|a| a.program.weights[0].node = a.graph.nodes.len() as u32, "weight 0 is no node");
    says(|a| a.program.weights[0].node = input, "is not the model owner's");
    says(|a| a.program.weights[0].node = local, "is not the model owner's");
    says(|a| a.program.weights[0].path = "elsewhere".to_owned(), "stands elsewhere");
    says(|a| a.program.weights[0].transposed ^= true, "has another shape");
    let vector = |a: &Artefact| a.program.weights.iter().position(|w| w.shape.len() == 1).expect("a bias");
    let flat = |a: &mut Artefact| {
        let at = vector(a);
        a.program.weights[at].transposed = true;
    };
    says(flat, "no two axes");
    let rounded = |a: &mut Artefact| {
        let at = vector(a);
        a.program.weights[at].rounding = WeightRounding::ZeroColumnSums;
    };
    says(rounded, "is not centred");
    let matrix = |a: &mut Artefact| {
        let plain = |w: &&mut Weight| w.transposed && w.rounding == WeightRounding::Nearest;
        a.program.weights.iter_mut().find(plain).expect("a matrix").rounding = WeightRounding::ZeroColumnSums;
    };
    says(matrix, "is not centred");
}

#[test]
fn inputs_of_the_program_are_the_data_owners_in_its_graph() {
    let weight = node_where(&honest(), |op| matches!(op, Op::Param(_)));
    says(|a| a.program.inputs[0].node = 4_000_000_000, "input 0");
    says(|a| a.program.inputs[0].node = weight, "input 0");
    says(|a| a.program.inputs[0].path = "elsewhere".to_owned(), "input 0");
    // The graph itself stays in order: whoever declares an input to be somebody else's changes what is made of it too.
    let stolen = |a: &mut Artefact| {
        a.graph.inputs[0].ty.visibility = crate::graph::Visibility::SecretServer;
        for at in 0..a.graph.nodes.len() {
            let (op, shape) = (a.graph.nodes[at].op.clone(), a.graph.nodes[at].ty.shape.clone());
            a.graph.nodes[at].ty = crate::verify::derived_type(&a.graph, &op, Some(&shape)).expect("a type");
        }
    };
    says(stolen, "is not the data owner's");
}

#[test]
fn choices_are_of_nodes_that_exist() {
    says(
        |a| {
            let taken = crate::plan::Taken::Chain(crate::plan::Chain::Wide);
            a.facts.choices.push(ChoiceFact { node: NodeId(u32::MAX), taken });
        },
        "does not have",
    );
}

/// The weights as further outputs of the program, with names that a terminal hides, and as many as one likes.
#[test]
fn a_program_that_reveals_its_weights_is_refused() {
    let reveal = |a: &mut Artefact, name: &str| {
        let node = node_where(a, |op| matches!(op, Op::Param(_)));
        let (shape, path) = (a.graph.nodes[node as usize].ty.shape.clone(), a.graph.nodes[node as usize].path.clone());
        let weight = WeightId(a.program.weights.len() as u32);
        let rounding = WeightRounding::Nearest;
        a.program.weights.push(Weight {
            node,
            shape: shape.clone(),
            transposed: false,
            fraction: 20,
            bound: 30,
            rounding,
            path,
        });
        let source = ValueId(a.program.values.len() as u32);
        a.program.values.push(value(Gate::ServerShare { weight }, Kind::Share, &shape, (40, 20, 30), 0));
        let output = a.program.outputs.len() as u32;
        a.program.outputs.push(Output { name: name.to_owned(), shape: shape.clone(), fraction: 20, labels: vec![] });
        let gate = Gate::Reveal { source, truncate: 0, output };
        a.program.values.push(value(gate, Kind::Share, &shape, (40, 20, 30), 1));
        node
    };
    says(
        |a| {
            reveal(a, "weights");
        },
        "reveals 2 outputs and its graph declares 1",
    );
    says(
        |a| {
            reveal(a, "\x1b[8m");
        },
        "reveals 2 outputs and its graph declares 1",
    );
    let declared = |a: &mut Artefact| {
        let node = NodeId(reveal(a, "w"));
        a.graph.outputs.push(crate::graph::Output { name: "w".to_owned(), node, labels: vec![] });
    };
    says(declared, "a function of weights alone");
    // A graph that says that the input is part of it, and a program in which it is not.
    let disguised = |a: &mut Artefact| {
        let node = NodeId(reveal(a, "w"));
        let pixels = NodeId(node_where(a, |op| matches!(op, Op::Input(_))));
        let shape = a.graph.node(node).ty.shape.clone();
        let entries: usize = shape.iter().product();
        let flat = build_shaped(&mut a.graph, Op::Reshape(pixels), &[96], "w").expect("a vector");
        let one = build(&mut a.graph, Op::Slice { x: flat, axis: 0, start: 0, end: 1 }, "w").expect("an entry");
        let zero = build(&mut a.graph, Op::Scale(one, 0.0), "w").expect("nothing");
        let whole = build_shaped(&mut a.graph, Op::Reshape(node), &[entries], "w").expect("a vector");
        let sum = build(&mut a.graph, Op::Add(whole, zero), "w").expect("a sum");
        let node = build_shaped(&mut a.graph, Op::Reshape(sum), &shape, "w").expect("a weight");
        a.graph.outputs.push(crate::graph::Output { name: "w".to_owned(), node, labels: vec![] });
    };
    says(disguised, "hands weights to the data owner");
}

/// The honest names and shapes, and an output that is the input times all parameters: a one-hot input reads them out. No rule
/// forbids a linear model, so it is said what it is.
#[test]
fn weights_times_the_input_are_shown_for_what_they_are() {
    let base = honest();
    let mut graph = base.graph.clone();
    let params: Vec<NodeId> =
        (0..).zip(&graph.nodes).filter(|(_, n)| matches!(n.op, Op::Param(_))).map(|(i, _)| NodeId(i)).collect();
    let mut parts = Vec::new();
    for param in &params {
        let entries = graph.node(*param).ty.shape.iter().product();
        parts.push(build_shaped(&mut graph, Op::Reshape(*param), &[entries], "z").expect("a vector"));
    }
    let all = build(&mut graph, Op::Concat { parts, axis: 0 }, "z").expect("all weights");
    let cut = build(&mut graph, Op::Slice { x: all, axis: 0, start: 0, end: 96 * 3 }, "z").expect("as many as fit");
    let weight = build_shaped(&mut graph, Op::Reshape(cut), &[96, 3], "patch_w").expect("a matrix");
    let pixels = NodeId(node_where(&base, |op| matches!(op, Op::Input(_))));
    let flat = build_shaped(&mut graph, Op::Reshape(pixels), &[1, 96], "image").expect("a row");
    let output = base.program.outputs[0].clone();
    let program = Program {
        name: base.program.name.clone(),
        supplier: base.program.supplier,
        weights: vec![Weight {
            node: weight.0,
            shape: smallvec![96, 3],
            transposed: false,
            fraction: 20,
            bound: 30,
            rounding: WeightRounding::Nearest,
            path: "patch_w".to_owned(),
        }],
        inputs: vec![Input { node: flat.0, shape: smallvec![1, 96], fraction: 0, bound: 9, path: "image".to_owned() }],
        verdict: false,
        outputs: vec![Output { fraction: 20, ..output.clone() }],
        values: vec![
            value(Gate::Input { input: 0 }, Kind::Wire, &[1, 96], (64, 0, 9), 1),
            value(
                Gate::MatMulServer { source: ValueId(0), weight: WeightId(0) },
                Kind::Share,
                &[1, 3],
                (64, 20, 50),
                1,
            ),
            value(Gate::View { source: ValueId(1), view: View::Reshape }, Kind::Share, &[3], (64, 20, 50), 1),
            value(Gate::Reveal { source: ValueId(2), truncate: 0, output: 0 }, Kind::Share, &[3], (64, 20, 50), 2),
        ],
        hops: 2,
    };
    let alone = Program { supplier: Supplier::Pair, ..program.clone() };
    let alone = Artefact::new(graph.clone(), alone, base.facts.clone());
    let read = Artefact::from_bytes(&alone.to_bytes()).expect("two parties can make what it needs");
    assert_eq!(read.manifest.trust, "semi-honest, two parties");
    assert!(read.manifest.opened.iter().all(|row| row.what != "weights" && !row.why.contains("dealer")));
    let signed = Artefact::new(graph, program, base.facts.clone());
    let read = Artefact::from_bytes(&signed.to_bytes()).expect("nothing in it is forbidden");
    let told = &read.manifest.disclosed[0];
    assert_eq!((told.linear_in_inputs, told.input_entries, told.bits), (true, 96, 3 * 64));
    assert_eq!(told.weights_by_linear_steps, told.weights);
    assert_eq!(told.weights.entries, 96 * 3);
    assert_ne!(read.manifest.program, base.manifest.program);
    let found = differences(&read, &base);
    assert!(found.iter().any(|d| d.contains("step of the program")), "{found:?}");
}
