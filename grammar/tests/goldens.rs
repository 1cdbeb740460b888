//! Golden files: an `.mpv` text beside what the crate makes of it.
//!
//! `MPCC_BLESS=1 cargo test -p mpcc-grammar` rewrites the expectations.

use std::fs;
use std::path::{Path, PathBuf};

use mpcc_grammar::{Diagnostic, format, parse, print_ast, render};

fn inputs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the golden folder exists")
        .map(|entry| entry.expect("a readable folder entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "mpv"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no goldens");
    files
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

fn check(folder: &str, extension: &str, make: impl Fn(&str, &str) -> String) {
    let bless = std::env::var_os("MPCC_BLESS").is_some();
    let mut wrong = Vec::new();
    for path in inputs(folder) {
        let source = fs::read_to_string(&path).expect("a readable golden");
        let got = make(&source, &file_name(&path));
        let expected_path = path.with_extension(extension);
        if bless {
            fs::write(&expected_path, &got).expect("a writable golden");
            continue;
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if expected != got {
            wrong.push(format!("{}\n--- expected\n{expected}\n--- got\n{got}", expected_path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn shown(diags: &[Diagnostic], source: &str, name: &str) -> String {
    render(diags, source, name, false)
}

#[test]
fn trees() {
    check("parse", "ast", |source, name| match parse(source) {
        Ok(module) => print_ast(&module),
        Err(diags) => panic!("{}", shown(&diags, source, name)),
    });
}

#[test]
fn layouts() {
    check("format", "formatted", |source, name| match format(source) {
        Ok(text) => {
            assert_eq!(format(&text).as_ref(), Ok(&text), "{name} is not stable");
            text
        }
        Err(diags) => panic!("{}", shown(&diags, source, name)),
    });
}

#[test]
fn the_vit_is_laid_out_canonically() {
    for path in inputs("parse") {
        if file_name(&path) == "mpcvit_cifar10.mpv" {
            let source = fs::read_to_string(&path).expect("a readable golden");
            assert_eq!(format(&source), Ok(source));
            return;
        }
    }
    panic!("the golden is gone");
}

#[test]
fn diagnostics() {
    check("diagnostics", "txt", |source, name| match parse(source) {
        Ok(_) => panic!("{name} parses"),
        Err(diags) => shown(&diags, source, name),
    });
}

/// Every syntax code has a golden that shows it, and is registered.
#[test]
fn every_syntax_code_has_a_golden() {
    let mut seen: Vec<&str> = Vec::new();
    for path in inputs("diagnostics") {
        let source = fs::read_to_string(&path).expect("a readable golden");
        for diag in parse(&source).expect_err("goldens of diagnostics do not parse") {
            assert!(mpcc_grammar::explain(diag.code).is_some(), "{}", diag.code);
            seen.push(diag.code);
        }
    }
    for entry in mpcc_grammar::codes() {
        if entry.code.starts_with("E01") {
            assert!(seen.contains(&entry.code), "no golden for {}", entry.code);
        }
    }
}
