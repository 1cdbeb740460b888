//! Measured machines and what is predicted with them.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Place, text};

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
    let report = place.json(&["calibrate"]);
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
