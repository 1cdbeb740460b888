//! Paths that are not text: every command works with them or says what is wrong, and none waits for ever.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::support::{Place, finish, text};

/// A directory whose name is not UTF-8, with the files of a place.
fn odd(place: &Place) -> PathBuf {
    let odd = place.path("tmp").join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).expect("a directory");
    for name in ["model.mpv", "model.mpca", "model.ranges.json", "w.safetensors", "cat.png", "dog.png"] {
        fs::copy(place.path(name), odd.join(name)).expect("a copy");
    }
    odd
}

/// An argument with a path in it.
fn path(before: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(before);
    argument.push(path);
    argument
}

/// Runs a command, whose words that begin with `@` are files in the directory.
fn run(place: &Place, odd: &Path, words: &str) -> Output {
    let argument = |word: &str| match word.split_once('@') {
        Some((before, file)) => path(before, &odd.join(file)),
        None => word.into(),
    };
    let mut command = place.command(&[]);
    command.args(words.split_whitespace().map(argument)).env("TMPDIR", odd);
    finish(command.spawn().expect("mpcc starts"), &[words])
}

fn good(place: &Place, odd: &Path, words: &str) -> String {
    let output = run(place, odd, words);
    assert!(output.status.success(), "{words}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn json(place: &Place, odd: &Path, words: &str) -> Value {
    serde_json::from_str(&good(place, odd, &format!("{words} --json"))).expect("JSON")
}

#[test]
fn a_local_run_works_where_no_path_is_text() {
    let place = Place::new();
    let odd = odd(&place);
    let plain = place.json(&["run", "model.mpca", "--weights", "w.safetensors", "--input", "cat.png"]);
    good(&place, &odd, "deal @model.mpca --inferences 4 --out @dealt");
    for extra in ["", "--timeout 9", "--material @dealt", "--material @dealt --batch 2 --input @dog.png"] {
        let words = format!("run @model.mpca --weights @w.safetensors --input @cat.png {extra}");
        let ran = json(&place, &odd, &words);
        assert_eq!(ran["outputs"][0]["label"], plain["outputs"][0]["label"], "{extra}");
        assert_eq!(ran["predicted"]["online_bytes"], ran["measured"]["online_bytes"], "{extra}");
    }
    fs::create_dir(odd.join("images")).expect("a directory");
    fs::copy(odd.join("cat.png"), odd.join("images").join(OsStr::from_bytes(b"\xff.png"))).expect("a copy");
    for input in ["pixels=@cat.png", "@images"] {
        let words = format!("run @model.mpv --weights @w.safetensors --input {input} --ranges @model.ranges.json");
        assert_eq!(json(&place, &odd, &words)["outputs"][0]["label"], plain["outputs"][0]["label"], "{input}");
    }
    let left = fs::read_dir(&odd).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let left: Vec<OsString> = left.filter(|name| name.as_bytes().starts_with(b"mpcc-run")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn commands_work_with_paths_that_are_not_text() {
    let place = Place::new();
    let odd = odd(&place);
    for words in [
        "check @model.mpv",
        "fmt --check @model.mpv",
        "weights @model.mpv --seed 1 -o @seeded.safetensors",
        "simulate @model.mpv --weights @w.safetensors --calibrate @cat.png --calibrate @dog.png -o @again.json",
        "simulate @model.mpca --weights @w.safetensors --input @cat.png",
        "compile @model.mpv --ranges @again.json -o @again.mpca",
        "cost @model.mpv --ranges @again.json",
        "inspect @again.mpca",
        "keygen @identity",
        "deal @again.mpca --inferences 1 --out @dealt",
        "inspect @dealt/model-owner.material --state @dealt/state",
    ] {
        good(&place, &odd, words);
    }
    for made in ["seeded.safetensors", "again.json", "again.mpca", "identity/key.pem", "dealt/data-owner.material"] {
        assert!(odd.join(made).is_file(), "{made}");
    }
}

/// What is not there, is of another kind, or can only be written as text.
#[test]
fn no_path_that_is_not_text_makes_a_command_hang_or_panic() {
    let place = Place::new();
    let odd = odd(&place);
    for words in [
        "check @absent.mpv",
        "run @model.mpca --weights @absent --input @cat.png",
        "run @model.mpca --weights @w.safetensors --input @absent.png",
        "run @model.mpca --weights @w.safetensors --input @cat.png --material @absent",
        "run @model.mpca --weights @w.safetensors --input @cat.png --machine @absent",
        "run @model.mpv --weights @w.safetensors --input @cat.png --plan A=@absent.json",
        "run @model.mpca --role dealer --listen 127.0.0.1:0 --identity @absent",
        "compile @model.mpv --emit graph=@graph",
        "compile @model.mpv -o @cat.png/model.mpca",
        "new --template vit --from @absent -o @new",
        "new --template mpcvit --from @w.safetensors -o @new",
        "train @model.mpv --data @absent -o @trained",
        "distill @model.mpv --teacher @model.mpv --teacher-weights @absent --data @absent -o @trained",
        "search @model.mpv --data @absent -o @found",
        "search @model.mpv --found @absent -o @found",
        "bench pareto @model.mpv --points @absent --data @absent -o @report",
        "bench pareto @model.mpv --point a=@absent --data @absent -o @report",
        "deal @model.mpca --inferences 1 --out @cat.png",
        "inspect @cat.png",
    ] {
        let output = run(&place, &odd, words);
        let said = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{words}: {:?}: {said}", output.status);
        assert!(said.contains("error: ") && !said.contains("bug in mpcc"), "{words}: {said}");
    }
}
