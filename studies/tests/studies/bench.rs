//! Published tables, made again on few rows, and whole networks.

use crate::support::Place;

/// In percent: SPU's least errors, and a third of that for softmax.
const LIMITS: [(&str, f64); 4] =
    [("softmax", 0.15 / 3.0), ("softmax, static shift", 0.15), ("ReLU-softmax", 0.005), ("scaling", 0.025)];

#[test]
fn errors_of_attention_functions_are_below_the_least_of_spu() {
    let table = Place::new().json(&["bench", "table1", "--rows", "32"]);
    let entries = table["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 4 * 6);
    for entry in entries {
        let name = entry["function"].as_str().expect("a name");
        let limit = LIMITS.iter().find(|(known, _)| *known == name).expect("a known function").1;
        let percent = entry["percent"].as_f64().expect("a number");
        assert!(percent > 0.0 && percent <= limit, "{entry}");
    }
}

#[test]
fn layers_of_attention_take_no_more_hops_than_promised_and_a_fourth_of_the_time_of_spu() {
    let table = Place::new().json(&["bench", "table2", "--tokens", "65", "--measure", "none"]);
    let layers = table["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 12);
    let mut compared = 0;
    for layer in layers {
        let wan = &layer["networks"][1];
        assert!(layer["relative_error"].as_f64().expect("a number") < 5e-3, "{layer}");
        if let Some(most) = layer["most_hops"].as_u64() {
            assert!(wan["hops"].as_u64().expect("a number") <= most, "{layer}");
        }
        if let Some(times) = layer["spu"]["times_faster"].as_f64() {
            assert!(times >= 4.0, "{layer}");
            compared += 1;
        }
        let shifts = layer["function"] == "softmax, static shift";
        assert!(!shifts || wan["static_shift"] == true, "{layer}");
    }
    assert_eq!(compared, 5);
}

#[test]
fn a_layer_is_measured_in_a_session_of_its_own() {
    let table = Place::new().json(&["bench", "table2", "--tokens", "65", "--function", "scaling"]);
    let layers = table["layers"].as_array().expect("layers");
    let [loopback, wan] = [0, 1].map(|network| &layers[0]["networks"][network]);
    assert_eq!(layers.len(), 1);
    assert!(loopback["measured"]["online_seconds"].as_f64().expect("a number") > 0.0);
    assert_eq!(loopback["measured"]["hops"], loopback["predicted"]["hops"]);
    assert!(wan["measured"].is_null());
}

#[test]
fn a_network_is_measured_as_predicted() {
    let place = Place::new();
    let table = place.json(&["bench", "models", "--model", "cifar-2quad", "--repeat", "2", "--output", "report"]);
    let entries = table["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 1);
    let (predicted, measured) = (&entries[0]["predicted"], &entries[0]["measured"]);
    assert_eq!(measured["sessions"], 2);
    for counted in ["hops", "online_bytes", "setup_bytes"] {
        assert_eq!(measured[counted], predicted[counted], "{counted}");
    }
    let report = std::fs::read_to_string(place.path("report")).expect("a report");
    assert!(report.contains("| CIFAR ViT, 2Quad + Quad | 2 |"), "{report}");
}

#[test]
fn a_network_that_is_only_predicted_leaves_its_files_where_it_is_told() {
    let place = Place::new();
    let only = ["bench", "models", "--model", "cifar-2quad", "--repeat", "0", "--net", "lan,wan", "--keep", "kept"];
    let table = place.json(&only);
    let hops: Vec<_> = table["entries"].as_array().expect("entries").iter().map(|e| &e["predicted"]["hops"]).collect();
    assert_eq!(hops.len(), 2);
    for file in ["lan.mpca", "wan.mpca", "weights.safetensors", "pixels.npy"] {
        assert!(place.path("kept/cifar-2quad").join(file).exists(), "{file}");
    }
}

#[test]
fn growth_is_drawn_beside_its_report() {
    let place = Place::new();
    let few = ["bench", "scaling", "--axis", "tokens", "--most", "65", "--repeat", "1", "--output", "growth"];
    let points = place.json(&few)["points"].as_array().expect("points").len();
    assert_eq!(points, 1);
    let written = ["md", "svg"].map(|ending| place.path("growth").with_extension(ending));
    let [report, chart] = written.map(|file| std::fs::read_to_string(file).expect("a file"));
    assert!(report.contains("(growth.svg)") && report.contains("| 65 | loopback |"), "{report}");
    // Online and offline seconds, memory of a party and of the dealer: a line and a point each.
    assert_eq!((chart.matches("<polyline").count(), chart.matches("<circle").count()), (4, 4));
    place.bad_usage(&["bench", "scaling", "--repeat", "0", "--output", "growth"], "--repeat");
}

/// Inputs that nobody sends, of a vision and a text model: right or withheld; without checks some are wrong.
#[test]
fn a_search_finds_wrong_answers_only_where_nothing_is_checked() {
    let place = Place::new();
    let search = ["bench", "silence", "--generated", "2", "--seed", "1", "--count", "160", "--threads", "1"];
    let report = place.json(&search);
    let models = report["models"].as_array().expect("models");
    assert_eq!(models.len(), 2);
    for model in models {
        let sum = |what: &str| {
            let kinds = model["kinds"].as_array().expect("kinds");
            kinds.iter().map(|kind| kind[what].as_u64().expect("a number")).sum::<u64>()
        };
        assert_eq!((sum("tried"), sum("wrong")), (160, 0), "{model}");
        assert!(sum("answered") > 60 && sum("withheld") > 5, "{model}");
        let kinds = model["kinds"].as_array().expect("kinds");
        assert!(kinds.iter().any(|kind| kind["kind"] == "climbed"), "{model}");
    }
    let observed = place.run(&[&search[..], &["--ranges", "observed", "--keep", "found"]].concat());
    let said = String::from_utf8_lossy(&observed.stderr).into_owned();
    assert_eq!(observed.status.code(), Some(1), "{said}");
    assert!(said.contains("were not withheld"), "{said}");
    let kept = std::fs::read_dir(place.path("found")).expect("inputs are kept");
    assert!(kept.filter_map(Result::ok).any(|file| file.path().extension().is_some_and(|e| e == "npy")));
}
