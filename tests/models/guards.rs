//! Checks in the run: an input of any size gets a right answer or none, and without the checks some get a wrong one.

use mpcc::compiler::encode;
use mpcc::compiler::evaluate::Tensor;
use mpcc::compiler::graph::Graph;
use mpcc::compiler::ranges::Basis;
use mpcc::program::program::Gate;

use super::pipeline::{Compiled, Evaluated, compile_on, seeded_inputs};

/// A norm, ReLU-softmax attention, masked softmax, a mask of large numbers over scores that may lie too far apart for it, and the
/// same with a range that is declared of the scores.
const MODELS: [(&str, &str); 5] = [
    (
        "norms",
        "mpv 1;
numeric { frac: 12, weight_frac: 16 }
model Norms() {
  input x: secret client Tensor<4, 8>;
  weights secret server { format: safetensors }
  param g: Tensor<8> = \"g\";
  param b: Tensor<8> = \"b\";
  param w: Tensor<8, 8> = \"w\";
  let h = linear(x, w);
  output y: reveal client Tensor<4, 8> = layernorm(h, g, b, eps: 0.00001);
}",
    ),
    (
        "rectified",
        "mpv 1;
numeric { frac: 12, weight_frac: 16 }
model Rectified() {
  input x: secret client Tensor<6, 8>;
  weights secret server { format: safetensors }
  param q: Tensor<8, 8> = \"q\";
  param k: Tensor<8, 8> = \"k\";
  let s = linear(x, q) @ transpose(linear(x, k));
  output y: reveal client Tensor<6, 8> = relu_softmax(s, eps: 0.015625) @ x;
}",
    ),
    (
        "softmax",
        "mpv 1;
numeric { frac: 12, weight_frac: 16 }
model Soft() {
  input x: secret client Tensor<6, 8>;
  input m: secret client Tensor<bit, 6>;
  weights secret server { format: safetensors }
  param q: Tensor<8, 8> = \"q\";
  param k: Tensor<8, 8> = \"k\";
  let s = linear(x, q) @ transpose(linear(x, k)) * 8;
  output y: reveal client Tensor<6, 6> = softmax_masked(s, m);
}",
    ),
    (
        "additive mask",
        "mpv 1;
numeric { frac: 12, weight_frac: 16 }
model Additive() {
  input x: secret client Tensor<6, 8>;
  input m: secret client Tensor<bit, 6>;
  weights secret server { format: safetensors }
  param q: Tensor<8, 8> = \"q\";
  param k: Tensor<8, 8> = \"k\";
  let s = linear(x, q) @ transpose(linear(x, k)) * 40000;
  output y: reveal client Tensor<6, 6> = softmax(s + (m - 1) * 1e9);
}",
    ),
    (
        "declared scores",
        "mpv 1;
numeric { frac: 12, weight_frac: 16 }
model Declared() {
  input x: secret client Tensor<6, 8>;
  input m: secret client Tensor<bit, 6>;
  weights secret server { format: safetensors }
  param q: Tensor<8, 8> = \"q\";
  param k: Tensor<8, 8> = \"k\";
  let s = linear(x, q) @ transpose(linear(x, k)) * 8000;
  assume range(s) in [-2000, 2000];
  output y: reveal client Tensor<6, 6> = softmax_masked(s, m);
}",
    ),
];

/// Small inputs, as they are usual: what ranges are observed on.
fn usual(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut inputs = seeded_inputs(graph, seed);
    let last = inputs.len() - 1;
    if last > 0 {
        // Some entry of a mask is set.
        inputs[last].data[0] = 1.0;
    }
    inputs
}

/// Inputs of every size that the encoding takes, from almost nothing to the largest, flat ones and single entries among them.
fn unusual(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut inputs = usual(graph, seed);
    let factor = [1.9, 1e-3, 1.0, 0.03, 1e-2, 1.9][seed as usize % 6];
    for (at, v) in inputs[0].data.iter_mut().enumerate() {
        *v *= factor;
        match seed % 5 {
            1 => *v = factor,
            2 if at != seed as usize % 8 => *v = 0.0,
            3 => *v = v.signum() * factor,
            _ => {}
        }
    }
    inputs
}

/// What became of many inputs.
#[derive(Debug, Default)]
struct Outcome {
    right: usize,
    withheld: usize,
    wrong: usize,
    left_a_bound: usize,
}

fn outcome(compiled: &Compiled) -> Outcome {
    let mut outcome = Outcome::default();
    for seed in 0..300 {
        let Some(Evaluated { float, ideal }) = compiled.try_recorded(unusual(&compiled.graph, seed), 7, seed) else {
            continue;
        };
        let program = &compiled.program;
        if program.verdict && ideal.outputs[program.outputs.len()] != [0] {
            outcome.withheld += 1;
            continue;
        }
        let fixed = encode::decode(&program.outputs[0], &ideal.outputs[0]);
        let error = fixed.iter().zip(&float[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let bounds = program.values.iter().zip(&ideal.magnitudes).all(|(v, m)| *m < 1 << v.bound);
        outcome.left_a_bound += usize::from(!bounds);
        *(if error < 0.05 { &mut outcome.right } else { &mut outcome.wrong }) += 1;
    }
    outcome
}

#[test]
fn unusual_inputs_get_a_right_answer_or_none() {
    for (name, source) in MODELS {
        for seed in 1..4 {
            let compiled = compile_on(source, seed, Basis::Guarded, usual);
            let found = outcome(&compiled);
            assert_eq!((found.wrong, found.left_a_bound), (0, 0), "{name} with weights {seed}: {found:?}");
            assert!(found.right > 50, "{name} with weights {seed}: {found:?}");
        }
    }
}

/// The same inputs show what the checks are for.
#[test]
fn without_checks_some_unusual_inputs_get_a_wrong_answer() {
    let mut wrong = 0;
    for (_, source) in MODELS {
        for seed in 1..4 {
            let compiled = compile_on(source, seed, Basis::Observed, usual);
            assert!(!compiled.program.verdict);
            wrong += outcome(&compiled).wrong;
        }
    }
    assert!(wrong > 0);
}

#[test]
fn what_calibration_saw_is_answered() {
    for (name, source) in MODELS {
        let compiled = compile_on(source, 1, Basis::Guarded, usual);
        for seed in 0..8 {
            let evaluated = compiled.try_recorded(usual(&compiled.graph, seed), 3, seed).expect("it fits");
            let verdict = evaluated.ideal.outputs.get(compiled.program.outputs.len());
            assert!(verdict.is_none_or(|v| v[..] == [0]), "{name}, input {seed}");
        }
    }
}

/// Scores that lie farther apart than a mask puts them must not get an answer: what is masked would count.
#[test]
fn scores_that_outreach_their_mask_are_withheld() {
    for (name, source) in &MODELS[3..] {
        let found = outcome(&compile_on(source, 1, Basis::Guarded, usual));
        assert!(found.withheld > 10 && found.wrong == 0, "{name}: {found:?}");
    }
}

/// What is far above the upper end of a check may be anything in the narrower wire of the lower end.
#[test]
fn no_number_far_above_its_range_passes_for_one_within() {
    let source = "mpv 1;
numeric { frac: 12, weight_frac: 16 }
model Far() {
  input x: secret client Tensor<2, 8>;
  weights secret server { format: safetensors }
  param g: Tensor<8> = \"g\";
  param b: Tensor<8> = \"b\";
  param w: Tensor<8, 8> = \"w\";
  assume range(x) in [-512, 512];
  let h = layernorm(linear(64 * x, w), g, b, eps: 0.00001);
  output y: reveal client Tensor<2, 8> = layernorm(linear(h, w), g, b, eps: 0.00001);
}";
    let compiled = compile_on(source, 1, Basis::Guarded, usual);
    // There is time for the narrower comparisons.
    assert!(compiled.program.values.iter().any(|v| matches!(v.gate, Gate::SignDigits { .. })));
    let (mut right, mut withheld) = (0, 0);
    for step in 0..400 {
        let factor = 1.0225f64.powi(step) / 20.0;
        let mut inputs = usual(&compiled.graph, step as u64);
        inputs[0].data.iter_mut().for_each(|v| *v = (*v * factor).clamp(-500.0, 500.0));
        let evaluated = compiled.try_recorded(inputs, 7, step as u64).expect("declared");
        if evaluated.ideal.outputs[1] == [0] {
            let fixed = encode::decode(&compiled.program.outputs[0], &evaluated.ideal.outputs[0]);
            let error = fixed.iter().zip(&evaluated.float[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 0.05, "{error} at {factor}");
            right += 1;
        } else {
            withheld += 1;
        }
    }
    assert!(right > 50 && withheld > 50, "{right} right, {withheld} withheld");
}

/// Calibrated on short texts of different words, a program answers a long one of the same word: its sums of exponentials
/// are as large as the row is long, which is proved.
#[test]
fn a_text_longer_and_flatter_than_any_seen_is_answered() {
    let source = "mpv 1;
numeric { frac: 12, weight_frac: 16 }
model Long() {
  input x: secret client Tensor<32, 8>;
  input m: secret client Tensor<bit, 32>;
  weights secret server { format: safetensors }
  param q: Tensor<8, 8> = \"q\";
  param k: Tensor<8, 8> = \"k\";
  let s = linear(x, q) @ transpose(linear(x, k)) * 400;
  output y: reveal client Tensor<32, 8> = softmax_masked(s, m) @ x;
}";
    fn short(graph: &Graph, seed: u64) -> Vec<Tensor> {
        let mut inputs = seeded_inputs(graph, seed);
        (0..32).for_each(|at| inputs[1].data[at] = f64::from(u8::from(at < 8)));
        inputs
    }
    let compiled = compile_on(source, 1, Basis::Guarded, short);
    let mut inputs = short(&compiled.graph, 77);
    let word = inputs[0].data[..8].to_vec();
    inputs[0].data.chunks_mut(8).for_each(|row| row.copy_from_slice(&word));
    inputs[1].data.fill(1.0);
    let evaluated = compiled.try_recorded(inputs, 5, 0).expect("it fits");
    assert!(evaluated.ideal.outputs.get(1).is_none_or(|verdict| *verdict == [0]));
    let fixed = encode::decode(&compiled.program.outputs[0], &evaluated.ideal.outputs[0]);
    let error = fixed.iter().zip(&evaluated.float[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error < 0.005, "{error}");
}
