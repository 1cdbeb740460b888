//! Measured machines and what is predicted with them.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Place, finish, text};

fn online(report: &Value) -> f64 {
    report["predicted"]["online_seconds"].as_f64().expect("a number")
}

#[test]
fn a_measured_machine_changes_seconds_only() {
    let place = Place::new();
    let report = place.json(&["calibrate", "-o", "machine.json", "--name", "here"]);
    assert_eq!((&report["schema"], &report["machine"]["name"]), (&"mpcc.calibrate/1".into(), &"here".into()));
    let written = fs::read_to_string(place.path("machine.json")).unwrap();
    let mut machine: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(machine, report["machine"]);

    let built_in = place.json(&["cost", "model.mpca", "--net", "lan"]);
    let here = place.json(&["cost", "model.mpca", "--net", "lan", "--machine", "machine.json"]);
    for rate in machine["nanoseconds"].as_object_mut().unwrap().values_mut() {
        *rate = json!(rate.as_f64().unwrap() * 1e6);
    }
    place.write("slow.json", &machine.to_string());
    let slow = place.json(&["cost", "model.mpca", "--net", "lan", "--machine", "slow.json"]);
    for report in [&here, &slow] {
        for field in ["hops", "online_bytes", "offline_bytes", "setup_bytes"] {
            assert_eq!(report["predicted"][field], built_in["predicted"][field], "{field}");
        }
    }
    assert!(online(&slow) > 10.0 * online(&here), "{} {}", online(&slow), online(&here));
}

/// What is planned is the same as with built-in rates, and nothing is measured twice.
#[test]
fn a_machine_is_measured_once_and_its_rates_are_kept() {
    let place = Place::new();
    let cost = |arguments: &[&str]| {
        let arguments = [arguments, &["--json"]].concat();
        let mut command = place.command(&arguments);
        command.env_remove("MPCC_MACHINE").env("XDG_CACHE_HOME", place.path("cache"));
        let output = finish(command.spawn().expect("mpcc starts"), &arguments);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        (report, text(&output.stderr))
    };
    let kept = place.path("cache/mpcc/machine.json");
    let (first, said) = cost(&["cost", "model.mpv"]);
    assert!(said.contains("measuring this machine") && said.contains("mpcc calibrate"), "{said}");
    assert_eq!(first["rates"], "this machine");
    let written = fs::read_to_string(&kept).expect("kept rates");
    let (again, said) = cost(&["cost", "model.mpv"]);
    assert!(said.is_empty() && again["rates"] == first["rates"], "{said}");
    assert!((online(&again) / online(&first) - 1.0).abs() < 1e-9, "read as it was written");
    let built_in = place.json(&["cost", "model.mpv"]);
    assert_eq!((&built_in["rates"], &built_in["program"]), (&"built-in".into(), &first["program"]));
    assert_ne!(online(&built_in), online(&first));
    fs::write(&kept, written.replace("mpcc ", "another mpcc ")).expect("a file");
    assert!(cost(&["cost", "model.mpv"]).1.contains("measuring this machine"), "rates of something else");
    assert!(cost(&["calibrate"]).1.contains("kept"));
}

#[test]
fn rows_share_out_the_seconds_of_an_inference() {
    let place = Place::new();
    for by in ["layer", "op", "hop"] {
        let report = place.json(&["cost", "model.mpca", "--net", "wan", "--by", by]);
        let sum: f64 = report["layers"].as_array().unwrap().iter().map(|row| row["seconds"].as_f64().unwrap()).sum();
        assert!((sum / online(&report) - 1.0).abs() < 1e-6, "{by}: {sum} of {}", online(&report));
    }
}

#[test]
fn files_that_hold_no_machine_are_refused() {
    let place = Place::new();
    let report = place.json(&["calibrate", "-o", "machine.json"]);
    let mut machine = report["machine"].clone();
    machine["nanoseconds"]["drawn"] = json!(-1.0);
    place.write("negative.json", &machine.to_string());
    place.write("other.json", "{}");
    for (file, says) in
        [("negative.json", "`drawn` is -1"), ("other.json", "mpcc calibrate"), ("none.json", "cannot read")]
    {
        let output = place.run(&["cost", "model.mpca", "--machine", file]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_compiled_model_says_what_its_protocols_were_chosen_for() {
    let place = Place::new();
    let compile = |arguments: &[&str]| {
        let report = place.json(&[&["compile", "model.mpv", "-o", "out.mpca"], arguments].concat());
        (report, fs::read(place.path("out.mpca")).expect("an artefact"))
    };
    let (usual, usual_bytes) = compile(&[]);
    assert_eq!(usual["planned_for"], json!({ "network": "wan", "machine": "built-in", "alpha": 1.0 }));
    assert_eq!(compile(&["--net", "wan", "--alpha", "1"]).1, usual_bytes);
    let (leisure, _) = compile(&["--alpha", "0"]);
    assert_eq!(leisure["choices"][0]["protocol"], "comparison by function sharing");
    assert_eq!(leisure["planned_for"]["alpha"], 0.0);
    let (tables, _) = compile(&["--relu", "digit-tables", "--alpha", "0"]);
    assert_eq!(tables["choices"][0]["protocol"], "comparison by digit tables");
    assert_ne!(leisure["program"], tables["program"]);
    let inspected = place.json(&["inspect", "out.mpca"]);
    assert_eq!(inspected["manifest"]["choices"], tables["choices"]);
    let cost = place.json(&["cost", "model.mpv", "--net", "loopback,wan", "--alpha", "0"]);
    let [near, far] = [0, 1].map(|i| cost["networks"][i]["protocols"].clone());
    assert_eq!(far["comparison by function sharing"], 1, "{near} {far}");
    for alpha in ["-1", "NaN", "much"] {
        assert_eq!(place.run(&["cost", "model.mpv", "--alpha", alpha]).status.code(), Some(2));
    }
}
