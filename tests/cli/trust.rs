//! What an artefact can say and what it cannot, and to whom it is refused: files made anew for what they try.

use std::fs;

use mpcc::compiler::artefact::Artefact;
use mpcc::compiler::graph::{Graph, NodeId, Op};
use mpcc::compiler::verify::{build, build_shaped};
use mpcc::program::program::{
    Gate, Input, Kind, Output, Program, Value, ValueId, View, Weight, WeightId, WeightRounding,
};
use mpcc::program::shown::is_plain;

use crate::support::{MODEL, Place, text};

/// Moves the cursor, hides, clears, and turns text around.
const HOSTILE: &str = "a\x1b[2K\x1b[1A\x1b[8mb\r\u{9b}31m\u{202e}\u{2066}\u{200b}";

fn honest(place: &Place) -> Artefact {
    Artefact::from_bytes(&fs::read(place.path("model.mpca")).expect("an artefact")).expect("it is whole")
}

fn write(place: &Place, name: &str, graph: Graph, program: Program) {
    let facts = honest(place).facts;
    fs::write(place.path(name), Artefact::new(graph, program, facts).to_bytes()).expect("a file");
}

#[track_caller]
fn plain(text: &str) {
    assert!(text.chars().all(|c| c == '\n' || c == '\t' || is_plain(c)), "{text:?}");
}

/// Everything of an artefact that is a name, hidden with what terminals obey: shown as what it is, by every command.
#[test]
fn names_in_an_artefact_cannot_write_on_a_terminal() {
    let place = Place::new();
    let Artefact { mut graph, mut program, mut facts, .. } = honest(&place);
    graph.name = HOSTILE.to_owned();
    program.name = HOSTILE.to_owned();
    for input in &mut graph.inputs {
        input.name = HOSTILE.to_owned();
    }
    for (output, revealed) in graph.outputs.iter_mut().zip(&mut program.outputs) {
        output.name = HOSTILE.to_owned();
        output.labels.iter_mut().for_each(|label| label.push_str(HOSTILE));
        revealed.name.clone_from(&output.name);
        revealed.labels.clone_from(&output.labels);
    }
    graph.plans = vec![(HOSTILE.to_owned(), "\x1b[31mred".to_owned())];
    graph.nodes.iter_mut().for_each(|node| node.path.push_str(HOSTILE));
    program.values.iter_mut().for_each(|value| value.path.push_str(HOSTILE));
    program.weights.iter_mut().for_each(|weight| weight.path.push_str(HOSTILE));
    program.inputs.iter_mut().for_each(|input| input.path.push_str(HOSTILE));
    facts.ranges.iter_mut().for_each(|range| range.path.push_str(HOSTILE));
    if let Some(planned_for) = &mut facts.planned_for {
        planned_for.network = HOSTILE.to_owned();
        planned_for.machine = HOSTILE.to_owned();
    }
    fs::write(place.path("hostile.mpca"), Artefact::new(graph, program, facts).to_bytes()).expect("a file");
    let secrets = ["--weights", "w.safetensors", "--input", "cat.png"];
    let both = [&secrets[..], &["--input", "dog.png"]].concat();
    for arguments in [
        vec!["inspect", "hostile.mpca"],
        vec!["cost", "hostile.mpca", "--net", "lan,wan"],
        [&["simulate", "hostile.mpca"], &secrets[..]].concat(),
        [&["run", "hostile.mpca"], &secrets[..]].concat(),
        [&["run", "hostile.mpca"], &both[..]].concat(),
    ] {
        let output = place.run(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        plain(&text(&output.stdout));
        plain(&text(&output.stderr));
        if arguments[0] != "cost" {
            assert!(text(&output.stdout).contains("\\u{1b}[2K"), "{}", text(&output.stdout));
        }
        let json = place.good(&[&arguments[..], &["--json"]].concat());
        plain(&json);
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
    }
    let inspected = place.json(&["inspect", "hostile.mpca"]);
    assert_eq!(inspected["manifest"]["model"], HOSTILE);
    // Errors name values and inputs.
    place.change_weights(|tensors| tensors.iter_mut().for_each(|(.., data)| data.iter_mut().for_each(|v| *v *= 1e6)));
    place.image("large.png", 80, 40, 1);
    for (input, said) in [("cat.png", "\\u{1b}[2K"), ("large.png", "\\u{1b}[2K")] {
        let arguments = ["simulate", "hostile.mpca", "--weights", "w.safetensors", "--input", input];
        let output = place.run(&arguments);
        assert_eq!(output.status.code(), Some(1));
        plain(&text(&output.stderr));
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

/// Tensors, sources, tokenizers and the names of files.
#[test]
fn names_in_other_files_cannot_write_on_a_terminal() {
    let place = Place::new();
    let name = "cat\x1b[2K\u{202e}.png";
    fs::copy(place.path("cat.png"), place.path(name)).expect("a copy");
    place.image("large\x1b[8m.png", 80, 40, 1);
    let secret = ["--weights", "w.safetensors"];
    let shown = place.good(&[&["simulate", "model.mpca", "--input", name], &secret[..]].concat());
    plain(&shown);
    assert!(shown.contains("cat\\u{1b}[2K\\u{202e}.png"), "{shown}");
    let failing = |arguments: &[&str], status: i32, said: &str| {
        for json in [&[][..], &["--json"]] {
            let output = place.run(&[arguments, json].concat());
            assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output.stderr));
            plain(&text(&output.stderr));
            plain(&text(&output.stdout));
            assert!(text(&output.stderr).contains(said), "`{said}` is not said in: {}", text(&output.stderr));
        }
    };
    failing(
        &[&["simulate", "model.mpca", "--input", "large\x1b[8m.png"], &secret[..]].concat(),
        1,
        "large\\u{1b}[8m.png",
    );
    failing(&["inspect", "none\x1b[8m\n.mpca"], 1, "none\\u{1b}[8m");
    place.write("model\x1b[8m.mpv", &MODEL.replace("relu(", "rely\u{202e}(").replace("mpv 1;", "mpv 1; // \x1b[2K"));
    failing(&["check", "model\x1b[8m.mpv"], 1, "model\\u{1b}[8m.mpv");
    place.write("labels.mpv", &MODEL.replace("\"owl\"", "\"\x1b[8mowl\", \"\x1b[2K\""));
    failing(&["check", "labels.mpv"], 1, "labels");
    place.change_weights(|tensors| {
        tensors.push((format!("head{HOSTILE}\n  missing"), vec![1], vec![0.5]));
        (0..300).for_each(|i| tensors.push((format!("{i}{}", "x".repeat(5000)), vec![1], vec![0.5])));
    });
    let output = place.run(&[&["simulate", "model.mpca", "--input", "cat.png"], &secret[..]].concat());
    let said = text(&output.stderr);
    plain(&said);
    assert!(said.contains("and 201 more") && said.len() < 60_000, "{} bytes", said.len());
}

#[test]
fn another_program_than_expected_is_refused_before_anything_is_read() {
    let place = Place::new();
    let hash = place.json(&["inspect", "model.mpca"])["manifest"]["program"].as_str().expect("a hash").to_owned();
    let other = "0".repeat(64);
    let run = ["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png", "--expect"];
    place.good(&[&run[..], &[&hash]].concat());
    place.good(&[&run[..], &[&hash.to_uppercase()]].concat());
    place.good(&["deal", "model.mpca", "--inferences", "1", "--out", "dealt", "--expect", &hash]);
    let said = [hash.as_str(), other.as_str(), "--source"];
    // Neither weights nor inputs, nor an identity, are there to be read.
    fs::remove_file(place.path("w.safetensors")).expect("a file");
    let run = ["run", "model.mpca", "--weights", "w.safetensors", "--input", "none.png", "--expect", &other];
    place.bad(&run, 1, &said);
    place.bad(&["deal", "model.mpca", "--inferences", "1", "--out", "other", "--expect", &other], 1, &said);
    for (role, own) in [
        ("model-owner", &["--weights", "w.safetensors", "--max-inferences", "1"][..]),
        ("data-owner", &["--input", "none.png"]),
        ("dealer", &[]),
    ] {
        place.bad(&[&["run", "model.mpca", "--role", role, "--expect", &other], own].concat(), 1, &said);
    }
    place.bad_usage(&["run", "model.mpca", "--expect", "abc"], "64 hexadecimal digits");
}

#[test]
fn an_artefact_is_compared_with_what_its_source_compiles_to() {
    let place = Place::new();
    let compare = |extra: &[&str]| {
        let output = place.run(&[&["inspect", "model.mpca", "--source", "model.mpv"], extra].concat());
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, shown, said) = compare(&[]);
    assert_eq!((status, said.as_str()), (Some(0), ""));
    assert!(shown.contains("model.mpv compiles to the same program"), "{shown}");
    let (status, shown, _) = compare(&["--relu", "digit-tables", "--alpha", "0"]);
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("WARNING: model.mpv compiles to another program"), "{shown}");
    assert!(shown.contains("what protocols were chosen for"), "{shown}");
    // The source of an honest artefact, and an artefact whose output is another function.
    place.write("model.mpv", &MODEL.replace("pixels / 255", "pixels / 256"));
    let calibrated = ["--weights", "w.safetensors", "--calibrate", "cat.png", "--calibrate", "dog.png"];
    let (status, shown, _) = compare(&calibrated);
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("step of the graph"), "{shown}");
    let output = place.run(&[&["inspect", "model.mpca", "--source", "model.mpv", "--json"], &calibrated[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["source"]["same"], false);
    assert!(!report["source"]["differences"].as_array().expect("a list").is_empty());
    place.write("model.mpv", MODEL);
    assert_eq!(compare(&calibrated).0, Some(0));
    // What is relied on is compared too.
    assert_eq!(compare(&["--ranges", "observed"]).0, Some(1));
    place.good(&["compile", "model.mpv", "--ranges", "observed", "-o", "model.mpca"]);
    assert_eq!(compare(&["--ranges", "observed"]).0, Some(0));
    assert_eq!(compare(&[]).0, Some(1));
    place.bad(&["inspect", "model.mpca", "--alpha", "0"], 2, &["--source"]);
    place.bad_usage(&["inspect", "model.mpca", "--net", "lan"], "--source");
}

fn value(gate: Gate, kind: Kind, shape: &[usize], (ring, fraction, bound): (u8, i16, u8), level: u16) -> Value {
    Value { gate, kind, shape: shape.into(), ring, fraction, bound, level, path: "logits".to_owned() }
}

/// Name and shape of the output are the honest ones, and its values are weights times the input: with a one-hot input, the
/// weights.
#[test]
fn weights_times_a_one_hot_input_are_shown_for_what_they_are() {
    let place = Place::new();
    let Artefact { mut graph, program, .. } = honest(&place);
    let find = |graph: &Graph, is: fn(&Op) -> bool| {
        NodeId(graph.nodes.iter().position(|n| is(&n.op)).expect("such a node") as u32)
    };
    let pixels = find(&graph, |op| matches!(op, Op::Input(_)));
    let param = find(&graph, |op| matches!(op, Op::Param(_)));
    let entries: usize = graph.node(param).ty.shape.iter().product();
    assert_eq!(entries, 96 * 3, "the weight fills the matrix");
    let weight = build_shaped(&mut graph, Op::Reshape(param), &[96, 3], "patch_w").expect("a matrix");
    let flat = build_shaped(&mut graph, Op::Reshape(pixels), &[1, 96], "image").expect("a row");
    // The graph says the same, so that the two agree.
    let product = build(&mut graph, Op::MatMul(flat, weight), "logits").expect("a product");
    graph.outputs[0].node = build_shaped(&mut graph, Op::Reshape(product), &[3], "logits").expect("a vector");
    let output = Output { fraction: 20, ..program.outputs[0].clone() };
    let gate = Gate::MatMulServer { source: ValueId(0), weight: WeightId(0) };
    let program = Program {
        name: program.name,
        supplier: program.supplier,
        weights: vec![Weight {
            node: weight.0,
            shape: [96, 3].as_slice().into(),
            transposed: false,
            fraction: 20,
            bound: 30,
            rounding: WeightRounding::Nearest,
            path: "patch_w".to_owned(),
        }],
        inputs: vec![Input {
            node: flat.0,
            shape: [1, 96].as_slice().into(),
            fraction: 0,
            bound: 9,
            path: "image".to_owned(),
        }],
        verdict: false,
        outputs: vec![output],
        values: vec![
            value(Gate::Input { input: 0 }, Kind::Wire, &[1, 96], (64, 0, 9), 1),
            value(gate, Kind::Share, &[1, 3], (64, 20, 50), 1),
            value(Gate::View { source: ValueId(1), view: View::Reshape }, Kind::Share, &[3], (64, 20, 50), 1),
            value(Gate::Reveal { source: ValueId(2), truncate: 0, output: 0 }, Kind::Share, &[3], (64, 20, 50), 2),
        ],
        hops: 2,
    };
    write(&place, "copies.mpca", graph, program);
    let shown = place.good(&["inspect", "copies.mpca"]);
    for said in [
        "an inference reveals 3 numbers, 192 bits",
        "WARNING: all weights reach it by linear steps alone: patch_w",
        "WARNING: every step from the input to it is linear: 97 inferences with chosen inputs give away all of it",
        "47 inferences reveal as many bits as its weights have (8928)",
    ] {
        assert!(shown.contains(said), "`{said}` is not said in: {shown}");
    }
    let output = place.run(&["inspect", "copies.mpca", "--source", "model.mpv"]);
    assert_eq!(output.status.code(), Some(1));
    let honest = place.good(&["inspect", "model.mpca"]);
    assert!(!honest.contains("WARNING"), "{honest}");
    assert!(honest.contains("reach it by linear steps alone: fc_b"), "{honest}");
}

/// What holds for the weights that ranges were made with need not hold for others, whatever the artefact's hash says.
#[test]
fn weights_that_ranges_were_not_made_with_are_refused() {
    let place = Place::new();
    place.good(&["compile", "model.mpv", "-o", "model.mpca"]);
    place.change_weights(|tensors| tensors.iter_mut().flat_map(|(.., values)| values).for_each(|v| *v *= 0.9));
    for model in ["model.mpv", "model.mpca"] {
        let run = ["run", model, "--weights", "w.safetensors", "--input", "cat.png"];
        place.bad(&run, 1, &["made with other weights", "--calibrate"]);
        let simulate = ["simulate", model, "--weights", "w.safetensors", "--input", "cat.png"];
        place.bad(&simulate, 1, &["made with other weights", "--calibrate"]);
    }
}
