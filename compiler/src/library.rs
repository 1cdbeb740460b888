//! The standard library: functions written in the model language itself and known to every model.
//!
//! A definition of the same name in a model wins, and a function of the library never sees one: inside it names mean
//! what the library and the language say. Its places lie beyond those of any model's text, so a place alone tells
//! which of the two it belongs to.

use std::sync::LazyLock;

use hashbrown::HashMap;
use mpcc_grammar::ast::{FnDef, ItemKind, Module, Span};
use mpcc_grammar::parse;

/// Name and text of each file.
const SOURCES: [(&str, &str); 3] = [
    ("attention.mpv", include_str!("std/attention.mpv")),
    ("layers.mpv", include_str!("std/layers.mpv")),
    ("goldschmidt.mpv", include_str!("std/goldschmidt.mpv")),
];

/// First place of the library; half of what a place can count.
const START: usize = 1 << (usize::BITS - 1);

/// A function of the library as a reader sees it.
#[derive(Clone, Debug)]
pub struct LibraryFunction {
    /// Its name.
    pub name: &'static str,
    /// `fn name<M>(x: Tensor<M>) -> Tensor<M>`, as written.
    pub signature: String,
    /// The documentation above it, line by line.
    pub docs: &'static [String],
}

impl LibraryFunction {
    /// The first sentence of its documentation.
    pub fn summary(&self) -> String {
        let text = self.docs.iter().take_while(|line| !line.is_empty()).map(String::as_str).collect::<Vec<_>>();
        let text = text.join(" ");
        match text.find(". ") {
            Some(end) => text[..end].to_owned(),
            None => text.trim_end_matches('.').to_owned(),
        }
    }
}

/// One parsed file; its places start at `start`.
pub(crate) struct File {
    pub(crate) module: Module,
    text: &'static str,
    start: usize,
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let mut start = START;
    SOURCES
        .iter()
        .map(|(name, text)| {
            let mut module =
                parse(text).unwrap_or_else(|errors| panic!("{}", mpcc_grammar::render(&errors, text, name, false)));
            module.shift(start);
            let file = File { module, text, start };
            start += text.len() + 1;
            file
        })
        .collect()
});

static NAMES: LazyLock<HashMap<&'static str, &'static FnDef>> =
    LazyLock::new(|| definitions().map(|(_, _, def)| (def.name.node.as_str(), def)).collect());

/// All files of the library.
pub(crate) fn files() -> &'static [File] {
    &FILES
}

fn definitions() -> impl Iterator<Item = (&'static File, &'static [String], &'static FnDef)> {
    let items = files().iter().flat_map(|file| file.module.items.iter().map(move |item| (file, item)));
    items.filter_map(|(file, item)| match &item.kind {
        ItemKind::Fn(def) => Some((file, item.docs.as_slice(), def)),
        _ => None,
    })
}

/// The definition of a name.
pub(crate) fn definition(name: &str) -> Option<&'static FnDef> {
    NAMES.get(name).copied()
}

/// Names of all functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    definitions().map(|(_, _, def)| def.name.node.as_str())
}

/// Whether a place is in the library rather than in a model.
pub(crate) fn holds(span: Span) -> bool {
    span.start >= START
}

/// What stands at a place of the library, in one line.
pub(crate) fn text_at(span: Span) -> Option<String> {
    let file = files().iter().find(|file| (file.start..=file.start + file.text.len()).contains(&span.start))?;
    let text = file.text.get(span.start - file.start..span.end.checked_sub(file.start)?)?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// All functions of the library, file by file in the order written.
pub fn functions() -> Vec<LibraryFunction> {
    definitions()
        .map(|(file, docs, def)| {
            let (from, to) = (def.name.span.start - file.start, def.result.span.end - file.start);
            let signature = format!("fn {}", file.text.get(from..to).unwrap_or_default());
            LibraryFunction { name: &def.name.node, signature, docs }
        })
        .collect()
}

/// The function of that name.
pub fn function(name: &str) -> Option<LibraryFunction> {
    functions().into_iter().find(|function| function.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_documented_and_has_its_own_name() {
        let functions = functions();
        for (at, function) in functions.iter().enumerate() {
            assert!(!function.docs.is_empty() && !function.summary().is_empty(), "{} has no docs", function.name);
            assert!(functions[..at].iter().all(|other| other.name != function.name), "{} stands twice", function.name);
            assert!(function.signature.contains("->"), "{}", function.signature);
        }
    }

    #[test]
    fn files_are_laid_out_canonically() {
        for (name, text) in SOURCES {
            let formatted = mpcc_grammar::format(text).expect("the library parses");
            let changed = formatted.lines().zip(text.lines()).find(|(formatted, text)| formatted != text);
            assert!(changed.is_none() && formatted == text, "`mpcc fmt` changes {name}: {changed:?}");
        }
    }

    #[test]
    fn places_tell_the_text() {
        let def = definition("scaling").expect("a function of the library");
        assert!(holds(def.name.span));
        assert_eq!(text_at(def.name.span).as_deref(), Some("scaling"));
        assert!(!holds(Span { start: 0, end: 1 << 40 }));
    }
}
