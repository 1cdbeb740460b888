//! From bytes to the library's tokenizer.
//!
//! An artefact comes from somebody else: what makes the library panic, or a text grow beyond measure, is refused here
//! first.

use serde_json::Value;
use tokenizers::normalizers::Precompiled;

/// How much longer the replacements of a normalizer may make a text.
const MOST_GROWTH: usize = 1 << 10;
/// Parts of a template.
const MOST_PIECES: usize = 64;

/// The tokenizer in the bytes of a `tokenizer.json`, and how many times longer its replacements may make a text; or what
/// is wrong with them.
pub(super) fn tokenizer(bytes: &[u8]) -> Result<(tokenizers::Tokenizer, usize), String> {
    let mut parts: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if let Some(parts) = parts.as_object_mut() {
        // Tokens are never turned back into text.
        parts.remove("decoder");
    }
    if let Some(mistake) = parts.get("normalizer").and_then(normalizer_mistake) {
        return Err(mistake);
    }
    if let Some(mistake) = parts.get("post_processor").and_then(template_mistake) {
        return Err(mistake);
    }
    let growth = parts.get("normalizer").map_or(1, growth);
    if growth > MOST_GROWTH {
        return Err(format!("its replacements can make a text {growth} times longer; at most {MOST_GROWTH}"));
    }
    let readable = serde_json::to_vec(&parts).map_err(|error| error.to_string())?;
    let read = tokenizers::Tokenizer::from_bytes(readable).map_err(|error| error.to_string())?;
    Ok((read, growth))
}

/// How many times longer the replacements of a normalizer, one after another, can make a text.
fn growth(normalizer: &Value) -> usize {
    if let Some(parts) = normalizer.get("normalizers").and_then(Value::as_array) {
        return parts.iter().map(growth).fold(1, usize::saturating_mul);
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map_or(0, str::len);
    let content = text(normalizer.get("content"));
    match normalizer.get("pattern").map(|pattern| text(pattern.get("String"))) {
        None => text(normalizer.get("prepend")).saturating_add(1),
        // What matches nothing can stand between any two bytes.
        Some(0) => content.saturating_add(1),
        Some(pattern) => content.div_ceil(pattern).max(1),
    }
}

/// What is wrong with the character map of a normalizer.
fn normalizer_mistake(normalizer: &Value) -> Option<String> {
    if let Some(parts) = normalizer.get("normalizers").and_then(Value::as_array) {
        return parts.iter().find_map(normalizer_mistake);
    }
    let map = normalizer.get("precompiled_charsmap").is_some()
        || normalizer.get("type").and_then(Value::as_str) == Some("Precompiled");
    let unreadable = map && serde_json::from_str::<Precompiled>(&normalizer.to_string()).is_err();
    unreadable.then(|| "its character map cannot be read".to_owned())
}

/// What is wrong with the templates of a `post_processor`: it names a special token that it does not number, or a second
/// sentence around a single one. The library relies on neither.
fn template_mistake(processor: &Value) -> Option<String> {
    if let Some(parts) = processor.get("processors").and_then(Value::as_array) {
        return parts.iter().find_map(template_mistake);
    }
    let known = processor.get("special_tokens");
    let pieces = |name: &str| processor.get(name).and_then(Value::as_array).into_iter().flatten();
    let id = |piece: &Value, kind: &str| Some(piece.get(kind)?.get("id")?.as_str()?.to_owned());
    let tokens = pieces("single").chain(pieces("pair")).filter_map(|piece| id(piece, "SpecialToken"));
    let undefined = |token: &String| known.is_none_or(|known| known.get(token).is_none());
    let second = pieces("single").filter_map(|piece| id(piece, "Sequence")).any(|sentence| sentence != "A");
    if ["single", "pair"].iter().any(|name| pieces(name).count() > MOST_PIECES) {
        return Some(format!("its template has more than {MOST_PIECES} parts"));
    }
    match tokens.into_iter().find(undefined) {
        Some(token) => Some(format!("its template has {token}, which it does not number")),
        None => second.then(|| "its template for one sentence has two".to_owned()),
    }
}
