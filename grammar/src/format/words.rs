//! From words to a layout: statements, bracketed lists, and the blanks between words.
//!
//! A comment on a line of its own stays on one; a comment behind code stays behind the word,
//! entry or statement it followed, after the comma or semicolon if there is one.

use super::layout::{Doc, text};
use crate::lex::{Kind, RESERVED, Token};

/// The text of a file that parses.
pub(super) fn file(tokens: Vec<Token<'_>>) -> Doc {
    let mut words = Words { tokens, at: 0 };
    let mut out = Vec::new();
    statements(&mut words, Vec::new(), &mut out);
    Doc::Seq(out)
}

struct Words<'s> {
    tokens: Vec<Token<'s>>,
    at: usize,
}

impl<'s> Words<'s> {
    fn peek(&self) -> Option<Token<'s>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'s>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.is(text))
    }

    /// The comments that stand here.
    fn comments(&mut self) -> Vec<Token<'s>> {
        let from = self.at;
        while self.peek().is_some_and(|token| token.is_comment()) {
            self.at += 1;
        }
        self.tokens[from..self.at].to_vec()
    }
}

fn comment(token: Token<'_>) -> Doc {
    Doc::Comment(token.text.to_owned())
}

/// A comment behind code.
fn trailing(token: Token<'_>) -> Doc {
    Doc::Comment(format!("  {}", token.text))
}

/// Statements up to the closing brace or the end. `comments` were found just before.
fn statements(words: &mut Words<'_>, comments: Vec<Token<'_>>, out: &mut Vec<Doc>) {
    let mut first = true;
    let mut after_doc = false;
    for (nth, token) in comments.into_iter().enumerate() {
        if nth == 0 && token.lines_before == 0 {
            out.push(trailing(token));
        } else {
            out.push(Doc::Hard { blank: false });
            out.push(comment(token));
            first = false;
        }
    }
    while let Some(token) = words.peek() {
        if token.is("}") {
            return;
        }
        let blank = token.lines_before > 1 && !first && !after_doc;
        let behind_comment = matches!(out.last(), Some(Doc::Comment(_)));
        if token.is_comment() && token.lines_before == 0 && words.at > 0 && !behind_comment {
            out.push(trailing(token));
            words.at += 1;
            continue;
        }
        out.push(Doc::Hard { blank });
        first = false;
        after_doc = token.kind == Kind::Doc;
        if matches!(token.kind, Kind::Comment | Kind::Doc | Kind::InnerDoc) {
            out.push(comment(token));
            words.at += 1;
        } else {
            statement(words, out);
        }
    }
}

/// One item or statement with its `;` or body.
fn statement(words: &mut Words<'_>, out: &mut Vec<Doc>) {
    let with_fields = ["numeric", "weights", "tokenizer", "preprocess"].iter().any(|word| words.is(word));
    let mut line = Line::default();
    run(words, &mut line, &[";", "{", "}"]);
    let comments = std::mem::take(&mut line.pending);
    out.append(&mut line.docs);
    match words.next() {
        Some(token) if token.is(";") => {
            out.push(text(";"));
            for (nth, token) in comments.into_iter().enumerate() {
                if nth == 0 && token.lines_before == 0 {
                    out.push(trailing(token));
                } else {
                    out.push(Doc::Hard { blank: false });
                    out.push(comment(token));
                }
            }
        }
        Some(_) if with_fields => {
            out.push(text(" "));
            let opening = comments;
            out.push(list(words, "{", "}", Trailing::Comma, opening));
        }
        Some(_) => {
            let mut inner = Vec::new();
            let comments = comments_after(words, comments);
            statements(words, comments, &mut inner);
            words.at += 1;
            let empty = inner.is_empty();
            out.push(text(" {"));
            out.push(Doc::Body(inner));
            if !empty {
                out.push(Doc::Hard { blank: false });
            }
            out.push(text("}"));
        }
        None => {}
    }
}

/// Comments before a brace move behind it; without any, those behind it are left to the body.
fn comments_after<'s>(words: &mut Words<'s>, mut comments: Vec<Token<'s>>) -> Vec<Token<'s>> {
    if !comments.is_empty() {
        comments.extend(words.comments());
    }
    comments
}

/// Part of a statement: words with blanks between them.
#[derive(Default)]
struct Line<'s> {
    docs: Vec<Doc>,
    /// The last two words, for the blanks.
    before: Option<Token<'s>>,
    earlier: Option<Token<'s>>,
    /// Comments met after the last word and not yet written.
    pending: Vec<Token<'s>>,
    /// Where in `docs` a binary operator may start a new line, and how tightly it binds.
    operators: Vec<(usize, u8)>,
}

impl<'s> Line<'s> {
    /// Writes pending comments and the blank before a word.
    fn space(&mut self, next: Token<'s>) {
        if self.pending.is_empty() {
            if let Some(blank) = blank(self.earlier, self.before, next) {
                if let (Doc::Operator { .. }, Some(strength)) = (&blank, strength(next)) {
                    self.operators.push((self.docs.len(), strength));
                }
                self.docs.push(blank);
            }
            return;
        }
        for token in std::mem::take(&mut self.pending) {
            if self.before.is_none() {
                self.docs.push(comment(token));
                self.docs.push(Doc::Hard { blank: false });
            } else if token.lines_before == 0 {
                self.docs.push(trailing(token));
            } else {
                self.docs.push(Doc::Continue);
                self.docs.push(comment(token));
            }
        }
        if self.before.is_some() {
            self.docs.push(Doc::Continue);
        }
    }

    /// Marks operators that bind more tightly than another one they stand beside.
    fn mark_tight(&mut self) {
        let operators = std::mem::take(&mut self.operators);
        let loosest = operators.iter().map(|(_, strength)| *strength).min();
        for (at, strength) in operators {
            if Some(strength) != loosest {
                self.docs[at] = Doc::Operator { tight: true };
            }
        }
    }

    fn word(&mut self, token: Token<'s>) {
        if token.is(":") || token.is("..") {
            self.mark_tight();
        }
        self.earlier = self.before;
        self.before = Some(token);
    }
}

/// Words up to, not including, one of `ends`.
fn run<'s>(words: &mut Words<'s>, line: &mut Line<'s>, ends: &[&str]) {
    collect(words, line, ends);
    line.mark_tight();
}

fn collect<'s>(words: &mut Words<'s>, line: &mut Line<'s>, ends: &[&str]) {
    while let Some(token) = words.peek() {
        if token.is_comment() {
            line.pending.push(token);
            words.at += 1;
            continue;
        }
        if ends.iter().any(|end| token.is(end)) {
            return;
        }
        line.space(token);
        words.at += 1;
        let call = line.before.is_some_and(|t| ends_operand(line.earlier, t));
        let (open, close, last) = match token.text {
            "(" if token.kind == Kind::Punct => {
                let last = if call { Trailing::Comma } else { Trailing::None };
                ("(", ")", last)
            }
            "[" if token.kind == Kind::Punct => ("[", "]", Trailing::Comma),
            "<" if opens_angle(line.earlier, line.before) => ("<", ">", Trailing::Comma),
            _ => {
                line.docs.push(text(token.text));
                line.word(token);
                continue;
            }
        };
        line.docs.push(list(words, open, close, last, Vec::new()));
        let mut closing = token;
        closing.text = if close == ">" { ANGLES } else { close };
        line.word(closing);
    }
}

/// Whether a broken list gets a comma after its last entry.
#[derive(Clone, Copy, PartialEq)]
enum Trailing {
    None,
    Comma,
}

/// An entry of a list with the comments around it.
struct Entry<'s> {
    above: Vec<Token<'s>>,
    docs: Vec<Doc>,
    behind: Vec<Token<'s>>,
    words: usize,
    starts_list: bool,
}

/// What stands between two brackets, the opening one being read already.
fn list<'s>(words: &mut Words<'s>, open: &str, close: &'static str, last: Trailing, opening: Vec<Token<'s>>) -> Doc {
    let mut entries: Vec<Entry<'s>> = Vec::new();
    let mut above = opening;
    let mut repeat = false;
    loop {
        above.extend(words.comments());
        if words.is(close) || splits_angle(words, close) || words.peek().is_none() {
            break;
        }
        let from = words.at;
        let starts_list = words.is("[");
        let mut line = Line::default();
        let ends: &[&str] = if close == ">" { &[",", ">", ">="] } else { &[",", ";", close] };
        run(words, &mut line, ends);
        let mut entry = Entry {
            above: std::mem::take(&mut above),
            docs: line.docs,
            behind: line.pending,
            words: words.at - from,
            starts_list,
        };
        let more = words.is(",") || words.is(";");
        if more {
            repeat |= words.is(";");
            words.at += 1;
            if let Some(token) = words.peek()
                && token.is_comment()
                && token.lines_before == 0
            {
                entry.behind.push(token);
                words.at += 1;
            }
        }
        entries.push(entry);
        if !more {
            break;
        }
    }
    close_list(words, close);
    let last = if repeat { Trailing::None } else { last };
    arrange(entries, above, open, close, last, repeat)
}

/// Whether `>=` stands where an angle bracket closes and an equals sign follows.
fn splits_angle(words: &Words<'_>, close: &str) -> bool {
    close == ">" && words.is(">=")
}

fn close_list(words: &mut Words<'_>, close: &str) {
    if splits_angle(words, close) {
        words.tokens[words.at].text = "=";
    } else {
        words.at += 1;
    }
}

fn arrange(
    entries: Vec<Entry<'_>>,
    below: Vec<Token<'_>>,
    open: &str,
    close: &str,
    last: Trailing,
    repeat: bool,
) -> Doc {
    let braces = close == "}";
    let edge = || if braces { Doc::Line } else { Doc::Soft };
    if entries.is_empty() && below.is_empty() {
        return text(format!("{open}{close}"));
    }
    let simple = entries.len() > 4 && entries.iter().all(|e| e.words <= 2 && e.above.is_empty() && e.behind.is_empty());
    let table = entries.len() > 1 && entries.iter().all(|e| e.starts_list) && !repeat;
    let mut docs = Vec::new();
    if table {
        docs.push(Doc::Break);
    }
    docs.push(edge());
    let count = entries.len();
    for (nth, entry) in entries.into_iter().enumerate() {
        for token in entry.above {
            docs.push(comment(token));
            docs.push(Doc::Hard { blank: false });
        }
        docs.extend(entry.docs);
        let is_last = nth + 1 == count;
        if !is_last {
            docs.push(text(if repeat { ";" } else { "," }));
        } else if last == Trailing::Comma {
            docs.push(Doc::LastComma);
        }
        for (nth, token) in entry.behind.into_iter().enumerate() {
            if nth == 0 && token.lines_before == 0 {
                docs.push(trailing(token));
            } else {
                docs.push(Doc::Hard { blank: false });
                docs.push(comment(token));
            }
        }
        if !is_last {
            docs.push(if simple { Doc::Fill } else { Doc::Line });
        }
    }
    for (nth, token) in below.into_iter().enumerate() {
        if count > 0 || nth > 0 {
            docs.push(Doc::Hard { blank: false });
        }
        docs.push(comment(token));
    }
    // The closing bracket is on the outer level: its line break belongs to it.
    let closing = Doc::Seq(vec![edge(), text(close)]);
    Doc::Group(Box::new(text(open)), docs, Box::new(closing))
}

/// Stands for a finished list in angle brackets, to tell it from the comparison `>`.
const ANGLES: &str = "<>";

fn is_keyword(token: Token<'_>) -> bool {
    token.kind == Kind::Word && RESERVED.contains(&token.text)
}

/// Whether an operand may end with this word, so that `(` and `[` after it call and index.
fn ends_operand(earlier: Option<Token<'_>>, token: Token<'_>) -> bool {
    match token.kind {
        Kind::Word if token.text == "labels" => !earlier.is_some_and(|t| ends_operand(None, t)),
        Kind::Word if token.text == "any" => !earlier.is_some_and(|t| t.is("labels")),
        Kind::Word => !is_keyword(token) || token.is("forward") || token.is("search"),
        Kind::Number | Kind::Str => true,
        Kind::Punct => matches!(token.text, ")" | "]" | ANGLES),
        _ => false,
    }
}

/// Whether `<` after these words opens a list of generics or dimensions.
fn opens_angle(earlier: Option<Token<'_>>, before: Option<Token<'_>>) -> bool {
    let Some(before) = before else { return false };
    let after_fn = earlier.is_some_and(|token| token.is("fn"));
    let head = ["Tensor", "per_head", "per_layer", "per_row"];
    before.kind == Kind::Word && (after_fn || head.contains(&before.text))
}

/// How tightly a binary operator binds; none for other words.
fn strength(token: Token<'_>) -> Option<u8> {
    if token.kind != Kind::Punct {
        return None;
    }
    match token.text {
        "==" | "!=" | "<=" | ">=" | "<" | ">" => Some(0),
        "+" | "-" => Some(1),
        "*" | "/" | "%" | "@" => Some(2),
        _ => None,
    }
}

/// What stands between two words; none if they touch.
fn blank(earlier: Option<Token<'_>>, before: Option<Token<'_>>, next: Token<'_>) -> Option<Doc> {
    let before = before?;
    let touches_left = [",", ";", ":", ".", ".."];
    if touches_left.iter().any(|mark| next.is(mark)) || before.is(".") || before.is("..") {
        return None;
    }
    if before.is("-") && !earlier.is_some_and(|token| ends_operand(None, token)) {
        return None;
    }
    let after_operand = ends_operand(earlier, before);
    if after_operand && (next.is("(") || next.is("[")) {
        return None;
    }
    if next.is("<") && opens_angle(earlier, Some(before)) {
        return None;
    }
    let operator = after_operand && strength(next).is_some();
    Some(if operator || before.is("=") { Doc::Operator { tight: false } } else { text(" ") })
}
