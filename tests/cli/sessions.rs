//! Runs of three roles: in one command, as in a deployment, and with somebody missing, different or killed.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{LIMIT, MODEL, Place, finish, one_clear_message, text};

const RUN: [&str; 6] = ["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"];
/// Slow enough that something can happen in the middle.
pub(crate) const SLOW: [&str; 2] = ["--net", "rtt=800ms,bw=10MB/s"];

/// ReLU by function sharing: two hops less, keys for both parties, the same label, and what is measured was predicted.
#[test]
fn relu_by_function_sharing_costs_what_is_predicted() {
    let place = Place::new();
    place.good(&["compile", "model.mpv", "--relu", "digit-tables", "-o", "tables.mpca"]);
    let tables = place.json(&["cost", "tables.mpca"]);
    place.good(&["compile", "model.mpv", "--relu", "function-sharing", "-o", "shared.mpca"]);
    let cost = place.json(&["cost", "shared.mpca"]);
    let hops = |v: &serde_json::Value| v["predicted"]["hops"].as_u64().unwrap();
    assert_eq!(hops(&cost) + 2, hops(&tables));
    let dealt = |v: &serde_json::Value| v["predicted"]["offline_bytes"]["model_owner"].as_u64().unwrap();
    assert!(dealt(&cost) > dealt(&tables) && dealt(&tables) > 0);
    let files = ["--weights", "w.safetensors", "--input", "cat.png", "--input", "dog.png"];
    let ran = |model: &str| place.json(&[&["run", model], &files[..]].concat());
    let (plain, shared) = (ran("tables.mpca"), ran("shared.mpca"));
    for field in ["hops", "online_bytes", "offline_bytes", "setup_bytes"] {
        assert_eq!(shared["measured"][field], shared["predicted"][field], "{field}");
    }
    for (one, other) in [0, 1].map(|i| (&plain["inferences"][i], &shared["inferences"][i])) {
        assert!(one["outputs"][0]["label"].is_string(), "{one}");
        assert_eq!(one["outputs"][0]["label"], other["outputs"][0]["label"]);
    }
    place.bad(&["cost", "shared.mpca", "--relu", "digit-tables"], 2, &["compiled already"]);
}

#[test]
fn a_local_run_costs_what_was_predicted_and_leaves_nothing() {
    let place = Place::new();
    let before = place.files();
    let simulated = place.json(&["simulate", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"]);
    let simulated = &simulated["simulation"]["inferences"][0]["float"][0];
    for extra in [&[][..], &["--interpret"], &["--net", "rtt=5ms,bw=50MB/s"], &["--net", "wan", "--net-emulate", "off"]]
    {
        let run = place.json(&[&RUN[..], extra].concat());
        assert_eq!((&run["schema"], &run["trust"]), (&"mpcc.run/1".into(), &"semi-honest, dealer".into()));
        assert_eq!(run["outputs"][0]["label"], simulated["label"]);
        let values = |v: &serde_json::Value| {
            v["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>()
        };
        let (one, other) = (values(&run["outputs"][0]), values(simulated));
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 0.01), "{one:?} {other:?}");
        for field in ["hops", "online_bytes", "offline_bytes", "setup_bytes"] {
            assert_eq!(run["predicted"][field], run["measured"][field], "{field}");
        }
        assert!(run["measured"]["online_seconds"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(place.files(), before);
}

/// Every instruction set that the environment may name, and none, gives the simulation's answer; another name is refused.
#[test]
fn the_instruction_set_can_be_lowered_and_changes_nothing() {
    let place = Place::new();
    let simulated = place.json(&["simulate", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"]);
    let simulated = &simulated["simulation"]["inferences"][0]["float"][0];
    let arguments = [&RUN[..], &["--json"]].concat();
    let at = |level: &str| finish(place.command(&arguments).env("MPCC_CPU", level).spawn().unwrap(), &arguments);
    for level in ["portable", "avx2", "avx512", "amx"] {
        let output = at(level);
        assert!(output.status.success(), "{level}: {}", text(&output.stderr));
        let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(run["outputs"][0]["label"], simulated["label"], "{level}");
        let pairs = [&run["outputs"][0], simulated].map(|v| v["values"].as_array().unwrap().clone());
        for (one, other) in pairs[0].iter().zip(&pairs[1]) {
            assert!((one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 0.01, "{level}: {pairs:?}");
        }
        for field in ["hops", "online_bytes", "offline_bytes", "setup_bytes"] {
            assert_eq!(run["predicted"][field], run["measured"][field], "{level}: {field}");
        }
    }
    let refused = at("sse9");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stdout).contains("MPCC_CPU=sse9") || text(&refused.stderr).contains("MPCC_CPU=sse9"));
}

#[test]
fn a_directory_is_a_batch_with_an_accuracy() {
    let place = Place::new();
    for (seed, label) in [(3, "cat"), (4, "dog"), (5, "owl")] {
        fs::create_dir_all(place.path("test").join(label)).unwrap();
        place.image(&format!("test/{label}/{seed}.png"), 8, 4, seed);
    }
    let run = place.json(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "test"]);
    assert_eq!(run["inferences"].as_array().unwrap().len(), 3);
    assert_eq!((&run["accuracy"]["labelled"], &run["measured"]["inferences"]), (&3.into(), &3.into()));
    assert_eq!(run["accuracy"]["correct"], run["accuracy"]["float_correct"]);
    assert!(run["float"]["largest_error"].as_f64().unwrap() < 0.01);
    let unchecked =
        place.json(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "test", "--check", "off"]);
    assert_eq!((&unchecked["float"], &unchecked["accuracy"]["labelled"]), (&serde_json::Value::Null, &3.into()));
    let shown = place.good(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "test"]);
    assert!(shown.contains("right labels") && shown.contains("semi-honest, dealer"), "{shown}");
}

/// One role of a deployment, with its standard error read line by line until it listens.
pub(crate) struct Role {
    pub(crate) child: Child,
    pub(crate) address: String,
}

/// Identities of model owner, data owner and dealer.
pub(crate) struct Deployment {
    pub(crate) place: Place,
    pub(crate) fingerprints: [String; 3],
}

impl Deployment {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let fingerprints = ["model-owner", "data-owner", "dealer"].map(|role| {
            let made = place.json(&["keygen", role]);
            made["fingerprint"].as_str().expect("text").to_owned()
        });
        Self { place, fingerprints }
    }

    /// Starts a role that listens; its first lines say where.
    pub(crate) fn listening(&self, arguments: &[&str]) -> Role {
        let mut child = self.place.command(arguments).spawn().expect("mpcc starts");
        let errors = child.stderr.as_mut().expect("a pipe");
        let mut seen = String::new();
        // Byte by byte: what follows is for `finish` to read.
        while !(seen.ends_with('\n') && seen.contains("listening on ")) {
            let mut byte = [0];
            let read = errors.read(&mut byte).expect("a pipe");
            assert!(read == 1, "{arguments:?} ended: {seen}");
            seen.push(char::from(byte[0]));
        }
        let (_, address) = seen.trim().rsplit_once("listening on ").expect("an address");
        Role { child, address: address.to_owned() }
    }

    pub(crate) fn dealer(&self) -> Role {
        let [model_owner, data_owner, _] = &self.fingerprints;
        self.listening(&[
            "run",
            "model.mpca",
            "--role",
            "dealer",
            "--listen",
            "127.0.0.1:0",
            "--identity",
            "dealer",
            "--timeout",
            "6",
            "--model-owner-fingerprint",
            model_owner,
            "--data-owner-fingerprint",
            data_owner,
        ])
    }

    fn model_owner(&self, model: &str, dealer: &Role) -> Role {
        self.serving(model, dealer, "3000")
    }

    fn serving(&self, model: &str, dealer: &Role, most: &str) -> Role {
        self.serving_with(model, dealer, most, &[])
    }

    /// The same with further options.
    pub(crate) fn serving_with(&self, model: &str, dealer: &Role, most: &str, options: &[&str]) -> Role {
        let [_, data_owner, dealer_fingerprint] = &self.fingerprints;
        let arguments = [
            "run",
            model,
            "--role",
            "model-owner",
            "--listen",
            "127.0.0.1:0",
            "--identity",
            "model-owner",
            "--dealer",
            &dealer.address,
            "--dealer-fingerprint",
            dealer_fingerprint,
            "--peer",
            data_owner,
            "--weights",
            "w.safetensors",
            "--max-inferences",
            most,
            "--timeout",
            "6",
        ];
        self.listening(&[&arguments[..], options].concat())
    }

    pub(crate) fn data_owner(&self, dealer: &Role, model_owner: &Role, times: usize) -> Command {
        let [owner, _, dealer_fingerprint] = &self.fingerprints;
        let mut arguments = vec![
            "run",
            "model.mpca",
            "--role",
            "data-owner",
            "--connect",
            &model_owner.address,
            "--identity",
            "data-owner",
            "--dealer",
            &dealer.address,
            "--dealer-fingerprint",
            dealer_fingerprint,
            "--peer",
            owner,
            "--timeout",
            "6",
            "--json",
        ];
        for _ in 0..times {
            arguments.extend(["--input", "cat.png"]);
        }
        self.place.command(&arguments)
    }
}

#[test]
fn three_roles_on_their_own_meet_and_agree() {
    let deployment = Deployment::new();
    let local = deployment.place.json(&RUN);
    let dealer = deployment.dealer();
    let model_owner = deployment.model_owner("model.mpca", &dealer);
    let output = finish(deployment.data_owner(&dealer, &model_owner, 2).spawn().unwrap(), &["data-owner"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&run["program"], &run["outputs"][0]["label"]), (&local["program"], &local["outputs"][0]["label"]));
    assert_eq!(run["inferences"].as_array().unwrap().len(), 2);
    for field in ["hops", "online_bytes", "setup_bytes"] {
        assert_eq!(run["predicted"][field], run["measured"][field], "{field}");
    }
    // What the model owner receives from the dealer is not seen from here.
    let dealt = |v: &serde_json::Value| v["offline_bytes"]["data_owner"].clone();
    assert_eq!(dealt(&run["predicted"]), dealt(&run["measured"]));
    for role in [model_owner, dealer] {
        assert!(finish(role.child, &["a role"]).status.success());
    }
    assert!(deployment.place.path("model-owner/state").is_dir());
}

#[test]
fn a_port_in_use_is_named() {
    let deployment = Deployment::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let [one, other, _] = &deployment.fingerprints;
    let arguments = [
        "run",
        "model.mpca",
        "--role",
        "dealer",
        "--listen",
        &address,
        "--identity",
        "dealer",
        "--model-owner-fingerprint",
        one,
        "--data-owner-fingerprint",
        other,
    ];
    deployment.place.bad(&arguments, 4, &["port in use", &address]);
}

#[test]
fn three_roles_have_three_identities() {
    let deployment = Deployment::new();
    let [one, _, own] = &deployment.fingerprints;
    let listen = ["run", "model.mpca", "--role", "dealer", "--listen", "127.0.0.1:0", "--identity", "dealer"];
    for pair in [[one, one], [one, own]] {
        let named = ["--model-owner-fingerprint", pair[0], "--data-owner-fingerprint", pair[1]];
        deployment.place.bad(&[&listen[..], &named].concat(), 2, &["two roles"]);
    }
    deployment.place.bad(
        &[&listen[..], &["--model-owner-fingerprint", one]].concat(),
        2,
        &["--data-owner-fingerprint"],
    );
    let no_identity = ["run", "model.mpca", "--role", "dealer", "--listen", "127.0.0.1:0", "--identity", "nobody"];
    deployment.place.bad(&no_identity, 2, &["nobody"]);
}

#[test]
fn somebody_who_does_not_come_is_named_in_time() {
    let deployment = Deployment::new();
    let [one, other, _] = &deployment.fingerprints;
    let arguments = [
        "run",
        "model.mpca",
        "--role",
        "dealer",
        "--listen",
        "127.0.0.1:0",
        "--identity",
        "dealer",
        "--timeout",
        "1",
        "--model-owner-fingerprint",
        one,
        "--data-owner-fingerprint",
        other,
    ];
    let output = deployment.place.run(&arguments);
    one_clear_message(&output, 4, &["the model owner", "the data owner"]);
}

/// Each inference tells something about the weights, so their owner says how many there are; nobody else can.
#[test]
fn a_model_owner_serves_as_many_inferences_as_it_said() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    let owner = ["run", "model.mpca", "--role", "model-owner", "--weights", "w.safetensors"];
    place.bad(&owner, 2, &["--max-inferences"]);
    place.bad_usage(&[&owner[..], &["--max-inferences", "0"]].concat(), "0 is not in");
    let data_owner = ["run", "model.mpca", "--role", "data-owner", "--input", "cat.png", "--max-inferences", "9"];
    place.bad(&data_owner, 2, &["--max-inferences is for the model owner only"]);
    let dealer = deployment.dealer();
    let model_owner = deployment.serving("model.mpca", &dealer, "2");
    let output = finish(deployment.data_owner(&dealer, &model_owner, 3).spawn().unwrap(), &["data-owner"]);
    let said = ["3 inferences are asked for", "the model owner serves 2", "--max-inferences"];
    one_clear_message(&output, 3, &said);
    one_clear_message(&finish(model_owner.child, &["model-owner"]), 3, &said);
    assert!(!finish(dealer.child, &["dealer"]).status.success());
}

#[test]
fn a_peer_with_another_program_is_refused_by_all() {
    let deployment = Deployment::new();
    let place = &deployment.place;
    place.write("other.mpv", &MODEL.replace("pixels / 255", "pixels / 256"));
    let calibrate = ["--weights", "w.safetensors", "--calibrate", "cat.png"];
    place.good(&[&["simulate", "other.mpv"], &calibrate[..]].concat());
    place.good(&["compile", "other.mpv", "-o", "other.mpca"]);
    let dealer = deployment.dealer();
    let model_owner = deployment.model_owner("other.mpca", &dealer);
    let data_owner = deployment.data_owner(&dealer, &model_owner, 1).spawn().unwrap();
    let data_owner = finish(data_owner, &["data-owner"]);
    one_clear_message(&data_owner, 3, &["program", "same artefact"]);
    one_clear_message(&finish(model_owner.child, &["model-owner"]), 3, &["program", "same artefact"]);
    one_clear_message(&finish(dealer.child, &["dealer"]), 3, &["program", "same artefact"]);
}

#[test]
fn a_stranger_is_refused() {
    let mut deployment = Deployment::new();
    let stranger = deployment.place.json(&["keygen", "stranger"]);
    let dealer = deployment.dealer();
    let model_owner = deployment.model_owner("model.mpca", &dealer);
    deployment.fingerprints[0] = stranger["fingerprint"].as_str().unwrap().to_owned();
    let output = finish(deployment.data_owner(&dealer, &model_owner, 1).spawn().unwrap(), &["data-owner"]);
    one_clear_message(&output, 3, &["fingerprint"]);
    for mut role in [model_owner, dealer] {
        role.child.kill().unwrap();
        role.child.wait().unwrap();
    }
}

#[test]
fn a_peer_or_dealer_that_dies_in_mid_run_ends_the_others() {
    for victim in ["model-owner", "dealer"] {
        let deployment = Deployment::new();
        let mut dealer = deployment.dealer();
        let mut model_owner = deployment.model_owner("model.mpca", &dealer);
        let data_owner = deployment.data_owner(&dealer, &model_owner, 3000).spawn().unwrap();
        wait_for(|| recorded(&deployment.place.path("data-owner/state")) > 0);
        let (killed, other) = match victim {
            "dealer" => (&mut dealer.child, model_owner.child),
            _ => (&mut model_owner.child, dealer.child),
        };
        killed.kill().unwrap();
        killed.wait().unwrap();
        // Whoever notices first lost its link; the other may hear of it by that one's leaving.
        let survivors = [finish(data_owner, &["data-owner"]), finish(other, &["the third"])];
        for output in &survivors {
            one_clear_message(output, 4, &["link"]);
        }
        assert!(survivors.iter().any(|output| text(&output.stderr).contains("lost")), "nobody lost a link");
    }
}

/// How many inferences a state directory has on record.
pub(crate) fn recorded(state: &std::path::Path) -> u64 {
    let files = fs::read_dir(state).into_iter().flatten().flatten().map(|e| e.path());
    let records = files.filter(|p| p.extension().is_some_and(|e| e == "json"));
    let newest = |path| {
        let record: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        record["batches"].as_array()?.last()?["own"].as_u64()
    };
    records.filter_map(newest).max().unwrap_or(0)
}

pub(crate) fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "nothing happened");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Processes of a local run, by role.
#[cfg(target_os = "linux")]
pub(crate) fn children(parent: u32) -> Vec<(String, u32)> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let listed: Vec<String> = threads.filter_map(|t| fs::read_to_string(t.path().join("children")).ok()).collect();
    let named = |pid: &str| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let mut words = line.split('\0').skip_while(|w| *w != "role-process");
        Some((words.nth(1)?.to_owned(), pid.parse().ok()?))
    };
    listed.iter().flat_map(|line| line.split_whitespace()).filter_map(named).collect()
}

#[cfg(target_os = "linux")]
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[cfg(target_os = "linux")]
fn kill(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill runs").success());
}

/// Starts a slow local run and waits until its session is under way.
#[cfg(target_os = "linux")]
fn local_run_in_the_middle(place: &Place) -> (Child, Vec<(String, u32)>) {
    let child = place.command(&[&RUN[..], &SLOW].concat()).spawn().expect("mpcc starts");
    let begun = || {
        let session = fs::read_dir(place.path("tmp")).expect("a directory").flatten().next();
        session.is_some_and(|s| recorded_any(&s.path().join("data-owner-state")))
    };
    wait_for(begun);
    let processes = children(child.id());
    assert_eq!(processes.len(), 3, "{processes:?}");
    (child, processes)
}

#[cfg(target_os = "linux")]
fn recorded_any(state: &std::path::Path) -> bool {
    let mut files = fs::read_dir(state).into_iter().flatten().flatten();
    files.any(|f| f.path().extension().is_some_and(|e| e == "json"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_local_run_says_once_which_process_died() {
    for victim in ["model-owner", "data-owner", "dealer"] {
        let place = Place::new();
        let before = place.files();
        let (child, processes) = local_run_in_the_middle(&place);
        let pid = processes.iter().find(|(role, _)| role == victim).unwrap().1;
        kill(pid, "-KILL");
        let output = finish(child, &RUN);
        one_clear_message(&output, 4, &[&victim.replace('-', " "), "ended without a word"]);
        assert!(output.stdout.is_empty());
        assert_eq!(place.files(), before);
        assert!(processes.iter().all(|(_, pid)| !is_alive(*pid)));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn interrupted_runs_leave_no_process_behind() {
    for (signal, status) in [("-INT", Some(130)), ("-TERM", Some(130)), ("-KILL", None)] {
        let place = Place::new();
        let before = place.files();
        let (child, processes) = local_run_in_the_middle(&place);
        kill(child.id(), signal);
        let output = finish(child, &RUN);
        assert_eq!(output.status.code(), status, "{}", text(&output.stderr));
        wait_for(|| processes.iter().all(|(_, pid)| !is_alive(*pid)));
        if status.is_some() {
            assert_eq!(place.files(), before);
        } else {
            let left: Vec<_> = place.files().into_iter().filter(|p| p.ends_with("key.pem")).collect();
            assert!(left.is_empty(), "keys are left: {left:?}");
        }
    }
}
