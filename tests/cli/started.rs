//! Which program `mpcc` starts for the commands of `mpcc-studies`, where none lies beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::text;

/// A program that says `word`.
fn says(folder: &Path, word: &str) {
    let program = folder.join("mpcc-studies");
    fs::write(&program, format!("#!/bin/sh\necho {word}\n")).expect("a file");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// In a folder with programs of that name, in it and below: what is started depends on absolute folders alone.
#[test]
fn relative_and_empty_entries_of_the_path_are_passed_over() {
    let place = TempDir::new().expect("a directory");
    let [alone, stood_in, trusted] = ["alone", "stood-in", "trusted"].map(|name| place.path().join(name));
    for folder in [&alone, &stood_in, &stood_in.join("bin"), &trusted] {
        fs::create_dir(folder).expect("a directory");
    }
    let mpcc = alone.join("mpcc");
    fs::hard_link(crate::program(), &mpcc).or_else(|_| fs::copy(crate::program(), &mpcc).map(drop)).expect("a copy");
    says(&stood_in, "planted");
    says(&stood_in.join("bin"), "planted");
    says(&trusted, "trusted");
    let start = |path: &str| {
        let mut command = Command::new(&mpcc);
        command.args(["bench", "models"]).current_dir(&stood_in).env("PATH", path).output().expect("mpcc starts")
    };
    let trusted = trusted.to_str().expect("a path of text");
    for relative in ["", ":", ".", "./", "bin", "./bin", "..//stood-in", "bin:", ":."] {
        let output = start(relative);
        assert_eq!(text(&output.stdout), "", "`{relative}`");
        assert_eq!(output.status.code(), Some(2), "`{relative}`: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("not installed beside mpcc"), "`{relative}`");
        assert_eq!(text(&start(&format!("{relative}:{trusted}")).stdout), "trusted\n", "`{relative}` comes first");
    }
}
