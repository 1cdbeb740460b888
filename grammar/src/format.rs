//! The canonical layout of a source text.
//!
//! Works on words and brackets, not on the syntax tree, so that every comment keeps its place. Two
//! spaces per level, lines of at most 100 characters where possible, one space around operators,
//! a comma after the last entry of a list that takes several lines, at most one blank line in a row.

mod layout;
mod words;

use crate::diagnostic::Diagnostic;
use crate::lex::lex;

/// Lays a source text out.
///
/// The result parses to the same tree, holds the same comments in the same order, and is left as
/// it is when laid out again.
///
/// # Errors
/// The syntax errors of the text, as from [`crate::parse`].
pub fn format(source: &str) -> Result<String, Vec<Diagnostic>> {
    crate::parse(source)?;
    let (tokens, _) = lex(source);
    Ok(layout::print(&words::file(tokens)))
}
