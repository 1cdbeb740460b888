//! What a search says at its end: a grid for every plan, and a table of the plans that it made.

use std::path::Path;

use mpcc_cli::report::{Seconds, table};
use mpcc_compiler::graph::Granularity;
use mpcc_training::search::{Found, SearchReport, Way};

/// More positions than this are not drawn.
const WIDEST: usize = 32;

pub(super) fn text(report: &SearchReport, folder: &Path, model: &str) -> String {
    let mut out = String::new();
    for found in &report.found {
        out += &grid(found);
    }
    let rows: Vec<Vec<String>> = report
        .decided
        .iter()
        .map(|decided| {
            let of = |plan: &str| report.ranking.get(plan).map_or(0, Vec::len);
            let kept = decided.kept.iter().map(|(plan, kept)| format!("{plan} {kept}/{}", of(plan)));
            let [online, offline] = match decided.seconds {
                Some(seconds) => [seconds.online, seconds.offline].map(|s| Seconds(s).to_string()),
                None => [String::new(), String::new()],
            };
            vec![decided.file.clone(), kept.collect::<Vec<_>>().join(", "), online, offline]
        })
        .collect();
    out += &table(&["plans", "kept", "online", "offline"], &rows);
    out += &format!("predicted for {}; files in {}\n", report.network, folder.join("plans").display());
    let searched = |way: Way| matches!(way, Way::Share { .. } | Way::Threshold { .. } | Way::Budget { .. });
    if let Some(decided) = report.decided.iter().find(|decided| searched(decided.way)) {
        let file = folder.join("plans").join(&decided.file);
        let plans: Vec<String> = decided.plans.keys().map(|plan| format!("--plan {plan}={}", file.display())).collect();
        out += &format!("next: mpcc train {model} {} --data DIR -o student\n", plans.join(" "));
    }
    out
}

/// The coefficients of first candidates, a line a layer.
fn grid(found: &Found) -> String {
    let unit = match found.granularity {
        Granularity::Head => "heads",
        Granularity::Row => "rows",
        Granularity::Layer => "layers",
    };
    let widest = found.alpha.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = format!("{}: coefficients of the first candidate, {unit}\n", found.plan);
    for (layer, entries) in found.alpha.iter().enumerate() {
        let numbers: Vec<f64> = entries.iter().filter_map(|alpha| alpha.first().copied()).collect();
        let line = if numbers.is_empty() {
            "decided".to_owned()
        } else if widest > WIDEST {
            let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
            let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!("{} open, {least:.3} to {most:.3}, mean {mean:.3}", numbers.len())
        } else {
            let one = |alpha: &Vec<f64>| alpha.first().map_or_else(|| "    -".to_owned(), |a| format!("{a:>5.2}"));
            entries.iter().map(one).collect::<Vec<_>>().join(" ")
        };
        out += &format!("  layer {layer:>2}  {line}\n");
    }
    out + "\n"
}
