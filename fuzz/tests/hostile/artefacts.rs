//! Artefacts that were changed and signed again: byte by byte, in their program, and in their graph.

use mpcc_compiler::artefact::{Artefact, ArtefactError};
use mpcc_compiler::graph::Graph;
use mpcc_fuzz::Choices;
use mpcc_program::program::Program;

use crate::models::{Seed, seed};
use crate::reader::{Came, exercise, exercise_parts};
use crate::{json, typed};

/// Bytes of a digest at the end of a file.
const DIGEST: usize = 32;

/// Where a file has the hash of its program: behind a magic number and a version.
const HASH: std::ops::Range<usize> = 12..44;

/// The bytes of an artefact whose hashes are right whatever else is wrong, or why no hash could make it one that is read. The
/// hash of a program that differs is taken from the error that names it.
fn signed(artefact: &Artefact) -> Result<Vec<u8>, ArtefactError> {
    let mut bytes = artefact.to_bytes();
    match Artefact::from_bytes(&bytes) {
        Err(ArtefactError::OtherProgram { found, .. }) => {
            let hash = blake3::Hash::from_hex(&found).expect("a hash");
            bytes[HASH].copy_from_slice(hash.as_bytes());
            let body = bytes.len() - DIGEST;
            let digest = blake3::hash(&bytes[..body]);
            bytes[body..].copy_from_slice(digest.as_bytes());
            Ok(bytes)
        }
        Err(refused) => Err(refused),
        Ok(_) => Ok(bytes),
    }
}

/// Spoils the bytes of the graph, of the program or of the whole file.
pub(crate) fn bytes(choices: &mut Choices<'_>, seeds: &[Seed]) {
    let seed = seed(choices, seeds);
    let mut artefact = seed.artefact.clone();
    match choices.below(8) {
        0..3 => {
            let mut graph = postcard::to_stdvec(&artefact.graph).expect("plain data");
            choices.spoil(&mut graph);
            let Ok(graph) = postcard::from_bytes::<Graph>(&graph) else { return };
            artefact.graph = graph;
        }
        3..6 => {
            let mut program = postcard::to_stdvec(&artefact.program).expect("plain data");
            choices.spoil(&mut program);
            let Ok(program) = postcard::from_bytes::<Program>(&program) else { return };
            artefact.program = program;
        }
        _ => {
            let mut bytes = artefact.to_bytes();
            choices.spoil(&mut bytes);
            let body = bytes.len().saturating_sub(DIGEST);
            let digest = blake3::hash(&bytes[..body]);
            bytes.truncate(body);
            bytes.extend(digest.as_bytes());
            exercise(&bytes, &seed.params);
            return;
        }
    }
    read(&artefact, seed);
}

/// Changes values, gates, weights and outputs of the program by their types.
pub(crate) fn program(choices: &mut Choices<'_>, seeds: &[Seed]) {
    let seed = seed(choices, seeds);
    let mut artefact = seed.artefact.clone();
    typed::spoil(choices, &mut artefact.program);
    read(&artefact, seed);
}

/// Changes nodes and declarations of the graph by their types.
pub(crate) fn graph(choices: &mut Choices<'_>, seeds: &[Seed]) {
    let seed = seed(choices, seeds);
    let mut artefact = seed.artefact.clone();
    let mut graph = serde_json::to_value(&artefact.graph).expect("plain data");
    for _ in 0..1 + choices.below(3) {
        json::spoil(choices, &mut graph);
    }
    let Ok(graph) = serde_json::from_value::<Graph>(graph) else { return };
    artefact.graph = graph;
    if choices.once_in(3) {
        let node = choices.below(80) as u32;
        if let Some(weight) = artefact.program.weights.first_mut() {
            weight.node = node;
        }
        if let Some(input) = artefact.program.inputs.first_mut() {
            input.node = node;
        }
    }
    read(&artefact, seed);
}

/// Graph and program as parts of an artefact, and each for itself where they make none.
fn read(artefact: &Artefact, seed: &Seed) {
    let came = match signed(artefact) {
        Ok(bytes) => exercise(&bytes, &seed.params),
        Err(refused) => {
            let _ = refused.to_string();
            Came::Refused
        }
    };
    if came == Came::Refused {
        exercise_parts(&artefact.graph, &artefact.program, &seed.params);
    }
}

/// Without changes every seed runs, so that the targets reach what they are for.
#[test]
fn every_seed_runs() {
    let came = |seed: &Seed| exercise(&signed(&seed.artefact).expect("an artefact"), &seed.params);
    let came: Vec<Came> = crate::models::seeds().iter().map(came).collect();
    for (seed, came) in crate::models::seeds().iter().zip(&came) {
        assert!(*came >= Came::Read, "{}", seed.artefact.graph.name);
    }
    let ran = came.iter().filter(|came| **came == Came::Ran).count();
    assert!(2 * ran > came.len(), "{ran} seeds run");
}
