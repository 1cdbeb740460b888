//! Tokenizers with parts changed, and texts that are hard on them.

use mpcc_fuzz::Choices;
use mpcc_import::tokenizer::{Tokenizer, read};
use serde_json::{Value, json};

use crate::json;

const TEXTS: [&str; 6] =
    ["Hello there, what a nice film!", "", "é\u{0301}\u{200d}👩‍👩‍👧", "a\u{0}b", "  \u{3000} 你好 123 don't", "ＦＵＬＬ ﬁ"];

/// One tokenizer of each kind, from the files of a vocabulary or written out.
pub(crate) fn seeds() -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let words =
        file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\nhello\n,\n!\n中\nthe\n##s\na\n");
    file("merges.txt", "#version: 0.2\na b\nĠ ab\n");
    let pairs = r#"{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"a":4,"b":5,"c":6,".":7,"Ġ":8,"ab":9,"Ġab":10,"Ã":11}"#;
    let pairs = file("vocab.json", pairs);
    let of = |path| serde_json::from_slice(&read(path).expect("a vocabulary")).expect("JSON");
    let unigram = json!({
        "version": "1.0", "truncation": null,
        "padding": { "strategy": { "Fixed": 8 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                     "pad_type_id": 0, "pad_token": "<pad>" },
        "added_tokens": [{ "id": 0, "content": "<pad>", "single_word": false, "lstrip": false, "rstrip": false,
                           "normalized": false, "special": true }],
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Replace", "pattern": { "String": "``" }, "content": "\"" },
            { "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " },
            { "type": "NFKD" }, { "type": "StripAccents" }, { "type": "Lowercase" }] },
        "pre_tokenizer": { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true },
        "post_processor": { "type": "TemplateProcessing",
            "single": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "SpecialToken": { "id": "<pad>", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "<pad>": { "id": "<pad>", "ids": [0], "tokens": ["<pad>"] } } },
        "decoder": null,
        "model": { "type": "Unigram", "unk_id": 1, "byte_fallback": false,
                   "vocab": [["<pad>", 0.0], ["<unk>", 0.0], ["▁the", -2.5], ["h", -3.0], ["e", -3.5], ["▁", -4.0]] },
    });
    vec![of(&words), of(&pairs), unigram]
}

/// Reads a changed tokenizer and encodes texts with it.
pub(crate) fn case(choices: &mut Choices<'_>, seeds: &[Value]) {
    let mut value = choices.of(seeds).clone();
    for _ in 0..1 + choices.below(3) {
        json::spoil(choices, &mut value);
    }
    let mut bytes = serde_json::to_vec(&value).expect("JSON");
    if choices.once_in(10) {
        choices.spoil(&mut bytes);
    }
    let Ok(tokenizer) = Tokenizer::new(&bytes, 16) else { return };
    let _ = tokenizer.largest_id();
    let long = "x ab".repeat(500);
    for text in TEXTS.iter().copied().chain([long.as_str()]) {
        for second in [None, Some("second"), Some("")] {
            let Ok(tokens) = tokenizer.encode(text, second) else { continue };
            assert_eq!([tokens.ids.len(), tokens.segments.len(), tokens.mask.len()], [16; 3]);
        }
    }
}
