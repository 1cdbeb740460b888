//! Forward passes of the published networks, written once more from their definitions and by tensor name.

use std::collections::BTreeMap;

use crate::networks::Named;

/// Rows of equal length.
pub(crate) type Rows = Vec<Vec<f64>>;

/// Tensors by name.
pub(crate) struct Weights(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Weights {
    pub(crate) fn new(tensors: &[Named]) -> Self {
        let of = |(name, shape, data): &Named| {
            (name.clone(), (shape.clone(), data.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>()))
        };
        Self(tensors.iter().map(of).collect())
    }

    fn vector(&self, name: &str) -> &[f64] {
        &self.0.get(name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// All axes but the last are rows.
    fn rows(&self, name: &str) -> Rows {
        let (shape, data) = &self.0.get(name).unwrap_or_else(|| panic!("no {name}"));
        data.chunks(*shape.last().expect("an axis")).map(<[f64]>::to_vec).collect()
    }

    fn linear(&self, x: &Rows, name: &str) -> Rows {
        let weight = &self.0[&format!("{name}.weight")];
        let into = weight.1.len() / weight.0[0];
        let bias = self.0.get(&format!("{name}.bias")).map(|(_, b)| b.as_slice());
        let entry = |row: &[f64], out: usize| {
            let weights = &weight.1[out * into..(out + 1) * into];
            row.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>() + bias.map_or(0.0, |b| b[out])
        };
        x.iter().map(|row| (0..weight.0[0]).map(|out| entry(row, out)).collect()).collect()
    }

    fn norm(&self, x: &Rows, name: &str, eps: f64) -> Rows {
        let (gain, bias) = (self.vector(&format!("{name}.weight")), self.vector(&format!("{name}.bias")));
        let of = |row: &Vec<f64>| {
            let n = row.len() as f64;
            let mean = row.iter().sum::<f64>() / n;
            let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
            let entry = |(i, v): (usize, &f64)| (v - mean) / (variance + eps).sqrt() * gain[i] + bias[i];
            row.iter().enumerate().map(entry).collect()
        };
        x.iter().map(of).collect()
    }
}

fn add(a: &Rows, b: &Rows) -> Rows {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect()
}

fn gelu(x: &Rows) -> Rows {
    let of = |v: &f64| v / 2.0 * (1.0 + libm::erf(v / 2f64.sqrt()));
    x.iter().map(|row| row.iter().map(of).collect()).collect()
}

/// Softmax attention by heads; keys whose mask is 0 are left out.
fn attention([q, k, v]: [&Rows; 3], heads: usize, mask: &[bool]) -> Rows {
    let d = q[0].len() / heads;
    let mut out = vec![vec![0.0; q[0].len()]; q.len()];
    for part in (0..heads).map(|h| h * d..(h + 1) * d) {
        for (i, query) in q.iter().enumerate() {
            let score = |key: &Vec<f64>| {
                let product = query[part.clone()].iter().zip(&key[part.clone()]).map(|(a, b)| a * b);
                (product.sum::<f64>() / (d as f64).sqrt()).exp()
            };
            let scores: Vec<f64> = k.iter().zip(mask).map(|(key, on)| if *on { score(key) } else { 0.0 }).collect();
            let sum: f64 = scores.iter().sum();
            for (score, value) in scores.iter().zip(v) {
                for at in part.clone() {
                    out[i][at] += score / sum * value[at];
                }
            }
        }
    }
    out
}

/// Patches of 4 by 4 pixels of an image `[3, 8, 8]`, channel by channel.
fn patches(image: &[f64]) -> Rows {
    let patch = |at: usize| {
        let (top, left) = (at / 2 * 4, at % 2 * 4);
        let pixel = |i: usize| image[i / 16 * 64 + (top + i / 4 % 4) * 8 + left + i % 4];
        (0..48).map(pixel).collect()
    };
    (0..4).map(patch).collect()
}

/// ViT or DeiT on a normalised image.
pub(crate) fn vit(weights: &Weights, root: &str, eps: f64, image: &[f64]) -> Vec<f64> {
    let embeddings = format!("{root}.embeddings");
    let mut x = weights.rows(&format!("{embeddings}.cls_token"));
    if root == "deit" {
        x.extend(weights.rows(&format!("{embeddings}.distillation_token")));
    }
    x.extend(weights.linear(&patches(image), &format!("{embeddings}.patch_embeddings.projection")));
    x = add(&x, &weights.rows(&format!("{embeddings}.position_embeddings")));
    let mask = vec![true; x.len()];
    for layer in (0..2).map(|i| format!("{root}.encoder.layer.{i}")) {
        let h = weights.norm(&x, &format!("{layer}.layernorm_before"), eps);
        let [q, k, v] =
            ["query", "key", "value"].map(|p| weights.linear(&h, &format!("{layer}.attention.attention.{p}")));
        let a = attention([&q, &k, &v], 2, &mask);
        x = add(&x, &weights.linear(&a, &format!("{layer}.attention.output.dense")));
        let h = weights.norm(&x, &format!("{layer}.layernorm_after"), eps);
        let m = gelu(&weights.linear(&h, &format!("{layer}.intermediate.dense")));
        x = add(&x, &weights.linear(&m, &format!("{layer}.output.dense")));
    }
    let y = weights.norm(&x, &format!("{root}.layernorm"), eps);
    let head = |token: usize, name: &str| weights.linear(&vec![y[token].clone()], name).remove(0);
    if weights.0.contains_key("classifier.weight") {
        return head(0, "classifier");
    }
    let (a, b) = (head(0, "cls_classifier"), head(1, "distillation_classifier"));
    a.iter().zip(&b).map(|(a, b)| (a + b) / 2.0).collect()
}

/// BERT or RoBERTa on token ids; the names begin with `root`.
pub(crate) fn bert(weights: &Weights, root: &str, ids: &[usize], segments: &[usize], mask: &[bool]) -> Vec<f64> {
    let eps = 1e-12;
    let roberta = root == "roberta.";
    let table = |name: &str| weights.rows(&format!("{root}embeddings.{name}_embeddings.weight"));
    let (word, position, segment) = (table("word"), table("position"), table("token_type"));
    let of = |(at, id): (usize, &usize)| {
        let position = &position[at + if roberta { 2 } else { 0 }];
        (0..32).map(|i| word[*id][i] + position[i] + segment[segments[at]][i]).collect()
    };
    let e: Rows = ids.iter().enumerate().map(of).collect();
    let mut x = weights.norm(&e, &format!("{root}embeddings.LayerNorm"), eps);
    for layer in (0..2).map(|i| format!("{root}encoder.layer.{i}")) {
        let [q, k, v] = ["query", "key", "value"].map(|p| weights.linear(&x, &format!("{layer}.attention.self.{p}")));
        let a = weights.linear(&attention([&q, &k, &v], 2, mask), &format!("{layer}.attention.output.dense"));
        x = weights.norm(&add(&x, &a), &format!("{layer}.attention.output.LayerNorm"), eps);
        let m = gelu(&weights.linear(&x, &format!("{layer}.intermediate.dense")));
        let m = weights.linear(&m, &format!("{layer}.output.dense"));
        x = weights.norm(&add(&x, &m), &format!("{layer}.output.LayerNorm"), eps);
    }
    let dense = if roberta { "classifier.dense".to_owned() } else { format!("{root}pooler.dense") };
    let pooled = weights.linear(&vec![x[0].clone()], &dense);
    let pooled: Rows = pooled.iter().map(|row| row.iter().map(|v| v.tanh()).collect()).collect();
    let classifier = if roberta { "classifier.out_proj" } else { "classifier" };
    match weights.0.contains_key(&format!("{classifier}.weight")) {
        true => weights.linear(&pooled, classifier).remove(0),
        false => pooled[0].clone(),
    }
}

/// MPCViT or MPCViT+ on a normalised image: attention by `alpha`, or softmax without; GeLU and ReLU by `beta`.
pub(crate) fn vit_lite(weights: &Weights, image: &[f64]) -> Vec<f64> {
    let mut x = weights.rows("classifier.class_emb");
    let kernel = &weights.0["tokenizer.conv_layers.0.0.weight"].1;
    let bias = weights.vector("tokenizer.conv_layers.0.0.bias");
    let product = |patch: &[f64], out: usize| patch.iter().zip(&kernel[out * 48..]).map(|(a, b)| a * b).sum::<f64>();
    let token = |patch: &Vec<f64>| (0..32).map(|out| product(patch, out) + bias[out]).collect();
    x.extend(patches(image).iter().map(token));
    x = add(&x, &weights.rows("classifier.positional_emb"));
    for block in (0..2).map(|i| format!("classifier.blocks.{i}")) {
        let qkv =
            weights.linear(&weights.norm(&x, &format!("{block}.pre_norm"), 1e-5), &format!("{block}.self_attn.qkv"));
        let part = |from: usize| -> Rows { qkv.iter().map(|row| row[from..from + 32].to_vec()).collect() };
        let (q, k, v) = (part(0), part(32), part(64));
        let a = match weights.0.get(&format!("{block}.self_attn.alpha")) {
            None => attention([&q, &k, &v], 2, &[true; 5]),
            Some((_, alpha)) => searched_attention([&q, &k, &v], alpha),
        };
        x = add(&x, &weights.linear(&a, &format!("{block}.self_attn.proj")));
        x = weights.norm(&x, &format!("{block}.norm1"), 1e-5);
        let h = weights.linear(&x, &format!("{block}.linear1"));
        let beta = weights.0.get(&format!("{block}.beta")).map_or(vec![1.0; 5], |(_, beta)| beta.clone());
        let mixed = |a: &Rows, b: &Rows| -> Rows {
            (0..5).map(|row| if beta[row] == 1.0 { a[row].clone() } else { b[row].clone() }).collect()
        };
        let y = weights.linear(&mixed(&gelu(&h), &h), &format!("{block}.linear2"));
        let rectified = y.iter().map(|row| row.iter().map(|v| v.max(0.0)).collect()).collect();
        x = add(&x, &mixed(&y, &rectified));
    }
    weights.linear(&vec![weights.norm(&x, "classifier.norm", 1e-5)[0].clone()], "classifier.fc").remove(0)
}

/// ReLU-softmax in the heads whose `alpha` is 1, scaling in the others.
fn searched_attention([q, k, v]: [&Rows; 3], alpha: &[f64]) -> Rows {
    let mut out = vec![vec![0.0; 32]; 5];
    for (head, on) in alpha.iter().enumerate() {
        let part = head * 16..(head + 1) * 16;
        for (i, query) in q.iter().enumerate() {
            let score = |key: &Vec<f64>| {
                query[part.clone()].iter().zip(&key[part.clone()]).map(|(a, b)| a * b).sum::<f64>() / 4.0
            };
            let scores: Vec<f64> = k.iter().map(score).collect();
            let sum: f64 = scores.iter().map(|s| s.max(0.0)).sum::<f64>() + 1e-5;
            for (score, value) in scores.iter().zip(v) {
                let weight = if *on == 1.0 { score.max(0.0) / sum } else { score / 5.0 };
                for at in part.clone() {
                    out[i][at] += weight * value[at];
                }
            }
        }
    }
    out
}
