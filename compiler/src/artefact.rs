//! The compiled artefact: everything the parties agree on, and nothing secret.
//!
//! One file: a magic number, a format version, the program hash, then facts, the rewritten graph (for the parts each owner
//! computes in the clear) and the share program in postcard, and the tokenizer of a model that reads text, closed by a
//! digest. The program hash covers all of these and the code that this build makes of the program for each role, so
//! whoever has the same hash runs the same and reads the same. What a reader is shown is derived from the hashed parts
//! when the file is read.

mod agreement;
mod differences;
mod facts;
mod manifest;

use std::fmt;

use mpcc_program::gates;
use mpcc_program::program::Program;
use mpcc_program::shown::shown;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::graph::Graph;

pub use differences::differences;
pub use facts::{ChoiceFact, Facts, PlannedFor, RangeFact};
pub use manifest::{ChoiceRow, Manifest, Opened, RangeRow, TokenizerRow, trust};

const MAGIC: &[u8; 8] = b"mpcc-art";
/// Version of the container and of everything in it.
pub const FORMAT: u32 = 7;

/// A compiled model.
#[derive(Clone, Debug, PartialEq)]
pub struct Artefact {
    /// What a reader sees; it follows from the other parts.
    pub manifest: Manifest,
    /// What the compiler relied on and chose.
    pub facts: Facts,
    /// The rewritten graph.
    pub graph: Graph,
    /// The share program.
    pub program: Program,
    /// The tokenizer, where the graph declares one.
    pub tokenizer: Option<Vec<u8>>,
    /// Digest of the code of all roles.
    code: [u8; 32],
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
    /// Its parts say different things, or what none may say.
    #[error("this artefact is not one that mpcc wrote: {0}; compile the model yourself")]
    Contradictory(String),
    /// The hash in it is not that of what this build runs.
    #[error(
        "this artefact says that its program is {said}, and it is {found} as this build of mpcc runs it: it was compiled by another build, or altered; compile the model again"
    )]
    OtherProgram {
        /// Hash in the file.
        said: String,
        /// Hash of its parts.
        found: String,
    },
}

/// The parts of an artefact as bytes, in the order of the file.
struct Parts {
    facts: Vec<u8>,
    graph: Vec<u8>,
    program: Vec<u8>,
}

impl Parts {
    fn of(facts: &Facts, graph: &Graph, program: &Program) -> Self {
        Self { facts: encoded(facts), graph: encoded(graph), program: encoded(program) }
    }

    fn list<'a>(&'a self, tokenizer: Option<&'a [u8]>) -> [&'a [u8]; 4] {
        [&self.facts, &self.graph, &self.program, tokenizer.unwrap_or_default()]
    }

    /// Hash of what all roles must have in common.
    fn hash(&self, tokenizer: Option<&[u8]>, code: &[u8; 32]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc 2026-11 program");
        hasher.update(&FORMAT.to_le_bytes());
        for part in self.list(tokenizer).into_iter().chain([code.as_slice()]) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data always encodes")
}

/// A part of a file. Exactly the bytes that its value is written as: there is nothing in a file that no hash covers.
fn decoded<T: Serialize + DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, ArtefactError> {
    let value: Option<T> = postcard::from_bytes(bytes).ok();
    value.filter(|value| encoded(value) == bytes).ok_or_else(|| damaged(what))
}

fn damaged(what: &str) -> ArtefactError {
    ArtefactError::Damaged(what.into())
}

/// What breaks rules, with the first of them.
fn rule_broken(what: &str, found: &[impl fmt::Display]) -> ArtefactError {
    let first = found.first().map(ToString::to_string).unwrap_or_default();
    ArtefactError::Damaged(format!("{what} breaks a rule: {}", shown(&first)))
}

impl Artefact {
    /// The artefact of a program that was planned for a graph. A tokenizer that the graph declares is still to be added, with
    /// [`Artefact::with_tokenizer`].
    pub fn new(graph: Graph, program: Program, facts: Facts) -> Self {
        let code = gates::digest(&program);
        Self::of(Parts::of(&facts, &graph, &program), (graph, program, facts), None, code)
    }

    fn of(
        parts: Parts,
        (graph, program, facts): (Graph, Program, Facts),
        tokenizer: Option<Vec<u8>>,
        code: [u8; 32],
    ) -> Self {
        let hash = parts.hash(tokenizer.as_deref(), &code);
        let manifest = Manifest::of(&graph, &program, &facts, tokenizer.as_deref(), &hash);
        Self { manifest, facts, graph, program, tokenizer, code }
    }

    /// The artefact with the tokenizer that its graph declares.
    #[must_use]
    pub fn with_tokenizer(self, tokenizer: Vec<u8>) -> Self {
        let Self { facts, graph, program, code, .. } = self;
        Self::of(Parts::of(&facts, &graph, &program), (graph, program, facts), Some(tokenizer), code)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(FORMAT.to_le_bytes());
        let parts = Parts::of(&self.facts, &self.graph, &self.program);
        let tokenizer = self.tokenizer.as_deref();
        out.extend(parts.hash(tokenizer, &self.code).as_bytes());
        for part in parts.list(tokenizer) {
            out.extend((part.len() as u64).to_le_bytes());
            out.extend(part);
        }
        let digest = blake3::hash(&out);
        out.extend(digest.as_bytes());
        out
    }

    /// Reads a file's bytes. Nothing in them is trusted: graph and program are verified, each alone and against each other,
    /// before anything else looks at them, and the program hash and everything that is shown are made anew.
    ///
    /// # Errors
    /// [`ArtefactError`]; of a file that breaks many rules, the first.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtefactError> {
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
        let (said, mut rest) = body
            .get(MAGIC.len() + 4..)
            .and_then(|rest| rest.split_first_chunk::<32>())
            .ok_or_else(|| damaged("it ends early"))?;
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
        let (facts, graph, program, tokenizer) = (part()?, part()?, part()?, part()?);
        if !rest.is_empty() {
            return Err(damaged("something follows its parts"));
        }
        let parts = Parts { facts: facts.to_vec(), graph: graph.to_vec(), program: program.to_vec() };
        let facts: Facts = decoded(facts, "its facts")?;
        let graph: Graph = decoded(graph, "its graph")?;
        let program: Program = decoded(program, "its program")?;
        if graph.tokenizer.is_some() == tokenizer.is_empty() {
            return Err(damaged("its tokenizer"));
        }
        let tokenizer = graph.tokenizer.is_some().then(|| tokenizer.to_vec());
        crate::verify::verify(&graph).map_err(|found| rule_broken("its graph", &found))?;
        mpcc_program::verify::verify(&program).map_err(|found| rule_broken("its program", &found))?;
        agreement::agree(&graph, &program, &facts).map_err(ArtefactError::Contradictory)?;
        let code = gates::digest(&program);
        let artefact = Self::of(parts, (graph, program, facts), tokenizer, code);
        agreement::reached_by_inputs(&artefact.manifest.disclosed).map_err(ArtefactError::Contradictory)?;
        let said = blake3::Hash::from_bytes(*said).to_hex().to_string();
        if said != artefact.manifest.program {
            return Err(ArtefactError::OtherProgram { said, found: artefact.manifest.program });
        }
        Ok(artefact)
    }
}

#[cfg(test)]
mod tests;
