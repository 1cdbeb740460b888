//! Seeds: the golden models of the project, compiled with seeded weights and ranges observed on seeded inputs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::calibrate;
use mpcc_compiler::compile::{assemble_with, rewrite};
use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Graph};
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{Comparison, PlanOptions};
use mpcc_fuzz::Choices;
use mpcc_import::weights;
use mpcc_program::program::Supplier;

/// A compiled model and the weights that it was calibrated with.
pub(crate) struct Seed {
    pub(crate) artefact: Artefact,
    pub(crate) params: Vec<Tensor>,
}

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Sources in a folder of the project.
pub(crate) fn sources_in(folder: &str) -> Vec<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .expect("a folder of models")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "mpv"))
        .collect();
    files.sort();
    files.iter().map(|path| std::fs::read_to_string(path).expect("a model")).collect()
}

/// One of the seeds, small ones more often: they go through the same code in less time.
pub(crate) fn seed<'s>(choices: &mut Choices<'_>, seeds: &'s [Seed]) -> &'s Seed {
    &seeds[choices.below(seeds.len()).min(choices.below(seeds.len()))]
}

/// The golden models, each with both protocols for comparisons and, where two parties can run it alone, without a dealer, from
/// small to large.
pub(crate) fn seeds() -> &'static [Seed] {
    static SEEDS: OnceLock<Vec<Seed>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let mut sources = sources_in("tests/goldens/models");
        sources.push(std::fs::read_to_string(root().join("studies/tests/studies/attention.mpv")).expect("a model"));
        let made = sources.iter().flat_map(|source| {
            let dealt = |comparison| PlanOptions { comparison, ..PlanOptions::default() };
            let alone = PlanOptions { supplier: Supplier::Pair, ..PlanOptions::default() };
            let plans = [dealt(Comparison::DigitTables), dealt(Comparison::FunctionSharing), alone];
            plans.map(|options| compiled(source, &options)).into_iter().flatten()
        });
        let mut made: Vec<Seed> = made.collect();
        made.sort_by_key(|seed| seed.artefact.to_bytes().len());
        assert!(made.len() >= 40, "{} seeds", made.len());
        let alone = made.iter().filter(|seed| seed.artefact.program.supplier == Supplier::Pair).count();
        assert!(3 * alone > sources.len(), "{alone} seeds of two parties alone");
        made
    })
}

/// A model, compiled with seeded weights.
pub(crate) fn compiled(source: &str, options: &PlanOptions) -> Option<Seed> {
    let rewritten = rewrite(source, &LowerOptions::default()).ok()?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    weights::save(&path, &weights::generate(&rewritten.lowered, 7)).expect("weights are written");
    let params = weights::load(&path, &rewritten.graph).expect("weights bind").params;
    let inputs: Vec<Vec<Tensor>> = (0..4).map(|seed| inputs(&rewritten.graph, seed)).collect();
    let ranges = calibrate::calibrate(&rewritten.graph, &params, &inputs, |_| {}).ok()?;
    let artefact = assemble_with(&rewritten.graph, &ranges, options).ok()?;
    Some(Seed { artefact, params })
}

/// Deterministic inputs of a graph's types.
pub(crate) fn inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let one = |input: &mpcc_compiler::graph::Input| {
        let entries = input.ty.shape.iter().product();
        let data = (0..entries).map(|_| match input.ty.element {
            Element::U8 => (next() * 256.0).floor(),
            Element::Bit => (next() * 2.0).floor(),
            Element::I32 => (next() * 3.0).floor(),
            Element::Real => next() * 2.0 - 1.0,
        });
        Tensor::new(&input.ty.shape, data.collect())
    };
    graph.inputs.iter().map(one).collect()
}
