//! `mpcc new`: published layouts of networks become model files that compile and run without editing.

use std::fs;

use serde_json::{Value, json};

use crate::networks::{Named, VOCABULARY, bert, save, vit, vit_lite};
use crate::support::Place;
use crate::torch::{Object, checkpoint, floats, tensor};

const MPCVIT: [&str; 7] = ["new", "--template", "mpcvit", "--from", "net.safetensors", "-o", "net.mpv"];

/// A place with a state dict of ViT-Lite in it.
fn lite(alpha: Option<&[usize]>, beta: Option<&[usize]>) -> Place {
    let place = Place::new();
    save(&place.path("net.safetensors"), &vit_lite(alpha, beta));
    place
}

/// Replaces the entries of a tensor.
fn set(tensors: &mut [Named], name: &str, entries: &[f32]) {
    let tensor = tensors.iter_mut().find(|(n, ..)| n == name).expect("the tensor");
    assert_eq!(tensor.1.iter().product::<usize>(), entries.len());
    tensor.2 = entries.to_vec();
}

/// The state dict, and its numbers.
fn state_dict(tensors: &[Named]) -> (Object, Vec<Vec<u8>>) {
    let entries = tensors.iter().enumerate().map(|(key, (name, shape, _))| (name.clone(), tensor(key, shape)));
    (Object::StateDict(entries.collect()), tensors.iter().map(|(.., entries)| floats(entries)).collect())
}

/// The state dict as a training script saves it.
fn saved_by_torch(tensors: &[Named]) -> Vec<u8> {
    let (state_dict, storages) = state_dict(tensors);
    let options = Object::Namespace(vec![
        ("mean", Object::List(vec![Object::Float(0.25); 3])),
        ("std", Object::List(vec![Object::Float(0.125); 3])),
        ("betas", Object::Tuple(vec![Object::Float(0.9), Object::Float(0.999)])),
    ]);
    let whole = Object::Dict(vec![
        ("epoch", Object::Int(299)),
        ("arch", Object::Text("vit_7_4_32".to_owned())),
        ("state_dict", state_dict),
        ("args", options),
        ("metric", Object::Float(93.5)),
    ]);
    checkpoint(&whole, &storages)
}

fn plan(source: &str, name: &str) -> String {
    let (_, after) = source.split_once(&format!("plan {name}: ")).unwrap_or_else(|| panic!("no plan {name}: {source}"));
    after.split_once(';').expect("an end").0.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Checks, which warns of `warned`, calibrates, compiles and runs `net.mpv` on the first of the examples, which must give
/// what the float network gives.
fn compiles_and_runs(place: &Place, weights: &str, examples: [&str; 2], warned: &[&str]) {
    place.good(&["fmt", "--check", "net.mpv"]);
    let diagnostics = place.json(&["check", "net.mpv"])["diagnostics"].clone();
    let found: Vec<&Value> = diagnostics.as_array().expect("a list").iter().map(|one| &one["code"]).collect();
    assert_eq!(found, warned, "{diagnostics}");
    let [one, two] = examples;
    place.good(&["simulate", "net.mpv", "--weights", weights, "--calibrate", one, "--calibrate", two]);
    place.good(&["compile", "net.mpv", "--weights", weights, "-o", "net.mpca"]);
    let values = |output: &Value| -> Vec<f64> {
        output["values"].as_array().expect("values").iter().map(|v| v.as_f64().expect("a number")).collect()
    };
    let run = values(&place.json(&["run", "net.mpca", "--weights", weights, "--input", one])["outputs"][0]);
    let simulated = place.json(&["simulate", "net.mpv", "--weights", weights, "--input", one]);
    let float = values(&simulated["simulation"]["inferences"][0]["float"][0]);
    assert_eq!(run.len(), float.len());
    for (got, want) in run.iter().zip(&float) {
        assert!((got - want).abs() < 0.005, "{run:?} in two parties, {float:?} in floats");
    }
}

#[test]
fn alpha_and_beta_become_plans_and_the_network_runs() {
    let place = lite(Some(&[1, 2, 1, 1]), Some(&[1, 5, 1]));
    place.image("a.png", 8, 8, 1);
    place.image("b.png", 8, 8, 2);
    let report = place.json(&MPCVIT);
    assert_eq!((&report["schema"], &report["weights"]), (&"mpcc.new/1".into(), &"net.safetensors".into()));
    assert_eq!(report["ignored"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["bound"].as_array().map(Vec::len), Some(8 + 2 * 11));
    assert!(report["notes"].to_string().contains("mean 0.5"), "{report}");
    let source = fs::read_to_string(place.path("net.mpv")).unwrap();
    let heads = "per_head<LAYERS, HEADS> = [ [relu_softmax, scaling], [scaling, relu_softmax], ]";
    assert_eq!(plan(&source, "ATTN"), heads);
    let rows = "per_row<LAYERS, TOKENS> = [ [gelu, keep, gelu, keep, gelu], [keep, gelu, keep, gelu, keep], ]";
    assert_eq!(plan(&source, "ACT"), rows);
    assert!(plan(&source, "POST").ends_with("[ [keep, relu, keep, relu, keep], [relu, keep, relu, keep, relu], ]"));
    // ReLU-softmax of published weights has its authors' `eps`.
    compiles_and_runs(&place, "net.safetensors", ["a.png", "b.png"], &["W0007"]);
}

#[test]
fn a_checkpoint_gives_the_same_network_and_is_its_weights() {
    let place = lite(Some(&[1, 2, 1, 1]), None);
    fs::write(place.path("net.pth.tar"), saved_by_torch(&vit_lite(Some(&[1, 2, 1, 1]), None))).unwrap();
    place.good(&MPCVIT);
    let report = place.json(&["new", "--template", "mpcvit", "--from", "net.pth.tar", "-o", "out"]);
    assert_eq!(report["model"], "out/model.mpv");
    assert_eq!((&report["files"], &report["weights"]), (&json!([]), &json!("net.pth.tar")));
    assert_eq!(report["notes"], json!([]));
    let (direct, converted) = ("net.mpv", "out/model.mpv");
    let [direct, converted] = [direct, converted].map(|name| fs::read_to_string(place.path(name)).unwrap());
    let of_checkpoint = direct.replace("[0.5, 0.5, 0.5]", "[0.25, 0.25, 0.25]");
    let of_checkpoint = of_checkpoint.replace("std: [0.25, 0.25, 0.25]", "std: [0.125, 0.125, 0.125]");
    assert_eq!(converted, of_checkpoint);
    place.image("a.png", 8, 8, 1);
    let values = |weights: &str| {
        place.good(&["simulate", "net.mpv", "--weights", weights, "--calibrate", "a.png"]);
        fs::read(place.path("net.ranges.json")).unwrap()
    };
    assert_eq!(values("net.safetensors"), values("net.pth.tar"), "the numbers are the same");
    place.good(&["weights", "--convert", "net.pth.tar", "-o", "converted.safetensors"]);
    assert_eq!(values("net.safetensors"), values("converted.safetensors"));
}

#[test]
fn layer_wise_and_row_wise_choices_are_read() {
    let place = lite(Some(&[1, 1, 1, 1]), Some(&[1]));
    place.good(&[&MPCVIT[..], &["--heads", "4"]].concat());
    let source = fs::read_to_string(place.path("net.mpv")).unwrap();
    assert_eq!(plan(&source, "ATTN"), "per_layer<LAYERS> = [relu_softmax, scaling]");
    assert_eq!(plan(&source, "ACT"), "per_layer<LAYERS> = [gelu, keep]");
    assert!(source.contains("const HEADS = 4;"), "{source}");

    let place = lite(Some(&[1, 1, 5, 1]), None);
    place.bad(&MPCVIT, 1, &["--heads"]);
    place.good(&[&MPCVIT[..], &["--heads", "2"]].concat());
    let source = fs::read_to_string(place.path("net.mpv")).unwrap();
    assert!(plan(&source, "ATTN").starts_with("per_row<LAYERS, TOKENS> = ["), "{source}");
    place.good(&["check", "net.mpv"]);
}

#[test]
fn choices_that_are_not_binary_are_refused() {
    let place = Place::new();
    let mut tensors = vit_lite(Some(&[1, 2, 1, 1]), Some(&[1, 5, 1]));
    set(&mut tensors, "classifier.blocks.1.self_attn.alpha", &[1.0, 0.73]);
    save(&place.path("net.safetensors"), &tensors);
    place.bad(&MPCVIT, 1, &["classifier.blocks.1.self_attn.alpha", "0.73", "binarise"]);
    set(&mut tensors, "classifier.blocks.1.self_attn.alpha", &[1.0, 0.0]);
    set(&mut tensors, "classifier.blocks.0.beta", &[1.0, 0.0, 0.5, 0.0, 0.0]);
    save(&place.path("net.safetensors"), &tensors);
    place.bad(&MPCVIT, 1, &["classifier.blocks.0.beta", "0.5", "binarise"]);
}

#[test]
fn tensors_left_over_or_missing_are_named() {
    let place = Place::new();
    let write = |change: &dyn Fn(&mut Vec<Named>)| {
        let mut tensors = vit_lite(Some(&[1, 2, 1, 1]), None);
        change(&mut tensors);
        save(&place.path("net.safetensors"), &tensors);
    };
    write(&|tensors| tensors.push(("classifier.blocks.0.gate".to_owned(), vec![1], vec![0.0])));
    place.bad(&MPCVIT, 1, &["net.safetensors", "inside the layers", "classifier.blocks.0.gate"]);
    write(&|tensors| tensors.push(("teacher.fc.weight".to_owned(), vec![1], vec![0.0])));
    let report = place.json(&MPCVIT);
    assert!(report["notes"].to_string().contains("`teacher.*`"), "{report}");
    assert!(fs::read_to_string(place.path("net.mpv")).unwrap().contains("\"teacher.*\",  // not used"));
    fs::remove_file(place.path("net.mpv")).unwrap();
    write(&|tensors| tensors.retain(|(name, ..)| name != "classifier.blocks.1.norm1.bias"));
    place.bad(&MPCVIT, 1, &["missing", "classifier.blocks.1.norm1.bias"]);
    write(&|tensors| tensors.retain(|(name, ..)| name != "classifier.class_emb"));
    place.bad(&MPCVIT, 1, &["missing", "classifier.class_emb"]);
    write(&|tensors| tensors.retain(|(name, ..)| name != "classifier.fc.weight"));
    place.bad(&MPCVIT, 1, &["classifier.fc.weight", "[classes, width]"]);
    write(&|tensors| tensors.retain(|(name, ..)| name != "classifier.blocks.0.self_attn.alpha"));
    place.bad(&MPCVIT, 1, &["classifier.blocks.0.self_attn.alpha", "other layers"]);
    write(&|tensors| tensors.push(("classifier.blocks.0.self_attn.E".to_owned(), vec![1, 1, 7, 5], vec![0.0; 35])));
    assert_eq!(place.json(&MPCVIT)["ignored"].as_array().map(Vec::len), Some(3));
}

#[test]
fn what_a_checkpoint_could_execute_is_refused_and_nothing_is_written() {
    let place = Place::new();
    let command = vec![Object::Text("touch pwned".to_owned())];
    let whole = Object::Dict(vec![
        ("state_dict", Object::StateDict(vec![("a".to_owned(), tensor(0, &[1]))])),
        ("args", Object::Call("os", "system", command)),
    ]);
    fs::write(place.path("net.pth"), checkpoint(&whole, &[floats(&[1.0])])).unwrap();
    place.bad(&["new", "--template", "mpcvit", "--from", "net.pth"], 1, &["net.pth", "os.system", "executes nothing"]);
}

#[test]
fn files_that_are_there_are_kept_unless_forced() {
    let place = lite(Some(&[1, 2, 1, 1]), None);
    place.good(&MPCVIT);
    place.write("net.mpv", "// edited\n");
    place.bad(&MPCVIT, 1, &["net.mpv is there already", "--force"]);
    place.good(&[&MPCVIT[..], &["--force"]].concat());
    assert!(fs::read_to_string(place.path("net.mpv")).unwrap().contains("mpv 1;"));
}

#[test]
fn wrong_usage_and_wrong_files_are_said() {
    let place = Place::new();
    place.bad_usage(&["new", "--template", "gpt", "--from", "."], "mpcvit");
    place.bad_usage(&["new", "--template", "mpcvit"], "--from");
    place.bad(&["new", "--template", "mpcvit", "--from", "absent.safetensors"], 1, &["absent.safetensors"]);
    place.bad(&["new", "--template", "mpcvit", "--from", "absent.pth"], 1, &["absent.pth"]);
    place.write("text.safetensors", "no tensors at all");
    place.bad(&["new", "--template", "mpcvit", "--from", "text.safetensors"], 1, &["text.safetensors", "header"]);
    vit("vit", "ViTForImageClassification").save(&place.path("published"));
    place.bad(&["new", "--template", "deit", "--from", "published"], 1, &["config.json", "`vit`", "`deit`"]);
    place.bad(&["new", "--template", "vit", "--from", "published", "--length", "9"], 2, &["--length", "bert"]);
    place.bad(&["new", "--template", "vit", "--from", "published", "--heads", "2"], 2, &["--heads", "mpcvit"]);
    place.bad(&["new", "--template", "mpcvit", "--from", "published"], 1, &["published", "tokenizer.conv_layers.0"]);
    place.bad(&["new", "--from", "published/model.safetensors"], 1, &["config.json", "the directory"]);
    place.bad(&["new", "--from", "w.safetensors"], 1, &["w.safetensors", "mpcc inspect w.safetensors"]);
    place.bad(&["new", "--from", "published", "--norm-first"], 2, &["--norm-first", "nn.TransformerEncoder"]);
    place.bad(&["new", "--template", "vit", "--from", "w.safetensors"], 1, &["config.json"]);
    fs::remove_file(place.path("published/model.safetensors")).unwrap();
    place.bad(&["new", "--template", "vit", "--from", "published"], 1, &["published", "model.safetensors"]);
    place.bad(&["new", "--template", "mpcvit", "--from", "w.safetensors"], 1, &["tokenizer.conv_layers.0.0.weight"]);
}

#[test]
fn vision_transformers_compile_and_run_without_editing() {
    for (family, architecture) in [
        ("vit", "ViTForImageClassification"),
        ("deit", "DeiTForImageClassification"),
        ("deit", "DeiTForImageClassificationWithTeacher"),
    ] {
        let place = Place::new();
        place.image("a.png", 8, 8, 1);
        place.image("b.png", 8, 8, 2);
        vit(family, architecture).save(&place.path("published"));
        let report = place.json(&["new", "--template", family, "--from", "published", "-o", "net.mpv"]);
        assert_eq!(report["weights"], "published/model.safetensors");
        assert_eq!((&report["ignored"], &report["notes"]), (&Value::Array(vec![]), &NOTED.into()));
        compiles_and_runs(&place, "published/model.safetensors", ["a.png", "b.png"], &[]);
        let run = place.json(&["run", "net.mpca", "--weights", "published/model.safetensors", "--input", "a.png"]);
        assert!(["cat", "dog, 'good'", "owl"].contains(&run["outputs"][0]["label"].as_str().unwrap()), "{run}");
    }
}

#[test]
fn text_encoders_compile_and_run_on_text_without_editing() {
    for (family, architecture) in [
        ("bert", "BertForSequenceClassification"),
        ("bert", "BertModel"),
        ("roberta", "RobertaForSequenceClassification"),
    ] {
        let place = Place::new();
        bert(family, architecture).save(&place.path("published"));
        let new = ["new", "--template", family, "--from", "published", "--length", "6", "-o", "net.mpv"];
        let report = place.json(&new);
        assert_eq!((&report["files"], &report["notes"]), (&json!(["vocab.txt"]), &json!([])));
        assert_eq!(fs::read_to_string(place.path("vocab.txt")).unwrap(), VOCABULARY);
        compiles_and_runs(&place, "published/model.safetensors", ["What a film", "films what"], &[]);
    }
}

#[test]
fn older_files_of_a_directory_are_taken_along() {
    let place = Place::new();
    let mut published = bert("roberta", "RobertaForSequenceClassification");
    let byte_pairs = [("vocab.json", "{}"), ("merges.txt", "#version: 0.2\n"), ("tokenizer_config.json", "{}")];
    published.files = byte_pairs.map(|(name, text)| (name, text.to_owned())).to_vec();
    published.save(&place.path("published"));
    fs::remove_file(place.path("published/model.safetensors")).unwrap();
    let (whole, storages) = state_dict(&published.tensors);
    fs::write(place.path("published/pytorch_model.bin"), checkpoint(&whole, &storages)).unwrap();
    let report = place.json(&["new", "--template", "roberta", "--from", "published", "-o", "out"]);
    let beside = ["out/vocab.json", "out/merges.txt", "out/tokenizer_config.json"];
    assert_eq!((&report["files"], &report["weights"]), (&json!(beside), &json!("published/pytorch_model.bin")));
    assert!(beside.iter().all(|file| place.path(file).is_file()));
    assert!(fs::read_to_string(place.path("out/model.mpv")).unwrap().contains("tokenizer \"vocab.json\""));
    // In the directory itself nothing is copied, and only what is new is written.
    let report = place.json(&["new", "--template", "roberta", "--from", "published", "-o", "published"]);
    assert_eq!(report["files"], json!([]));
}

#[test]
fn names_with_a_common_beginning_are_found_in_every_format() {
    for prefix in ["module.", "_orig_mod.", "model.net."] {
        let place = Place::new();
        let mut published = vit("vit", "ViTForImageClassification");
        for (name, ..) in &mut published.tensors {
            *name = format!("{prefix}{name}");
        }
        published.save(&place.path("published"));
        place.image("a.png", 8, 8, 1);
        let report = place.json(&["new", "--from", "published", "-o", "net.mpv"]);
        assert!(report["notes"].to_string().contains(&format!("`{prefix}`")), "{report}");
        place.good(&["simulate", "net.mpv", "--weights", "published", "--calibrate", "a.png"]);
        let (whole, storages) = state_dict(&published.tensors);
        fs::write(place.path("saved.pth"), checkpoint(&whole, &storages)).unwrap();
        place.good(&["compile", "net.mpv", "--weights", "saved.pth", "-o", "net.mpca"]);
        let listed = place.json(&["inspect", "saved.pth"]);
        assert_eq!((&listed["schema"], &listed["prefix"]), (&"mpcc.tensors/1".into(), &prefix.into()));
        assert_eq!(listed["tensors"].as_array().map(Vec::len), Some(published.tensors.len()));
    }
}

#[test]
fn parts_of_torch_save_are_read_by_their_index() {
    let place = Place::new();
    let published = vit("vit", "ViTForImageClassification");
    published.save(&place.path("published"));
    fs::remove_file(place.path("published/model.safetensors")).unwrap();
    let mut map = serde_json::Map::new();
    for (at, part) in published.tensors.chunks(9).enumerate() {
        let name = format!("pytorch_model-{at}.bin");
        let (whole, storages) = state_dict(part);
        fs::write(place.path("published").join(&name), checkpoint(&whole, &storages)).unwrap();
        map.extend(part.iter().map(|(tensor, ..)| (tensor.clone(), json!(name))));
    }
    place.write("published/pytorch_model.bin.index.json", &json!({ "weight_map": map }).to_string());
    place.image("a.png", 8, 8, 1);
    place.good(&["new", "--from", "published", "-o", "net.mpv"]);
    place.good(&["simulate", "net.mpv", "--weights", "published", "--calibrate", "a.png"]);
}

#[test]
fn what_does_not_fit_is_said_by_pattern_with_the_line_and_the_nearest_name() {
    let place = Place::new();
    let mut published = vit("vit", "ViTForImageClassification");
    published.save(&place.path("published"));
    place.good(&["new", "--from", "published", "-o", "net.mpv"]);
    for (name, ..) in &mut published.tensors {
        *name = name.replace("attention.attention.query", "attention.self.query");
    }
    save(&place.path("renamed.safetensors"), &published.tensors);
    place.image("a.png", 8, 8, 1);
    let arguments = ["simulate", "net.mpv", "--weights", "renamed.safetensors", "--calibrate", "a.png"];
    let source = fs::read_to_string(place.path("net.mpv")).unwrap();
    let line = source.lines().position(|line| line.contains("param q_w")).unwrap() + 1;
    let said = [
        "vit.encoder.layer.{i}.attention.attention.query.weight (2)",
        &format!("`param q_w` in line {line}"),
        "the file has `vit.encoder.layer.{i}.attention.self.query.weight`",
    ];
    place.bad(&arguments, 1, &said);
}

#[test]
fn labels_that_cannot_be_used_become_a_note() {
    for (labels, said, written) in [
        (json!({ "0": 7, "1": true, "2": "owl" }), "", "labels [\"7\", \"true\", \"owl\"]"),
        (json!(["a", "b", "c"]), "", "labels [\"a\", \"b\", \"c\"]"),
        (json!({ "0": "cat" }), "`id2label` does not name the 3 classes", "linear(y[0], c_w, c_b);"),
        (json!({ "0": "cat", "1": "", "2": "owl" }), "`id2label`", "linear(y[0], c_w, c_b);"),
    ] {
        let place = Place::new();
        let mut published = vit("vit", "ViTForImageClassification");
        published.config["id2label"] = labels;
        published.config["unheard_of"] = json!(3);
        published.save(&place.path("published"));
        let report = place.json(&["new", "--from", "published", "-o", "net.mpv"]);
        let source = fs::read_to_string(place.path("net.mpv")).unwrap();
        assert!(source.contains(written), "{source}");
        let notes = report["notes"].to_string();
        assert!(notes.contains(said) && notes.contains("config.json also says `unheard_of`"), "{notes}");
    }
}

/// What is said of classes whose names cannot be written as they are.
const NOTED: [&str; 1] = ["names of classes are written without quotation marks and line ends"];
