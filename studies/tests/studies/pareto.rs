//! Trained variants beside each other: what is written for programs and for people says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::support::Place;

/// Two heads, each with ReLU-softmax or scaling attention.
const MODEL: &str = include_str!("attention.mpv");

/// As hostile as a name may be.
const NAME: &str = "a<b>&\"'c,d-s1";

/// Two seeds of a variant and another, of which one has a plan of its own, and labelled images.
fn place() -> Place {
    let place = Place::new();
    place.write("attention.mpv", MODEL);
    for label in ["cat", "dog", "owl"] {
        fs::create_dir_all(place.path("images").join(label)).expect("a directory");
        (0..2).for_each(|n| place.image(&format!("images/{label}/{n}.png"), 8, 4, n + u32::from(label.as_bytes()[0])));
    }
    for (seed, plan) in [("1", None), ("2", Some("[[\"scale\", \"scale\"]]"))] {
        let directory = format!("runs/point-s{seed}");
        fs::create_dir_all(place.path(&directory)).expect("a directory");
        let [weights, ranges, plan_file] =
            ["weights.safetensors", "model.ranges.json", "plan.json"].map(|file| format!("{directory}/{file}"));
        place.good(&["weights", "attention.mpv", "--seed", seed, "-o", "w.safetensors"]);
        // Untrained scores are too close together for their order to survive rounding.
        place.change_weights(|tensors| tensors.iter_mut().flat_map(|t| &mut t.2).for_each(|entry| *entry *= 8.0));
        fs::copy(place.path("w.safetensors"), place.path(&weights)).expect("a copy");
        let mut calibrate =
            vec!["simulate", "attention.mpv", "--weights", &weights, "--calibrate", "images", "-o", &ranges];
        let replaced = format!("ATTN={plan_file}");
        if let Some(plan) = plan {
            place.write(&plan_file, &format!("{{\"ATTN\": {plan}}}"));
            calibrate.extend(["--plan", &replaced]);
        }
        place.good(&calibrate);
    }
    let record = r#"{"schema": "mpcc.training/1", "seed": 2, "epochs": 7, "teacher": "runs/t<t/weights.safetensors",
        "plans": [["HALF", "per_head<1, 2> = [[scale; 2]]"]]}"#;
    place.write("runs/point-s2/training.json", record);
    place
}

#[test]
fn table_record_and_page_agree() {
    let place = place();
    let point = format!("{NAME}=runs/point-s1");
    let report = place.json(&[
        "bench",
        "pareto",
        "attention.mpv",
        "--point",
        &point,
        "--points",
        "runs",
        "--data",
        "images",
        "--images",
        "4",
        "--net",
        "loopback",
        "--repeat",
        "1",
        "-o",
        "report",
    ]);
    let read = |name: &str| fs::read_to_string(place.path("report").join(name)).expect("a file");
    let (csv, json, page) = (read("pareto.csv"), read("pareto.json"), read("pareto.html"));
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON"), report);

    let points = report["points"].as_array().expect("points");
    let names: Vec<&str> = points.iter().map(|p| p["name"].as_str().expect("a name")).collect();
    assert_eq!(names, [NAME, "point-s1", "point-s2"]);
    let variants = report["variants"].as_array().expect("variants");
    assert_eq!(variants.iter().map(|v| v["points"].as_array().map_or(0, Vec::len)).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(points[2]["plans"][0]["layers"], serde_json::json!([["scale", "scale"]]));
    assert!(
        points[2]["networks"][0]["predicted"]["hops"].as_u64() < points[1]["networks"][0]["predicted"]["hops"].as_u64()
    );

    let rows: Vec<Vec<String>> = csv.lines().map(cells).collect();
    assert_eq!(rows.len(), 1 + points.len());
    for (row, point) in rows[1..].iter().zip(points) {
        let of: BTreeMap<&str, &str> = rows[0].iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect();
        let on = &point["networks"][0];
        assert_eq!(of["name"], point["name"].as_str().expect("a name"));
        for (column, value) in [
            ("float_correct", &point["float"]["correct"]),
            ("private_inputs", &on["private"]["inputs"]),
            ("private_correct", &on["private"]["correct"]),
            ("agreeing_labels", &on["private"]["agreeing"]),
            ("hops", &on["measured"]["hops"]),
            ("online_bytes_data_owner", &on["measured"]["online_bytes"]["data_owner"]),
            ("online_seconds", &on["measured"]["online_seconds"]),
        ] {
            assert_eq!(of[column].parse::<f64>().ok(), value.as_f64(), "{column}");
        }
        let error = on["private"]["largest_error"].as_f64().expect("a number");
        assert!(error > 0.0 && error < 0.01, "{error}");
        assert_eq!(on["private"]["agreeing"], 4);
        assert_eq!(point["float"]["inputs"], 6);
        // The page has the same figures, where it should.
        let shown = [
            format!("<td role=\"cell\" class=\"n\" data-head=\"largest output error\">{error:.4}</td>"),
            format!("<td role=\"cell\" class=\"n\" data-head=\"hops\">{}</td>", on["measured"]["hops"]),
        ];
        shown.iter().for_each(|shown| assert!(page.contains(shown), "{shown}"));
    }
    assert!(page.contains("7 epochs, seed 2, distilled from t&lt;t"), "{page}");
    assert!(page.contains("Layer 0: [scale; 2]."), "{page}");
    self_contained(&page);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_measured() {
    let place = place();
    let pareto = |more: &[&'static str]| [&["bench", "pareto", "attention.mpv", "-o", "report"], more].concat();
    place.bad(&pareto(&["--points", "runs", "--data", "runs"]), 1, &["runs"]);
    place.bad(&pareto(&["--points", "images", "--data", "images"]), 1, &["no directory", "weights.safetensors"]);
    place.bad(&pareto(&["--points", "runs", "--data", "images", "--images", "7"]), 2, &["6 labelled inputs"]);
    place.bad(&pareto(&["--points", "runs", "--data", "images", "--net", "lan,lan"]), 2, &["lan twice"]);
    place.bad(
        &pareto(&["--point", "a=runs/point-s1", "--point", "a=runs/point-s2", "--data", "images"]),
        2,
        &["called a"],
    );
    for other in ["scale", "search[rs, scale]"] {
        let record = format!(r#"{{"plans": [["ATTN", "per_head<1, 2> = [[{other}; 2]]"]]}}"#);
        place.write("runs/point-s1/training.json", &record);
        place.bad(&pareto(&["--points", "runs", "--data", "images"]), 1, &["point-s1", "other plans", "plan.json"]);
    }
    fs::remove_file(place.path("runs/point-s1/training.json")).expect("a record");
    fs::remove_file(place.path("runs/point-s2/model.ranges.json")).expect("ranges");
    place.bad(&pareto(&["--points", "runs", "--data", "images"]), 1, &["point-s2", "model.ranges.json"]);
    place.bad_usage(&pareto(&["--data", "images"]), "--point");
}

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = cells.last_mut().expect("a cell");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => last.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => last.push(c),
        }
    }
    cells
}

/// The page is well-formed, refers to nothing outside itself, and says what its drawings show.
fn self_contained(page: &str) {
    let page = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let (before, after) = page.split_once("<style>").expect("a style");
    let (style, after) = after.split_once("</style>").expect("the end of the style");
    for outside in ["http:", "https:", "url(", "@import", "<script", "src=", "href="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!style.contains(['<', '&']) && style.matches('{').count() == style.matches('}').count());
    let (mut open, mut ids, mut named) = (Vec::new(), BTreeSet::new(), Vec::new());
    let markup = format!("{before}{after}");
    let mut rest = markup.as_str();
    while let Some((text, tag)) = rest.split_once('<') {
        plain(text);
        let (tag, after) = tag.split_once('>').expect("the end of a tag");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "an end without its beginning");
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut seen = BTreeSet::new();
        while let Some((key, value)) = attributes.trim_start().split_once("=\"") {
            let (value, more) = value.split_once('"').expect("the end of a value");
            attributes = more;
            plain(value);
            assert!(seen.insert(key), "{key} twice in {tag}");
            match key {
                "id" => assert!(ids.insert(value), "{value} twice"),
                "aria-labelledby" => named.extend(value.split(' ')),
                _ => {}
            }
        }
        assert_eq!(attributes.trim(), "", "{tag}");
        if name == "svg" {
            assert!(seen.contains("aria-labelledby") || seen.contains("aria-hidden"), "{tag}");
        }
        if !closed {
            open.push(name);
        }
    }
    plain(rest);
    assert!(open.is_empty(), "{open:?}");
    assert!(named.iter().all(|name| ids.contains(name)), "{named:?}");
}

/// Text whose every ampersand begins a reference that needs no definition.
fn plain(text: &str) {
    for reference in text.split('&').skip(1) {
        let (name, _) = reference.split_once(';').expect("the end of a reference");
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{name}");
    }
    assert!(!text.contains('>'), "{text}");
}
