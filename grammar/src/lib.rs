//! The mpv language: grammar, syntax tree, formatter, diagnostics.

pub mod ast;
