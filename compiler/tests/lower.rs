//! Lowering: diagnostics of wrong models and graphs of right ones, as goldens.
//!
//! `goldens/check/NAME.mpv` is a source with mistakes, `NAME.stderr` what is said about it.
//! `goldens/graph/NAME.mpv` is a source without, `NAME.graph` the graph's text form.
//! `MPCC_BLESS=1` rewrites the expectations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_compiler::{text, verify};
use mpcc_grammar::{Diagnostic, parse, render};

#[path = "lower/functions.rs"]
mod functions;
#[path = "lower/library.rs"]
mod library;
#[path = "lower/limits.rs"]
mod limits;
#[path = "lower/meaning.rs"]
mod meaning;
#[path = "lower/options.rs"]
mod options;
#[path = "lower/supernet.rs"]
mod supernet;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the golden folder exists");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mpv"));
    paths.sort();
    assert!(!paths.is_empty(), "no golden in {}", folder.display());
    paths
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a UTF-8 file name")
}

/// Compares with the file beside `source`, or rewrites it.
fn agrees(source: &Path, extension: &str, found: &str) -> Result<(), String> {
    let expected = source.with_extension(extension);
    if env::var_os("MPCC_BLESS").is_some() {
        fs::write(&expected, found).expect("the golden can be written");
        return Ok(());
    }
    match fs::read_to_string(&expected) {
        Ok(text) if text == found => Ok(()),
        Ok(text) => Err(format!("{}: expected\n{text}\nfound\n{found}", expected.display())),
        Err(error) => Err(format!("{}: {error}; MPCC_BLESS=1 writes it", expected.display())),
    }
}

/// Sources without mistakes, and the paths of their goldens without the extension: the folder's and the examples.
fn right_models() -> Vec<(PathBuf, PathBuf)> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let own = sources(&folder("graph")).into_iter().map(|path| (path.clone(), path));
    let shipped = ["cifar10", "mpcvit-cifar10-paper"]
        .map(|name| (examples.join(name).join("model.mpv"), folder("graph").join(format!("example-{name}"))));
    own.chain(shipped).collect()
}

/// Everything said about a source.
fn findings(source: &str) -> Vec<Diagnostic> {
    match parse(source).and_then(|module| lower(&module, &LowerOptions::default())) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    }
}

#[test]
fn diagnostics_are_as_written_in_the_goldens() {
    let mut failures = Vec::new();
    let mut codes = BTreeSet::new();
    for path in sources(&folder("check")) {
        let source = fs::read_to_string(&path).expect("a readable golden");
        let found = findings(&source);
        assert!(!found.is_empty(), "nothing is wrong with {}", path.display());
        codes.extend(found.iter().map(|diagnostic| diagnostic.code));
        failures.extend(agrees(&path, "stderr", &render(&found, &source, name_of(&path), false)).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // Codes of syntax and of planning have goldens elsewhere.
    let lowering = |code: &&str| !code.starts_with("E01") && !code.starts_with("E08");
    let registered: BTreeSet<&str> = mpcc_grammar::codes().iter().map(|entry| entry.code).filter(lowering).collect();
    // The first two are about values given from outside a file, which `options.rs` covers; the third is about another file.
    let outside = BTreeSet::from(["E0203", "E0312", "E0906"]);
    let missing: Vec<&&str> =
        registered.iter().filter(|code| !codes.contains(*code) && !outside.contains(*code)).collect();
    assert!(missing.is_empty(), "no golden shows {missing:?}");
}

#[test]
fn graphs_are_as_written_in_the_goldens() {
    let mut failures = Vec::new();
    for (path, expected) in right_models() {
        let source = fs::read_to_string(&path).expect("a readable golden");
        let module = parse(&source).expect("the golden parses");
        let (graph, warnings) = lower(&module, &LowerOptions::default())
            .unwrap_or_else(|errors| panic!("{}", render(&errors, &source, name_of(&path), false)));
        // They have ReLU-softmax as it was published, down to an `eps` that fixed point cannot follow.
        let published = path.ends_with("small.mpv");
        let expected_warnings: &[&str] = if published { &["W0007"] } else { &[] };
        let codes: Vec<&str> = warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, expected_warnings, "{}", render(&warnings, &source, name_of(&path), false));
        verify::verify(&graph).unwrap_or_else(|violations| panic!("{}: {violations:?}", path.display()));
        failures.extend(agrees(&expected, "graph", &text::graph(&graph)).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Lines dropped and digits changed: whatever is left must be lowered to a sound graph or be explained in place.
#[test]
fn damaged_sources_are_explained_or_lowered_to_sound_graphs() {
    let (mut lowered, mut refused) = (0, 0);
    let quick = |path: &PathBuf| !name_of(path).starts_with("too_many");
    for path in
        sources(&folder("check")).into_iter().filter(quick).chain(right_models().into_iter().map(|(source, _)| source))
    {
        let source = fs::read_to_string(&path).expect("a readable golden");
        let lines: Vec<&str> = source.lines().collect();
        let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n");
        let digits = source.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at);
        let changed =
            digits.flat_map(|at| ["0", "3", "7"].map(|digit| [&source[..at], digit, &source[at + 1..]].concat()));
        for damaged in (0..lines.len()).map(without).chain(changed.collect::<Vec<_>>()) {
            let Ok(module) = parse(&damaged) else { continue };
            match lower(&module, &LowerOptions::default()) {
                Ok((graph, _)) => {
                    verify::verify(&graph).unwrap_or_else(|violations| panic!("{violations:?} in\n{damaged}"));
                    lowered += 1;
                }
                Err(errors) => {
                    let inside = |diagnostic: &Diagnostic| {
                        diagnostic.primary().is_some_and(|span| span.start <= span.end && span.end <= damaged.len())
                    };
                    assert!(!errors.is_empty() && errors.iter().all(inside), "{errors:?} in\n{damaged}");
                    refused += 1;
                }
            }
        }
    }
    assert!(lowered > 100 && refused > 100, "{lowered} lowered, {refused} refused");
}

#[test]
fn models_without_mistakes_are_laid_out_canonically() {
    for (path, _) in right_models() {
        let source = fs::read_to_string(&path).expect("a readable source");
        let canonical = mpcc_grammar::format(&source).expect("the source parses");
        if env::var_os("MPCC_BLESS").is_some() {
            fs::write(&path, &canonical).expect("the source can be written");
            continue;
        }
        assert!(canonical == source, "{}: `mpcc fmt` would write\n{canonical}", path.display());
    }
}
