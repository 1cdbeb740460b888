//! `mpcc fmt`: the canonical layout.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_cli::failure::{Said, SourceErrors, WRONG_INPUT};
use mpcc_cli::files;
use mpcc_cli::terminal::{Terminal, write_out};
use serde::Serialize;

/// Lay a model file out canonically; comments stay where they are.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc fmt model.mpv
  mpcc fmt --check *.mpv
  cat model.mpv | mpcc fmt -")]
pub(crate) struct FmtArguments {
    /// The model files; `-` reads standard input and writes standard output.
    #[arg(required = true, value_name = "MODEL.mpv")]
    models: Vec<PathBuf>,
    /// Change nothing; end with status 1 if a file is laid out otherwise.
    #[arg(long)]
    check: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    files: Vec<FileReport>,
}

#[derive(Serialize)]
struct FileReport {
    file: String,
    /// Whether the layout differed.
    changed: bool,
}

pub(crate) fn run(arguments: &FmtArguments, terminal: &Terminal) -> Result<()> {
    let mut laid_out = Vec::with_capacity(arguments.models.len());
    for path in &arguments.models {
        let source_text = files::read_source(path)?;
        let file = files::source_name(path);
        match mpcc_grammar::format(&source_text) {
            Ok(text) => laid_out.push((path, text != source_text, text)),
            Err(diagnostics) => return Err(SourceErrors { file, source_text, diagnostics }.into()),
        }
    }
    let mut files = Vec::with_capacity(laid_out.len());
    for (path, changed, text) in laid_out {
        if !arguments.check {
            if files::is_standard(path) && !terminal.json() {
                write_out(&text)?;
            } else if changed && !files::is_standard(path) {
                files::write(path, text.as_bytes())?;
            }
        }
        files.push(FileReport { file: files::source_name(path), changed });
    }
    let verb = if arguments.check { "would lay out" } else { "laid out" };
    for file in files.iter().filter(|f| f.changed && f.file != "<stdin>") {
        terminal.remark(&format!("{verb} {}", file.file));
    }
    let differs = arguments.check && files.iter().any(|f| f.changed);
    terminal.result(&Report { schema: "mpcc.fmt/1", files }, String::new)?;
    if differs { Err(Said(WRONG_INPUT).into()) } else { Ok(()) }
}
