//! Training on images that the test makes: a run that is stopped and resumed ends where one that was not stopped ends, for any
//! number of threads, and a parameter without gradient is named.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use mpcc_compiler::compile::rewrite;
use mpcc_compiler::lower::LowerOptions;
use mpcc_training::augment::{Augment, Mix};
use mpcc_training::batches::BatchOptions;
use mpcc_training::data::{Images, hold_out};
use mpcc_training::examples::ImageExamples;
use mpcc_training::goal::Goal;
use mpcc_training::initialise::initialise;
use mpcc_training::network::{Network, NoiseOptions};
use mpcc_training::optimise::Schedule;
use mpcc_training::parameters::Parameters;
use mpcc_training::train::{Event, Job, Place, Recipe, TrainError, Verdict};

const CLASSES: usize = 2;
const BATCH: usize = 40;

const SOURCE: &str = r#"
mpv 1;
fn rs<N, M>(s: Tensor<N, M>) -> Tensor<N, M> {
  let r = relu(s);
  return r * recip(sum(r, axis: -1) + 0.001);
}
block Layer() {
  param g: Tensor<8> = "norm.weight";
  param b: Tensor<8> = "norm.bias";
  param qkv: Tensor<24, 8> = "qkv.weight";
  param w1: Tensor<16, 8> = "one.weight";
  param b1: Tensor<16> = "one.bias";
  param w2: Tensor<8, 16> = "two.weight";
  forward(x: Tensor<5, 8>) -> Tensor<5, 8> {
    let p = linear(layernorm(x, g, b, eps: 0.001), qkv);
    let q = split_heads(p[.., 0..8], 2);
    let k = split_heads(p[.., 8..16], 2);
    let v = split_heads(p[.., 16..24], 2);
    let y = x + merge_heads(rs(q @ transpose(k)) @ v);
    return y + linear(gelu(linear(y, w1, b1)), w2);
  }
}
model Tiny() {
  input pixels: secret client Tensor<u8, 3, 4, 4>;
  weights secret server { format: safetensors }
  param patch: Tensor<8, 3, 2, 2> = "patch.weight";
  param patch_b: Tensor<8> = "patch.bias";
  param cls: Tensor<1, 8> = "cls";
  param pos: Tensor<5, 8> = "pos";
  param g: Tensor<8> = "norm.weight";
  param b: Tensor<8> = "norm.bias";
  param fc: Tensor<2, 8> = "fc.weight";
  param fc_b: Tensor<2> = "fc.bias";
  local client { let image = pixels / 255 - 0.5; }
  let x = concat(cls, patch_embed(image, patch, patch_b, stride: 2), axis: 0) + pos;
  for i in 0..2 {
    let layer = Layer() at "layers.{i}";
    x = layer(x);
  }
  output scores: reveal client Tensor<2> = linear(layernorm(x, g, b, eps: 0.001)[0], fc, fc_b) labels ["dark", "light"];
}
"#;

/// Dark and light images with some texture.
fn images(count: usize) -> Images {
    let mut bytes = Vec::new();
    let mut labels = Vec::new();
    for at in 0..count {
        let light = at % 2;
        labels.push(light);
        bytes.extend((0..48).map(|i| (60 + 110 * light + (at * 31 + i * 17 + at * i * 7) % 83) as u8));
    }
    Images::from_bytes([3, 4, 4], vec!["dark".into(), "light".into()], bytes, labels).expect("sound images")
}

fn examples() -> ImageExamples {
    let images = Arc::new(images(220));
    let (trained, held_out) = hold_out(images.labels(), 0.25, 3);
    let options = BatchOptions {
        size: BATCH,
        seed: 3,
        classes: CLASSES,
        augment: Augment::crop_flip(),
        mix: Mix { until: Some(2), ..Mix::cifar() },
        smoothing: 0.1,
        threads: 1,
        drop_last: true,
    };
    ImageExamples { images, trained: Arc::new(trained), held_out, test: None, options }
}

fn recipe(epochs: usize) -> Recipe {
    Recipe {
        schedule: Schedule { rate: 1e-2, least_rate: 1e-4, warm_up_rate: 1e-4, epochs, warm_up: 1, cool_down: 1 },
        weight_decay: 0.05,
        clip: Some(1.0),
        noise: NoiseOptions { drop_path: 0.2, attention_dropout: 0.1 },
        seed: 7,
        keep_best: true,
        rest: "test".into(),
    }
}

fn network(source: &str) -> Network {
    let graph = rewrite(source, &LowerOptions::default()).expect("a sound model").lowered;
    Network::new(Arc::new(graph)).expect("it can be trained")
}

/// Trains in `folder`, stopping after each of `stops` steps in turn; the bits of the weights, and the accuracy at the end.
fn weights(folder: &Path, threads: usize, stops: &[usize]) -> (Vec<u8>, f64) {
    let (network, examples, recipe, device) = (network(SOURCE), examples(), recipe(9), Device::flex());
    let goal = Goal::labels();
    let job = Job { network: &network, examples: &examples, goal: &goal, recipe: &recipe, threads, device: &device };
    let start = Parameters::new(network.graph(), &initialise(network.graph(), 5), &device).expect("all parameters");
    let place = Place::of(folder);
    for stop in stops {
        let mut steps = 0;
        let stopped = job.train(start.clone(), &place, &mut |event| {
            steps += usize::from(matches!(event, Event::Step { .. }));
            if steps >= *stop { Verdict::Stop } else { Verdict::GoOn }
        });
        assert!(matches!(stopped, Err(TrainError::Stopped)), "{stopped:?}");
    }
    let trained = job.train(start, &place, &mut |_| Verdict::GoOn).expect("trained");
    assert_eq!(trained.position.history.len(), 10);
    let last = trained.position.history.last().and_then(|epoch| epoch.held_out).expect("held-out images");
    let state = std::fs::read(&place.weights).expect("weights");
    let all: Vec<u8> = trained
        .parameters
        .arrays()
        .values()
        .flat_map(|array| array.data.iter().flat_map(|v| (*v as f32).to_bits().to_le_bytes()))
        .chain(state)
        .collect();
    (all, last)
}

#[test]
fn a_stopped_run_ends_bit_for_bit_where_it_would_have() {
    let folder = || tempfile::tempdir().expect("a directory");
    let (whole, accuracy) = weights(folder().path(), 1, &[]);
    assert!(accuracy > 0.9, "it learns to tell dark from light: {accuracy}");
    assert!(whole == weights(folder().path(), 2, &[]).0, "threads do not matter");
    assert!(whole == weights(folder().path(), 1, &[1, 3, 5]).0, "stops in the middle and at the end of epochs");
    assert!(whole == weights(folder().path(), 2, &[2]).0, "stops and threads");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    weights(folder.path(), 1, &[]);
    let (network, examples, device, goal) = (network(SOURCE), examples(), Device::flex(), Goal::labels());
    let other = Recipe { weight_decay: 0.04, ..recipe(9) };
    let job = Job { network: &network, examples: &examples, goal: &goal, recipe: &other, threads: 1, device: &device };
    let start = Parameters::new(network.graph(), &initialise(network.graph(), 5), &device).expect("all parameters");
    let refused = job.train(start, &Place::of(folder.path()), &mut |_| Verdict::GoOn).expect_err("other options");
    assert!(refused.to_string().contains("of a run with other options"), "{refused}");
}

#[test]
fn a_parameter_without_gradient_is_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let source = SOURCE.replace(
        "linear(layernorm(x, g, b, eps: 0.001)[0], fc, fc_b)",
        "linear(layernorm(x, g, b, eps: 0.001)[0] * 0, fc, fc_b)",
    );
    let (network, examples, device, goal) = (network(&source), examples(), Device::flex(), Goal::labels());
    let recipe = recipe(1);
    let job = Job { network: &network, examples: &examples, goal: &goal, recipe: &recipe, threads: 1, device: &device };
    let start = Parameters::new(network.graph(), &initialise(network.graph(), 5), &device).expect("all parameters");
    let refused = job.train(start, &Place::of(folder.path()), &mut |_| Verdict::GoOn).expect_err("nothing is learned");
    let TrainError::NoGradient { names } = refused else { panic!("{refused}") };
    assert!(names.contains(&"layers.0.qkv.weight".to_owned()) && !names.contains(&"fc.bias".to_owned()), "{names:?}");
    assert!(!Place::of(folder.path()).weights.exists());
}
