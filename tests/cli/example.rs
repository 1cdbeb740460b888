//! The trained network of the first example, privately, end to end.

use std::process::{Command, Stdio};

use crate::support::{Place, finish, text};

#[test]
fn the_trained_network_names_real_images_at_the_predicted_cost() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cifar10");
    let file = |name: &str| format!("{root}/{name}");
    let (model, weights) = (file("model.mpv"), file("weights.safetensors"));
    let place = Place::new();
    let images = ["horse", "cat", "ship"].map(|name| file(&format!("images/{name}.jpg")));
    let mut arguments = vec!["run", &model, "--weights", &weights, "--json"];
    images.iter().for_each(|image| arguments.extend(["--input", image]));
    let mut command: Command = place.command(&arguments);
    let output = finish(command.stdin(Stdio::null()).spawn().unwrap(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let labels: Vec<&str> = (0..3).map(|i| run["inferences"][i]["outputs"][0]["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["horse", "cat", "ship"]);
    for field in ["hops", "online_bytes", "offline_bytes", "setup_bytes"] {
        assert_eq!(run["predicted"][field], run["measured"][field], "{field}");
    }
    for role in ["model_owner", "data_owner", "dealer"] {
        let [predicted, measured] = ["predicted", "measured"].map(|side| run[side]["peak_rss_bytes"][role].as_f64());
        let (predicted, measured) = (predicted.unwrap(), measured.unwrap());
        assert!((predicted / measured - 1.0).abs() < 0.25, "{role}: {predicted} bytes predicted, {measured} measured");
    }
    assert!(run["float"]["largest_error"].as_f64().unwrap() <= 0.03, "{}", run["float"]);
    assert_eq!(run["float"]["flips"].as_array().unwrap().len(), 0);
}

/// What two parties alone would answer, simulated exactly: the float network's labels, and none withheld.
#[test]
fn two_parties_alone_would_name_real_images_as_the_float_network_does() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cifar10");
    let file = |name: &str| format!("{root}/{name}");
    let (model, weights) = (file("model.mpv"), file("weights.safetensors"));
    let images = ["horse", "cat", "ship"].map(|name| file(&format!("images/{name}.jpg")));
    let arguments = ["simulate", &model, "--weights", &weights, "--supplier", "pair", "--input"];
    let of = |count| [&arguments[..], &images.each_ref().map(String::as_str)[..count]].concat();
    let place = Place::new();
    let simulation = place.json(&of(3))["simulation"].clone();
    assert_eq!(simulation["trust"], "semi-honest, two parties");
    let counts = ["agreeing", "differing_clearly", "withheld"].map(|field| simulation[field].as_u64().unwrap());
    assert_eq!(counts, [images.len() as u64, 0, 0], "{simulation}");
    assert!(simulation["largest_output_error"].as_f64().unwrap() <= 0.03);
    assert!(simulation["first_divergent_layer"].is_null(), "{}", simulation["layers"]);
    let shown = place.good(&of(1));
    assert!(shown.contains("labels differ for 0 of them where the float margin is above 0.1"), "{shown}");
    assert!(shown.contains("withhold 0 of 1 answers"), "{shown}");
}
