//! Value ranges in files: which models they belong to, what a file keeps, and what is said where they are missing.

use std::fs;

use mpcc::compiler::compile::rewrite;
use mpcc::compiler::lower::LowerOptions;
use mpcc::compiler::ranges::{Kept, text_digest};
use serde_json::{Value, json};

use crate::support::{MODEL, Place, text};

const CALIBRATE: [&str; 6] = ["simulate", "model.mpv", "--weights", "w.safetensors", "--calibrate", "cat.png"];

/// The tiny model with an activation that can be replaced.
fn varied() -> String {
    MODEL.replace("model Tiny()", "model Tiny(act: fn = relu)").replace("relu(patch_embed", "act(patch_embed")
}

fn place() -> Place {
    let place = Place::new();
    place.write("model.mpv", &varied());
    place
}

fn kept(place: &Place, name: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(name)).expect("ranges")).expect("JSON")
}

/// The command in a message, as words.
fn hinted(message: &str) -> Vec<String> {
    let command = message.split('`').find(|part| part.starts_with("mpcc simulate")).expect(message);
    command.split(' ').skip(1).map(str::to_owned).collect()
}

#[test]
fn variants_keep_their_ranges_side_by_side() {
    let place = place();
    fs::remove_file(place.path("model.ranges.json")).unwrap();
    let variants: [&[&str]; 3] = [&[], &["--set", "act=gelu"], &["--set", "act=quad"]];
    let program = |set: &[&str]| {
        let report = place.json(&[&["compile", "model.mpv", "-o", "new.mpca"], set].concat());
        report["program"].as_str().expect("a hash").to_owned()
    };
    let first = variants.map(|set| {
        place.good(&[&CALIBRATE[..], set].concat());
        program(set)
    });
    assert_eq!(variants.map(program), first);
    let file = kept(&place, "model.ranges.json");
    let options: Vec<&Value> = file["kept"].as_array().expect("a list").iter().map(|one| &one["options"]).collect();
    assert_eq!(options, ["--set act=quad", "--set act=gelu", ""]);

    // Other inputs for one of them change nothing for the others.
    place.good(&[&CALIBRATE[..5], &["dog.png"], variants[1]].concat());
    let second = variants.map(program);
    assert_eq!((&second[0], &second[2]), (&first[0], &first[2]));
    let of = |file: &Value, options: &str| -> Value {
        let entries = file["kept"].as_array().expect("a list");
        entries.iter().find(|one| one["options"] == options).expect("an entry")["ranges"].clone()
    };
    let again = kept(&place, "model.ranges.json");
    assert_eq!(again["kept"].as_array().map(Vec::len), Some(3));
    for (options, same) in [("", true), ("--set act=gelu", false), ("--set act=quad", true)] {
        assert_eq!(of(&again, options) == of(&file, options), same, "{options}");
    }
}

/// Of a model that computes the same, names, tensors, labels and numbers of bits may be others.
#[test]
fn ranges_belong_to_what_is_computed() {
    let place = place();
    place.good(&CALIBRATE);
    let compile = ["compile", "model.mpv", "-o", "new.mpca"];
    for (from, to) in [
        ("let h = ", "// The hidden rows.\n  let h = "),
        ("h[0]", "h [0]"),
        ("model Tiny", "model Huge"),
        ("logits", "scores"),
        ("pixels", "photograph"),
        ("\"cat\", \"dog\"", "\"kitten\", \"puppy\""),
        (" labels [\"cat\", \"dog\", \"owl\"]", ""),
        ("patch.weight", "model.patch.0.weight"),
        ("patch_w", "kernel"),
        ("unused.*", "another.*"),
        ("model Tiny", "numeric { frac: 11, weight_frac: 12 }\nmodel Tiny"),
        ("  weights ", "  preprocess pixels { shortest: 8, crop: centre }\n  weights "),
    ] {
        assert!(varied().contains(from), "{from}");
        place.write("model.mpv", &varied().replace(from, to));
        place.good(&compile);
    }
    for (from, to) in [
        ("/ 255", "/ 254"),
        ("act: fn = relu", "act: fn = gelu"),
        ("stride: 4))", "stride: 4)) * 3"),
        ("h[0]", "h[1]"),
        ("  output", "  assume range(h) in [0, 9];\n  output"),
        ("8>", "16>"),
    ] {
        assert!(varied().contains(from), "{from}");
        place.write("model.mpv", &varied().replace(from, to));
        place.bad(&compile, 1, &["model.ranges.json has no value ranges", "another state", "mpcc simulate model.mpv"]);
    }
}

#[test]
fn files_of_earlier_versions_are_read_and_kept() {
    let place = place();
    place.good(&CALIBRATE);
    let program = |place: &Place| place.json(&["compile", "model.mpv", "-o", "new.mpca"])["program"].clone();
    let wanted = program(&place);
    let graph = rewrite(&varied(), &LowerOptions::default()).expect("a model").graph;
    let mut earlier = kept(&place, "model.ranges.json")["kept"][0]["ranges"].clone();
    earlier["schema"] = "mpcc.ranges/2".into();
    earlier["graph"] = text_digest(&graph).into();
    place.write("model.ranges.json", &earlier.to_string());
    assert_eq!(program(&place), wanted);
    place.good(&[&CALIBRATE[..], &["--set", "act=gelu"]].concat());
    assert_eq!(program(&place), wanted, "another variant leaves it");
    let read = Kept::read(&fs::read_to_string(place.path("model.ranges.json")).unwrap()).expect("ranges");
    assert_eq!(
        read.entries().iter().map(|entry| entry.options.as_deref()).collect::<Vec<_>>(),
        [Some("--set act=gelu"), None]
    );

    for schema in ["mpcc.ranges/1", "mpcc.ranges/9"] {
        place.write("model.ranges.json", &json!({ "schema": schema }).to_string());
        let said = [schema, "mpcc.ranges/3", "observe the ranges again", "mpcc simulate model.mpv"];
        place.bad(&["compile", "model.mpv", "-o", "new.mpca"], 1, &said);
    }
    let output = place.run(&CALIBRATE);
    assert!(output.status.success() && text(&output.stderr).contains("is written anew"), "{}", text(&output.stderr));
    assert_eq!(program(&place), wanted);
}

/// The command in a message works as it stands, but for the inputs, and then what failed works.
#[test]
fn hints_repeat_what_was_said() {
    let options = ["--set", "act=gelu", "--relu", "digit-tables"];
    let compile = ["compile", "model.mpv", "-o", "new.mpca"];
    let run = ["run", "model.mpv", "--weights", "w.safetensors", "--input", "cat.png"];
    let cost = ["cost", "model.mpv", "--net", "wan"];
    let elsewhere = ["--ranges", "of others.json", "--ranges", "observed"];
    for (command, more) in [
        (&compile[..], &[][..]),
        (&run[..], &[][..]),
        (&cost[..], &[][..]),
        (&run[..], &["--ranges", "other.json"][..]),
        (&compile[..], &elsewhere[..]),
    ] {
        let place = place();
        fs::copy(place.path("model.ranges.json"), place.path("other.json")).unwrap();
        fs::copy(place.path("model.ranges.json"), place.path("of others.json")).unwrap();
        let command = [command, &options, more].concat();
        let failed = place.run(&command);
        assert_eq!(failed.status.code(), Some(1), "{command:?}");
        let message = text(&failed.stderr);
        let hint = hinted(&message).join(" ");
        assert!(hint.contains(&options.join(" ")), "{hint}");
        assert_eq!(hint.contains("--weights w.safetensors"), command[0] == "run", "{hint}");
        assert_eq!(hint.contains("--output other.json"), more.contains(&"other.json"), "{hint}");
        if more == elsewhere {
            assert!(
                hint.ends_with("--ranges observed --weights W --calibrate DIR --output 'of others.json'"),
                "{hint}"
            );
            continue;
        }
        let words: Vec<String> = hinted(&message)
            .into_iter()
            .map(|word| match word.as_str() {
                "W" => "w.safetensors".to_owned(),
                "DIR" => "cat.png".to_owned(),
                _ => word,
            })
            .collect();
        place.good(&words.iter().map(String::as_str).collect::<Vec<_>>());
        place.good(&command);
    }
}

#[test]
fn other_weights_are_refused_with_the_command_for_them() {
    let place = place();
    place.good(&CALIBRATE);
    place.good(&["weights", "model.mpv", "--seed", "2", "-o", "other.safetensors"]);
    for command in ["run", "simulate"] {
        let given = [command, "model.mpv", "--weights", "other.safetensors", "--input", "cat.png"];
        place.bad(&given, 1, &["mpcc simulate model.mpv --weights other.safetensors --calibrate DIR"]);
    }
}

#[test]
fn a_calibration_says_what_it_saw_and_what_comes_next() {
    let place = place();
    fs::create_dir(place.path("cat")).unwrap();
    for seed in 1..=3u32 {
        place.image(&format!("cat/{seed}.png"), 8, 4, seed);
    }
    let calibrate = [&CALIBRATE[..5], &["cat", "dog.png", "--set", "act=gelu"]].concat();
    let report = place.json(&calibrate);
    let seen = &report["calibration"];
    let simulated =
        ["simulate", "model.mpv", "--set", "act=gelu", "--weights", "w.safetensors", "--input", "cat", "dog.png"];
    let float = place.json(&simulated)["simulation"].clone();
    assert_eq!(seen["inputs"], 4);
    let labels: Vec<&str> = float["inferences"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|inference| inference["float"][0]["label"].as_str().expect("a label"))
        .collect();
    for one in seen["outputs"][0]["labels"].as_array().expect("labels") {
        let count = labels.iter().filter(|label| **label == one[0]).count();
        assert_eq!(one[1], count, "{report}");
    }
    assert_eq!(seen["accuracy"]["labelled"], 4);
    assert_eq!(seen["accuracy"]["float_correct"], float["accuracy"]["float_correct"]);

    let next = seen["next"].as_str().expect("a command").to_owned();
    assert_eq!(next, "mpcc run model.mpv --set act=gelu --weights w.safetensors --input cat");
    let shown = place.good(&calibrate);
    for said in ["observed   4 inputs: ", "right labels ", &format!("next       {next}\n")] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    place.good(&next.split(' ').skip(1).collect::<Vec<_>>());

    // Without labels there are the numbers, and elsewhere the file is named.
    place.write("model.mpv", &varied().replace(" labels [\"cat\", \"dog\", \"owl\"]", ""));
    let shown = place.good(&[&CALIBRATE[..], &["--output", "r.json"]].concat());
    assert!(shown.contains("observed   1 input: logits from "), "{shown}");
    assert!(
        shown.contains("next       mpcc run model.mpv --weights w.safetensors --ranges r.json --input cat.png\n"),
        "{shown}"
    );
}
