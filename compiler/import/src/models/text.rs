//! BERT and RoBERTa, from Hugging Face directories: classifiers of sequences, and BERT's pooled first token.

use std::path::{Path, PathBuf};

use super::config::{self, Config};
use super::fill::{Fill, number};
use super::{ImportError, Imported, Options, Shapes};
use crate::weights;

const TEMPLATE: &str = include_str!("templates/bert.mpv.in");

/// A family of text encoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Bert,
    Roberta,
}

/// What a configuration can ask for that the template lacks.
const REFUSED: [(&str, &str); 4] = [
    ("is_decoder", "attention to earlier tokens alone is not supported"),
    ("add_cross_attention", "attention to another network is not supported"),
    ("quantization_config", "quantised weights cannot be read"),
    ("pruned_heads", "heads that were cut off are not supported: save the network with them"),
];

/// Tokens that the model reads unless another length is asked for.
const LENGTH: usize = 128;

/// Files of a tokenizer, the first that is there, and what must lie beside it.
const TOKENIZERS: [(&str, &[&str]); 3] = [("tokenizer.json", &[]), ("vocab.txt", &[]), ("vocab.json", &["merges.txt"])];

pub(super) fn import(family: Family, from: &Path, options: &Options) -> Result<Imported, ImportError> {
    let config = Config::read(from, "config.json")?;
    let name = match family {
        Family::Bert => "bert",
        Family::Roberta => "roberta",
    };
    config.expect_family(name)?;
    config.refuse(&REFUSED)?;
    if let Some(other) = config.text("position_embedding_type").filter(|kind| *kind != "absolute") {
        return Err(
            config.unsupported(format!("`position_embedding_type` is `{other}`, and only `absolute` is supported"))
        );
    }
    let tensors = config::tensors(from)?;
    let listing = tensors.listing().clone();
    let shapes = Shapes { path: tensors.path(), listing: &listing };
    let classifies = match (family, config.architecture()) {
        (Family::Bert, Some("BertForSequenceClassification"))
        | (Family::Roberta, None | Some("RobertaForSequenceClassification")) => true,
        (Family::Bert, Some("BertModel" | "BertForPreTraining" | "BertForMaskedLM")) => false,
        (Family::Bert, None) => shapes.has("classifier.weight"),
        (_, Some(other)) => {
            return Err(config.unsupported(format!(
                "the network is a `{other}`, and only classifiers of sequences and plain BERT can be imported"
            )));
        }
    };
    let root = format!("{name}.");
    let prefixed = classifies || shapes.has(&format!("{root}embeddings.word_embeddings.weight"));
    let root = if prefixed { root } else { String::new() };

    let (dim, heads) = (config.whole("hidden_size")?, config.whole("num_attention_heads")?);
    if !dim.is_multiple_of(heads) {
        return Err(config.unsupported(format!("{heads} heads do not divide the width {dim}")));
    }
    let positions = config.whole("max_position_embeddings")?;
    // The positions of RoBERTa begin after that of padding.
    let first = if family == Family::Roberta { config.whole_or("pad_token_id", 1)? + 1 } else { 0 };
    let most = positions.saturating_sub(first);
    let length = options.length.unwrap_or(LENGTH.min(most));
    if length == 0 || length > most {
        return Err(
            config.unsupported(format!("a length of {length} tokens is asked for, and there are {most} positions"))
        );
    }
    let segments = config.whole("type_vocab_size")?;
    let (activation, remark) = config.activation()?;
    let mut notes: Vec<String> = remark.into_iter().collect();

    let mut fill = Fill::default();
    fill.value("TITLE", if family == Family::Roberta { "RoBERTa" } else { "BERT" });
    fill.value("NAME", if family == Family::Roberta { "Roberta" } else { "Bert" });
    fill.value("ROOT", &root);
    fill.value("LAYERS", config.whole("num_hidden_layers")?);
    fill.value("HEADS", heads);
    fill.value("DIM", dim);
    fill.value("HIDDEN", config.whole("intermediate_size")?);
    fill.value("SEQ", length);
    fill.value("VOCAB", config.whole("vocab_size")?);
    fill.value("POSITIONS", positions);
    fill.value("FIRST", first);
    fill.value("SEGMENTS", segments);
    fill.value("EPS", number(config.real("layer_norm_eps")?));
    fill.value("ACT", activation);
    // Checkpoints converted from TensorFlow keep its names.
    let old = shapes.has(&format!("{root}embeddings.LayerNorm.gamma"));
    fill.value("GAIN", if old { "gamma" } else { "weight" });
    fill.value("BIAS", if old { "beta" } else { "bias" });
    fill.flag("segments", family == Family::Bert && segments > 1);
    fill.flag("roberta", family == Family::Roberta);
    fill.flag("classifies", classifies);
    if classifies {
        let classifier = if family == Family::Roberta { "classifier.out_proj" } else { "classifier" };
        let [classes, _] = shapes.extents(&format!("{classifier}.weight"), "of the shape [classes, width]")?;
        fill.value("CLASSES", classes);
        fill.value("CLASSIFIER", classifier);
        let labels = match config.labels(classes)? {
            None => String::new(),
            Some(labels) => config::labels_text(&labels).0,
        };
        fill.value("LABELS", labels);
    }

    let unused = [
        (format!("{root}embeddings.position_ids"), "0, 1, 2, …"),
        (format!("{root}embeddings.token_type_ids"), "zeros"),
        ("roberta.pooler.*".to_owned(), "the classifier reads the first token itself"),
        ("cls.*".to_owned(), "heads of the training before"),
    ];
    let unused: Vec<String> = unused
        .iter()
        .filter(|(pattern, _)| *pattern != "cls.*" || !classifies)
        .filter(|(pattern, _)| listing.keys().any(|name| weights::matches(pattern, name)))
        .map(|(pattern, why)| format!("\"{pattern}\",  // {why}"))
        .collect();
    fill.flag("ignores", !unused.is_empty());
    fill.value("IGNORE", unused.join("\n"));

    let files = tokenizer(from);
    fill.flag("tokenizer", !files.is_empty());
    match files.first().and_then(|file| file.file_name()) {
        Some(file) => fill.value("TOKENIZER", file.to_string_lossy()),
        None => notes.push(
            "the directory holds no tokenizer (tokenizer.json, vocab.txt, or vocab.json with merges.txt): the model takes \
             arrays of token ids instead of text"
                .to_owned(),
        ),
    }
    Ok(Imported { source: fill.apply(TEMPLATE)?, tensors, notes, files })
}

/// The tokenizer's files, first the one that the model names.
fn tokenizer(from: &Path) -> Vec<PathBuf> {
    for (file, beside) in TOKENIZERS {
        let needed: Vec<PathBuf> = [file].iter().chain(beside).map(|name| from.join(name)).collect();
        if needed.iter().all(|path| path.is_file()) {
            // It says how the older files are to be read.
            let settings = from.join("tokenizer_config.json");
            let settings = Some(settings).filter(|path| file != "tokenizer.json" && path.is_file());
            return needed.into_iter().chain(settings).collect();
        }
    }
    Vec::new()
}
