//! Models that read text, and models with several inputs.

use std::fs;
use std::process::Command;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;

use crate::support::{Place, text};

const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nwhat\na\nfilm\n##s\n!\n";

/// Six tokens to two labels.
const READER: &str = r#"mpv 1;

model Reader() {
  input words: secret client Tensor<i32, 6>;
  input mask: secret client Tensor<bit, 6>;
  weights secret server { format: safetensors }
  tokenizer "vocabulary/vocab.txt" { ids: words, mask: mask }
  param w1: Tensor<4, 6> = "w1";
  param w2: Tensor<2, 4> = "w2";
  let h = relu(linear(words * mask / 8, w1));
  output logits: reveal client Tensor<2> = linear(h, w2) labels ["good", "bad"];
}
"#;

/// A place with the reader, its weights, ranges and artefact, and some reviews.
fn reader() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("vocabulary")).expect("a directory");
    place.write("vocabulary/vocab.txt", VOCABULARY);
    place.write("reader.mpv", READER);
    for (label, review) in [("good", "What a film!"), ("bad", "films\r\n"), ("good", "a")] {
        fs::create_dir_all(place.path(&format!("reviews/{label}"))).expect("a directory");
        place.write(&format!("reviews/{label}/{}.txt", review.len()), review);
    }
    weights(&place);
    place.good(&["simulate", "reader.mpv", "--weights", "r.safetensors", "--calibrate", "reviews"]);
    place.good(&["compile", "reader.mpv", "-o", "reader.mpca"]);
    place
}

fn weights(place: &Place) {
    let tensor = |rows: usize, columns: usize| -> Vec<u8> {
        let weight = |i: usize| (i * 7 % 5) as f32 / 2.0 - 0.75;
        (0..rows * columns).flat_map(|i| weight(i).to_le_bytes()).collect()
    };
    let (w1, w2) = (tensor(4, 6), tensor(2, 4));
    let view = |shape: [usize; 2], data| TensorView::new(Dtype::F32, shape.to_vec(), data).expect("a tensor");
    let tensors = [("w1", view([4, 6], &w1)), ("w2", view([2, 4], &w2))];
    let bytes = safetensors::serialize(tensors, None).expect("safetensors");
    fs::write(place.path("r.safetensors"), bytes).expect("a file");
}

const RUN: [&str; 5] = ["run", "reader.mpca", "--weights", "r.safetensors", "--input"];

fn with<'a>(command: &[&'a str], input: &'a str) -> Vec<&'a str> {
    [command, &[input]].concat()
}

/// Rounding is random, so two runs differ a little.
fn same_values(one: &Value, other: &Value) {
    let values = |run: &Value| -> Vec<f64> {
        run["outputs"][0]["values"].as_array().expect("values").iter().map(|v| v.as_f64().expect("a number")).collect()
    };
    let (one, other) = (values(one), values(other));
    assert!(one.iter().any(|v| v.abs() > 0.05), "{one:?}");
    for (a, b) in one.iter().zip(&other) {
        assert!((a - b).abs() < 0.01, "{one:?} {other:?}");
    }
}

#[test]
fn text_goes_in_and_a_label_comes_out() {
    let place = reader();
    // The artefact is all that is needed.
    fs::remove_dir_all(place.path("vocabulary")).unwrap();
    let typed = place.json(&with(&RUN, "What a film!"));
    let from_file = place.json(&with(&RUN, "reviews/good/12.txt"));
    assert_eq!(typed["inferences"][0]["input"], "text 1");
    same_values(&typed, &from_file);
    let all = place.json(&with(&RUN, "reviews"));
    assert_eq!(all["accuracy"]["labelled"], 3);
    assert_eq!(all["accuracy"]["correct"], all["accuracy"]["float_correct"]);
    assert_eq!(all["inferences"][1]["expected"], "good");
}

#[test]
fn what_is_cut_off_is_remarked_on() {
    let place = reader();
    for command in ["simulate", "run"] {
        let long = [command, "reader.mpca", "--weights", "r.safetensors", "--input", "what a film what a film"];
        let output = place.run(&long);
        assert!(output.status.success());
        let said = text(&output.stderr);
        assert!(said.contains("text 1: more tokens than the model reads"), "{said}");
        assert!(!said.contains("what a film"), "{said}");
    }
}

#[test]
fn the_tokenizer_is_part_of_the_program() {
    let place = reader();
    let compile = ["compile", "reader.mpv", "-o", "other.mpca"];
    let program = |place: &Place| place.json(&compile)["program"].clone();
    let first = program(&place);
    assert_eq!(first, program(&place));
    place.write("vocabulary/vocab.txt", &VOCABULARY.replace("film", "filn"));
    assert_ne!(first, program(&place));
    place.good(&["check", "reader.mpv"]);
    let manifest = place.json(&["inspect", "reader.mpca"])["manifest"].clone();
    assert_eq!(manifest["tokenizer"]["file"], "vocabulary/vocab.txt");
    assert_eq!(manifest["tokenizer"]["inputs"], serde_json::json!(["words", "mask"]));
    assert!(place.good(&["inspect", "reader.mpca"]).contains("tokenizer  vocabulary/vocab.txt"));
    let whole = fs::read(place.path("reader.mpca")).unwrap();
    let at = whole.windows(6).rposition(|window| window == b"\"film\"").unwrap();
    let mut forged = whole.clone();
    forged[at + 1] = b'F';
    let body = forged.len() - 32;
    let digest = *blake3::hash(&forged[..body]).as_bytes();
    forged[body..].copy_from_slice(&digest);
    fs::write(place.path("forged.mpca"), forged).unwrap();
    place.bad(&["inspect", "forged.mpca"], 1, &["its program is", "altered"]);
}

#[test]
fn a_tokenizer_that_cannot_be_used_is_shown_where_it_is_named() {
    let place = reader();
    let compile = ["compile", "reader.mpv", "-o", "new.mpca"];
    for (vocabulary, said) in [("what\na\n", "no line [PAD]"), ("{\"a\": 1}", "merges.txt")] {
        place.write("vocabulary/vocab.txt", vocabulary);
        place.bad(&compile, 1, &["E0906", "reader.mpv:7", said]);
    }
    fs::remove_file(place.path("vocabulary/vocab.txt")).unwrap();
    place.bad(&compile, 1, &["E0906", "reader.mpv:7", "vocab.txt", "relative to the model file"]);
    place.good(&["check", "reader.mpv"]);
    place.write("reader.mpv", &READER.replace("ids: words", "ids: word"));
    let checked = place.run(&["check", "reader.mpv"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stderr).contains("E0903"));
}

#[test]
fn text_that_cannot_be_read_is_named_and_not_shown() {
    let place = reader();
    place.write("blank.txt", " \n");
    place.write("tabs.txt", "a\tb\tc");
    place.write("latin.txt", "");
    fs::write(place.path("latin.txt"), [b'a', 0xe9]).unwrap();
    for (input, said) in [
        ("blank.txt", ["blank.txt", "no text"]),
        ("tabs.txt", ["tabs.txt", "more than one tab"]),
        ("latin.txt", ["latin.txt", "UTF-8"]),
        ("  ", ["text 1", "no text"]),
        ("none.txt", ["none.txt", "cannot read"]),
        ("cat.png", ["cat.png", "one array"]),
    ] {
        place.bad(&with(&RUN, input), 1, &said);
        place.bad(&with(&["simulate", "reader.mpca", "--weights", "r.safetensors", "--input"], input), 1, &said);
    }
    place.bad(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "blank.txt"], 1, &["no tokenizer"]);
    place.bad(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "a film"], 1, &["cannot read a film"]);
}

#[test]
fn several_inputs_are_given_by_name() {
    let place = reader();
    let array = |name: &str, descr: &str, data: &[u8]| array(&place, name, descr, data);
    array("words.npy", "|u1", &[2, 4, 5, 6, 8, 3]);
    array("mask.npy", "|b1", &[1; 6]);
    array("many.npy", "|u1", &[2; 6]);
    let run = ["run", "reader.mpca", "--weights", "r.safetensors"];
    let given = [&run[..], &["--input", "words=words.npy", "--input", "mask=mask.npy"]].concat();
    let named = place.json(&given);
    assert_eq!(named["inferences"].as_array().unwrap().len(), 1);
    same_values(&named, &place.json(&with(&RUN, "what a film !")));
    for (inputs, said) in [
        (&["words=words.npy"][..], "nothing is given for input `mask`"),
        (&["words=words.npy", "words=many.npy"], "given twice"),
        (&["words=words.npy", "mask=many.npy"], "0 and 1"),
        (&["words=words.npy", "mask=none.npy"], "none.npy"),
        (&["words=words.npy", "a film"], "do not go together"),
    ] {
        let mut command = run.to_vec();
        inputs.iter().for_each(|input| command.extend(["--input", input]));
        place.bad(&command, 1, &[said]);
    }
    let pictures = ["run", "model.mpca", "--weights", "w.safetensors", "--input"];
    place.bad(&with(&pictures, "pixel=cat.png"), 1, &["no input `pixel`; it has input `pixels`"]);
    place.good(&with(&pictures, "pixels=cat.png"));
}

/// A place with a small BERT whose weights have the size of trained ones, and ranges for it.
fn bert() -> Place {
    let place = Place::new();
    place.write("vocab.txt", VOCABULARY);
    place.write("bert.mpv", include_str!("bert.mpv"));
    place.good(&["weights", "bert.mpv", "--seed", "7", "-o", "w.safetensors"]);
    let state = std::cell::Cell::new(1u32);
    // Roughly uniform in -1 to 1.
    let next = || {
        state.set(state.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        (state.get() >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    place.change_weights(|tensors| {
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, _, data) in tensors {
            let (centre, spread) = match name.as_str() {
                name if name.ends_with("LayerNorm.weight") => (1.0, 0.2),
                name if name.contains("embeddings.") => (0.0, 3.0),
                _ => (0.0, 1.5),
            };
            data.iter_mut().for_each(|v| *v = centre + spread * next());
        }
    });
    place.write("pair.txt", "what a film!\tfilms");
    place.write("short.txt", "a");
    let calibrate = ["simulate", "bert.mpv", "--weights", "w.safetensors", "--calibrate"];
    place.good(&[&calibrate[..], &["what a film!", "--calibrate", "pair.txt", "--calibrate", "short.txt"]].concat());
    place
}

#[test]
fn a_bert_reads_text_as_its_float_network_does() {
    let place = bert();
    let run = ["run", "bert.mpv", "--weights", "w.safetensors"];
    let texts = ["what a film!", "film", "pair.txt", "what what a films!"];
    let inputs: Vec<&str> = texts.iter().flat_map(|text| ["--input", text]).collect();
    let all = place.json(&[&run[..], &inputs].concat());
    assert!(all["float"]["largest_error"].as_f64().is_some_and(|error| error < 0.02), "{}", all["float"]);
    let logit = |inference: usize| all["inferences"][inference]["outputs"][0]["values"][0].as_f64().expect("a number");
    let logits: Vec<f64> = (0..texts.len()).map(logit).collect();
    let spread = logits.iter().fold(f64::MIN, |a, b| a.max(*b)) - logits.iter().fold(f64::MAX, |a, b| a.min(*b));
    assert!(spread > 0.5, "texts make no difference: {logits:?}");
    // As if there were no padding: a second sentence that is masked out again.
    let (ids, kinds, mask) = ([2u8, 4, 5, 6, 8, 3, 7, 7], [0, 0, 0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1, 0, 0]);
    for (name, data) in [("ids", ids), ("kinds", kinds), ("mask", mask)] {
        array(&place, &format!("{name}.npy"), "|u1", &data);
    }
    let named = ["--input", "ids=ids.npy", "--input", "kinds=kinds.npy", "--input", "mask=mask.npy"];
    let padded = place.json(&[&run[..], &named].concat())["outputs"][0]["values"][0].as_f64().expect("a number");
    assert!((padded - logits[0]).abs() < 0.02, "{padded} {logits:?}");
}

#[test]
fn tokens_without_a_row_are_refused() {
    let place = bert();
    for (name, data) in [("ids", [9u8; 8]), ("kinds", [0; 8]), ("mask", [1; 8])] {
        array(&place, &format!("{name}.npy"), "|u1", &data);
    }
    let named = ["--input", "ids=ids.npy", "--input", "kinds=kinds.npy", "--input", "mask=mask.npy"];
    for command in ["run", "simulate"] {
        let command = [command, "bert.mpv", "--weights", "w.safetensors"];
        place.bad(&[&command[..], &named].concat(), 1, &["ids=ids.npy", "positions are whole numbers from 0 to 8"]);
    }
    place.write("vocab.txt", &format!("{VOCABULARY}new\n"));
    place.bad(&["compile", "bert.mpv"], 1, &["E0906", "bert.mpv:", "up to 9", "9 rows"]);
}

/// An array of bytes or bits in a file.
pub(crate) fn array(place: &Place, name: &str, descr: &str, data: &[u8]) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({},), }}\n", data.len());
    let length = (header.len() as u16).to_le_bytes();
    fs::write(place.path(name), [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()).expect("a file");
}

/// Arguments of the processes of a run are seen by everybody on the machine; only what was typed may hold the text.
#[test]
#[cfg(target_os = "linux")]
fn roles_get_the_text_by_pipe() {
    let place = reader();
    let secret = "what a films film";
    let mut command: Command = place.command(&with(&RUN, secret));
    let mut child = command.spawn().unwrap();
    let mut seen = 0;
    while child.try_wait().unwrap().is_none() {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            if line.contains("role-process") {
                seen += 1;
                assert!(!line.contains(secret), "{line}");
            }
        }
    }
    assert!(child.wait().unwrap().success() && seen > 0);
}
