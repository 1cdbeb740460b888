//! The compiled artefact: everything the parties agree on, and nothing secret.
//!
//! One file: a magic number, a format version, a readable JSON manifest, then the rewritten graph (for the parts each
//! owner computes in the clear) and the share program in postcard, and the tokenizer of a model that reads text, closed
//! by a digest. The program hash covers graph, program and tokenizer, so comments, formatting and the manifest's prose
//! never change it.

use mpcc_program::cost::Cost;
use mpcc_program::program::Program;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::graph::Graph;
use crate::plan::{Choice, RangeNote};
use crate::ranges::Basis;

const MAGIC: &[u8; 8] = b"mpcc-art";
/// Version of the container and of everything in it.
pub const FORMAT: u32 = 2;

/// What a reader of an artefact sees first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `mpcc.artefact/1`
    pub schema: String,
    /// Version of the compiler.
    pub compiler: String,
    /// The model's name.
    pub model: String,
    /// Hash of graph, program and tokenizer: what the parties compare.
    pub program: String,
    /// Hash of the source text.
    pub source: String,
    /// The trust model.
    pub trust: String,
    /// What text is cut into tokens by, where the model reads text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerRow>,
    /// Head, layer or row choices in force.
    pub plans: Vec<(String, String)>,
    /// What the program relies on.
    pub basis: Basis,
    /// What the protocols were chosen for; nothing if the caller chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_for: Option<PlannedFor>,
    /// Where there was a choice between protocols, what was taken.
    #[serde(default)]
    pub choices: Vec<ChoiceRow>,
    /// Everything that is opened or revealed, to whom and why, by kind.
    pub opened: Vec<Opened>,
    /// Predicted cost of one inference.
    pub cost: Cost,
    /// Bounds the program relies on.
    pub ranges: Vec<RangeRow>,
}

/// The tokenizer that an artefact carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenizerRow {
    /// Its file, as the source names it.
    pub file: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// BLAKE3 hash of its bytes.
    pub hash: String,
    /// The inputs it fills.
    pub inputs: Vec<String>,
}

/// What the protocols of a program were chosen for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedFor {
    /// The network, as it was named.
    pub network: String,
    /// The machine whose rates were used.
    pub machine: String,
    /// What a second before the input is known counts, beside one after.
    pub alpha: f64,
}

/// A protocol that was taken where there was another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceRow {
    /// Path of the value.
    pub path: String,
    /// The protocol.
    pub protocol: String,
}

/// A kind of value that leaves a party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// What.
    pub what: String,
    /// To whom.
    pub to: String,
    /// Why it says nothing, or why it is meant to be learned.
    pub why: String,
    /// How many values of the program.
    pub count: usize,
}

/// A bound the program relies on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangeRow {
    /// Path of the value.
    pub path: String,
    /// `proved`, `assumed` or `observed`.
    pub origin: String,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
}

/// A compiled model.
#[derive(Clone, Debug, PartialEq)]
pub struct Artefact {
    /// The manifest.
    pub manifest: Manifest,
    /// The rewritten graph.
    pub graph: Graph,
    /// The share program.
    pub program: Program,
    /// The tokenizer, where the graph declares one.
    pub tokenizer: Option<Vec<u8>>,
}

/// Why bytes are no artefact.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArtefactError {
    /// Another kind of file.
    #[error("this is not an mpcc artefact: compile the model with `mpcc compile MODEL.mpv`")]
    NotAnArtefact,
    /// Another version of the format.
    #[error(
        "this artefact has format {found}, and this mpcc reads format {expected}: compile the model again with this version"
    )]
    Version {
        /// Format of the file.
        found: u32,
        /// Format of this build.
        expected: u32,
    },
    /// Damaged.
    #[error("this artefact is damaged ({0}): compile the model again")]
    Damaged(String),
}

/// Hash of what both parties execute.
pub fn program_hash(graph: &Graph, program: &Program, tokenizer: Option<&[u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mpcc program");
    hasher.update(&FORMAT.to_le_bytes());
    for part in [&encoded(graph), &encoded(program), tokenizer.unwrap_or_default()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data always encodes")
}

/// Choices of the plan, as rows of the manifest.
pub fn choice_rows(choices: &[Choice]) -> Vec<ChoiceRow> {
    let row = |choice: &Choice| ChoiceRow { path: choice.path.clone(), protocol: choice.taken.name().to_owned() };
    choices.iter().map(row).collect()
}

/// Notes of the plan, as rows of the manifest.
pub fn range_rows(notes: &[RangeNote]) -> Vec<RangeRow> {
    notes
        .iter()
        .map(|n| RangeRow {
            path: n.path.clone(),
            origin: format!("{:?}", n.origin).to_lowercase(),
            low: n.range.0,
            high: n.range.1,
        })
        .collect()
}

impl Artefact {
    /// The artefact with the tokenizer that its graph declares.
    #[must_use]
    pub fn with_tokenizer(mut self, tokenizer: Vec<u8>) -> Self {
        self.manifest.program = program_hash(&self.graph, &self.program, Some(&tokenizer));
        self.manifest.tokenizer = self.graph.tokenizer.as_ref().map(|declared| {
            let inputs = declared.inputs().into_iter().filter_map(|input| self.graph.inputs.get(input as usize));
            TokenizerRow {
                file: declared.file.clone(),
                bytes: tokenizer.len(),
                hash: blake3::hash(&tokenizer).to_hex().to_string(),
                inputs: inputs.map(|input| input.name.clone()).collect(),
            }
        });
        self.tokenizer = Some(tokenizer);
        self
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(FORMAT.to_le_bytes());
        let manifest = serde_json::to_vec_pretty(&self.manifest).expect("plain data always encodes");
        let tokenizer = self.tokenizer.as_deref().unwrap_or_default();
        for part in [&manifest, &encoded(&self.graph), &encoded(&self.program), tokenizer] {
            out.extend((part.len() as u64).to_le_bytes());
            out.extend(part);
        }
        let digest = blake3::hash(&out);
        out.extend(digest.as_bytes());
        out
    }

    /// Reads a file's bytes; nothing in them is trusted: digest, program hash and the program's rules are checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let damaged = |what: &str| ArtefactError::Damaged(what.into());
        let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or(ArtefactError::NotAnArtefact)?;
        let (version, _) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("it ends early"))?;
        let found = u32::from_le_bytes(*version);
        if found != FORMAT {
            return Err(ArtefactError::Version { found, expected: FORMAT });
        }
        let (body, digest) = bytes.split_last_chunk::<32>().ok_or_else(|| damaged("it ends early"))?;
        if blake3::hash(body).as_bytes() != digest {
            return Err(damaged("its digest does not match"));
        }
        let mut rest = &body[MAGIC.len() + 4..];
        let mut part = || -> Result<&[u8], ArtefactError> {
            let (len, after) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("it ends early"))?;
            let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| damaged("a part is too long"))?;
            if len > after.len() {
                return Err(damaged("a part is too long"));
            }
            let (part, after) = after.split_at(len);
            rest = after;
            Ok(part)
        };
        let (manifest, graph, program, tokenizer) = (part()?, part()?, part()?, part()?);
        let manifest: Manifest = serde_json::from_slice(manifest).map_err(|_| damaged("its manifest"))?;
        let graph: Graph = postcard::from_bytes(graph).map_err(|_| damaged("its graph"))?;
        let program: Program = postcard::from_bytes(program).map_err(|_| damaged("its program"))?;
        if graph.tokenizer.is_some() == tokenizer.is_empty() {
            return Err(damaged("its tokenizer"));
        }
        let tokenizer = graph.tokenizer.is_some().then(|| tokenizer.to_vec());
        if program_hash(&graph, &program, tokenizer.as_deref()) != manifest.program {
            return Err(damaged("its program hash does not match"));
        }
        crate::verify::verify(&graph).map_err(|_| damaged("its graph breaks a rule"))?;
        mpcc_program::verify::verify(&program).map_err(|_| damaged("its program breaks a rule"))?;
        Ok(Self { manifest, graph, program, tokenizer })
    }
}
