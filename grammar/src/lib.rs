//! The mpv language: grammar, syntax tree, formatter, diagnostics.
//!
//! [`parse`] turns a source text into an [`ast::Module`] or into every syntax error it can find.
//! [`format()`] lays a source text out canonically, and [`print_ast`] shows the tree.
//! [`Diagnostic`], [`render`] and the table of codes behind [`explain`] serve every later phase too.

pub mod ast;
mod codes;
mod diagnostic;
mod format;
mod lex;
mod parse;
mod print;

pub use codes::{Explanation, codes, explain};
pub use diagnostic::{Diagnostic, Label, Lines, MOST_COLLECTED, MOST_SHOWN, Severity, render};
pub use format::format;
pub use parse::parse;
pub use print::print_ast;
