//! Functions of the language and of its standard library in the ideal functionality, against the float evaluator.

use mpcc::compiler::encode;
use mpcc::compiler::library;

use super::pipeline::{Compiled, Refused, compile_source, seeded_inputs, try_compile_source};

/// Rows of this many scores.
const LENGTHS: [usize; 3] = [1, 2, 17];

/// A model of three rows of `length` scores `s`, a few units large, and a mask `m` of the client.
fn model(length: usize, body: &str) -> String {
    format!(
        r#"mpv 1;
numeric {{ frac: 14, weight_frac: 22, output_frac: 16 }}
model Function() {{
  input x: secret client Tensor<3, {length}>;
  input b: secret client Tensor<bit, {length}>;
  weights secret server {{ format: safetensors }}
  param w: Tensor<{length}, {length}> = "w";
  param small: Tensor<2, {length}> = "small";
  local client {{
    let far = 32 * x;
    let m = max(b, concat([1], 0 * b, axis: 0)[0..{length}]);
  }}
  let g = 1 + 20 * small[0];
  let h = 20 * small[1];
  let _kept = m;
  let s = 8 * rsqrt({length}) * linear(far, w);
  output y: reveal client Tensor<3, {length}> = {body};
}}
"#
    )
}

/// Queries, keys and values of two heads of `length` tokens, and weights of functions of heads.
fn heads(length: usize, body: &str) -> String {
    format!(
        r#"mpv 1;
numeric {{ frac: 14, weight_frac: 22, output_frac: 16 }}
model Function() {{
  input x: secret client Tensor<{length}, 16>;
  weights secret server {{ format: safetensors }}
  param w: Tensor<48, 16> = "w";
  param small: Tensor<{length}, {length}> = "small";
  param w1: Tensor<8, 1> = "w1";
  param w2: Tensor<16, 8> = "w2";
  param w3: Tensor<{length}, 16> = "w3";
  param b1: Tensor<8> = "b1";
  param b2: Tensor<16> = "b2";
  param b3: Tensor<{length}> = "b3";
  local client {{
    let far = 32 * x;
  }}
  let p = 2 * linear(far, w);
  let q = split_heads(p[.., 0..16], 2);
  let k = split_heads(p[.., 16..32], 2);
  let v = split_heads(p[.., 32..48], 2);
  let s = q @ transpose(k) * rsqrt(8);
  let e = 20 * small[0..1];
  let gamma = 1 + 20 * small[0, 0..2];
  output y: reveal client Tensor<2, {length}, 8> = {body};
}}
"#
    )
}

/// The largest error on the inputs that ranges were observed on: what lies outside them is refused, and tested elsewhere.
fn error(compiled: &Compiled) -> Result<f64, String> {
    let mut worst = 0f64;
    for index in 0..4 {
        let inference = compiled.inference(seeded_inputs(&compiled.graph, index));
        let ideal = compiled.try_ideal(&inference.encoded, 9, index).map_err(|error| error.to_string())?;
        for ((output, integers), float) in compiled.program.outputs.iter().zip(&ideal.outputs).zip(&inference.float) {
            let found = encode::decode(output, integers);
            worst = found.iter().zip(float).map(|(found, float)| (found - float).abs()).fold(worst, f64::max);
        }
    }
    Ok(worst)
}

/// Compares by digit tables, then by function sharing.
fn check(failures: &mut Vec<String>, what: &str, source: &str, tolerance: f64) {
    let digits = match try_compile_source(source, 3) {
        Ok(compiled) => error(&compiled),
        Err(Refused::Range) => Err("its ranges do not fit".to_owned()),
        Err(Refused::Weights) => Err("its weights do not fit".to_owned()),
        Err(Refused::Bug(text)) => Err(text),
    };
    let shared = digits.clone().and_then(|_| error(&compile_source(&format!("// comparison: fss\n{source}"), 3)));
    for (protocol, found) in [("digit tables", digits), ("function sharing", shared)] {
        match found {
            Ok(error) if error <= tolerance => {}
            Ok(error) => failures.push(format!("{what}, {protocol}: {error:.2e} above {tolerance:.0e}")),
            Err(why) => failures.push(format!("{what}, {protocol}: {why}")),
        }
    }
}

/// A call, and the error it may have.
const CALLS: &[(&str, f64)] = &[
    ("gelu(s)", 5e-4),
    ("gelu_fourier(s)", 1e-2),
    ("silu(s)", 5e-4),
    ("tanh(s)", 5e-4),
    ("sigmoid(s)", 5e-4),
    ("erf(s)", 5e-4),
    ("exp(min(s, 0))", 5e-4),
    ("relu(s)", 5e-4),
    ("step(s - 0.001)", 1e-3),
    ("max(s, 0.5) + min(s, -0.5)", 2e-4),
    ("s - max(s, axis: -1)", 5e-4),
    ("square(s)", 1e-2),
    ("sqrt(square(s) + 0.1)", 5e-3),
    ("rsqrt(square(s) + 0.1)", 5e-3),
    ("s / (square(s) + 1)", 2e-3),
    ("identity(s)", 2e-4),
    ("none(s)", 2e-4),
    ("quad(s)", 5e-3),
    ("relu6(s)", 5e-4),
    ("softmax(s)", 1e-3),
    ("softmax_masked(s, m)", 1e-3),
    ("relu_softmax(s)", 1e-3),
    ("relu_softmax_masked(s, m)", 1e-3),
    ("scaling(s)", 2e-4),
    ("square_attention(s)", 1e-2),
    ("two_quad(s + 2)", 1e-3),
    ("two_quad_masked(s, m)", 1e-3),
    ("two_quad_unshifted(s + 6)", 1e-3),
    ("two_quad_goldschmidt(s, low: 5, high: 4000)", 3e-3),
    ("two_quad_goldschmidt_masked(s, m, low: 5, high: 4000)", 3e-3),
    ("two_relu(s)", 1e-3),
    ("sparsemax(s)", 1e-3),
    ("rmsnorm(s, g, eps: 0.01)", 5e-3),
    ("unit(s + 3)", 2e-3),
    ("s + mean_masked(transpose(s), m)[0..1]", 1e-3),
    ("ln_goldschmidt(s, g, h, eps: 0.05, low: 0.05, high: 100)", 1e-2),
    ("goldschmidt_div(s, square(s[.., 0..1]) + 1, low: 1, high: 100, most: 20)", 1e-2),
    ("goldschmidt_rsqrt(square(s) + 0.5, low: 0.5, high: 100)", 1e-2),
    ("s * goldschmidt_deflation(1, 2) + goldschmidt_div_steps(1, 2) + goldschmidt_rsqrt_steps(1, 2)", 1e-3),
];

/// Calls of functions of heads.
const OF_HEADS: &[(&str, f64)] = &[
    ("softmax(s) @ v", 2e-3),
    ("linformer(q, k, v, concat(e, e, axis: 0))", 5e-3),
    ("xnorm(v, gamma)", 2e-3),
    ("xnorm_attention(q, k, v, gamma)", 5e-3),
    ("the_x(s / 8, 20 * w1, b1, 20 * w2, b2, w3, b3) @ v", 2e-2),
];

#[test]
fn functions_are_computed_to_their_tolerance() {
    let mut failures = Vec::new();
    for length in LENGTHS {
        for (call, tolerance) in CALLS {
            check(&mut failures, &format!("{call} of {length}"), &model(length, call), *tolerance);
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn functions_of_heads_are_computed_to_their_tolerance() {
    let mut failures = Vec::new();
    for length in [2, 17] {
        for (call, tolerance) in OF_HEADS {
            check(&mut failures, &format!("{call} of {length}"), &heads(length, call), *tolerance);
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_function_of_the_library_is_computed() {
    for function in library::functions() {
        let called = |(call, _): &(&str, f64)| call.contains(&format!("{}(", function.name));
        assert!(CALLS.iter().chain(OF_HEADS).any(called), "{} is not tested", function.name);
    }
}
