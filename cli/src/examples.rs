//! What a model reads: examples of the command line as values, and the tokenizer that a source declares.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::Graph;
use mpcc_grammar::{Diagnostic, Label, Severity};
use mpcc_import::inputs::{self, Example, Reader};
use mpcc_import::tokenizer::{self, Tokenizer, TokenizerError};
use mpcc_program::shown::shown;

use crate::failure::SourceErrors;
use crate::files;
use crate::source::Source;
use crate::terminal::Terminal;

/// How many files that are no inputs are named.
const NAMED: usize = 5;

/// What is named on a command line as examples; files of directories that are no inputs are remarked on.
pub fn find(given: &[OsString], graph: &Graph, terminal: Option<&Terminal>) -> Result<Vec<Example>> {
    let found = inputs::examples(given, graph)?;
    let Some(terminal) = terminal else { return Ok(found) };
    let directories: Vec<PathBuf> = given.iter().map(PathBuf::from).filter(|path| path.is_dir()).collect();
    let strangers = inputs::passed_over(&directories, graph)?;
    if !strangers.is_empty() {
        let named: Vec<String> = strangers.iter().take(NAMED).map(|path| shown(path).to_string()).collect();
        let more = strangers.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        terminal.remark(&format!("passed over, since they are no inputs: {}{more}", named.join(", ")));
    }
    Ok(found)
}

/// The tokens of each example that is text, without padding; nothing of the others. They are the data owner's secret.
pub fn tokens(examples: &[Example], graph: &Graph, tokenizer: Option<&[u8]>) -> Result<Vec<Vec<String>>> {
    let reader = Reader::new(graph, tokenizer)?;
    examples.iter().map(|example| Ok(reader.pieces(example)?)).collect()
}

/// Values for all inputs of each example. `tokenizer` holds the bytes of the one that the graph declares; text that it
/// has to cut is remarked on.
pub fn load(
    examples: &[Example],
    graph: &Graph,
    tokenizer: Option<&[u8]>,
    terminal: Option<&Terminal>,
) -> Result<Vec<Vec<Tensor>>> {
    let reader = Reader::new(graph, tokenizer)?;
    let mut cut = Vec::new();
    let mut values = Vec::with_capacity(examples.len());
    for example in examples {
        let given = reader.load(example)?;
        if given.cut {
            cut.push(example);
        }
        values.push(given.inputs);
    }
    if let (Some(first), Some(terminal)) = (cut.first(), terminal) {
        let others = if cut.len() > 1 { format!(" (and {} others)", cut.len() - 1) } else { String::new() };
        terminal.remark(&format!(
            "{}{others}: more tokens than the model reads; the end is cut off",
            shown(&first.to_string())
        ));
    }
    Ok(values)
}

/// The tokenizer that a source declares, from the file that it names, if it suits the model.
pub fn tokenizer(source: &Source) -> Result<Option<Vec<u8>>> {
    let graph = &source.rewritten.lowered;
    let Some(declared) = &graph.tokenizer else { return Ok(None) };
    let directory = source.path.parent().filter(|_| !files::is_standard(&source.path)).unwrap_or(Path::new(""));
    let length = graph.inputs.get(declared.ids as usize).map_or(0, |ids| ids.ty.shape.iter().product());
    let read = || -> Result<Vec<u8>, TokenizerError> {
        let bytes = tokenizer::read(&directory.join(&declared.file))?;
        tokenizer::check_vocabulary(&Tokenizer::new(&bytes, length)?, graph)?;
        Ok(bytes)
    };
    read().map(Some).map_err(|error| {
        let label = declared.span.map(|span| Label { span, text: "named here".to_owned() });
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: "E0906",
            message: error.to_string(),
            labels: label.into_iter().collect(),
            help: vec!["the path is relative to the model file".to_owned()],
        };
        SourceErrors { file: source.name.clone(), source_text: source.text.clone(), diagnostics: vec![diagnostic] }
            .into()
    })
}
