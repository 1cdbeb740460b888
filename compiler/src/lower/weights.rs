//! Weights: where a tensor stands in the weights file, and how it is reshaped when loaded.

use mpcc_grammar::ast::{self, Name, Span, Spanned, TypeExpr};

use super::Lowerer;
use super::report::error;
use super::types::{element_text, shape_text};
use super::value::{Tensor, Value};
use crate::graph::{Element, LoadOp, Op, Param, ParamId, Shape, Type, Visibility};

/// One use of a weights-file tensor.
pub(super) struct Bound {
    span: Span,
    file_shape: Shape,
    /// Axis and range, if only a part is taken.
    part: Option<(usize, usize, usize)>,
}

const LOAD_OPS: [&str; 4] = ["squeeze", "transpose", "slice", "reshape"];

impl<'a> Lowerer<'a> {
    /// `param name: type = "path".op(…)…;`
    pub(super) fn weight(
        &mut self,
        name: &'a Name,
        ty: &'a TypeExpr,
        path: &'a Spanned<String>,
        ops: &'a [ast::LoadOp],
    ) {
        let value = self.declared_weight(name, ty, path, ops).unwrap_or(Value::Poison);
        self.define(&name.node, value, name.span);
    }

    fn declared_weight(
        &mut self,
        name: &'a Name,
        ty: &'a TypeExpr,
        path: &'a Spanned<String>,
        ops: &'a [ast::LoadOp],
    ) -> Option<Value<'a>> {
        if self.weights.is_none() {
            self.weights = Some(name.span);
            self.fail(
                error("E0706", "weights are used but not declared")
                    .at(name.span, "whose is this?")
                    .help("add `weights secret server { format: safetensors }` to the model"),
            );
        }
        let wanted = self.tensor_type(ty)?;
        if let Some((visibility, span)) =
            wanted.visibility.filter(|(visibility, _)| *visibility != Visibility::SecretServer)
        {
            let word = super::types::visibility_text(visibility);
            self.fail(
                error("E0405", "a weight is `secret server`")
                    .at(span, format!("cannot be `{word}`"))
                    .help("leave the visibility out: it comes from the `weights` declaration"),
            );
            return None;
        }
        if let Some(element) = wanted.element.filter(|element| *element != Element::Real) {
            let text = format!("cannot hold `{}`", element_text(element));
            self.fail(
                error("E0517", "a weight holds real numbers")
                    .at(ty.span, text)
                    .help("write `Tensor<…>` without an element"),
            );
            return None;
        }
        let relative = self.interpolated(path);
        let loaded = self.load_ops(ops, &wanted.shape);
        let (relative, (ops, file_shape)) = (relative?, loaded?);
        let full = match self.frames.last().and_then(|frame| frame.block.as_ref()) {
            Some((block, _)) => format!("{block}.{relative}"),
            None => relative,
        };
        let part = match ops.first() {
            Some(LoadOp::Slice(axis, from, to)) => Some((*axis, *from, *to)),
            _ => None,
        };
        self.check_unbound(&full, &file_shape, part, path.span)?;
        self.bound.entry(full.clone()).or_default().push(Bound {
            span: path.span,
            file_shape: file_shape.clone(),
            part,
        });
        let shape = wanted.shape;
        let id = ParamId(u32::try_from(self.graph.params.len()).ok()?);
        self.graph.params.push(Param { name: full, file_shape, ops, shape: shape.clone() });
        let naming = self.frame().and_then(|frame| frame.naming.replace(name.node.clone()));
        let ty = Type { element: Element::Real, shape, visibility: Visibility::SecretServer };
        let node = self.push(Op::Param(id), ty, name.span);
        if let Some(frame) = self.frame() {
            frame.naming = naming;
        }
        Some(Value::Tensor(Tensor { node, lead: 0 }))
    }

    /// A parameter of the search's, of this shape in the file as well.
    pub(super) fn coefficient(&mut self, name: String, shape: &Shape, span: Span) -> Option<ParamId> {
        self.check_unbound(&name, shape, None, span)?;
        self.bound.entry(name.clone()).or_default().push(Bound { span, file_shape: shape.clone(), part: None });
        let id = ParamId(u32::try_from(self.graph.params.len()).ok()?);
        self.graph.params.push(Param { name, file_shape: shape.clone(), ops: Vec::new(), shape: shape.clone() });
        Some(id)
    }

    /// Reports a tensor that is bound already, unless both take disjoint parts of it.
    fn check_unbound(
        &mut self,
        full: &str,
        file_shape: &Shape,
        part: Option<(usize, usize, usize)>,
        span: Span,
    ) -> Option<()> {
        let bound = self.bound.get(full).map(Vec::as_slice).unwrap_or_default();
        let clash = bound.iter().find(|other| match (other.part, part) {
            (Some((axis, from, to)), Some((this, low, high))) => {
                axis != this || other.file_shape != *file_shape || (from < high && low < to)
            }
            _ => true,
        });
        let Some(first) = clash.map(|clash| clash.span) else { return Some(()) };
        let draft = error("E0701", format!("tensor `{full}` is bound twice")).at(span, "second time");
        self.fail(if first == span {
            draft.help("the same path in every round of a loop: put the loop variable into it, `{i}`")
        } else {
            draft.at(first, "first time").help("use the weight declared first, or take disjoint parts with `.slice`")
        });
        None
    }

    /// Replaces `{name}` in a path by the whole number of that name.
    pub(super) fn interpolated(&mut self, path: &'a Spanned<String>) -> Option<String> {
        let mut out = String::new();
        let mut rest = path.node.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let inner = rest[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let Some((name, after)) = inner else {
                self.fail(
                    error("E0704", "unbalanced brace in a path")
                        .at(path.span, "`{` and `}` enclose the name of a number"),
                );
                return None;
            };
            match self.lookup(name).map(|binding| binding.value) {
                Some(Value::Int(n)) => out.push_str(&n.to_string()),
                Some(Value::Poison) => return None,
                found => {
                    let text = match found {
                        Some(value) => format!("`{name}` is {}", value.describe()),
                        None => format!("`{name}` is not defined here"),
                    };
                    let names: Vec<String> = self
                        .frames
                        .last()
                        .map(|frame| frame.scopes.iter().flat_map(|scope| scope.keys().cloned()).collect())
                        .unwrap_or_default();
                    let draft = error("E0704", format!("`{{{name}}}` in a path is not a number")).at(path.span, text);
                    let draft = draft.suggest(name, names.iter().map(String::as_str));
                    self.fail(draft.help("a loop variable, a constant or a parameter of type `int` can stand there"));
                    return None;
                }
            }
            rest = after;
        }
        out.push_str(rest);
        if out.is_empty() || out.split('.').any(str::is_empty) {
            self.fail(
                error("E0704", "this is not the name of a tensor")
                    .at(path.span, "a name is parts joined by single dots"),
            );
            return None;
        }
        Some(out)
    }

    /// Load-time reshapes and the shape in the file, from the shape after them.
    fn load_ops(&mut self, ops: &'a [ast::LoadOp], shape: &Shape) -> Option<(Vec<LoadOp>, Shape)> {
        let mut file_shape = shape.clone();
        let mut loaded = Vec::new();
        for op in ops.iter().rev() {
            let name = op.name.node.as_str();
            if !LOAD_OPS.contains(&name) {
                self.fail(
                    error("E0702", format!("there is no load-time reshape `{name}`"))
                        .at(op.name.span, "unknown reshape")
                        .suggest(name, LOAD_OPS)
                        .help("there are `.squeeze(axis)`, `.transpose(a, b)`, `.slice(axis, from, to, extent)` and `.reshape(extents…)`"),
                );
                return None;
            }
            let args: Option<Vec<i64>> = op.args.iter().map(|arg| self.whole(arg)).collect();
            let args: Option<Vec<usize>> = args?.into_iter().map(|arg| usize::try_from(arg).ok()).collect();
            match undone(name, args.as_deref().unwrap_or_default(), &mut file_shape) {
                Ok(op) => loaded.push(op),
                Err(why) => {
                    let message = format!("`.{name}` does not lead to {}", shape_text(shape));
                    self.fail(error("E0703", message).at(op.name.span, why));
                    return None;
                }
            }
        }
        loaded.reverse();
        Some((loaded, file_shape))
    }
}

/// Turns the shape after a reshape into the shape before it.
fn undone(name: &str, args: &[usize], shape: &mut Shape) -> Result<LoadOp, String> {
    let rank = shape.len();
    match (name, args) {
        ("squeeze", [axis]) if *axis <= rank => {
            shape.insert(*axis, 1);
            Ok(LoadOp::Squeeze(*axis))
        }
        ("squeeze", [axis]) => Err(format!("axis {axis} is not among the {} axes in the file", rank + 1)),
        ("transpose", [a, b]) if *a < rank && *b < rank => {
            shape.swap(*a, *b);
            Ok(LoadOp::Transpose(*a, *b))
        }
        ("transpose", [_, _]) => Err(format!("the tensor has axes 0..{rank}")),
        ("slice", [axis, ..]) if *axis >= rank => Err(format!("the tensor has axes 0..{rank}")),
        ("slice", [axis, from, to, extent]) => {
            if from >= to || to > extent {
                Err(format!("{from}..{to} is not a range of 0..{extent}"))
            } else if to - from != shape[*axis] {
                Err(format!("{from}..{to} has {} entries, axis {axis} has {}", to - from, shape[*axis]))
            } else {
                shape[*axis] = *extent;
                Ok(LoadOp::Slice(*axis, *from, *to))
            }
        }
        ("reshape", [_, ..]) => {
            let (entries, found): (usize, usize) = (args.iter().product(), shape.iter().product());
            if entries == found {
                let after = std::mem::replace(shape, Shape::from_slice(args));
                Ok(LoadOp::Reshape(after))
            } else {
                Err(format!("{entries} entries in the file, {found} afterwards"))
            }
        }
        ("squeeze", _) => Err("takes one axis".to_owned()),
        ("reshape", _) => Err("takes the extents in the file".to_owned()),
        ("transpose", _) => Err("takes two axes".to_owned()),
        _ => Err("takes the axis, the first entry, one past the last, and the extent in the file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_in_the_file_is_found_backwards() {
        let mut shape = Shape::from_slice(&[1, 128]);
        assert_eq!(undone("squeeze", &[0], &mut shape), Ok(LoadOp::Squeeze(0)));
        assert_eq!(shape.as_slice(), [1, 1, 128]);
        let mut shape = Shape::from_slice(&[128, 64]);
        assert_eq!(undone("slice", &[0, 128, 256, 384], &mut shape), Ok(LoadOp::Slice(0, 128, 256)));
        assert_eq!(shape.as_slice(), [384, 64]);
        assert!(undone("slice", &[0, 0, 64, 384], &mut shape).is_err());
        assert!(undone("transpose", &[0, 2], &mut shape).is_err());
        assert!(undone("squeeze", &[], &mut shape).is_err());
        let mut shape = Shape::from_slice(&[32, 3, 4, 4]);
        let declared = shape.clone();
        assert_eq!(undone("reshape", &[32, 48], &mut shape), Ok(LoadOp::Reshape(declared)));
        assert_eq!(shape.as_slice(), [32, 48]);
        assert!(undone("reshape", &[32, 47], &mut shape).is_err());
        assert!(undone("reshape", &[], &mut shape).is_err());
    }
}
