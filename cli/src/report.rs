//! Figures for people, and the predicted cost in the form that programs read.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};
use mpcc_compiler::artefact::{ChoiceRow, PlannedFor};
use mpcc_program::cost::{Cost, PartyBytes};
use mpcc_program::program::Supplier;
use mpcc_program::shown::shown;
use mpcc_runtime::{PerRole, setup_bytes};
use serde::Serialize;

/// A number of bytes, with a decimal unit.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            n @ 0..1000 => format!("{n} B"),
            n @ 1000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
            n @ 1_000_000..1_000_000_000 => format!("{:.2} MB", n as f64 / 1e6),
            n => format!("{:.2} GB", n as f64 / 1e9),
        };
        f.pad(&text)
    }
}

/// A time, with a unit.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.0 < 0.001 {
            format!("{:.0} us", self.0 * 1e6)
        } else if self.0 < 1.0 {
            format!("{:.1} ms", self.0 * 1e3)
        } else {
            format!("{:.2} s", self.0)
        };
        f.pad(&text)
    }
}

/// What an inference is predicted to cost on a network.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Predicted {
    /// Simultaneous exchanges.
    pub hops: u32,
    /// Payload sent, by party.
    pub online_bytes: PartyBytes,
    /// Received from the dealer, by party.
    pub offline_bytes: PartyBytes,
    /// Of the setup, in a session that sends the weights.
    pub setup_bytes: u64,
    /// In a later session, whose data owner has kept them masked.
    pub setup_again_bytes: u64,
    /// Inferences that share hops; of a batch's seconds each has its part.
    pub batch: u64,
    /// From the input to the output.
    pub online_seconds: f64,
    /// Before the input is known.
    pub offline_seconds: f64,
    /// Of the setup, in a session that sends the weights.
    pub setup_seconds: f64,
    /// In a later session.
    pub setup_again_seconds: f64,
    /// The most memory of each role's process.
    pub peak_rss_bytes: PerRole<u64>,
    /// Material that two parties make, for all inferences of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<MadePrediction>,
}

/// What two parties exchange in order to make material for inferences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MadePrediction {
    /// Inferences.
    pub inferences: u64,
    /// Simultaneous exchanges.
    pub hops: u64,
    /// Payload sent, by party.
    pub bytes: PartyBytes,
    /// From the first exchange to the last, on the link that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What a party holds at most meanwhile, of buffers and messages.
    pub held_bytes: PartyBytes,
}

impl Predicted {
    /// The same where two parties make the material first: the process that makes it is the one that uses it.
    #[must_use]
    pub fn with_made(mut self, made: Option<MadePrediction>) -> Self {
        if let Some(MadePrediction { held_bytes, .. }) = made {
            let peak = &mut self.peak_rss_bytes;
            peak.model_owner = peak.model_owner.max(held_bytes.model_owner);
            peak.data_owner = peak.data_owner.max(held_bytes.data_owner);
        }
        self.made = made;
        self
    }

    /// Counts of a cost without times.
    pub fn counts(cost: &Cost) -> Self {
        Self {
            hops: cost.hops,
            online_bytes: cost.online_bytes,
            offline_bytes: cost.offline_bytes,
            setup_bytes: setup_bytes(cost.setup_bytes, false),
            setup_again_bytes: setup_bytes(cost.setup_bytes, true),
            ..Self::default()
        }
    }
}

/// What the parties have before an inference, and from whom.
pub fn offline(bytes: PartyBytes, supplier: Supplier) -> String {
    let (model_owner, data_owner) = (Bytes(bytes.model_owner), Bytes(bytes.data_owner));
    match supplier {
        Supplier::Dealer => format!("{model_owner} to the model owner, {data_owner} to the data owner from the dealer"),
        Supplier::Pair => format!("{model_owner} at the model owner, {data_owner} at the data owner, made by both"),
    }
}

/// What two parties exchange before inferences, as a line; nothing where a dealer deals.
pub fn made(predicted: Option<&MadePrediction>) -> String {
    let Some(MadePrediction { inferences, hops, bytes, seconds, held_bytes }) = predicted else { return String::new() };
    let (model_owner, data_owner) = (Bytes(bytes.model_owner), Bytes(bytes.data_owner));
    let many = match inferences {
        1 => String::new(),
        many => format!(", for {many} inferences"),
    };
    let mut out =
        format!("before     {hops} hops, {model_owner} from the model owner, {data_owner} from the data owner{many}\n");
    if let Some(seconds) = seconds {
        let held = Bytes(held_bytes.model_owner.max(held_bytes.data_owner));
        out += &format!("           {} on processors like the reference, {held} of memory\n", Seconds(*seconds));
    }
    out
}

/// What a setup sends, of a program with so many bytes of masked weights.
pub fn setup(masked_weights: u64) -> String {
    let [first, later] = [false, true].map(|later| Bytes(setup_bytes(masked_weights, later)));
    format!("{first} in a first session, {later} in a later one")
}

/// What the protocols were chosen for, and how often each was taken.
pub fn protocols(planned_for: Option<&PlannedFor>, choices: &[ChoiceRow]) -> String {
    let mut out = match planned_for {
        Some(PlannedFor { network, machine, alpha }) => {
            format!("chosen     for {}, alpha {alpha}, {} rates\n", shown(network), shown(machine))
        }
        None => String::new(),
    };
    for (protocol, count) in counted(choices) {
        out += &format!("           {count} × {protocol}\n");
    }
    out
}

/// How often each protocol was taken.
pub fn counted(choices: &[ChoiceRow]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for choice in choices {
        *counts.entry(choice.protocol).or_default() += 1;
    }
    counts
}

/// Columns of text: the first is flush left, the others flush right. Whosever names stand in it, a cell is one line.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    aligned(head, rows, |column| if column == 0 { CellAlignment::Left } else { CellAlignment::Right })
}

/// [`table`] whose last column is a sentence, flush left.
pub fn table_of_sentences(head: &[&str], rows: &[Vec<String>]) -> String {
    let last = head.len() - 1;
    aligned(head, rows, |column| if [0, last].contains(&column) { CellAlignment::Left } else { CellAlignment::Right })
}

/// [`table`] of at most so many characters a line: cells of the first column that are too long for that go on below, and all
/// others stay whole, so that it is wider where they alone are.
pub fn table_within(head: &[&str], rows: &[Vec<String>], width: Option<usize>) -> String {
    let alignment = |column| if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
    let mut table = filled(head, rows, alignment);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        for column in table.column_iter_mut().skip(1) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt() + "\n"
}

fn aligned(head: &[&str], rows: &[Vec<String>], alignment: impl Fn(usize) -> CellAlignment) -> String {
    filled(head, rows, alignment).trim_fmt() + "\n"
}

fn filled(head: &[&str], rows: &[Vec<String>], alignment: impl Fn(usize) -> CellAlignment) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head);
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| shown(cell).to_string())));
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if number == 0 { 0 } else { 2 }, 0));
        column.set_cell_alignment(alignment(number));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_decimal() {
        let shown: Vec<String> = [0, 999, 1000, 12_345, 1_234_567, 9_876_543_210].map(|n| Bytes(n).to_string()).into();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "12.3 kB", "1.23 MB", "9.88 GB"]);
        let shown: Vec<String> = [0.000_25, 0.0105, 2.5].map(|s| Seconds(s).to_string()).into();
        assert_eq!(shown, ["250 us", "10.5 ms", "2.50 s"]);
    }

    #[test]
    fn a_table_fits_its_width_and_loses_nothing() {
        let rows = [vec!["probs=relu_softmax act=quad".to_owned(), "10".to_owned(), "3.42 MB".to_owned()]];
        let head = ["variant", "hops", "sent"];
        assert_eq!(table_within(&head, &rows, None), table(&head, &rows));
        assert_eq!(table_within(&head, &rows, Some(80)), table(&head, &rows));
        for width in [26, 30, 36] {
            let narrow = table_within(&head, &rows, Some(width));
            assert!(narrow.lines().all(|line| line.chars().count() <= width), "{narrow}");
            assert!(narrow.contains("3.42 MB"), "{narrow}");
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            assert_eq!(letters(&narrow), letters(&table(&head, &rows)), "{narrow}");
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["long".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["x", "n"], &rows), "x      n\na     10\nlong   1\n");
        let rows = [vec!["a\n\x1b[1A".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["x", "n"], &rows), "x             n\na\\n\\u{1b}[1A  1\n");
    }
}
