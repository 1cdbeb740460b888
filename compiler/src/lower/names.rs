//! Names and places, checked before anything is evaluated.
//!
//! Every name must resolve, every statement must stand where it may, every function must end in its `return`;
//! what is declared and never read is warned about. This covers functions and blocks that nothing calls, too.

use hashbrown::{HashMap, HashSet};
use mpcc_grammar::ast::{
    Assert, BlockDef, Expr, ExprKind, FnDef, ItemKind, Module, Name, Param, Span, Stmt, StmtKind, TypeExpr, TypeKind,
};

use super::builtin::Builtin;
use super::items::NUMERIC_FIELDS;
use super::report::{Report, error, warning};
use crate::library;

/// Checks a whole file.
pub(super) fn resolve(module: &Module, report: &mut Report) {
    let mut names = Names { report, globals: HashSet::new(), scopes: Vec::new(), declared: Vec::new() };
    for item in &module.items {
        let name = match &item.kind {
            ItemKind::Const { name, .. } => name,
            ItemKind::Fn(def) => &def.name,
            ItemKind::Plan(def) => &def.name,
            ItemKind::Block(def) => &def.name,
            ItemKind::Model(_) | ItemKind::Assert(_) | ItemKind::Numeric(_) => continue,
        };
        names.globals.insert(&name.node);
    }
    for item in &module.items {
        match &item.kind {
            ItemKind::Const { value, .. } => names.expr(value),
            ItemKind::Assert(assert) => names.assert(assert),
            ItemKind::Numeric(fields) => {
                let known = fields.iter().filter(|field| NUMERIC_FIELDS.contains(&field.name.node.as_str()));
                known.for_each(|field| names.expr(&field.value));
            }
            ItemKind::Fn(def) => names.function(def),
            ItemKind::Plan(def) => {
                def.dims.iter().for_each(|dim| names.expr(dim));
                names.expr(&def.entries);
                if let Some(followed) = &def.follows {
                    names.read(&followed.node, followed.span);
                }
            }
            ItemKind::Block(def) => names.block(def),
            ItemKind::Model(def) => {
                names.scopes.push(HashMap::new());
                names.params(&def.params);
                names.scopes.push(HashMap::new());
                names.statements(&def.body, Place::Model);
                names.scopes.clear();
            }
        }
    }
    names.unused();
}

/// Where a statement stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Function,
    BlockHead,
    Model,
    Local,
    Loop,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Let,
    Weight,
    Input,
    /// Parameters, shape variables and loop variables: cannot be assigned to.
    Fixed,
}

struct Declared<'m> {
    name: &'m Name,
    kind: Kind,
    read: bool,
}

struct Names<'m, 'r> {
    report: &'r mut Report,
    globals: HashSet<&'m str>,
    scopes: Vec<HashMap<&'m str, usize>>,
    declared: Vec<Declared<'m>>,
}

impl<'m> Names<'m, '_> {
    fn function(&mut self, def: &'m FnDef) {
        self.scopes.push(HashMap::new());
        def.generics.iter().for_each(|name| self.declare(name, Kind::Fixed));
        self.params(&def.params);
        self.ty(&def.result);
        self.body(&def.body, def.name.span, &def.name.node);
        self.scopes.clear();
    }

    fn block(&mut self, def: &'m BlockDef) {
        self.scopes.push(HashMap::new());
        self.params(&def.params);
        self.statements(&def.decls, Place::BlockHead);
        self.scopes.push(HashMap::new());
        self.params(&def.inputs);
        self.ty(&def.result);
        self.body(&def.body, def.forward_span, "forward");
        self.scopes.clear();
    }

    /// The statements of a function, which end in a `return`.
    fn body(&mut self, body: &'m [Stmt], signature: Span, name: &str) {
        self.scopes.push(HashMap::new());
        self.statements(body, Place::Function);
        match body.iter().position(|stmt| matches!(stmt.kind, StmtKind::Return(_))) {
            None => self.report.emit(
                error("E0305", format!("`{name}` has no `return`"))
                    .at(signature, "its result is never given")
                    .help("end it with `return value;`"),
            ),
            Some(last) => {
                if let Some(after) = body.get(last + 1) {
                    let draft = error("E0305", "statements after `return` never run").at(after.span, "never runs");
                    self.report.emit(draft.at(body[last].span, "returns here"));
                }
            }
        }
    }

    fn params(&mut self, params: &'m [Param]) {
        for param in params {
            self.ty(&param.ty);
            if let Some(default) = &param.default {
                self.expr(default);
            }
            self.declare(&param.name, Kind::Fixed);
        }
    }

    fn ty(&mut self, ty: &'m TypeExpr) {
        if let TypeKind::Tensor { dims, .. } = &ty.kind {
            dims.iter().for_each(|dim| self.expr(dim));
        }
    }

    fn declare(&mut self, name: &'m Name, kind: Kind) {
        let (inner, outer) =
            self.scopes.split_last_mut().map_or((None, &mut [][..]), |(inner, outer)| (Some(inner), outer));
        let Some(inner) = inner else { return };
        if let Some(first) = inner.get(name.node.as_str()) {
            let mut draft = error("E0302", format!("`{}` is defined twice", name.node))
                .at(name.span, "second definition")
                .at(self.declared[*first].name.span, "first definition");
            if kind == Kind::Let && self.declared[*first].kind == Kind::Let {
                draft = draft.help(format!("write `{} = …;` without `let` to give it a new value", name.node));
            }
            self.report.emit(draft);
        } else if let (Kind::Let, Some(hidden)) =
            (kind, outer.iter().rev().find_map(|scope| scope.get(name.node.as_str())))
        {
            self.report.emit(
                warning("W0003", format!("this `let` hides another `{}`", name.node))
                    .at(name.span, "a new value, forgotten at the closing brace")
                    .at(self.declared[*hidden].name.span, "the one that is hidden")
                    .help("drop `let` to give the outer one a new value"),
            );
        }
        inner.insert(&name.node, self.declared.len());
        self.declared.push(Declared { name, kind, read: false });
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).copied()
    }

    fn statements(&mut self, stmts: &'m [Stmt], place: Place) {
        for stmt in stmts {
            if !allowed(&stmt.kind, place) {
                let (what, help) = describe(&stmt.kind);
                self.report.emit(
                    error("E0304", format!("{what} cannot stand here"))
                        .at(stmt.span, format!("not allowed in {}", place_text(place)))
                        .help(help),
                );
            }
            self.statement(stmt, place);
        }
    }

    fn statement(&mut self, stmt: &'m Stmt, place: Place) {
        match &stmt.kind {
            StmtKind::Let { name, value } => {
                self.expr(value);
                self.declare(name, Kind::Let);
            }
            StmtKind::Assign { name, value } => {
                self.expr(value);
                self.assigned(name);
            }
            StmtKind::For { name, from, to, body } => {
                self.expr(from);
                self.expr(to);
                self.scopes.push(HashMap::new());
                self.declare(name, Kind::Fixed);
                self.statements(body, if place == Place::Function { Place::Function } else { Place::Loop });
                if let (Place::Function, Some(stmt)) =
                    (place, body.iter().find(|stmt| matches!(stmt.kind, StmtKind::Return(_))))
                {
                    let draft =
                        error("E0305", "`return` cannot stand in a loop").at(stmt.span, "in the body of a `for`");
                    self.report.emit(draft.help("assign to a name declared before the loop and return that"));
                }
                self.scopes.pop();
            }
            StmtKind::Return(value) => self.expr(value),
            StmtKind::Assert(assert) => self.assert(assert),
            StmtKind::Assume { value, low, high } => {
                self.expr(value);
                self.expr(low);
                self.expr(high);
            }
            StmtKind::Param { name, ty, path, ops } => {
                self.ty(ty);
                self.placeholders(&path.node);
                ops.iter().flat_map(|op| &op.args).for_each(|arg| self.expr(arg));
                self.declare(name, Kind::Weight);
            }
            StmtKind::Input { name, ty } => {
                self.ty(ty);
                self.declare(name, Kind::Input);
            }
            StmtKind::Weights { .. } | StmtKind::Tokenizer { .. } | StmtKind::Preprocess { .. } => {}
            StmtKind::Local { body, .. } => self.statements(body, Place::Local),
            StmtKind::Output { ty, value, .. } => {
                self.ty(ty);
                self.expr(value);
            }
        }
    }

    fn assigned(&mut self, name: &'m Name) {
        let Some(found) = self.find(&name.node) else {
            let draft = if self.globals.contains(name.node.as_str()) || is_known(&name.node) {
                error("E0303", format!("`{}` cannot be given a new value", name.node))
                    .at(name.span, "defined at the top level")
            } else {
                error("E0303", format!("there is no `{}` to give a new value", name.node))
                    .at(name.span, "not defined")
                    .suggest(
                        &name.node,
                        self.scopes.iter().flat_map(HashMap::keys).copied().take(self.report.most_candidates()),
                    )
                    .help(format!("write `let {} = …;` to define it", name.node))
            };
            self.report.emit(draft);
            return;
        };
        let declared = &self.declared[found];
        let what = match declared.kind {
            Kind::Let => return,
            Kind::Weight => "a weight",
            Kind::Input => "an input",
            Kind::Fixed => "a parameter or loop variable",
        };
        self.report.emit(
            error("E0303", format!("`{}` cannot be given a new value", name.node))
                .at(name.span, "assigned here")
                .at(declared.name.span, format!("{what} keeps its value"))
                .help("introduce a new name with `let`"),
        );
    }

    fn assert(&mut self, assert: &'m Assert) {
        self.expr(&assert.condition);
    }

    /// Marks the names in `{…}` as read; unknown ones are reported where the path is built.
    fn placeholders(&mut self, path: &str) {
        for part in path.split('{').skip(1) {
            if let Some((name, _)) = part.split_once('}')
                && let Some(found) = self.find(name)
            {
                self.declared[found].read = true;
            }
        }
    }

    fn expr(&mut self, expr: &'m Expr) {
        match &expr.kind {
            ExprKind::Name(name) => self.read(name, expr.span),
            ExprKind::At { path, .. } => self.placeholders(&path.node),
            _ => {}
        }
        expr.children().into_iter().for_each(|child| self.expr(child));
    }

    fn read(&mut self, name: &str, span: Span) {
        if let Some(found) = self.find(name) {
            self.declared[found].read = true;
        } else if !matches!(name, "true" | "false") && !self.globals.contains(name) && !is_known(name) {
            let most = self.report.most_candidates();
            let mut known: Vec<&str> = Builtin::names().chain(library::names()).collect();
            known.extend(self.globals.iter().take(most));
            known.extend(self.scopes.iter().flat_map(|scope| scope.keys()).take(most));
            self.report.emit(
                error("E0301", format!("`{name}` is not defined")).at(span, "not defined here").suggest(name, known),
            );
        }
    }

    fn unused(&mut self) {
        for declared in &self.declared {
            let name = &declared.name.node;
            if declared.read || name.starts_with('_') {
                continue;
            }
            let draft = match declared.kind {
                Kind::Let => warning("W0001", format!("`{name}` is never read"))
                    .at(declared.name.span, "computed for nothing")
                    .help(format!("remove it, or name it `_{name}` to keep it")),
                Kind::Weight => warning("W0002", format!("weight `{name}` is never read"))
                    .at(declared.name.span, "must be in the weights file all the same")
                    .help("remove the declaration and list the tensor under `ignore`"),
                Kind::Input => warning("W0004", format!("input `{name}` is never read"))
                    .at(declared.name.span, "the client supplies it for nothing"),
                Kind::Fixed => continue,
            };
            self.report.emit(draft);
        }
    }
}

/// Whether the language or its standard library has a function of this name.
fn is_known(name: &str) -> bool {
    Builtin::named(name).is_some() || library::definition(name).is_some()
}

fn allowed(kind: &StmtKind, place: Place) -> bool {
    use StmtKind::*;
    match kind {
        Let { .. } | Assign { .. } | For { .. } | Assume { .. } => place != Place::BlockHead,
        Assert(_) => true,
        Return(_) => place == Place::Function,
        Param { .. } => matches!(place, Place::BlockHead | Place::Model),
        Input { .. } | Weights { .. } | Tokenizer { .. } | Preprocess { .. } | Local { .. } | Output { .. } => {
            place == Place::Model
        }
    }
}

fn place_text(place: Place) -> &'static str {
    match place {
        Place::Function => "a function",
        Place::BlockHead => "a block outside `forward`",
        Place::Model => "a model",
        Place::Local => "a `local` part",
        Place::Loop => "a loop",
    }
}

/// What a statement is, and where it belongs.
fn describe(kind: &StmtKind) -> (&'static str, &'static str) {
    match kind {
        StmtKind::Let { .. } | StmtKind::Assign { .. } | StmtKind::For { .. } | StmtKind::Assume { .. } => {
            ("this statement", "a block computes only in `forward`")
        }
        StmtKind::Assert(_) => ("`assert`", "move it to the top level"),
        StmtKind::Return(_) => {
            ("`return`", "it ends a function or a `forward`; a model gives its result with `output`")
        }
        StmtKind::Param { .. } => {
            ("`param`", "declare weights in the model, or at the head of a block and place one instance per round")
        }
        StmtKind::Input { .. } => ("`input`", "move it to the model"),
        StmtKind::Weights { .. } => ("`weights`", "move it to the model"),
        StmtKind::Tokenizer { .. } => ("`tokenizer`", "move it to the model"),
        StmtKind::Preprocess { .. } => ("`preprocess`", "move it to the model"),
        StmtKind::Local { .. } => ("`local`", "move it to the model"),
        StmtKind::Output { .. } => ("`output`", "move it to the end of the model"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_standard_library_is_known_and_read() {
        let mut report = Report::default();
        library::files().iter().for_each(|file| resolve(&file.module, &mut report));
        let found = report.finish().expect("no errors");
        assert!(found.is_empty(), "{found:?}");
    }
}
