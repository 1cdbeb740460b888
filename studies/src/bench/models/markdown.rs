//! The table of networks as a Markdown report.

use super::{Entry, Medians, Report};

/// The whole report.
pub(super) fn report(report: &Report) -> String {
    let mut out = "# Networks, predicted and measured\n\n".to_owned();
    out += &report.setting.markdown();
    out += "\nMade by `mpcc bench models`: three processes on one machine, one inference a session, from a cold start. Weights and\n\
            inputs are those of a seed. ";
    out += &format!(
        "Seconds are predicted with the rates \"{}\", and protocols are chosen\nwith alpha = {}. Cells show what is measured, then in \
         brackets what is predicted.\n",
        report.rates, report.alpha
    );
    let mut networks: Vec<&str> = Vec::new();
    for entry in &report.entries {
        if !networks.contains(&entry.network.as_str()) {
            networks.push(&entry.network);
        }
    }
    for network in networks {
        let entries: Vec<&Entry> = report.entries.iter().filter(|e| e.network == network).collect();
        out += &format!("\n## On {network}\n\n");
        out += "| network | sessions | hops | MB sent online, model / data owner | online s (fastest to slowest) | offline s | setup s | \
                MB dealt | peak memory MB, model owner / data owner / dealer |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
        entries.iter().for_each(|entry| out += &row(entry));
        if entries.iter().any(|e| e.ideal.is_some()) {
            out += &ideal(network, &entries);
        }
    }
    out
}

fn row(entry: &Entry) -> String {
    let (p, m) = (&entry.predicted, entry.measured.as_ref());
    let seconds = |measured: fn(&Medians) -> f64, predicted: f64| match m {
        Some(m) => format!("{:.3} ({predicted:.3})", measured(m)),
        None => format!("({predicted:.3})"),
    };
    let spread = m.map_or(String::new(), |m| format!(", {:.3} to {:.3}", m.online_extremes[0], m.online_extremes[1]));
    let held = &p.peak_rss_bytes;
    let predicted = [held.model_owner, held.data_owner, held.dealer];
    let memory = match m.map(|m| m.peak_rss_bytes) {
        Some(used) => {
            let used = [used.model_owner, used.data_owner, used.dealer];
            let both = used.iter().zip(predicted).map(|(m, p)| format!("{:.0} ({:.0})", megabytes(*m), megabytes(p)));
            both.collect::<Vec<_>>().join(" / ")
        }
        None => predicted.map(|p| format!("({:.0})", megabytes(p))).join(" / "),
    };
    format!(
        "| {} | {} | {} | {:.2} / {:.2} | {}{spread} | {} | {} | {:.1} | {memory} |\n",
        entry.what,
        m.map_or(0, |m| m.sessions),
        p.hops,
        megabytes(p.online_bytes.model_owner),
        megabytes(p.online_bytes.data_owner),
        seconds(|m| m.online_seconds, p.online_seconds),
        seconds(|m| m.offline_seconds, p.offline_seconds),
        seconds(|m| m.setup_seconds, p.setup_seconds),
        megabytes(p.offline_bytes.model_owner + p.offline_bytes.data_owner),
    )
}

fn ideal(network: &str, entries: &[&Entry]) -> String {
    let mut out = format!(
        "\nWhat {network} itself takes, half a round trip for every hop and the bytes of the party that sends more, and the same \
         program\nwith links that are not paced:\n\n| network | hops s | bytes s | computing s | sum s | measured s | measured / sum \
         |\n|---|---:|---:|---:|---:|---:|---:|\n"
    );
    for entry in entries {
        let (Some(ideal), Some(measured)) = (&entry.ideal, &entry.measured) else { continue };
        out += &format!(
            "| {} | {:.2} | {:.2} | {:.3} | {:.2} | {:.2} | {:.3} |\n",
            entry.what,
            ideal.hop_seconds,
            ideal.line_seconds,
            ideal.compute_seconds,
            ideal.hop_seconds + ideal.line_seconds + ideal.compute_seconds,
            measured.online_seconds,
            ideal.ratio,
        );
    }
    out
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
