//! The older files of a vocabulary, as the `tokenizer.json` that they stand for.
//!
//! They leave out how text is cleaned and what surrounds it, because one model class of Hugging Face's library went
//! with one kind of file. What `tokenizer_config.json` says beside them counts; else a vocabulary without capital
//! letters is one for lower-cased text.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{FILE_LIMIT, TokenizerError};

/// Special tokens of BERT, and of RoBERTa.
const BERT: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const ROBERTA: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

/// What a model's `tokenizer_config.json` may say.
#[derive(Default, Deserialize)]
struct Settings {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    add_prefix_space: Option<bool>,
}

/// The file's bytes if they are a `tokenizer.json`, else the one that they stand for.
pub(super) fn as_tokenizer(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, TokenizerError> {
    let wrong = |reason: &str| TokenizerError::NotATokenizer { path: path.into(), reason: reason.into() };
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8 text"))?;
    let made = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) if fields.get("model").is_some_and(Value::is_object) => return Ok(bytes),
        Ok(Value::Object(vocabulary)) => {
            let numbered = !vocabulary.is_empty() && vocabulary.values().all(Value::is_u64);
            if !numbered {
                return Err(wrong("it holds neither a `model` nor a list of tokens with their numbers"));
            }
            let merges_path = path.with_file_name("merges.txt");
            let merges = crate::file::read(&merges_path, FILE_LIMIT)?;
            let merges = String::from_utf8(merges).map_err(|_| TokenizerError::NotATokenizer {
                path: merges_path,
                reason: "it is not UTF-8 text".into(),
            })?;
            byte_pairs(&vocabulary, &merges, &settings(path)?)
        }
        Ok(_) => return Err(wrong("it holds no object")),
        Err(_) if path.extension().is_some_and(|extension| extension == "json") => {
            return Err(wrong("it is not whole JSON"));
        }
        Err(_) => word_pieces(text, &settings(path)?).map_err(|reason| wrong(&reason))?,
    };
    serde_json::to_vec(&made).map_err(|error| wrong(&error.to_string()))
}

/// What stands beside a vocabulary; nothing if there is no such file.
fn settings(path: &Path) -> Result<Settings, TokenizerError> {
    let path = path.with_file_name("tokenizer_config.json");
    if !path.exists() {
        return Ok(Settings::default());
    }
    let bytes = crate::file::read(&path, FILE_LIMIT)?;
    let wrong = |error: serde_json::Error| TokenizerError::NotATokenizer { path, reason: error.to_string() };
    serde_json::from_slice(&bytes).map_err(wrong)
}

/// A `vocab.txt`: one token a line, numbered from 0.
fn word_pieces(text: &str, settings: &Settings) -> Result<Value, String> {
    let tokens: Vec<&str> = text.lines().collect();
    let vocabulary: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
    let id = |token: &str| vocabulary.get(token).ok_or_else(|| format!("it has no line {token}"));
    for token in &BERT[..4] {
        id(token)?;
    }
    let capital = |token: &&str| !token.starts_with('[') && token.chars().any(|c| c.is_ascii_uppercase());
    let lower = settings.do_lower_case.unwrap_or_else(|| !tokens.iter().any(capital));
    let special = |token: &str, segment: u8| json!({ "SpecialToken": { "id": token, "type_id": segment } });
    let sentence = |name: &str, segment: u8| json!({ "Sequence": { "id": name, "type_id": segment } });
    let numbered = |token: &str| Ok::<_, String>(json!({ "id": token, "ids": [id(token)?], "tokens": [token] }));
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(&BERT, &vocabulary),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": settings.tokenize_chinese_chars.unwrap_or(true),
            "strip_accents": settings.strip_accents,
            "lowercase": lower,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), sentence("A", 0), special("[SEP]", 0)],
            "pair": [
                special("[CLS]", 0), sentence("A", 0), special("[SEP]", 0), sentence("B", 1), special("[SEP]", 1),
            ],
            "special_tokens": { "[CLS]": numbered("[CLS]")?, "[SEP]": numbered("[SEP]")? },
        },
        "decoder": null,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }))
}

/// A `vocab.json` with its `merges.txt`: byte-level pairs. A vocabulary with RoBERTa's special tokens puts them around
/// the text, GPT-2's puts nothing.
fn byte_pairs(vocabulary: &Map<String, Value>, merges: &str, settings: &Settings) -> Value {
    let merges: Vec<&str> = merges.lines().filter(|line| !line.starts_with("#version") && !line.is_empty()).collect();
    let prefix = settings.add_prefix_space.unwrap_or(false);
    let post_processor = match (vocabulary.get("<s>"), vocabulary.get("</s>")) {
        (Some(start), Some(end)) => json!({
            "type": "RobertaProcessing",
            "sep": ["</s>", end],
            "cls": ["<s>", start],
            "trim_offsets": true,
            "add_prefix_space": prefix,
        }),
        _ => Value::Null,
    };
    let special: Vec<&str> = ROBERTA.into_iter().chain(["<|endoftext|>"]).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(&special, vocabulary),
        "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true },
        "post_processor": post_processor,
        "decoder": null,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary,
            "merges": merges,
        },
    })
}

/// Those of `tokens` that the vocabulary has, in the order of their numbers.
fn added_tokens(tokens: &[&str], vocabulary: &Map<String, Value>) -> Vec<Value> {
    let mut present: Vec<(u64, &str)> =
        tokens.iter().filter_map(|token| Some((vocabulary.get(*token)?.as_u64()?, *token))).collect();
    present.sort_unstable();
    let one = |(id, token): (u64, &str)| {
        json!({
            "id": id,
            "content": token,
            "single_word": false,
            "lstrip": token == "<mask>",
            "rstrip": false,
            "normalized": false,
            "special": true,
        })
    };
    present.into_iter().map(one).collect()
}
