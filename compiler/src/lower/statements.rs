//! Statements that stand in functions, blocks and models alike.

use hashbrown::HashMap;
use mpcc_grammar::ast::{Expr, ExprKind, Name, Span, Stmt, StmtKind};

use super::Lowerer;
use super::report::error;
use super::value::Value;
use crate::verify::budget::MOST_LOWERED_NODES;

/// Loop rounds and calls a model may unroll to.
const MAX_STEPS: usize = 1 << 16;

/// Operations it may unroll to.
const MAX_NODES: usize = MOST_LOWERED_NODES;

impl<'a> Lowerer<'a> {
    pub(super) fn statements(&mut self, stmts: &'a [Stmt]) {
        stmts.iter().for_each(|stmt| self.statement(stmt));
    }

    pub(super) fn statement(&mut self, stmt: &'a Stmt) {
        match &stmt.kind {
            StmtKind::Let { name, value } => {
                let value = self.named(name, value);
                self.define(&name.node, value, name.span);
            }
            StmtKind::Assign { name, value } => self.assign(name, value),
            StmtKind::For { name, from, to, body } => self.unroll(name, from, to, body),
            StmtKind::Return(_) => {}
            StmtKind::Assert(assert) => self.assert(assert),
            StmtKind::Assume { value, low, high } => self.assume(value, low, high),
            StmtKind::Param { name, ty, path, ops } => self.weight(name, ty, path, ops),
            StmtKind::Input { name, ty } => self.input(name, ty),
            StmtKind::Weights { .. } | StmtKind::Tokenizer { .. } | StmtKind::Preprocess { .. } => {}
            StmtKind::Local { party, body } => self.local(party.node, body),
            StmtKind::Output { name, party, ty, value, labels, any } => {
                self.output(name, party, ty, value, (labels.as_deref(), *any))
            }
        }
    }

    /// Evaluates the value of a name, so that its nodes are known by it.
    pub(super) fn named(&mut self, name: &'a Name, expr: &'a Expr) -> Value<'a> {
        if let Some(frame) = self.frame() {
            frame.naming = Some(name.node.clone());
        }
        let value = self.expr(expr);
        if let Some(frame) = self.frame() {
            frame.naming = None;
        }
        if let Value::Unplaced(unplaced) = &value {
            let help = format!("write `let {} = {}(…) at \"path.of.its.weights\";`", name.node, unplaced.def.name.node);
            let message = format!("block `{}` has no place for its weights", unplaced.def.name.node);
            return self.fail(error("E0309", message).at(expr.span, "no `at`").help(help));
        }
        value
    }

    fn assign(&mut self, name: &'a Name, expr: &'a Expr) {
        let mut value = self.named(name, expr);
        let Some(frame) = self.frames.last() else { return };
        let Some((depth, old)) = frame
            .scopes
            .iter()
            .enumerate()
            .rev()
            .find_map(|(depth, scope)| Some((depth, scope.get(&name.node)?.clone())))
        else {
            return;
        };
        let same = match (&old.value, &value) {
            (Value::Poison, _) | (_, Value::Poison) => true,
            (Value::Real(_), Value::Int(n)) => {
                value = Value::Real(*n as f64);
                true
            }
            (Value::Tensor(a), Value::Tensor(b)) => {
                let (a, b) = (*a, *b);
                self.seen(a) == self.seen(b) && self.ty(a.node).element == self.ty(b.node).element
            }
            (old, new) => std::mem::discriminant(old) == std::mem::discriminant(new),
        };
        if !same {
            let text = |value: &Value<'a>| match value {
                Value::Tensor(tensor) => self.type_text(*tensor),
                other => other.describe().to_owned(),
            };
            let draft = error("E0516", format!("the new value of `{}` has another type", name.node))
                .at(expr.span, text(&value))
                .at(old.span, text(&old.value))
                .help("introduce a new name with `let`");
            self.fail(draft);
            value = Value::Poison;
        }
        if let Some(binding) = self.frame().and_then(|frame| frame.scopes[depth].get_mut(&name.node)) {
            binding.value = value;
        }
    }

    /// Counts a loop round or a call; false, after reporting it, if there are too many.
    pub(super) fn step(&mut self, span: Span) -> bool {
        self.steps += 1;
        let few = self.steps <= MAX_STEPS && self.graph.nodes.len() <= MAX_NODES;
        if !few {
            self.fail(
                error("E0607", "the model unrolls to too many steps")
                    .at(span, format!("at most {MAX_STEPS} loop rounds and calls, and {MAX_NODES} operations, in all")),
            );
        }
        few
    }

    fn unroll(&mut self, name: &'a Name, from: &'a Expr, to: &'a Expr, body: &'a [Stmt]) {
        let (Some(low), Some(high)) = (self.whole(from), self.whole(to)) else { return };
        let span = Span { start: from.span.start, end: to.span.end };
        if !self.deeper(span) {
            return;
        }
        self.rounds(name, (low, high), body, span);
        self.depth -= 1;
    }

    fn rounds(&mut self, name: &'a Name, (low, high): (i64, i64), body: &'a [Stmt], span: Span) {
        if low > high {
            self.fail(
                error("E0607", format!("the loop runs from {low} down to {high}"))
                    .at(span, "a range does not run backwards"),
            );
            return;
        }
        let base = self.frames.last().map(|frame| frame.base.clone()).unwrap_or_default();
        for round in low..high {
            if !self.step(span) {
                break;
            }
            if let Some(frame) = self.frame() {
                frame.scopes.push(HashMap::new());
                let index = format!("{}.{round}", name.node);
                frame.base = if base.is_empty() { index } else { format!("{base}/{index}") };
            }
            self.define(&name.node, Value::Int(round), name.span);
            self.statements(body);
            if let Some(frame) = self.frame() {
                frame.scopes.pop();
            }
        }
        if let Some(frame) = self.frame() {
            frame.base = base;
        }
    }

    fn assume(&mut self, value: &'a Expr, low: &'a Expr, high: &'a Expr) {
        let found = self.expr(value);
        let (tensor, low_value, high_value) =
            (self.want_tensor(&found, value.span), self.number(low), self.number(high));
        let (Some(tensor), Some(low_value), Some(high_value)) = (tensor, low_value, high_value) else { return };
        let span = Span { start: low.span.start, end: high.span.end };
        if low_value >= high_value {
            let text = format!("{low_value} is not below {high_value}");
            self.fail(error("E0611", "this is not a range").at(span, text).help("write the lower bound first"));
            return;
        }
        let mut inner = value;
        while let ExprKind::Paren(next) = &inner.kind {
            inner = next;
        }
        if !matches!(inner.kind, ExprKind::Name(_)) {
            self.fail(
                error("E0612", "a range is assumed of a name")
                    .at(value.span, "nothing reads this value")
                    .help("give the value a name with `let`, and use that"),
            );
            return;
        }
        let node = &mut self.graph.nodes[tensor.node.0 as usize];
        let (first, last) = node.assumed.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let both = (first.max(low_value), last.min(high_value));
        if both.0 < both.1 {
            node.assumed = Some(both);
        } else {
            let text = format!("an earlier assumption says [{first}, {last}]");
            self.fail(error("E0611", "two assumed ranges contradict each other").at(span, text));
        }
    }
}
