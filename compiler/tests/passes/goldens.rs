//! The sources in each pass's folder of goldens, before and after the pass.
//!
//! `goldens/passes/PASS/CASE.mpv` is a source that the pass changes and `CASE.graph` what it makes of it; a source
//! whose name begins with `kept_` is one that it must leave alone. All are found by looking, so that a new pass needs
//! a folder and nothing here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_compiler::passes::{PASSES, run_all, run_until};
use mpcc_compiler::text;

use crate::meaning::difference;
use crate::models;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/passes")
}

/// Names without extension of the files of one kind in a folder, sorted.
fn cases(folder: &Path, extension: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let wanted = paths.filter(|p| p.extension().is_some_and(|e| e == extension));
    wanted.map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

fn lowered(path: &Path) -> Graph {
    let source = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let module = mpcc_grammar::parse(&source).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
    lower(&module, &LowerOptions::default()).unwrap_or_else(|e| panic!("{}: {e:?}", path.display())).0
}

/// The sources that a pass changes, lowered.
pub(crate) fn sources(pass: &str) -> Vec<Graph> {
    let folder = folder().join(pass);
    let changed = cases(&folder, "mpv").into_iter().filter(|case| !case.starts_with("kept_"));
    changed.map(|case| lowered(&folder.join(format!("{case}.mpv")))).collect()
}

#[test]
fn every_pass_does_to_its_sources_what_its_goldens_show() {
    for (place, pass) in PASSES.iter().enumerate() {
        let name = pass.name;
        let folder = folder().join(name);
        let sources = cases(&folder, "mpv");
        let (kept, changed): (Vec<&String>, Vec<&String>) = sources.iter().partition(|s| s.starts_with("kept_"));
        assert!(!changed.is_empty(), "{name} has no source to change in {}", folder.display());
        for case in changed.iter().chain(&kept) {
            let graph = lowered(&folder.join(format!("{case}.mpv")));
            let before = match place {
                0 => graph.clone(),
                _ => run_until(&graph, PASSES[place - 1].name).expect("no pass has a bug").0,
            };
            let (after, reports) = run_until(&graph, name).expect("no pass has a bug");
            let expected = changed.contains(case);
            assert_eq!(reports[place].changed, expected, "{name}, {case}:\n{}", text::graph(&after));
            let error = difference(&graph, &after, 4);
            assert!(error < 1e-9, "{name} changed the value of {case} by {error:e}");
            if expected {
                let text = format!("{}\n---- {name}\n\n{}", text::graph(&before), text::graph(&after));
                models::golden(&format!("passes/{name}/{case}.graph"), &text);
            }
        }
        let goldens = cases(&folder, "graph");
        let stale: Vec<&String> = goldens.iter().filter(|g| !changed.contains(g)).collect();
        assert!(stale.is_empty(), "{name}: goldens without a source: {stale:?}");
    }
}

#[test]
fn every_source_keeps_its_value_through_all_passes() {
    for pass in PASSES {
        let folder = folder().join(pass.name);
        for case in cases(&folder, "mpv") {
            let graph = lowered(&folder.join(format!("{case}.mpv")));
            let error = difference(&graph, &run_all(&graph).0, 4);
            assert!(error < 1e-9, "{}/{case}: {error:e}", pass.name);
        }
    }
}

#[test]
fn every_folder_of_goldens_is_of_a_pass() {
    let entries = std::fs::read_dir(folder()).expect("the folder exists");
    let found: BTreeSet<String> =
        entries.map(|e| e.expect("a readable entry").file_name().to_string_lossy().into_owned()).collect();
    let expected: BTreeSet<String> = PASSES.iter().map(|p| p.name.to_owned()).collect();
    assert_eq!(found, expected);
}

#[test]
fn an_unknown_pass_is_refused_with_the_list() {
    let error = run_until(&Graph::default(), "fuse").unwrap_err().to_string();
    assert!(error.contains("`fuse`") && error.contains("fuse_linear"), "{error}");
}
