//! Calls: matching arguments to parameters, and inlining functions of the source.
//!
//! A function declared on `Tensor<N, M>` and called on a tensor with more leading axes maps over them:
//! inside, those axes are there but not counted.

use hashbrown::HashMap;
use mpcc_grammar::ast::{Arg, Expr, ExprKind, FnDef, Param, Span, Stmt, StmtKind, TypeExpr, TypeKind};

use super::arithmetic::broadcast;
use super::report::error;
use super::types::{element, element_text, shape_text, visibility, visibility_text};
use super::value::{Argument, Binding, Function, Tensor, Value};
use super::{Call, Frame, Lowerer};
use crate::graph::{Element, NodeId, Op, Shape, Type, Visibility};
use crate::library;

/// Times a tensor may be repeated over the axes of a mapped call.
const MAX_REPEATS: usize = 1 << 20;

/// The leading axes a call maps over.
struct Mapping {
    /// Axes mapped in the caller already.
    lead: usize,
    /// Extents of the further ones.
    extra: Shape,
}

impl<'a> Lowerer<'a> {
    pub(super) fn call(&mut self, callee: &'a Expr, args: &'a [Arg], span: Span) -> Value<'a> {
        let target = self.expr(callee);
        let args: Vec<Argument<'a>> = args
            .iter()
            .map(|arg| Argument {
                name: arg.name.as_ref().map(|name| (name.node.as_str(), name.span)),
                value: self.expr(&arg.value),
                span: arg.value.span,
            })
            .collect();
        match target {
            Value::Poison => Value::Poison,
            Value::Function(function) => self.call_function(function, args, span),
            Value::Block(def) => self.configure(def, args, span),
            Value::Instance(instance) => self.call_instance(&instance, args, span),
            Value::Unplaced(unplaced) => {
                let name = &unplaced.def.name.node;
                let help = format!("write `let name = {name}(…) at \"path.of.its.weights\";` and call `name`");
                self.fail(
                    error("E0309", format!("block `{name}` has no place for its weights"))
                        .at(callee.span, "no `at`")
                        .help(help),
                )
            }
            other => {
                let text = format!("this is {}", other.describe());
                self.fail(error("E0310", "this cannot be called").at(callee.span, text))
            }
        }
    }

    pub(super) fn call_function(&mut self, function: Function<'a>, args: Vec<Argument<'a>>, span: Span) -> Value<'a> {
        match function {
            Function::User(def) => self.call_user(def, args, span),
            Function::Builtin(builtin) => self.call_builtin(builtin, args, span),
        }
    }

    /// Matches arguments to `formals` (name, whether required); `None` after reporting what does not match.
    pub(super) fn bind(
        &mut self,
        what: &str,
        formals: &[(&str, bool)],
        args: Vec<Argument<'a>>,
        span: Span,
        defined: Option<Span>,
    ) -> Option<Vec<Option<Argument<'a>>>> {
        let mut bound: Vec<Option<Argument<'a>>> = vec![None; formals.len()];
        let mut sound = true;
        let list = formals.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let (count, mut position) = (args.len(), 0);
        for arg in args {
            let slot = match arg.name {
                Some((name, name_span)) => {
                    let slot = formals.iter().position(|(formal, _)| *formal == name);
                    if slot.is_none() {
                        let draft = error("E0308", format!("{what} has no parameter `{name}`"))
                            .at(name_span, "unknown parameter");
                        let names = formals.iter().map(|(formal, _)| *formal);
                        self.fail(draft.suggest(name, names).help(format!("its parameters are {list}")));
                        sound = false;
                        continue;
                    }
                    slot
                }
                None => {
                    position += 1;
                    Some(position - 1)
                }
            };
            let Some(slot) = slot.filter(|slot| *slot < formals.len()) else {
                let text = format!("there are {count}, at most {} go", formals.len());
                let mut draft = error("E0307", format!("too many arguments for {what}")).at(arg.span, text);
                if let Some(defined) = defined {
                    draft = draft.at(defined, "defined here");
                }
                self.fail(draft);
                return None;
            };
            if let Some(first) = &bound[slot] {
                let first = first.span;
                let message = format!("parameter `{}` of {what} is given twice", formals[slot].0);
                self.fail(error("E0308", message).at(arg.span, "second time").at(first, "first time"));
                sound = false;
            }
            bound[slot] = Some(arg);
        }
        let missing: Vec<&str> = formals
            .iter()
            .zip(&bound)
            .filter(|((_, required), arg)| *required && arg.is_none())
            .map(|((name, _), _)| *name)
            .collect();
        if !missing.is_empty() && sound {
            let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let mut draft = error("E0307", format!("{what} is called without {names}")).at(span, "argument missing");
            if let Some(defined) = defined {
                draft = draft.at(defined, "defined here");
            }
            self.fail(draft.help(format!("its parameters are {list}")));
            sound = false;
        }
        sound.then_some(bound)
    }

    /// [`Self::bind`] for parameters of the source.
    pub(super) fn bind_params(
        &mut self,
        what: &str,
        params: &'a [Param],
        args: Vec<Argument<'a>>,
        span: Span,
        defined: Span,
    ) -> Option<Vec<Option<Argument<'a>>>> {
        let formals: Vec<(&str, bool)> =
            params.iter().map(|param| (param.name.node.as_str(), param.default.is_none())).collect();
        self.bind(what, &formals, args, span, Some(defined))
    }

    /// Whether a function or block of this name is being lowered already; reports it.
    pub(super) fn recursive(&mut self, name: &str, span: Span, defined: Span) -> bool {
        let open = self.frames.iter().any(|frame| frame.call.as_ref().is_some_and(|call| call.defined == defined));
        if open {
            self.fail(
                error("E0311", format!("`{name}` calls itself"))
                    .at(span, "called again here")
                    .at(defined, "defined here")
                    .help("calls are inlined, so there is no recursion; write a `for` loop"),
            );
        }
        open
    }

    /// A new frame below the current one.
    pub(super) fn open_frame(&mut self, base: String, block: Option<(String, String)>) {
        let local = self.frames.last().and_then(|frame| frame.local);
        let library = self.frames.last().and_then(|frame| frame.library.clone());
        let scopes = vec![HashMap::new()];
        self.frames.push(Frame { scopes, base, naming: None, block, local, call: None, library });
    }

    /// Gives a name its meaning in the innermost scope. A second one, reported with the names, has none.
    pub(super) fn define(&mut self, name: &str, value: Value<'a>, span: Span) {
        if let Some(scope) = self.frame().and_then(|frame| frame.scopes.last_mut()) {
            let value = if scope.contains_key(name) { Value::Poison } else { value };
            scope.insert(name.to_owned(), Binding { value, span });
        }
    }

    fn call_user(&mut self, def: &'a FnDef, args: Vec<Argument<'a>>, span: Span) -> Value<'a> {
        let name = &def.name.node;
        if self.recursive(name, span, def.name.span) || !self.step(span) {
            return Value::Poison;
        }
        let what = format!("function `{name}`");
        let Some(mut bound) = self.bind_params(&what, &def.params, args, span, def.name.span) else {
            return Value::Poison;
        };
        if bound.iter().flatten().any(|arg| arg.value.is_poison()) {
            return Value::Poison;
        }
        let Some(mapping) = self.mapped(def, &mut bound, span) else { return Value::Poison };
        let path = self.path();
        let base = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let block = self.frames.last().and_then(|frame| frame.block.clone());
        self.open_frame(base, block);
        if let Some(frame) = self.frame()
            && frame.library.is_none()
            && library::holds(def.name.span)
        {
            frame.library = Some((name.clone(), span));
        }
        let value = if self.bind_generics(def, &bound, span) && self.bind_values(&def.params, bound, &what) {
            if let Some(frame) = self.frame() {
                frame.call = Some(Call { name: name.clone(), at: span, defined: def.name.span });
            }
            let value = self.body(&def.body);
            self.result(&def.result, value, &def.body, mapping.extra.is_empty())
        } else {
            Value::Poison
        };
        self.frames.pop();
        self.unmapped(value, &mapping, span)
    }

    /// Turns tensor arguments' additional leading axes into mapped ones.
    fn mapped(&mut self, def: &'a FnDef, bound: &mut [Option<Argument<'a>>], span: Span) -> Option<Mapping> {
        let mut mapping = Mapping { lead: 0, extra: Shape::new() };
        let mut widest: Option<Span> = None;
        let mut tensors: Vec<(usize, Tensor, usize)> = Vec::new();
        for (at, (param, arg)) in def.params.iter().zip(bound.iter()).enumerate() {
            let (TypeKind::Tensor { dims, .. }, Some(arg)) = (&param.ty.kind, arg) else { continue };
            let tensor = self.as_tensor(&arg.value.clone(), arg.span)?;
            let seen = self.seen(tensor);
            let Some(extra) = seen.len().checked_sub(dims.len()) else {
                let message =
                    format!("`{}` of function `{}` needs {} axes", param.name.node, def.name.node, dims.len());
                self.fail(error("E0505", message).at(arg.span, shape_text(&seen)).at(param.ty.span, "declared here"));
                return None;
            };
            mapping.lead = mapping.lead.max(tensor.lead);
            if extra > 0 {
                match widest {
                    Some(first) if mapping.extra.as_slice() != &seen[..extra] => {
                        let text = format!("maps over {}", shape_text(&seen[..extra]));
                        let other = format!("maps over {}", shape_text(&mapping.extra));
                        let message = format!("the arguments of `{}` have different leading axes", def.name.node);
                        self.fail(error("E0522", message).at(arg.span, text).at(first, other));
                        return None;
                    }
                    Some(_) => {}
                    None => {
                        widest = Some(arg.span);
                        mapping.extra = Shape::from_slice(&seen[..extra]);
                    }
                }
            }
            tensors.push((at, tensor, extra));
        }
        for (at, tensor, extra) in tensors {
            let lead = mapping.lead + mapping.extra.len();
            let mut placed = tensor;
            if !mapping.extra.is_empty() && (tensor.lead, extra) != (0, 0) {
                if (tensor.lead, extra) != (mapping.lead, mapping.extra.len()) {
                    let shape = self.shape(tensor.node);
                    let (mapped, seen) = shape.split_at(tensor.lead);
                    let (more, rest) = seen.split_at(extra);
                    let ones = |count: usize| std::iter::repeat_n(1, count);
                    let shape = ones(mapping.lead - tensor.lead)
                        .chain(mapped.iter().copied())
                        .chain(ones(mapping.extra.len() - extra))
                        .chain(more.iter().copied())
                        .chain(rest.iter().copied());
                    let shape: Shape = shape.collect();
                    placed.node = self.reshaped_node(tensor.node, shape, span);
                }
                placed.lead = lead;
            }
            if let Some(arg) = &mut bound[at] {
                arg.value = Value::Tensor(placed);
            }
        }
        Some(mapping)
    }

    /// The result of a mapped call as the caller sees it.
    fn unmapped(&mut self, value: Value<'a>, mapping: &Mapping, span: Span) -> Value<'a> {
        let Value::Tensor(tensor) = value else { return value };
        if mapping.extra.is_empty() {
            return value;
        }
        let lead = if tensor.lead > 0 { mapping.lead } else { 0 };
        let result = Tensor { node: tensor.node, lead };
        if self.seen(result).starts_with(&mapping.extra) && tensor.lead > 0 {
            return Value::Tensor(result);
        }
        let axes = self.seen(tensor).len();
        match self.repeated(tensor.node, &mapping.extra, axes, span) {
            Some(node) => Value::Tensor(Tensor { node, lead }),
            None => self.unmappable("this result", span),
        }
    }

    /// A tensor repeated along `leading` axes in front of its last `axes` ones, where it has none or extent 1.
    pub(super) fn repeated(&mut self, node: NodeId, leading: &[usize], axes: usize, span: Span) -> Option<NodeId> {
        let count = leading.iter().product::<usize>();
        let zeros: Shape = leading.iter().copied().chain(std::iter::repeat_n(1, axes)).collect();
        let full = broadcast(&self.shape(node), &zeros)?;
        if count > MAX_REPEATS {
            return None;
        }
        let zeros = self.node(Op::Const(vec![0.0; count]), Element::Real, zeros, span);
        Some(self.node(Op::Add(node, zeros), Element::Real, full, span))
    }

    /// Reads shape variables off the arguments.
    fn bind_generics(&mut self, def: &'a FnDef, bound: &[Option<Argument<'a>>], span: Span) -> bool {
        for (param, arg) in def.params.iter().zip(bound) {
            let (TypeKind::Tensor { dims, .. }, Some(Argument { value: Value::Tensor(tensor), .. })) =
                (&param.ty.kind, arg)
            else {
                continue;
            };
            for (dim, extent) in dims.iter().zip(self.seen(*tensor)) {
                let ExprKind::Name(name) = &dim.kind else { continue };
                let generic = def.generics.iter().any(|generic| generic.node == *name);
                let known = self.frames.last().is_some_and(|frame| frame.scopes[0].contains_key(name));
                if generic && !known {
                    self.define(name, Value::Int(extent as i64), dim.span);
                }
            }
        }
        for generic in &def.generics {
            if !self.frames.last().is_some_and(|frame| frame.scopes[0].contains_key(&generic.node)) {
                self.fail(
                    error("E0507", format!("shape variable `{}` cannot be told from the arguments", generic.node))
                        .at(span, "in this call")
                        .at(generic.span, "not an extent of any parameter")
                        .help("use it alone as an extent of a tensor parameter, or make it a parameter of type `int`"),
                );
                return false;
            }
        }
        true
    }

    /// Checks arguments against their declared types and defines the parameters.
    pub(super) fn bind_values(&mut self, params: &'a [Param], bound: Vec<Option<Argument<'a>>>, what: &str) -> bool {
        let mut sound = true;
        for (param, arg) in params.iter().zip(bound) {
            let (value, span) = match (arg, &param.default) {
                (Some(arg), _) => (arg.value, arg.span),
                (None, Some(default)) => (self.expr(default), default.span),
                (None, None) => (Value::Poison, param.name.span),
            };
            let value = match &param.ty.kind {
                TypeKind::Tensor { .. } => {
                    self.fits(&param.ty, value, span, &format!("`{}` of {what}", param.name.node))
                }
                kind => self.coerced(kind, value, span),
            };
            sound &= !value.is_poison();
            self.define(&param.name.node, value, param.name.span);
        }
        sound
    }

    /// A compile-time value of a declared kind.
    pub(super) fn coerced(&mut self, kind: &TypeKind, value: Value<'a>, span: Span) -> Value<'a> {
        let wanted = match (kind, &value) {
            (_, Value::Poison)
            | (TypeKind::Int, Value::Int(_))
            | (TypeKind::Bool, Value::Bool(_))
            | (TypeKind::Fn, Value::Function(_))
            | (TypeKind::Plan, Value::Plan(_) | Value::PlanRow(..)) => return value,
            (TypeKind::Real, Value::Int(_) | Value::Real(_)) => {
                return value.as_number().map_or(Value::Poison, Value::Real);
            }
            (TypeKind::Int, _) => "a whole number",
            (TypeKind::Bool, _) => "true or false",
            (TypeKind::Fn, _) => "a function",
            (TypeKind::Plan, _) => "a plan",
            (TypeKind::Real, _) => "a number",
            (TypeKind::Tensor { .. }, _) => "a tensor",
        };
        self.mismatch(wanted, &value, span).unwrap_or(Value::Poison)
    }

    /// A tensor that must have a declared type.
    fn fits(&mut self, ty: &'a TypeExpr, value: Value<'a>, span: Span, what: &str) -> Value<'a> {
        let (Some(tensor), Some(wanted)) = (self.want_tensor(&value, span), self.tensor_type(ty)) else {
            return Value::Poison;
        };
        let (seen, found) = (self.seen(tensor), self.ty(tensor.node).clone());
        if seen != wanted.shape {
            return self.fail(
                error("E0505", format!("{what} must be {}", shape_text(&wanted.shape)))
                    .at(span, shape_text(&seen))
                    .at(ty.span, "declared here"),
            );
        }
        if let Some(element) = wanted.element.filter(|element| *element != found.element) {
            return self.fail(
                error("E0517", format!("{what} must hold `{}`", element_text(element)))
                    .at(span, format!("holds `{}`", element_text(found.element)))
                    .at(ty.span, "declared here"),
            );
        }
        if let Some((most, _)) = wanted.visibility.filter(|(most, _)| most.join(found.visibility) != *most) {
            return self.fail(
                error("E0406", format!("{what} must be `{}`", visibility_text(most)))
                    .at(span, format!("this is {}", visibility_text(found.visibility)))
                    .at(ty.span, "declared here")
                    .help("leave the visibility out to accept any"),
            );
        }
        Value::Tensor(tensor)
    }

    /// Runs the statements of a function up to its `return`.
    pub(super) fn body(&mut self, body: &'a [Stmt]) -> Value<'a> {
        for stmt in body {
            if let StmtKind::Return(value) = &stmt.kind {
                return self.expr(value);
            }
            self.statement(stmt);
        }
        Value::Poison
    }

    /// Checks a result against its declared type. In place of a poisoned one, a tensor of the declared
    /// type (when `recover`) lets the caller be checked further: the graph is never handed out then.
    pub(super) fn result(&mut self, ty: &'a TypeExpr, value: Value<'a>, body: &'a [Stmt], recover: bool) -> Value<'a> {
        let span = body.iter().find_map(|stmt| match &stmt.kind {
            StmtKind::Return(value) => Some(value.span),
            _ => None,
        });
        let span = span.unwrap_or(ty.span);
        let TypeKind::Tensor { element: word, dims } = &ty.kind else { return self.coerced(&ty.kind, value, span) };
        if value.is_poison() {
            let local = self.frames.last().is_some_and(|frame| frame.local.is_some());
            return match self.extents(dims, ty.span) {
                Some(shape) if recover && !local => {
                    let ty =
                        Type { element: word.map_or(Element::Real, element), shape, visibility: Visibility::Shared };
                    Value::Tensor(Tensor { node: self.push(Op::Const(Vec::new()), ty, span), lead: 0 })
                }
                _ => Value::Poison,
            };
        }
        let (Some(tensor), Some(wanted)) = (self.want_tensor(&value, span), self.extents(dims, ty.span)) else {
            return Value::Poison;
        };
        let seen = self.seen(tensor);
        let found = self.ty(tensor.node).clone();
        if seen != wanted {
            return self.fail(
                error("E0506", format!("the result must be {}", shape_text(&wanted)))
                    .at(span, shape_text(&seen))
                    .at(ty.span, "declared here"),
            );
        }
        if let Some(element) = word.map(element).filter(|element| *element != found.element) {
            return self.fail(
                error("E0517", format!("the result must hold `{}`", element_text(element)))
                    .at(span, format!("holds `{}`", element_text(found.element)))
                    .at(ty.span, "declared here"),
            );
        }
        let most = ty.visibility.as_ref().map(|word| visibility(word.node));
        if let Some(most) = most.filter(|most| most.join(found.visibility) != *most) {
            return self.fail(
                error("E0406", format!("the result must be `{}`", visibility_text(most)))
                    .at(span, format!("this is {}", visibility_text(found.visibility)))
                    .at(ty.span, "declared here"),
            );
        }
        Value::Tensor(tensor)
    }
}
