//! Encoders of text from Hugging Face directories: BERT and its kin, which differ in names, embeddings and heads.

mod distance;
mod heads;
mod sentence;
mod side_files;

use std::path::Path;

use super::config::Config;
use super::fill::{Fill, number};
use super::{ImportError, Imported, Options, Shapes, activation, labels, opened};
use heads::Head;

const TEMPLATE: &str = include_str!("templates/text.mpv.in");

/// Names of the tensors of a layer, relative to it.
#[derive(Clone, Copy, Debug)]
struct Layer {
    /// The layer itself, `{i}` for its number.
    at: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    out: &'static str,
    norm: &'static str,
    up: &'static str,
    down: &'static str,
    last_norm: &'static str,
}

/// A family of text encoders.
#[derive(Debug)]
pub(super) struct Family {
    title: &'static str,
    /// What the model file calls its model.
    name: &'static str,
    /// `model_type` of its configurations.
    types: &'static [&'static str],
    /// What names begin with where a head stands beside the encoder.
    root: &'static str,
    layer: Layer,
    /// Where all layers are one and the same.
    shared: bool,
    /// Whether positions begin after that of padding.
    padded: bool,
    /// Whether the two sentences of a pair are told apart.
    segments: bool,
    /// The linear layer between embeddings and layers, if their widths differ.
    projection: &'static str,
    /// Biases by distance that all layers share.
    relative: bool,
    act: &'static str,
    /// How a classifier of sequences gets its vector: the linear layer and the function after it.
    classifier: (&'static str, &'static str),
    /// The last layer of a classifier of sequences.
    last: &'static str,
    /// The linear layer of the pooled first token, relative to the root; empty if there is none.
    pooler: &'static str,
}

const LAYER: Layer = Layer {
    at: "encoder.layer.{i}",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    out: "attention.output.dense",
    norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    last_norm: "output.LayerNorm",
};

pub(super) const BERT: Family = Family {
    title: "BERT",
    name: "Bert",
    types: &["bert"],
    root: "bert.",
    layer: LAYER,
    shared: false,
    padded: false,
    segments: true,
    projection: "",
    relative: false,
    act: "gelu",
    classifier: ("bert.pooler.dense", "tanh"),
    last: "classifier",
    pooler: "pooler.dense",
};

pub(super) const ROBERTA: Family = Family {
    title: "RoBERTa",
    name: "Roberta",
    types: &["roberta", "xlm-roberta", "camembert"],
    root: "roberta.",
    padded: true,
    segments: false,
    classifier: ("classifier.dense", "tanh"),
    last: "classifier.out_proj",
    ..BERT
};

pub(super) const DISTILBERT: Family = Family {
    title: "DistilBERT",
    name: "Distilbert",
    types: &["distilbert"],
    root: "distilbert.",
    layer: Layer {
        at: "transformer.layer.{i}",
        query: "attention.q_lin",
        key: "attention.k_lin",
        value: "attention.v_lin",
        out: "attention.out_lin",
        norm: "sa_layer_norm",
        up: "ffn.lin1",
        down: "ffn.lin2",
        last_norm: "output_layer_norm",
    },
    segments: false,
    classifier: ("pre_classifier", "relu"),
    pooler: "",
    ..BERT
};

pub(super) const ELECTRA: Family = Family {
    title: "ELECTRA",
    name: "Electra",
    types: &["electra"],
    root: "electra.",
    projection: "embeddings_project",
    classifier: ("classifier.dense", "gelu"),
    last: "classifier.out_proj",
    pooler: "",
    ..BERT
};

pub(super) const ALBERT: Family = Family {
    title: "ALBERT",
    name: "Albert",
    types: &["albert"],
    root: "albert.",
    layer: Layer {
        at: "encoder.albert_layer_groups.0.albert_layers.0",
        query: "attention.query",
        key: "attention.key",
        value: "attention.value",
        out: "attention.dense",
        norm: "attention.LayerNorm",
        up: "ffn",
        down: "ffn_output",
        last_norm: "full_layer_layer_norm",
    },
    shared: true,
    projection: "encoder.embedding_hidden_mapping_in",
    act: "gelu_new",
    classifier: ("albert.pooler", "tanh"),
    pooler: "pooler",
    ..BERT
};

pub(super) const MPNET: Family = Family {
    title: "MPNet",
    name: "Mpnet",
    types: &["mpnet"],
    root: "mpnet.",
    layer: Layer {
        at: "encoder.layer.{i}",
        query: "attention.attn.q",
        key: "attention.attn.k",
        value: "attention.attn.v",
        out: "attention.attn.o",
        norm: "attention.LayerNorm",
        ..LAYER
    },
    padded: true,
    segments: false,
    relative: true,
    classifier: ("classifier.dense", "tanh"),
    last: "classifier.out_proj",
    ..BERT
};

/// What a configuration can ask for that the template lacks.
const REFUSED: [(&str, &str); 6] = [
    ("is_decoder", "attention to earlier tokens alone is not supported"),
    ("add_cross_attention", "attention to another network is not supported"),
    ("quantization_config", "quantised weights cannot be read"),
    ("pruned_heads", "heads that were cut off are not supported: save the network with them"),
    ("is_encoder_decoder", "decoders are not supported"),
    ("chunk_size_feed_forward", "set it to 0: it changes memory alone"),
];

/// Tokens that the model reads unless another length is asked for.
const LENGTH: usize = 128;

pub(super) fn import(family: &Family, from: &Path, options: &Options) -> Result<Imported, ImportError> {
    let sentence = sentence::read(from)?;
    let encoder = sentence.as_ref().map_or(from, |sentence| &sentence.encoder);
    let config = Config::read(encoder, "config.json")?;
    config.expect(family.types)?;
    config.refuse_set(&REFUSED)?;
    for (key, only) in [("position_embedding_type", "absolute"), ("summary_type", "first")] {
        if let Some(other) = config.text(key).filter(|kind| *kind != only) {
            return Err(config.unsupported(format!("`{key}` is `{other}`, and only `{only}` is supported")));
        }
    }
    for (key, only) in [("num_hidden_groups", 1), ("inner_group_num", 1)] {
        if family.shared && config.whole_or(key, only)? != only {
            return Err(
                config.unsupported(format!("`{key}` is not {only}: only layers that are all the same are supported"))
            );
        }
    }
    let mut notes = side_files::notes(encoder)?;
    let embedded = format!("{}embeddings.word_embeddings.weight", family.root);
    let mut tensors = opened(encoder, &[&embedded, "embeddings.word_embeddings.weight"], &mut notes)?;
    let listing = tensors.listing().clone();
    let shapes = Shapes { path: tensors.path(), listing: &listing };
    let root = if shapes.has(&embedded) { family.root } else { "" };
    let head = match &sentence {
        Some(sentence) => Head::Sentence { mean: sentence.mean, unit: sentence.unit },
        None => heads::of(family, &config, &shapes, root, &mut notes)?,
    };

    let [vocabulary, word] =
        shapes.extents(&format!("{root}embeddings.word_embeddings.weight"), "of the shape [tokens, width]")?;
    let positions = format!("{root}embeddings.position_embeddings.weight");
    let [positions, _] = shapes.extents(&positions, "of the shape [positions, width]")?;
    let first_layer = format!("{root}{}", family.layer.at.replace("{i}", "0"));
    let up = format!("{first_layer}.{}.weight", family.layer.up);
    let [hidden, dim] = shapes.extents(&up, "of the shape [hidden, width]")?;
    let heads = config.whole(config.first(&["num_attention_heads", "n_heads"]))?;
    if !dim.is_multiple_of(heads) {
        return Err(config.unsupported(format!("{heads} heads do not divide the width {dim}")));
    }
    let layers = config.first(&["num_hidden_layers", "n_layers"]);
    let layers = if family.shared {
        config.whole(layers)?
    } else {
        let up =
            |i: usize| format!("{root}{}.{}.weight", family.layer.at.replace("{i}", &i.to_string()), family.layer.up);
        config.whole_or(layers, shapes.layers(up))?
    };
    // The sizes that shapes tell are not asked of the configuration.
    config.skip(&[
        "hidden_size",
        "dim",
        "intermediate_size",
        "hidden_dim",
        "vocab_size",
        "max_position_embeddings",
        "sinusoidal_pos_embds",
        "type_vocab_size",
        "relative_attention_num_buckets",
        "max_seq_length",
    ]);
    // The positions of RoBERTa begin after that of padding.
    let first = if family.padded { config.whole_or("pad_token_id", 1)? + 1 } else { 0 };
    let most = positions.saturating_sub(first);
    let most = sentence.as_ref().and_then(|sentence| sentence.length).map_or(most, |length| length.min(most));
    let length = options.length.unwrap_or(LENGTH.min(most));
    if length == 0 || length > most {
        return Err(
            config.unsupported(format!("a length of {length} tokens is asked for, and there are {most} positions"))
        );
    }
    let kinds = format!("{root}embeddings.token_type_embeddings.weight");
    let segments = if shapes.has(&kinds) { shapes.extents::<2>(&kinds, "of the shape [kinds, width]")?[0] } else { 0 };
    let key = config.first(&["hidden_act", "activation"]);
    let (act, remark) = activation::of(&config, key, family.act)?;
    notes.extend(remark);

    let mut fill = Fill::default();
    fill.value("TITLE", family.title);
    fill.value("NAME", family.name);
    fill.value("ROOT", root);
    fill.value("LAYERS", layers);
    fill.value("HEADS", heads);
    fill.value("DIM", dim);
    fill.value("HIDDEN", hidden);
    fill.value("SEQ", length);
    fill.value("VOCAB", vocabulary);
    fill.value("POSITIONS", positions);
    fill.value("FIRST", first);
    fill.flag("kinds", segments > 0);
    fill.value("SEGMENTS", segments);
    fill.flag("segments", family.segments && segments > 1);
    fill.value("EPS", number(config.real_or("layer_norm_eps", 1e-12)?));
    fill.value("ACT", act.name);
    fill.value("FUNCTIONS", act.definition);
    let projected = !family.projection.is_empty() && shapes.has(&format!("{root}{}.weight", family.projection));
    fill.flag("projected", projected);
    fill.value("WORD", word);
    fill.value("WORD_NAME", if projected { "WORD" } else { "DIM" });
    fill.value("PROJECTION", format!("{root}{}", family.projection));
    fill.value("PROJECTED", if projected { "linear(" } else { "" });
    fill.value("PROJECTED_END", if projected { ", e_w, e_b)" } else { "" });
    fill.flag("shared", family.shared);
    let layer = &family.layer;
    fill.value("LAYER", layer.at);
    for (name, value) in [
        ("Q", layer.query),
        ("K", layer.key),
        ("V", layer.value),
        ("O", layer.out),
        ("N0", layer.norm),
        ("W1", layer.up),
        ("W2", layer.down),
        ("N1", layer.last_norm),
    ] {
        fill.value(name, value);
    }
    // Checkpoints converted from TensorFlow keep its names.
    let old = shapes.has(&format!("{root}embeddings.LayerNorm.gamma"));
    fill.value("GAIN", if old { "gamma" } else { "weight" });
    fill.value("BIAS", if old { "beta" } else { "bias" });
    heads::fill(&head, family, &config, &shapes, root, &mut fill, &mut notes)?;
    fill.flag("relative", family.relative);
    fill.value("RELATIVE", distance::NAME);
    if family.relative {
        distance::derive(&mut tensors, root, (heads, length))?;
        notes.push(format!(
            "biases by distance are made for {length} tokens and written with the weights beside the model: for another length \
             run `mpcc new` again with --length"
        ));
    }
    let (files, said) = side_files::tokenizer(encoder);
    fill.flag("tokenizer", !files.is_empty());
    if let Some(file) = files.first().and_then(|file| file.file_name()) {
        fill.value("TOKENIZER", file.to_string_lossy());
    }
    notes.extend(said);
    notes.extend(config.unknown(&[]));
    let layers = format!("{root}{}", layer.at.split("{i}").next().unwrap_or_default());
    Ok(Imported { text: fill.apply(TEMPLATE)?, tensors, notes, files, layers, unused: heads::unused(root, &head) })
}
