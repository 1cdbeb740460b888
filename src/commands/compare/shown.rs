//! A comparison as people and spreadsheets read it: a table that fits the terminal, CSV, and one page of HTML.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use mpcc_cli::report::{Bytes, Seconds, table_within};
use mpcc_program::cost::PartyBytes;
use mpcc_program::shown::{lines, shown};

use super::{OnNetwork, Report, Row};

/// A file for the table.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// Where it goes.
    pub(super) path: PathBuf,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Csv,
    Html,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let form = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Form::Csv,
            Some("html" | "htm") => Form::Html,
            _ => return Err("its name ends in .csv or .html".to_owned()),
        };
        Ok(Self { path, form })
    }
}

impl Output {
    /// What is written.
    pub(super) fn text(&self, report: &Report) -> Result<String> {
        match self.form {
            Form::Csv => csv(report),
            Form::Html => Ok(html(report)),
        }
    }
}

/// A column for people.
type Column = (&'static str, fn(&Report, &Row, &OnNetwork) -> String);

const COLUMNS: [Column; 12] = [
    ("variant", |_, row, _| row.variant.clone()),
    ("by", |_, row, _| row.supplier.to_owned()),
    ("right", |_, row, _| right(row).unwrap_or_default()),
    ("as first", |report, row, _| as_first(report, row).unwrap_or_default()),
    ("error", |_, row, _| error(row)),
    ("no answer", |_, row, _| withheld(row)),
    ("network", |_, _, on| on.network.name().to_owned()),
    ("hops", |_, _, on| on.predicted.hops.to_string()),
    ("sent", |_, _, on| Bytes(larger(on.predicted.online_bytes)).to_string()),
    ("before", |_, _, on| Bytes(larger(before(on))).to_string()),
    ("online", |_, _, on| Seconds(on.predicted.online_seconds).to_string()),
    // How long two parties work before an inference is not predicted.
    ("offline", |_, _, on| {
        on.predicted.made.map_or(Seconds(on.predicted.offline_seconds).to_string(), |_| "-".to_owned())
    }),
];

fn right(row: &Row) -> Option<String> {
    let accuracy = row.measured.as_ref()?.accuracy.as_ref()?;
    Some(format!("{}/{}", accuracy.correct, accuracy.labelled))
}

fn as_first(report: &Report, row: &Row) -> Option<String> {
    Some(format!("{}/{}", row.measured.as_ref()?.as_first?, report.inputs))
}

fn error(row: &Row) -> String {
    row.measured.as_ref().and_then(|m| m.largest_error).map_or_else(|| "-".to_owned(), |error| format!("{error:.5}"))
}

fn withheld(row: &Row) -> String {
    row.measured.as_ref().map_or(0, |measured| measured.withheld).to_string()
}

fn larger(bytes: PartyBytes) -> u64 {
    bytes.model_owner.max(bytes.data_owner)
}

/// What each party has from a dealer, or sends to the other in order to make it.
fn before(on: &OnNetwork) -> PartyBytes {
    on.predicted.made.map_or(on.predicted.offline_bytes, |made| made.bytes)
}

/// Columns that say something, and their cells; a refused variant has none.
fn cells(report: &Report) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let rows = || report.rows.iter().flat_map(|row| row.networks.iter().map(move |on| (row, on)));
    let wanted = |name: &str| match name {
        "by" => report.rows.windows(2).any(|rows| rows[0].supplier != rows[1].supplier),
        "right" => report.rows.iter().any(|row| right(row).is_some()),
        "as first" => report.rows.iter().any(|row| as_first(report, row).is_some()),
        "no answer" => rows().any(|(row, _)| withheld(row) != "0"),
        _ => true,
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(|(name, _)| wanted(name)).collect();
    let one = |(row, on): (&Row, &OnNetwork)| columns.iter().map(|(_, cell)| cell(report, row, on)).collect();
    (columns.iter().map(|(name, _)| *name).collect(), rows().map(one).collect())
}

/// For lines of so many characters: one table, or one of what came of the inputs and one of the cost where it has no room. What
/// several networks have in common is said on the first.
pub(super) fn text(report: &Report, width: Option<usize>) -> String {
    let (head, rows) = cells(report);
    let split = head.iter().position(|name| *name == "network").unwrap_or(head.len());
    let mut out = about(report) + "\n";
    let whole = drawn(&head, rows.clone(), split, None);
    let widest = whole.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    if width.is_none_or(|width| widest <= width) {
        out += &whole;
    } else {
        let named = head.iter().take_while(|name| ["variant", "by"].contains(name)).count();
        let pick = |columns: &[usize]| {
            let of = |row: &Vec<String>| columns.iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
            (columns.iter().map(|at| head[*at]).collect::<Vec<_>>(), rows.iter().map(of).collect::<Vec<_>>())
        };
        let (head_of_labels, mut labels) = pick(&(0..split).collect::<Vec<_>>());
        labels.dedup();
        let (head_of_costs, costs) = pick(&(0..named).chain(split..head.len()).collect::<Vec<_>>());
        out += &drawn(&head_of_labels, labels, 0, width);
        out += "\n";
        out += &drawn(&head_of_costs, costs, named, width);
    }
    for line in refused(report) {
        out += &format!("{line}\n");
    }
    for path in &report.written {
        out += &format!("wrote      {}\n", shown(path));
    }
    out
}

/// A table in which the first so many cells are blank where they are those of the row above.
fn drawn(head: &[&str], mut rows: Vec<Vec<String>>, common: usize, width: Option<usize>) -> String {
    for at in (1..rows.len()).rev() {
        if rows[at][..common] == rows[at - 1][..common] {
            rows[at][..common].iter_mut().for_each(String::clear);
        }
    }
    table_within(head, &rows, width)
}

fn about(report: &Report) -> String {
    let inputs = if report.inputs == 1 { "1 input".to_owned() } else { format!("{} inputs", report.inputs) };
    format!("model      {}, on {inputs}\nseconds    by the rates of {}\n", shown(&report.model), shown(&report.rates))
}

fn refused(report: &Report) -> Vec<String> {
    let one = |row: &Row| {
        let reason = row.refused.as_ref()?;
        Some(format!("{} by {}: {reason}", shown(&row.variant), row.supplier))
    };
    report.rows.iter().filter_map(one).collect()
}

/// All figures, as RFC 4180 has them but for plain line ends.
fn csv(report: &Report) -> Result<String> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "variant",
        "options",
        "supplier",
        "network",
        "inputs",
        "labelled",
        "right",
        "float_right",
        "as_first",
        "withheld",
        "largest_error",
        "largest_difference_from_first",
        "hops",
        "online_bytes_model_owner",
        "online_bytes_data_owner",
        "before_bytes_model_owner",
        "before_bytes_data_owner",
        "before_hops",
        "setup_bytes",
        "online_seconds",
        "offline_seconds",
        "program",
        "refused",
    ])?;
    fn said<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    for row in &report.rows {
        let measured = row.measured.as_ref();
        let accuracy = measured.and_then(|m| m.accuracy.as_ref());
        let none = row.refused.is_some().then_some(None);
        for on in row.networks.iter().map(Some).chain(none) {
            let predicted = on.map(|on| &on.predicted);
            let made = predicted.and_then(|p| p.made);
            table.write_record([
                row.variant.clone(),
                row.options.clone(),
                row.supplier.to_owned(),
                said(on.map(|on| on.network.name())),
                report.inputs.to_string(),
                said(accuracy.map(|a| a.labelled)),
                said(accuracy.map(|a| a.correct)),
                said(accuracy.and_then(|a| a.float_correct)),
                said(measured.and_then(|m| m.as_first)),
                said(measured.map(|m| m.withheld)),
                said(measured.and_then(|m| m.largest_error)),
                said(measured.and_then(|m| m.largest_difference_from_first)),
                said(predicted.map(|p| p.hops)),
                said(predicted.map(|p| p.online_bytes.model_owner)),
                said(predicted.map(|p| p.online_bytes.data_owner)),
                said(on.map(|on| before(on).model_owner)),
                said(on.map(|on| before(on).data_owner)),
                said(made.map(|made| made.hops)),
                said(predicted.map(|p| p.setup_bytes)),
                said(predicted.map(|p| p.online_seconds)),
                said(predicted.filter(|p| p.made.is_none()).map(|p| p.offline_seconds)),
                said(on.map(|on| &on.program)),
                said(row.refused.as_ref()),
            ])?;
        }
    }
    Ok(String::from_utf8(table.into_inner().map_err(csv::IntoInnerError::into_error)?)?)
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}\
div{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid #8884;white-space:nowrap}\
th:first-child,td:first-child{text-align:left;white-space:normal}";

/// One page without script that needs no other file.
fn html(report: &Report) -> String {
    let (head, rows) = cells(report);
    let title = format!("Variants of {}", escaped(&report.model));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for line in about(report).lines() {
        out += &format!("<p>{}</p>\n", escaped(line));
    }
    let line = |tag: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: String = cells.map(|cell| format!("<{tag}>{}</{tag}>", escaped(&cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    out += "<div><table>\n<thead>\n";
    out += &line("th", &mut head.iter().map(|name| (*name).to_owned()));
    out += "</thead>\n<tbody>\n";
    for row in &rows {
        out += &line("td", &mut row.iter().cloned());
    }
    out += "</tbody>\n</table></div>\n";
    for reason in refused(report) {
        out += &format!("<p>{}</p>\n", escaped(&reason));
    }
    out + "</body>\n</html>\n"
}

/// Text between tags.
fn escaped(text: &str) -> String {
    lines(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
