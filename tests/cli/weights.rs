//! Weights that travel once: what a deployment keeps between its sessions, and what makes it send them again.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::deal;
use crate::sessions::Deployment;
use crate::support::{finish, text};

/// A session of a deployment: what the data owner reports, what it says beside, and what the model owner reports.
fn session(deployment: &Deployment, owner: &[&str], data_owner: &[&str]) -> (Value, String, Value) {
    let dealer = deployment.dealer();
    let model_owner = deployment.serving_with("model.mpca", &dealer, "9", &[&["--json"], owner].concat());
    let mut command = deployment.data_owner(&dealer, &model_owner, 1);
    let output = finish(command.args(data_owner).spawn().expect("mpcc starts"), &["data-owner"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let served = finish(model_owner.child, &["model-owner"]);
    assert!(served.status.success() && finish(dealer.child, &["dealer"]).status.success());
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
    (json(&output.stdout), text(&output.stderr), json(&served.stdout))
}

/// Whether the weights were held already, at the predicted cost, and the answer is that of a local run.
fn kept(local: &Value, (run, _, served): &(Value, String, Value)) -> bool {
    let kept = run["measured"]["setup_kept"].as_bool().expect("whether they were");
    assert_eq!(served["measured"]["setup_kept"], kept);
    let predicted = if kept { "setup_again_bytes" } else { "setup_bytes" };
    assert_eq!(run["measured"]["setup_bytes"], run["predicted"][predicted]);
    assert_eq!(run["outputs"][0]["label"], local["outputs"][0]["label"]);
    kept
}

fn files(deployment: &Deployment) -> Vec<PathBuf> {
    let folder = fs::read_dir(deployment.place.path("data-owner/state/weights")).into_iter().flatten();
    folder.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn a_deployment_sends_its_weights_once() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    let local = place.json(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"]);
    assert_eq!(local["measured"]["setup_kept"], false);
    let again = local["predicted"]["setup_again_bytes"].as_u64().expect("a number");
    assert!(again < 64_000 && again < local["predicted"]["setup_bytes"].as_u64().expect("a number"));
    let meets = |owner: &[&str], data_owner: &[&str]| kept(&local, &session(&deployment, owner, data_owner));
    assert!(!meets(&[], &[]));
    assert!(meets(&[], &[]));
    assert!(meets(&[], &[]));
    assert_eq!(files(&deployment).len(), 1);
    // On purpose, by either.
    assert!(!meets(&["--rotate-weights"], &[]));
    assert!(meets(&[], &[]));
    assert!(!meets(&[], &["--keep-weights", "0"]));
    assert_eq!(files(&deployment).len(), 0);
    assert!(!meets(&[], &[]));
    // Damage is said, and mended.
    let file = files(&deployment).pop().expect("a file");
    let mut bytes = fs::read(&file).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).expect("a file");
    let (run, said, served) = session(&deployment, &[], &[]);
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(said.contains(&name) && said.contains("are refused and come again"), "{said}");
    assert!(!kept(&local, &(run, said, served)));
    assert!(meets(&[], &[]));
}

/// Weights that changed are sent under another mask, and the answer is that of the new ones.
#[test]
fn changed_weights_are_sent_again() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    place.good(&["compile", "model.mpv", "--ranges", "observed", "-o", "model.mpca"]);
    let local = || place.json(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"]);
    assert!(!kept(&local(), &session(&deployment, &[], &[])));
    place.change_weights(|tensors| {
        tensors.iter_mut().for_each(|(.., values)| values.iter_mut().for_each(|v| *v *= 0.75))
    });
    let before = fs::read(files(&deployment).pop().expect("a file")).expect("a file");
    assert!(!kept(&local(), &session(&deployment, &[], &[])));
    assert_ne!(before, fs::read(files(&deployment).pop().expect("a file")).expect("a file"));
    assert!(kept(&local(), &session(&deployment, &[], &[])));
}

#[test]
fn each_option_of_masked_weights_is_for_one_role() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    let owner = ["run", "model.mpca", "--role", "model-owner", "--weights", "w.safetensors", "--max-inferences", "1"];
    place.bad(&[&owner[..], &["--keep-weights", "1"]].concat(), 2, &["--keep-weights is for the data owner only"]);
    let data_owner = ["run", "model.mpca", "--role", "data-owner", "--input", "cat.png", "--rotate-weights"];
    place.bad(&data_owner, 2, &["--rotate-weights is for the model owner only", "--keep-weights 0"]);
    let local = ["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png", "--keep-weights", "1"];
    place.bad_usage(&local, "--role");
}

/// Sessions with files of one weight grant, of one batch or of two, send weights once.
#[test]
fn files_of_one_weight_grant_send_weights_once() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    let dealt = place.json(&["deal", "model.mpca", "--inferences", "2", "--out", "first"]);
    let more = ["--out", "second", "--weights-of", "first/model-owner.material"];
    let more = place.json(&[&["deal", "model.mpca", "--inferences", "1"], &more[..]].concat());
    assert!(dealt["weight_grant"].is_string() && dealt["batch"] != more["batch"]);
    assert_eq!(dealt["weight_grant"], more["weight_grant"]);
    let shown = place.json(&["inspect", "second/data-owner.material"]);
    assert_eq!(shown["weight_grant"], more["weight_grant"]);
    let other =
        ["deal", "model.mpca", "--inferences", "1", "--out", "third", "--weights-of", "first/data-owner.material"];
    place.bad(&other, 1, &["the role of", "the data owner"]);
    for (folder, expected) in [("first", false), ("first", true), ("second", true)] {
        let owner = deal::model_owner(&deployment, &format!("{folder}/model-owner.material"));
        let file = format!("{folder}/data-owner.material");
        let child = deal::data_owner(&deployment, &owner, &file).spawn().expect("mpcc starts");
        let output = finish(child, &["data-owner"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let ran: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(ran["measured"]["setup_kept"], expected, "{folder}");
        assert!(finish(owner.child, &["model-owner"]).status.success());
    }
}
