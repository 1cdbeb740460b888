//! `mpcc compare`: what it says of a variant is what the other commands say of it, and every form holds the same.

use std::fs;

use serde_json::{Value, json};

use crate::support::{MODEL, Place, text};

const COMPARE: [&str; 4] = ["compare", "model.mpv", "--weights", "w.safetensors"];

/// The tiny model with an activation and a plan that can be replaced, and labelled pictures.
fn place() -> Place {
    let place = Place::new();
    let model = MODEL
        .replace("model Tiny()", "plan POST: per_layer<1> = [identity];\nplan OTHER: per_layer<1> = [quad];\n\nfn turned<N, M>(x: Tensor<N, M>) -> Tensor<N, M> {\n  return x * -60;\n}\n\nmodel Tiny(act: fn = relu, post: plan = POST)")
        .replace("relu(patch_embed(image, patch_w, patch_b, stride: 4))", "choose(post[0], act(patch_embed(image, patch_w, patch_b, stride: 4)))");
    place.write("model.mpv", &model);
    for (seed, label) in (1u32..).zip(["cat", "dog", "owl"]) {
        fs::create_dir_all(place.path(&format!("test/{label}"))).expect("a directory");
        place.image(&format!("test/{label}/a.png"), 8, 4, seed);
        place.image(&format!("test/{label}/b.png"), 8, 4, seed + 7);
    }
    place
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

#[test]
fn what_is_said_of_a_variant_is_what_the_other_commands_say() {
    let place = place();
    let each =
        ["--each", "act=relu,turned", "--each", "post=POST,OTHER", "--input", "test", "--supplier", "dealer,pair"];
    let report = place.json(&[&COMPARE[..], &each].concat());
    assert_eq!((&report["schema"], &report["inputs"]), (&"mpcc.compare/1".into(), &6.into()));
    let rows = list(&report["rows"]);
    let names: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row["variant"].as_str().expect("a name"), row["supplier"].as_str().expect("one")))
        .collect();
    let variants = ["act=relu post=POST", "act=relu post=OTHER", "act=turned post=POST", "act=turned post=OTHER"];
    let wanted: Vec<_> = variants.iter().flat_map(|name| [(*name, "dealer"), (*name, "pair")]).collect();
    assert_eq!(names, wanted);
    for row in rows {
        let options: Vec<&str> = row["options"].as_str().expect("options").split(' ').collect();
        let options = [&options[..], &["--supplier", row["supplier"].as_str().expect("one")]].concat();
        let cost = place.json(&[&["cost", "model.mpv", "--net", "lan,wan"], &options[..]].concat());
        for (found, wanted) in list(&row["networks"]).iter().zip(list(&cost["networks"])) {
            for field in ["network", "program", "predicted"] {
                assert_eq!(found[field], wanted[field], "{options:?}");
            }
        }
        let simulated = ["simulate", "model.mpv", "--weights", "w.safetensors", "--input", "test", "--net", "lan"];
        let simulated = place.json(&[&simulated[..], &options[..]].concat())["simulation"].clone();
        let measured = &row["measured"];
        assert_eq!(measured["accuracy"], simulated["accuracy"], "{options:?}");
        assert_eq!(measured["largest_error"], simulated["largest_output_error"], "{options:?}");
        assert_eq!(measured["withheld"], simulated["withheld"], "{options:?}");
        let label = |side: &str, of: &Value| -> Vec<Value> {
            list(&of["inferences"]).iter().map(|one| one[side][0]["label"].clone()).collect()
        };
        let first = place.json(&["simulate", "model.mpv", "--weights", "w.safetensors", "--input", "test"]);
        let (first, fixed) = (label("float", &first["simulation"]), label("fixed", &simulated));
        let same = first.iter().zip(&fixed).filter(|(a, b)| a == b).count();
        assert_eq!(measured["as_first"], same, "{options:?}");
    }
    let changed = rows.iter().any(|row| row["measured"]["as_first"] != 6);
    assert!(changed, "{report}");
    // A row's options run, with the ranges that were kept.
    let options: Vec<&str> = rows[6]["options"].as_str().expect("options").split(' ').collect();
    place.good(&[&["run", "model.mpv", "--weights", "w.safetensors", "--input", "cat.png"], &options[..]].concat());
}

#[test]
fn the_table_fits_and_every_form_holds_the_same() {
    let place = place();
    let each = ["--each", "act=relu,quad", "--input", "test", "-o", "t.csv", "-o", "t.html"];
    let command = [&COMPARE[..], &each].concat();
    let report = place.json(&command);
    for width in ["72", "80", "200"] {
        let output = place.command(&command).env("COLUMNS", width).output().expect("mpcc starts");
        let shown = text(&output.stdout);
        let width: usize = width.parse().expect("a number");
        assert!(shown.lines().all(|line| line.chars().count() <= width), "{shown}");
        let row = &report["rows"][1];
        for said in [
            "act=quad".to_owned(),
            format!("{}/6", row["measured"]["accuracy"]["correct"]),
            row["networks"][1]["predicted"]["hops"].to_string(),
            "wrote      t.csv".to_owned(),
            "wan".to_owned(),
        ] {
            assert!(shown.contains(&said), "{said}: {shown}");
        }
        assert!(!shown.contains("no answer"), "a column of zeros: {shown}");
    }
    let csv = fs::read_to_string(place.path("t.csv")).expect("a table");
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 1 + 2 * 2);
    let column = |name: &str| lines[0].iter().position(|head| *head == name).expect(name);
    for (at, line) in lines[1..].iter().enumerate() {
        let (row, on) = (&report["rows"][at / 2], &report["rows"][at / 2]["networks"][at % 2]);
        for (name, value) in [
            ("variant", &row["variant"]),
            ("network", &on["network"]["name"]),
            ("hops", &on["predicted"]["hops"]),
            ("online_bytes_data_owner", &on["predicted"]["online_bytes"]["data_owner"]),
            ("right", &row["measured"]["accuracy"]["correct"]),
            ("as_first", &row["measured"]["as_first"]),
            ("largest_error", &row["measured"]["largest_error"]),
            ("program", &on["program"]),
        ] {
            assert_eq!(line[column(name)], value.to_string().trim_matches('"'), "{name}");
        }
    }
    let page = fs::read_to_string(place.path("t.html")).expect("a page");
    assert_eq!((page.matches("<tr>").count(), page.matches("<td>act=quad</td>").count()), (5, 2), "{page}");
}

#[test]
fn a_variant_without_a_program_is_named_and_the_others_are_compared() {
    let place = place();
    let each = ["--each", "act=relu,exp", "--input", "cat.png", "--supplier", "dealer,pair", "-o", "t.csv"];
    let command = [&COMPARE[..], &each].concat();
    let report = place.json(&command);
    let refused: Vec<bool> = list(&report["rows"]).iter().map(|row| row.get("refused").is_some()).collect();
    assert_eq!(refused, [false, false, false, true], "{report}");
    let shown = place.good(&command);
    assert!(shown.contains("act=exp by pair: ") && shown.contains("mpcc explain E0805"), "{shown}");
    assert!(
        fs::read_to_string(place.path("t.csv")).expect("a table").lines().last().expect("a line").contains("E0805")
    );
    let none = [&COMPARE[..], &["--each", "act=exp", "--supplier", "pair", "--input", "cat.png"]].concat();
    let output = place.run(&none);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no variant has a program"), "{}", text(&output.stderr));
}

#[test]
fn ranges_are_observed_once_and_again_for_other_weights() {
    let place = place();
    let compare = |weights: &str, more: &[&str]| {
        place.json(&[&["compare", "model.mpv", "--weights", weights, "--each", "act=relu,quad"], more].concat())
    };
    let kept = || -> Value { serde_json::from_slice(&fs::read(place.path("model.ranges.json")).unwrap()).unwrap() };
    compare("w.safetensors", &["--input", "cat.png", "--calibrate", "test"]);
    let inputs = |of: &Value| -> Vec<Value> { list(&of["kept"]).iter().map(|one| one["inputs"].clone()).collect() };
    let first = kept();
    assert_eq!(inputs(&first)[..2], [json!(6), json!(6)]);
    compare("w.safetensors", &["--input", "cat.png"]);
    assert_eq!(kept(), first);
    place.good(&["weights", "model.mpv", "--seed", "5", "-o", "other.safetensors"]);
    compare("other.safetensors", &["--input", "cat.png", "dog.png"]);
    assert_eq!(inputs(&kept())[..2], [json!(2), json!(2)]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let place = place();
    let with = |more: &[&'static str]| [&COMPARE[..], &["--input", "cat.png"], more].concat();
    place.bad_usage(&with(&[]), "--each");
    place.bad_usage(&with(&["--each", "act"]), "NAME=VALUE");
    place.bad_usage(&with(&["--each", "act=relu,relu"]), "named twice");
    place.bad_usage(&with(&["--each", "act=relu", "-o", "t.txt"]), ".csv or .html");
    place.bad(&with(&["--each", "act=relu,quad", "--set", "act=gelu"]), 2, &["--set act=… is given twice"]);
    place.bad(&with(&["--each", "act=nosuch"]), 1, &["nosuch"]);
    place.bad(&with(&["--each", "post=NOSUCH"]), 1, &["NOSUCH"]);
    place.bad(&with(&["--each", "act=relu", "--ranges", "absent.json"]), 1, &["absent.json"]);
    let artefact = ["compare", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png", "--each", "act=relu"];
    place.bad(&artefact, 2, &["the model file"]);
}
