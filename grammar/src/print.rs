//! The text form of the syntax tree: one indented line per item and statement, expressions in
//! prefix form. Spans and layout do not show.

use std::fmt::Write;

use crate::ast::*;

/// Shows a module, for `--emit ast` and goldens.
pub fn print_ast(module: &Module) -> String {
    let mut out = Lines::default();
    out.line(format!("module edition {}", module.edition.node));
    out.inside(|out| {
        out.docs(&module.docs);
        for item in &module.items {
            out.docs(&item.docs);
            print_item(out, &item.kind);
        }
    });
    out.text
}

#[derive(Default)]
struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    fn line(&mut self, line: impl AsRef<str>) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn inside(&mut self, write: impl FnOnce(&mut Self)) {
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    fn docs(&mut self, docs: &[String]) {
        for doc in docs {
            self.line(format!("doc {doc:?}"));
        }
    }
}

fn print_item(out: &mut Lines, item: &ItemKind) {
    match item {
        ItemKind::Const { name, value } => {
            out.line(format!("const {} {}", name.node, expr(value)));
        }
        ItemKind::Assert(assert) => print_assert(out, assert),
        ItemKind::Numeric(fields) => {
            out.line("numeric");
            print_fields(out, fields);
        }
        ItemKind::Fn(def) => {
            out.line(format!("fn {}", def.name.node));
            out.inside(|out| {
                if !def.generics.is_empty() {
                    let names = joined(&def.generics, |name| name.node.clone());
                    out.line(format!("generics {names}"));
                }
                print_params(out, "param", &def.params);
                out.line(format!("result {}", type_text(&def.result)));
                print_body(out, &def.body);
            });
        }
        ItemKind::Plan(plan) => {
            let kind = match plan.kind.node {
                PlanKind::PerHead => "per_head",
                PlanKind::PerLayer => "per_layer",
                PlanKind::PerRow => "per_row",
            };
            let dims = joined(&plan.dims, expr);
            out.line(format!("plan {} {kind}<{dims}>", plan.name.node));
            out.inside(|out| {
                out.line(expr(&plan.entries));
                if let Some(followed) = &plan.follows {
                    out.line(format!("following {}", followed.node));
                }
            });
        }
        ItemKind::Block(block) => {
            out.line(format!("block {}", block.name.node));
            out.inside(|out| {
                print_params(out, "argument", &block.params);
                print_stmts(out, &block.decls);
                out.docs(&block.forward_docs);
                out.line("forward");
                out.inside(|out| {
                    print_params(out, "param", &block.inputs);
                    out.line(format!("result {}", type_text(&block.result)));
                    print_body(out, &block.body);
                });
            });
        }
        ItemKind::Model(model) => {
            out.line(format!("model {}", model.name.node));
            out.inside(|out| {
                print_params(out, "argument", &model.params);
                print_stmts(out, &model.body);
            });
        }
    }
}

fn print_assert(out: &mut Lines, assert: &Assert) {
    let condition = expr(&assert.condition);
    out.line(match &assert.message {
        Some(message) => format!("assert {condition} {:?}", message.node),
        None => format!("assert {condition}"),
    });
}

fn print_fields(out: &mut Lines, fields: &[Field]) {
    out.inside(|out| {
        for field in fields {
            out.line(format!("{} {}", field.name.node, expr(&field.value)));
        }
    });
}

fn print_params(out: &mut Lines, what: &str, params: &[Param]) {
    for param in params {
        let mut line = format!("{what} {}: {}", param.name.node, type_text(&param.ty));
        if let Some(default) = &param.default {
            let _ = write!(line, " default {}", expr(default));
        }
        out.line(line);
    }
}

fn print_body(out: &mut Lines, body: &[Stmt]) {
    out.line("body");
    out.inside(|out| print_stmts(out, body));
}

fn print_stmts(out: &mut Lines, stmts: &[Stmt]) {
    for stmt in stmts {
        out.docs(&stmt.docs);
        print_stmt(out, &stmt.kind);
    }
}

fn print_stmt(out: &mut Lines, stmt: &StmtKind) {
    match stmt {
        StmtKind::Let { name, value } => out.line(format!("let {} {}", name.node, expr(value))),
        StmtKind::Assign { name, value } => {
            out.line(format!("assign {} {}", name.node, expr(value)));
        }
        StmtKind::For { name, from, to, body } => {
            out.line(format!("for {} {} {}", name.node, expr(from), expr(to)));
            out.inside(|out| print_stmts(out, body));
        }
        StmtKind::Return(value) => out.line(format!("return {}", expr(value))),
        StmtKind::Assert(assert) => print_assert(out, assert),
        StmtKind::Assume { value, low, high } => {
            out.line(format!("assume {} {} {}", expr(value), expr(low), expr(high)));
        }
        StmtKind::Param { name, ty, path, ops } => {
            let mut line = format!("param {}: {} {:?}", name.node, type_text(ty), path.node);
            for op in ops {
                let _ = write!(line, " .{}({})", op.name.node, joined(&op.args, expr));
            }
            out.line(line);
        }
        StmtKind::Input { name, ty } => {
            out.line(format!("input {}: {}", name.node, type_text(ty)));
        }
        StmtKind::Weights { visibility, fields } => {
            out.line(format!("weights {}", visibility_text(visibility.node)));
            print_fields(out, fields);
        }
        StmtKind::Tokenizer { file, fields } => {
            out.line(format!("tokenizer {:?}", file.node));
            print_fields(out, fields);
        }
        StmtKind::Preprocess { input, fields } => {
            out.line(format!("preprocess {}", input.node));
            print_fields(out, fields);
        }
        StmtKind::Local { party, body } => {
            out.line(format!("local {}", party_text(party.node)));
            out.inside(|out| print_stmts(out, body));
        }
        StmtKind::Output { name, party, ty, value, labels, any } => {
            out.line(format!("output {} to {}: {} {}", name.node, party_text(party.node), type_text(ty), expr(value)));
            if let Some(labels) = labels {
                let labels = joined(labels, |label| format!("{:?}", label.node));
                let any = if *any { "any " } else { "" };
                out.inside(|out| out.line(format!("labels {any}{labels}")));
            }
        }
    }
}

fn joined<T>(all: &[T], show: impl Fn(&T) -> String) -> String {
    all.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn visibility_text(word: VisibilityWord) -> &'static str {
    match word {
        VisibilityWord::SecretClient => "secret client",
        VisibilityWord::SecretServer => "secret server",
        VisibilityWord::Public => "public",
    }
}

fn party_text(word: PartyWord) -> &'static str {
    match word {
        PartyWord::Client => "client",
        PartyWord::Server => "server",
    }
}

fn type_text(ty: &TypeExpr) -> String {
    let mut text = String::new();
    if let Some(visibility) = &ty.visibility {
        text.push_str(visibility_text(visibility.node));
        text.push(' ');
    }
    match &ty.kind {
        TypeKind::Tensor { element, dims } => {
            text.push_str("Tensor<");
            let element = element.map(|word| match word {
                ElementWord::U8 => "u8",
                ElementWord::I32 => "i32",
                ElementWord::Bit => "bit",
                ElementWord::F32 => "f32",
            });
            if let Some(element) = element {
                text.push_str(element);
                text.push_str(", ");
            }
            text.push_str(&joined(dims, expr));
            text.push('>');
        }
        TypeKind::Int => text.push_str("int"),
        TypeKind::Real => text.push_str("real"),
        TypeKind::Bool => text.push_str("bool"),
        TypeKind::Fn => text.push_str("fn"),
        TypeKind::Plan => text.push_str("plan"),
    }
    text
}

fn op_text(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
        BinaryOp::MatMul => "@",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Le => "<=",
        BinaryOp::Ge => ">=",
        BinaryOp::Lt => "<",
        BinaryOp::Gt => ">",
    }
}

/// An expression in prefix form.
fn expr(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Real(_, text) => text.clone(),
        ExprKind::Str(text) => format!("{text:?}"),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Neg(inner) => format!("(neg {})", expr(inner)),
        ExprKind::Binary { op, left, right } => {
            format!("({} {} {})", op_text(*op), expr(left), expr(right))
        }
        ExprKind::Call { callee, args } => {
            let mut text = format!("(call {}", expr(callee));
            for arg in args {
                text.push(' ');
                if let Some(name) = &arg.name {
                    let _ = write!(text, "{}: ", name.node);
                }
                text.push_str(&expr(&arg.value));
            }
            text + ")"
        }
        ExprKind::Index { value, indices } => {
            let mut text = format!("(index {}", expr(value));
            for index in indices {
                text.push(' ');
                match index {
                    Index::At(at) => text.push_str(&expr(at)),
                    Index::Range(from, to) => {
                        let _ = write!(text, "{}..{}", expr(from), expr(to));
                    }
                    Index::All(_) => text.push_str(".."),
                }
            }
            text + ")"
        }
        ExprKind::At { value, path } => format!("(at {} {:?})", expr(value), path.node),
        ExprKind::Repeat { value, count } => format!("[{}; {}]", expr(value), expr(count)),
        ExprKind::List(elems) => format!(
            "[{}]",
            joined(elems, |elem| match elem {
                ListElem::Plain(value) => expr(value),
                ListElem::At(at, value) => format!("{}: {}", expr(at), expr(value)),
                ListElem::Range(from, to, value) => {
                    format!("{}..{}: {}", expr(from), expr(to), expr(value))
                }
            })
        ),
        ExprKind::Search(candidates) => format!("(search [{}])", joined(candidates, expr)),
        ExprKind::Paren(inner) => format!("(paren {})", expr(inner)),
    }
}
