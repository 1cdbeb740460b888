//! A search on a tiny data set: what it writes, what follows from it, and what it refuses.

use std::fs;

use serde_json::Value;

use crate::support::Place;

/// The options of a training run that takes a moment.
fn quick() -> Vec<&'static str> {
    let options = "--data images --epochs 2 --batch 4 --augment none --mixup 0 --cutmix 0 --held-out 0.2 --threads 1";
    options.split(' ').collect()
}

/// The tiny model of two heads, with both left to a search, and labelled images.
fn place() -> Place {
    let place = Place::new();
    let model = include_str!("attention.mpv");
    place.write("attention.mpv", model);
    place.write("open.mpv", &model.replace("[[rs, scale]]", "[[search[rs, scale]; 2]]"));
    for (at, label) in ["cat", "dog", "owl"].iter().enumerate() {
        fs::create_dir_all(place.path("images").join(label)).expect("a directory");
        (0..6).for_each(|n| place.image(&format!("images/{label}/{n}.png"), 8, 4, 40 * at as u32 + n));
    }
    place
}

fn read(place: &Place, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(place.path(name)).expect("a file")).expect("JSON")
}

fn made<'r>(report: &'r Value, file: &str) -> &'r Value {
    let decided = report["decided"].as_array().expect("plans").iter().find(|decided| decided["file"] == file);
    decided.unwrap_or_else(|| panic!("no {file} in {report}"))
}

#[test]
fn a_search_writes_plans_that_train_and_compile() {
    let place = place();
    let wanted = ["--mu", "0.5,1", "--budget", "1000s", "--random", "2", "--uniform", "--each-layer", "--keep-ties"];
    let search = [&["search", "open.mpv", "-o", "out", "--lambda", "0.01"], &quick()[..], &wanted].concat();
    let report = place.json(&search);
    assert_eq!(report, read(&place, "out/search.json"));
    assert_eq!(read(&place, "out/training.json")["command"], "search");

    let alpha: Vec<f64> = (0..2).filter_map(|head| report["found"][0]["alpha"][0][head][0].as_f64()).collect();
    assert!(alpha.len() == 2 && alpha.iter().all(|a| *a < 1.0 && *a > 0.5), "{alpha:?}");
    let weights = &report["penalty"]["weights"]["ATTN.0.alpha"];
    assert_eq!(weights, &serde_json::json!([1.0, 1.0]));
    let best = usize::from(alpha[1] > alpha[0]);
    assert_eq!(report["ranking"]["ATTN"][0]["position"], best);

    let seconds = |file: &str| made(&report, file)["seconds"]["counted"].as_f64().expect("seconds");
    assert!(seconds("threshold-1.json") > seconds("threshold-0.5.json"));
    assert_eq!(made(&report, "threshold-1.json")["plans"]["ATTN"], serde_json::json!([["rs", "rs"]]));
    assert_eq!(made(&report, "budget-1000s.json")["kept"]["ATTN"], 2);
    assert_eq!(made(&report, "uniform-0.5.json")["plans"]["ATTN"], serde_json::json!([["rs", "scale"]]));
    for file in ["random-0.5-1.json", "random-0.5-2.json", "layers-0.5.json"] {
        assert_eq!(made(&report, file)["kept"]["ATTN"], 1);
        assert_eq!(made(&report, file)["plans"], read(&place, &format!("out/plans/{file}")));
    }

    // Repeated, it has nothing left to train and finds the same.
    assert_eq!(place.json(&search), report);
    let again = ["search", "open.mpv", "--found", "out/search.json", "--mu", "0.5", "--net", "lan", "-o", "again"];
    let again = place.json(&again);
    assert_eq!((&again["found"], &again["penalty"]), (&report["found"], &report["penalty"]));
    assert!(made(&again, "mu-0.5.json")["seconds"]["online"].as_f64() < Some(seconds("threshold-0.5.json")));

    let plan = ["open.mpv", "--plan", "ATTN=again/plans/mu-0.5.json"];
    place.good(&[&["train"], &plan[..], &quick(), &["--ranges-from", "4", "-o", "student"]].concat());
    let ranges = ["--ranges", "student/model.ranges.json", "-o", "student.mpca"];
    place.good(&[&["compile"], &plan[..], &ranges].concat());
}

#[test]
fn coefficients_can_be_weighed_alike_and_text_says_what_is_next() {
    let place = place();
    let text =
        place.good(&[&["search", "open.mpv", "-o", "out", "--unweighted", "--mu", "0.5"], &quick()[..]].concat());
    for said in ["ATTN", "ATTN 1/2", "mu-0.5.json", "mpcc train open.mpv --plan ATTN=out/plans/mu-0.5.json"] {
        assert!(text.contains(said), "`{said}` is not said in: {text}");
    }
    assert_eq!(read(&place, "out/search.json")["penalty"]["predicted"], false);
}

#[test]
fn what_cannot_be_searched_is_refused_before_it_is_trained() {
    let place = place();
    let search = |more: &[&'static str]| [&["search", "open.mpv", "-o", "out"], more].concat();
    place.bad_usage(&search(&[]), "--data");
    place.bad_usage(&search(&["--data", "images", "--mu", "1.5"]), "from 0 to 1");
    place.bad_usage(&search(&["--data", "images", "--budget", "soon"]), "2.5s");
    place.bad_usage(&search(&["--data", "images", "--found", "x.json"]), "--found");
    place.bad(&search(&["--data", "images", "--share", "ACT=0.5"]), 2, &["ACT", "ATTN"]);
    place.bad(&search(&["--data", "images", "--budget", "1ms"]), 1, &["0.001 s", "not enough"]);
    place.bad(&["search", "attention.mpv", "--data", "images", "-o", "out"], 1, &["search[", "--plan"]);
    place.bad_usage(&search(&["--found", "x.json", "--warm-up", "3"]), "--warm-up is of no use");
    place.bad(&search(&["--found", "missing.json"]), 1, &["missing.json"]);
    place.write("other.json", "{}");
    place.bad(&search(&["--found", "other.json"]), 1, &["other.json", "search.json"]);
    // The wrong way round nothing would be penalised.
    let swapped = fs::read_to_string(place.path("open.mpv")).expect("a file").replace("[rs, scale]", "[scale, rs]");
    place.write("swapped.mpv", &swapped);
    place.bad(&["search", "swapped.mpv", "--data", "images", "-o", "out"], 1, &["costliest first"]);
}
