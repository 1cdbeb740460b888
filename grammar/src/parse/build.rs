//! Items, types and statements from grammar pairs.
//!
//! The grammar fixes which children a pair has and in which order, so the functions here take them
//! in that order. Only what a grammar cannot say is checked: number sizes, the edition, depth.

mod expr;

use pest::iterators::{Pair, Pairs};

use super::EDITION;
use super::syntax::{Rule, fixed_text};
use crate::ast::*;
use crate::diagnostic::Diagnostic;

type P<'i> = Pair<'i, Rule>;

/// The children of a pair without keywords and punctuation.
struct Children<'i>(Pairs<'i, Rule>);

impl<'i> Children<'i> {
    fn of(pair: P<'i>) -> Self {
        Self(pair.into_inner())
    }

    fn peek(&self) -> Option<Rule> {
        self.0.clone().find(|pair| fixed_text(pair.as_rule()).is_none()).map(|pair| pair.as_rule())
    }

    fn child(&mut self) -> P<'i> {
        self.next().expect("the grammar puts another child here")
    }

    fn take_if(&mut self, rule: Rule) -> Option<P<'i>> {
        if self.peek() == Some(rule) { self.next() } else { None }
    }
}

impl<'i> Iterator for Children<'i> {
    type Item = P<'i>;

    fn next(&mut self) -> Option<P<'i>> {
        self.0.find(|pair| fixed_text(pair.as_rule()).is_none())
    }
}

/// What a tree cannot hold is collected here.
type Diags = Vec<Diagnostic>;

/// The module from a `file` parse.
///
/// # Errors
/// Numbers out of range, an unknown edition, expressions too deep, odd lists.
pub(super) fn module(pairs: &mut Pairs<'_, Rule>) -> Result<Module, Vec<Diagnostic>> {
    let file = pairs.next().expect("a parse of `file` yields one pair");
    let mut diags = Vec::new();
    let mut docs = Vec::new();
    let mut edition = Spanned { node: EDITION, span: Span::default() };
    let mut items = Vec::new();
    for child in Children::of(file) {
        match child.as_rule() {
            Rule::inner_doc => docs.push(doc_text(&child)),
            Rule::edition => edition = read_edition(child, &mut diags),
            Rule::item => items.push(item(child, &mut diags)),
            _ => {}
        }
    }
    if diags.is_empty() { Ok(Module { docs, edition, items }) } else { Err(diags) }
}

/// The findings of a lone piece, for recovery: it parsed, but may hold numbers out of range.
pub(super) fn check_piece(pairs: Pairs<'_, Rule>) -> Vec<Diagnostic> {
    let mut diags = Vec::new();
    for pair in pairs {
        match pair.as_rule() {
            Rule::edition => {
                read_edition(pair, &mut diags);
            }
            Rule::item => {
                item(pair, &mut diags);
            }
            Rule::stmt => {
                stmt(pair, &mut diags);
            }
            _ => {}
        }
    }
    diags
}

fn read_edition(pair: P<'_>, diags: &mut Diags) -> Spanned<u64> {
    let number = Children::of(pair).child();
    let span = span_of(&number);
    let text = number.as_str();
    let node = text.parse().unwrap_or(0);
    if node != EDITION {
        diags.push(
            Diagnostic::error("E0103", format!("edition {text} of the language is unknown"))
                .label(span, "this compiler reads edition 1")
                .help("write `mpv 1;`, or use a compiler that knows this edition"),
        );
    }
    Spanned { node, span }
}

fn doc_text(pair: &P<'_>) -> String {
    let text = pair.as_str()[3..].trim_end();
    text.strip_prefix(' ').unwrap_or(text).to_owned()
}

fn docs(children: &mut Children<'_>) -> Vec<String> {
    let mut docs = Vec::new();
    while let Some(doc) = children.take_if(Rule::doc) {
        docs.push(doc_text(&doc));
    }
    docs
}

/// The span of a pair without the blanks and comments an empty repetition may have swallowed.
fn span_of(pair: &P<'_>) -> Span {
    let mut last = pair.clone();
    while let Some(child) = last.clone().into_inner().next_back() {
        last = child;
    }
    Span { start: pair.as_span().start(), end: last.as_span().end() }
}

fn name(pair: &P<'_>) -> Name {
    Spanned { node: pair.as_str().to_owned(), span: span_of(pair) }
}

fn string(pair: &P<'_>) -> Spanned<String> {
    let text = pair.as_str();
    Spanned { node: text[1..text.len() - 1].to_owned(), span: span_of(pair) }
}

fn item(pair: P<'_>, diags: &mut Diags) -> Item {
    let mut children = Children::of(pair);
    let docs = docs(&mut children);
    let inner = children.child();
    let span = span_of(&inner);
    let rule = inner.as_rule();
    let mut parts = Children::of(inner);
    let kind = match rule {
        Rule::const_item => ItemKind::Const { name: name(&parts.child()), value: expr::expr(parts.child(), diags) },
        Rule::assertion => ItemKind::Assert(assertion(parts, diags)),
        Rule::numeric => ItemKind::Numeric(fields(parts.child(), diags)),
        Rule::fn_def => ItemKind::Fn(fn_def(parts, diags)),
        Rule::plan_def => ItemKind::Plan(plan_def(parts, diags)),
        Rule::block_def => ItemKind::Block(block_def(parts, diags)),
        Rule::model_def => {
            let mut head = Children::of(parts.child());
            ItemKind::Model(ModelDef {
                name: name(&head.child()),
                params: params(head.child(), diags),
                body: body(parts.child(), diags),
            })
        }
        other => unreachable!("the grammar has no item {other:?}"),
    };
    Item { docs, kind, span }
}

fn assertion(mut parts: Children<'_>, diags: &mut Diags) -> Assert {
    Assert { condition: expr::expr(parts.child(), diags), message: parts.next().map(|text| string(&text)) }
}

fn fields(pair: P<'_>, diags: &mut Diags) -> Vec<Field> {
    Children::of(pair)
        .map(|field| {
            let mut parts = Children::of(field);
            Field { name: name(&parts.child()), value: expr::expr(parts.child(), diags) }
        })
        .collect()
}

fn fn_def(mut parts: Children<'_>, diags: &mut Diags) -> FnDef {
    let mut head = Children::of(parts.child());
    let fn_name = name(&head.child());
    let generics = head
        .take_if(Rule::generics)
        .map(|list| Children::of(list).map(|pair| name(&pair)).collect())
        .unwrap_or_default();
    FnDef {
        name: fn_name,
        generics,
        params: params(head.child(), diags),
        result: type_expr(head.child(), diags),
        body: body(parts.child(), diags),
    }
}

fn params(pair: P<'_>, diags: &mut Diags) -> Vec<Param> {
    Children::of(pair)
        .map(|param| {
            let mut parts = Children::of(param);
            Param {
                name: name(&parts.child()),
                ty: type_expr(parts.child(), diags),
                default: parts.next().map(|value| expr::expr(value, diags)),
            }
        })
        .collect()
}

fn plan_def(mut parts: Children<'_>, diags: &mut Diags) -> PlanDef {
    let plan_name = name(&parts.child());
    let kind = parts.child();
    let kind = Spanned {
        node: match kind.as_str().trim_end() {
            "per_head" => PlanKind::PerHead,
            "per_layer" => PlanKind::PerLayer,
            _ => PlanKind::PerRow,
        },
        span: span_of(&kind),
    };
    PlanDef {
        name: plan_name,
        kind,
        dims: Children::of(parts.child()).map(|dim| expr::arith(dim, diags)).collect(),
        entries: expr::expr(parts.child(), diags),
        follows: parts.next().map(|pair| name(&Children::of(pair).child())),
    }
}

fn block_def(mut parts: Children<'_>, diags: &mut Diags) -> BlockDef {
    let mut head = Children::of(parts.child());
    let block_name = name(&head.child());
    let params_ = params(head.child(), diags);
    let mut decls = Vec::new();
    while let Some(decl) = parts.take_if(Rule::stmt) {
        decls.push(stmt(decl, diags));
    }
    let mut forward = Children::of(parts.child());
    let forward_docs = docs(&mut forward);
    let signature = forward.child();
    let forward_span = span_of(&signature);
    let mut signature = Children::of(signature);
    BlockDef {
        name: block_name,
        params: params_,
        decls,
        forward_docs,
        inputs: params(signature.child(), diags),
        result: type_expr(signature.child(), diags),
        body: body(forward.child(), diags),
        forward_span,
    }
}

fn type_expr(pair: P<'_>, diags: &mut Diags) -> TypeExpr {
    let span = span_of(&pair);
    let mut parts = Children::of(pair);
    let visibility = parts.take_if(Rule::visibility).map(visibility);
    let inner = parts.child();
    let kind = if inner.as_rule() == Rule::tensor {
        let mut parts = Children::of(inner);
        let element = parts.take_if(Rule::element).map(|pair| match pair.as_str() {
            "u8" => ElementWord::U8,
            "i32" => ElementWord::I32,
            "bit" => ElementWord::Bit,
            _ => ElementWord::F32,
        });
        TypeKind::Tensor { element, dims: parts.map(|dim| expr::arith(dim, diags)).collect() }
    } else {
        match inner.as_str() {
            "int" => TypeKind::Int,
            "real" => TypeKind::Real,
            "bool" => TypeKind::Bool,
            "fn" => TypeKind::Fn,
            _ => TypeKind::Plan,
        }
    };
    TypeExpr { visibility, kind, span }
}

fn visibility(pair: P<'_>) -> Spanned<VisibilityWord> {
    let span = span_of(&pair);
    let node = match Children::of(pair).next().map(|pair| party(&pair).node) {
        Some(PartyWord::Client) => VisibilityWord::SecretClient,
        Some(PartyWord::Server) => VisibilityWord::SecretServer,
        None => VisibilityWord::Public,
    };
    Spanned { node, span }
}

fn party(pair: &P<'_>) -> Spanned<PartyWord> {
    Spanned { node: if pair.as_str() == "client" { PartyWord::Client } else { PartyWord::Server }, span: span_of(pair) }
}

fn body(pair: P<'_>, diags: &mut Diags) -> Vec<Stmt> {
    Children::of(pair).map(|pair| stmt(pair, diags)).collect()
}

fn stmt(pair: P<'_>, diags: &mut Diags) -> Stmt {
    let mut children = Children::of(pair);
    let docs = docs(&mut children);
    let inner = children.child();
    let span = span_of(&inner);
    let rule = inner.as_rule();
    let mut parts = Children::of(inner);
    let kind = match rule {
        Rule::let_stmt => StmtKind::Let { name: name(&parts.child()), value: expr::expr(parts.child(), diags) },
        Rule::assign => StmtKind::Assign { name: name(&parts.child()), value: expr::expr(parts.child(), diags) },
        Rule::for_stmt => {
            let mut head = Children::of(parts.child());
            StmtKind::For {
                name: name(&head.child()),
                from: expr::arith(head.child(), diags),
                to: expr::arith(head.child(), diags),
                body: body(parts.child(), diags),
            }
        }
        Rule::return_stmt => StmtKind::Return(expr::expr(parts.child(), diags)),
        Rule::assertion => StmtKind::Assert(assertion(parts, diags)),
        Rule::assume => StmtKind::Assume {
            value: expr::expr(parts.child(), diags),
            low: expr::expr(parts.child(), diags),
            high: expr::expr(parts.child(), diags),
        },
        Rule::param_decl => StmtKind::Param {
            name: name(&parts.child()),
            ty: type_expr(parts.child(), diags),
            path: string(&parts.child()),
            ops: parts.map(|op| load_op(op, diags)).collect(),
        },
        Rule::input => StmtKind::Input { name: name(&parts.child()), ty: type_expr(parts.child(), diags) },
        Rule::weights => {
            StmtKind::Weights { visibility: visibility(parts.child()), fields: fields(parts.child(), diags) }
        }
        Rule::tokenizer => StmtKind::Tokenizer { file: string(&parts.child()), fields: fields(parts.child(), diags) },
        Rule::preprocess => StmtKind::Preprocess { input: name(&parts.child()), fields: fields(parts.child(), diags) },
        Rule::local => {
            StmtKind::Local { party: party(&Children::of(parts.child()).child()), body: body(parts.child(), diags) }
        }
        Rule::output => {
            let (name, party) = (name(&parts.child()), party(&parts.child()));
            let (ty, value) = (type_expr(parts.child(), diags), expr::expr(parts.child(), diags));
            let written: Option<Vec<P<'_>>> = parts.next().map(|list| list.into_inner().collect());
            let any = written.iter().flatten().any(|part| part.as_rule() == Rule::kw_any);
            let labels =
                written.map(|parts| parts.iter().filter(|part| part.as_rule() == Rule::string).map(string).collect());
            StmtKind::Output { name, party, ty, value, labels, any }
        }
        other => unreachable!("the grammar has no statement {other:?}"),
    };
    Stmt { docs, kind, span }
}

fn load_op(pair: P<'_>, diags: &mut Diags) -> LoadOp {
    let mut parts = Children::of(pair);
    LoadOp { name: name(&parts.child()), args: Children::of(parts.child()).map(|arg| expr::expr(arg, diags)).collect() }
}
