//! The built-in functions: their signatures, and those that work entry by entry or row by row.

mod layout;
mod network;

use mpcc_grammar::ast::Span;

use super::Lowerer;
use super::report::error;
use super::types::shape_text;
use super::value::{Argument, Tensor, Value};
use crate::graph::{Op, Shape};
use crate::smooth::Smooth;

/// A function of the language itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Argmax,
    Choose,
    Concat,
    Gelu,
    LayerNorm,
    Linear,
    Mean,
    MergeHeads,
    Normalize,
    PatchEmbed,
    Recip,
    Relu,
    Rsqrt,
    SplitHeads,
    Square,
    Sum,
    Transpose,
}

/// Name, and parameters with whether they are required. `concat` takes tensors and `axis`.
type Signature = (Builtin, &'static str, &'static [(&'static str, bool)]);

const SIGNATURES: [Signature; 17] = [
    (Builtin::Argmax, "argmax", &[("x", true)]),
    (Builtin::Choose, "choose", &[("plan", true), ("x", true)]),
    (Builtin::Concat, "concat", &[("axis", true)]),
    (Builtin::Gelu, "gelu", &[("x", true)]),
    (Builtin::LayerNorm, "layernorm", &[("x", true), ("gain", true), ("bias", true), ("eps", true)]),
    (Builtin::Linear, "linear", &[("x", true), ("weight", true), ("bias", false)]),
    (Builtin::Mean, "mean", &[("x", true), ("axis", true)]),
    (Builtin::MergeHeads, "merge_heads", &[("x", true)]),
    (Builtin::Normalize, "normalize", &[("x", true), ("mean", true), ("std", true)]),
    (Builtin::PatchEmbed, "patch_embed", &[("image", true), ("weight", true), ("bias", true), ("stride", true)]),
    (Builtin::Recip, "recip", &[("x", true)]),
    (Builtin::Relu, "relu", &[("x", true)]),
    (Builtin::Rsqrt, "rsqrt", &[("x", true)]),
    (Builtin::SplitHeads, "split_heads", &[("x", true), ("heads", true)]),
    (Builtin::Square, "square", &[("x", true)]),
    (Builtin::Sum, "sum", &[("x", true), ("axis", true)]),
    (Builtin::Transpose, "transpose", &[("x", true)]),
];

impl Builtin {
    pub(super) fn named(name: &str) -> Option<Self> {
        SIGNATURES.iter().find(|(_, known, _)| *known == name).map(|(builtin, ..)| *builtin)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        SIGNATURES.iter().map(|(_, name, _)| *name)
    }

    pub(super) fn name(self) -> &'static str {
        self.signature().1
    }

    fn signature(self) -> &'static Signature {
        SIGNATURES.iter().find(|(builtin, ..)| *builtin == self).expect("every built-in function has a signature")
    }

    /// Whether it maps one tensor to one of the same shape, entry by entry.
    pub(super) fn is_pointwise(self) -> bool {
        matches!(self, Builtin::Gelu | Builtin::Recip | Builtin::Relu | Builtin::Square)
    }
}

/// Arguments of a built-in function by parameter.
type Bound<'a> = Vec<Option<Argument<'a>>>;

/// The `at`-th argument; one that was not given is poisoned.
fn given<'a>(bound: &Bound<'a>, at: usize) -> (Value<'a>, Span) {
    match bound.get(at) {
        Some(Some(arg)) => (arg.value.clone(), arg.span),
        _ => (Value::Poison, Span::default()),
    }
}

impl<'a> Lowerer<'a> {
    pub(super) fn call_builtin(&mut self, builtin: Builtin, args: Vec<Argument<'a>>, span: Span) -> Value<'a> {
        let what = format!("`{}`", builtin.name());
        if builtin == Builtin::Concat {
            let (axis, tensors) = args.into_iter().partition(|arg| arg.name.is_some());
            return self.concat(&what, tensors, axis, span);
        }
        let Some(bound) = self.bind(&what, builtin.signature().2, args, span, None) else { return Value::Poison };
        if bound.iter().flatten().any(|arg| arg.value.is_poison()) {
            return Value::Poison;
        }
        let (first, first_span) = given(&bound, 0);
        if builtin == Builtin::Choose {
            let (x, x_span) = given(&bound, 1);
            return self.choose(&first, first_span, &x, x_span, span);
        }
        if let Some(number) = first.as_number()
            && let Some(value) = self.of_number(builtin, number, first_span)
        {
            return value;
        }
        if let (Builtin::Rsqrt, Value::Tensor(_)) = (builtin, &first) {
            return self.fail(
                error("E0604", "`rsqrt` is for numbers known at compile time")
                    .at(first_span, "a tensor is known only when the model runs")
                    .help("`layernorm` divides by a standard deviation"),
            );
        }
        let Some(x) = self.as_tensor(&first, first_span) else { return Value::Poison };
        let shape = self.shape(x.node);
        match builtin {
            Builtin::Gelu => self.real(Op::Smooth(Smooth::Gelu, x.node), shape, x.lead, span),
            Builtin::Relu => self.real(Op::Relu(x.node), shape, x.lead, span),
            Builtin::Recip => Value::Tensor(self.reciprocal(x, span)),
            Builtin::Square => self.real(Op::Mul(x.node, x.node), shape, x.lead, span),
            Builtin::Sum | Builtin::Mean => self.row(builtin, x, &bound, span),
            Builtin::Argmax => self.argmax(x, first_span, span),
            Builtin::LayerNorm => self.layernorm(x, first_span, &bound, span),
            Builtin::Linear => self.linear(x, first_span, &bound, span),
            Builtin::PatchEmbed => self.patch_embed(x, first_span, &bound, span),
            Builtin::Normalize => self.normalize(x, first_span, &bound, span),
            Builtin::SplitHeads => self.split_heads(x, first_span, &bound, span),
            Builtin::MergeHeads => self.merge_heads(x, first_span, span),
            Builtin::Transpose => self.transpose(x, first_span, span),
            Builtin::Rsqrt | Builtin::Choose | Builtin::Concat => Value::Poison,
        }
    }

    /// A function of a number, evaluated now.
    fn of_number(&mut self, builtin: Builtin, x: f64, span: Span) -> Option<Value<'a>> {
        let value = match builtin {
            Builtin::Square => x * x,
            Builtin::Relu => x.max(0.0),
            Builtin::Recip if x != 0.0 => 1.0 / x,
            Builtin::Rsqrt if x > 0.0 => 1.0 / x.sqrt(),
            Builtin::Recip => return Some(self.fail(error("E0603", "division by zero").at(span, "this is 0"))),
            Builtin::Rsqrt => {
                let text = format!("this is {x}");
                return Some(self.fail(error("E0613", "`rsqrt` needs a positive number").at(span, text)));
            }
            _ => return None,
        };
        Some(Value::Real(value))
    }

    /// `sum` and `mean` along the last axis, which becomes 1.
    fn row(&mut self, builtin: Builtin, x: Tensor, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let (axis, axis_span) = given(bound, 1);
        let Some(axis) = self.want_whole(&axis, axis_span) else { return Value::Poison };
        let seen = self.seen(x);
        if axis != -1 && axis != seen.len() as i64 - 1 {
            let name = builtin.name();
            return self.fail(
                error("E0510", format!("`{name}` runs along the last axis"))
                    .at(axis_span, format!("not the last axis of {}", shape_text(&seen)))
                    .help("write `axis: -1`; `transpose` swaps the last two axes"),
            );
        }
        let mut shape = self.shape(x.node);
        if let Some(last) = shape.last_mut() {
            *last = 1;
        }
        let op = if builtin == Builtin::Sum { Op::SumRow(x.node) } else { Op::MeanRow(x.node) };
        self.real(op, shape, x.lead, span)
    }

    /// A positive number.
    fn positive(&mut self, (value, span): (Value<'a>, Span), what: &str) -> Option<f64> {
        let number = self.want_number(&value, span)?;
        if number <= 0.0 {
            self.fail(error("E0613", format!("{what} must be positive")).at(span, format!("this is {number}")));
            return None;
        }
        Some(number)
    }

    /// A parameter vector or matrix of a layer, which no call maps over.
    fn layer_weight(&mut self, (value, span): (Value<'a>, Span)) -> Option<(Tensor, Shape, Span)> {
        let tensor = self.as_tensor(&value, span)?;
        if tensor.lead > 0 {
            self.unmappable("a weight of a layer", span);
            return None;
        }
        Some((tensor, self.shape(tensor.node), span))
    }
}
