//! From pest's "expected rule" to a message in the language's own terms.
//!
//! pest knows which rules could have gone on at the furthest place it reached. The word found there
//! and those around it usually tell which slip it is; what they do not tell is worded generally.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::syntax::{Rule, fixed_text};
use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use crate::lex::{Kind, RESERVED, Token};

/// What pest stopped at, seen from the whole file.
struct Stop<'a> {
    wanted: Vec<Rule>,
    /// The token it could not use; none at the end of the file.
    found: Option<&'a Token<'a>>,
    /// The token before.
    before: Option<&'a Token<'a>>,
    /// The token after.
    after: Option<&'a Token<'a>>,
    end: Span,
}

impl Stop<'_> {
    fn wants(&self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| self.wanted.contains(rule))
    }

    fn is(&self, texts: &[&str]) -> bool {
        self.found.is_some_and(|t| texts.iter().any(|text| t.is(text)))
    }

    fn word(&self) -> Option<&str> {
        self.found.filter(|t| t.kind == Kind::Word).map(|t| t.text)
    }

    fn span(&self) -> Span {
        self.found.map_or(self.end, |token| token.span)
    }

    /// Whether the word found belongs to a later line.
    fn line_is_over(&self) -> bool {
        self.found.is_none_or(|t| t.lines_before > 0 || t.is("}"))
    }
}

/// Words an error for the text that starts at byte `offset` of `source`.
pub(super) fn report(source: &str, tokens: &[Token<'_>], offset: usize, error: &Error<Rule>) -> Diagnostic {
    let position = offset
        + match error.location {
            InputLocation::Pos(at) => at,
            InputLocation::Span((start, _)) => start,
        };
    let wanted = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.clone(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    let at = tokens.partition_point(|token| token.span.end <= position);
    let end = tokens.last().map_or(0, |token| token.span.end);
    let stop = Stop {
        wanted,
        found: tokens.get(at),
        before: at.checked_sub(1).map(|before| &tokens[before]),
        after: tokens.get(at + 1),
        end: Span { start: end.min(source.len()), end: end.min(source.len()) },
    };
    let slips = [missing_semicolon, stray_doc, unsupported, wrong_visibility, wrong_type, reserved_name];
    slips.iter().find_map(|slip| slip(&stop)).unwrap_or_else(|| general(&stop))
}

const STATEMENT: &[Rule] = &[Rule::stmt, Rule::let_stmt];
const ITEM: &[Rule] = &[Rule::item, Rule::const_item];
const OPERAND: &[Rule] =
    &[Rule::expr, Rule::arith, Rule::term, Rule::unary, Rule::postfix, Rule::atom, Rule::arg, Rule::axis, Rule::elem];
const OPERATOR: &[Rule] = &[Rule::cmp_op, Rule::add_op, Rule::mul_op];

fn stray_doc(stop: &Stop<'_>) -> Option<Diagnostic> {
    let is_doc = |token: &&Token<'_>| matches!(token.kind, Kind::Doc | Kind::InnerDoc);
    let token = stop.found.filter(is_doc).or(stop.before.filter(is_doc))?;
    let (message, help) = if token.kind == Kind::InnerDoc {
        (
            "`//!` describes the file and stands above `mpv 1;`",
            "use `///` for the item below, or `//` for a plain comment",
        )
    } else {
        (
            "this `///` comment has nothing to document",
            "it stands above an item or a statement; use `//` for a plain comment",
        )
    };
    Some(Diagnostic::error("E0115", message).label(token.span, "documents nothing").help(help))
}

fn unsupported(stop: &Stop<'_>) -> Option<Diagnostic> {
    if stop.wants(ITEM) && stop.is(&["import"]) {
        return Some(
            Diagnostic::error("E0116", "`import` is not part of edition 1")
                .label(stop.span(), "not supported")
                .help("copy the blocks that are needed into this file"),
        );
    }
    if stop.is(&["if", "else", "while", "match"]) {
        let word = stop.word()?;
        return Some(
            Diagnostic::error("E0118", format!("there is no `{word}` in this language"))
                .label(stop.span(), "both parties do the same work whatever the data")
                .help("choose between functions with a `plan`")
                .help("select between values with a 0/1 mask: `m * a + (1 - m) * b`"),
        );
    }
    None
}

fn missing_semicolon(stop: &Stop<'_>) -> Option<Diagnostic> {
    if !stop.wants(&[Rule::semi]) || !stop.line_is_over() {
        return None;
    }
    let before = stop.before?;
    let place = Span { start: before.span.end, end: before.span.end };
    Some(Diagnostic::error("E0104", format!("a `;` is missing after {}", show(before))).label(place, "here"))
}

fn wrong_visibility(stop: &Stop<'_>) -> Option<Diagnostic> {
    let word = stop.word()?;
    if stop.wants(&[Rule::party, Rule::kw_client]) {
        return Some(
            Diagnostic::error("E0109", format!("`{word}` is not a party"))
                .label(stop.span(), "expected `client` or `server`")
                .help("the client owns the data, the server owns the weights"),
        );
    }
    let type_follows = stop.after.is_some_and(|t| ["client", "server", "Tensor"].iter().any(|w| t.is(w)));
    let visibility_only = stop.wants(&[Rule::visibility]) && !stop.wants(&[Rule::scalar]);
    let before_type = type_follows && stop.wants(&[Rule::type_expr, Rule::visibility]);
    if !(visibility_only || before_type) {
        return None;
    }
    let diag = Diagnostic::error("E0109", format!("`{word}` is not a visibility"))
        .label(stop.span(), "expected `secret client`, `secret server` or `public`");
    Some(match word {
        "client" | "server" => diag.help(format!("write `secret {word}`")),
        "private" => diag.help("write `secret` and the party that knows the value"),
        "shared" => diag.help("shared values are computed, never declared; leave the visibility out"),
        _ => diag,
    })
}

fn wrong_type(stop: &Stop<'_>) -> Option<Diagnostic> {
    if !stop.wants(&[Rule::type_expr, Rule::tensor, Rule::scalar]) {
        return None;
    }
    let word = stop.word()?;
    let diag = Diagnostic::error("E0112", format!("`{word}` is not a type")).label(stop.span(), "expected a type");
    Some(match word {
        "tensor" | "array" | "Matrix" | "Vector" => diag.help("a tensor type is written `Tensor<rows, columns>`"),
        "float" | "double" | "f64" | "f32" => diag.help("a real number is `real`, a tensor of them `Tensor<n>`"),
        "i64" | "i32" | "u8" | "usize" | "integer" => {
            diag.help("a whole number fixed when compiling is `int`; entries: `Tensor<i32, n>`")
        }
        "bit" | "boolean" => diag.help("write `bool`, or `Tensor<bit, n>` for a mask"),
        _ => diag.help("types are `Tensor<…>`, `int`, `real`, `bool`, `fn` and `plan`"),
    })
}

fn reserved_name(stop: &Stop<'_>) -> Option<Diagnostic> {
    let word = stop.word().filter(|word| RESERVED.contains(word))?;
    let operand = stop.wants(OPERAND) && !stop.line_is_over();
    let named = stop.wants(&[Rule::name, Rule::param, Rule::field]);
    if stop.wants(STATEMENT) || stop.wants(ITEM) || !(operand || named) {
        return None;
    }
    Some(
        Diagnostic::error("E0106", format!("`{word}` is a reserved word"))
            .label(stop.span(), "cannot be a name")
            .help(format!("call it something else, for example `{}_`", word.to_lowercase())),
    )
}

fn general(stop: &Stop<'_>) -> Diagnostic {
    let expected = expectation(stop);
    let found = stop.found.map_or("the end of the file".to_owned(), show);
    let diag = Diagnostic::error("E0101", format!("expected {expected}, found {found}"))
        .label(stop.span(), format!("expected {expected}"));
    match hint(stop) {
        Some(help) => diag.help(help),
        None => diag,
    }
}

fn hint(stop: &Stop<'_>) -> Option<&'static str> {
    let found = stop.found?;
    let comparisons = ["==", "!=", "<=", ">=", "<", ">"];
    let doubled = stop.after.is_some_and(|after| after.is("="));
    if stop.wants(&[Rule::equals]) && ["+", "-", "*", "/"].iter().any(|op| found.is(op)) && doubled {
        return Some("there is no compound assignment: write `x = x + …;`");
    }
    if stop.wants(&[Rule::equals]) && found.is(":") {
        return Some("names take no type here; it follows from the value");
    }
    if stop.wants(&[Rule::equals]) && found.is("==") {
        return Some("`==` compares; a value is given with `=`");
    }
    if stop.wants(&[Rule::equals]) && found.is("(") {
        return Some("a call is part of an expression: `let y = f(x);`");
    }
    if stop.before.is_some_and(|before| before.is("search")) {
        return Some("an entry that is to be searched is written `search[f, g]`");
    }
    if stop.wants(OPERATOR) && found.is("=") {
        return Some("`=` gives a value in `let` and assignments; `==` compares");
    }
    if stop.wants(OPERATOR) && comparisons.iter().any(|op| found.is(op)) {
        return Some("comparisons do not chain: compare two values at a time");
    }
    if stop.wants(ITEM) && found.is(";") {
        return Some("nothing but `}` is needed at the end of a body");
    }
    if stop.wants(STATEMENT) && found.is(";") {
        return Some("nothing but `}` is needed at the end of a body");
    }
    if stop.wants(&[Rule::colon]) && found.is("=") {
        return Some("fields are written `name: value`");
    }
    None
}

/// A list of what could stand here: `` `,` or `)` ``.
fn expectation(stop: &Stop<'_>) -> String {
    let after_operand = stop.wants(OPERATOR);
    let mut names: Vec<String> = Vec::new();
    if after_operand {
        names.push("an operator".to_owned());
    }
    for rule in &stop.wanted {
        // After an operand these call and index.
        let suffix = matches!(rule, Rule::lparen | Rule::lbracket);
        if after_operand && suffix {
            continue;
        }
        let Some(name) = human(*rule) else { continue };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "something else".to_owned(),
    }
}

/// A rule's name for people; none for what may always follow an operand, which would drown the rest.
fn human(rule: Rule) -> Option<String> {
    let text = match rule {
        rule if OPERAND.contains(&rule) => "an expression",
        rule if OPERATOR.contains(&rule) => return None,
        Rule::neg | Rule::call | Rule::index | Rule::at_path | Rule::load_op => return None,
        Rule::kw_at | Rule::following | Rule::kw_following | Rule::doc | Rule::inner_doc => return None,
        Rule::all => "`..`",
        Rule::item
        | Rule::const_item
        | Rule::numeric
        | Rule::fn_def
        | Rule::plan_def
        | Rule::block_def
        | Rule::model_def => "an item (`const`, `assert`, `numeric`, `fn`, `plan`, `block`, `model`)",
        Rule::stmt
        | Rule::let_stmt
        | Rule::assign
        | Rule::for_stmt
        | Rule::return_stmt
        | Rule::assume
        | Rule::param_decl
        | Rule::input
        | Rule::weights
        | Rule::tokenizer
        | Rule::preprocess
        | Rule::local
        | Rule::output => "a statement",
        Rule::assertion => "`assert`",
        Rule::EOI => "the end of the file",
        Rule::edition => "`mpv 1;`",
        Rule::forward | Rule::forward_head => "`forward`",
        Rule::type_expr | Rule::tensor | Rule::scalar => "a type",
        Rule::visibility => "a visibility",
        Rule::party => "`client` or `server`",
        Rule::element => "an element type",
        Rule::plan_kind => "`per_head`, `per_layer` or `per_row`",
        Rule::name => "a name",
        Rule::number => "a number",
        Rule::string => "a string",
        Rule::param => "a parameter",
        Rule::field => "a field",
        Rule::arg_name => "a name",
        Rule::params | Rule::load_args | Rule::paren => "`(`",
        Rule::generics | Rule::plan_dims => "`<`",
        Rule::fields | Rule::body => "`{`",
        Rule::list => "`[`",
        Rule::elem_end => "`..`",
        Rule::search => "`search`",
        Rule::count | Rule::repeat_semi | Rule::semi => "`;`",
        Rule::labels => "`labels`",
        rule => return fixed_text(rule).map(|text| format!("`{text}`")),
    };
    Some(text.to_owned())
}

fn show(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Str => "a string".to_owned(),
        Kind::Doc | Kind::InnerDoc | Kind::Comment => "a comment".to_owned(),
        _ => format!("`{}`", token.text),
    }
}
