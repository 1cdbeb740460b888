//! Files of a crate do not import each other in circles: a type that two of them need lives below both.
//!
//! What a file imports is read from its `use` lines and its paths from the crate's root, tests left out. A module and those
//! within it may name each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::{files, read};

/// A module by the names that lead to it.
type Module = Vec<String>;

/// The module of a source file, by its path in the crate's folder of sources.
fn module(path: &str) -> Module {
    let mut names: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(names.last().map(String::as_str), Some("lib" | "main" | "mod")) {
        names.pop();
    }
    names
}

/// Folders of sources of all crates.
fn sources(all: &[String]) -> BTreeSet<String> {
    let of = |path: &String| ["lib.rs", "main.rs"].iter().find_map(|root| path.strip_suffix(root)).map(str::to_owned);
    all.iter().filter_map(of).filter(|folder| folder.ends_with("src/")).collect()
}

/// A source without comments, strings that hold paths, and its own tests.
fn code(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests].lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The paths of a `use` tree.
fn leaves(tree: &str, before: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        found.push(format!("{before}{}", path.trim()));
        return;
    };
    let before = format!("{before}{}", &tree[..open]);
    let (mut depth, mut from) = (0, open + 1);
    for (at, c) in tree.char_indices().skip(open) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || (c == '}' && depth == 0) {
            if !tree[from..at].trim().is_empty() {
                leaves(&tree[from..at], &before, found);
            }
            from = at + 1;
        }
    }
}

/// Everything that a source names by a path.
fn named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let starts = rest[..at].chars().next_back().is_none_or(|c| c.is_whitespace());
        rest = &rest[at + 4..];
        if let (true, Some(end)) = (starts, rest.find(';')) {
            leaves(&rest[..end].split_whitespace().collect::<Vec<_>>().join(" "), "", &mut found);
        }
    }
    let inline = code.match_indices("crate::").map(|(at, _)| {
        let path = code[at..].split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).next().unwrap_or_default();
        path.trim_end_matches(':').to_owned()
    });
    found.extend(inline);
    found
}

/// The module that a path in `from` leads to.
fn target(path: &str, from: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut names = path.split("::").peekable();
    let mut at: Module = match *names.peek()? {
        "crate" => Module::new(),
        "self" | "super" => from.clone(),
        first => {
            let within: Module = from.iter().cloned().chain([first.to_owned()]).collect();
            modules.contains(&within).then(|| from.clone())?
        }
    };
    while let Some(&name) = names.peek() {
        match name {
            "crate" | "self" => {}
            "super" => {
                at.pop()?;
            }
            _ => break,
        }
        names.next();
    }
    for name in names {
        at.push(name.to_owned());
        if !modules.contains(&at) {
            at.pop();
            break;
        }
    }
    Some(at)
}

/// What is left of a graph when everything that leads to no circle is taken away.
fn circles(mut arrows: BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    loop {
        let before = arrows.len();
        let named: BTreeSet<Module> = arrows.values().flatten().cloned().collect();
        arrows.retain(|module, to| !to.is_empty() && named.contains(module));
        let left: BTreeSet<Module> = arrows.keys().cloned().collect();
        arrows.values_mut().for_each(|to| to.retain(|module| left.contains(module)));
        if arrows.len() == before && arrows.values().all(|to| !to.is_empty()) {
            return arrows;
        }
    }
}

fn arrows(sources: &[(Module, String)]) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeSet<Module> = sources.iter().map(|(module, _)| module.clone()).collect();
    let of = |(from, text): &(Module, String)| {
        let to = named(&code(text)).into_iter().filter_map(|path| target(&path, from, &modules));
        (from.clone(), to.filter(|to| !to.starts_with(from) && !from.starts_with(to)).collect())
    };
    sources.iter().map(of).collect()
}

#[test]
fn no_files_of_a_crate_import_each_other_in_circles() {
    let all = files(&["rs"]);
    let mut found = Vec::new();
    for folder in sources(&all) {
        let of = |path: &&String| path.starts_with(&folder) && !path.split('/').any(|name| name.starts_with("tests"));
        let texts: Vec<(Module, String)> =
            all.iter().filter(of).map(|path| (module(&path[folder.len()..]), read(path))).collect();
        for (from, to) in circles(arrows(&texts)) {
            let to: Vec<String> = to.iter().map(|to| to.join("/")).collect();
            found.push(format!("{folder}{} imports {}", from.join("/"), to.join(", ")));
        }
    }
    assert!(found.is_empty(), "circles of files, and what leads from one to another:\n{}", found.join("\n"));
}

#[test]
fn circles_are_found_however_they_are_written() {
    let source = |name: &str, text: &str| (module(name), text.to_owned());
    let circle = [
        source("a.rs", "use crate::{\n  other::Thing,\n  b::{Kind, Other},\n};\n"),
        source("b.rs", "use super::c as d;\nuse std::fmt;\n"),
        source("c.rs", "fn f() -> u32 { crate::a::g() } // crate::b\n"),
        source("a/within.rs", "use super::Thing;\nuse crate::b::Kind;\n"),
        source("lib.rs", "mod a;\npub use a::Thing;\n"),
    ];
    let names: Vec<String> = circles(arrows(&circle)).keys().map(|module| module.join("/")).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let line = [circle[0].clone(), circle[1].clone(), source("c.rs", "#[cfg(test)]\nmod tests {\n use crate::a;\n}\n")];
    assert!(circles(arrows(&line)).is_empty());
}
