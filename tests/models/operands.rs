//! Every function of the language on operands of every visibility: a protocol that computes it, or an error in place.

use std::path::Path;

use mpcc::compiler::compile::rewrite;
use mpcc::compiler::encode;
use mpcc::compiler::evaluate::Tensor;
use mpcc::compiler::lower::{LowerOptions, builtin_functions};

use super::pipeline::{compare, seeded_inputs, try_compile_calibrated};

/// Values that the client, the server and nobody knows, of each kind: a vector `[4]`, a matrix `[4, 4]`, an image
/// `[1, 4, 4]` and kernels `[4, 1, 2, 2]`. Only vectors can be written down, so only they are public.
const VALUES: [&[&str]; 4] =
    [&["cv", "sv", "hv", "[0.5, -1, 2, 0.25]"], &["cm", "sm", "hm"], &["ci", "si", "hi"], &["ck", "sk", "hk"]];
const VECTOR: usize = 0;
const MATRIX: usize = 1;
const IMAGE: usize = 2;
const KERNELS: usize = 3;

/// A call, with the kinds of its operands.
struct Call {
    name: &'static str,
    text: &'static str,
    operands: &'static [usize],
}

const CALLS: [Call; 53] = [
    Call { name: "+", text: "{0} + {1}", operands: &[MATRIX, MATRIX] },
    Call { name: "-", text: "{0} - {1}", operands: &[MATRIX, VECTOR] },
    Call { name: "*", text: "{0} * {1}", operands: &[MATRIX, MATRIX] },
    Call { name: "*", text: "{0} * {1}", operands: &[VECTOR, MATRIX] },
    Call { name: "*", text: "{0} * {1}[.., 0..1]", operands: &[MATRIX, MATRIX] },
    Call { name: "*", text: "{0} * {1}[0..1]", operands: &[MATRIX, MATRIX] },
    Call { name: "*", text: "{0} * {1}[0..1]", operands: &[VECTOR, MATRIX] },
    Call { name: "*", text: "{0} * {1}", operands: &[IMAGE, MATRIX] },
    Call { name: "*", text: "{0}[1] * {1}", operands: &[MATRIX, VECTOR] },
    Call { name: "+", text: "{0} + {1}[0..1]", operands: &[MATRIX, MATRIX] },
    Call { name: "+", text: "{0} + {1}[0..1]", operands: &[VECTOR, MATRIX] },
    Call { name: "/", text: "{0} / (square({1}) + 1)", operands: &[MATRIX, MATRIX] },
    Call { name: "@", text: "{0} @ {1}", operands: &[MATRIX, MATRIX] },
    Call { name: "@", text: "{0} @ {1}", operands: &[VECTOR, MATRIX] },
    Call { name: "@", text: "{0} @ {1}", operands: &[MATRIX, VECTOR] },
    Call { name: "@", text: "{0} @ {1}", operands: &[VECTOR, VECTOR] },
    Call { name: "@", text: "split_heads({0}, 2) @ transpose(split_heads({1}, 2))", operands: &[MATRIX, MATRIX] },
    Call { name: "-", text: "-{0}", operands: &[MATRIX] },
    Call { name: "[]", text: "{0}[1] + {0}[.., 1..3][0, 0]", operands: &[MATRIX] },
    Call { name: "argmax", text: "argmax({0})", operands: &[MATRIX] },
    Call { name: "choose", text: "choose(PLAN[0], {0})", operands: &[MATRIX] },
    Call { name: "concat", text: "concat({0}, {1}, axis: 0)", operands: &[MATRIX, MATRIX] },
    Call { name: "erf", text: "erf({0})", operands: &[MATRIX] },
    Call { name: "exp", text: "exp({0})", operands: &[MATRIX] },
    Call { name: "gelu", text: "gelu({0})", operands: &[MATRIX] },
    Call { name: "gelu_fourier", text: "gelu_fourier({0})", operands: &[MATRIX] },
    Call { name: "layernorm", text: "layernorm({0}, {1}, {2}, eps: 0.01)", operands: &[MATRIX, VECTOR, VECTOR] },
    Call { name: "linear", text: "linear({0}, {1})", operands: &[MATRIX, MATRIX] },
    Call { name: "linear", text: "linear({0}, {1}, {2})", operands: &[MATRIX, MATRIX, VECTOR] },
    Call { name: "linear", text: "linear({0}, {1}, {2})", operands: &[VECTOR, MATRIX, VECTOR] },
    Call { name: "lookup", text: "lookup({0}, {1})", operands: &[MATRIX, VECTOR] },
    Call { name: "lookup", text: "lookup({0}, ids)", operands: &[MATRIX] },
    Call { name: "max", text: "max({0}, axis: -1)", operands: &[MATRIX] },
    Call { name: "max", text: "max({0}, {1})", operands: &[MATRIX, MATRIX] },
    Call { name: "mean", text: "mean({0}, axis: -1)", operands: &[MATRIX] },
    Call { name: "merge_heads", text: "merge_heads(split_heads({0}, 2))", operands: &[MATRIX] },
    Call { name: "min", text: "min({0}, {1})", operands: &[MATRIX, MATRIX] },
    Call { name: "normalize", text: "normalize({0}, mean: [0.5], std: [0.25])", operands: &[IMAGE] },
    Call { name: "patch_embed", text: "patch_embed({0}, {1}, {2}, stride: 2)", operands: &[IMAGE, KERNELS, VECTOR] },
    Call { name: "recip", text: "recip(square({0}) + 1)", operands: &[MATRIX] },
    Call { name: "relu", text: "relu({0})", operands: &[MATRIX] },
    Call { name: "rsqrt", text: "rsqrt(square({0}) + 1)", operands: &[MATRIX] },
    Call { name: "sigmoid", text: "sigmoid({0})", operands: &[MATRIX] },
    Call { name: "silu", text: "silu({0})", operands: &[MATRIX] },
    Call { name: "split_heads", text: "split_heads({0}, 2)", operands: &[MATRIX] },
    Call { name: "sqrt", text: "sqrt(square({0}) + 1)", operands: &[MATRIX] },
    Call { name: "square", text: "square({0})", operands: &[MATRIX] },
    Call { name: "step", text: "step({0})", operands: &[MATRIX] },
    Call { name: "sum", text: "sum({0}, axis: -1)", operands: &[MATRIX] },
    Call { name: "sum", text: "sum({0} * {1}, axis: -1)", operands: &[MATRIX, MATRIX] },
    Call { name: "tanh", text: "tanh({0})", operands: &[MATRIX] },
    Call { name: "transpose", text: "transpose({0})", operands: &[MATRIX] },
    Call { name: "softmax", text: "softmax({0})", operands: &[MATRIX] },
];

/// A model that reveals a call, beside something of both parties.
fn model(call: &str, ty: &str) -> String {
    format!(
        r#"mpv 1;
fn half<N>(x: Tensor<N>) -> Tensor<N> {{ return x / 2; }}
plan PLAN: per_layer<1> = [half];
model Tiny() {{
  input cv: secret client Tensor<4>;
  input cm: secret client Tensor<4, 4>;
  input ci: secret client Tensor<1, 4, 4>;
  input ck: secret client Tensor<4, 1, 2, 2>;
  input ids: secret client Tensor<bit, 3>;
  weights secret server {{ format: safetensors }}
  param sv: Tensor<4> = "sv";
  param sm: Tensor<4, 4> = "sm";
  param si: Tensor<1, 4, 4> = "si";
  param sk: Tensor<4, 1, 2, 2> = "sk";
  let hv = cv * sv;
  let hm = cm @ sm;
  let hi = ci + si;
  let hk = ck + sk;
  let result = {call};
  let kept = sum(hv, axis: -1) * 0;
  output y: reveal client {ty} = result;
  output z: reveal client Tensor<1> = kept;
}}
"#
    )
}

/// The type of a call's result, as the message about another declared one says it.
fn type_of(call: &str) -> Option<String> {
    let errors = rewrite(&model(call, "Tensor<1, 1, 1, 1, 1>"), &LowerOptions::default()).err()?;
    let wrong = errors.iter().find(|error| error.code == "E0520")?;
    Some(wrong.labels[0].text.clone())
}

/// What became of a call.
enum Outcome {
    Computed,
    /// With the first thing that is said.
    Refused(String),
}

/// What becomes of a call, or why that is not right.
fn outcome(call: &str) -> Result<Outcome, String> {
    let source = model(call, &type_of(call).unwrap_or_else(|| "Tensor<4, 4>".to_owned()));
    let rewritten = match rewrite(&source, &LowerOptions::default()) {
        Ok(rewritten) => rewritten,
        Err(errors) => {
            for error in &errors {
                let place = error.primary().ok_or_else(|| format!("{call}: {error} has no place"))?;
                if !(place.start < place.end && place.end <= source.len()) {
                    return Err(format!("{call}: {error} is about nothing"));
                }
            }
            return Ok(Outcome::Refused(errors[0].to_string()));
        }
    };
    let inputs: Vec<Vec<Tensor>> = (0..4).map(|seed| seeded_inputs(&rewritten.graph, seed)).collect();
    let compiled = match try_compile_calibrated(&source, 5, &inputs) {
        Ok(compiled) => compiled,
        Err(errors) => {
            for error in &errors {
                let node = error.node().ok_or_else(|| format!("{call}: {error} is about no value"))?;
                if rewritten.graph.node(node).span.is_none() {
                    return Err(format!("{call}: {error} has no place"));
                }
            }
            return Ok(Outcome::Refused(errors[0].to_string()));
        }
    };
    let inference = compiled.inference(inputs[0].clone());
    let ideal = compiled.ideal(&inference.encoded, 3, 0);
    for ((output, words), float) in compiled.program.outputs.iter().zip(&ideal.outputs).zip(&inference.float) {
        for (found, wanted) in encode::decode(output, words).iter().zip(float) {
            if (found - wanted).abs() > 0.02 * (1.0 + wanted.abs()) {
                return Err(format!("{call}: {found} instead of {wanted}"));
            }
        }
    }
    Ok(Outcome::Computed)
}

/// All ways to fill the operands of a call.
fn filled(call: &Call) -> Vec<String> {
    let mut texts = vec![call.text.to_owned()];
    for (at, kind) in call.operands.iter().enumerate() {
        let fill = |text: &String| {
            VALUES[*kind].iter().map(|value| text.replace(&format!("{{{at}}}"), value)).collect::<Vec<_>>()
        };
        texts = texts.iter().flat_map(fill).collect();
    }
    texts
}

#[test]
fn every_function_has_a_protocol_or_an_error_in_place_for_operands_of_every_owner() {
    let (mut computed, mut refused, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for text in CALLS.iter().flat_map(filled) {
        match outcome(&text) {
            Ok(Outcome::Computed) => computed.push(text),
            Ok(Outcome::Refused(why)) => refused.push((text, why)),
            Err(why) => wrong.push(why),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(computed.len() > 200, "{} computed", computed.len());
    let list: String = refused.iter().map(|(text, why)| format!("{text}: {why}\n")).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    compare(&root.join("tests/goldens/operands.refused"), &list);
}

#[test]
fn no_function_is_left_out() {
    for function in builtin_functions() {
        let of_numbers = ["ceil", "exp2", "floor", "log2"].contains(&function.name);
        let called = CALLS.iter().any(|call| call.name == function.name);
        assert!(called || of_numbers, "{} is not among the calls", function.name);
    }
}
