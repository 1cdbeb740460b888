//! The commands of a README, run as they stand there; only what would take long is made smaller, as each test says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Lines of its fenced shell blocks by section, those that go on joined and those of a loop once for each word of it; and
/// commands for an example in the text between.
pub(crate) fn commands(document: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("LANGUAGE.md").exists());
    let text = fs::read_to_string(path.expect("the repository").join(document)).expect("a document");
    let (mut section, mut inside, mut found, mut begun) = (String::new(), false, Vec::new(), String::new());
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => {
                begun += line.trim_end_matches('\\').trim();
                if line.ends_with('\\') {
                    begun.push(' ');
                } else {
                    found.push((section.clone(), std::mem::take(&mut begun)));
                }
            }
            line => {
                if let Some(title) = line.strip_prefix("## ") {
                    title.clone_into(&mut section);
                }
                let spans = line.split('`').skip(1).step_by(2);
                let spans = spans.filter(|span| span.starts_with("mpcc ") && span.contains(" examples/"));
                found.extend(spans.map(|span| (section.clone(), span.to_owned())));
            }
        }
    }
    unrolled(found)
}

/// Loops of a shell, written out: `for NAME in WORDS; do`, lines with `$NAME`, `done`.
fn unrolled(lines: Vec<(String, String)>) -> Vec<(String, String)> {
    let (mut out, mut lines) = (Vec::new(), lines.into_iter());
    while let Some((section, line)) = lines.next() {
        let Some((name, words)) = line
            .strip_prefix("for ")
            .and_then(|rest| rest.strip_suffix("; do"))
            .and_then(|head| head.split_once(" in "))
        else {
            out.push((section, line));
            continue;
        };
        let body: Vec<_> = lines.by_ref().take_while(|(_, line)| line != "done").collect();
        for word in words.split_whitespace() {
            let with_word = |line: &str| line.replace(&format!("${name}"), word);
            out.extend(body.iter().map(|(section, line)| (section.clone(), with_word(line))));
        }
    }
    out
}

/// How a command is made smaller: it begins so; these words are replaced, and these follow it.
pub(crate) type Smaller = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// Runs the commands of mpcc in these sections one after the other in `directory`, whatever each needs being there or made by
/// one before; `elsewhere` are beginnings of what is run by other tests or by nobody. Every entry of both must be of use.
pub(crate) fn run(document: &str, sections: &[&str], directory: &Path, smaller: &[Smaller], elsewhere: &[&str]) {
    let mut of_use = vec![false; smaller.len() + elsewhere.len()];
    for (section, line) in commands(document) {
        if !sections.contains(&section.as_str()) {
            continue;
        }
        if let Some(at) = elsewhere.iter().position(|beginning| line.starts_with(beginning)) {
            of_use[smaller.len() + at] = true;
            continue;
        }
        let called = ["mpcc ", "cargo run --release -- ", "target/release/mpcc "];
        let arguments = called.iter().find_map(|name| line.strip_prefix(name));
        let mut arguments =
            arguments.unwrap_or_else(|| panic!("{document} has `{line}`, which nobody runs")).to_owned();
        for (at, (beginning, replaced, more)) in smaller.iter().enumerate() {
            if arguments.starts_with(beginning) {
                of_use[at] = true;
                for (from, to) in *replaced {
                    assert!(arguments.contains(from), "`{line}` has no `{from}`");
                    arguments = arguments.replace(from, to);
                }
                arguments = format!("{arguments} {more}");
            }
        }
        let output = mpcc(&arguments, directory);
        assert!(
            output.status.success(),
            "{document}: {line}\n{arguments}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let idle = smaller.iter().map(|(beginning, ..)| *beginning).chain(elsewhere.iter().copied()).zip(of_use);
    let idle: Vec<&str> = idle.filter(|(_, of_use)| !of_use).map(|(beginning, _)| beginning).collect();
    assert!(idle.is_empty(), "{document} has no commands that begin so: {idle:?}");
}

/// Runs mpcc with arguments without spaces.
pub(crate) fn mpcc(arguments: &str, directory: &Path) -> Output {
    let mut command = Command::new(crate::program());
    command.args(arguments.split_whitespace()).current_dir(directory).stdin(Stdio::null());
    command.output().expect("mpcc starts")
}

/// Copies a folder of the repository.
pub(crate) fn copy(folder: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, &target).expect("a copy")),
        }
    }
}
