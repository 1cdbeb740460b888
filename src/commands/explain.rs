//! `mpcc explain`: the long text of a diagnostic code, or the protocol of an operation.

mod operations;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::failure::Usage;
use crate::terminal::Terminal;
use operations::OPERATIONS;

/// Explain a diagnostic code, or how an operation is computed on shares and which paper it is from.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc explain            all codes and operations
  mpcc explain E0118
  mpcc explain relu
  mpcc explain G8         the gate of that number")]
pub(crate) struct ExplainArguments {
    /// A code such as E0118, an operation such as relu, or a gate such as G8.
    #[arg(value_name = "CODE|OP")]
    topic: Option<String>,
}

#[derive(Serialize)]
struct List {
    schema: &'static str,
    codes: Vec<Entry>,
    operations: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    title: &'static str,
}

#[derive(Serialize)]
struct Text {
    schema: &'static str,
    kind: &'static str,
    name: &'static str,
    title: &'static str,
    text: &'static str,
}

pub(crate) fn run(arguments: &ExplainArguments, terminal: &Terminal) -> Result<()> {
    match &arguments.topic {
        None => list(terminal),
        Some(topic) => explain(topic, terminal),
    }
}

fn list(terminal: &Terminal) -> Result<()> {
    let codes: Vec<Entry> = mpcc_grammar::codes().iter().map(|c| Entry { name: c.code, title: c.title }).collect();
    let operations: Vec<Entry> = OPERATIONS.iter().map(|o| Entry { name: o.names[0], title: o.title }).collect();
    let list = List { schema: "mpcc.explain-list/1", codes, operations };
    Ok(terminal.result(&list, || {
        let rows = |entries: &[Entry]| -> String {
            entries.iter().map(|e| format!("  {:<14} {}\n", e.name, e.title)).collect()
        };
        format!("Operations\n{}\nDiagnostics\n{}", rows(&list.operations), rows(&list.codes))
    })?)
}

fn explain(topic: &str, terminal: &Terminal) -> Result<()> {
    let text = if let Some(code) = mpcc_grammar::explain(topic) {
        Text { schema: "mpcc.explain/1", kind: "diagnostic", name: code.code, title: code.title, text: code.text }
    } else if let Some(operation) = operations::find(topic) {
        Text {
            schema: "mpcc.explain/1",
            kind: "operation",
            name: operation.names[0],
            title: operation.title,
            text: operation.text,
        }
    } else {
        return Err(Usage(format!(
            "there is no diagnostic code, operation or gate `{topic}`; `mpcc explain` lists them"
        ))
        .into());
    };
    Ok(terminal.result(&text, || format!("{}: {}\n\n{}\n", text.name, text.title, text.text))?)
}
