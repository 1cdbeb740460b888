//! Models of the two usual kinds that are made from a seed: their text, weights that make sharp attention, and inputs as they are usual.

use std::fmt::Write;

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Graph};

use super::super::normal::Normal;

/// What a generated model is and reads.
pub(super) struct Generated {
    pub(super) name: String,
    pub(super) source: String,
}

/// A vision transformer for even seeds, a text model for odd ones.
pub(super) fn model(seed: u64) -> Generated {
    let mut draws = Normal::new(seed.wrapping_mul(0x2545_f491) + 77);
    let heads = draws.of(&[2usize, 4]);
    let width = heads * draws.of(&[4usize, 8]);
    let layers = draws.of(&[1usize, 2, 3]);
    let sizes = format!("const LAYERS = {layers};\nconst HEADS = {heads};\nconst DIM = {width};\n");
    if seed.is_multiple_of(2) {
        let grid = draws.of(&[2usize, 3, 4]);
        let functions = ["rs", "scale", "softmax", "two_quad"];
        let plan = plan(&mut draws, layers, heads, &functions);
        let activation = draws.of(&["gelu", "relu", "quad"]);
        let pre_norm = draws.of(&[true, false]);
        let source = vision(&sizes, grid, &plan, activation, pre_norm);
        Generated { name: format!("vision {seed}: {layers} × {heads} × {width}, {activation}"), source }
    } else {
        let (tokens, words) = (draws.of(&[6usize, 10, 16]), draws.of(&[12usize, 40]));
        let attention = draws.of(&["softmax_masked", "two_quad_masked"]);
        let activation = draws.of(&["gelu", "quad"]);
        let source = text(&sizes, tokens, words, attention, activation);
        Generated { name: format!("text {seed}: {layers} × {heads} × {width}, {attention}, {activation}"), source }
    }
}

/// A function for each head of each layer.
fn plan(draws: &mut Normal, layers: usize, heads: usize, functions: &[&str]) -> String {
    let row = |draws: &mut Normal| (0..heads).map(|_| draws.of(functions)).collect::<Vec<_>>().join(", ");
    (0..layers).map(|_| format!("[{}]", row(draws))).collect::<Vec<_>>().join(", ")
}

fn vision(sizes: &str, grid: usize, plan: &str, activation: &str, pre_norm: bool) -> String {
    let mut body = String::new();
    let (before, after) = if pre_norm { ("layernorm(x, a_g, a_b, eps: 0.00001)", "y") } else { ("x", "z") };
    let attended = "x + linear(merge_heads(choose(attn, s) @ v), o_w, o_b)";
    let middle = if pre_norm { "layernorm(y, f_g, f_b, eps: 0.00001)" } else { "z" };
    writeln!(body, "    let h = {before};\n    let p = linear(h, qkv);").expect("a string");
    for (name, at) in ["q", "k", "v"].iter().zip(0..) {
        writeln!(body, "    let {name} = split_heads(p[.., {at} * DIM..{} * DIM], HEADS);", at + 1).expect("a string");
    }
    writeln!(body, "    let s = q @ transpose(k) * rsqrt(DIM / HEADS);\n    let y = {attended};").expect("a string");
    if !pre_norm {
        writeln!(body, "    let z = layernorm(y, a_g, a_b, eps: 0.00001);").expect("a string");
    }
    let out = format!("{after} + linear({activation}(linear({middle}, w1, b1)), w2, b2)");
    let out = if pre_norm { out } else { format!("layernorm({out}, f_g, f_b, eps: 0.00001)") };
    format!(
        "mpv 1;
{NUMERIC}
const GRID = {grid};
const TOKENS = GRID * GRID + 1;
{sizes}
fn rs<N, M>(s: Tensor<N, M>) -> Tensor<N, M> {{
  let r = relu(s);
  return r * recip(sum(r, axis: -1) + 0.125);
}}
fn scale<N, M>(s: Tensor<N, M>) -> Tensor<N, M> {{
  return s / M;
}}
plan ATTN: per_head<LAYERS, HEADS> = [{plan}];
block Encoder(attn: plan) {{
{PARAMS}  param qkv: Tensor<3 * DIM, DIM> = \"qkv.weight\";
  forward(x: Tensor<TOKENS, DIM>) -> Tensor<TOKENS, DIM> {{
{body}    return {out};
  }}
}}
model Vision(attn: plan = ATTN) {{
  input pixels: secret client Tensor<u8, 3, 4 * GRID, 4 * GRID>;
  weights secret server {{ format: safetensors }}
  param patch_w: Tensor<DIM, 3, 4, 4> = \"patch.weight\";
  param patch_b: Tensor<DIM> = \"patch.bias\";
  param cls: Tensor<1, DIM> = \"cls\";
  param pos: Tensor<TOKENS, DIM> = \"pos\";
  param nf_g: Tensor<DIM> = \"norm.gain\";
  param nf_b: Tensor<DIM> = \"norm.bias\";
  param fc_w: Tensor<4, DIM> = \"fc.weight\";
  param fc_b: Tensor<4> = \"fc.bias\";
  local client {{
    let image = normalize(pixels / 255, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]);
  }}
  let x = concat(cls, patch_embed(image, patch_w, patch_b, stride: 4), axis: 0) + pos;
  for i in 0..LAYERS {{
    let enc = Encoder(attn: attn[i]) at \"blocks.{{i}}\";
    x = enc(x);
  }}
  let y = layernorm(x, nf_g, nf_b, eps: 0.00001);
  output logits: reveal client Tensor<4> = linear(y[0], fc_w, fc_b);
}}
"
    )
}

fn text(sizes: &str, tokens: usize, words: usize, attention: &str, activation: &str) -> String {
    format!(
        "mpv 1;
{NUMERIC}
const SEQ = {tokens};
const WORDS = {words};
{sizes}
block Layer() {{
{PARAMS}  param q_w: Tensor<DIM, DIM> = \"q.weight\";
  param k_w: Tensor<DIM, DIM> = \"k.weight\";
  param v_w: Tensor<DIM, DIM> = \"v.weight\";
  param q_b: Tensor<DIM> = \"q.bias\";
  forward(x: Tensor<SEQ, DIM>, m: Tensor<bit, SEQ>) -> Tensor<SEQ, DIM> {{
    let q = split_heads(linear(x, q_w, q_b), HEADS);
    let k = split_heads(linear(x, k_w), HEADS);
    let v = split_heads(linear(x, v_w), HEADS);
    let s = q @ transpose(k) * rsqrt(DIM / HEADS);
    let a = linear(merge_heads({attention}(s, m) @ v), o_w, o_b);
    let y = layernorm(x + a, a_g, a_b, eps: 1e-12);
    return layernorm(y + linear({activation}(linear(y, w1, b1)), w2, b2), f_g, f_b, eps: 1e-12);
  }}
}}
model Text() {{
  input ids: secret client Tensor<i32, SEQ>;
  input mask: secret client Tensor<bit, SEQ>;
  weights secret server {{ format: safetensors }}
  param word: Tensor<WORDS, DIM> = \"word\";
  param posn: Tensor<SEQ, DIM> = \"posn\";
  param e_g: Tensor<DIM> = \"e.gain\";
  param e_b: Tensor<DIM> = \"e.bias\";
  param p_w: Tensor<DIM, DIM> = \"pool.weight\";
  param p_b: Tensor<DIM> = \"pool.bias\";
  param c_w: Tensor<2, DIM> = \"c.weight\";
  param c_b: Tensor<2> = \"c.bias\";
  let x = layernorm(lookup(word, ids) + posn, e_g, e_b, eps: 1e-12);
  for i in 0..LAYERS {{
    let layer = Layer() at \"layer.{{i}}\";
    x = layer(x, mask);
  }}
  output logits: reveal client Tensor<2> = linear(tanh(linear(x[0], p_w, p_b)), c_w, c_b);
}}
"
    )
}

/// These networks are narrow and sharp, so that two bits more than usual are worth having.
const NUMERIC: &str = "numeric { frac: 14, weight_frac: 16 }";

/// What a layer of either kind has.
const PARAMS: &str = "  param o_w: Tensor<DIM, DIM> = \"o.weight\";
  param o_b: Tensor<DIM> = \"o.bias\";
  param a_g: Tensor<DIM> = \"a.gain\";
  param a_b: Tensor<DIM> = \"a.bias\";
  param w1: Tensor<2 * DIM, DIM> = \"w1.weight\";
  param b1: Tensor<2 * DIM> = \"w1.bias\";
  param w2: Tensor<DIM, 2 * DIM> = \"w2.weight\";
  param b2: Tensor<DIM> = \"w2.bias\";
  param f_g: Tensor<DIM> = \"f.gain\";
  param f_b: Tensor<DIM> = \"f.bias\";
";

/// Weights as long training leaves them, by name: rows about as long as 1.5, gains that differ, biases that are not zero.
pub(super) fn weights(graph: &Graph, seed: u64) -> Vec<(String, Tensor)> {
    let mut draws = Normal::new(seed.wrapping_mul(0x9e37_79b9) + 13);
    let mut named = Vec::with_capacity(graph.params.len());
    for param in &graph.params {
        let (name, shape) = (param.name.as_str(), param.file_shape.as_slice());
        let inner: usize = shape[1..].iter().product();
        let mut tensor = match shape.len() {
            1 => draws.tensor(shape, 0.25),
            _ if ["word", "posn", "pos", "cls"].contains(&name) => draws.tensor(shape, 0.5),
            _ => draws.tensor(shape, 1.5 / (inner as f64).sqrt()),
        };
        if name.ends_with("gain") {
            tensor.data.iter_mut().for_each(|v| *v += 1.0);
        }
        named.push((param.name.clone(), tensor));
    }
    named
}

/// An input as it is usual: a smooth picture with some noise, or a text of words of which some are frequent.
pub(super) fn usual(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut draws = Normal::new(seed.wrapping_mul(0x51_7cc1) + 5);
    let positions = graph.inputs.iter().find(|i| i.ty.element == Element::Bit).map(|i| i.ty.shape[0]);
    let length = positions.map(|most| (most / 2).max(1) + draws.index(most - most / 2));
    let one = |input: &mpcc_compiler::graph::Input| {
        let shape = &input.ty.shape;
        let count: usize = shape.iter().product();
        let length = length.unwrap_or(count);
        let data = match input.ty.element {
            Element::U8 => picture(&mut draws, shape),
            Element::Bit => (0..count).map(|at| f64::from(u8::from(at < length))).collect(),
            Element::I32 => {
                let words = super::inputs::extent(graph, &input.name);
                let word = |draws: &mut Normal| draws.index(words).min(draws.index(words)) as f64;
                (0..count).map(|at| if at < length { word(&mut draws) } else { 0.0 }).collect()
            }
            Element::Real => draws.numbers(count, 1.0),
        };
        Tensor::new(shape, data)
    };
    graph.inputs.iter().map(one).collect()
}

/// Waves along both axes about a mean, and noise.
fn picture(draws: &mut Normal, shape: &[usize]) -> Vec<f64> {
    let [channels, rows, columns] = [shape[0], shape[1], shape[2]];
    let mut data = Vec::with_capacity(channels * rows * columns);
    let waves: Vec<f64> = draws.numbers(4, 1.0);
    for _ in 0..channels {
        let (mean, noise) = (128.0 + draws.numbers(1, 30.0)[0], draws.numbers(rows * columns, 12.0));
        data.extend(noise.iter().enumerate().map(|(at, noise)| {
            let (row, column) = ((at / columns) as f64 / rows as f64, (at % columns) as f64 / columns as f64);
            let wave = (waves[0] + 3.0 * waves[1] * row + 3.0 * waves[2] * column).sin();
            (mean + 40.0 * wave + noise).round().clamp(0.0, 255.0)
        }));
    }
    data
}
