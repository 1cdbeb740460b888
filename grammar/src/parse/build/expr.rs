//! Expressions from grammar pairs.
//!
//! Chains of operators become left-leaning trees. The height of every tree is counted and bounded,
//! so that whoever walks or drops one by recursion cannot run out of stack.

use super::{Children, Diags, P, name, span_of, string};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::parse::syntax::Rule;

/// How tall an expression may be.
const MAX_HEIGHT: u32 = 256;

/// An expression and the number of nodes on its longest branch.
struct Tall {
    expr: Expr,
    height: u32,
}

/// An `expr` pair.
pub(super) fn expr(pair: P<'_>, diags: &mut Diags) -> Expr {
    tall(pair, diags).expr
}

/// An `arith` pair: an expression without a bare comparison.
pub(super) fn arith(pair: P<'_>, diags: &mut Diags) -> Expr {
    chain(pair, diags).expr
}

fn tall(pair: P<'_>, diags: &mut Diags) -> Tall {
    chain(pair, diags)
}

/// `expr`, `arith` and `term`: operands with operators between them, from the left.
fn chain(pair: P<'_>, diags: &mut Diags) -> Tall {
    let mut parts = Children::of(pair);
    let mut left = operand(parts.child(), diags);
    while let Some(op) = parts.next() {
        let right = operand(parts.child(), diags);
        let span = Span { start: left.expr.span.start, end: right.expr.span.end };
        let height = left.height.max(right.height);
        let kind =
            ExprKind::Binary { op: binary_op(op.as_str()), left: Box::new(left.expr), right: Box::new(right.expr) };
        left = grow(kind, span, height, diags);
    }
    left
}

fn operand(pair: P<'_>, diags: &mut Diags) -> Tall {
    match pair.as_rule() {
        Rule::unary => unary(pair, diags),
        _ => chain(pair, diags),
    }
}

/// One node on top of children of the given height; too tall a tree is reported and cut.
fn grow(kind: ExprKind, span: Span, below: u32, diags: &mut Diags) -> Tall {
    if below < MAX_HEIGHT {
        return Tall { expr: Expr { kind, span }, height: below + 1 };
    }
    let known = diags.iter().any(|diag| diag.code == "E0119" && diag.primary().is_some_and(|s| s.start == span.start));
    if !known {
        diags.push(
            Diagnostic::error("E0119", "this expression is nested too deeply")
                .label(span, format!("more than {MAX_HEIGHT} operations deep"))
                .help("give parts of it a name with `let`"),
        );
    }
    leaf(ExprKind::Int(0), span)
}

fn leaf(kind: ExprKind, span: Span) -> Tall {
    Tall { expr: Expr { kind, span }, height: 1 }
}

fn binary_op(text: &str) -> BinaryOp {
    match text {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "%" => BinaryOp::Rem,
        "@" => BinaryOp::MatMul,
        "==" => BinaryOp::Eq,
        "!=" => BinaryOp::Ne,
        "<=" => BinaryOp::Le,
        ">=" => BinaryOp::Ge,
        "<" => BinaryOp::Lt,
        ">" => BinaryOp::Gt,
        other => unreachable!("the grammar has no operator `{other}`"),
    }
}

fn unary(pair: P<'_>, diags: &mut Diags) -> Tall {
    let mut signs = Vec::new();
    let mut parts = Children::of(pair);
    while let Some(sign) = parts.take_if(Rule::neg) {
        signs.push(sign.as_span().start());
    }
    let mut value = postfix(parts.child(), diags);
    for start in signs.into_iter().rev() {
        let span = Span { start, end: value.expr.span.end };
        let height = value.height;
        value = grow(ExprKind::Neg(Box::new(value.expr)), span, height, diags);
    }
    value
}

fn postfix(pair: P<'_>, diags: &mut Diags) -> Tall {
    let mut parts = Children::of(pair);
    let mut value = atom(parts.child(), diags);
    for suffix in parts {
        let span = Span { start: value.expr.span.start, end: span_of(&suffix).end };
        let mut height = value.height;
        let boxed = Box::new(value.expr);
        let kind = match suffix.as_rule() {
            Rule::call => ExprKind::Call {
                callee: boxed,
                args: Children::of(suffix).map(|pair| arg(pair, &mut height, diags)).collect(),
            },
            Rule::index => ExprKind::Index {
                value: boxed,
                indices: Children::of(suffix).map(|pair| axis(pair, &mut height, diags)).collect(),
            },
            _ => ExprKind::At { value: boxed, path: string(&Children::of(suffix).child()) },
        };
        value = grow(kind, span, height, diags);
    }
    value
}

/// A child expression whose height counts for the parent.
fn child(pair: P<'_>, height: &mut u32, diags: &mut Diags) -> Expr {
    let inner = tall(pair, diags);
    *height = inner.height.max(*height);
    inner.expr
}

fn arg(pair: P<'_>, height: &mut u32, diags: &mut Diags) -> Arg {
    let mut parts = Children::of(pair);
    let label = parts.take_if(Rule::arg_name).map(|pair| name(&Children::of(pair).child()));
    Arg { name: label, value: child(parts.child(), height, diags) }
}

fn axis(pair: P<'_>, height: &mut u32, diags: &mut Diags) -> Index {
    let mut parts = Children::of(pair);
    let first = parts.child();
    if first.as_rule() == Rule::all {
        return Index::All(span_of(&first));
    }
    let first = child(first, height, diags);
    match parts.next() {
        Some(end) => Index::Range(first, child(end, height, diags)),
        None => Index::At(first),
    }
}

fn atom(pair: P<'_>, diags: &mut Diags) -> Tall {
    let inner = Children::of(pair).child();
    let span = span_of(&inner);
    match inner.as_rule() {
        Rule::number => leaf(number(inner.as_str(), span, diags), span),
        Rule::string => leaf(ExprKind::Str(string(&inner).node), span),
        Rule::name => leaf(ExprKind::Name(inner.as_str().to_owned()), span),
        Rule::paren => {
            let inside = tall(Children::of(inner).child(), diags);
            grow(ExprKind::Paren(Box::new(inside.expr)), span, inside.height, diags)
        }
        Rule::search => {
            let mut height = 0;
            let candidates = Children::of(inner).map(|pair| child(pair, &mut height, diags)).collect();
            grow(ExprKind::Search(candidates), span, height, diags)
        }
        _ => list(inner, span, diags),
    }
}

fn number(text: &str, span: Span, diags: &mut Diags) -> ExprKind {
    let too_large =
        |what: &str| Diagnostic::error("E0108", format!("this number does not fit {what}")).label(span, "too large");
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return ExprKind::Int(text.parse().unwrap_or_else(|_| {
            diags.push(too_large("64 bits").help(format!("the largest whole number is {}", i64::MAX)));
            0
        }));
    }
    let value: f64 = text.parse().unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        diags.push(too_large("a double"));
    }
    ExprKind::Real(value, text.to_owned())
}

fn list(pair: P<'_>, span: Span, diags: &mut Diags) -> Tall {
    let mut parts = Children::of(pair);
    let mut height = 0;
    let mut elems = Vec::new();
    while let Some(pair) = parts.take_if(Rule::elem) {
        elems.push(elem(pair, &mut height, diags));
    }
    let Some(count) = parts.next() else {
        return grow(ExprKind::List(elems), span, height, diags);
    };
    let count = child(Children::of(count).child(), &mut height, diags);
    match elems.pop() {
        Some(ListElem::Plain(value)) => {
            let kind = ExprKind::Repeat { value: Box::new(value), count: Box::new(count) };
            grow(kind, span, height, diags)
        }
        _ => {
            diags.push(
                Diagnostic::error("E0120", "an entry with an index cannot be repeated")
                    .label(span, "`[entry; count]` takes a plain entry")
                    .help("for a range of entries write `[0..4: entry]`"),
            );
            leaf(ExprKind::List(Vec::new()), span)
        }
    }
}

fn elem(pair: P<'_>, height: &mut u32, diags: &mut Diags) -> ListElem {
    let mut parts = Children::of(pair);
    let first = child(parts.child(), height, diags);
    let end = parts.take_if(Rule::elem_end).map(|pair| child(Children::of(pair).child(), height, diags));
    let value = parts.next().map(|pair| child(pair, height, diags));
    match (end, value) {
        (Some(end), Some(value)) => ListElem::Range(first, end, value),
        (_, Some(value)) => ListElem::At(first, value),
        (_, None) => ListElem::Plain(first),
    }
}
