//! Moving a tree's places, so that trees of several texts can be told apart by their places alone.

use super::{
    Assert, Expr, ExprKind, Field, Index, ItemKind, LoadOp, Module, Name, Param, Span, Stmt, StmtKind, TypeExpr,
    TypeKind,
};

impl Module {
    /// Adds `by` bytes to every place of the tree.
    pub fn shift(&mut self, by: usize) {
        let by = Shift(by);
        by.span(&mut self.edition.span);
        for item in &mut self.items {
            by.span(&mut item.span);
            match &mut item.kind {
                ItemKind::Const { name, value } => {
                    by.name(name);
                    by.expr(value);
                }
                ItemKind::Assert(assert) => by.assert(assert),
                ItemKind::Numeric(fields) => by.fields(fields),
                ItemKind::Fn(def) => {
                    by.name(&mut def.name);
                    def.generics.iter_mut().for_each(|name| by.name(name));
                    by.params(&mut def.params);
                    by.ty(&mut def.result);
                    by.stmts(&mut def.body);
                }
                ItemKind::Plan(def) => {
                    by.name(&mut def.name);
                    by.span(&mut def.kind.span);
                    by.exprs(&mut def.dims);
                    by.expr(&mut def.entries);
                    def.follows.iter_mut().for_each(|name| by.name(name));
                }
                ItemKind::Block(def) => {
                    by.name(&mut def.name);
                    by.params(&mut def.params);
                    by.stmts(&mut def.decls);
                    by.params(&mut def.inputs);
                    by.ty(&mut def.result);
                    by.stmts(&mut def.body);
                    by.span(&mut def.forward_span);
                }
                ItemKind::Model(def) => {
                    by.name(&mut def.name);
                    by.params(&mut def.params);
                    by.stmts(&mut def.body);
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Shift(usize);

impl Shift {
    fn span(self, span: &mut Span) {
        span.start += self.0;
        span.end += self.0;
    }

    fn name(self, name: &mut Name) {
        self.span(&mut name.span);
    }

    fn fields(self, fields: &mut [Field]) {
        for field in fields {
            self.name(&mut field.name);
            self.expr(&mut field.value);
        }
    }

    fn params(self, params: &mut [Param]) {
        for param in params {
            self.name(&mut param.name);
            self.ty(&mut param.ty);
            param.default.iter_mut().for_each(|default| self.expr(default));
        }
    }

    fn ty(self, ty: &mut TypeExpr) {
        self.span(&mut ty.span);
        ty.visibility.iter_mut().for_each(|word| self.span(&mut word.span));
        if let TypeKind::Tensor { dims, .. } = &mut ty.kind {
            self.exprs(dims);
        }
    }

    fn assert(self, assert: &mut Assert) {
        self.expr(&mut assert.condition);
        assert.message.iter_mut().for_each(|message| self.span(&mut message.span));
    }

    fn stmts(self, stmts: &mut [Stmt]) {
        stmts.iter_mut().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(self, stmt: &mut Stmt) {
        self.span(&mut stmt.span);
        match &mut stmt.kind {
            StmtKind::Let { name, value } | StmtKind::Assign { name, value } => {
                self.name(name);
                self.expr(value);
            }
            StmtKind::For { name, from, to, body } => {
                self.name(name);
                self.expr(from);
                self.expr(to);
                self.stmts(body);
            }
            StmtKind::Return(value) => self.expr(value),
            StmtKind::Assert(assert) => self.assert(assert),
            StmtKind::Assume { value, low, high } => [value, low, high].into_iter().for_each(|expr| self.expr(expr)),
            StmtKind::Param { name, ty, path, ops } => {
                self.name(name);
                self.ty(ty);
                self.span(&mut path.span);
                for LoadOp { name, args } in ops {
                    self.name(name);
                    self.exprs(args);
                }
            }
            StmtKind::Input { name, ty } => {
                self.name(name);
                self.ty(ty);
            }
            StmtKind::Weights { visibility, fields } => {
                self.span(&mut visibility.span);
                self.fields(fields);
            }
            StmtKind::Tokenizer { file, fields } => {
                self.span(&mut file.span);
                self.fields(fields);
            }
            StmtKind::Preprocess { input, fields } => {
                self.name(input);
                self.fields(fields);
            }
            StmtKind::Local { party, body } => {
                self.span(&mut party.span);
                self.stmts(body);
            }
            StmtKind::Output { name, party, ty, value, labels, any: _ } => {
                self.name(name);
                self.span(&mut party.span);
                self.ty(ty);
                self.expr(value);
                labels.iter_mut().flatten().for_each(|label| self.span(&mut label.span));
            }
        }
    }

    fn exprs(self, exprs: &mut [Expr]) {
        exprs.iter_mut().for_each(|expr| self.expr(expr));
    }

    fn expr(self, expr: &mut Expr) {
        self.span(&mut expr.span);
        match &mut expr.kind {
            ExprKind::Call { args, .. } => {
                args.iter_mut().filter_map(|arg| arg.name.as_mut()).for_each(|name| self.name(name));
            }
            ExprKind::Index { indices, .. } => {
                for index in indices {
                    if let Index::All(span) = index {
                        self.span(span);
                    }
                }
            }
            ExprKind::At { path, .. } => self.span(&mut path.span),
            _ => {}
        }
        expr.children_mut().into_iter().for_each(|child| self.expr(child));
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    /// A text moved down by blanks has the places that shifting gives.
    #[test]
    fn shifting_equals_parsing_further_down() {
        for source in [
            include_str!("../../tests/goldens/parse/mpcvit_cifar10.mpv"),
            "mpv 1;\nplan P: per_layer<2> = [0: relu, 1..2: search[gelu, relu]];\nplan Q: per_layer<2> = [relu: relu, gelu: relu] following P;\nmodel M() {\n  output x: reveal client Tensor<1> = f(y: -[1, 2][.., 0..1]) labels [\"a\"];\n}\n",
        ] {
            let mut shifted = parse(source).expect("the source parses");
            shifted.shift(7);
            assert_eq!(shifted, parse(&format!("       {source}")).expect("the moved source parses"));
        }
    }
}
