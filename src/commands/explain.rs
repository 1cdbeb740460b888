//! `mpcc explain`: the long text of a diagnostic code, a function of the language, or the protocol of an operation.

mod functions;
mod operations;

use anyhow::Result;
use clap::Args;
use mpcc_cli::failure::Usage;
use mpcc_cli::terminal::Terminal;
use serde::Serialize;

use functions::Function;
use operations::OPERATIONS;

/// Explain a diagnostic code, a function of the model language, or how an operation is computed on shares.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc explain            all functions, operations and codes
  mpcc explain two_quad   a function: what it computes, where it is from, what it needs
  mpcc explain relu       also how it is computed on shares
  mpcc explain G8         the gate of that number
  mpcc explain E0118")]
pub(crate) struct ExplainArguments {
    /// A function or operation such as relu, a code such as E0118, or a gate such as G8.
    #[arg(value_name = "NAME|CODE")]
    topic: Option<String>,
}

#[derive(Serialize)]
struct List {
    schema: &'static str,
    built_in: Vec<Entry>,
    standard_library: Vec<Entry>,
    operations: Vec<Entry>,
    codes: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

#[derive(Default, Serialize)]
struct Text {
    schema: &'static str,
    kind: &'static str,
    name: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    text: String,
    /// How it is computed on shares, for a function that is an operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
}

pub(crate) fn run(arguments: &ExplainArguments, terminal: &Terminal) -> Result<()> {
    match &arguments.topic {
        None => list(terminal),
        Some(topic) => explain(topic, terminal),
    }
}

fn list(terminal: &Terminal) -> Result<()> {
    let plain = |name, title: &str| Entry { name, title: title.to_owned(), signature: None };
    let function = |f: Function| Entry { name: f.name, title: f.title, signature: Some(f.signature) };
    let list = List {
        schema: "mpcc.explain-list/2",
        built_in: functions::built_in().into_iter().map(function).collect(),
        standard_library: functions::standard().into_iter().map(function).collect(),
        operations: OPERATIONS.iter().map(|o| plain(o.names[0], o.title)).collect(),
        codes: mpcc_grammar::codes().iter().map(|c| plain(c.code, c.title)).collect(),
    };
    Ok(terminal.result(&list, || {
        let rows = |entries: &[Entry]| -> String {
            entries.iter().map(|e| format!("  {:<27} {}\n", e.name, e.title)).collect()
        };
        format!(
            "Built-in functions\n{}\nThe standard library\n{}\nOperations on shares\n{}\nDiagnostics\n{}",
            rows(&list.built_in),
            rows(&list.standard_library),
            rows(&list.operations),
            rows(&list.codes)
        )
    })?)
}

fn explain(topic: &str, terminal: &Terminal) -> Result<()> {
    let Some(text) = found(topic) else {
        return Err(Usage(format!(
            "there is no function, operation, gate or diagnostic code `{topic}`; `mpcc explain` lists them"
        ))
        .into());
    };
    Ok(terminal.result(&text, || drawn(&text))?)
}

fn found(topic: &str) -> Option<Text> {
    let schema = "mpcc.explain/2";
    if let Some(code) = mpcc_grammar::explain(topic) {
        let (title, text) = (code.title.to_owned(), code.text.to_owned());
        return Some(Text { schema, kind: "diagnostic", name: code.code, title, text, ..Text::default() });
    }
    let operation = operations::find(topic);
    match (functions::find(topic), operation) {
        (Some(Function { name, title, signature, text }), operation) => Some(Text {
            schema,
            kind: "function",
            name,
            title,
            signature: Some(signature),
            text,
            protocol: operation.map(|operation| operation.text),
        }),
        (None, Some(operation)) => Some(Text {
            schema,
            kind: "operation",
            name: operation.names[0],
            title: operation.title.to_owned(),
            text: operation.text.to_owned(),
            ..Text::default()
        }),
        (None, None) => None,
    }
}

fn drawn(text: &Text) -> String {
    let Some(signature) = &text.signature else { return format!("{}: {}\n\n{}\n", text.name, text.title, text.text) };
    let about = if text.text.is_empty() { &text.title } else { &text.text };
    let protocol = text.protocol.map(|protocol| format!("\nOn shares\n\n{protocol}\n"));
    format!("{signature}\n\n{about}\n{}", protocol.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_explained_with_their_protocol_and_library_functions_with_their_source() {
        let relu = found("relu").expect("a function");
        assert_eq!(relu.signature.as_deref(), Some("relu(x)"));
        assert!(relu.protocol.is_some_and(|protocol| protocol.contains("digit")));
        let quad = found("two_quad").expect("a function");
        assert!(quad.text.contains("MPCFormer") && quad.title.starts_with("2Quad"));
        assert!(drawn(&quad).starts_with("fn two_quad<M>("));
        assert_eq!(found("G8").map(|text| text.kind), Some("operation"));
        assert_eq!(found("e0301").map(|text| text.kind), Some("diagnostic"));
    }

    /// Every function of a paper says which.
    #[test]
    fn functions_of_the_library_name_their_source() {
        let helpers = ["identity", "none", "goldschmidt_div_steps", "goldschmidt_deflation", "goldschmidt_rsqrt_steps"];
        for function in functions::standard() {
            let sourced = function.text.contains("Source: ") || helpers.contains(&function.name);
            assert!(sourced, "{} has no source", function.name);
        }
    }
}
