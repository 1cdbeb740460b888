//! Networks that the reference libraries wrote (`tests/reference/families.py`), imported as they are: the float network gives
//! what the libraries give.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_grammar::{format, parse, render};
use mpcc_import::models::{Imported, Leftover, Options, detect, import};
use mpcc_import::weights;
use serde::Deserialize;
use tempfile::TempDir;

/// Inputs and outputs of a network, a row for each example.
#[derive(Deserialize)]
struct Reference {
    inputs: BTreeMap<String, Vec<Vec<f64>>>,
    outputs: BTreeMap<String, Vec<Vec<f64>>>,
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/families");
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).expect("fixtures").map(|e| e.expect("an entry").path()).collect();
    found.sort();
    found
}

/// The model file in its layout and its graph, with what is left over ignored.
pub(crate) fn model(imported: &Imported) -> (String, Graph, Leftover) {
    let lowered = |leftover: &Leftover| {
        let source = imported.source(leftover);
        let made = format(&source).and_then(|source| {
            let (graph, warnings) = lower(&parse(&source)?, &LowerOptions::default())?;
            // Published networks keep the eps that they were published with.
            if warnings.iter().all(|warning| warning.code == "W0007") { Ok((source, graph)) } else { Err(warnings) }
        });
        made.unwrap_or_else(|found| panic!("{}", render(&found, &source, "model.mpv", false)))
    };
    let (_, graph) = lowered(&Leftover::default());
    let report = weights::bind(&graph, imported.tensors.listing());
    let leftover = imported.leftover(&report).unwrap_or_else(|e| panic!("{e}"));
    let (source, graph) = lowered(&leftover);
    let report = weights::bind(&graph, imported.tensors.listing());
    assert!(report.is_complete(), "{report}");
    (source, graph, leftover)
}

/// The largest difference between the imported network and the reference.
fn difference(fixture: &Path) -> f64 {
    let reference: Reference =
        serde_json::from_slice(&fs::read(fixture.join("reference.json")).expect("a reference")).expect("JSON");
    let name = fixture.file_name().and_then(|name| name.to_str()).expect("a name");
    let state_dict = ["timm", "torchvision", "encoder"].iter().any(|family| name.starts_with(family));
    let length = match reference.inputs.get("ids") {
        Some(ids) => Some(ids[0].len()),
        None => reference.inputs.get("x").map(|x| x[0].len() / 16),
    };
    let options = Options { heads: state_dict.then_some(2), length, norm_first: name.ends_with("first") };
    let template = detect(fixture).unwrap_or_else(|e| panic!("{e}"));
    let mut imported = import(template, fixture, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (_, graph, _) = model(&imported);
    let mut weights_at = imported.tensors.path().to_owned();
    let directory = TempDir::new().expect("a directory");
    if imported.tensors.is_derived() {
        weights_at = directory.path().join("w.safetensors");
        let bound = weights::bind(&graph, imported.tensors.listing()).bound;
        imported.tensors.save(&bound, &weights_at).expect("a file");
    }
    let bound = weights::load(&weights_at, &graph).unwrap_or_else(|e| panic!("{name}: {e}"));
    let evaluator = Evaluator::new(&graph, &bound.params).expect("parameters");
    let nodes: Vec<_> = graph.outputs.iter().map(|output| output.node).collect();
    let names: Vec<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut declared: Vec<&str> = reference.outputs.keys().map(String::as_str).collect();
    declared.sort_by_key(|name| names.iter().position(|n| n == name));
    assert_eq!(names, declared, "{name}");
    let mut largest: f64 = 0.0;
    for example in 0..2 {
        let inputs: Vec<Tensor> = graph
            .inputs
            .iter()
            .map(|input| Tensor { shape: input.ty.shape.clone(), data: reference.inputs[&input.name][example].clone() })
            .collect();
        let values = evaluator.run(&inputs, Wanted::Only(&nodes)).expect("finite numbers");
        for (output, node) in graph.outputs.iter().zip(&nodes) {
            let (got, want) = (&values[*node].data, &reference.outputs[&output.name][example]);
            assert_eq!(got.len(), want.len(), "{name}");
            // Of padding the libraries say something else, which means nothing.
            let mask = reference.inputs.get("mask").map(|mask| mask[example].as_slice());
            let mask = mask.filter(|mask| graph.node(*node).ty.shape.first() == Some(&mask.len()));
            let counts = |at: usize| mask.is_none_or(|mask| mask[at * mask.len() / want.len()] == 1.0);
            let differences =
                got.iter().zip(want).enumerate().filter(|(at, _)| counts(*at)).map(|(_, (a, b))| (a - b).abs());
            largest = differences.fold(largest, f64::max);
        }
    }
    largest
}

#[test]
fn published_families_give_what_the_reference_libraries_give() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 40, "{} networks", fixtures.len());
    let mut wrong = Vec::new();
    for fixture in fixtures {
        let difference = difference(&fixture);
        let name = fixture.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("{name:<24} {difference:.2e}");
        // Outputs are written with nine digits; those of tanh-like sums of single-precision tables with fewer.
        if difference > 2e-6 {
            wrong.push(format!("{name}: {difference:.3e}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
