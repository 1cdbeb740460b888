//! Checks in the run: an input of any size gets a right answer or none, and without the checks some get a wrong one.

use mpcc::compiler::encode;
use mpcc::compiler::evaluate::Tensor;
use mpcc::compiler::graph::Graph;
use mpcc::compiler::ranges::Basis;

use super::pipeline::{Compiled, Evaluated, compile_on, seeded_inputs};

/// A norm, ReLU-softmax attention, softmax attention, and a divisor that can be anything.
const MODELS: [(&str, &str); 3] = [
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
