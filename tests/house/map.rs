//! The maps against the code: rooms, arrows, passes, gates, instructions, paths, tests named as evidence, commands.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use mpcc::compiler::passes::PASSES;

use crate::text::{block, code, marked, quoted, table, variants};
use crate::{files, none, read, root};

const MAP: &str = "ARCHITECTURE.md";

/// Crates of the workspace: folder and normal dependencies on other crates of the workspace, by name.
fn workspace() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let top = metadata["workspace_root"].as_str().expect("a root");
    let packages = metadata["packages"].as_array().expect("packages");
    let text = |v: &serde_json::Value| v.as_str().expect("text").to_owned();
    let names: BTreeSet<String> = packages.iter().map(|p| text(&p["name"])).collect();
    let describe = |p: &serde_json::Value| {
        let manifest = text(&p["manifest_path"]);
        let folder = manifest.trim_start_matches(top).trim_start_matches('/').trim_end_matches("Cargo.toml").to_owned();
        let normal = p["dependencies"].as_array().expect("dependencies").iter().filter(|d| d["kind"].is_null());
        (text(&p["name"]), (folder, normal.map(|d| text(&d["name"])).filter(|d| names.contains(d)).collect()))
    };
    packages.iter().map(describe).collect()
}

#[test]
fn arrows_are_those_of_the_map() {
    let map = read(MAP);
    let arrow = |line: &str| {
        let (from, to) = line.split_once("->").expect("an arrow");
        (from.trim().to_owned(), to.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    let drawn: BTreeMap<_, _> = block(&map, "arrows").into_iter().map(arrow).collect();
    let real: BTreeMap<_, _> = workspace().into_iter().map(|(name, (_, arrows))| (name, arrows)).collect();
    assert_eq!(drawn, real, "left: the arrows of {MAP}, right: cargo metadata");
}

#[test]
fn rooms_are_those_of_the_map() {
    let map = read(MAP);
    let cell = |row: &[String], i: usize| row[i].trim_matches('`').to_owned();
    let drawn: BTreeMap<_, _> = table(&map, "Rooms").iter().map(|r| (cell(r, 0), cell(r, 1))).collect();
    let mut real: BTreeMap<_, _> = workspace().into_iter().map(|(name, (folder, _))| (name, folder)).collect();
    real.insert("mpcc".to_owned(), "src/".to_owned());
    assert_eq!(drawn, real, "left: the rooms of {MAP}, right: cargo metadata");
}

/// A pass is one file, one line of the list and one folder of goldens; nothing else names it.
#[test]
fn passes_have_a_file_and_goldens_of_their_name() {
    let goldens = files(&["graph", "snap"]);
    let lacks = |name: &&str| {
        let folder = format!("compiler/tests/goldens/passes/{name}/");
        let file = format!("compiler/src/passes/{name}.rs");
        !root().join(file).is_file() || !goldens.iter().any(|g| g.starts_with(&folder))
    };
    let missing: Vec<String> = PASSES.iter().map(|p| p.name).filter(lacks).map(str::to_owned).collect();
    none("a pass has one file and one folder of goldens, both of its name", &missing);
}

#[test]
fn gates_are_those_of_the_map() {
    let map = read(MAP);
    let mut drawn = BTreeMap::new();
    for row in table(&map, "Gates") {
        if row[2] != "not built" {
            let file = row[3].trim_matches('`').to_owned();
            drawn.extend(quoted(&row[2]).into_iter().map(|v| (v.to_owned(), file.clone())));
        }
    }
    let known: BTreeSet<String> = variants(&code(&read("program/src/program.rs")), "Gate").into_iter().collect();
    assert_eq!(drawn.keys().cloned().collect::<BTreeSet<_>>(), known, "left: the gates of {MAP}, right: the enum");

    let lowering = code(&read("program/src/gates.rs"));
    let (_, lowering) = lowering.split_once("fn gate(").expect("the match on gates");
    let mut real = BTreeMap::new();
    for arm in lowering.split("Gate::").skip(1) {
        let variant: String = arm.chars().take_while(|c| c.is_alphanumeric()).collect();
        let (_, body) = arm.split_once("=>").expect("an arm of the match on gates");
        let module = body.trim_start_matches([' ', '\n', '{']).split_once("::").map(|(module, _)| module);
        let module = module.filter(|m| m.chars().all(|c| c.is_ascii_lowercase()));
        let file = module.map_or("program/src/gates.rs".to_owned(), |m| format!("program/src/gates/{m}.rs"));
        real.insert(variant, file);
    }
    assert_eq!(drawn, real, "left: the files of {MAP}, right: the match in program/src/gates.rs");
}

#[test]
fn every_instruction_is_on_the_map() {
    let map = read(MAP);
    let named = quoted(&map);
    let mut missing = variants(&code(&read("program/src/code.rs")), "Instr");
    missing.retain(|i| !named.contains(&i.as_str()));
    none("instructions that the map does not name", &missing);
}

/// Whether quoted text is meant as a path of the repository.
fn is_path(text: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || "./_-".contains(c);
    text.chars().all(legal) && (text.contains('/') || text.ends_with(".md"))
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut missing = Vec::new();
    for document in files(&["md"]) {
        let text = read(&document);
        let folder = root().join(&document).parent().expect("a folder").to_owned();
        for path in quoted(&text).into_iter().filter(|t| is_path(t)) {
            if !root().join(path).exists() && !folder.join(path).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    none("documents name paths that do not exist", &missing);
}

#[test]
fn every_test_named_as_evidence_exists() {
    let security = read("SECURITY.md");
    let mut missing = Vec::new();
    for row in table(&security, "Invariants, and what holds them") {
        let mut source = String::new();
        let mut tests = 0;
        for name in quoted(&row[2]) {
            if is_path(name) {
                source = code(&read(name));
                continue;
            }
            tests += 1;
            let before = source.split(&format!("fn {name}()")).next().filter(|before| before.len() < source.len());
            let lines = before.unwrap_or_default().lines().rev().filter(|l| !l.trim().is_empty());
            let mut attributes = lines.take_while(|l| l.trim().starts_with("#["));
            let test = attributes.any(|l| l.trim() == "#[test]");
            if !test {
                missing.push(name.to_owned());
            }
        }
        assert!(tests > 0, "no test shows: {}", row[0]);
    }
    none("SECURITY.md names tests that do not exist", &missing);
}

#[test]
fn the_readme_runs_what_continuous_integration_runs() {
    let readme = read("README.md");
    let test = marked(&readme, "test-command");
    assert_eq!(test, ["cargo test --workspace"]);
    let ci = read(".ci/run");
    assert!(ci.contains("^<!-- test-command -->$") && ci.trim_end().ends_with("eval \"$test_command\""));
    for step in ["cargo fmt --all --check", "cargo clippy --locked --workspace --all-targets -- -D warnings"] {
        assert!(ci.lines().any(|l| l == step), ".ci/run lacks: {step}");
    }
    let main = marked(&readme, "main-command");
    assert_eq!(main.len(), 1);
    assert!(main[0].starts_with("cargo run --release -- run "), "{}", main[0]);
    let named = main[0].split_whitespace().filter(|w| w.contains('/'));
    let missing: Vec<String> = named.filter(|p| !root().join(p).is_file()).map(str::to_owned).collect();
    none("the README's main command names files that do not exist", &missing);
}

#[test]
fn the_readme_quotes_the_example() {
    let readme = read("README.md");
    let model = read("examples/cifar10/model.mpv");
    let mut rest = model.lines();
    let quoted = marked(&readme, "excerpt").into_iter().filter(|l| *l != "…");
    let missing: Vec<String> = quoted.filter(|l| !rest.any(|m| m == *l)).map(str::to_owned).collect();
    none("the README's excerpt is not in the model, or in another order", &missing);
}

#[test]
fn every_command_of_the_readme_exists() {
    let readme = read("README.md");
    let mut commands = BTreeSet::new();
    for row in table(&readme, "Commands") {
        let name = row[0].trim_matches('`').split(' ').nth(1).expect("a command").to_owned();
        let help = Command::new(env!("CARGO_BIN_EXE_mpcc")).args([&name, "--help"]).output().expect("mpcc runs");
        assert!(help.status.success(), "mpcc {name} --help: {}", String::from_utf8_lossy(&help.stderr));
        commands.insert(name);
    }
    let help = Command::new(env!("CARGO_BIN_EXE_mpcc")).arg("--help").output().expect("mpcc runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let listed = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let listed: BTreeSet<String> = listed
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next().map(str::to_owned))
        .filter(|c| c != "help")
        .collect();
    assert_eq!(commands, listed, "left: the README, right: mpcc --help");
}
