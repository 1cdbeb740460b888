//! What every source file must and must not contain.

use std::collections::BTreeSet;

use crate::text::{block, code, words};
use crate::{files, none, read, root};

const MOST_LINES: usize = 700;
/// Of nine files in ten.
const USUAL_LINES: usize = 350;

fn sources_where(broken: impl Fn(&str, &str) -> bool) -> Vec<String> {
    files(&["rs"]).into_iter().filter(|path| broken(path, &read(path))).collect()
}

#[test]
fn every_module_has_a_header() {
    let bare = sources_where(|path, s| !path.ends_with("/tests.rs") && !s.starts_with("//! "));
    none("files without a `//!` header in their first line", &bare);
}

#[test]
fn no_file_is_too_long() {
    none("files of more than 700 lines", &sources_where(|_, s| s.lines().count() > MOST_LINES));
    let long = sources_where(|_, s| s.lines().count() > USUAL_LINES);
    assert!(10 * long.len() <= files(&["rs"]).len(), "more than a tenth of the files have over 350 lines: {long:?}");
}

#[test]
fn nothing_is_unfinished() {
    let unfinished = |s: &str| {
        let code = code(s);
        ["todo!", "unimplemented!", "dbg!"].iter().any(|m| code.contains(m)) || code.contains("#[ignore")
    };
    none("files with unfinished code or ignored tests", &sources_where(|_, s| unfinished(s)));
}

#[test]
fn unsafe_stands_only_where_the_map_says() {
    let map = read("ARCHITECTURE.md");
    let listed: BTreeSet<String> = block(&map, "unsafe").into_iter().map(str::to_owned).collect();
    let real: BTreeSet<String> = sources_where(|_, s| words(&code(s)).any(|w| w == "unsafe")).into_iter().collect();
    assert_eq!(listed, real, "left: ARCHITECTURE.md, right: files with `unsafe`");
}

/// Whether blanked code has a floating-point type or literal.
fn has_floats(code: &str) -> bool {
    let number = |w: &str| w.starts_with(|c: char| c.is_ascii_digit()) && !w.starts_with("0x");
    let typed = |w: &str| ["f32", "f64"].iter().any(|t| w.strip_suffix(t).is_some_and(|w| w.is_empty() || number(w)));
    let bytes = code.as_bytes();
    let literal = |i: usize| {
        let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
        let start = (0..i).rev().find(|j| !digit(*j)).map_or(0, |j| j + 1);
        let in_word = start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || b"_.".contains(&bytes[start - 1]));
        bytes[i] == b'.' && start < i && !in_word && digit(i + 1)
    };
    words(code).any(typed) || (0..bytes.len()).any(literal)
}

#[test]
fn floats_are_found() {
    for float in ["let x: f64 = y;", "x as f32", "1.5", "(2.0)", "7f32"] {
        assert!(has_floats(float), "{float}");
    }
    for none in ["t.0.1", "x1.0", "0..10", "a.1", "f64x", "0xf32"] {
        assert!(!has_floats(none), "{none}");
    }
}

#[test]
fn what_touches_a_partys_words_has_no_floats() {
    let security = read("SECURITY.md");
    let promised = block(&security, "integer-only");
    let absent: Vec<String> = promised.iter().filter(|p| !root().join(p).exists()).map(|p| (*p).to_owned()).collect();
    none("SECURITY.md promises something about files that do not exist", &absent);
    let concerned = |path: &str| promised.iter().any(|p| path == *p || (p.ends_with('/') && path.starts_with(p)));
    let is_test = |path: &str| path.ends_with("/tests.rs");
    let broken = sources_where(|path, s| concerned(path) && !is_test(path) && has_floats(&code(s)));
    none("files on a party's path with floating point", &broken);
}

#[test]
fn nothing_points_at_a_private_machine() {
    let folders = ["work", "tmp", "home", "root", "Users"].map(|d| format!("/{d}/"));
    let mut texts = files(&["md", "rs", "toml", "mpv", "pest", "graph", "txt", "stderr", "snap"]);
    texts.push(".ci/run".to_owned());
    texts.retain(|path| {
        let text = read(path);
        folders.iter().any(|f| text.contains(f.as_str()))
    });
    none("files that name a folder of somebody's machine", &texts);
}

#[test]
fn every_document_named_in_a_source_exists() {
    let mut missing = Vec::new();
    for path in files(&["rs", "toml"]) {
        let text = read(&path);
        let names = text.split(|c: char| !c.is_alphanumeric() && !"./_-".contains(c)).filter(|w| w.ends_with(".md"));
        let absent = names.filter(|n| !n.starts_with('.') && !root().join(n).exists());
        missing.extend(absent.map(|n| format!("{path}: {n}")));
    }
    missing.dedup();
    none("sources refer to documents that do not exist", &missing);
}
