//! House rules: the map says what the code is, and what every file must and must not contain.
//!
//! The tables of ARCHITECTURE.md and SECURITY.md are read as data and compared with the sources and with cargo's
//! metadata, so that a change of either without the other fails here.

#[path = "house/circles.rs"]
mod circles;
#[path = "house/map.rs"]
mod map;
#[path = "house/sources.rs"]
mod sources;
#[path = "house/text.rs"]
mod text;

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Paths relative to the repository of all files with one of these extensions, sorted; build outputs and hidden folders left out.
fn files(extensions: &[&str]) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "mpcc-out" {
                    walk(&path, found);
                }
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    let fits = |p: &PathBuf| p.extension().is_some_and(|e| extensions.iter().any(|x| *x == e));
    let relative = |p: PathBuf| p.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
    let mut names: Vec<String> = found.into_iter().filter(fits).map(relative).collect();
    names.sort();
    assert!(!names.is_empty(), "no file ends in one of {extensions:?}");
    names
}

/// Fails with all findings at once.
fn none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
