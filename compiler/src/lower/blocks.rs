//! Blocks: arguments, a place for their weights, and calls of `forward`.

use std::rc::Rc;

use hashbrown::HashMap;
use mpcc_grammar::ast::{BlockDef, Expr, Span, Spanned, StmtKind, TypeKind};

use super::report::error;
use super::value::{Argument, Instance, Unplaced, Value};
use super::{Call, Lowerer};

impl<'a> Lowerer<'a> {
    /// `Block(args)`
    pub(super) fn configure(&mut self, def: &'a BlockDef, args: Vec<Argument<'a>>, span: Span) -> Value<'a> {
        let what = format!("block `{}`", def.name.node);
        for param in &def.params {
            if matches!(param.ty.kind, TypeKind::Tensor { .. }) {
                return self.fail(
                    error("E0501", format!("parameters of {what} are known at compile time"))
                        .at(param.ty.span, "a tensor is not")
                        .help("tensors are parameters of `forward`"),
                );
            }
        }
        let Some(bound) = self.bind_params(&what, &def.params, args, span, def.name.span) else { return Value::Poison };
        let block = self.frames.last().and_then(|frame| frame.block.clone());
        self.open_frame(String::new(), block);
        let sound = self.bind_values(&def.params, bound, &what);
        let args = self.frames.pop().and_then(|mut frame| frame.scopes.pop());
        match args.filter(|_| sound) {
            Some(args) => Value::Unplaced(Rc::new(Unplaced { def, args })),
            None => Value::Poison,
        }
    }

    /// `value at "path"`
    pub(super) fn place(&mut self, value: &'a Expr, path: &'a Spanned<String>) -> Value<'a> {
        let unplaced = match self.expr(value) {
            Value::Unplaced(unplaced) => unplaced,
            Value::Poison => return Value::Poison,
            Value::Block(def) => {
                let name = &def.name.node;
                let draft = error("E0309", format!("block `{name}` needs its arguments before `at`"))
                    .at(value.span, "no arguments");
                return self.fail(draft.help(format!("write `{name}(…) at …`, or `{name}() at …` without any")));
            }
            other => {
                let draft =
                    error("E0309", "`at` places a block").at(value.span, format!("this is {}", other.describe()));
                return self.fail(draft);
            }
        };
        let Some(relative) = self.interpolated(path) else { return Value::Poison };
        let (path, label) = match self.frames.last().and_then(|frame| frame.block.as_ref()) {
            Some((path, label)) => (format!("{path}.{relative}"), format!("{label}.{relative}")),
            None => (relative.clone(), short(&relative)),
        };
        let def = unplaced.def;
        self.open_frame(label.clone(), Some((path.clone(), label.clone())));
        if let Some(frame) = self.frame() {
            frame.scopes = vec![unplaced.args.clone()];
        }
        for stmt in &def.decls {
            match &stmt.kind {
                StmtKind::Param { .. } | StmtKind::Assert(_) => self.statement(stmt),
                _ => {}
            }
        }
        let scope = self.frames.pop().and_then(|mut frame| frame.scopes.pop()).unwrap_or_default();
        Value::Instance(Rc::new(Instance { def, scope, path, label }))
    }

    /// `instance(tensors)`
    pub(super) fn call_instance(
        &mut self,
        instance: &Rc<Instance<'a>>,
        args: Vec<Argument<'a>>,
        span: Span,
    ) -> Value<'a> {
        let def = instance.def;
        if self.recursive(&def.name.node, span, def.name.span) || !self.step(span) {
            return Value::Poison;
        }
        let what = format!("block `{}`", def.name.node);
        let Some(bound) = self.bind_params(&what, &def.inputs, args, span, def.forward_span) else {
            return Value::Poison;
        };
        let poisoned = bound.iter().flatten().any(|arg| arg.value.is_poison());
        self.open_frame(instance.label.clone(), Some((instance.path.clone(), instance.label.clone())));
        if let Some(frame) = self.frame() {
            frame.scopes = vec![instance.scope.clone(), HashMap::new()];
        }
        let sound = self.bind_values(&def.inputs, bound, &what);
        if let Some(frame) = self.frame() {
            frame.call = Some(Call { name: def.name.node.clone(), at: span, defined: def.name.span });
        }
        let value = if sound { self.body(&def.body) } else { Value::Poison };
        let value = self.result(&def.result, value, &def.body, !poisoned);
        self.frames.pop();
        value
    }
}

/// The end of a weight path that tells instances apart: `classifier.blocks.3` is `blocks.3`.
fn short(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let numbered = parts.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let kept = if numbered { 2 } else { 1 };
    parts[parts.len().saturating_sub(kept)..].join(".")
}
