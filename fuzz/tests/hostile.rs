//! Inputs that nobody should send, of every kind that mpcc reads.
//!
//! A target runs a few seconds unless told otherwise: `BOLERO_RANDOM_ITERATIONS` says how many cases, and
//! `BOLERO_RANDOM_TEST_TIME_MS` for how long at most. A failure prints the `BOLERO_RANDOM_SEED` that repeats it.

#[path = "hostile/artefacts.rs"]
mod artefacts;
#[path = "hostile/files.rs"]
mod files;
#[path = "hostile/json.rs"]
mod json;
#[path = "hostile/material.rs"]
mod material;
#[path = "hostile/models.rs"]
mod models;
#[path = "hostile/reader.rs"]
mod reader;
#[path = "hostile/sources.rs"]
mod sources;
#[path = "hostile/tap.rs"]
mod tap;
#[path = "hostile/tokenizers.rs"]
mod tokenizers;
#[path = "../../compiler/import/tests/import/torch.rs"]
#[expect(dead_code, reason = "the importer's tests, whose module it is, make more kinds of checkpoints")]
mod torch;
#[path = "hostile/typed.rs"]
mod typed;
#[path = "hostile/wire.rs"]
mod wire;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use mpcc_fuzz::{Choices, report, watched};

/// Seconds of a target that is not told otherwise.
const SECONDS: u64 = 4;
/// Choices of a case.
const CHOICES: usize = 400;

/// Runs a target: `case` is given choices, and may do what the program does with what it makes of them.
macro_rules! target {
    ($name:literal, $case:expr) => {{
        bolero::check!()
            .with_iterations(usize::MAX >> 1)
            .with_test_time(Duration::from_secs(SECONDS))
            .with_max_len(CHOICES)
            .for_each(|bytes: &[u8]| watched(bytes, || $case(&mut Choices::new(bytes))));
        report($name);
    }};
}

#[test]
fn artefacts() {
    let seeds = models::seeds();
    target!("artefacts", |choices: &mut Choices<'_>| artefacts::bytes(choices, seeds));
}

#[test]
fn programs() {
    let seeds = models::seeds();
    target!("programs", |choices: &mut Choices<'_>| artefacts::program(choices, seeds));
}

#[test]
fn graphs() {
    let seeds = models::seeds();
    target!("graphs", |choices: &mut Choices<'_>| artefacts::graph(choices, seeds));
}

#[test]
fn sources() {
    let seeds = sources::seeds();
    target!("sources", |choices: &mut Choices<'_>| sources::case(choices, &seeds));
}

#[test]
fn weights() {
    let target = files::Target::new(files::safetensors());
    target!("weights", |choices: &mut Choices<'_>| target.weights(choices));
}

#[test]
fn pickles() {
    let target = files::Target::new(files::pickles());
    target!("pickles", |choices: &mut Choices<'_>| target.tensors(choices));
}

#[test]
fn arrays() {
    let target = files::Target::new(files::arrays());
    target!("arrays", |choices: &mut Choices<'_>| target.inputs(choices));
}

#[test]
fn images() {
    let target = files::Target::new(files::images());
    target!("images", |choices: &mut Choices<'_>| target.inputs(choices));
}

#[test]
fn tokenizers() {
    let seeds = tokenizers::seeds();
    target!("tokenizers", |choices: &mut Choices<'_>| tokenizers::case(choices, &seeds));
}

#[test]
fn material() {
    let target = material::Target::new();
    target!("material", |choices: &mut Choices<'_>| target.case(choices));
}

#[test]
fn strangers() {
    let target = AssertUnwindSafe(wire::Target::new());
    target!("strangers", |choices: &mut Choices<'_>| target.strangers(choices.rest()));
    wire::report();
}

#[test]
fn messages() {
    let target = AssertUnwindSafe(wire::Target::new());
    target!("messages", |choices: &mut Choices<'_>| target.messages(choices.rest()));
    wire::report();
}
