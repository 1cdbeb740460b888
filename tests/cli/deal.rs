//! Dealing ahead: files that serve sessions once, in order, across crashes, and that nothing else serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::sessions::{Deployment, Role, SLOW, recorded, wait_for};
use crate::support::{MODEL, Place, finish, one_clear_message, text};

const RUN: [&str; 7] = ["run", "model.mpca", "--weights", "w.safetensors", "--material", "dealt", "--input"];

fn deal(place: &Place, model: &str, inferences: &str, out: &str) -> Value {
    place.json(&["deal", model, "--inferences", inferences, "--out", out])
}

fn run(place: &Place, inputs: &[&str]) -> Value {
    let repeated: Vec<&str> = inputs.iter().skip(1).flat_map(|input| ["--input", input]).collect();
    place.json(&[&RUN[..], &inputs[..1], &repeated].concat())
}

/// A run that must end with `status` and these words.
fn refused(place: &Place, extra: &[&str], status: i32, said: &[&str]) {
    one_clear_message(&place.run(&[&RUN[..], &["cat.png"], extra].concat()), status, said);
}

fn left(place: &Place, role: &str) -> u64 {
    place.json(&["inspect", &format!("dealt/{role}.material")])["left"].as_u64().expect("a number")
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn files_serve_runs_until_they_are_used_up() {
    let place = Place::new();
    let live = place.json(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"]);
    let dealt = deal(&place, "model.mpca", "3", "dealt");
    assert_eq!((&dealt["schema"], &dealt["program"]), (&"mpcc.deal/1".into(), &live["program"]));
    assert_eq!(files_of(&place.path("dealt")).len(), 2, "nothing but the two files is there");
    for file in dealt["files"].as_array().expect("a list") {
        let length = fs::metadata(place.path(file["path"].as_str().expect("text"))).expect("a file").len();
        assert_eq!(file["bytes"], length);
    }
    let first = run(&place, &["cat.png"]);
    assert_eq!((&first["dealer"], &live["dealer"]), (&"file".into(), &"live".into()));
    assert_eq!(first["outputs"][0]["label"], live["outputs"][0]["label"]);
    for field in ["hops", "online_bytes", "offline_bytes", "setup_bytes"] {
        assert_eq!(first["predicted"][field], first["measured"][field], "{field}");
        assert_eq!(live["measured"][field], first["measured"][field], "{field}");
    }
    assert!(first["measured"]["peak_rss_bytes"]["dealer"].is_null(), "there was a dealer");
    assert_eq!((left(&place, "model-owner"), left(&place, "data-owner")), (2, 2));
    refused(&place, &["--input", "cat.png", "--input", "dog.png"], 5, &["2 of 3 inferences left", "mpcc deal"]);
    // Inferences that share hops are claimed together.
    let pair = ["cat.png", "--input", "dog.png", "--batch", "2"];
    let second = place.json(&[&RUN[..], &pair].concat());
    assert_eq!(second["measured"]["inferences"], 2);
    assert_eq!(second["outputs"][0]["label"], live["outputs"][0]["label"]);
    refused(&place, &[], 5, &["0 of 3 inferences left", "mpcc deal"]);
    assert_eq!(left(&place, "data-owner"), 0);
}

/// Correlated randomness of function sharing goes to both parties.
#[test]
fn the_model_owners_corrections_come_from_its_file_too() {
    let place = Place::new();
    place.good(&["compile", "model.mpv", "--relu", "function-sharing", "-o", "model.mpca"]);
    deal(&place, "model.mpca", "2", "dealt");
    let run = run(&place, &["cat.png", "dog.png"]);
    assert!(run["measured"]["offline_bytes"]["model_owner"].as_u64().expect("a number") > 0);
    assert_eq!(run["predicted"]["offline_bytes"], run["measured"]["offline_bytes"]);
}

#[test]
fn other_weights_never_meet_the_mask_of_earlier_ones() {
    let place = Place::new();
    // One that takes other weights than its ranges were made with.
    place.good(&["compile", "model.mpv", "--ranges", "observed", "-o", "model.mpca"]);
    deal(&place, "model.mpca", "4", "dealt");
    run(&place, &["cat.png"]);
    let good = fs::read(place.path("w.safetensors")).expect("a file");
    place.change_weights(|tensors| {
        tensors.iter_mut().for_each(|(.., values)| values.iter_mut().for_each(|v| *v *= 0.75))
    });
    refused(&place, &[], 5, &["another masked model"]);
    // A model owner that forgot is reminded by the data owner.
    fs::remove_dir_all(place.path("dealt/state/model-owner")).expect("a directory");
    refused(&place, &[], 5, &["another masked model"]);
    fs::write(place.path("w.safetensors"), good).expect("a file");
    run(&place, &["cat.png"]);
    assert_eq!((left(&place, "model-owner"), left(&place, "data-owner")), (2, 2));
}

#[test]
fn what_one_party_used_is_used_for_both() {
    for forgetful in ["model-owner", "data-owner"] {
        let place = Place::new();
        deal(&place, "model.mpca", "3", "dealt");
        run(&place, &["cat.png", "dog.png"]);
        fs::remove_dir_all(place.path("dealt/state").join(forgetful)).expect("a directory");
        run(&place, &["cat.png"]);
        refused(&place, &[], 5, &["0 of 3"]);
    }
}

#[test]
fn altered_and_cut_files_are_refused_before_anything_is_used() {
    let place = Place::new();
    deal(&place, "model.mpca", "3", "dealt");
    for name in ["model-owner.material", "data-owner.material"] {
        let path = place.path("dealt").join(name);
        let good = fs::read(&path).expect("a file");
        let inferences = if name.starts_with("data") { vec![good.len() / 2, good.len() - 1] } else { Vec::new() };
        // Magic, version, role, program, number, seed, weight grant and its seed, other root, commitment, hash, index,
        // corrections.
        let places = [0, 8, 10, 20, 128, 153, 170, 185, 202, 235, 271, good.len().min(322) - 1];
        for at in places.into_iter().chain(inferences) {
            let mut altered = good.clone();
            altered[at] ^= 4;
            fs::write(&path, &altered).expect("a file");
            // All that the session would use is looked at before.
            refused(&place, &["--input", "cat.png", "--input", "dog.png"], 1, &[name, "not usable material"]);
            one_clear_message(&place.run(&["inspect", &format!("dealt/{name}")]), 1, &["not usable material"]);
        }
        for length in [0, 5, 100, 295, 296, good.len() - 1] {
            fs::write(&path, &good[..length.min(good.len() - 1)]).expect("a file");
            refused(&place, &[], 1, &[name, "not usable material"]);
        }
        fs::write(&path, [&good[..], &[0]].concat()).expect("a file");
        refused(&place, &[], 1, &[name, "not usable material"]);
        fs::write(&path, &good).expect("a file");
    }
    let used: Vec<_> = ["model-owner", "data-owner"]
        .iter()
        .map(|role| place.path("dealt/state").join(role))
        .filter(|state| state.is_dir())
        .flat_map(|state| files_of(&state))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    assert!(used.is_empty(), "{used:?}");
    run(&place, &["cat.png", "cat.png", "dog.png"]);
}

#[test]
fn halves_of_different_batches_refuse_one_another() {
    let place = Place::new();
    deal(&place, "model.mpca", "1", "dealt");
    deal(&place, "model.mpca", "1", "other");
    fs::copy(place.path("other/data-owner.material"), place.path("dealt/data-owner.material")).expect("a copy");
    refused(&place, &[], 3, &["batch of the dealt material"]);
    // A file of the wrong party is no half at all.
    fs::copy(place.path("other/model-owner.material"), place.path("dealt/data-owner.material")).expect("a copy");
    refused(&place, &[], 1, &["the role of", "the model owner"]);
}

#[test]
fn material_of_another_program_is_refused() {
    let place = Place::new();
    place.write("other.mpv", &MODEL.replace("pixels / 255", "pixels / 256"));
    place.good(&["simulate", "other.mpv", "--weights", "w.safetensors", "--calibrate", "cat.png"]);
    deal(&place, "other.mpv", "1", "dealt");
    refused(&place, &[], 1, &["was dealt for program"]);
}

#[test]
fn files_are_private_and_never_replaced_unasked() {
    let place = Place::new();
    let before = deal(&place, "model.mpca", "1", "dealt")["batch"].clone();
    place.bad(&["deal", "model.mpca", "--inferences", "1", "--out", "dealt"], 2, &["already exists", "--force"]);
    let again = place.json(&["deal", "model.mpca", "--inferences", "1", "--out", "dealt", "--force"]);
    assert_ne!(before, again["batch"]);
    place.bad_usage(&["deal", "model.mpca", "--inferences", "0", "--out", "dealt"], "--inferences");
    place.bad(&["deal", "model.mpca", "--inferences", "1000000000000", "--out", "none"], 2, &["are free"]);
    place.bad(&["deal", "model.mpca", "--inferences", "18446744073709551615", "--out", "none"], 2, &["no file"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for name in ["model-owner.material", "data-owner.material"] {
            let path = place.path("dealt").join(name);
            let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a file");
            refused(&place, &[], 2, &["can be read by other users", "chmod 600"]);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file");
        }
    }
    run(&place, &["cat.png"]);
}

/// As many files for one thread as for three, of the same lengths, and all inferences in them are good.
#[test]
fn threads_deal_the_same_files() {
    let place = Place::new();
    let sizes = ["1", "3"].map(|jobs| {
        let out = format!("dealt-{jobs}");
        let dealt = place.json(&["deal", "model.mpca", "--inferences", "7", "--out", &out, "--jobs", jobs]);
        (dealt["files"][0]["bytes"].clone(), dealt["files"][1]["bytes"].clone())
    });
    assert_eq!(sizes[0], sizes[1]);
    fs::rename(place.path("dealt-3"), place.path("dealt")).expect("a directory");
    let ran = run(&place, &["cat.png", "dog.png", "cat.png", "dog.png", "cat.png", "dog.png", "cat.png"]);
    let labels: Vec<&Value> =
        ran["inferences"].as_array().expect("a list").iter().map(|i| &i["outputs"][0]["label"]).collect();
    assert!(labels.iter().step_by(2).all(|label| *label == labels[0]), "{labels:?}");
    assert!(labels.iter().skip(1).step_by(2).all(|label| *label == labels[1]), "{labels:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_session_uses_up_what_it_began_and_no_more() {
    let place = Place::new();
    deal(&place, "model.mpca", "6", "dealt");
    let mut slow = place.command(&[&RUN[..], &["cat.png", "--input", "dog.png", "--input", "cat.png"], &SLOW].concat());
    let mut child = slow.spawn().expect("mpcc starts");
    let state = |role: &str| place.path("dealt/state").join(role);
    wait_for(|| recorded(&state("data-owner")) >= 1 && recorded(&state("model-owner")) >= 1);
    child.kill().expect("a child that runs");
    child.wait().expect("a child");
    // The roles notice that their parent is gone.
    wait_for(|| roles_of(&place).is_empty());
    let used = recorded(&state("data-owner")).max(recorded(&state("model-owner")));
    assert!((1..=2).contains(&used), "{used}");
    run(&place, &["cat.png"]);
    assert_eq!(recorded(&state("data-owner")), used + 1);
    assert_eq!(recorded(&state("model-owner")), used + 1);
    assert_eq!(left(&place, "data-owner"), 6 - (used + 2));
}

/// Processes whose files are in the place.
#[cfg(target_os = "linux")]
fn roles_of(place: &Place) -> Vec<u32> {
    let here = place.path("");
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let at_home = |pid: &u32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| here.starts_with(&cwd) && cwd.starts_with(&here))
    };
    pids.filter(at_home).collect()
}

/// One role of a deployment that takes its correlated randomness from a file.
pub(crate) fn model_owner(deployment: &Deployment, file: &str) -> Role {
    let peer = &deployment.fingerprints[1];
    deployment.listening(&[
        "run",
        "model.mpca",
        "--role",
        "model-owner",
        "--listen",
        "127.0.0.1:0",
        "--identity",
        "model-owner",
        "--peer",
        peer,
        "--weights",
        "w.safetensors",
        "--max-inferences",
        "2",
        "--timeout",
        "6",
        "--material",
        file,
        "--json",
    ])
}

pub(crate) fn data_owner(deployment: &Deployment, model_owner: &Role, file: &str) -> Command {
    let arguments = [
        "run",
        "model.mpca",
        "--role",
        "data-owner",
        "--connect",
        &model_owner.address,
        "--identity",
        "data-owner",
        "--peer",
        &deployment.fingerprints[0],
        "--timeout",
        "6",
        "--material",
        file,
        "--input",
        "cat.png",
        "--json",
    ];
    deployment.place.command(&arguments)
}

#[test]
fn two_roles_meet_without_a_dealer() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    deal(place, "model.mpca", "2", "dealt");
    for _ in 0..2 {
        let owner = model_owner(&deployment, "dealt/model-owner.material");
        let output = data_owner(&deployment, &owner, "dealt/data-owner.material").spawn().expect("mpcc starts");
        let output = finish(output, &["data-owner"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let ran: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(ran["dealer"], "file");
        let served = finish(owner.child, &["model-owner"]);
        let served: Value = serde_json::from_slice(&served.stdout).expect("JSON");
        assert_eq!((&served["schema"], &served["dealer"]), (&"mpcc.role/1".into(), &"file".into()));
    }
    // A copy of a file is the same batch: the record is the party's, not the file's.
    fs::copy(place.path("dealt/model-owner.material"), place.path("copy.material")).expect("a copy");
    let owner = model_owner(&deployment, "copy.material");
    let output = data_owner(&deployment, &owner, "dealt/data-owner.material").spawn().expect("mpcc starts");
    one_clear_message(&finish(output, &["data-owner"]), 5, &["0 of 2 inferences left"]);
    one_clear_message(&finish(owner.child, &["model-owner"]), 5, &["0 of 2 inferences left"]);
    let state = ["inspect", "copy.material", "--state", "model-owner/state"];
    assert_eq!(place.json(&state)["left"], 0);
    let twice = ["run", "model.mpca", "--role", "model-owner", "--listen", "127.0.0.1:0", "--identity", "model-owner"];
    let both = ["--weights", "w.safetensors", "--peer", &deployment.fingerprints[1], "--material", "copy.material"];
    let dealer = ["--max-inferences", "1", "--dealer", "127.0.0.1:1"];
    place.bad(&[&twice[..], &both, &dealer].concat(), 2, &["there is no dealer"]);
}
