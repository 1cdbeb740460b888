//! Tokenizers against encodings worked out by hand, from every kind of file.

use std::fs;
use std::path::{Path, PathBuf};

use mpcc_compiler::graph::{Element, Graph, Node, Op, Shape, Type, Visibility};
use mpcc_import::tokenizer::{Tokenizer, TokenizerError, Tokens, check_vocabulary, read};
use tempfile::TempDir;

use crate::fixtures::input;

/// Numbers: 0 to 4 are special, `un` is 5.
const WORDS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\ncafe\n,\n!\n中\n国\nthe\n##s\na\n";
/// Numbers: `a` is 4, `Ġ` 8, `ab` 9, `Ġab` 10, `Ã` 11, `©` 12.
const PAIRS: &str =
    r#"{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"a":4,"b":5,"c":6,".":7,"Ġ":8,"ab":9,"Ġab":10,"Ã":11,"©":12}"#;
const MERGES: &str = "#version: 0.2\na b\nĠ ab\n";

fn file(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, text).expect("a file");
    path
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn tokenizer(path: &Path, length: usize) -> Tokenizer {
    Tokenizer::new(&read(path).expect("a tokenizer file"), length).expect("a tokenizer")
}

fn bert(length: usize) -> Tokenizer {
    tokenizer(&file(&directory(), "vocab.txt", WORDS), length)
}

fn roberta(length: usize) -> Tokenizer {
    let directory = directory();
    file(&directory, "merges.txt", MERGES);
    tokenizer(&file(&directory, "vocab.json", PAIRS), length)
}

fn encoded(tokenizer: &Tokenizer, first: &str, second: Option<&str>) -> Tokens {
    tokenizer.encode(first, second).expect("tokens")
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    encoded(tokenizer, text, None).ids
}

#[test]
fn words_are_cleaned_and_cut_into_the_longest_pieces() {
    let bert = bert(8);
    assert_eq!(ids(&bert, "unaffable"), [2, 5, 6, 7, 3, 0, 0, 0]);
    assert_eq!(ids(&bert, "UNaffable"), [2, 5, 6, 7, 3, 0, 0, 0], "capitals");
    assert_eq!(ids(&bert, "Café,thes!"), [2, 8, 9, 13, 14, 10, 3, 0], "accents and punctuation");
    assert_eq!(ids(&bert, "中国a"), [2, 11, 12, 15, 3, 0, 0, 0], "each Chinese character is a word");
    assert_eq!(ids(&bert, "  the\u{0}\u{200b}\n\tun "), [2, 13, 5, 3, 0, 0, 0, 0], "blanks and control characters");
    assert_eq!(ids(&bert, "un dog"), [2, 5, 1, 3, 0, 0, 0, 0], "a word with a part that is not known");
    let long = format!("un{}", "able".repeat(30));
    assert_eq!(ids(&bert, &long), [2, 1, 3, 0, 0, 0, 0, 0], "more than 100 characters are not looked at");
}

#[test]
fn a_vocabulary_with_capitals_keeps_them_unless_its_settings_say_otherwise() {
    let directory = directory();
    let path = file(&directory, "vocab.txt", &WORDS.replace("cafe", "Café"));
    assert_eq!(ids(&tokenizer(&path, 5), "Café cafe"), [2, 8, 1, 3, 0]);
    file(&directory, "tokenizer_config.json", r#"{"do_lower_case": true, "model_max_length": 512}"#);
    assert_eq!(ids(&tokenizer(&path, 5), "UN"), [2, 5, 3, 0, 0]);
    file(&directory, "tokenizer_config.json", r#"{"do_lower_case": "#);
    assert!(read(&path).unwrap_err().to_string().contains("tokenizer_config.json"));
}

#[test]
fn one_sentence_and_two_are_marked_as_bert_was_trained() {
    let bert = bert(9);
    let one = encoded(&bert, "the un", None);
    assert_eq!(one.ids, [2, 13, 5, 3, 0, 0, 0, 0, 0]);
    assert_eq!(one.segments, [0; 9]);
    assert_eq!(one.mask, [1, 1, 1, 1, 0, 0, 0, 0, 0]);
    let two = encoded(&bert, "the un", Some("a cafe"));
    assert_eq!(two.ids, [2, 13, 5, 3, 15, 8, 3, 0, 0]);
    assert_eq!(two.segments, [0, 0, 0, 0, 1, 1, 1, 0, 0]);
    assert_eq!(two.mask, [1, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert!(!one.cut && !two.cut);
}

/// Whatever the text was changed to before it was cut, places are those in the text as it was given.
#[test]
fn tokens_know_their_place_in_the_last_text() {
    let words = |tokens: &Tokens, text: &str| -> Vec<String> {
        assert_eq!(tokens.places.len(), tokens.pieces.len());
        tokens.places.iter().map(|place| place.map_or("-", |(from, to)| &text[from..to]).to_owned()).collect()
    };
    let bert = bert(9);
    let text = "Café, 中  UNable";
    assert_eq!(words(&encoded(&bert, text, None), text), ["-", "Café", ",", "中", "UN", "able", "-"]);
    assert_eq!(words(&encoded(&bert, "the un", Some("a Café")), "a Café"), ["-", "-", "-", "-", "a", "Café", "-"]);
    assert_eq!(words(&encoded(&bert, "the", Some(text)), text).len(), 9, "what is cut off has no place");
    let roberta = roberta(9);
    let tokens = encoded(&roberta, "ab", Some("ab abc"));
    let words = words(&tokens, "ab abc");
    let trimmed: Vec<&str> = words.iter().map(|word| word.trim()).collect();
    assert_eq!(trimmed, ["-", "-", "-", "-", "ab", "ab", "c", "-"], "{:?}", tokens.pieces);
}

#[test]
fn what_is_too_long_is_cut_and_special_tokens_stay() {
    let bert = bert(6);
    let one = encoded(&bert, "the un the un the un", None);
    assert_eq!(one.ids, [2, 13, 5, 13, 5, 3]);
    assert_eq!(one.mask, [1; 6]);
    assert!(one.cut);
    assert!(!encoded(&bert, "the un the un", None).cut, "it just fits");
    let two = encoded(&bert, "the", Some("un un un un"));
    assert_eq!(two.ids, [2, 13, 3, 5, 5, 3], "the longer sentence gives way");
    assert!(two.cut);
}

#[test]
fn bytes_are_merged_in_the_order_of_the_list() {
    let roberta = roberta(8);
    assert_eq!(ids(&roberta, "ab ab."), [0, 9, 10, 7, 2, 1, 1, 1], "a blank belongs to the word behind it");
    assert_eq!(ids(&roberta, "ba  c"), [0, 5, 4, 8, 8, 6, 2, 1]);
    assert_eq!(ids(&roberta, "é"), [0, 11, 12, 2, 1, 1, 1, 1], "two bytes, written as two letters");
    let two = encoded(&roberta, "ab", Some("c"));
    assert_eq!(two.ids, [0, 9, 2, 2, 6, 2, 1, 1]);
    assert_eq!(two.segments, [0; 8], "RoBERTa knows one segment");
    assert_eq!(two.mask, [1, 1, 1, 1, 1, 1, 0, 0]);
}

#[test]
fn a_vocabulary_without_marks_puts_none_around_the_text() {
    let directory = directory();
    file(&directory, "merges.txt", MERGES);
    let path = file(&directory, "vocab.json", r#"{"a":0,"b":1,"ab":2,"Ġ":3,"Ġab":4,"<|endoftext|>":5}"#);
    assert_eq!(ids(&tokenizer(&path, 4), "ab ab"), [2, 4, 5, 5]);
}

#[test]
fn a_tokenizer_file_travels_as_it_is() {
    let directory = directory();
    let made = read(&file(&directory, "vocab.txt", WORDS)).unwrap();
    let path = file(&directory, "tokenizer.json", std::str::from_utf8(&made).unwrap());
    assert_eq!(read(&path).unwrap(), made);
    let own = r#""padding":{"strategy":"BatchLongest","direction":"Left","pad_to_multiple_of":null,"pad_id":7,"pad_type_id":0,"pad_token":"x"}"#;
    let text = std::str::from_utf8(&made).unwrap().replace(r#""padding":null"#, own);
    let other = file(&directory, "tokenizer.json", &text);
    assert_eq!(ids(&tokenizer(&other, 4), "un"), [2, 5, 3, 7], "its own padding, at the end whatever it says");
}

#[test]
fn files_that_are_no_tokenizer_say_why() {
    let directory = directory();
    let said = |name: &str, text: &str| read(&file(&directory, name, text)).unwrap_err().to_string();
    for (name, text, reason) in [
        ("vocab.txt", "the\na\n", "no line [PAD]"),
        ("vocab.txt", "", "no line [PAD]"),
        ("tokenizer.json", "{\"model\": ", "not whole JSON"),
        ("config.json", r#"{"hidden_size": 768, "model_type": "bert"}"#, "neither a `model`"),
        ("list.json", "[1, 2]", "no object"),
        ("vocab.json", r#"{"a": 0}"#, "merges.txt"),
    ] {
        let message = said(name, text);
        assert!(message.contains(reason) && message.contains(&*directory.path().to_string_lossy()), "{message}");
    }
    fs::write(directory.path().join("vocab.txt"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(read(&directory.path().join("vocab.txt")).unwrap_err().to_string().contains("UTF-8"));
    assert!(matches!(read(&directory.path().join("none.json")), Err(TokenizerError::File(_))));
    assert!(matches!(Tokenizer::new(br#"{"model": {}}"#, 8), Err(TokenizerError::Unusable(_))));
}

/// An artefact comes from somebody else, so whatever it carries is refused or works.
#[test]
fn damaged_tokenizers_end_in_an_error_or_in_tokens() {
    let directory = directory();
    file(&directory, "merges.txt", MERGES);
    let kinds =
        [("vocab.txt", WORDS), ("vocab.json", PAIRS)].map(|(name, text)| read(&file(&directory, name, text)).unwrap());
    let (mut refused, mut used) = (0, 0);
    for bytes in &kinds {
        for at in 0..bytes.len() {
            for damage in [b'0', b'B', b'"', b'}', bytes[at] ^ 0x20] {
                let mut damaged = bytes.clone();
                damaged[at] = damage;
                match Tokenizer::new(&damaged, 8)
                    .map(|t| (t.encode("un ab, é\u{301}!", None), t.encode("a", Some("ab"))))
                {
                    Ok(_) => used += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 100 && used > 100, "{refused} {used}");
}

#[test]
fn parts_that_the_library_cannot_use_are_refused() {
    let bytes = read(&file(&directory(), "vocab.txt", WORDS)).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut parts = whole.clone();
        change(&mut parts);
        Tokenizer::new(parts.to_string().as_bytes(), 8).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let map = serde_json::json!({ "type": "Precompiled", "precompiled_charsmap": "AAAA" });
    assert!(refused(&|parts| parts["normalizer"] = map.clone()).contains("character map"));
    let several = serde_json::json!({ "type": "Sequence", "normalizers": [{ "type": "NFC" }, map.clone()] });
    assert!(refused(&|parts| parts["normalizer"] = several.clone()).contains("character map"));
    assert!(refused(&|parts| parts["post_processor"]["special_tokens"] = serde_json::json!({})).contains("[CLS]"));
    let second = serde_json::json!({ "Sequence": { "id": "B", "type_id": 0 } });
    assert!(refused(&|parts| parts["post_processor"]["single"][1] = second.clone()).contains("one sentence"));
    assert_eq!(refused(&|parts| parts["decoder"] = serde_json::json!({ "type": "none such" })), "", "it is not used");
}

#[test]
fn a_length_without_room_for_text_is_refused() {
    let bytes = read(&file(&directory(), "vocab.txt", WORDS)).unwrap();
    for length in 0..3 {
        assert!(matches!(Tokenizer::new(&bytes, length), Err(TokenizerError::TooShort { added: 2, .. })), "{length}");
    }
    let three = Tokenizer::new(&bytes, 3).unwrap();
    assert_eq!(ids(&three, "the un"), [2, 13, 3]);
    assert!(matches!(three.encode("the", Some("un")), Err(TokenizerError::TooShort { added: 3, length: 3 })));
}

#[test]
fn padding_needs_a_token() {
    let directory = directory();
    file(&directory, "merges.txt", "");
    let path = file(&directory, "vocab.json", r#"{"a":0,"b":1}"#);
    assert!(matches!(Tokenizer::new(&read(&path).unwrap(), 4), Err(TokenizerError::NoPadding)));
}

#[test]
fn a_table_with_fewer_rows_than_there_are_tokens_is_refused() {
    let table = |extent| {
        let mut graph = Graph { inputs: vec![input(Element::I32, &[4])], ..Graph::default() };
        graph.tokenizer = Some(mpcc_compiler::graph::Tokenizer {
            file: "vocab.txt".into(),
            ids: 0,
            segments: None,
            mask: None,
            span: None,
        });
        let ids = graph.inputs[0].ty.clone();
        let x = graph.push(Node { op: Op::Input(0), ty: ids, path: String::new(), assumed: None, span: None });
        let ty = Type {
            element: Element::Bit,
            shape: Shape::from_slice(&[4, extent]),
            visibility: Visibility::SecretClient,
        };
        graph.push(Node { op: Op::OneHot { x, extent }, ty, path: String::new(), assumed: None, span: None });
        graph
    };
    let bert = bert(4);
    assert_eq!(bert.largest_id(), 15);
    assert!(check_vocabulary(&bert, &table(16)).is_ok());
    let message = check_vocabulary(&bert, &table(15)).unwrap_err().to_string();
    assert!(message.contains("15 rows") && message.contains("up to 15"), "{message}");
}

/// A word-level tokenizer with this normalizer and post-processor.
fn written(normalizer: &str, processor: &str) -> Result<Tokenizer, TokenizerError> {
    let text = format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{normalizer},
            "pre_tokenizer":{{"type":"Whitespace"}},"post_processor":{processor},"decoder":null,
            "model":{{"type":"WordLevel","vocab":{{"[PAD]":0,"[UNK]":1,"a":2}},"unk_token":"[UNK]"}}}}"#
    );
    Tokenizer::new(text.as_bytes(), 8)
}

fn replacing(pattern: &str, content: &str) -> String {
    format!(r#"{{"type":"Replace","pattern":{{"String":"{pattern}"}},"content":"{content}"}}"#)
}

#[test]
fn replacements_that_make_a_text_grow_beyond_measure_are_refused() {
    let rules = |rules: &[String]| format!(r#"{{"type":"Sequence","normalizers":[{}]}}"#, rules.join(","));
    let mild = rules(&[replacing("``", "''"), replacing("a", "aa"), replacing(" ", "▁")]);
    assert!(written(&mild, "null").is_ok());
    let doubling = rules(&vec![replacing("a", "aa"); 30]);
    let refused = written(&doubling, "null").err().expect("it is refused").to_string();
    assert!(refused.contains("longer"), "{refused}");
    assert!(written(&replacing("", &"x".repeat(5000)), "null").is_err());
}

#[test]
fn a_text_longer_than_can_be_tokenized_is_refused() {
    let tokenizer = written(&replacing("a", &"a".repeat(1000)), "null").expect("a tokenizer");
    assert!(tokenizer.encode("a a", None).is_ok());
    for (first, second) in [("a ".repeat(10_000), None), ("a".to_owned(), Some("a ".repeat(10_000)))] {
        let refused = tokenizer.encode(&first, second.as_deref()).unwrap_err();
        assert!(matches!(refused, TokenizerError::TextTooLong { bytes: 20_000, .. }), "{refused}");
    }
}

#[test]
fn a_template_that_repeats_the_text_without_end_is_refused() {
    let template = |parts: usize| {
        let part = r#"{"Sequence":{"id":"A","type_id":0}}"#;
        let single = vec![part; parts].join(",");
        format!(r#"{{"type":"TemplateProcessing","single":[{single}],"pair":[],"special_tokens":{{}}}}"#)
    };
    assert!(written("null", &template(1)).is_ok());
    assert!(written("null", &template(1000)).is_err());
}
