//! `mpcc compile --passes`: what each rewrite saves, without weights or value ranges.

use std::iter;

use anyhow::Result;
use mpcc_cli::model::Source;
use mpcc_cli::planning;
use mpcc_cli::progress::Bar;
use mpcc_cli::report::{Bytes, table};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::passes::{PASSES, Saving, Savings, savings};
use mpcc_program::cost::PartyBytes;
use serde::Serialize;

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    model: &'a str,
    #[serde(flatten)]
    savings: &'a Savings,
}

pub(super) fn run(source: &Source, terminal: &Terminal) -> Result<()> {
    let bar = Bar::new(terminal, PASSES.len() as u64, "planning without each pass");
    let found = savings(&source.rewritten.lowered, &source.plain_options(), |done| bar.set(done as u64));
    bar.finish();
    let savings = found.map_err(|errors| planning::diagnose(source, &errors))?;
    let report = Report { schema: "mpcc.passes/1", model: &source.rewritten.graph.name, savings: &savings };
    Ok(terminal.result(&report, || text(&savings))?)
}

fn text(savings: &Savings) -> String {
    let head = ["pass", "hops", "online", "dealer", "multiplications"];
    let rows: Vec<Vec<String>> = savings.passes.iter().map(row).collect();
    let table = table(&head, &rows);
    let width = table.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let notes = iter::once("").chain(savings.passes.iter().map(note));
    let mut out = String::new();
    for (line, note) in table.lines().zip(notes) {
        out += format!("{line:width$}  {note}").trim_end();
        out.push('\n');
    }
    let cost = &savings.cost;
    let both = |bytes: PartyBytes| Bytes(bytes.model_owner + bytes.data_owner);
    out + &format!(
        "\nA pass saved what the plan needs more without it; a minus is a price. Both parties are counted together.\n\
         With all passes: {} hops, {} online, {} from the dealer, {} multiplications.\n\
         The value ranges are those usual in such a network, so that no weights are needed: real ones change the bytes.\n",
        cost.hops,
        both(cost.online_bytes),
        both(cost.offline_bytes),
        count(cost.macs.iter().sum()),
    )
}

fn row(pass: &Saving) -> Vec<String> {
    let cells = match &pass.saved {
        Some(saved) => [
            saved.hops.to_string(),
            signed(saved.online_bytes, |n| Bytes(n).to_string()),
            signed(saved.offline_bytes, |n| Bytes(n).to_string()),
            signed(saved.multiplications, count),
        ],
        None => ["required", "-", "-", "-"].map(str::to_owned),
    };
    iter::once(pass.name.to_owned()).chain(cells).collect()
}

fn note(pass: &Saving) -> &str {
    match &pass.required {
        Some(reason) => reason,
        None if !pass.changed => "nothing to do",
        None => pass.summary,
    }
}

fn signed(number: i64, shown: impl Fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", shown(number.unsigned_abs()))
}

/// A count, with a unit from a million on.
fn count(number: u64) -> String {
    if number < 1_000_000 { number.to_string() } else { format!("{:.2} M", number as f64 / 1e6) }
}

#[cfg(test)]
mod tests {
    use mpcc_compiler::passes::Saved;
    use mpcc_program::cost::Cost;

    use super::*;

    #[test]
    fn prices_and_passes_that_nothing_goes_without_are_shown() {
        let saving = |saved, required: Option<&str>| Saving {
            name: "fold",
            summary: "folds",
            changed: true,
            saved,
            required: required.map(str::to_owned),
        };
        let saved = Saved { hops: 2, online_bytes: 1500, offline_bytes: -2_500_000, multiplications: 3_000_000 };
        let price = saving(Some(saved), None);
        assert_eq!(row(&price), ["fold", "2", "1.5 kB", "-2.50 MB", "3.00 M"]);
        let needed = saving(None, Some("no protocol"));
        assert_eq!((row(&needed)[1].as_str(), note(&needed)), ("required", "no protocol"));
        let savings = Savings { cost: Cost { hops: 7, ..Cost::default() }, passes: vec![price, needed] };
        let text = text(&savings);
        assert_eq!(text.lines().nth(1), Some("fold         2  1.5 kB  -2.50 MB           3.00 M  folds"), "{text}");
        assert!(text.contains("7 hops, 0 B online"), "{text}");
    }
}
