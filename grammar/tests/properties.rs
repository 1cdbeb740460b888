//! Laws that hold for every text: layout keeps meaning and comments and is stable, errors are
//! errors and no panics, and places in the tree are where the words stand.

#[path = "support/programs.rs"]
mod programs;

use mpcc_grammar::{ast, format, parse, print_ast, render};
use proptest::collection::vec;
use proptest::prelude::*;

/// The tree with every span blanked out.
fn without_spans(module: &ast::Module) -> String {
    let text = format!("{module:?}");
    let mut rest = text.as_str();
    let mut out = String::new();
    while let Some(at) = rest.find("Span {") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').expect("a span is printed whole");
        rest = &rest[at + end + 1..];
    }
    out + rest
}

/// The numbered comments of a generated program.
fn notes(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split_once("note ")).map(|(_, note)| note.trim().to_owned()).collect()
}

fn longest_line(text: &str) -> usize {
    let code = |line: &str| line.split("//").next().unwrap_or("").trim_end().chars().count();
    text.lines().map(code).max().unwrap_or(0)
}

fn layout_keeps(source: &str) {
    let tree = match parse(source) {
        Ok(tree) => tree,
        Err(diags) => panic!("{}\n{source}", render(&diags, source, "generated", false)),
    };
    let once = format(source).expect("what parses can be laid out");
    let again = match parse(&once) {
        Ok(tree) => tree,
        Err(diags) => panic!("{}\n{once}", render(&diags, &once, "laid out", false)),
    };
    assert_eq!(without_spans(&tree), without_spans(&again), "{once}");
    assert_eq!(print_ast(&tree), print_ast(&again));
    assert_eq!(notes(source), notes(&once), "{source}\n----\n{once}");
    let twice = format(&once).expect("a laid out text can be laid out");
    assert_eq!(once, twice, "not stable");
    assert!(!once.contains("\n\n\n") && !once.contains(" \n") && !once.contains('\t'));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layout_keeps_meaning_and_comments(
        choices in vec(any::<u8>(), 0..300),
        blanks in vec(any::<u8>(), 0..600),
    ) {
        layout_keeps(&programs::join(&programs::words(&choices), &blanks));
    }

    #[test]
    fn layout_without_comments_fits(choices in vec(any::<u8>(), 0..200)) {
        let source = programs::join(&programs::words(&choices), &[]);
        let out = format(&source).expect("a legal program");
        // Long names in a range deep inside may not leave room.
        prop_assert!(longest_line(&out) <= 140, "{}", out);
    }

    #[test]
    fn one_wrong_word_is_reported_and_nothing_panics(
        choices in vec(any::<u8>(), 0..300),
        blanks in vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        slip in 0_usize..12,
    ) {
        let mut words = programs::words(&choices);
        let at = at.index(words.len());
        let wrong = ["(", ")", "]", "{", "}", ";", "=", "for", "\u{201C}", "0x1", "/// d", ".."];
        words[at] = wrong[slip].to_owned();
        let source = programs::join(&words, &blanks);
        if let Err(diags) = parse(&source) {
            prop_assert!(!diags.is_empty());
            for diag in &diags {
                let span = diag.primary().expect("every syntax error has a place");
                prop_assert!(span.start <= span.end && span.end <= source.len());
            }
            prop_assert!(!render(&diags, &source, "generated", true).is_empty());
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}", cut in any::<prop::sample::Index>()) {
        let vit = include_str!("goldens/parse/mpcvit_cifar10.mpv");
        let at = (0..=cut.index(vit.len())).rev().find(|at| vit.is_char_boundary(*at)).unwrap_or(0);
        for source in [format!("mpv 1;{text}"), format!("{}{text}{}", &vit[..at], &vit[at..])] {
            if let Err(diags) = parse(&source) {
                prop_assert!(!render(&diags, &source, "any", false).is_empty());
            }
        }
    }
}

#[test]
fn layout_keeps_the_vit() {
    layout_keeps(include_str!("goldens/parse/mpcvit_cifar10.mpv"));
    layout_keeps(include_str!("goldens/parse/expressions.mpv"));
    layout_keeps(include_str!("goldens/format/untidy.mpv"));
}

#[test]
fn windows_line_ends_are_read() {
    let source = include_str!("goldens/parse/mpcvit_cifar10.mpv").replace('\n', "\r\n");
    let unix = include_str!("goldens/parse/mpcvit_cifar10.mpv");
    assert_eq!(format(&source).as_deref(), Ok(unix));
}

#[test]
fn places_are_exact() {
    let source = "mpv 1;\nconst AB = f( x ) [ 0 ] + - y // end\n  ;\n";
    let module = parse(source).expect("a legal program");
    let ast::ItemKind::Const { name, value } = &module.items[0].kind else {
        panic!("a constant");
    };
    let at = |span: ast::Span| &source[span.start..span.end];
    assert_eq!(at(name.span), "AB");
    assert_eq!(at(value.span), "f( x ) [ 0 ] + - y");
    let ast::ExprKind::Binary { left, right, .. } = &value.kind else {
        panic!("a sum");
    };
    assert_eq!(at(left.span), "f( x ) [ 0 ]");
    assert_eq!(at(right.span), "- y");
}

#[test]
fn deep_nesting_is_refused_quickly() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("-", ""), ("1 + ", ""), ("x(", ")")] {
        let legal = format!("mpv 1; const A = {}1{};", open.repeat(60), close.repeat(60));
        assert!(parse(&legal).is_ok(), "{open}");
        for depth in [300, 100_000] {
            let deep = format!("mpv 1; const A = {}1{};", open.repeat(depth), close.repeat(depth));
            let diags = parse(&deep).expect_err("too deep");
            assert!(diags.iter().all(|diag| diag.code == "E0119"), "{open}");
        }
    }
}
