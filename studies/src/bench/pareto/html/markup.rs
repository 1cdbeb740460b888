//! Text that cannot become markup, tables, and figures with their units.

use mpcc_cli::report::{Bytes, Seconds};

/// Text as content or as the value of an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            // XML has no way to write the others.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The longest head of a row that is kept in one line.
const SHORT: usize = 24;

/// A column of a table.
pub(super) struct Column {
    pub(super) head: String,
    /// Whether it holds figures.
    pub(super) figures: bool,
}

impl Column {
    pub(super) fn text(head: &str) -> Self {
        Self { head: head.to_owned(), figures: false }
    }

    pub(super) fn figures(head: &str) -> Self {
        Self { head: head.to_owned(), figures: true }
    }
}

/// A table whose first cell of a row is its head. Cells are text; roles are said, since a narrow screen shows each row as
/// a block of its own.
pub(super) fn table(caption: &str, columns: &[Column], rows: &[Vec<String>]) -> String {
    let class = |column: &Column| if column.figures { " class=\"n\"" } else { "" };
    let mut out = format!(
        "<table role=\"table\">\n<caption>{}</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">",
        escape(caption)
    );
    for column in columns {
        out += &format!("<th role=\"columnheader\" scope=\"col\"{}>{}</th>", class(column), escape(&column.head));
    }
    out += "</tr></thead>\n<tbody role=\"rowgroup\">\n";
    for row in rows {
        out += "<tr role=\"row\">";
        for (index, (cell, column)) in row.iter().zip(columns).enumerate() {
            let text = escape(cell);
            out += &match index {
                0 if cell.chars().count() <= SHORT => {
                    format!("<th role=\"rowheader\" scope=\"row\" class=\"short\">{text}</th>")
                }
                0 => format!("<th role=\"rowheader\" scope=\"row\">{text}</th>"),
                _ => format!(
                    "<td role=\"cell\"{} data-head=\"{}\">{}</td>",
                    class(column),
                    escape(&column.head),
                    if text.is_empty() { "–" } else { &text }
                ),
            };
        }
        out += "</tr>\n";
    }
    out + "</tbody>\n</table>\n"
}

/// A share as percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

/// Seconds with a unit that does not break off.
pub(super) fn seconds(value: f64) -> String {
    Seconds(value).to_string().replace(' ', "\u{a0}").replace("us", "µs")
}

/// Bytes with a unit that does not break off.
pub(super) fn bytes(value: u64) -> String {
    Bytes(value).to_string().replace(' ', "\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escape("a<b>&\"c'\u{0}"), "a&lt;b&gt;&amp;&quot;c&#39;\u{fffd}");
        let table = table("c<", &[Column::text("h<"), Column::figures("n")], &[vec!["<r".to_owned(), String::new()]]);
        assert!(table.contains("<caption>c&lt;</caption>") && table.contains("data-head=\"n\">–</td>"), "{table}");
        assert!(table.contains(">h&lt;</th>") && table.contains(">&lt;r</th>"), "{table}");
    }
}
