//! From source text to syntax tree.
//!
//! The pest grammar `mpv.pest` decides what is legal and `build` turns its pairs into the tree.
//! After an error `recover` reads the items and statements one by one, so that independent errors
//! are reported together, and `expected` says each in the language's own terms.

mod build;
mod expected;
mod recover;
mod syntax;

use pest::Parser;

use crate::ast::Module;
use crate::diagnostic::{Diagnostic, MOST_COLLECTED};
use crate::lex::{Token, lex};
use syntax::{Mpv, Rule};

/// The edition this parser reads.
const EDITION: u64 = 1;

/// How deep brackets may nest.
const MAX_BRACKETS: usize = 128;

/// Reads a file.
///
/// # Errors
/// The syntax errors that could be told apart, in source order; at least one, and a thousand at most.
pub fn parse(source: &str) -> Result<Module, Vec<Diagnostic>> {
    let (tokens, mut diags) = lex(source);
    let tokens: Vec<Token<'_>> = tokens.into_iter().filter(|t| !t.is_comment()).collect();
    let unbalanced = recover::brackets(source, &tokens, MAX_BRACKETS);
    let hopeless = unbalanced.iter().any(|diag| diag.code == "E0119");
    diags.extend(unbalanced);
    if diags.is_empty() {
        match Mpv::parse(Rule::file, source) {
            Ok(mut pairs) => return build::module(&mut pairs),
            Err(error) => {
                diags = recover::errors(source, &tokens, &[]);
                if diags.is_empty() {
                    diags.push(expected::report(source, &tokens, 0, &error));
                }
            }
        }
    } else if !hopeless {
        let mut spoiled: Vec<usize> = diags.iter().filter_map(Diagnostic::primary).map(|span| span.start).collect();
        spoiled.sort_unstable();
        diags.extend(recover::errors(source, &tokens, &spoiled));
    }
    diags.sort_by_key(|diag| diag.primary().map_or(0, |span| span.start));
    diags.truncate(MOST_COLLECTED);
    Err(diags)
}
