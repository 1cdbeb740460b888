//! The expressions directly inside one, listed once for all who go through a tree.

use super::{Arg, Expr, ExprKind, Index, ListElem};

macro_rules! children {
    ($(#[$doc:meta])* $name:ident $($mutable:tt)?) => {
        impl Expr {
            $(#[$doc])*
            pub fn $name(&$($mutable)? self) -> Vec<&$($mutable)? Expr> {
                let mut found: Vec<&$($mutable)? Expr> = Vec::new();
                match &$($mutable)? self.kind {
                    ExprKind::Int(_) | ExprKind::Real(..) | ExprKind::Str(_) | ExprKind::Name(_) => {}
                    ExprKind::Neg(inner) | ExprKind::Paren(inner) | ExprKind::At { value: inner, .. } => found.push(inner),
                    ExprKind::Binary { left: first, right: second, .. }
                    | ExprKind::Repeat { value: first, count: second } => {
                        found.push(first);
                        found.push(second);
                    }
                    ExprKind::Call { callee, args } => {
                        found.push(callee);
                        for Arg { value, .. } in args {
                            found.push(value);
                        }
                    }
                    ExprKind::Index { value, indices } => {
                        found.push(value);
                        for index in indices {
                            match index {
                                Index::At(at) => found.push(at),
                                Index::Range(from, to) => {
                                    found.push(from);
                                    found.push(to);
                                }
                                Index::All(_) => {}
                            }
                        }
                    }
                    ExprKind::Search(candidates) => found.extend(candidates),
                    ExprKind::List(elems) => {
                        for elem in elems {
                            match elem {
                                ListElem::Plain(value) => found.push(value),
                                ListElem::At(at, value) => {
                                    found.push(at);
                                    found.push(value);
                                }
                                ListElem::Range(from, to, value) => {
                                    found.push(from);
                                    found.push(to);
                                    found.push(value);
                                }
                            }
                        }
                    }
                }
                found
            }
        }
    };
}

children! {
    /// The expressions directly inside this one, from left to right.
    children
}
children! {
    /// The same, to be changed.
    children_mut mut
}
