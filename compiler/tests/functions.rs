//! Every function of the language on secret values can be planned for two parties, with plausible ranges.

use mpcc_compiler::compile::rewrite;
use mpcc_compiler::library;
use mpcc_compiler::lower::{LowerOptions, builtin_functions};
use mpcc_compiler::plan::{PlanOptions, plan_with};
use mpcc_compiler::ranges::{Basis, nominal};
use mpcc_program::cost::{self, Cost};

/// Two heads of `length` tokens: queries, keys, values `[2, length, 8]`, scores `s`, a mask `m`, and what `body` makes of them.
fn model(body: &str, params: &str, length: usize) -> String {
    format!(
        r#"mpv 1;
model Small() {{
  input x: secret client Tensor<{length}, 16>;
  input m: secret client Tensor<bit, {length}>;
  input ids: secret client Tensor<i32, {length}>;
  weights secret server {{ format: safetensors }}
  param w: Tensor<48, 16> = "w";
  param o: Tensor<4, 16> = "o";
  param table: Tensor<30, 16> = "table";
  {params}
  let _kept = m + ids;
  let _table = table;
  let p = linear(x, w);
  let q = split_heads(p[.., 0..16], 2);
  let k = split_heads(p[.., 16..32], 2);
  let v = split_heads(p[.., 32..48], 2);
  let s = q @ transpose(k) * rsqrt(8);
  let a = {body};
  output y: reveal client Tensor<{length}, 4> = linear(merge_heads(a), o);
}}
"#
    )
}

/// The cost of the program, or why there is none.
fn costs(source: &str) -> Result<Cost, String> {
    let graph = rewrite(source, &LowerOptions::default()).map_err(|errors| format!("{errors:?}"))?.graph;
    let plan = plan_with(&graph, &nominal(&graph), &PlanOptions { basis: Basis::Observed, ..PlanOptions::default() })
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    Ok(cost::program(&plan.program))
}

/// Calls on values `v`, on scores `s` or with weights; the most hops at 17 tokens, where the input, the projections, their product
/// and the output take 2 on values and 5 with scores.
#[rustfmt::skip]
const CALLS: &[(&str, u32)] = &[
    ("erf(v)", 4),
    ("exp(min(v, 0))", 9),
    ("gelu(v)", 4),
    ("gelu_fourier(v)", 6),
    ("identity(v)", 2),
    ("ln_goldschmidt(v, g, g, eps: 0.01, low: 0.1, high: 10)", 23),
    ("max(q, k)", 6),
    ("min(q, 1)", 6),
    ("none(v)", 2),
    ("quad(v)", 4),
    ("recip(square(v) + 0.5)", 6),
    ("relu(v)", 6),
    ("relu6(v)", 6),
    ("rmsnorm(v, g)", 8),
    ("rsqrt(square(v) + 0.5)", 6),
    ("sigmoid(v)", 4),
    ("silu(v)", 4),
    ("sqrt(square(v) + 0.5)", 6),
    ("square(v)", 4),
    ("step(v)", 6),
    ("tanh(v)", 4),
    ("v - max(v, axis: -1)", 13),
    ("split_heads(lookup(table, ids), 2)", 2),
    ("softmax(s) @ v", 26),
    ("softmax_masked(s, m) @ v", 26),
    ("relu_softmax(s) @ v", 10),
    ("relu_softmax_masked(s, m) @ v", 10),
    ("scaling(s) @ v", 5),
    ("square_attention(s) @ v", 6),
    ("two_quad(s) @ v", 8),
    ("two_quad_masked(s, m) @ v", 9),
    ("two_quad_unshifted(s) @ v", 8),
    ("two_quad_goldschmidt(s) @ v", 16),
    ("two_quad_goldschmidt_masked(s, m) @ v", 24),
    ("two_relu(s) @ v", 11),
    ("sparsemax(s) @ v", 96),
    ("goldschmidt_div(q, square(k[.., .., 0..1]) + 1, low: 1, high: 100)", 16),
    ("goldschmidt_rsqrt(square(v) + 1, low: 1, high: 100)", 22),
    ("linformer(q, k, v, e)", 18),
    ("unit(v)", 8),
    ("v + mean_masked(p, m)[0..8]", 8),
    ("xnorm(v, gamma)", 8),
    ("xnorm_attention(q, k, v, gamma)", 11),
    ("the_x(s, w1, b1, w2, b2, w3, b3) @ v", 12),
];

fn params(call: &str, length: usize) -> String {
    let all = [
        ("g", "8".to_owned()),
        ("gamma", "2".to_owned()),
        ("e", format!("3, {length}")),
        ("w1", "8, 1".to_owned()),
        ("b1", "8".to_owned()),
        ("w2", "16, 8".to_owned()),
        ("b2", "16".to_owned()),
        ("w3", format!("{length}, 16")),
        ("b3", format!("{length}")),
    ];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let used = |name: &str| call.split(|c| !is_word(c)).any(|word| word == name);
    let declared = all.iter().filter(|(name, _)| used(name));
    declared.map(|(name, dims)| format!("param {name}: Tensor<{dims}> = \"{name}\";")).collect()
}

#[test]
fn functions_can_be_planned_in_so_many_hops() {
    let mut failures = Vec::new();
    for (call, wanted) in CALLS {
        for length in [1, 2, 17] {
            match costs(&model(call, &params(call, length), length)).map(|cost| cost.hops) {
                Ok(hops) if length < 17 || hops <= *wanted => {}
                Ok(hops) => failures.push(format!("{call}: {hops} hops, more than {wanted}")),
                Err(why) => failures.push(format!("{call} of {length}: {why}")),
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// What is not called above computes numbers, moves entries, or is what every network consists of.
#[test]
fn no_function_is_forgotten() {
    let elsewhere = [
        "argmax",
        "ceil",
        "choose",
        "concat",
        "exp2",
        "floor",
        "layernorm",
        "linear",
        "log2",
        "mean",
        "merge_heads",
        "normalize",
        "patch_embed",
        "split_heads",
        "sum",
        "transpose",
        "goldschmidt_div_steps",
        "goldschmidt_rsqrt_steps",
        "goldschmidt_deflation",
    ];
    let names = builtin_functions().into_iter().map(|f| f.name).chain(library::functions().into_iter().map(|f| f.name));
    for name in names {
        let called = CALLS
            .iter()
            .any(|(call, _)| call.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name));
        assert!(called || elsewhere.contains(&name), "`{name}` is not planned in any test");
    }
}

/// Who has the table looks up in the clear, and sends rows in place of zeros and ones.
#[test]
fn a_table_of_the_client_needs_no_secret_look_up() {
    let source = |table: &str, local: &str, value: &str| {
        format!(
            r#"mpv 1;
model Text() {{
  input ids: secret client Tensor<i32, 8>;
  weights secret server {{ format: safetensors }}
  {table}
  param o: Tensor<4, 16> = "o";
  local client {{
    {local}
  }}
  output y: reveal client Tensor<8, 4> = linear({value}, o);
}}
"#
        )
    };
    let secret = source("param word: Tensor<5000, 16> = \"word\";", "let own = ids;", "lookup(word, own)");
    let public = source("input word: secret client Tensor<5000, 16>;", "let rows = lookup(word, ids);", "rows");
    let [secret, public] = [secret, public].map(|source| costs(&source).unwrap_or_else(|why| panic!("{why}")));
    let (many, few) = (secret.online_bytes.data_owner, public.online_bytes.data_owner);
    assert!(many > 8 * 5000 && few < 8 * 16 * 8, "{many} and {few} bytes");
}

/// Weights of every shape that goes with a value: one for all, per column, per row, per entry, and with axes of extent 1.
#[test]
fn weights_of_any_shape_are_added_and_one_per_column_multiplied() {
    for (dims, multiplied) in [
        ("1", true),
        ("8", true),
        ("17, 1", false),
        ("17, 8", false),
        ("1, 1", true),
        ("1, 17, 8", false),
        ("1, 1, 8", true),
    ] {
        for operator in ["+", "-", "*"] {
            let weight = format!("param scale: Tensor<{dims}> = \"scale\";");
            let planned = costs(&model(&format!("v {operator} scale"), &weight, 17));
            if operator != "*" || multiplied {
                assert!(planned.is_ok(), "v {operator} [{dims}]: {planned:?}");
            }
        }
    }
}
