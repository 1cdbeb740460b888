//! Growth of cost as a Markdown report with a chart.

use super::{Axis, Point, Report};

/// The whole report; `chart` is the name of the drawing beside it.
pub(super) fn report(report: &Report, chart: &str) -> String {
    let mut out = "# How cost grows\n\n".to_owned();
    out += &report.setting.markdown();
    out += &format!(
        "\nMade by `mpcc bench scaling`: encoder blocks of width 256 with 4 heads, ReLU-softmax and GeLU, on random weights, three \
         processes\non one machine. Figures are of one inference; seconds are medians of sessions, then in brackets predicted \
         with the rates\n\"{}\". In the chart lines are predicted and points measured.\n\n![Seconds and memory of one inference \
         against tokens, layers and batch]({chart})\n",
        report.rates
    );
    for axis in Axis::ALL {
        let points: Vec<&Point> = report.points.iter().filter(|p| p.axis == axis).collect();
        if points.is_empty() {
            continue;
        }
        out += &format!("\n## By {}: {}\n\n", axis.name(), axis.fixed());
        out += &format!(
            "| {} | network | hops | MB sent | MB dealt | online s | offline s | inferences a second online | memory MB, model owner \
             / data owner / dealer |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|\n",
            axis.name()
        );
        points.iter().for_each(|point| out += &row(point));
    }
    out
}

fn row(point: &Point) -> String {
    let p = &point.predicted;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let Some(m) = &point.measured else { return String::new() };
    let memory = [
        (m.peak_rss_bytes.model_owner, p.peak_rss_bytes.model_owner),
        (m.peak_rss_bytes.data_owner, p.peak_rss_bytes.data_owner),
        (m.peak_rss_bytes.dealer, p.peak_rss_bytes.dealer),
    ];
    let memory = memory.map(|(m, p)| format!("{:.0} ({:.0})", megabytes(m), megabytes(p))).join(" / ");
    format!(
        "| {} | {} | {} | {:.2} | {:.1} | {:.4} ({:.4}) | {:.4} ({:.4}) | {:.2} | {memory} |\n",
        point.size,
        point.network,
        p.hops,
        megabytes(p.online_bytes.model_owner.max(p.online_bytes.data_owner)),
        megabytes(p.offline_bytes.model_owner + p.offline_bytes.data_owner),
        m.online_seconds,
        p.online_seconds,
        m.offline_seconds,
        p.offline_seconds,
        1.0 / m.online_seconds,
    )
}
