//! What became of each tensor of a weights file and of each parameter of a model.

use std::fmt;

use mpcc_compiler::shown::shown;
use serde::{Deserialize, Serialize};

/// A parameter the file does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Tensor name.
    pub name: String,
    /// Shape the model declares.
    pub expected: Vec<usize>,
}

/// A tensor that is no parameter and is not ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpected {
    /// Tensor name.
    pub name: String,
    /// Shape in the file.
    pub found: Vec<usize>,
}

/// A parameter that has another shape in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongShape {
    /// Tensor name.
    pub name: String,
    /// Shape the model declares, before load-time reshapes.
    pub expected: Vec<usize>,
    /// Shape in the file.
    pub found: Vec<usize>,
}

/// A parameter with entries that are NaN or infinite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotFinite {
    /// Tensor name.
    pub name: String,
    /// How many entries.
    pub count: usize,
}

/// A parameter in a number format that is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsupported {
    /// Tensor name.
    pub name: String,
    /// Number format in the file.
    pub dtype: String,
}

/// How the tensors of a weights file meet the parameters of a model. Names only, no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingReport {
    /// Parameters found, by name.
    pub bound: Vec<String>,
    /// Tensors left out because the source says so.
    pub ignored: Vec<String>,
    /// Parameters that the file does not hold.
    pub missing: Vec<Missing>,
    /// Tensors that the model does not know.
    pub unexpected: Vec<Unexpected>,
    /// Parameters of another shape.
    pub wrong_shape: Vec<WrongShape>,
    /// Parameters with entries that are not numbers.
    pub not_finite: Vec<NotFinite>,
    /// Parameters in a number format that is not read.
    pub unsupported: Vec<Unsupported>,
}

/// How many tensors with something wrong are listed one by one.
const LISTED: usize = 100;

impl BindingReport {
    /// Whether nothing is wrong.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.wrong_shape.is_empty()
            && self.not_finite.is_empty()
            && self.unsupported.is_empty()
    }

    /// What the names of the file begin with and those of the model do not, if that is all that differs.
    fn prefix(&self) -> Option<&str> {
        let first = self.missing.first()?;
        let prefix = self.unexpected.iter().find_map(|u| u.name.strip_suffix(first.name.as_str()))?;
        let renamed = |m: &Missing| {
            self.unexpected
                .iter()
                .any(|u| u.name.strip_prefix(prefix) == Some(m.name.as_str()) && u.found == m.expected)
        };
        self.missing.iter().all(renamed).then_some(prefix)
    }
}

impl fmt::Display for BindingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bound, {} ignored", self.bound.len(), self.ignored.len())?;
        let rows: Vec<(&str, &str, String)> = self
            .missing
            .iter()
            .map(|m| ("missing", m.name.as_str(), format!("expected {}", shape(&m.expected))))
            .chain(self.wrong_shape.iter().map(|w| {
                ("wrong shape", w.name.as_str(), format!("expected {}, found {}", shape(&w.expected), shape(&w.found)))
            }))
            .chain(self.not_finite.iter().map(|n| {
                let entries = if n.count == 1 { "entry is" } else { "entries are" };
                ("not finite", n.name.as_str(), format!("{} {entries} NaN or infinite", n.count))
            }))
            .chain(self.unsupported.iter().map(|u| {
                (
                    "number format",
                    u.name.as_str(),
                    format!("{} is not read; use F32, F16, BF16 or F64", shown(&u.dtype)),
                )
            }))
            .chain(
                self.unexpected.iter().map(|u| ("unexpected", u.name.as_str(), format!("found {}", shape(&u.found)))),
            )
            .collect();
        let listed: Vec<_> =
            rows.iter().take(LISTED).map(|(kind, name, what)| (kind, shown(*name).to_string(), what)).collect();
        let width = listed.iter().map(|(_, name, _)| name.chars().count()).max().unwrap_or(0);
        for (kind, name, what) in &listed {
            write!(f, "\n  {kind:<13}  {name:<width$}  {what}")?;
        }
        if rows.len() > LISTED {
            write!(f, "\n  and {} more", rows.len() - LISTED)?;
        }
        if let Some(prefix) = self.prefix() {
            write!(
                f,
                "\n  help: the names in the file begin with `{}`: rename them, or bind the blocks `at` it",
                shown(prefix)
            )?;
        } else if !self.unexpected.is_empty() {
            write!(f, "\n  help: list tensors that the model leaves out on purpose in `ignore` of its `weights`")?;
        }
        Ok(())
    }
}

fn shape(extents: &[usize]) -> String {
    let extents: Vec<String> = extents.iter().map(ToString::to_string).collect();
    format!("[{}]", extents.join(", "))
}
