//! Functions of the language and of its standard library in the ideal functionality, against the float evaluator.

use mpcc::compiler::encode;
use mpcc::compiler::library;

use super::pipeline::{Refused, seeded_inputs, try_compile_source};

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

/// The largest error on a few inputs, or why there is none.
fn error(source: &str) -> Result<f64, String> {
    let compiled = match try_compile_source(source, 3) {
        Ok(compiled) => compiled,
        Err(Refused::Range) => return Err("its ranges do not fit".to_owned()),
        Err(Refused::Weights) => return Err("its weights do not fit".to_owned()),
        Err(Refused::Bug(text)) => return Err(text),
    };
    let mut worst = 0f64;
    // Inputs that the ranges were observed on: what is refused outside them is tested elsewhere.
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
    ("ln_goldschmidt(s, g, h, eps: 0.05, low: 0.05, high: 100)", 1e-2),
    ("goldschmidt_div(s, square(s[.., 0..1]) + 1, low: 1, high: 100, most: 20)", 1e-2),
    ("goldschmidt_rsqrt(square(s) + 0.5, low: 0.5, high: 100)", 1e-2),
    ("s * goldschmidt_deflation(1, 2) + goldschmidt_div_steps(1, 2) + goldschmidt_rsqrt_steps(1, 2)", 1e-3),
];

#[test]
fn functions_are_computed_to_their_tolerance() {
    let mut failures = Vec::new();
    for length in LENGTHS {
        // A row of one has no variance.
        let possible = |call: &str| length > 1 || !call.starts_with("ln_");
        for (call, tolerance) in CALLS.iter().filter(|(call, _)| possible(call)) {
            match error(&model(length, call)) {
                Ok(error) if error <= *tolerance => {}
                Ok(error) => failures.push(format!("{call} of {length}: {error:.2e} above {tolerance:.0e}")),
                Err(why) => failures.push(format!("{call} of {length}: {why}")),
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Functions of other shapes are named here, so that no function of the library is forgotten.
#[test]
fn every_function_of_the_library_is_computed() {
    let others = ["the_x", "linformer", "xnorm", "xnorm_attention"];
    for function in library::functions() {
        let called = CALLS.iter().any(|(call, _)| call.contains(&format!("{}(", function.name)));
        assert!(called || others.contains(&function.name), "{} is not tested", function.name);
    }
}
