//! Two parties without a dealer: what they make, and what they run on it.

use std::fs;

use serde_json::Value;

use crate::sessions::Deployment;
use crate::support::{Place, finish, one_clear_message};

const RUN: [&str; 6] = ["run", "pair.mpca", "--weights", "w.safetensors", "--input", "cat.png"];

fn place() -> Place {
    let place = Place::new();
    place.good(&["compile", "model.mpv", "--supplier", "pair", "-o", "pair.mpca"]);
    place
}

/// What was predicted with the input was measured.
fn as_predicted(run: &Value) {
    for field in ["hops", "online_bytes", "offline_bytes", "setup_bytes"] {
        assert_eq!(run["predicted"][field], run["measured"][field], "{field}: {run}");
    }
}

fn made_as_predicted(run: &Value) {
    assert!(run["measured"]["made"]["hops"].as_u64() > Some(0), "nothing was made: {run}");
    for field in ["hops", "bytes"] {
        assert_eq!(run["predicted"]["made"][field], run["measured"]["made"][field], "{field}: {run}");
    }
}

#[test]
fn two_processes_make_what_they_run_on() {
    let place = place();
    let dealt = place.json(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"]);
    let run = place.json(&[&RUN[..], &["dog.png"]].concat());
    assert_eq!((&run["trust"], &run["dealer"]), (&"semi-honest, two parties".into(), &"pair".into()));
    assert_eq!(run["outputs"][0]["label"], dealt["outputs"][0]["label"]);
    assert_eq!(run["float"]["flips"], Value::Array(vec![]));
    as_predicted(&run);
    made_as_predicted(&run);
    assert!(run["measured"]["made"]["bytes"]["data_owner"].as_u64().expect("a number") > 0);
    assert_eq!(run["predicted"]["made"]["inferences"], 2);
    assert!(run["measured"]["peak_rss_bytes"]["dealer"].is_null(), "there was a dealer");
    // No weight leaves its owner, masked or not.
    let weights = |run: &Value| run["measured"]["setup_bytes"].as_u64().expect("a number");
    assert!(weights(&run) < weights(&dealt), "{run}");
    let shown = place.good(&RUN);
    for words in ["semi-honest, two parties", "before, hops", "before, data owner sends"] {
        assert!(shown.contains(words), "{shown}");
    }
    let source =
        place.json(&["run", "model.mpv", "--supplier", "pair", "--weights", "w.safetensors", "--input", "cat.png"]);
    assert_eq!(source["trust"], run["trust"]);
}

#[test]
fn what_is_made_ahead_serves_runs_once() {
    let place = place();
    let made = place.json(&["pair", "pair.mpca", "--weights", "w.safetensors", "--inferences", "2", "--out", "made"]);
    assert_eq!((&made["schema"], &made["trust"]), (&"mpcc.pair/1".into(), &"semi-honest, two parties".into()));
    for field in ["hops", "bytes"] {
        assert_eq!(made["predicted"][field], made["measured"][field], "{made}");
    }
    for file in made["files"].as_array().expect("a list") {
        let length = fs::metadata(place.path(file["path"].as_str().expect("text"))).expect("a file").len();
        assert_eq!(file["bytes"], length);
    }
    let again = ["pair", "pair.mpca", "--weights", "w.safetensors", "--inferences", "2", "--out", "made"];
    one_clear_message(&place.run(&again), 2, &["made", "--force"]);
    for _ in 0..2 {
        let run = place.json(&[&RUN[..], &["--material", "made"]].concat());
        assert_eq!(run["dealer"], "file");
        as_predicted(&run);
    }
    let used = place.run(&[&RUN[..], &["--material", "made"]].concat());
    one_clear_message(&used, 5, &["0 of 2 inferences left"]);
}

#[test]
fn a_program_without_a_dealer_takes_none() {
    let place = place();
    let deal = ["deal", "pair.mpca", "--inferences", "1", "--out", "dealt"];
    one_clear_message(&place.run(&deal), 2, &["takes no dealer", "mpcc pair"]);
    let pair = ["pair", "model.mpca", "--weights", "w.safetensors", "--inferences", "1", "--out", "made"];
    one_clear_message(&place.run(&pair), 2, &["--supplier pair"]);
    let alone = ["pair", "pair.mpca", "--inferences", "1", "--out", "made"];
    one_clear_message(&place.run(&alone), 2, &["--weights"]);
    place.good(&["keygen", "id"]);
    let dealer = ["run", "pair.mpca", "--role", "dealer", "--listen", "127.0.0.1:0", "--identity", "id"];
    one_clear_message(&place.run(&dealer), 2, &["no dealer takes part"]);
    // Two parties make no keys, whatever is asked for.
    let shared = ["compile", "model.mpv", "--supplier", "pair", "--relu", "function-sharing", "-o", "other.mpca"];
    place.good(&shared);
    let [asked, plain] = ["other.mpca", "pair.mpca"].map(|name| fs::read(place.path(name)).expect("an artefact"));
    assert_eq!(asked, plain);
}

/// Two roles with keys of their own make a pool, run on it, and then make what they need as they run.
#[test]
fn two_deployed_parties_need_nobody_else() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    place.good(&["compile", "model.mpv", "--supplier", "pair", "-o", "pair.mpca"]);
    let [model_owner, data_owner, _] = &deployment.fingerprints;
    let serving =
        ["--role", "model-owner", "--listen", "127.0.0.1:0", "--identity", "model-owner", "--peer", data_owner];
    let serving = [&serving[..], &["--weights", "w.safetensors"]].concat();
    let asking = |address: &str| -> Vec<String> {
        let words = ["--role", "data-owner", "--connect", address, "--identity", "data-owner", "--peer", model_owner];
        words.map(str::to_owned).into()
    };
    let ask = |first: &[&str], address: &str, rest: &[&str]| -> Value {
        let role = asking(address);
        let role: Vec<&str> = role.iter().map(String::as_str).collect();
        place.json(&[first, &role, rest].concat())
    };
    let pool = ["pair", "pair.mpca", "--inferences", "2"];
    let server = deployment.listening(&[&pool[..], &serving, &["--out", "of-model-owner"]].concat());
    let made = ask(&pool, &server.address, &["--out", "of-data-owner"]);
    assert!(finish(server.child, &[]).status.success());
    assert_eq!(made["predicted"]["bytes"], made["measured"]["bytes"]);
    assert!(place.path("of-model-owner/model-owner.material").exists());
    assert!(!place.path("of-model-owner/data-owner.material").exists());

    let kept = [
        &["run", "pair.mpca", "--max-inferences", "5", "--material", "of-model-owner/model-owner.material"][..],
        &serving,
    ];
    let server = deployment.listening(&kept.concat());
    let material = ["--input", "cat.png", "--material", "of-data-owner/data-owner.material"];
    let run = ask(&["run", "pair.mpca"], &server.address, &material);
    assert!(finish(server.child, &[]).status.success());
    assert_eq!((&run["dealer"], &run["trust"]), (&"file".into(), &"semi-honest, two parties".into()));

    // The data owner says how many, up to the most that the model owner serves.
    let server = deployment.listening(&[&["run", "pair.mpca", "--max-inferences", "5"][..], &serving].concat());
    let run = ask(&["run", "pair.mpca"], &server.address, &["--input", "cat.png", "dog.png"]);
    assert!(finish(server.child, &[]).status.success());
    assert_eq!((&run["dealer"], &run["measured"]["inferences"]), (&"pair".into(), &2.into()));
    made_as_predicted(&run);
}
