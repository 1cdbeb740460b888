//! One step of training the MPCViT CIFAR network beside PyTorch's, which `pytorch/step.py` computed from the same weights and
//! images.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use mpcc_compiler::compile::rewrite;
use mpcc_compiler::evaluate::Tensor as Array;
use mpcc_compiler::lower::{LowerOptions, PlanValue};
use mpcc_training::examples::{Batch, ListedExamples};
use mpcc_training::goal::Goal;
use mpcc_training::network::{Network, NoiseOptions, Sites};
use mpcc_training::optimise::{AdamWs, Schedule};
use mpcc_training::parameters::{Parameters, declared};
use mpcc_training::train::{Job, Recipe};
use serde::Deserialize;

const EXAMPLES: usize = 4;
const CLASSES: usize = 10;

#[derive(Deserialize)]
struct Fixture {
    plan: PlanValue,
    rate: f64,
    weight_decay: f64,
    scores: Vec<Vec<f64>>,
    loss: f64,
    parameters: BTreeMap<String, Seen>,
}

#[derive(Deserialize)]
struct Seen {
    gradient: Digest,
    after: Digest,
}

#[derive(Deserialize)]
struct Digest {
    entries: Vec<f64>,
    norm: f64,
    alternating: f64,
}

/// Numbers in [-1, 1) by splitmix64 of a counter.
fn uniform(stream: u64, count: usize) -> Vec<f64> {
    let number = |at: u64| {
        let mut z = (at + (stream << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..count as u64).map(number).collect()
}

fn first_values(names: &[(String, Vec<usize>)]) -> BTreeMap<String, Array> {
    let value = |(at, (name, shape)): (usize, &(String, Vec<usize>))| {
        let numbers = uniform(at as u64 + 1, shape.iter().product());
        let gain = name.contains("norm") && name.ends_with("weight");
        let scaled = numbers.into_iter().map(|v| match (gain, shape.len()) {
            (true, _) => 1.0 + v / 8.0,
            (false, 1) => v / 16.0,
            _ => v / 8.0,
        });
        (name.clone(), Array::new(shape, scaled.collect()))
    };
    names.iter().enumerate().map(value).collect()
}

/// The order in which the script counts parameters.
fn in_order(mut names: Vec<(String, Vec<usize>)>) -> Vec<(String, Vec<usize>)> {
    names.sort_by_key(|(name, _)| {
        let head = [
            "tokenizer.",
            "classifier.class",
            "classifier.pos",
            "classifier.blocks",
            "classifier.norm",
            "classifier.fc",
        ];
        let place = head.iter().position(|start| name.starts_with(start)).expect("a known name");
        let block: usize = name.split('.').nth(2).and_then(|part| part.parse().ok()).unwrap_or(0);
        let inner = ["pre_norm", "qkv", "proj", "norm1", "linear1", "linear2"];
        let inner = inner.iter().position(|part| name.contains(part)).unwrap_or(0);
        (place, block, inner, name.ends_with("bias"))
    });
    names
}

fn floats(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.to_data().convert::<f64>().try_to_vec().expect("converted")
}

/// Largest difference, relative to the largest entry.
fn compare(what: &str, tensor: &Tensor<1>, seen: &Digest, unit: f64) -> f64 {
    let values = floats(tensor);
    let step = (values.len() / seen.entries.len()).max(1);
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let alternating: f64 = values.iter().enumerate().map(|(i, v)| if i % 2 == 0 { *v } else { -v }).sum();
    let entries = values.iter().step_by(step).zip(&seen.entries).map(|(a, b)| (a - b).abs() / unit);
    let worst = entries.fold((norm - seen.norm).abs() / seen.norm, f64::max);
    let worst = worst.max((alternating - seen.alternating).abs() / seen.norm);
    assert!(worst < 1e-4, "{what}: {worst:e}");
    worst
}

#[test]
fn a_step_of_the_mpcvit_cifar_network_is_pytorchs() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(folder.join("tests/fixtures/step.json")).expect("the fixture");
    let fixture: Fixture = serde_json::from_str(&text).expect("a fixture");
    let model = folder.join("../examples/mpcvit-cifar10-paper/model.mpv");
    let source = std::fs::read_to_string(model).expect("the model");
    let options = LowerOptions { plans: [("ATTN".to_owned(), fixture.plan)].into(), ..LowerOptions::default() };
    let graph = Arc::new(rewrite(&source, &options).expect("a sound model").lowered);
    let network = Network::new(Arc::clone(&graph)).expect("it can be trained");
    let device = Device::flex();

    let values = first_values(&in_order(declared(&graph)));
    let mut parameters = Parameters::new(&graph, &values, &device).expect("all parameters");
    let pixels = uniform(0, EXAMPLES * 3 * 32 * 32).into_iter().map(|v| ((v + 1.0) * 128.0).floor() as f32);
    let mut targets = vec![0.1 / CLASSES as f32; EXAMPLES * CLASSES];
    for e in 0..EXAMPLES {
        targets[e * CLASSES + (3 * e) % CLASSES] += 0.6;
        targets[e * CLASSES + (3 * e + 1) % CLASSES] += 0.3;
    }
    let batch = Batch { size: EXAMPLES, inputs: vec![pixels.collect()], targets, labels: vec![0; EXAMPLES] };

    let recipe = Recipe {
        schedule: Schedule {
            rate: fixture.rate,
            least_rate: 0.0,
            warm_up_rate: 0.0,
            epochs: 1,
            warm_up: 0,
            cool_down: 0,
        },
        weight_decay: fixture.weight_decay,
        clip: None,
        noise: NoiseOptions::default(),
        seed: 0,
        keep_best: false,
        rest: String::new(),
    };
    let goal = Goal::labels();
    let none = ListedExamples::default();
    let job = Job { network: &network, examples: &none, goal: &goal, recipe: &recipe, threads: 1, device: &device };
    let input = Tensor::<1>::from_data(batch.inputs[0].as_slice(), &device).reshape([EXAMPLES, 3, 32, 32]);
    let scores = network.forward(&parameters, &[input], &[network.scores()], None, &device).values.remove(0);
    let scores = floats(&scores.reshape([EXAMPLES * CLASSES]));
    for (ours, theirs) in scores.iter().zip(fixture.scores.iter().flatten()) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
    }
    let step = job.gradients(&parameters, &batch, &Sites::find(&graph, recipe.noise), 0);
    assert!((step.loss - fixture.loss).abs() < 1e-5, "{} {}", step.loss, fixture.loss);
    assert_eq!(parameters.0.len(), fixture.parameters.len());
    for (parameter, gradient) in parameters.0.iter().zip(&step.gradients) {
        let gradient = gradient.as_ref().expect("every parameter matters");
        let seen = &fixture.parameters[&parameter.name];
        let unit = seen.gradient.entries.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        compare(&format!("gradient of {}", parameter.name), gradient, &seen.gradient, unit);
    }
    let mut optimiser = AdamWs::new(parameters.0.len(), fixture.weight_decay);
    optimiser.step(&mut parameters, step.gradients, fixture.rate);
    for parameter in &parameters.0 {
        compare(
            &format!("{} after the step", parameter.name),
            &parameter.value,
            &fixture.parameters[&parameter.name].after,
            1.0,
        );
    }
}
