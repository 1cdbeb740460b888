//! Written types, and what an expression must be where a number or a tensor is wanted.

use mpcc_grammar::ast::{ElementWord, Expr, Span, TypeExpr, TypeKind, VisibilityWord};
use smallvec::SmallVec;

use super::Lowerer;
use super::report::error;
use super::value::{Tensor, Value};
use crate::graph::{Element, Shape, Visibility};
use crate::verify::budget::{MOST_AXES, MOST_ENTRIES, countable};

/// A written tensor type; unwritten parts are `None`.
pub(super) struct TensorType {
    pub(super) element: Option<Element>,
    pub(super) shape: Shape,
    pub(super) visibility: Option<(Visibility, Span)>,
}

/// What is wrong with a shape that has no sensible number of axes or entries.
pub(super) fn impossible(shape: &[usize]) -> Option<String> {
    if shape.len() > MOST_AXES {
        return Some(format!("a tensor has at most {MOST_AXES} axes"));
    }
    (!countable(shape)).then(|| format!("a tensor has at most {MOST_ENTRIES} entries"))
}

pub(super) fn element(word: ElementWord) -> Element {
    match word {
        ElementWord::U8 => Element::U8,
        ElementWord::I32 => Element::I32,
        ElementWord::Bit => Element::Bit,
        ElementWord::F32 => Element::Real,
    }
}

pub(super) fn visibility(word: VisibilityWord) -> Visibility {
    match word {
        VisibilityWord::SecretClient => Visibility::SecretClient,
        VisibilityWord::SecretServer => Visibility::SecretServer,
        VisibilityWord::Public => Visibility::Public,
    }
}

/// `secret client`, as the source writes it.
pub(super) fn visibility_text(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::SecretClient => "secret client",
        Visibility::SecretServer => "secret server",
        Visibility::Shared => "shared",
    }
}

pub(super) fn element_text(element: Element) -> &'static str {
    match element {
        Element::Real => "f32",
        Element::U8 => "u8",
        Element::I32 => "i32",
        Element::Bit => "bit",
    }
}

/// `[4, 65, 65]`
pub(super) fn shape_text(shape: &[usize]) -> String {
    let shown = shape.iter().take(MOST_AXES).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("[{shown}{}]", if shape.len() > MOST_AXES { ", …" } else { "" })
}

impl<'a> Lowerer<'a> {
    /// A tensor type whose extents are all known.
    pub(super) fn tensor_type(&mut self, ty: &'a TypeExpr) -> Option<TensorType> {
        let TypeKind::Tensor { element: word, dims } = &ty.kind else {
            self.fail(error("E0501", "a tensor type is needed here").at(ty.span, "this is not a tensor"));
            return None;
        };
        let shape = self.extents(dims, ty.span)?;
        let visibility = ty.visibility.as_ref().map(|word| (visibility(word.node), word.span));
        Some(TensorType { element: word.map(element), shape, visibility })
    }

    /// Positive whole extents.
    pub(super) fn extents(&mut self, dims: &'a [Expr], span: Span) -> Option<Shape> {
        let extents: Vec<Option<usize>> = dims.iter().map(|dim| self.extent(dim)).collect();
        let shape: Shape = extents.into_iter().collect::<Option<SmallVec<_>>>()?;
        if let Some(why) = impossible(&shape) {
            self.fail(error("E0518", why).at(span, format!("this is {}", shape_text(&shape))));
            return None;
        }
        Some(shape)
    }

    /// One positive whole extent.
    pub(super) fn extent(&mut self, dim: &'a Expr) -> Option<usize> {
        let value = self.whole(dim)?;
        let extent = usize::try_from(value).ok().filter(|extent| (1..=MOST_ENTRIES).contains(extent));
        if extent.is_none() {
            self.fail(
                error("E0518", format!("{value} is not an extent"))
                    .at(dim.span, format!("an extent is a positive whole number, at most {MOST_ENTRIES}")),
            );
        }
        extent
    }

    /// A whole number known at compile time.
    pub(super) fn whole(&mut self, expr: &'a Expr) -> Option<i64> {
        let value = self.expr(expr);
        self.want_whole(&value, expr.span)
    }

    /// A number known at compile time.
    pub(super) fn number(&mut self, expr: &'a Expr) -> Option<f64> {
        let value = self.expr(expr);
        self.want_number(&value, expr.span)
    }

    pub(super) fn want_whole(&mut self, value: &Value<'a>, span: Span) -> Option<i64> {
        match value {
            Value::Int(n) => Some(*n),
            _ => self.mismatch("a whole number", value, span),
        }
    }

    pub(super) fn want_number(&mut self, value: &Value<'a>, span: Span) -> Option<f64> {
        match value.as_number() {
            Some(number) => Some(number),
            None => self.mismatch("a number", value, span),
        }
    }

    pub(super) fn want_tensor(&mut self, value: &Value<'a>, span: Span) -> Option<Tensor> {
        match value {
            Value::Tensor(tensor) => Some(*tensor),
            _ => self.mismatch("a tensor", value, span),
        }
    }

    /// Reports that `value` is not what is `wanted`; silent for a poisoned value.
    pub(super) fn mismatch<T>(&mut self, wanted: &str, value: &Value<'a>, span: Span) -> Option<T> {
        match value {
            Value::Poison => {}
            Value::Tensor(_) => {
                self.fail(
                    error("E0604", format!("{wanted} known at compile time is needed here"))
                        .at(span, "a tensor is known only when the model runs")
                        .help("shapes, loop bounds and choices depend on constants and parameters alone"),
                );
            }
            _ => {
                self.fail(
                    error("E0501", format!("{wanted} is needed here"))
                        .at(span, format!("this is {}", value.describe())),
                );
            }
        }
        None
    }

    /// `Tensor<u8, 3, 32, 32>`, without mapped axes.
    pub(super) fn type_text(&self, tensor: Tensor) -> String {
        let ty = self.ty(tensor.node);
        type_text(Some(ty.element), &self.seen(tensor))
    }
}

/// `Tensor<u8, 3, 32, 32>`; the element of real numbers is not written.
pub(super) fn type_text(element: Option<Element>, shape: &[usize]) -> String {
    let mut parts: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if let Some(element) = element.filter(|element| *element != Element::Real) {
        parts.insert(0, element_text(element).to_owned());
    }
    format!("Tensor<{}>", parts.join(", "))
}
