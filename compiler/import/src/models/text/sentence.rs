//! Sentence encoders in the layout of Sentence-Transformers: `modules.json` says what follows the encoder.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Config, ImportError};

/// What stands after the encoder.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    /// The encoder's directory.
    pub(super) encoder: PathBuf,
    /// Whether the mean of the tokens is taken, or else the first.
    pub(super) mean: bool,
    /// Whether the vector gets length 1.
    pub(super) unit: bool,
    /// The most tokens that it reads.
    pub(super) length: Option<usize>,
}

/// How vectors of tokens become one, in the old files: one flag for each.
const FLAGS: [(&str, Option<bool>); 6] = [
    ("pooling_mode_mean_tokens", Some(true)),
    ("pooling_mode_cls_token", Some(false)),
    ("pooling_mode_max_tokens", None),
    ("pooling_mode_mean_sqrt_len_tokens", None),
    ("pooling_mode_weightedmean_tokens", None),
    ("pooling_mode_lasttoken", None),
];

/// What `modules.json` of a directory says; nothing if there is none.
pub(super) fn read(from: &Path) -> Result<Option<Sentence>, ImportError> {
    if !from.join("modules.json").exists() {
        return Ok(None);
    }
    let list = Config::list(from, "modules.json")?;
    let refused = |reason: String| ImportError::Unsupported { path: from.join("modules.json"), reason };
    let mut sentence = Sentence { encoder: from.to_owned(), mean: true, unit: false, length: None };
    let mut pooled = false;
    for module in &list {
        let text = |key: &str| module.get(key).and_then(Value::as_str).unwrap_or_default();
        let place = text("path");
        if Path::new(place).is_absolute() || place.split(['/', '\\']).any(|part| part == "..") {
            return Err(refused(format!("`{place}` is no folder of the directory")));
        }
        match text("type").rsplit('.').next().unwrap_or_default() {
            "Transformer" => {
                sentence.encoder = if place.is_empty() { from.to_owned() } else { from.join(place) };
                if let Some(settings) = Config::read_if_there(&sentence.encoder, "sentence_bert_config.json")? {
                    sentence.length = settings.get("max_seq_length").and_then(Value::as_u64).map(|n| n as usize);
                    if settings.flag("do_lower_case", false)? {
                        return Err(settings.unsupported(
                            "`do_lower_case` lowers text before the tokenizer: put it into the tokenizer",
                        ));
                    }
                }
            }
            "Pooling" => {
                sentence.mean = pooling(&from.join(place))?;
                pooled = true;
            }
            "Normalize" => sentence.unit = true,
            "Dropout" => {}
            other => {
                return Err(refused(format!(
                    "the module `{other}` cannot be imported, only Transformer, Pooling and Normalize"
                )));
            }
        }
    }
    if !pooled {
        return Err(refused("it has no module Pooling, so there is no vector of a text".to_owned()));
    }
    if let Some(settings) = Config::read_if_there(from, "config_sentence_transformers.json")? {
        if settings.text("default_prompt_name").is_some() {
            return Err(settings.unsupported(
                "`default_prompt_name` puts a prompt before every text: write it into your texts and remove the field",
            ));
        }
        let other = settings.text("similarity_fn_name").filter(|name| *name != "cosine" && *name != "dot");
        if let Some(name) = other {
            return Err(settings.unsupported(format!("vectors are compared by `{name}`, which is not supported")));
        }
    }
    Ok(Some(sentence))
}

/// Whether the mean is taken, or else the first token.
fn pooling(at: &Path) -> Result<bool, ImportError> {
    let config = Config::read(at, "config.json")?;
    if let Some(mode) = config.text("pooling_mode") {
        return match mode {
            "mean" => Ok(true),
            "cls" => Ok(false),
            other => {
                Err(config.unsupported(format!("pooling by `{other}` cannot be imported, only by `mean` and `cls`")))
            }
        };
    }
    let mut set = Vec::new();
    for (key, means) in FLAGS {
        if config.flag(key, false)? {
            set.push((key, means));
        }
    }
    match set.as_slice() {
        [(_, Some(mean))] => Ok(*mean),
        [(key, None)] => {
            Err(config.unsupported(format!("`{key}` cannot be imported, only the mean and the first token")))
        }
        _ => Err(config.unsupported("it does not say one way of pooling")),
    }
}
