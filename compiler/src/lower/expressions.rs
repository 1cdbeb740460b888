//! Expressions: names, literals, lists and operators' dispatch.

use mpcc_grammar::ast::{BinaryOp, Expr, ExprKind, FnDef, ListElem, PartyWord, Span};

use super::Lowerer;
use super::builtin::Builtin;
use super::constants::{ConstantError, binary};
use super::report::error;
use super::types::visibility_text;
use super::value::{Binding, Function, Tensor, Value};
use crate::graph::{Op, Visibility};
use crate::library;

/// Entries a written list may have at most.
const MAX_LIST: i64 = 1 << 20;

/// Expressions and loops that may lie around one another, calls included: lowering goes through them by recursion.
const MOST_DEPTH: usize = 400;

impl<'a> Lowerer<'a> {
    /// Evaluates an expression.
    pub(super) fn expr(&mut self, expr: &'a Expr) -> Value<'a> {
        if !self.deeper(expr.span) {
            return Value::Poison;
        }
        let value = self.evaluated(expr);
        self.depth -= 1;
        value
    }

    /// Counts an expression or loop around what is lowered next; false, after reporting it, if there are too many.
    pub(super) fn deeper(&mut self, span: Span) -> bool {
        let few = self.depth < MOST_DEPTH;
        if few {
            self.depth += 1;
        } else {
            self.fail(
                error("E0119", "calls, loops and expressions are nested too deeply")
                    .at(span, format!("more than {MOST_DEPTH} around this"))
                    .help("let functions call fewer others inside each other"),
            );
        }
        few
    }

    fn evaluated(&mut self, expr: &'a Expr) -> Value<'a> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Int(n) => Value::Int(*n),
            ExprKind::Real(x, _) if x.is_finite() => Value::Real(*x),
            ExprKind::Real(_, text) => {
                self.fail(error("E0602", format!("{text} is too large")).at(span, "not a finite number"))
            }
            ExprKind::Str(_) => Value::Text,
            ExprKind::Name(name) => self.name(name, span),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Neg(inner) => {
                let value = self.expr(inner);
                self.negated(value, span)
            }
            ExprKind::Binary { op, left, right } => {
                let (a, b) = (self.expr(left), self.expr(right));
                match (&a, &b) {
                    (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
                    (Value::Tensor(_), _) | (_, Value::Tensor(_)) => {
                        self.tensor_binary(*op, &a, &b, left.span, right.span, span)
                    }
                    _ => match binary(*op, &a, &b) {
                        Ok(value) => value,
                        Err(cause) => self.fail(match cause {
                            ConstantError::Overflow => {
                                error("E0602", "the result is too large").at(span, "does not fit 64 bits")
                            }
                            ConstantError::DivisionByZero => {
                                error("E0603", "division by zero").at(right.span, "this is 0")
                            }
                            ConstantError::Mismatch => error("E0606", "the operator has no meaning for these values")
                                .at(left.span, a.describe())
                                .at(right.span, b.describe())
                                .help("arithmetic takes numbers and tensors; `==` and `!=` also compare truth values"),
                        }),
                    },
                }
            }
            ExprKind::Call { callee, args } => self.call(callee, args, span),
            ExprKind::Index { value, indices } => self.index(value, indices, span),
            ExprKind::At { value, path } => self.place(value, path),
            ExprKind::Repeat { value, count } => {
                let entry = self.expr(value);
                let limit = MAX_LIST / entries(&entry).max(1);
                let Some(count) = self.whole_up_to(count, limit) else { return Value::Poison };
                Value::List(vec![(entry, value.span); count].into())
            }
            ExprKind::Search(_) => self.fail(
                error("E0211", "`search` cannot stand here")
                    .at(span, "only an entry of a plan is searched")
                    .help("write `plan NAME: per_layer<2> = [search[f, g]; 2];` and apply it with `choose`"),
            ),
            ExprKind::List(elems) => {
                let mut list = Vec::new();
                let mut count = 0;
                for elem in elems {
                    match elem {
                        ListElem::Plain(value) => {
                            list.push((self.expr(value), value.span));
                            count += list.last().map_or(0, |(value, _)| entries(value));
                            if count > MAX_LIST {
                                let draft = error("E0607", format!("a list of more than {MAX_LIST} entries"));
                                return self.fail(draft.at(span, "too long"));
                            }
                        }
                        ListElem::At(at, _) | ListElem::Range(at, ..) => {
                            return self.fail(
                                error("E0501", "positions are written only in the entries of a plan")
                                    .at(at.span, "not a plan"),
                            );
                        }
                    }
                }
                Value::List(list.into())
            }
        }
    }

    fn whole_up_to(&mut self, expr: &'a Expr, limit: i64) -> Option<usize> {
        let value = self.whole(expr)?;
        if !(0..=limit).contains(&value) {
            self.fail(
                error("E0607", format!("{value} repetitions")).at(expr.span, format!("at least 0, at most {limit}")),
            );
            return None;
        }
        usize::try_from(value).ok()
    }

    /// What a name means: innermost scope first, then the top level, then the standard library and the built-in
    /// functions. Inside the library there is no top level of the model.
    pub(super) fn lookup(&self, name: &str) -> Option<Binding<'a>> {
        let scopes = self.frames.last().map(|frame| frame.scopes.as_slice()).unwrap_or_default();
        let local = scopes.iter().rev().find_map(|scope| scope.get(name));
        if let Some(binding) = local {
            return Some(binding.clone());
        }
        if self.frames.last().is_none_or(|frame| frame.library.is_none()) {
            if let Some(binding) = self.globals.get(name) {
                return Some(binding.clone());
            }
            if let Some(def) = self.blocks.get(name) {
                return Some(Binding { value: Value::Block(def), span: def.name.span });
            }
            if self.later.contains_key(name) || self.plans.contains_key(name) {
                return None;
            }
        }
        self.function_named(name).map(|function| {
            let span = match function {
                Function::User(def) => def.name.span,
                Function::Builtin(_) => Span::default(),
            };
            Binding { value: Value::Function(function), span }
        })
    }

    /// The function of a name: the model's, unless inside the standard library, then the library's, then the
    /// language's.
    pub(super) fn function_named(&self, name: &str) -> Option<Function<'a>> {
        let inside = self.frames.last().is_some_and(|frame| frame.library.is_some());
        let own = if inside { None } else { self.fns.get(name).copied() };
        let library = || library::definition(name).map(|def| -> &'a FnDef { def });
        own.or_else(library).map(Function::User).or_else(|| Builtin::named(name).map(Function::Builtin))
    }

    fn name(&mut self, name: &str, span: Span) -> Value<'a> {
        match (self.lookup(name), name) {
            (Some(binding), _) => self.read(name, binding, span),
            (None, "true") => Value::Bool(true),
            (None, "false") => Value::Bool(false),
            (None, _) => {
                let draft = match self.later.get(name) {
                    Some(defined) => error("E0605", format!("constant `{name}` is used before its definition"))
                        .at(span, "not yet defined here")
                        .at(*defined, "defined here")
                        .help("move the definition up"),
                    None => error("E0301", format!("`{name}` is not defined")).at(span, "not defined here"),
                };
                self.fail(draft)
            }
        }
    }

    /// Reads a binding, if the enclosing `local` party may.
    fn read(&mut self, name: &str, binding: Binding<'a>, span: Span) -> Value<'a> {
        let Value::Tensor(tensor) = binding.value else { return binding.value };
        let Some(party) = self.frames.last().and_then(|frame| frame.local) else {
            return self.as_declared(tensor, span);
        };
        let own = match party {
            PartyWord::Client => Visibility::SecretClient,
            PartyWord::Server => Visibility::SecretServer,
        };
        let found = self.ty(tensor.node).visibility;
        if found.join(own) == own {
            return self.as_declared(tensor, span);
        }
        let word = match party {
            PartyWord::Client => "client",
            PartyWord::Server => "server",
        };
        let origin = match (&self.graph.node(tensor.node).op, found) {
            (Op::Param(_), _) => "`secret server`, from the `weights` declaration".to_owned(),
            (_, Visibility::Shared) => "shared: computed from secrets of both parties".to_owned(),
            _ => format!("`{}`", visibility_text(found)),
        };
        self.fail(
            error("E0412", format!("this would show `{name}` to the {word}"))
                .at(span, format!("`local {word}` may read only `{}` and `public` values", visibility_text(own)))
                .at(binding.span, origin)
                .help(format!("move the computation out of `local {word}`: there it runs on shares")),
        )
    }

    /// A tensor in its declared shape, also if a load-time reshape has changed it.
    fn as_declared(&mut self, tensor: Tensor, span: Span) -> Value<'a> {
        match self.reshaped.get(&tensor.node).cloned() {
            Some(declared) => {
                Value::Tensor(Tensor { node: self.reshaped_node(tensor.node, declared, span), lead: tensor.lead })
            }
            None => Value::Tensor(tensor),
        }
    }

    /// The values of both sides of a comparison, for a failed assert.
    pub(super) fn sides(&mut self, condition: &'a Expr) -> Option<String> {
        let ExprKind::Binary { op, left, right } = &condition.kind else { return None };
        let number = |value: Value<'a>| value.as_number();
        let (left, right) = (number(self.expr(left))?, number(self.expr(right))?);
        let word = match op {
            BinaryOp::Eq => "is not",
            BinaryOp::Ne => "equals",
            BinaryOp::Le => "is above",
            BinaryOp::Ge => "is below",
            BinaryOp::Lt => "is not below",
            BinaryOp::Gt => "is not above",
            _ => return None,
        };
        Some(format!("{left} {word} {right}"))
    }
}

/// Values in a list, at any depth.
fn entries(value: &Value<'_>) -> i64 {
    match value {
        Value::List(list) => list.iter().map(|(value, _)| entries(value)).sum(),
        _ => 1,
    }
}
