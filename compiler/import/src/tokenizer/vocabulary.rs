//! The older files of a vocabulary, as the `tokenizer.json` that they stand for.
//!
//! They leave out how text is cleaned and what surrounds it, because one model class of Hugging Face's library went
//! with one kind of file. What `tokenizer_config.json` says beside them counts; else a vocabulary without capital
//! letters is one for lower-cased text.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{FILE_LIMIT, TokenizerError};

/// Special tokens of BERT, and of RoBERTa.
const BERT: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const ROBERTA: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

/// A token as `tokenizer_config.json` names it: its text, or an object around it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Object { content: String },
}

impl Named {
    fn text(&self) -> &str {
        match self {
            Named::Text(text) | Named::Object { content: text } => text,
        }
    }
}

/// What a model's `tokenizer_config.json` may say.
#[derive(Default, Deserialize)]
struct Settings {
    do_lower_case: Option<bool>,
    do_basic_tokenize: Option<bool>,
    #[serde(default)]
    never_split: Option<Vec<String>>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    add_prefix_space: Option<bool>,
    unk_token: Option<Named>,
    cls_token: Option<Named>,
    sep_token: Option<Named>,
    pad_token: Option<Named>,
    mask_token: Option<Named>,
    #[serde(default)]
    additional_special_tokens: Option<Vec<Named>>,
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
            byte_pairs(&vocabulary, &merges, &settings(path)?, &added(path)?)
        }
        Ok(_) => return Err(wrong("it holds no object")),
        Err(_) if path.extension().is_some_and(|extension| extension == "json") => {
            return Err(wrong("it is not whole JSON"));
        }
        Err(_) => word_pieces(text, &settings(path)?, &added(path)?).map_err(|reason| wrong(&reason))?,
    };
    serde_json::to_vec(&made).map_err(|error| wrong(&error.to_string()))
}

/// What stands beside a vocabulary; nothing if there is no such file.
fn settings(path: &Path) -> Result<Settings, TokenizerError> {
    Ok(beside(path, "tokenizer_config.json")?.unwrap_or_default())
}

/// Tokens that were added to a vocabulary, with their numbers.
fn added(path: &Path) -> Result<Map<String, Value>, TokenizerError> {
    Ok(beside(path, "added_tokens.json")?.unwrap_or_default())
}

fn beside<T: DeserializeOwned>(path: &Path, name: &str) -> Result<Option<T>, TokenizerError> {
    let path = path.with_file_name(name);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = crate::file::read(&path, FILE_LIMIT)?;
    let wrong = |error: serde_json::Error| TokenizerError::NotATokenizer { path, reason: error.to_string() };
    serde_json::from_slice(&bytes).map(Some).map_err(wrong)
}

/// A `vocab.txt`: one token a line, numbered from 0.
fn word_pieces(text: &str, settings: &Settings, added: &Map<String, Value>) -> Result<Value, String> {
    let tokens: Vec<&str> = text.lines().collect();
    let vocabulary: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
    // MPNet has the special tokens of RoBERTa.
    let paired = !vocabulary.contains_key("[CLS]") && vocabulary.contains_key("<s>");
    let usual = if paired { ["<pad>", "[UNK]", "<s>", "</s>", "<mask>"] } else { BERT };
    let said =
        [&settings.pad_token, &settings.unk_token, &settings.cls_token, &settings.sep_token, &settings.mask_token];
    let special: Vec<&str> =
        usual.iter().zip(said).map(|(usual, said)| said.as_ref().map_or(*usual, Named::text)).collect();
    let known = |token: &str| vocabulary.get(token).or_else(|| added.get(token));
    let id = |token: &str| known(token).ok_or_else(|| format!("it has no line {token}"));
    for token in &special[..4] {
        id(token)?;
    }
    if settings.never_split.as_ref().is_some_and(|tokens| tokens.iter().any(|token| !special.contains(&token.as_str())))
    {
        return Err("`never_split` of its tokenizer_config.json is not supported: save a tokenizer.json".to_owned());
    }
    let (unknown, first, last) = (special[1], special[2], special[3]);
    let capital = |token: &&str| !token.starts_with(['[', '<']) && token.chars().any(|c| c.is_ascii_uppercase());
    let lower = settings.do_lower_case.unwrap_or_else(|| !tokens.iter().any(capital));
    let special_at = |token: &str, segment: u8| json!({ "SpecialToken": { "id": token, "type_id": segment } });
    let sentence = |name: &str, segment: u8| json!({ "Sequence": { "id": name, "type_id": segment } });
    let numbered = |token: &str| Ok::<_, String>(json!({ "id": token, "ids": [id(token)?], "tokens": [token] }));
    let second = u8::from(!paired);
    let mut pair = vec![special_at(first, 0), sentence("A", 0), special_at(last, 0)];
    if paired {
        pair.push(special_at(last, 0));
    }
    pair.extend([sentence("B", second), special_at(last, second)]);
    // Without the basic tokenizer, text is only cut at blanks.
    let (normalizer, pre_tokenizer) = match settings.do_basic_tokenize {
        Some(false) => (Value::Null, json!({ "type": "WhitespaceSplit" })),
        _ => (
            json!({
                "type": "BertNormalizer",
                "clean_text": true,
                "handle_chinese_chars": settings.tokenize_chinese_chars.unwrap_or(true),
                "strip_accents": settings.strip_accents,
                "lowercase": lower,
            }),
            json!({ "type": "BertPreTokenizer" }),
        ),
    };
    let mut template = Map::new();
    for token in [first, last] {
        template.insert(token.to_owned(), numbered(token)?);
    }
    let more = settings.additional_special_tokens.iter().flatten().map(Named::text);
    let special: Vec<&str> = special.iter().copied().chain(more).collect();
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(&special, &vocabulary, added),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special_at(first, 0), sentence("A", 0), special_at(last, 0)],
            "pair": pair,
            "special_tokens": template,
        },
        "decoder": null,
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }))
}

/// A `vocab.json` with its `merges.txt`: byte-level pairs. A vocabulary with RoBERTa's special tokens puts them around
/// the text, GPT-2's puts nothing.
fn byte_pairs(vocabulary: &Map<String, Value>, merges: &str, settings: &Settings, added: &Map<String, Value>) -> Value {
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
    let more = settings.additional_special_tokens.iter().flatten().map(Named::text);
    let special: Vec<&str> = ROBERTA.into_iter().chain(["<|endoftext|>"]).chain(more).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(&special, vocabulary, added),
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

/// Those of `special` that the vocabulary has, and the tokens that were added to it, in the order of their numbers.
fn added_tokens(special: &[&str], vocabulary: &Map<String, Value>, added: &Map<String, Value>) -> Vec<Value> {
    let known = |token: &str| vocabulary.get(token).or_else(|| added.get(token))?.as_u64();
    let mut present: Vec<(u64, &str, bool)> =
        special.iter().filter_map(|token| Some((known(token)?, *token, true))).collect();
    let plain = added.iter().filter(|(token, _)| !special.contains(&token.as_str()));
    present.extend(plain.filter_map(|(token, id)| Some((id.as_u64()?, token.as_str(), false))));
    present.sort_unstable();
    present.dedup();
    let one = |(id, token, special): (u64, &str, bool)| {
        json!({
            "id": id,
            "content": token,
            "single_word": false,
            "lstrip": token == "<mask>",
            "rstrip": false,
            "normalized": !special,
            "special": special,
        })
    };
    present.into_iter().map(one).collect()
}
