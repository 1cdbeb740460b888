//! Functions of the model language: those built in, and those of its standard library, which bring their own words.

use mpcc_compiler::library::{self, LibraryFunction};
use mpcc_compiler::lower::{BuiltinFunction, builtin_functions};

/// A function as it is explained.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// One line.
    pub(super) title: String,
    /// How it is called or declared.
    pub(super) signature: String,
    /// Its documentation; empty if the title says everything.
    pub(super) text: String,
}

/// The function of a name; case matters, as it does in models.
pub(super) fn find(name: &str) -> Option<Function> {
    let built_in = builtin_functions().into_iter().find(|function| function.name == name);
    built_in.map(of_language).or_else(|| library::function(name).map(of_library))
}

/// The built-in functions.
pub(super) fn built_in() -> Vec<Function> {
    builtin_functions().into_iter().map(of_language).collect()
}

/// The functions of the standard library.
pub(super) fn standard() -> Vec<Function> {
    library::functions().into_iter().map(of_library).collect()
}

fn of_language(function: BuiltinFunction) -> Function {
    Function { name: function.name, title: function.summary.to_owned(), signature: function.call, text: String::new() }
}

fn of_library(function: LibraryFunction) -> Function {
    let (title, text) = (function.summary(), function.docs.join("\n"));
    Function { name: function.name, title, signature: function.signature, text }
}
