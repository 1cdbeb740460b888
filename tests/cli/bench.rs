//! Published tables, made again on few rows.

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
