//! Plans that follow another, entry by entry: `[gelu: identity, identity: relu] following ACT`.

use std::rc::Rc;

use mpcc_grammar::ast::{Expr, ExprKind, ListElem, Name, PlanDef, PlanKind};

use super::Lowerer;
use super::report::error;
use super::value::{Candidates, Entry, Function, Table, Value};

impl<'a> Lowerer<'a> {
    /// The entries of a plan that follows another; `None` after reporting what does not fit.
    pub(super) fn following(
        &mut self,
        def: &'a PlanDef,
        followed: &'a Name,
        extents: &[usize],
    ) -> Option<Vec<Vec<Entry<'a>>>> {
        let table = self.followed(def, followed)?;
        let columns = if table.kind == PlanKind::PerLayer { None } else { table.rows.first().map(Vec::len) };
        let found: Vec<usize> = std::iter::once(table.rows.len()).chain(columns).collect();
        if table.kind != def.kind.node || found != extents {
            let message = format!("plan `{}` has another kind or other extents than `{}`", def.name.node, table.name);
            let text = format!("`{}` has {found:?}", followed.node);
            self.fail(error("E0212", message).at(followed.span, text).at(def.kind.span, "declared here"));
            return None;
        }
        let cases = self.cases(def, &def.entries)?;
        let mut sound = true;
        let mut case = |this: &mut Self, function: Function<'a>| {
            let found = cases.iter().find(|(of, _)| of.name() == function.name()).map(|(_, to)| *to);
            if found.is_none() {
                sound = false;
                let name = function.name();
                let message =
                    format!("plan `{}` says nothing for `{name}`, an entry of `{}`", def.name.node, table.name);
                let draft = error("E0212", message).at(def.entries.span, format!("`{name}: …` is missing"));
                this.fail(draft.at(followed.span, "followed here"));
            }
            found
        };
        let mut rows = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let mut entries = Vec::with_capacity(row.len());
            for entry in row {
                match entry {
                    Entry::Fixed(function) => entries.extend(case(self, *function).map(Entry::Fixed)),
                    Entry::Searched(candidates) => {
                        let of: &Candidates<'a> = candidates;
                        let functions: Option<Vec<_>> = of.functions.iter().map(|f| case(self, *f)).collect();
                        entries.extend(functions.map(|functions| mapped(of, functions)));
                    }
                }
            }
            rows.push(entries);
        }
        sound.then_some(rows)
    }

    fn followed(&mut self, def: &'a PlanDef, followed: &'a Name) -> Option<Rc<Table<'a>>> {
        match self.globals.get(&followed.node).map(|binding| binding.value.clone()) {
            Some(Value::Plan(table)) => return Some(table),
            Some(Value::Poison) => return None,
            _ => {}
        }
        let name = &followed.node;
        let draft = match self.plans.get(name.as_str()) {
            Some(plan) if plan.name.span == def.name.span => {
                error("E0212", format!("plan `{name}` follows itself")).at(followed.span, "its own name")
            }
            Some(plan) => error("E0212", format!("plan `{name}` is followed before its definition"))
                .at(followed.span, "not yet defined here")
                .at(plan.name.span, "defined here")
                .help("move the definition up"),
            // An unknown name is reported with the names.
            None if self.lookup(name).is_none() => return None,
            None => error("E0212", "only a plan can be followed").at(followed.span, "not a plan"),
        };
        self.fail(draft);
        None
    }

    /// The list of such a plan: what stands for each function of the other.
    fn cases(&mut self, def: &'a PlanDef, list: &'a Expr) -> Option<Vec<(Function<'a>, Function<'a>)>> {
        let elems = match &list.kind {
            ExprKind::Paren(inner) => return self.cases(def, inner),
            ExprKind::List(elems) => elems,
            _ => {
                self.fail(
                    error("E0212", "a plan that follows another is a list of functions").at(list.span, "not a list").help(
                        "for every function of the followed plan write what takes its place: `[f: g, h: k] following PLAN`",
                    ),
                );
                return None;
            }
        };
        let mut cases: Vec<(Function<'a>, Function<'a>)> = Vec::new();
        for elem in elems {
            let (key, value) = match elem {
                ListElem::At(key, value) => (key, value),
                ListElem::Plain(other) | ListElem::Range(other, ..) => {
                    let draft =
                        error("E0212", "this does not say which function it stands for").at(other.span, "no `f: g`");
                    self.fail(draft.help("write `f: g`, with `f` a function of the followed plan"));
                    return None;
                }
            };
            let (of, to) = (self.entry_function(def, key)?, self.entry_function(def, value)?);
            if cases.iter().any(|(other, _)| other.name() == of.name()) {
                let message = format!("plan `{}` says twice what stands for `{}`", def.name.node, of.name());
                self.fail(error("E0212", message).at(key.span, "second time"));
                return None;
            }
            cases.push((of, to));
        }
        Some(cases)
    }
}

/// What takes the place of a searched entry: itself searched, unless all candidates lead to one function.
fn mapped<'a>(of: &Candidates<'a>, functions: Vec<Function<'a>>) -> Entry<'a> {
    match functions.split_first() {
        Some((first, rest)) if rest.iter().all(|other| other.name() == first.name()) => Entry::Fixed(*first),
        _ => Entry::Searched(Rc::new(Candidates { functions, ..of.clone() })),
    }
}
