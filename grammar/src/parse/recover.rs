//! Reading on after an error: brackets, items and statements one by one.
//!
//! A file that the grammar refuses is cut where items and statements end, and each piece is parsed
//! alone, so that one slip hides nothing but the rest of its own statement.

use pest::Parser;
use pest::error::Error;

use super::syntax::{Mpv, Rule};
use super::{build, expected};
use crate::ast::Span;
use crate::diagnostic::{Diagnostic, MOST_COLLECTED};
use crate::lex::{Kind, Token};

/// Words that start an item.
const ITEM_WORDS: &[&str] = &["const", "assert", "numeric", "fn", "plan", "block", "model", "import"];

/// Words that start a statement or `forward`.
const STMT_WORDS: &[&str] = &[
    "let",
    "for",
    "return",
    "assert",
    "assume",
    "param",
    "input",
    "weights",
    "tokenizer",
    "preprocess",
    "local",
    "output",
    "forward",
];

fn opens(token: &Token<'_>) -> bool {
    token.kind == Kind::Punct && matches!(token.text, "(" | "[" | "{")
}

fn closes(token: &Token<'_>) -> bool {
    token.kind == Kind::Punct && matches!(token.text, ")" | "]" | "}")
}

fn closer(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// Brackets without a partner, or nested deeper than `max`.
pub(super) fn brackets(source: &str, tokens: &[Token<'_>], max: usize) -> Vec<Diagnostic> {
    let diags = match_brackets(source, tokens, max, false);
    if diags.is_empty() {
        return diags;
    }
    match_brackets(source, tokens, max, true)
}

/// Whether an item word stands at the left margin, where an item is likely to start.
fn at_margin(source: &str, token: &Token<'_>) -> bool {
    let first = token.span.start == 0 || source.as_bytes()[token.span.start - 1] == b'\n';
    first && token.kind == Kind::Word && ITEM_WORDS.contains(&token.text)
}

/// How far the first word of each token's line stands in.
fn line_indents(source: &str, tokens: &[Token<'_>]) -> Vec<usize> {
    let mut indent = 0;
    let mut after = 0;
    let mut indents = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let Some(newline) = source[after..token.span.start].rfind('\n') {
            indent = token.span.start - (after + newline + 1);
        } else if after == 0 {
            indent = token.span.start;
        }
        after = token.span.end;
        indents.push(indent);
    }
    indents
}

/// Pairs brackets up. Once it is known that a partner is missing, `by_layout` lets the layout
/// say where: by items at the margin, and by closing braces further out than the line they close.
fn match_brackets(source: &str, tokens: &[Token<'_>], max: usize, by_layout: bool) -> Vec<Diagnostic> {
    let mut diags = Vec::new();
    let mut open: Vec<(&Token<'_>, usize)> = Vec::new();
    let indents = if by_layout { line_indents(source, tokens) } else { Vec::new() };
    for (at, token) in tokens.iter().enumerate() {
        if diags.len() >= MOST_COLLECTED {
            return diags;
        }
        let indent = indents.get(at).copied().unwrap_or(0);
        if by_layout && at_margin(source, token) {
            if let Some((last, _)) = open.pop() {
                diags.push(unclosed(last).label(token.span, "a new item starts here"));
            }
            open.clear();
        } else if opens(token) {
            open.push((token, indent));
            if open.len() > max {
                diags.push(
                    Diagnostic::error("E0119", "brackets are nested too deeply")
                        .label(token.span, format!("more than {max} are open here"))
                        .help("give parts of the expression a name with `let`"),
                );
                return diags;
            }
        } else if closes(token) {
            let fits = |(o, _): &(&Token<'_>, usize)| closer(o.text) == token.text;
            let mut partner = open.iter().rposition(fits);
            if by_layout && token.text == "}" && token.lines_before > 0 {
                let aligned = |o: &(&Token<'_>, usize)| fits(o) && o.1 <= indent;
                partner = open.iter().rposition(aligned).or(partner);
            }
            match partner {
                Some(at) => {
                    if let Some((last, _)) = open.get(at + 1..).and_then(<[_]>::last) {
                        let text = format!("this `{}` comes before it is closed", token.text);
                        diags.push(unclosed(last).label(token.span, text));
                    }
                    open.truncate(at);
                }
                None => diags.push(unopened(token, open.last().map(|(open, _)| *open))),
            }
        }
    }
    if let Some((last, _)) = open.last() {
        diags.push(unclosed(last).help(format!("a `{}` is missing", closer(last.text))));
    }
    diags
}

fn unclosed(token: &Token<'_>) -> Diagnostic {
    Diagnostic::error("E0105", format!("this `{}` is not closed", token.text)).label(token.span, "opened here")
}

fn unopened(token: &Token<'_>, inside: Option<&Token<'_>>) -> Diagnostic {
    let diag =
        Diagnostic::error("E0113", format!("this `{}` closes nothing", token.text)).label(token.span, "no partner");
    match inside {
        Some(open) => diag.label(open.span, format!("the innermost open bracket is this `{}`", open.text)),
        None => diag,
    }
}

/// The text and its words, for reading pieces of it.
#[derive(Clone, Copy)]
struct Text<'a> {
    source: &'a str,
    tokens: &'a [Token<'a>],
    /// Where what was reported already begins, in order.
    spoiled: &'a [usize],
}

/// The errors of all pieces of a file. Pieces that a place in `spoiled` lies in are passed over.
pub(super) fn errors(source: &str, tokens: &[Token<'_>], spoiled: &[usize]) -> Vec<Diagnostic> {
    let text = Text { source, tokens, spoiled };
    let mut diags = Vec::new();
    let mut from = tokens.iter().position(|token| token.kind != Kind::InnerDoc).unwrap_or(tokens.len());
    if tokens.get(from).is_some_and(|token| token.is("mpv")) {
        let end = piece_end(text, from, tokens.len(), ITEM_WORDS);
        read(text, Rule::edition, from, end, &mut diags);
        from = end;
    } else if !text.is_spoiled(0, from + 1) {
        diags.push(no_edition(tokens.get(from)));
    }
    while from < tokens.len() && diags.len() < MOST_COLLECTED {
        let end = piece_end(text, from, tokens.len(), ITEM_WORDS);
        read(text, Rule::item, from, end, &mut diags);
        from = end;
    }
    diags
}

fn no_edition(first: Option<&Token<'_>>) -> Diagnostic {
    let span = first.map_or(Span::default(), |token| token.span);
    Diagnostic::error("E0102", "the file does not begin with its edition")
        .label(span, "`mpv 1;` must stand before this")
        .help("make `mpv 1;` the first line after the `//!` comments")
}

impl Text<'_> {
    /// The bytes from one token up to, not including, another.
    fn span(self, from: usize, to: usize) -> Span {
        let start = self.tokens.get(from).map_or(self.source.len(), |t| t.span.start);
        let end = self.tokens[from..to].last().map_or(start, |t| t.span.end);
        Span { start, end }
    }

    fn is_spoiled(self, from: usize, to: usize) -> bool {
        let span = self.span(from, to.min(self.tokens.len()));
        let next = self.spoiled.partition_point(|spoil| *spoil < span.start);
        self.spoiled.get(next).is_some_and(|spoil| *spoil <= span.end)
    }
}

/// One past the last token of the piece that starts at `from`: after its `;` or closing brace, or
/// before a line that starts with one of `words`.
fn piece_end(text: Text<'_>, from: usize, limit: usize, words: &[&str]) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut begun = false;
    let mut to_semicolon = false;
    for at in from..limit {
        let token = &text.tokens[at];
        let restart = begun
            && ((open.is_empty() && token.lines_before > 0 && token.kind == Kind::Word && words.contains(&token.text))
                || (!text.spoiled.is_empty() && at_margin(text.source, token)));
        if restart {
            return start_of_docs(text, from, at);
        }
        if !begun {
            begun = !matches!(token.kind, Kind::Doc | Kind::InnerDoc);
            to_semicolon = token.is("import");
        }
        if opens(token) {
            open.push(closer(token.text));
        } else if closes(token) {
            if let Some(partner) = open.iter().rposition(|text| *text == token.text) {
                open.truncate(partner);
            }
            if open.is_empty() && token.text == "}" && !to_semicolon {
                return at + 1;
            }
        } else if open.is_empty() && token.is(";") {
            return at + 1;
        }
    }
    limit
}

/// The first of the doc lines right above a token.
fn start_of_docs(text: Text<'_>, from: usize, mut at: usize) -> usize {
    while at > from + 1 && text.tokens[at - 1].kind == Kind::Doc {
        at -= 1;
    }
    at
}

/// Parses the tokens `from..to` as one item or statement and reports what is wrong in it.
fn read(text: Text<'_>, rule: Rule, from: usize, to: usize, diags: &mut Vec<Diagnostic>) {
    let mut spoiled = text.is_spoiled(from, to);
    let error = match parse_piece(text, rule, from, to) {
        Ok(found) => {
            diags.extend(found);
            return;
        }
        Err(error) => error,
    };
    let before = diags.len();
    if let Some(parts) = compound(text, from, to) {
        spoiled |= parts.close == to && !text.spoiled.is_empty();
        read_compound(text, parts, from, &error, diags);
    }
    if diags.len() == before && !spoiled {
        let start = text.span(from, to).start;
        diags.push(expected::report(text.source, text.tokens, start, &error));
    }
}

fn parse_piece(text: Text<'_>, rule: Rule, from: usize, to: usize) -> Result<Vec<Diagnostic>, Box<Error<Rule>>> {
    let span = text.span(from, to);
    let pairs = Mpv::parse(rule, &text.source[span.start..span.end])?;
    let mut found = build::check_piece(pairs);
    for label in found.iter_mut().flat_map(|diag| &mut diag.labels) {
        label.span.start += span.start;
        label.span.end += span.start;
    }
    Ok(found)
}

/// A piece with a head and a body in braces.
struct Compound {
    head_rule: Rule,
    head: usize,
    open: usize,
    close: usize,
}

fn compound(text: Text<'_>, from: usize, to: usize) -> Option<Compound> {
    let tokens = &text.tokens[from..to];
    let head = from + tokens.iter().position(|t| t.kind != Kind::Doc)?;
    let head_rule = match text.tokens[head].text {
        "fn" => Rule::fn_head,
        "block" => Rule::block_head,
        "model" => Rule::model_head,
        "forward" => Rule::forward_head,
        "for" => Rule::for_head,
        "local" => Rule::local_head,
        _ => return None,
    };
    let open = from + tokens.iter().position(|t| t.is("{"))?;
    let last = text.tokens[to - 1];
    let close = if last.is("}") && to - 1 > open { to - 1 } else { to };
    Some(Compound { head_rule, head, open, close })
}

fn read_compound(text: Text<'_>, parts: Compound, piece: usize, error: &Error<Rule>, diags: &mut Vec<Diagnostic>) {
    let head = text.span(parts.head, parts.open);
    let whole = Mpv::parse(parts.head_rule, &text.source[head.start..head.end])
        .is_ok_and(|pairs| pairs.as_str().trim_end().len() == head.end - head.start);
    if !whole && !text.is_spoiled(parts.head, parts.open) {
        let start = text.tokens[piece].span.start;
        diags.push(expected::report(text.source, text.tokens, start, error));
    }
    let is_block = parts.head_rule == Rule::block_head;
    let mut forwards = 0;
    let mut from = parts.open + 1;
    while from < parts.close && diags.len() < MOST_COLLECTED {
        let end = piece_end(text, from, parts.close, STMT_WORDS);
        let first = text.tokens[from..end].iter().find(|t| t.kind != Kind::Doc);
        if is_block && first.is_some_and(|t| t.is("forward")) {
            forwards += 1;
            read(text, Rule::forward, from, end, diags);
        } else if is_block && forwards > 0 {
            diags.push(
                Diagnostic::error("E0117", "`forward` must be the last thing in a block")
                    .label(text.span(from, end), "this stands after it"),
            );
        } else {
            read(text, Rule::stmt, from, end, diags);
        }
        from = end;
    }
    if is_block && forwards != 1 {
        let name = text.tokens.get(parts.head + 1).map_or("", |token| token.text);
        let message = if forwards == 0 {
            format!("block `{name}` has no `forward`")
        } else {
            format!("block `{name}` has more than one `forward`")
        };
        diags.push(
            Diagnostic::error("E0117", message)
                .label(head, "in this block")
                .help("end the block with one `forward(x: …) -> … { … }`"),
        );
    }
}
