//! The model: its parameters, inputs, weights declaration, local parts and outputs.

use mpcc_grammar::ast::{
    Expr, ExprKind, Field, ListElem, ModelDef, Name, PartyWord, Span, Spanned, Stmt, StmtKind, TypeExpr, TypeKind,
};
use mpcc_grammar::ast::{Param, VisibilityWord};

use super::Lowerer;
use super::report::{error, warning};
use super::types::{type_text, visibility_text};
use super::value::{Tensor, Value};
use crate::graph::{Element, Input, Op, Output, Type, Visibility};
use crate::verify::MOST_OUTPUTS;

impl<'a> Lowerer<'a> {
    pub(super) fn model(&mut self, def: &'a ModelDef) {
        self.graph.name.clone_from(&def.name.node);
        self.open_frame(String::new(), None);
        for param in &def.params {
            let value = self.model_parameter(param);
            self.define(&param.name.node, value, param.name.span);
        }
        if let Some(frame) = self.frame() {
            frame.scopes.push(hashbrown::HashMap::new());
        }
        for stmt in &def.body {
            if let StmtKind::Weights { visibility, fields } = &stmt.kind {
                self.weights(visibility, fields, stmt.span);
            }
        }
        self.statements(&def.body);
        self.argmax_is_revealed();
        for stmt in &def.body {
            if let StmtKind::Tokenizer { file, fields } = &stmt.kind {
                self.tokenizer(file, fields, stmt.span);
            }
            if let StmtKind::Preprocess { input, fields } = &stmt.kind {
                self.preprocess(input, fields, stmt.span);
            }
        }
        let written = |stmt: &Stmt| matches!(stmt.kind, StmtKind::Output { .. });
        if self.graph.outputs.is_empty() && !def.body.iter().any(written) {
            self.fail(
                error("E0407", "the model has no output")
                    .at(def.name.span, "nobody would learn anything")
                    .help("end it with `output name: reveal client Tensor<…> = value;`"),
            );
        }
        self.frames.pop();
    }

    fn model_parameter(&mut self, param: &'a Param) -> Value<'a> {
        let (name, span) = (&param.name.node, param.name.span);
        if matches!(param.ty.kind, TypeKind::Tensor { .. }) {
            return self.fail(
                error("E0501", "parameters of a model are known at compile time")
                    .at(param.ty.span, "a tensor is not")
                    .help("declare an `input`, or a weight with `param`"),
            );
        }
        let Some(default) = &param.default else {
            return self.fail(
                error("E0307", format!("parameter `{name}` of the model has no value"))
                    .at(span, "no default")
                    .help(format!("give it a default: `{name}: … = value`")),
            );
        };
        let value = self.expr(default);
        let value = self.coerced(&param.ty.kind, value, default.span);
        if let (Value::Plan(table), Some(replacement)) = (&value, self.options.plans.get(name)) {
            return self.replaced_plan(&table.clone(), name, replacement, span);
        }
        if self.options.plans.contains_key(name) && !value.is_poison() && !self.plans.contains_key(name.as_str()) {
            return self.fail(error("E0203", format!("`{name}` is not a plan")).at(span, value.describe()));
        }
        match self.options.sets.get(name) {
            Some(set) => self.replaced(name, &value, set, span),
            None => value,
        }
    }

    fn weights(&mut self, visibility: &'a Spanned<VisibilityWord>, fields: &'a [Field], span: Span) {
        if let Some(first) = self.weights.replace(span) {
            self.fail(error("E0706", "`weights` is declared twice").at(span, "second time").at(first, "first time"));
            return;
        }
        if visibility.node != VisibilityWord::SecretServer {
            self.fail(
                error("E0405", "weights are `secret server`")
                    .at(visibility.span, "another owner is not supported")
                    .help("write `weights secret server { … }`"),
            );
        }
        for field in fields {
            match field.name.node.as_str() {
                "format" => {
                    if !matches!(&field.value.kind, ExprKind::Name(name) if name == "safetensors") {
                        let draft =
                            error("E0705", "this weights format is not known").at(field.value.span, "unknown format");
                        self.fail(draft.help("write `format: safetensors`"));
                    }
                }
                "ignore" => self.ignored(&field.value),
                name => {
                    self.fail(
                        error("E0705", format!("`weights` has no field `{name}`"))
                            .at(field.name.span, "unknown field")
                            .suggest(name, ["format", "ignore"])
                            .help("the fields are `format` and `ignore`"),
                    );
                }
            }
        }
    }

    fn ignored(&mut self, list: &'a Expr) {
        let strings = match &list.kind {
            ExprKind::List(elems) => elems.iter().map(|elem| match elem {
                ListElem::Plain(Expr { kind: ExprKind::Str(text), .. }) => Some(text.clone()),
                _ => None,
            }),
            _ => {
                self.fail(
                    error("E0705", "`ignore` is a list of names")
                        .at(list.span, "not a list")
                        .help("write `ignore: [\"a.b\", \"c.*\"]`"),
                );
                return;
            }
        };
        match strings.collect::<Option<Vec<String>>>() {
            Some(names) => self.graph.ignore = names,
            None => {
                self.fail(error("E0705", "`ignore` is a list of names").at(list.span, "an entry is not a string"));
            }
        }
    }

    pub(super) fn input(&mut self, name: &'a Name, ty: &'a TypeExpr) {
        let value = self.declared_input(name, ty).unwrap_or(Value::Poison);
        self.define(&name.node, value, name.span);
    }

    fn declared_input(&mut self, name: &'a Name, ty: &'a TypeExpr) -> Option<Value<'a>> {
        let wanted = self.tensor_type(ty)?;
        let owner = wanted.visibility.map(|(visibility, _)| visibility);
        if owner != Some(Visibility::SecretClient) {
            let text = match owner {
                None => "whose is it?".to_owned(),
                Some(visibility) => format!("`{}` inputs are not supported", visibility_text(visibility)),
            };
            let span = wanted.visibility.map_or(ty.span, |(_, span)| span);
            self.fail(
                error("E0404", format!("input `{}` must be `secret client`", name.node))
                    .at(span, text)
                    .help("the client supplies inputs; what the server supplies is a weight (`param`)"),
            );
        }
        let ty = Type {
            element: wanted.element.unwrap_or(Element::Real),
            shape: wanted.shape,
            visibility: Visibility::SecretClient,
        };
        let index = u32::try_from(self.graph.inputs.len()).ok()?;
        self.graph.inputs.push(Input { name: name.node.clone(), ty: ty.clone() });
        if let Some(frame) = self.frame() {
            frame.naming = Some(name.node.clone());
        }
        let node = self.push(Op::Input(index), ty, name.span);
        if let Some(frame) = self.frame() {
            frame.naming = None;
        }
        Some(Value::Tensor(Tensor { node, lead: 0 }))
    }

    pub(super) fn local(&mut self, party: PartyWord, body: &'a [Stmt]) {
        if let Some(frame) = self.frame() {
            frame.local = Some(party);
        }
        self.statements(body);
        if let Some(frame) = self.frame() {
            frame.local = None;
        }
    }

    pub(super) fn output(
        &mut self,
        name: &'a Name,
        party: &'a Spanned<PartyWord>,
        ty: &'a TypeExpr,
        expr: &'a Expr,
        (labels, any): (Option<&'a [Spanned<String>]>, bool),
    ) {
        if party.node == PartyWord::Server {
            self.fail(
                error("E0401", "outputs are revealed to the client only")
                    .at(party.span, "the server learns nothing of an inference")
                    .help("write `reveal client`"),
            );
        }
        if let Some(first) = self.graph.outputs.iter().find(|output| output.name == name.node) {
            let message = format!("output `{}` is defined twice", first.name);
            self.fail(error("E0302", message).at(name.span, "second definition"));
        }
        if self.graph.outputs.len() == MOST_OUTPUTS {
            self.fail(
                error("E0408", format!("a model has at most {MOST_OUTPUTS} outputs"))
                    .at(name.span, "one too many")
                    .help("join values of one shape with `concat`"),
            );
            return;
        }
        let value = self.named(name, expr);
        let (tensor, wanted) = (self.want_tensor(&value, expr.span), self.tensor_type(ty));
        let (Some(tensor), Some(wanted)) = (tensor, wanted) else { return };
        let found = self.ty(tensor.node).clone();
        let element = wanted.element.unwrap_or(Element::Real);
        if found.shape != wanted.shape || found.element != element {
            self.fail(
                error("E0520", format!("output `{}` has another type than declared", name.node))
                    .at(expr.span, type_text(Some(found.element), &found.shape))
                    .at(ty.span, format!("declared {}", type_text(Some(element), &wanted.shape))),
            );
        }
        match found.visibility {
            Visibility::Shared => {}
            Visibility::SecretServer => {
                self.fail(
                    error("E0402", format!("output `{}` would hand the server's weights to the client", name.node))
                        .at(expr.span, "a function of weights alone")
                        .help("an output must depend on the client's input as well"),
                );
            }
            Visibility::Public | Visibility::SecretClient => {
                self.report.emit(warning("W0005", format!("output `{}` reveals nothing", name.node)).at(
                    expr.span,
                    format!("the client can compute this alone: it is `{}`", visibility_text(found.visibility)),
                ))
            }
        }
        let labels = labels.unwrap_or_default();
        let named = match self.graph.node(tensor.node).op {
            Op::Argmax(x) => self.shape(x),
            _ => found.shape,
        };
        if let (Some(first), Some(last)) = (labels.first(), labels.last())
            && Some(labels.len()) != named.last().copied()
        {
            let span = Span { start: first.span.start, end: last.span.end };
            let extent = named.last().copied().unwrap_or(1);
            self.fail(
                error("E0519", format!("output `{}` needs {extent} labels", name.node))
                    .at(span, format!("found {}", labels.len()))
                    .at(expr.span, "one label per entry of the last axis of this"),
            );
        }
        let labels = labels.iter().map(|label| label.node.clone()).collect();
        if any && matches!(self.graph.node(tensor.node).op, Op::Argmax(_)) {
            self.fail(
                error("E0519", "an `argmax` chooses one label")
                    .at(expr.span, "this is one position")
                    .help("leave `any` out, or reveal the entries"),
            );
        }
        if any && let Ok(at) = u32::try_from(self.graph.outputs.len()) {
            self.graph.several.push(at);
        }
        self.graph.outputs.push(Output { name: name.node.clone(), node: tensor.node, labels });
    }
}
