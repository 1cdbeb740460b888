//! One page with everything a reader needs and nothing outside itself: well-formed, so that any parser reads it, with its
//! style and drawings inside and no script.

mod grid;
mod label;
mod markup;
mod plot;
mod tables;

use self::markup::escape;
use super::report::Report;

/// Colours, layout, and what changes on a phone, in the dark and on paper.
const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(report: &Report) -> String {
    let title = format!("Accuracy and latency of {}", escape(&report.about.model));
    let mut out = String::new();
    out += "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
    out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n";
    out += "<meta name=\"color-scheme\" content=\"light dark\"/>\n";
    out += &format!("<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n");
    out += &format!("<h1>{title}</h1>\n<p>{}</p>\n", introduction(report));
    section(&mut out, "Accuracy over online time", &plot::figures(report));
    section(&mut out, "Accuracy", &tables::accuracy(report));
    section(&mut out, "Variants", &tables::variants(report));
    section(&mut out, "Cost of one inference", &tables::costs(report));
    let plans = grid::plans(report);
    if !plans.is_empty() {
        section(&mut out, "Plans", &plans);
    }
    section(&mut out, "How this was measured", &about(report));
    out + "</main>\n</body>\n</html>\n"
}

fn section(out: &mut String, heading: &str, content: &str) {
    *out += &format!("<section>\n<h2>{heading}</h2>\n{content}</section>\n");
}

/// How many inputs the float network got, and how many were run privately.
fn inputs(report: &Report) -> (usize, usize) {
    report.points.first().map_or((0, 0), |p| (p.float.inputs, p.float_on_private_inputs.inputs))
}

fn introduction(report: &Report) -> String {
    let (float, private) = inputs(report);
    let several = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let ran = match private {
        0 => "none was run privately".to_owned(),
        n => format!("{n} of them were also run privately, between a model owner and a data owner"),
    };
    format!(
        "{} of {}, as the float network on {float} labelled inputs; {ran}.",
        several(report.points.len(), "trained network"),
        several(report.variants.len(), "variant"),
    )
}

fn about(report: &Report) -> String {
    let about = &report.about;
    let (float, private) = inputs(report);
    let mut rows = vec![
        ("Model", format!("{} of {}", about.model, about.file)),
        ("Trust", about.trust.clone()),
        ("Made", about.setting.markdown().trim_end().to_owned()),
        ("Inputs", {
            let labels = report.labels;
            format!("{float} for the float network, {private} of them privately, evenly over {labels} labels")
        }),
    ];
    if private > 0 {
        rows.push((
            "Private runs",
            "three processes on this machine over TLS, in one session, links not slowed; the program is that for the \
             first network unless the table of accuracies says otherwise"
                .to_owned(),
        ));
    }
    rows.push(match about.sessions {
        0 => ("Seconds", format!("predicted with {} rates; none were measured", about.rates)),
        n => (
            "Seconds",
            format!(
                "median of {n} session{} of one inference on the imitated network; predicted with {} rates",
                if n == 1 { "" } else { "s" },
                about.rates
            ),
        ),
    });
    let mut out = String::from("<dl>\n");
    for (term, text) in rows {
        out += &format!("<dt>{term}</dt><dd>{}</dd>\n", escape(&text));
    }
    out + "</dl>\n"
}

#[cfg(test)]
mod tests {
    use super::super::report::{self, tests::point};
    use super::*;

    #[test]
    fn text_of_the_user_is_no_markup() {
        let hostile = "<script>&\"'";
        let report = report::tests::report(vec![point(hostile, hostile, 50, 1.0)]);
        let page = page(&report);
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;&amp;&quot;&#39;"), "{page}");
    }
}
