//! Accuracies, seeds and costs as tables.

use super::super::points::Origin;
use super::super::report::{Counted, Point, Private, Report, Spread, VariantOnNetwork};
use super::markup::{Column, bytes, percent, seconds, table};

/// Each trained network: what it gets right in float and privately, and how it was made.
pub(super) fn accuracy(report: &Report) -> String {
    let (float, private) = super::inputs(report);
    let mut columns = vec![Column::text("name"), Column::figures(&format!("float, {float} inputs"))];
    if private > 0 {
        columns.push(Column::figures(&format!("private, {private} inputs")));
        columns.push(Column::figures("float, the same inputs"));
        columns.push(Column::figures("labels that differ"));
        columns.push(Column::figures("largest output error"));
    }
    columns.push(Column::text("training"));
    let mut rows = Vec::new();
    for point in &report.points {
        let mut row = vec![point.name.clone(), counted(point.float)];
        if private > 0 {
            let ran = point.networks.iter().find_map(|on| on.private);
            let cell = |text: &dyn Fn(Private) -> String| ran.map(text).unwrap_or_default();
            row.push(cell(&|ran| counted(ran.counted())));
            row.push(counted(point.float_on_private_inputs));
            row.push(cell(&|ran| (ran.inputs - ran.agreeing).to_string()));
            row.push(cell(&|ran| format!("{:.4}", ran.largest_error)));
        }
        row.push(training(&point.origin));
        rows.push(row);
    }
    let mut out = table("Right labels of each trained network", &columns, &rows);
    if private > 0 {
        out += &further_programs(report);
        out += &format!(
            "<p class=\"note\">± is the half-width of the interval that holds the accuracy over all inputs of this kind \
             with 95 % confidence (Wilson); the {private} private inputs are the same for every network.</p>\n"
        );
    }
    out
}

/// Private runs of programs for other networks, where they were asked for.
fn further_programs(report: &Report) -> String {
    let mut rows = Vec::new();
    for point in &report.points {
        let mut seen: Vec<&str> = Vec::new();
        for on in &point.networks {
            let Some(ran) = on.private else { continue };
            if seen.contains(&on.program.as_str()) {
                continue;
            }
            seen.push(&on.program);
            rows.push(vec![
                point.name.clone(),
                on.network.clone(),
                counted(ran.counted()),
                (ran.inputs - ran.agreeing).to_string(),
                format!("{:.4}", ran.largest_error),
            ]);
        }
    }
    if rows.len() <= report.points.len() {
        return String::new();
    }
    let columns = [
        Column::text("name"),
        Column::text("program for"),
        Column::figures("private"),
        Column::figures("labels that differ"),
        Column::figures("largest output error"),
    ];
    table("Private runs by program", &columns, &rows)
}

/// With the half-width of Wilson's interval for 95 %.
fn counted(counted: Counted) -> String {
    let (n, p, z) = (counted.inputs.max(1) as f64, counted.accuracy(), 1.96);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    format!("{} ±\u{a0}{:.1}", percent(p), 100.0 * half)
}

/// How weights came about, in words.
pub(super) fn training(origin: &Origin) -> String {
    if !origin.recorded {
        return "not recorded".to_owned();
    }
    let mut parts = Vec::new();
    let of = origin.training_images.map_or(String::new(), |n| format!(" of {n} inputs"));
    parts.extend(origin.epochs.map(|n| format!("{n} epoch{}{of}", if n == 1 { "" } else { "s" })));
    parts.extend(origin.seed.map(|seed| format!("seed {seed}")));
    parts.push(
        origin.teacher.as_ref().map_or("not distilled".to_owned(), |teacher| format!("distilled from {teacher}")),
    );
    parts.extend(origin.from.as_ref().map(|from| format!("began with {from}")));
    parts.join(", ")
}

/// Mean, least and most over the seeds of each variant.
pub(super) fn variants(report: &Report) -> String {
    let networks = report.networks();
    let (_, private) = super::inputs(report);
    let mut columns = vec![Column::text("variant"), Column::figures("seeds"), Column::figures("float")];
    if private > 0 {
        columns.push(Column::figures("private"));
    }
    columns.extend(networks.iter().map(|network| Column::figures(&format!("online, {network}"))));
    columns.push(Column::text("unbeaten on"));
    let mut rows = Vec::new();
    for variant in &report.variants {
        let mut row =
            vec![variant.name.clone(), variant.points.len().to_string(), spread(variant.float_accuracy, percent)];
        if private > 0 {
            let first = variant.networks.first().and_then(|on| on.private_accuracy);
            row.push(first.map(|s| spread(s, percent)).unwrap_or_default());
        }
        row.extend(variant.networks.iter().map(|on| spread(on.online_seconds, seconds)));
        let on_front = |on: &&VariantOnNetwork| if private > 0 { on.on_private_front } else { on.on_float_front };
        row.push(variant.networks.iter().filter(on_front).map(|on| on.network.as_str()).collect::<Vec<_>>().join(", "));
        rows.push(row);
    }
    let caption = match report.variants.iter().any(|v| v.points.len() > 1) {
        true => "Mean (least – most) over the seeds of each variant",
        false => "Each variant has one seed",
    };
    table(caption, &columns, &rows)
        + "<p class=\"note\">Unbeaten: no other variant is as fast and as accurate, and better in one of them, by the means.</p>\n"
}

/// The mean, and both ends if they differ; they go without their unit where it is the mean's.
fn spread(spread: Spread, shown: fn(f64) -> String) -> String {
    let [mean, least, most] = [spread.mean, spread.least, spread.most].map(shown);
    if least == most {
        return mean;
    }
    let unit = mean.find('\u{a0}').map_or("", |at| &mean[at..]);
    let (least, most) = match (least.strip_suffix(unit), most.strip_suffix(unit)) {
        (Some(least), Some(most)) => (least, most),
        _ => (least.as_str(), most.as_str()),
    };
    // A joiner keeps the line from ending behind the dash.
    format!("{mean} ({least}\u{a0}–\u{2060}\u{a0}{most})")
}

/// Hops, bytes and seconds by network.
pub(super) fn costs(report: &Report) -> String {
    let measured = report.about.sessions > 0;
    let mut columns = vec![
        Column::text("name"),
        Column::figures("hops"),
        Column::figures("model owner sends"),
        Column::figures("data owner sends"),
        Column::figures("dealt"),
        Column::figures("online, predicted"),
    ];
    if measured {
        columns.push(Column::figures("online, measured"));
    }
    columns.push(Column::figures("offline, predicted"));
    if measured {
        columns.push(Column::figures("offline, measured"));
    }
    let mut out = String::new();
    for network in report.networks() {
        let rows: Vec<Vec<String>> = report.points.iter().filter_map(|point| cost(point, network, measured)).collect();
        out += &table(&format!("On {network}"), &columns, &rows);
    }
    if measured {
        out += "<p class=\"note\">Measured online seconds are medians, with the fastest and the slowest session in brackets.</p>\n";
    }
    out
}

fn cost(point: &Point, network: &str, measured: bool) -> Option<Vec<String>> {
    let on = point.networks.iter().find(|on| on.network == network)?;
    let p = &on.predicted;
    let mut row = vec![
        point.name.clone(),
        p.hops.to_string(),
        bytes(p.online_bytes.model_owner),
        bytes(p.online_bytes.data_owner),
        bytes(p.offline_bytes.model_owner + p.offline_bytes.data_owner),
        seconds(p.online_seconds),
    ];
    if measured {
        row.push(on.measured.as_ref().map_or(String::new(), |m| {
            let [least, most] = m.online_extremes;
            spread(Spread { mean: m.online_seconds, least, most }, seconds)
        }));
    }
    row.push(seconds(p.offline_seconds));
    if measured {
        row.push(on.measured.as_ref().map_or(String::new(), |m| seconds(m.offline_seconds)));
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accuracy_has_its_interval() {
        // Wilson's interval for 50 of 100 is 40.4 to 59.6 percent.
        assert_eq!(counted(Counted { inputs: 100, correct: 50 }), "50.0\u{a0}% ±\u{a0}9.6");
    }

    #[test]
    fn ends_share_the_unit_of_the_mean_where_it_is_theirs() {
        let shown = |mean, least, most| spread(Spread { mean, least, most }, seconds);
        assert_eq!(shown(0.05, 0.04, 0.06), "50.0\u{a0}ms (40.0\u{a0}–\u{2060}\u{a0}60.0)");
        assert_eq!(shown(1.0, 0.5, 1.5), "1.00\u{a0}s (500.0\u{a0}ms\u{a0}–\u{2060}\u{a0}1.50\u{a0}s)");
        assert_eq!(shown(2.0, 2.0, 2.0), "2.00\u{a0}s");
    }

    #[test]
    fn training_is_told_as_far_as_it_is_known() {
        assert_eq!(training(&Origin::default()), "not recorded");
        let origin = Origin {
            seed: Some(3),
            epochs: Some(1),
            training_images: Some(50),
            teacher: Some("t".into()),
            recorded: true,
            ..Origin::default()
        };
        assert_eq!(training(&origin), "1 epoch of 50 inputs, seed 3, distilled from t");
    }
}
