//! Networks of the reference libraries, imported as they are and run in two parties.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::Place;

/// One of each kind of layer, head and file.
const NETWORKS: [&str; 12] = [
    "albert-sequence",
    "beit",
    "bert-tokens",
    "dinov2-interpolated",
    "distilbert-answer",
    "electra-sequence",
    "encoder-first",
    "mpnet-sequence",
    "sentence-mean",
    "timm-deit",
    "torchvision-vit",
    "vit-several",
];

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// Writes the first example of a reference; how `--input` names it.
fn inputs(place: &Place, reference: &Value, as_array: bool) -> Vec<String> {
    let of = |(name, rows): (&String, &Value)| {
        let values = numbers(&rows[0]);
        if name == "pixels" && as_array {
            let bytes: Vec<u8> = values.iter().map(|v| *v as u8).collect();
            fs::write(place.path("pixels.npy"), npy("|u1", "(3, 8, 8)", &bytes)).expect("an array");
            return "pixels.npy".to_owned();
        }
        if name == "pixels" {
            let byte = |x: u32, y: u32, c: usize| values[c * 64 + (y * 8 + x) as usize] as u8;
            let picture = RgbImage::from_fn(8, 8, |x, y| Rgb([0, 1, 2].map(|c| byte(x, y, c))));
            picture.save(place.path("pixels.png")).expect("a picture");
            return "pixels.png".to_owned();
        }
        let (file, width) = (format!("{name}.npy"), if name == "x" { 16 } else { 1 });
        let shape =
            if width > 1 { format!("({}, {width})", values.len() / width) } else { format!("({},)", values.len()) };
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(place.path(&file), npy("<f8", &shape, &data)).expect("an array");
        format!("{name}={file}")
    };
    reference["inputs"].as_object().expect("inputs").iter().map(of).collect()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compiler/import/tests/reference/families")
}

#[test]
fn published_networks_run_in_two_parties_as_they_are() {
    for name in NETWORKS {
        let place = Place::new();
        let fixture = fixtures().join(name);
        let from = fixture.to_str().expect("a path");
        let reference: Value =
            serde_json::from_slice(&fs::read(fixture.join("reference.json")).expect("a reference")).expect("JSON");
        let mut new = vec!["new", "--from", from, "-o", "net.mpv"];
        if ["timm", "torchvision", "encoder"].iter().any(|family| name.starts_with(family)) {
            new.extend(["--heads", "2"]);
        }
        if reference["inputs"].get("pixels").is_none() {
            new.extend(["--length", if name.starts_with("encoder") { "6" } else { "8" }]);
        }
        if name.ends_with("first") {
            new.push("--norm-first");
        }
        let report = place.json(&new);
        let weights = report["weights"].as_str().expect("weights").to_owned();
        // Pictures for torchvision are resized to more than what is read, and the reference has the pixels themselves.
        let given = inputs(&place, &reference, name.starts_with("torchvision"));
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        // What is said to come next works as it stands, but for the inputs.
        let next: Vec<&str> = report["next"].as_str().expect("a command").split(' ').collect();
        assert_eq!((next.first(), next.last()), (Some(&"mpcc"), Some(&"DIR")), "{report}");
        place.good(&[&next[1..next.len() - 1], &given[..]].concat());
        let run = place.json(&[&["run", "net.mpv", "--weights", &weights, "--input"], &given[..]].concat());
        let outputs = run["outputs"].as_array().expect("outputs");
        assert_eq!(outputs.len(), reference["outputs"].as_object().expect("outputs").len(), "{name}");
        for output in outputs {
            let wanted = numbers(&reference["outputs"][output["name"].as_str().expect("a name")][0]);
            let got = numbers(&output["values"]);
            assert_eq!(got.len(), wanted.len());
            let error = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 0.005, "{name}: {error}");
        }
    }
}

#[test]
fn outputs_are_shown_as_what_they_are() {
    let place = Place::new();
    let ready = |name: &str, input: &str| {
        let fixture = fixtures().join(name);
        let from = fixture.to_str().expect("a path");
        let mut new = vec!["new", "--from", from, "-o", "net.mpv", "--force"];
        if !name.starts_with("vit") {
            new.extend(["--length", "8"]);
        }
        let report = place.json(&new);
        let weights = report["weights"].as_str().expect("weights").to_owned();
        place.good(&["simulate", "net.mpv", "--weights", &weights, "--calibrate", input]);
        weights
    };
    place.image("a.png", 13, 9, 1);
    place.image("b.png", 8, 8, 2);
    let weights = ready("vit-several", "a.png");
    let run = place.json(&["run", "net.mpv", "--weights", &weights, "--input", "a.png"]);
    let values = numbers(&run["outputs"][0]["values"]);
    let names = ["cat", "dog", "owl"];
    let holds: Vec<&str> =
        names.into_iter().zip(&values).filter(|(_, value)| **value > 0.0).map(|(name, _)| name).collect();
    assert_eq!(run["outputs"][0]["labels"], serde_json::json!(holds));
    assert!(run["outputs"][0].get("label").is_none());

    std::fs::create_dir(place.path("pictures")).expect("a directory");
    place.image("pictures/a.png", 8, 8, 1);
    place.write("pictures/labels.csv", "a,b\n");
    place.write("pictures/Thumbs.db", "");
    let output = place.run(&["run", "net.mpv", "--weights", &weights, "--input", "pictures"]);
    let remarked = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && remarked.contains("labels.csv") && remarked.contains("Thumbs.db"), "{remarked}");

    let weights = ready("vit-hidden", "a.png");
    let shown =
        place.good(&["run", "net.mpv", "--weights", &weights, "--input", "a.png", "b.png", "--save", "hidden.npy"]);
    assert!(shown.contains("outputs") && shown.contains("a.png") && shown.contains(" …"), "{shown}");
    let saved = fs::read(place.path("hidden.npy")).expect("an array");
    assert!(String::from_utf8_lossy(&saved[..80]).contains("'shape': (2, 5, 16"));
    assert_eq!(saved.len() % 64, (2 * 5 * 16 * 4) % 64);

    let weights = ready("sentence-first", "w1 w2");
    place.write("texts.tsv", "text\tlabel\nw1 w2\tx\nw3\ty\n");
    let shown = place.good(&["run", "net.mpv", "--weights", &weights, "--input", "texts.tsv"]);
    assert!(shown.contains("texts.tsv:2") && shown.contains("texts.tsv:3"), "{shown}");
}
