//! Commands that do well, and wrong usage.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::support::{MODEL, Place, finish, one_clear_message, text};

#[test]
fn check_finds_all_mistakes_at_once() {
    let place = Place::new();
    let fine = place.json(&["check", "model.mpv"]);
    assert_eq!((&fine["schema"], &fine["ok"], &fine["errors"]), (&"mpcc.check/1".into(), &true.into(), &0.into()));
    place.write("bad.mpv", &MODEL.replace("relu(", "rely(").replace("fc_b)", "fc_c)"));
    let output = place.run(&["check", "bad.mpv", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["ok"], &found["errors"]), (&false.into(), &2.into()), "{found}");
    let first = &found["diagnostics"][0];
    assert_eq!((&first["severity"], &first["code"]), (&"error".into(), &"E0301".into()));
    assert_eq!(first["labels"][0]["start"]["line"], 13);
}

#[test]
fn a_plan_to_be_searched_is_checked_and_nothing_else() {
    let place = Place::new();
    let plan = "plan ACT: per_row<1, 2> = [[search[gelu, relu], relu]];\n\nmodel";
    let model = MODEL.replace("model", plan).replace("relu(patch", "choose(ACT[0], patch");
    place.write("open.mpv", &model);
    place.good(&["fmt", "open.mpv"]);
    let found = place.json(&["check", "open.mpv"]);
    assert_eq!(found["ok"], true, "{found}");
    let searched = &found["searched"][0];
    assert_eq!((&searched["plan"], &searched["entries"]), (&"ACT".into(), &1.into()), "{found}");
    for arguments in [&["compile", "open.mpv"][..], &["cost", "open.mpv"]] {
        place.bad(arguments, 1, &["E0210", "ACT", "mpcc search", "--plan"]);
    }
    place.write("act.json", r#"[["relu", "relu"]]"#);
    let decided = ["open.mpv", "--plan", "ACT=act.json"];
    let calibrate = ["--weights", "w.safetensors", "--calibrate", "cat.png", "--calibrate", "dog.png"];
    place.good(&[&["simulate"], &decided[..], &calibrate].concat());
    place.good(&[&["compile"], &decided[..], &["-o", "act.mpca"]].concat());
    assert!(place.json(&["check", "open.mpv", "--plan", "ACT=act.json"]).get("searched").is_none());
}

#[test]
fn fmt_changes_only_what_is_laid_out_otherwise() {
    let place = Place::new();
    place.good(&["fmt", "model.mpv"]);
    let laid_out = fs::read_to_string(place.path("model.mpv")).unwrap();
    place.write("ugly.mpv", &laid_out.replace("  ", " "));
    let output = place.run(&["fmt", "--check", "ugly.mpv", "model.mpv", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["files"][0]["changed"], &report["files"][1]["changed"]), (&true.into(), &false.into()));
    place.good(&["fmt", "ugly.mpv"]);
    assert_eq!(fs::read_to_string(place.path("ugly.mpv")).unwrap(), laid_out);
    place.good(&["fmt", "--check", "ugly.mpv"]);
}

#[test]
fn fmt_reads_standard_input() {
    let place = Place::new();
    let mut child = place.command(&["fmt", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"mpv 1;const A=1 ;model M(){}").unwrap();
    let output = finish(child, &["fmt", "-"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("const A = 1;\n"), "{}", text(&output.stdout));
}

#[test]
fn a_model_can_come_by_standard_input() {
    let place = Place::new();
    let arguments = ["compile", "-", "--ranges", "model.ranges.json", "-o", "piped.mpca"];
    let mut child = place.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(MODEL.as_bytes()).unwrap();
    let output = finish(child, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::read(place.path("piped.mpca")).unwrap(), fs::read(place.path("model.mpca")).unwrap());
}

#[test]
fn a_reader_that_leaves_is_no_error_and_a_full_disk_is_one() {
    let place = Place::new();
    let mut child = place.command(&["compile", "model.mpv", "--emit", "asm=-"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
        let output = place.command(&["explain"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).starts_with("error: "), "{}", text(&output.stderr));
    }
}

#[test]
fn explain_knows_codes_operations_and_gates() {
    let place = Place::new();
    assert!(place.good(&["explain"]).contains("E0301"));
    assert!(place.good(&["explain", "e0301"]).contains("not defined"));
    assert_eq!(place.json(&["explain", "G8"])["name"], "relu");
    place.bad(&["explain", "dropout"], 2, &["dropout"]);
    for code in ["E0801", "E0802", "E0803", "E0804", "E0805"] {
        place.good(&["explain", code]);
    }
}

#[test]
fn keygen_never_overwrites() {
    let place = Place::new();
    let made = place.json(&["keygen", "id"]);
    assert!(made["fingerprint"].as_str().unwrap().starts_with("mpcc1-"));
    let key = fs::read(place.path("id/key.pem")).unwrap();
    place.bad(&["keygen", "id"], 2, &["never overwritten"]);
    assert_eq!(fs::read(place.path("id/key.pem")).unwrap(), key);
}

#[test]
fn every_stage_can_be_read() {
    let place = Place::new();
    let stages = [
        ("ast", "Tiny"),
        ("graph", "relu"),
        ("graph@fuse_linear", "relu"),
        ("passes", "fuse_linear"),
        ("plan", "hops"),
        ("program", "setup"),
        ("program-dealer", "offline"),
        ("clif", "function"),
        ("asm", "; dealer"),
    ];
    for (stage, word) in stages {
        let shown = place.good(&["compile", "model.mpv", "--emit", &format!("{stage}=-")]);
        assert!(shown.contains(word), "{stage}: {shown}");
    }
    assert!(place.good(&["compile", "model.mpv", "--emit", "plan=plan.txt"]).is_empty());
    assert!(fs::read_to_string(place.path("plan.txt")).unwrap().contains("Tiny"));
    place.bad_usage(&["compile", "model.mpv", "--emit", "bytecode=-"], "program-dealer");
    place.bad_usage(&["compile", "model.mpv", "--emit", "graph@nothing=-"], "fuse_linear");
}

/// Needs no ranges and no weights; the same figures as text and as JSON.
#[test]
fn every_pass_is_listed_with_what_it_saved() {
    let place = Place::new();
    fs::remove_file(place.path("model.ranges.json")).unwrap();
    let report = place.json(&["compile", "model.mpv", "--passes"]);
    assert_eq!((&report["schema"], &report["model"]), (&"mpcc.passes/1".into(), &"Tiny".into()));
    assert!(report["predicted"]["hops"].as_u64() > Some(0), "{report}");
    let listed: Vec<&str> = report["passes"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    let known: Vec<&str> = mpcc::compiler::passes::PASSES.iter().map(|p| p.name).collect();
    assert_eq!(listed, known);
    // One of two rows is used: without the pass, both are rectified and opened.
    let narrow = report["passes"].as_array().unwrap().iter().find(|p| p["name"] == "narrow_rows").unwrap();
    assert_eq!(narrow["changed"], true);
    for field in ["online_bytes", "offline_bytes"] {
        assert!(narrow["saved"][field].as_i64() > Some(0), "{field}: {narrow}");
    }
    let table = place.good(&["compile", "model.mpv", "--passes"]);
    assert_eq!(table.lines().filter(|l| known.iter().any(|name| l.starts_with(name))).count(), known.len(), "{table}");
    assert!(table.contains("nothing to do") && table.contains("computes only the rows that are needed"), "{table}");
    place.bad_usage(&["compile", "model.mpv", "--passes", "-o", "new.mpca"], "--output");
}

#[test]
fn the_same_source_gives_the_same_artefact() {
    let place = Place::new();
    let first = place.json(&["compile", "model.mpv", "-o", "one.mpca"]);
    place.write("model.mpv", &format!("// Another comment.\n{MODEL}"));
    let second = place.json(&["compile", "model.mpv", "-o", "two.mpca", "--weights", "w.safetensors"]);
    assert_eq!(first["program"], second["program"]);
    assert_eq!(second["binding"]["bound"].as_array().unwrap().len(), 4);
    let inspected = place.json(&["inspect", "one.mpca"]);
    assert_eq!(inspected["manifest"]["program"], first["program"]);
    let secret = fs::read(place.path("w.safetensors")).unwrap();
    let artefact = fs::read(place.path("one.mpca")).unwrap();
    let window = &secret[secret.len() - 16..];
    assert!(!artefact.windows(16).any(|w| w == window), "weights are in the artefact");
}

#[test]
fn constants_and_plans_can_be_replaced() {
    let place = Place::new();
    let model = MODEL.replace("mpv 1;\n", "mpv 1;\nconst GROWTH = 1;\n").replace("stride: 4)", "stride: 4) * GROWTH");
    place.write("model.mpv", &model);
    let graph = |extra: &[&str]| place.good(&[&["compile", "model.mpv", "--emit", "graph=-"], extra].concat());
    assert_ne!(graph(&[]), graph(&["--set", "GROWTH=4"]));
    place.bad(&["compile", "model.mpv", "--set", "GROWTH"], 2, &["NAME=VALUE"]);
    place.bad(&["compile", "model.mpv", "--set", "A=1", "--set", "A=2"], 2, &["twice"]);
    let output = place.run(&["compile", "model.mpv", "--set", "NOTHING=1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("NOTHING"));
}

#[test]
fn cost_divides_without_losing_anything() {
    let place = Place::new();
    for by in ["layer", "op", "hop"] {
        let cost = place.json(&["cost", "model.mpca", "--by", by, "--net", "lan,rtt=10ms,bw=1MB/s"]);
        assert_eq!((&cost["schema"], cost["networks"].as_array().unwrap().len()), (&"mpcc.cost/1".into(), 2));
        let rows = cost["layers"].as_array().unwrap();
        let sum = |field: &dyn Fn(&serde_json::Value) -> u64| rows.iter().map(field).sum::<u64>();
        let number = |v: &serde_json::Value| v.as_u64().unwrap();
        let predicted = &cost["predicted"];
        assert_eq!(sum(&|r| number(&r["hops"])), number(&predicted["hops"]), "{by}");
        for (kind, party) in
            ["online_bytes", "offline_bytes"].into_iter().flat_map(|kind| [(kind, "model_owner"), (kind, "data_owner")])
        {
            assert_eq!(sum(&|r| number(&r[kind][party])), number(&predicted[kind][party]), "{by} {kind} {party}");
        }
        assert!(rows.iter().all(|r| r["seconds"].as_f64().unwrap() >= 0.0), "{by}: {rows:?}");
        // Every column of the table has a heading, and seconds come last.
        let shown = place.good(&["cost", "model.mpca", "--by", by, "--net", "wan"]);
        let rows = shown.lines().skip_while(|line| !line.trim_start().starts_with("hops  from model owner"));
        let rows: Vec<&str> = rows.take_while(|line| !line.is_empty()).collect();
        assert!(rows.len() > 2 && rows[0].ends_with("online"), "{shown}");
        assert!(rows[1..].iter().all(|row| row.ends_with('s')), "{shown}");
        let slower = &cost["networks"][1]["predicted"];
        assert!(slower["online_seconds"].as_f64() > predicted["online_seconds"].as_f64());
    }
    place.bad_usage(&["cost", "model.mpca", "--net", "moon"], "moon");
}

#[test]
fn simulation_reports_layers_and_labels() {
    let place = Place::new();
    let inputs = ["--weights", "w.safetensors", "--input", "cat.png", "--input", "dog.png"];
    let report = place.json(&[&["simulate", "model.mpca"], &inputs[..]].concat());
    let simulation = &report["simulation"];
    assert_eq!(simulation["inferences"].as_array().unwrap().len(), 2);
    assert_eq!((&simulation["agreeing"], &simulation["accuracy"]["labelled"]), (&2.into(), &2.into()));
    assert!(simulation["largest_output_error"].as_f64().unwrap() < 0.01);
    let layers = simulation["layers"].as_array().unwrap();
    assert!(layers.iter().any(|l| l["path"] == "logits" && l["largest_error"].as_f64().is_some_and(|e| e < 0.01)));
    assert!(layers.iter().all(|l| l["least_headroom_bits"].as_f64().is_none_or(|b| b > 0.0)));
}

#[test]
fn wrong_usage_ends_with_2() {
    let place = Place::new();
    place.bad_usage(&[], "Usage");
    place.bad_usage(&["frobnicate"], "frobnicate");
    place.bad_usage(&["check"], "MODEL.mpv");
    place.bad_usage(&["run", "model.mpv", "--listen", "127.0.0.1:0"], "--role");
    place.bad(&["run", "model.mpv", "--input", "cat.png"], 2, &["--weights"]);
    place.bad(&["run", "model.mpv", "--weights", "w.safetensors"], 2, &["--input"]);
    let weights = ["--weights", "w.safetensors"];
    for role in ["data-owner", "dealer"] {
        place.bad(&[&["run", "model.mpca", "--role", role], &weights[..]].concat(), 2, &["model owner only"]);
    }
    for role in ["model-owner", "dealer"] {
        place.bad(&["run", "model.mpca", "--role", role, "--input", "cat.png"], 2, &["data owner only"]);
    }
    place.bad(
        &["run", "model.mpca", "--ranges", "model.ranges.json", "--weights", "w.safetensors", "--input", "cat.png"],
        2,
        &["artefact"],
    );
}

/// Training is in another program; without it the line that installs it is said, and nothing else is missing.
#[test]
fn without_the_studies_their_commands_say_what_installs_them() {
    let place = Place::new();
    let alone = place.path(&format!("mpcc{}", std::env::consts::EXE_SUFFIX));
    std::fs::copy(crate::program(), &alone).expect("a copy");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&alone);
        command.args(arguments).current_dir(place.path("")).env("PATH", "").output().expect("it starts")
    };
    for name in ["train", "search", "distill", "bench"] {
        for arguments in [&[name, "--help"][..], &["--quiet", name, "model.mpv", "--data", "images"]] {
            one_clear_message(&run(arguments), 2, &["cargo install --path studies"]);
        }
    }
    assert!(run(&["check", "model.mpv"]).status.success());
    let mut other = place.command(&["check", "model.mpv"]);
    let output = other.env("MPCC_STARTED_BY", "0.0.1").output().expect("it starts");
    one_clear_message(&output, 2, &["0.0.1", "install both of one version"]);
}
