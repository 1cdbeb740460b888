//! Plans: tables of functions that cover every index exactly once.

use std::rc::Rc;

use mpcc_grammar::ast::{Expr, ExprKind, ListElem, PlanDef, PlanKind, Span};

use super::report::error;
use super::supernet::renamed;
use super::value::{Entry, Function, Table, Value};
use super::{Lowerer, PlanValue};
use crate::library;

/// Entries a plan may have at most.
const MAX_ENTRIES: usize = 1 << 20;

/// What an axis of a plan counts, for messages.
struct Axis {
    /// `head`
    unit: &'static str,
    extent: usize,
    /// ` of layer 1`
    place: String,
}

/// The word of the language for a plan kind.
fn word(kind: PlanKind) -> &'static str {
    match kind {
        PlanKind::PerHead => "per_head",
        PlanKind::PerLayer => "per_layer",
        PlanKind::PerRow => "per_row",
    }
}

fn unit(kind: PlanKind) -> &'static str {
    match kind {
        PlanKind::PerRow => "row",
        PlanKind::PerHead | PlanKind::PerLayer => "head",
    }
}

impl<'a> Lowerer<'a> {
    /// Evaluates a plan of the source, or what the caller put in its place.
    pub(super) fn plan(&mut self, def: &'a PlanDef) -> Value<'a> {
        let (wanted, names) = match def.kind.node {
            PlanKind::PerLayer => (1, "the number of layers"),
            PlanKind::PerHead => (2, "the numbers of layers and heads"),
            PlanKind::PerRow => (2, "the numbers of layers and rows"),
        };
        if def.dims.len() != wanted {
            let text = format!("takes {names}, found {}", def.dims.len());
            let message =
                format!("`{}` takes {wanted} extent{}", word(def.kind.node), if wanted == 1 { "" } else { "s" });
            return self.fail(error("E0201", message).at(def.kind.span, text));
        }
        let mut extents = Vec::new();
        for dim in &def.dims {
            let Some(extent) = self.extent(dim) else { return Value::Poison };
            extents.push(extent);
            let entries = extents.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
            if entries.is_none_or(|entries| entries > MAX_ENTRIES) {
                let text = format!("at most {MAX_ENTRIES} in all");
                return self.fail(error("E0518", "a plan has too many entries").at(dim.span, text));
            }
        }
        let columns = extents.get(1).copied();
        let rows = match &def.follows {
            Some(followed) => self.following(def, followed, &extents),
            None => self.fill(def, &def.entries, &layers(extents[0]), &mut |this, layer, expr| match columns {
                None => this.entry(def, expr).map(|entry| vec![entry]),
                Some(extent) => {
                    let axis = Axis { unit: unit(def.kind.node), extent, place: format!(" of layer {layer}") };
                    this.fill(def, expr, &axis, &mut |this, _, expr| this.entry(def, expr))
                }
            }),
        };
        let table = rows.map(|rows| Rc::new(Table { name: def.name.node.clone(), kind: def.kind.node, rows }));
        match (table, self.options.plans.get(&def.name.node)) {
            (Some(table), Some(replacement)) => self.replaced_plan(&table, &def.name.node, replacement, def.name.span),
            (Some(table), None) => {
                self.note_open(&table);
                Value::Plan(table)
            }
            (None, _) => Value::Poison,
        }
    }

    /// Evaluates one axis of a plan; `None` after reporting what is not covered exactly once.
    fn fill<T: Clone>(
        &mut self,
        def: &'a PlanDef,
        list: &'a Expr,
        axis: &Axis,
        entry: &mut dyn FnMut(&mut Self, usize, &'a Expr) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (name, extent, unit) = (&def.name.node, axis.extent, axis.unit);
        let has = format!("`{}` has {unit}s 0..{extent}", self.kind_text(def));
        let out_of_range = |this: &mut Self, span: Span, end: i64| {
            let message = format!("plan `{name}` names a {unit}{} that does not exist", axis.place);
            let verb = if end < 0 { "starts" } else { "ends" };
            this.fail(error("E0209", message).at(span, format!("{verb} at {end}, but {has}")));
        };
        match &list.kind {
            ExprKind::Paren(inner) => self.fill(def, inner, axis, entry),
            ExprKind::Repeat { value, count } => {
                let times = self.whole(count)?;
                match usize::try_from(times) {
                    Ok(times) if times == extent => (0..extent).map(|at| entry(self, at, value)).collect(),
                    Ok(times) if times < extent => self.gap(
                        name,
                        axis,
                        &(times..extent).collect::<Vec<_>>(),
                        count.span,
                        &format!("ends at {times}, but {has}"),
                    ),
                    _ => {
                        out_of_range(self, count.span, times);
                        None
                    }
                }
            }
            ExprKind::List(elems) => {
                let mut cover: Vec<Option<(Option<T>, Span)>> = vec![None; extent];
                let mut next = 0;
                let mut sound = true;
                let mut last = (list.span, 0);
                for elem in elems {
                    let (from, to, value, span) = match elem {
                        ListElem::Plain(value) => (next, next + 1, value, value.span),
                        ListElem::At(at, value) => {
                            let from = self.whole(at)?;
                            (from, from.saturating_add(1), value, at.span)
                        }
                        ListElem::Range(from, to, value) => {
                            let span = Span { start: from.span.start, end: to.span.end };
                            (self.whole(from)?, self.whole(to)?, value, span)
                        }
                    };
                    next = to;
                    let bounds = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                    let Some((from, to)) = bounds.filter(|(from, to)| from < to && *to <= extent) else {
                        if from >= to {
                            let message = format!("plan `{name}` has an empty range");
                            self.fail(error("E0209", message).at(span, "a range ends after it begins"));
                        } else {
                            out_of_range(self, span, if from < 0 { from } else { to });
                        }
                        sound = false;
                        continue;
                    };
                    last = (span, to);
                    for (at, slot) in cover.iter_mut().enumerate().take(to).skip(from) {
                        if let Some((_, first)) = slot {
                            let first = *first;
                            self.fail(
                                error("E0208", format!("plan `{name}` gives {unit} {at}{} twice", axis.place))
                                    .at(span, "second time")
                                    .at(first, "first time"),
                            );
                            sound = false;
                            break;
                        }
                        let filled = entry(self, at, value);
                        sound &= filled.is_some();
                        *slot = Some((filled, span));
                    }
                }
                if !sound {
                    return None;
                }
                let missing: Vec<usize> = (0..extent).filter(|at| cover[*at].is_none()).collect();
                if missing.is_empty() {
                    return cover.into_iter().map(|slot| slot.and_then(|(value, _)| value)).collect();
                }
                let end = last.1;
                let tail = missing.first().is_some_and(|first| *first == end);
                let (span, text) = if tail { (last.0, format!("ends at {end}, but {has}")) } else { (list.span, has) };
                self.gap(name, axis, &missing, span, &text)
            }
            _ => {
                let help = match axis.unit {
                    "layer" => "write `[a, b]`, `[a; n]` or `[0..2: a, 2..4: b]`".to_owned(),
                    _ => format!("to use one function for the whole layer, write `[name; {extent}]`"),
                };
                self.fail(
                    error("E0204", format!("a list with one entry per {unit} is needed here"))
                        .at(list.span, "not a list")
                        .help(help),
                );
                None
            }
        }
    }

    fn gap<T>(&mut self, name: &str, axis: &Axis, missing: &[usize], span: Span, text: &str) -> Option<T> {
        let (first, last) = (missing.first()?, missing.last()?);
        let which = match missing.len() {
            1 => format!("{} {first}", axis.unit),
            n if last - first + 1 == n => format!("{}s {first} to {last}", axis.unit),
            n => format!("{n} {}s, {first} the first of them,", axis.unit),
        };
        self.fail(
            error("E0207", format!("plan `{name}` leaves {which}{} without a function", axis.place)).at(span, text),
        );
        None
    }

    fn kind_text(&mut self, def: &'a PlanDef) -> String {
        let dims: Vec<String> =
            def.dims.iter().filter_map(|dim| self.extent(dim)).map(|extent| extent.to_string()).collect();
        format!("{}<{}>", word(def.kind.node), dims.join(", "))
    }

    fn entry(&mut self, def: &'a PlanDef, expr: &'a Expr) -> Option<Entry<'a>> {
        match &expr.kind {
            ExprKind::Paren(inner) => self.entry(def, inner),
            ExprKind::Search(candidates) => self.candidates(def, candidates, expr.span),
            _ => self.entry_function(def, expr).map(Entry::Fixed),
        }
    }

    /// A function that can be an entry of a plan.
    pub(super) fn entry_function(&mut self, def: &'a PlanDef, expr: &'a Expr) -> Option<Function<'a>> {
        let function = match self.expr(expr) {
            Value::Function(function) => function,
            Value::Poison => return None,
            other => {
                let message = format!("an entry of plan `{}` is the name of a function", def.name.node);
                self.fail(error("E0202", message).at(expr.span, format!("this is {}", other.describe())));
                return None;
            }
        };
        if let Err(why) = self.unary(function) {
            let message = format!("`{}` cannot be an entry of a plan", function.name());
            let mut draft = error("E0202", message).at(expr.span, why);
            if let Function::User(def) = function {
                draft = draft.at(def.name.span, "defined here");
            }
            self.fail(draft.help("an entry takes one tensor; further parameters need defaults"));
            return None;
        }
        Some(function)
    }

    /// Whether a function can be called with one tensor.
    fn unary(&self, function: Function<'a>) -> Result<(), String> {
        let wrong = |count: usize| Err(format!("it needs {count} argument{}", if count == 1 { "" } else { "s" }));
        match function {
            Function::Builtin(builtin) if builtin.is_pointwise() => Ok(()),
            Function::Builtin(_) => Err("it is not a function of one tensor".to_owned()),
            Function::User(def) => {
                let required = def.params.iter().filter(|param| param.default.is_none()).count();
                match def.params.first().map(|param| &param.ty.kind) {
                    Some(mpcc_grammar::ast::TypeKind::Tensor { .. }) if required == 1 => Ok(()),
                    Some(mpcc_grammar::ast::TypeKind::Tensor { .. }) => wrong(required),
                    _ => Err("its first parameter is not a tensor".to_owned()),
                }
            }
        }
    }

    /// A plan given by the caller in place of `table`. What is to be searched in it goes by the name that the caller gave.
    pub(super) fn replaced_plan(
        &mut self,
        table: &Rc<Table<'a>>,
        called: &str,
        value: &PlanValue,
        span: Span,
    ) -> Value<'a> {
        let replaced = self.replacement(table, value, span);
        match &replaced {
            Value::Plan(table) if table.rows.iter().flatten().any(|entry| matches!(entry, Entry::Searched(_))) => {
                let table = renamed(table, called);
                self.note_open(&table);
                Value::Plan(Rc::new(table))
            }
            _ => replaced,
        }
    }

    fn replacement(&mut self, table: &Rc<Table<'a>>, value: &PlanValue, span: Span) -> Value<'a> {
        match value {
            PlanValue::Name(name) if *name == table.name => Value::Plan(table.clone()),
            PlanValue::Name(name) => match (self.globals.get(name), self.plans.get(name.as_str()).copied()) {
                (Some(binding), Some(_)) => binding.value.clone(),
                (None, Some(def)) => {
                    if self.options.plans.contains_key(name) {
                        let message = format!("the plan `{name}` in place of `{}` is replaced itself", table.name);
                        return self.fail(error("E0203", message).at(span, "replaced").help("name the final plan"));
                    }
                    self.plan(def)
                }
                _ => {
                    let draft =
                        error("E0203", format!("there is no plan `{name}` to use in place of `{}`", table.name));
                    let names: Vec<&str> = self.plans.keys().copied().collect();
                    self.fail(draft.at(span, "to be replaced").suggest(name, names))
                }
            },
            PlanValue::List(layers) => match self.given_rows(table, layers) {
                Ok(rows) => Value::Plan(Rc::new(Table { name: table.name.clone(), kind: table.kind, rows })),
                Err(why) => {
                    let message = format!("the replacement of plan `{}` does not fit: {why}", table.name);
                    self.fail(error("E0203", message).at(span, "to be replaced"))
                }
            },
        }
    }

    fn given_rows(&self, table: &Table<'a>, layers: &[PlanValue]) -> Result<Vec<Vec<Entry<'a>>>, String> {
        if layers.len() != table.rows.len() {
            return Err(format!("it has {} layers instead of {}", layers.len(), table.rows.len()));
        }
        let function = |value: &PlanValue, layer: usize| match value {
            PlanValue::Name(name) => {
                self.given_function(name).map(Entry::Fixed).map_err(|why| format!("layer {layer}: {why}"))
            }
            PlanValue::List(_) => Err(format!("layer {layer} holds a list where the name of a function is needed")),
        };
        let row = |(layer, value): (usize, &PlanValue)| match (table.kind, value) {
            (PlanKind::PerLayer, value) => Ok(vec![function(value, layer)?]),
            (_, PlanValue::List(list)) if list.len() == table.rows[layer].len() => {
                list.iter().map(|value| function(value, layer)).collect()
            }
            (kind, PlanValue::List(list)) => {
                Err(format!("layer {layer} has {} {}s instead of {}", list.len(), unit(kind), table.rows[layer].len()))
            }
            (kind, PlanValue::Name(_)) => {
                Err(format!("layer {layer} must be a list with one function per {}", unit(kind)))
            }
        };
        layers.iter().enumerate().map(row).collect()
    }

    fn given_function(&self, name: &str) -> Result<Function<'a>, String> {
        let Some(function) = self.function_named(name) else {
            return Err(format!("there is no function `{name}`"));
        };
        self.unary(function).map(|()| function).map_err(|why| format!("`{name}` cannot be an entry: {why}"))
    }

    /// A function named by the caller, for a parameter of type `fn`.
    pub(super) fn named_function(&mut self, function: &str, parameter: &str, span: Span) -> Value<'a> {
        match self.function_named(function) {
            Some(function) => Value::Function(function),
            None => {
                let mut names: Vec<&str> = self.fns.keys().copied().collect();
                library::names().for_each(|name| names.push(name));
                let draft = error("E0312", format!("`{parameter}` cannot be set: there is no function `{function}`"));
                self.fail(draft.at(span, "to be set").suggest(function, names))
            }
        }
    }

    /// Notes for reports that a plan is in force.
    pub(super) fn record_plan(&mut self, table: &Table<'a>) {
        self.refuse_unsearched(table);
        if !self.graph.plans.iter().any(|(name, _)| *name == table.name) {
            self.graph.plans.push((table.name.clone(), text(table)));
        }
    }
}

fn layers(extent: usize) -> Axis {
    Axis { unit: "layer", extent, place: String::new() }
}

/// A table as the language writes it, runs shortened.
fn text(table: &Table<'_>) -> String {
    let layers = table.rows.len();
    let names = |row: &[Entry<'_>]| row.iter().map(Entry::text).collect::<Vec<_>>();
    match table.kind {
        PlanKind::PerLayer => {
            let column: Vec<String> = table.rows.iter().flat_map(|row| names(row)).collect();
            format!("per_layer<{layers}> = {}", list(&column))
        }
        kind => {
            let rows: Vec<String> = table.rows.iter().map(|row| list(&names(row))).collect();
            format!("{}<{layers}, {}> = {}", word(kind), table.rows[0].len(), list(&rows))
        }
    }
}

/// Entries of a plan as the language writes them: `[a; n]`, `[a, b]`, or with ranges when that is much shorter.
pub fn list(entries: &[String]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in 0..entries.len() {
        match runs.last_mut() {
            Some((from, to)) if entries[*from] == entries[at] => *to = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    if runs.len() == 1 && entries.len() > 1 {
        return format!("[{}; {}]", entries[0], entries.len());
    }
    if 2 * runs.len() > entries.len() {
        return format!("[{}]", entries.join(", "));
    }
    let run = |(from, to): &(usize, usize)| match to - from {
        1 => format!("{from}: {}", entries[*from]),
        _ => format!("{from}..{to}: {}", entries[*from]),
    };
    format!("[{}]", runs.iter().map(run).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn runs_are_shortened_to_what_the_language_reads() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(list(&names("a a a")), "[a; 3]");
        assert_eq!(list(&names("a b b a")), "[a, b, b, a]");
        assert_eq!(list(&names("a b b b b b")), "[0: a, 1..6: b]");
        assert_eq!(list(&names("a")), "[a]");
    }
}
