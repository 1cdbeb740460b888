//! Ranges of several graphs in one file, so that variants of a model do not take each other's place.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Ranges, digest, text_digest};
use crate::graph::Graph;

/// The form of the file.
pub const SCHEMA: &str = "mpcc.ranges/3";
/// The form with the ranges of one graph, by its text.
const OF_ONE: &str = "mpcc.ranges/2";
/// How many graphs a file keeps the ranges of; those written longest ago go first.
pub const KEPT: usize = 16;

/// What a file holds, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    schema: String,
    kept: Vec<Entry>,
}

/// The ranges of one graph, and how they came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What was replaced in the model, as options on a command line; nothing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub options: Option<String>,
    /// Inputs that they were observed on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inputs: Option<usize>,
    /// The ranges.
    pub ranges: Ranges,
}

/// Why a text holds no ranges that can be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Unreadable {
    /// Its schema is another.
    #[error("it has the schema {0:?}; this mpcc reads {SCHEMA}")]
    Schema(String),
    /// It is something else.
    #[error("it holds no value ranges: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
struct Head {
    schema: String,
}

impl Default for Kept {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), kept: Vec::new() }
    }
}

impl Kept {
    /// The ranges in a file's text, also in one of "mpcc.ranges/2".
    ///
    /// # Errors
    /// If it has another schema or is malformed.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let malformed = |error: serde_json::Error| Unreadable::Malformed(error.to_string());
        let Head { schema } = serde_json::from_str(text).map_err(malformed)?;
        match schema.as_str() {
            SCHEMA => serde_json::from_str(text).map_err(malformed),
            OF_ONE => {
                let ranges = serde_json::from_str(text).map_err(malformed)?;
                Ok(Self { kept: vec![Entry { options: None, inputs: None, ranges }], ..Self::default() })
            }
            _ => Err(Unreadable::Schema(schema)),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// None: everything in it has a form in JSON.
    pub fn text(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// All of them, the newest first.
    pub fn entries(&self) -> &[Entry] {
        &self.kept
    }

    /// The ranges of a graph.
    pub fn of(&self, graph: &Graph) -> Option<Ranges> {
        let belongs = belonging(graph);
        let entry = self.kept.iter().find(|entry| belongs(entry))?;
        Some(Ranges { graph: digest(graph), ..entry.ranges.clone() })
    }

    /// Keeps the ranges of a graph, in place of others of the same one.
    pub fn keep(&mut self, graph: &Graph, entry: Entry) {
        let belongs = belonging(graph);
        self.kept.retain(|kept| !belongs(kept));
        self.kept.insert(0, entry);
        self.kept.truncate(KEPT);
    }
}

fn belonging(graph: &Graph) -> impl Fn(&Entry) -> bool + use<> {
    let digests = [digest(graph), text_digest(graph)];
    move |entry| digests.contains(&entry.ranges.graph)
}
