//! The words of a source text, comments included.
//!
//! The grammar decides what is legal; this scanner serves what the grammar cannot: naming the word
//! an error stands at, finding where items end after an error, and keeping comments when formatting.

use crate::ast::Span;
use crate::diagnostic::{Diagnostic, MOST_COLLECTED};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A string with its quotes.
    Str,
    /// An operator or punctuation mark.
    Punct,
    /// `///`
    Doc,
    /// `//!`
    InnerDoc,
    /// `//`
    Comment,
}

/// One word of the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    pub(crate) text: &'s str,
    pub(crate) span: Span,
    /// Line breaks between the previous token and this one.
    pub(crate) lines_before: usize,
}

impl Token<'_> {
    /// Whether it is this word or mark (never true for strings and comments).
    pub(crate) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Punct) && self.text == text
    }

    /// Whether the grammar skips it.
    pub(crate) fn is_comment(&self) -> bool {
        self.kind == Kind::Comment
    }
}

/// Words that cannot be names; the grammar's `reserved` rule.
pub(crate) const RESERVED: &[&str] = &[
    "mpv",
    "import",
    "const",
    "assert",
    "numeric",
    "fn",
    "plan",
    "block",
    "model",
    "forward",
    "let",
    "for",
    "in",
    "return",
    "assume",
    "param",
    "input",
    "weights",
    "tokenizer",
    "preprocess",
    "local",
    "output",
    "reveal",
    "secret",
    "public",
    "Tensor",
    "int",
    "real",
    "bool",
    "search",
    "u8",
    "i32",
    "bit",
    "f32",
    "at",
    "if",
    "else",
    "while",
    "match",
    "with",
];

/// Bytes of a name, and of a string with its quotes.
const MOST_NAME: usize = 128;
const MOST_STRING: usize = 4096;

/// Two-character marks, tried before the single ones.
const PAIRS: &[&str] = &["->", "..", "==", "!=", "<=", ">="];
const SINGLES: &str = "+-*/%@<>=;,:.()[]{}";

/// Splits a source into tokens; what is no token is reported and skipped.
pub(crate) fn lex(source: &str) -> (Vec<Token<'_>>, Vec<Diagnostic>) {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut diags = Vec::new();
    let mut at = 0;
    let mut lines_before = 0;
    while let Some(first) = source[at..].chars().next() {
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            lines_before += usize::from(first == '\n');
            at += 1;
            continue;
        }
        let rest = &source[at..];
        let (kind, length) = match scan(rest, first) {
            Ok(found) => found,
            Err(odd) => {
                let span = Span { start: at, end: at + odd.length };
                if diags.len() < MOST_COLLECTED {
                    diags.push(odd.report(span));
                }
                (odd.kind, odd.length)
            }
        };
        let span = Span { start: at, end: at + length };
        tokens.push(Token { kind, text: &source[at..at + length], span, lines_before });
        lines_before = 0;
        at += length;
    }
    (tokens, diags)
}

/// Text that is no token, and what is wrong with it.
struct Odd {
    kind: Kind,
    length: usize,
    code: &'static str,
    message: String,
    label: &'static str,
    help: Option<String>,
}

impl Odd {
    fn report(&self, span: Span) -> Diagnostic {
        let diag = Diagnostic::error(self.code, self.message.clone()).label(span, self.label);
        match &self.help {
            Some(help) => diag.help(help.clone()),
            None => diag,
        }
    }
}

fn scan(rest: &str, first: char) -> Result<(Kind, usize), Odd> {
    if rest.starts_with("//") {
        let length = rest.find('\n').unwrap_or(rest.len());
        let length = rest[..length].trim_end().len();
        let kind = if rest.starts_with("//!") {
            Kind::InnerDoc
        } else if rest.starts_with("///") && !rest.starts_with("////") {
            Kind::Doc
        } else {
            Kind::Comment
        };
        return Ok((kind, length));
    }
    if rest.starts_with("/*") {
        let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
        return Err(Odd {
            kind: Kind::Comment,
            length,
            code: "E0114",
            message: "block comments do not exist here".to_owned(),
            label: "starts with `/*`",
            help: Some("write `//` in front of each line".to_owned()),
        });
    }
    if first == '"' {
        return scan_string(rest);
    }
    if first.is_ascii_digit() {
        return scan_number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = word_length(rest);
        return if length <= MOST_NAME { Ok((Kind::Word, length)) } else { Err(too_long(Kind::Word, length)) };
    }
    if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
        return Ok((Kind::Punct, 2));
    }
    if first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        let length = 1 + digits_length(&rest[1..]);
        return Err(bad_number(length, format!("write `0{}`", &rest[..length])));
    }
    if SINGLES.contains(first) {
        return Ok((Kind::Punct, 1));
    }
    Err(odd_character(rest, first))
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
}

fn digits_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
}

fn scan_string(rest: &str) -> Result<(Kind, usize), Odd> {
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    let Some(close) = line[1..].find('"') else {
        return Err(Odd {
            kind: Kind::Str,
            length: line.trim_end().len(),
            code: "E0110",
            message: "this string has no closing quote".to_owned(),
            label: "a string ends on its own line",
            help: None,
        });
    };
    let length = close + 2;
    if length > MOST_STRING {
        return Err(too_long(Kind::Str, length));
    }
    let inner = &rest[1..length - 1];
    if let Some(control) = inner.chars().find(|c| *c == '\\' || c.is_control()) {
        return Err(Odd {
            kind: Kind::Str,
            length,
            code: "E0111",
            message: format!("a string cannot hold {}", describe(control)),
            label: "in this string",
            help: Some("strings are taken as written; they have no escapes".to_owned()),
        });
    }
    Ok((Kind::Str, length))
}

fn too_long(kind: Kind, length: usize) -> Odd {
    let (what, most) = if kind == Kind::Str { ("string", MOST_STRING) } else { ("name", MOST_NAME) };
    Odd {
        kind,
        length,
        code: "E0121",
        message: format!("a {what} of {length} bytes"),
        label: "too long",
        help: Some(format!("a {what} has at most {most} bytes")),
    }
}

fn bad_number(length: usize, help: String) -> Odd {
    Odd {
        kind: Kind::Number,
        length,
        code: "E0107",
        message: "this is not a number".to_owned(),
        label: "digits, then maybe `.` and digits, then maybe an exponent",
        help: Some(help),
    }
}

fn scan_number(rest: &str) -> Result<(Kind, usize), Odd> {
    let mut length = digits_length(rest);
    let fraction = &rest[length..];
    if let Some(after) = fraction.strip_prefix('.') {
        let digits = digits_length(after);
        if digits > 0 {
            length += 1 + digits;
        } else if !after.starts_with('.') && !after.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let help = format!("write `{}.0`, or drop the point", &rest[..length]);
            return Err(bad_number(length + 1, help));
        }
    }
    let exponent = &rest[length..];
    if exponent.starts_with(['e', 'E']) {
        let sign = usize::from(exponent[1..].starts_with(['+', '-']));
        let digits = digits_length(&exponent[1 + sign..]);
        if digits > 0 {
            length += 1 + sign + digits;
        }
    }
    let tail = word_length(&rest[length..]);
    if tail == 0 {
        return Ok((Kind::Number, length));
    }
    let text = &rest[..length + tail];
    let help = if text.contains('_') {
        "digits cannot be grouped with `_`"
    } else if text.starts_with("0x") || text.starts_with("0b") {
        "numbers are decimal"
    } else if matches!(&rest[length..length + tail], "e" | "E") {
        "the exponent has no digits"
    } else {
        "a name cannot start with a digit; between a number and a name stands an operator"
    };
    Err(bad_number(length + tail, help.to_owned()))
}

fn describe(c: char) -> String {
    match c {
        '\t' => "a tab".to_owned(),
        c if c.is_control() || c.is_whitespace() => format!("the character U+{:04X}", c as u32),
        c => format!("`{c}`"),
    }
}

fn odd_character(rest: &str, first: char) -> Odd {
    let help = match first {
        '\u{201C}' | '\u{201D}' | '\'' | '\u{2018}' | '\u{2019}' => {
            Some("strings stand between straight double quotes: \"…\"")
        }
        '\u{2013}' | '\u{2014}' | '\u{2212}' => Some("the minus sign is `-`"),
        '\u{D7}' | '\u{22C5}' => Some("multiplication is `*`, a matrix product `@`"),
        '\u{F7}' => Some("division is `/`"),
        '\u{2264}' => Some("write `<=`"),
        '\u{2265}' => Some("write `>=`"),
        '\u{2260}' => Some("write `!=`"),
        '\u{2026}' => Some("a range is written with two dots: `..`"),
        '\u{FEFF}' => Some("remove the byte order mark; the file is plain UTF-8"),
        '#' => Some("a comment starts with `//`"),
        '!' | '&' | '|' | '^' | '~' | '?' => {
            Some("there are no logical or bitwise operators; values cannot be branched on")
        }
        c if c.is_whitespace() => Some("replace it by an ordinary space"),
        c if c.is_alphabetic() => Some("names use the letters a to z, digits and `_`"),
        _ => None,
    };
    let run = rest.find(|c: char| c != first).unwrap_or(rest.len()).max(first.len_utf8());
    Odd {
        kind: if first.is_alphabetic() { Kind::Word } else { Kind::Punct },
        length: run,
        code: "E0111",
        message: format!("{} has no meaning here", describe(first)),
        label: "not part of the language",
        help: help.map(str::to_owned),
    }
}
