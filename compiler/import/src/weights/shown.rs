//! What does not fit, in words: tensors that differ by a number alone and fail alike make one line.

use std::fmt;

use mpcc_compiler::shown::shown;
use strsim::normalized_levenshtein;

use super::report::{BindingReport, Declared};

/// How many lines are listed one by one.
const LISTED: usize = 100;
/// How alike two names must be, from 0 to 1, for one to be named beside the other.
const ALIKE: f64 = 0.4;

/// A tensor, or several of one pattern, with what is wrong.
struct Row {
    kind: &'static str,
    pattern: String,
    count: usize,
    what: String,
    /// How to find it in the file, for a parameter that is missing.
    nearest: Option<String>,
}

impl fmt::Display for BindingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bound, {} ignored", self.bound.len(), self.ignored.len())?;
        if !self.prefix.is_empty() {
            write!(f, "; the names in the file begin with `{}`, which is left out", shown(&self.prefix))?;
        }
        let rows = self.rows();
        let name = |row: &Row| match row.count {
            1 => shown(&row.pattern).to_string(),
            count => format!("{} ({count})", shown(&row.pattern)),
        };
        let width = rows.iter().take(LISTED).map(|row| name(row).chars().count()).max().unwrap_or(0);
        for row in rows.iter().take(LISTED) {
            write!(f, "\n  {:<13}  {:<width$}  {}", row.kind, name(row), row.what)?;
            if let Some(nearest) = &row.nearest {
                write!(f, "; the file has `{}`", shown(nearest))?;
            }
        }
        if rows.len() > LISTED {
            write!(f, "\n  and {} more", rows.len() - LISTED)?;
        }
        if !self.unexpected.is_empty() {
            write!(f, "\n  help: list tensors that the model leaves out on purpose in `ignore` of its `weights`")?;
        }
        Ok(())
    }
}

impl BindingReport {
    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut add = |kind, name: &str, what: String, nearest: Option<String>| {
            let pattern = pattern(name);
            let same = |row: &&mut Row| {
                row.kind == kind && row.what == what && row.pattern == pattern && pattern.contains("{i}")
            };
            match rows.iter_mut().find(same) {
                Some(row) => row.count += 1,
                None => rows.push(Row { kind, pattern, count: 1, what, nearest }),
            }
        };
        let unknown: Vec<(String, &[usize])> =
            self.unexpected.iter().map(|u| (pattern(&u.name), u.found.as_slice())).collect();
        for m in &self.missing {
            let what = format!("expected {}{}", shape(&m.expected), param(&m.param));
            add("missing", &m.name, what, nearest(&pattern(&m.name), &m.expected, &unknown));
        }
        for w in &self.wrong_shape {
            let what = format!("expected {}, found {}{}", shape(&w.expected), shape(&w.found), param(&w.param));
            add("wrong shape", &w.name, what, None);
        }
        for n in &self.not_finite {
            let entries = if n.count == 1 { "entry is" } else { "entries are" };
            add("not finite", &n.name, format!("{} {entries} NaN or infinite", n.count), None);
        }
        for u in &self.unsupported {
            let what = format!("{} is not read; use F32, F16, BF16 or F64", shown(&u.dtype));
            add("number format", &u.name, what, None);
        }
        for u in &self.unexpected {
            add("unexpected", &u.name, format!("found {}", shape(&u.found)), None);
        }
        // One of a pattern keeps its own name.
        for row in rows.iter_mut().filter(|row| row.count == 1) {
            let names = self.missing.iter().map(|m| &m.name).chain(self.unexpected.iter().map(|u| &u.name));
            let names = names.chain(self.wrong_shape.iter().map(|w| &w.name));
            let mut names =
                names.chain(self.not_finite.iter().map(|n| &n.name)).chain(self.unsupported.iter().map(|u| &u.name));
            if let Some(name) = names.find(|name| pattern(name) == row.pattern) {
                row.pattern.clone_from(name);
            }
        }
        rows
    }
}

/// A name with `{i}` in place of the parts that are numbers.
pub(crate) fn pattern(name: &str) -> String {
    let part = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
        true => "{i}".to_owned(),
        false => part.to_owned(),
    };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// The name in the file that a parameter may be meant by: of its shape if there is one, and the most alike.
fn nearest(wanted: &str, expected: &[usize], unknown: &[(String, &[usize])]) -> Option<String> {
    let alike = |name: &str| normalized_levenshtein(wanted, name);
    let best = |fits: &dyn Fn(&[usize]) -> bool| {
        let fitting = unknown.iter().filter(|(_, found)| fits(found)).map(|(name, _)| (alike(name), name));
        fitting.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name.clone())
    };
    best(&|found| found == expected).or_else(|| best(&|_| true))
}

fn param(declared: &Declared) -> String {
    match (declared.name.as_str(), declared.line) {
        ("", _) => String::new(),
        (name, None) => format!(", `param {}`", shown(name)),
        (name, Some(line)) => format!(", `param {}` in line {line}", shown(name)),
    }
}

fn shape(extents: &[usize]) -> String {
    let extents: Vec<String> = extents.iter().map(ToString::to_string).collect();
    format!("[{}]", extents.join(", "))
}
