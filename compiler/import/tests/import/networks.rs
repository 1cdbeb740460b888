//! Small networks in the files that families of networks are published in, with seeded numbers.

use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// A tensor: name, shape, entries.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// Tensors with numbers that depend on the name and the position alone: norms' gains near 1, all else small.
pub(crate) fn seeded(shapes: Vec<(String, Vec<usize>)>) -> Vec<Named> {
    let of = |(name, shape): (String, Vec<usize>)| {
        let mut state = name.bytes().fold(7u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let gain = if name.to_lowercase().contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            gain + ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * 0.3
        };
        let entries = (0..shape.iter().product()).map(|_| draw()).collect();
        (name, shape, entries)
    };
    shapes.into_iter().map(of).collect()
}

/// Writes a safetensors file.
pub(crate) fn save(path: &Path, tensors: &[Named]) {
    let data: Vec<Vec<u8>> = tensors.iter().map(|(.., d)| d.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).expect("a tensor"))
    });
    fs::write(path, safetensors::serialize(views, None).expect("safetensors")).expect("a file");
}

/// Weight and bias of a linear layer.
fn linear(shapes: &mut Vec<(String, Vec<usize>)>, name: &str, out: usize, into: usize) {
    shapes.push((format!("{name}.weight"), vec![out, into]));
    shapes.push((format!("{name}.bias"), vec![out]));
}

/// Weight and bias of a norm.
fn norm(shapes: &mut Vec<(String, Vec<usize>)>, name: &str, dim: usize) {
    shapes.push((format!("{name}.weight"), vec![dim]));
    shapes.push((format!("{name}.bias"), vec![dim]));
}

/// A state dict of ViT-Lite: two layers of width 32, images of 8 by 8 pixels in patches of 4, three classes, with the
/// architecture parameters in the shapes given.
pub(crate) fn vit_lite(alpha: Option<&[usize]>, beta: Option<&[usize]>) -> Vec<Named> {
    let mut shapes = vec![
        ("tokenizer.conv_layers.0.0.weight".to_owned(), vec![32, 3, 4, 4]),
        ("tokenizer.conv_layers.0.0.bias".to_owned(), vec![32]),
        ("classifier.class_emb".to_owned(), vec![1, 1, 32]),
        ("classifier.positional_emb".to_owned(), vec![1, 5, 32]),
    ];
    for block in (0..2).map(|i| format!("classifier.blocks.{i}")) {
        norm(&mut shapes, &format!("{block}.pre_norm"), 32);
        shapes.push((format!("{block}.self_attn.qkv.weight"), vec![96, 32]));
        linear(&mut shapes, &format!("{block}.self_attn.proj"), 32, 32);
        linear(&mut shapes, &format!("{block}.linear1"), 64, 32);
        linear(&mut shapes, &format!("{block}.linear2"), 32, 64);
        norm(&mut shapes, &format!("{block}.norm1"), 32);
        shapes.extend(alpha.map(|shape| (format!("{block}.self_attn.alpha"), shape.to_vec())));
        shapes.extend(beta.map(|shape| (format!("{block}.beta"), shape.to_vec())));
    }
    norm(&mut shapes, "classifier.norm", 32);
    linear(&mut shapes, "classifier.fc", 3, 32);
    let mut tensors = seeded(shapes);
    for (name, _, entries) in &mut tensors {
        if name.ends_with("alpha") || name.ends_with("beta") {
            let layer = usize::from(name.contains("blocks.1"));
            entries.iter_mut().enumerate().for_each(|(at, entry)| *entry = f32::from(u8::from((at + layer) % 2 == 0)));
        }
    }
    tensors
}

/// A directory in the layout of Hugging Face.
pub(crate) struct Published {
    /// `config.json`
    pub(crate) config: Value,
    /// `model.safetensors`
    pub(crate) tensors: Vec<Named>,
    /// Further files by name.
    pub(crate) files: Vec<(&'static str, String)>,
}

impl Published {
    /// Writes the directory.
    pub(crate) fn save(&self, directory: &Path) {
        fs::create_dir_all(directory).expect("a directory");
        fs::write(directory.join("config.json"), self.config.to_string()).expect("a file");
        save(&directory.join("model.safetensors"), &self.tensors);
        for (name, text) in &self.files {
            fs::write(directory.join(name), text).expect("a file");
        }
    }
}

/// ViT, or DeiT with one or two classifiers: two layers of width 32, two heads, images of 8 by 8 pixels in patches of 4.
pub(crate) fn vit(model_type: &str, architecture: &str) -> Published {
    let root = model_type;
    let deit = model_type == "deit";
    let tokens = if deit { 6 } else { 5 };
    let mut shapes = vec![
        (format!("{root}.embeddings.cls_token"), vec![1, 1, 32]),
        (format!("{root}.embeddings.position_embeddings"), vec![1, tokens, 32]),
        (format!("{root}.embeddings.patch_embeddings.projection.weight"), vec![32, 3, 4, 4]),
        (format!("{root}.embeddings.patch_embeddings.projection.bias"), vec![32]),
    ];
    if deit {
        shapes.push((format!("{root}.embeddings.distillation_token"), vec![1, 1, 32]));
    }
    for layer in (0..2).map(|i| format!("{root}.encoder.layer.{i}")) {
        for part in ["query", "key", "value"] {
            linear(&mut shapes, &format!("{layer}.attention.attention.{part}"), 32, 32);
        }
        linear(&mut shapes, &format!("{layer}.attention.output.dense"), 32, 32);
        linear(&mut shapes, &format!("{layer}.intermediate.dense"), 64, 32);
        linear(&mut shapes, &format!("{layer}.output.dense"), 32, 64);
        norm(&mut shapes, &format!("{layer}.layernorm_before"), 32);
        norm(&mut shapes, &format!("{layer}.layernorm_after"), 32);
    }
    norm(&mut shapes, &format!("{root}.layernorm"), 32);
    match architecture.ends_with("WithTeacher") {
        true => {
            linear(&mut shapes, "cls_classifier", 3, 32);
            linear(&mut shapes, "distillation_classifier", 3, 32);
        }
        false => linear(&mut shapes, "classifier", 3, 32),
    }
    let config = json!({
        "architectures": [architecture], "model_type": model_type, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "image_size": 8, "patch_size": 4, "num_channels": 3, "qkv_bias": true, "attention_probs_dropout_prob": 0.0,
        "id2label": { "0": "cat", "1": "dog, \"good\"", "2": "owl" },
    });
    let preprocessor = json!({
        "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.25, 0.5, 0.2], "rescale_factor": 0.00392156862745098, "size": { "height": 8, "width": 8 },
    });
    Published { config, tensors: seeded(shapes), files: vec![("preprocessor_config.json", preprocessor.to_string())] }
}

/// A vocabulary of eight tokens.
pub(crate) const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nwhat\na\nfilm\n##s\n";

/// BERT or RoBERTa: two layers of width 32, two heads, eight token ids, twelve positions, three classes; without a
/// classifier if the architecture is a plain one.
pub(crate) fn bert(model_type: &str, architecture: &str) -> Published {
    let plain = architecture == "BertModel";
    let root = if plain { String::new() } else { format!("{model_type}.") };
    let roberta = model_type == "roberta";
    let segments = if roberta { 1 } else { 2 };
    let mut shapes = vec![
        (format!("{root}embeddings.word_embeddings.weight"), vec![8, 32]),
        (format!("{root}embeddings.position_embeddings.weight"), vec![12, 32]),
        (format!("{root}embeddings.token_type_embeddings.weight"), vec![segments, 32]),
    ];
    norm(&mut shapes, &format!("{root}embeddings.LayerNorm"), 32);
    for layer in (0..2).map(|i| format!("{root}encoder.layer.{i}")) {
        for part in ["query", "key", "value"] {
            linear(&mut shapes, &format!("{layer}.attention.self.{part}"), 32, 32);
        }
        linear(&mut shapes, &format!("{layer}.attention.output.dense"), 32, 32);
        norm(&mut shapes, &format!("{layer}.attention.output.LayerNorm"), 32);
        linear(&mut shapes, &format!("{layer}.intermediate.dense"), 64, 32);
        linear(&mut shapes, &format!("{layer}.output.dense"), 32, 64);
        norm(&mut shapes, &format!("{layer}.output.LayerNorm"), 32);
    }
    if roberta {
        linear(&mut shapes, "classifier.dense", 32, 32);
        linear(&mut shapes, "classifier.out_proj", 3, 32);
    } else {
        linear(&mut shapes, &format!("{root}pooler.dense"), 32, 32);
        if !plain {
            linear(&mut shapes, "classifier", 3, 32);
        }
    }
    let config = json!({
        "architectures": [architecture], "model_type": model_type, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "vocab_size": 8, "max_position_embeddings": 12, "type_vocab_size": segments,
        "pad_token_id": u8::from(roberta), "position_embedding_type": "absolute", "use_cache": true,
        "id2label": { "0": "bad", "1": "fair", "2": "good" },
    });
    Published { config, tensors: seeded(shapes), files: vec![("vocab.txt", VOCABULARY.to_owned())] }
}
