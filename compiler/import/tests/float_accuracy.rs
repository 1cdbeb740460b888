//! The CIFAR-10 example in floats: right labels for its ten images, before and after every pass.

use std::path::{Path, PathBuf};

use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_compiler::passes;
use mpcc_grammar::{parse, render};
use mpcc_import::{inputs, labels, weights};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cifar10")
}

fn model() -> Graph {
    let source = std::fs::read_to_string(example().join("model.mpv")).expect("the example's model");
    let lowered = parse(&source).and_then(|module| lower(&module, &LowerOptions::default()));
    match lowered {
        Ok((graph, _)) => graph,
        Err(diagnostics) => panic!("{}", render(&diagnostics, &source, "model.mpv", false)),
    }
}

fn logits(evaluator: &Evaluator<'_>, graph: &Graph, image: &Tensor) -> Vec<f64> {
    let node = graph.outputs[0].node;
    evaluator.run(std::slice::from_ref(image), Wanted::Only(&[node])).expect("finite logits")[node].data.clone()
}

fn largest(logits: &[f64]) -> usize {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).expect("ten logits")
}

#[test]
fn the_images_get_their_labels_before_and_after_the_passes() {
    let graph = model();
    let bound = weights::load(&example().join("weights.safetensors"), &graph).unwrap();
    assert!(bound.report.ignored.is_empty(), "the file holds what the model declares");
    let (rewritten, _) = passes::run_all(&graph);
    let before = Evaluator::new(&graph, &bound.params).unwrap();
    let after = Evaluator::new(&rewritten, &bound.params).unwrap();

    let files = inputs::expand(&[example().join("images")]).unwrap();
    assert_eq!(files.len(), 10);
    for file in files {
        let class = file.file_stem().unwrap().to_str().unwrap();
        let expected = labels::index_of(&graph.outputs[0].labels, class);
        let image = inputs::load(&file, &graph.inputs[0]).unwrap();
        let (plain, rewritten) = (logits(&before, &graph, &image), logits(&after, &rewritten, &image));
        assert_eq!(Some(largest(&plain)), expected, "{class}: {plain:?}");
        for (a, b) in plain.iter().zip(&rewritten) {
            assert!((a - b).abs() <= 1e-6, "{class}: {plain:?} became {rewritten:?}");
        }
        let mut sorted = plain;
        sorted.sort_by(f64::total_cmp);
        assert!(sorted[9] - sorted[8] > 1.5, "{class} is too close a call for an example");
    }
}

#[test]
fn calibration_images_are_of_every_class() {
    let graph = model();
    let files = inputs::expand(&[example().join("calibration")]).unwrap();
    let mut count = [0; 10];
    for file in &files {
        inputs::load(file, &graph.inputs[0]).unwrap();
        count[labels::expected(file, &graph.outputs[0]).unwrap()] += 1;
    }
    assert_eq!(count, [5; 10]);
}

#[test]
fn the_paper_model_runs_on_generated_weights() {
    let path = example().join("../mpcvit-cifar10-paper/model.mpv");
    let source = std::fs::read_to_string(path).unwrap();
    let (graph, _) = lower(&parse(&source).unwrap(), &LowerOptions::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights.safetensors");
    weights::save(&path, &weights::generate(&graph, 1)).unwrap();
    let bound = weights::load(&path, &graph).unwrap();
    let evaluator = Evaluator::new(&graph, &bound.params).unwrap();
    let of = |class: &str| {
        let file = example().join("images").join(class).with_extension("jpg");
        logits(&evaluator, &graph, &inputs::load(&file, &graph.inputs[0]).unwrap())
    };
    let (cat, dog) = (of("cat"), of("dog"));
    assert!(cat.iter().all(|v| *v != 0.0), "{cat:?}");
    assert_ne!(cat, dog);
}
