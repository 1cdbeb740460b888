//! Files beside a text encoder: its tokenizer, and what else changes how text becomes tokens.

use std::path::{Path, PathBuf};

use super::{Config, ImportError};

/// Files of a tokenizer, the first that is there, and what must lie beside it.
const TOKENIZERS: [(&str, &[&str]); 3] = [("tokenizer.json", &[]), ("vocab.txt", &[]), ("vocab.json", &["merges.txt"])];
/// Files of a tokenizer that cannot be read.
const UNREADABLE: [&str; 4] = ["sentencepiece.bpe.model", "spiece.model", "spm.model", "bpe.codes"];
/// Files beside the older vocabularies that say how they are to be read.
const BESIDE: [&str; 3] = ["tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"];

/// The tokenizer's files, first the one that the model names, and what to say of them.
pub(super) fn tokenizer(from: &Path) -> (Vec<PathBuf>, Option<String>) {
    for (file, beside) in TOKENIZERS {
        let needed: Vec<PathBuf> = [file].iter().chain(beside).map(|name| from.join(name)).collect();
        if needed.iter().all(|path| path.is_file()) {
            let settings = BESIDE.iter().map(|name| from.join(name));
            let settings = settings.filter(|path| file != "tokenizer.json" && path.is_file());
            return (needed.into_iter().chain(settings).collect(), None);
        }
    }
    let unreadable = UNREADABLE.iter().find(|name| from.join(name).is_file());
    let said = match unreadable {
        Some(file) => format!(
            "`{file}` cannot be read: save the tokenizer as tokenizer.json (`AutoTokenizer.from_pretrained(…).save_pretrained(…)`); \
             until then the model takes arrays of token ids instead of text"
        ),
        None => "the directory holds no tokenizer (tokenizer.json, vocab.txt, or vocab.json with merges.txt): the model takes \
                 arrays of token ids instead of text"
            .to_owned(),
    };
    (Vec::new(), Some(said))
}

/// What lies beside the weights and would change them or the tokens that they see.
pub(super) fn notes(from: &Path) -> Result<Vec<String>, ImportError> {
    if let Some(adapter) = Config::read_if_there(from, "adapter_config.json")? {
        return Err(adapter.unsupported(
            "the directory holds an adapter: merge it into the weights first, with `merge_and_unload` of peft",
        ));
    }
    let mut notes = Vec::new();
    let Some(settings) = Config::read_if_there(from, "tokenizer_config.json")? else { return Ok(notes) };
    for key in ["padding_side", "truncation_side"] {
        if settings.text(key).is_some_and(|side| side != "right") {
            notes.push(format!("tokenizer_config.json says `{key}` left; the model pads and cuts at the end"));
        }
    }
    if let Some(whole) = Config::read_if_there(from, "tokenizer.json")? {
        notes.extend(differing(&settings, &whole)?);
    }
    Ok(notes)
}

/// Settings that the reference library puts into a tokenizer.json when it reads one, where they are not in it already.
fn differing(settings: &Config, whole: &Config) -> Result<Option<String>, ImportError> {
    let normalizer = whole.get("normalizer").filter(|normalizer| normalizer.get("lowercase").is_some());
    let Some(normalizer) = normalizer else { return Ok(None) };
    let mut differing = Vec::new();
    for (key, inside) in [
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "handle_chinese_chars"),
    ] {
        let said = settings.get(key).and_then(serde_json::Value::as_bool);
        let done = normalizer.get(inside).and_then(serde_json::Value::as_bool);
        if said.is_some() && said != done {
            differing.push(format!("`{key}`"));
        }
    }
    Ok((!differing.is_empty()).then(|| {
        format!(
            "tokenizer_config.json says {} otherwise than tokenizer.json, which counts here: save the tokenizer again with \
             `save_pretrained` if it should not",
            differing.join(", ")
        )
    }))
}
