//! The top level of a file: which items there are, constants, asserts and fixed-point settings.

use hashbrown::HashMap;
use mpcc_grammar::ast::{Assert, Expr, Field, ItemKind, Module, Name, Span};

use super::Lowerer;
use super::SetValue;
use super::builtin::Builtin;
use super::report::{closest, error, warning};
use super::value::{Binding, Value};

/// Fields of `numeric`; each but the first holds fraction bits.
pub(super) const NUMERIC_FIELDS: [&str; 7] =
    ["ring", "frac", "weight_frac", "rsqrt_frac", "recip_frac", "table_frac", "output_frac"];

/// Most fraction bits a setting may ask for.
const MAX_FRACTION_BITS: i64 = 40;

fn is_constant(value: &Value<'_>) -> bool {
    match value {
        Value::Poison | Value::Int(_) | Value::Real(_) | Value::Bool(_) => true,
        Value::List(list) => list.iter().all(|(value, _)| is_constant(value)),
        _ => false,
    }
}

impl<'a> Lowerer<'a> {
    /// Registers every item by name.
    pub(super) fn collect_items(&mut self, module: &'a Module) {
        let mut defined: HashMap<&'a str, Span> = HashMap::new();
        let mut models = Vec::new();
        for item in &module.items {
            let name = match &item.kind {
                ItemKind::Const { name, .. } => name,
                ItemKind::Fn(def) => &def.name,
                ItemKind::Plan(def) => &def.name,
                ItemKind::Block(def) => &def.name,
                ItemKind::Model(def) => {
                    models.push(def);
                    &def.name
                }
                ItemKind::Assert(_) | ItemKind::Numeric(_) => continue,
            };
            if Builtin::named(&name.node).is_some() {
                self.fail(
                    error("E0302", format!("`{}` is a built-in function", name.node))
                        .at(name.span, "cannot be defined again")
                        .help("choose another name"),
                );
                continue;
            }
            if let Some(first) = defined.get(name.node.as_str()).copied() {
                self.fail(
                    error("E0302", format!("`{}` is defined twice", name.node))
                        .at(name.span, "second definition")
                        .at(first, "first definition"),
                );
                continue;
            }
            defined.insert(&name.node, name.span);
            match &item.kind {
                ItemKind::Const { .. } => {
                    self.later.insert(&name.node, name.span);
                }
                ItemKind::Fn(def) => {
                    self.fns.insert(&name.node, def);
                }
                ItemKind::Plan(def) => {
                    self.plans.insert(&name.node, def);
                }
                ItemKind::Block(def) => {
                    self.blocks.insert(&name.node, def);
                }
                ItemKind::Model(_) | ItemKind::Assert(_) | ItemKind::Numeric(_) => {}
            }
        }
        self.model = models.first().copied();
        match models.as_slice() {
            [] => {
                let help = "add `model Name() { … }` with an `input`, `weights` and an `output`";
                self.fail(
                    error("E0306", "the file has no model").at(module.edition.span, "no `model` below").help(help),
                );
            }
            [first, rest @ ..] => {
                for second in rest {
                    self.fail(
                        error("E0306", "a file holds one model")
                            .at(second.name.span, "another model")
                            .at(first.name.span, "the model of this file"),
                    );
                }
            }
        }
    }

    /// Evaluates constants, asserts and settings in source order, then plans, then what the caller replaces.
    pub(super) fn module_values(&mut self, module: &'a Module) {
        let mut settings: Option<Span> = None;
        for item in &module.items {
            match &item.kind {
                ItemKind::Const { name, value } => self.constant(name, value),
                ItemKind::Assert(assert) => self.assert(assert),
                ItemKind::Numeric(fields) => {
                    if let Some(first) = settings.replace(item.span) {
                        self.fail(
                            error("E0302", "`numeric` is given twice")
                                .at(item.span, "second time")
                                .at(first, "first time"),
                        );
                    }
                    self.numeric(fields);
                }
                _ => {}
            }
        }
        for item in &module.items {
            if let ItemKind::Plan(def) = &item.kind {
                let first = self.plans.get(def.name.node.as_str()).is_some_and(|first| std::ptr::eq(*first, def));
                if let (true, value) = (first, self.plan(def)) {
                    self.globals.insert(def.name.node.clone(), Binding { value, span: def.name.span });
                }
            }
        }
        self.unknown_options();
    }

    fn constant(&mut self, name: &'a Name, expr: &'a Expr) {
        if self.later.get(name.node.as_str()) != Some(&name.span) {
            return;
        }
        let mut value = self.expr(expr);
        if !is_constant(&value) {
            value =
                self.mismatch("a number, a truth value or a list of them", &value, expr.span).unwrap_or(Value::Poison);
        }
        if let Some(set) = self.options.sets.get(&name.node) {
            value = self.replaced(&name.node, &value, set, name.span);
        }
        self.later.remove(name.node.as_str());
        self.globals.insert(name.node.clone(), Binding { value, span: name.span });
    }

    /// The caller's value in place of a declared one, if it is of the same kind.
    pub(super) fn replaced(&mut self, name: &str, declared: &Value<'a>, set: &SetValue, span: Span) -> Value<'a> {
        match (declared, set) {
            (Value::Poison, _) => Value::Poison,
            (Value::Int(_), SetValue::Int(n)) => Value::Int(*n),
            (Value::Real(_), SetValue::Int(n)) => Value::Real(*n as f64),
            (Value::Real(_), SetValue::Real(x)) if x.is_finite() => Value::Real(*x),
            (Value::Bool(_), SetValue::Bool(b)) => Value::Bool(*b),
            (Value::Function(_), SetValue::Name(function)) => self.named_function(function, name, span),
            _ => {
                let text = format!("`{name}` cannot be set to this value");
                self.fail(error("E0312", text).at(span, format!("declared as {}", declared.describe())))
            }
        }
    }

    pub(super) fn assert(&mut self, assert: &'a Assert) {
        let value = self.expr(&assert.condition);
        match value {
            Value::Bool(true) => {}
            Value::Bool(false) => {
                let message = match &assert.message {
                    Some(message) => format!("assertion failed: {}", message.node),
                    None => "assertion failed".to_owned(),
                };
                let text = match self.sides(&assert.condition) {
                    Some(sides) => format!("false: {sides}"),
                    None => "this is false".to_owned(),
                };
                self.fail(error("E0601", message).at(assert.condition.span, text));
            }
            other => {
                self.mismatch::<()>("true or false", &other, assert.condition.span);
            }
        }
    }

    fn numeric(&mut self, fields: &'a [Field]) {
        let mut seen: HashMap<&'a str, Span> = HashMap::new();
        for field in fields {
            let (name, span) = (field.name.node.as_str(), field.name.span);
            if let Some(first) = seen.get(name).copied() {
                self.fail(
                    error("E0302", format!("`{name}` is set twice")).at(span, "second time").at(first, "first time"),
                );
                continue;
            }
            seen.insert(name, span);
            if !NUMERIC_FIELDS.contains(&name) {
                let fields = NUMERIC_FIELDS.map(|field| format!("`{field}`")).join(", ");
                self.fail(
                    error("E0608", format!("`numeric` has no field `{name}`"))
                        .at(span, "unknown field")
                        .suggest(name, NUMERIC_FIELDS)
                        .help(format!("the fields are {fields}")),
                );
                continue;
            }
            let Some(bits) = self.whole(&field.value) else { continue };
            if name == "ring" {
                if bits != 64 {
                    let help = "widths of single wires are chosen by the compiler; the setting names the word they are held in";
                    self.fail(
                        error("E0610", format!("a ring of {bits} bits is not supported"))
                            .at(field.value.span, "only 64 is")
                            .help(help),
                    );
                }
                continue;
            }
            let Some(bits) = u8::try_from(bits).ok().filter(|bits| (1..=MAX_FRACTION_BITS).contains(&i64::from(*bits)))
            else {
                self.fail(
                    error("E0609", format!("`{name}` cannot be {bits}"))
                        .at(field.value.span, format!("fraction bits lie in 1 to {MAX_FRACTION_BITS}")),
                );
                continue;
            };
            let numeric = &mut self.graph.numeric;
            match name {
                "frac" => numeric.frac = bits,
                "weight_frac" => numeric.weight_frac = bits,
                "rsqrt_frac" => numeric.rsqrt_frac = bits,
                "recip_frac" => numeric.recip_frac = bits,
                "table_frac" => numeric.table_frac = bits,
                _ => numeric.output_frac = bits,
            }
        }
        let numeric = &self.graph.numeric;
        if numeric.weight_frac < numeric.frac
            && let Some(field) = fields.iter().find(|field| field.name.node == "weight_frac")
        {
            self.report.emit(
                warning("W0006", "weights have fewer fraction bits than activations")
                    .at(field.value.span, "weight rounding will dominate the error"),
            );
        }
    }

    /// Reports replacements of names that the module does not have.
    fn unknown_options(&mut self) {
        let parameters = self.model.map(|model| model.params.as_slice()).unwrap_or_default();
        let parameters: Vec<&str> = parameters.iter().map(|param| param.name.node.as_str()).collect();
        for name in self.options.plans.keys() {
            let known = || parameters.iter().copied().chain(self.plans.keys().copied());
            if !known().any(|candidate| candidate == name) {
                let mut draft = error("E0203", format!("there is no plan `{name}` to replace"));
                if let Some(candidate) = closest(name, known()) {
                    draft = draft.help(format!("did you mean `{candidate}`?"));
                }
                self.fail(draft);
            }
        }
        for name in self.options.sets.keys() {
            let constants = self.globals.keys().map(String::as_str).filter(|global| !self.plans.contains_key(global));
            let known: Vec<&str> = constants.chain(parameters.iter().copied()).collect();
            if !known.iter().any(|candidate| candidate == name) {
                let draft = error("E0312", format!("there is no constant or model parameter `{name}` to set"));
                self.fail(draft.suggest(name, known));
            }
        }
    }
}
