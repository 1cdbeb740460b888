//! From images to an answer: a teacher is trained, attention searched, a student distilled, compiled, and run by two parties.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{LIMIT, Place};

/// Two layers of two heads, whose attention is to be searched.
const MODEL: &str = include_str!("vit.mpv");
const CLASSES: [&str; 3] = ["blue", "green", "red"];
/// A recipe for few images: no more changes than a crop.
const RECIPE: [&str; 20] = [
    "--data",
    "images",
    "--batch",
    "32",
    "--rate",
    "5e-3",
    "--augment",
    "crop-flip",
    "--mixup",
    "0",
    "--cutmix",
    "0",
    "--drop-path",
    "0.05",
    "--attention-dropout",
    "0",
    "--held-out",
    "0.2",
    "--ranges-from",
    "60",
];

/// Noise with one channel somewhat brighter than the others, in one half.
fn picture(path: &Path, class: usize, seed: u32) {
    let pixel = |x: u32, y: u32| {
        Rgb([0, 1, 2].map(|c: u32| {
            let noise = (x * 31 + y * 17 + c * 71 + seed * 97 + x * y * (seed % 13)) % 120;
            let bright = if 2 - c as usize == class && (x + seed) % 8 < 5 { 90 } else { 20 };
            (noise + bright) as u8
        }))
    };
    RgbImage::from_fn(8, 8, pixel).save(path).expect("an image");
}

fn place() -> Place {
    let place = Place::new();
    place.write("vit.mpv", MODEL);
    for (split, count) in [("train", 80), ("test", 8)] {
        for (class, name) in CLASSES.into_iter().enumerate() {
            let folder = place.path("images").join(split).join(name);
            fs::create_dir_all(&folder).expect("a directory");
            (0..count).for_each(|n| picture(&folder.join(format!("{n}.png")), class, n * 7 + class as u32 + count));
        }
    }
    place
}

fn trained(place: &Place, arguments: &[&str], epochs: &str) -> Value {
    place.json(&[arguments, &RECIPE, &["--epochs", epochs]].concat())
}

#[test]
fn a_searched_and_distilled_student_answers_privately_as_in_the_clear() {
    let place = place();
    let softmax = "ATTN=SOFTMAX";
    let teacher = trained(&place, &["train", "vit.mpv", "--plan", softmax, "-o", "teacher"], "12");
    assert!(teacher["test"]["accuracy"].as_f64().expect("a test split") > 0.66, "{teacher}");

    let search = ["search", "vit.mpv", "--mu", "0.25,0.5", "--random", "1", "--net", "wan", "-o", "search"];
    let found = trained(&place, &search, "4");
    let budget = ["search", "vit.mpv", "--found", "search/search.json", "--budget", "60s", "-o", "again"];
    place.good(&budget);
    let plan = fs::read_to_string(place.path("search/plans/mu-0.5.json")).expect("a plan");
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    let heads: Vec<&Value> =
        plan["ATTN"].as_array().expect("layers").iter().flat_map(|l| l.as_array().expect("heads")).collect();
    assert_eq!(heads.iter().filter(|head| **head == "relu_softmax").count(), 2, "half of four: {found}");

    let chosen = "ATTN=search/plans/mu-0.5.json";
    let distill = [
        "distill",
        "vit.mpv",
        "--plan",
        chosen,
        "--teacher",
        "vit.mpv",
        "--teacher-plan",
        "ATTN=teacher/plan.json",
        "--teacher-weights",
        "teacher/weights.safetensors",
        "-o",
        "student",
    ];
    let student = trained(&place, &distill, "30");
    assert!(student["test"]["accuracy"].as_f64().expect("a test split") > 0.66, "{student}");
    assert_eq!(student["teacher"], "teacher/weights.safetensors");

    let compile = ["compile", "vit.mpv", "--plan", "ATTN=student/plan.json", "--ranges", "student/model.ranges.json"];
    place.good(&[&compile[..], &["-o", "student.mpca"]].concat());
    let run = ["run", "student.mpca", "--weights", "student/weights.safetensors", "--input", "images/test"];
    let run = place.json(&run);
    assert_eq!(run["float"]["flips"].as_array().map(Vec::len), Some(0), "{run}");
    assert_eq!(run["predicted"]["hops"], run["measured"]["hops"]);
    assert_eq!(run["predicted"]["online_bytes"], run["measured"]["online_bytes"]);
    let private = run["accuracy"]["correct"].as_f64().expect("labelled images") / 24.0;
    assert!((private - student["test"]["accuracy"].as_f64().expect("a number")).abs() < 1e-9, "{run}");
}

#[test]
fn training_that_was_killed_goes_on_to_the_same_weights() {
    let place = place();
    let train = ["train", "vit.mpv", "--plan", "ATTN=SOFTMAX", "--seed", "3", "-o"];
    trained(&place, &[&train[..], &["whole"]].concat(), "8");
    let killed = [&train[..], &["killed"], &RECIPE, &["--epochs", "8"]].concat();
    for _ in 0..2 {
        let checkpoint = place.path("killed/checkpoint.safetensors");
        let before = fs::metadata(&checkpoint).and_then(|file| file.modified()).ok();
        let mut child = place.command(&killed).spawn().expect("mpcc starts");
        let began = Instant::now();
        while fs::metadata(&checkpoint).and_then(|file| file.modified()).ok() == before {
            assert!(began.elapsed() < LIMIT, "no checkpoint appears");
            thread::sleep(Duration::from_millis(2));
        }
        child.kill().expect("it runs, or has ended");
        child.wait().expect("it ends");
    }
    let resumed = place.run(&killed);
    assert!(resumed.status.success());
    let weights = |run: &str| fs::read(place.path(run).join("weights.safetensors")).expect("weights");
    assert!(weights("whole") == weights("killed"), "bit for bit");
}

/// Reviews of a film, good and bad, and a student with Quad and 2Quad that first learns each layer from a teacher.
#[test]
fn a_model_of_text_learns_layer_by_layer() {
    let place = Place::new();
    place.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nfine\na\nfilm\ndull\n!\n");
    let teacher = include_str!("../../../tests/cli/bert.mpv");
    place.write("teacher.mpv", teacher);
    place.write("student.mpv", &teacher.replace("softmax_masked", "two_quad_masked").replace("gelu(", "quad("));
    fs::create_dir(place.path("texts")).expect("a directory");
    let words = |n: usize| ["a film !", "film", "a", "! a film"][n % 4];
    let line = |n: usize| match n % 2 {
        0 => format!("good\t{} fine {}\n", words(n / 2), words(n / 8)),
        _ => format!("bad\t{} dull {}\n", words(n / 2), words(n / 8)),
    };
    place.write("texts/train.tsv", &(0..64).map(line).collect::<String>());
    place.write("texts/test.tsv", "label\ttext\ngood\tfine film\nbad\tdull\ngood\ta fine a film\nbad\tfilm dull !\n");
    let recipe = ["--data", "texts", "--batch", "16", "--rate", "1e-2", "--drop-path", "0", "--attention-dropout", "0"];
    let of =
        |arguments: &[&str]| place.json(&[arguments, &recipe, &["--ranges-from", "40", "--epochs", "60"]].concat());
    let taught = of(&["train", "teacher.mpv", "-o", "teacher"]);
    assert_eq!(taught["test"]["accuracy"], 1.0, "{taught}");
    let from =
        ["distill", "student.mpv", "--teacher", "teacher.mpv", "--teacher-weights", "teacher/weights.safetensors"];
    let start = ["--from", "teacher/weights.safetensors", "--recipe", "layers", "-o", "layers"];
    let first = of(&[&from[..], &start].concat());
    let losses: Vec<f64> =
        first["history"].as_array().expect("epochs").iter().map(|e| e["loss"].as_f64().expect("a number")).collect();
    assert!(losses[59] < 0.5 * losses[0], "{losses:?}");
    let then = ["--from", "layers/weights.safetensors", "--gamma", "0", "--beta", "0", "-o", "student"];
    let student = of(&[&from[..], &then].concat());
    assert_eq!(student["test"]["accuracy"], 1.0, "{student}");
    let run =
        ["run", "student.mpv", "--weights", "student/weights.safetensors", "--ranges", "student/model.ranges.json"];
    let run = place.json(&[&run[..], &["--input", "a fine film"]].concat());
    assert_eq!(run["outputs"][0]["label"], "good", "{run}");
}

#[test]
fn bad_data_and_options_are_refused_before_training() {
    let place = place();
    let train = ["train", "vit.mpv", "--plan", "ATTN=SOFTMAX", "-o", "run"];
    place.bad(&[&train[..], &["--data", "nowhere"]].concat(), 1, &["nowhere"]);
    place.bad(&["train", "vit.mpv", "-o", "run", "--data", "images"], 1, &["mpcc search", "--plan"]);
    place.bad(&[&train[..], &["--data", "images", "--device", "cuda"]].concat(), 1, &["--features cuda"]);
    place.bad(&[&train[..], &["--data", "images", "--batch", "1000"]].concat(), 1, &["lower the batch size"]);
    let plans = ["--plan", "ATTN=SOFTMAX", "--teacher-plan", "ATTN=SOFTMAX"];
    let distil = ["distill", "vit.mpv", "--teacher", "vit.mpv", "--teacher-weights", "nowhere", "-o", "run"];
    let nothing = ["--data", "images", "--chi", "0", "--beta", "0", "--gamma", "0"];
    place.bad(&[&distil[..], &plans, &nothing].concat(), 2, &["all weights are 0"]);
    fs::rename(place.path("images/train/red"), place.path("images/train/rosa")).expect("renamed");
    place.bad(&[&train[..], &["--data", "images"]].concat(), 1, &["class `red`"]);
    assert!(!place.path("run/weights.safetensors").exists());
}
