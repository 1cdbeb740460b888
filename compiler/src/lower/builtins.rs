//! What the built-in functions are in the graph: here those that work entry by entry or row by row.

mod layout;
mod network;
mod numbers;
mod rows;

use mpcc_grammar::ast::Span;

use super::Lowerer;
use super::builtin::{Builtin, SERIES_CUT};
use super::report::error;
use super::value::{Argument, Tensor, Value};
use crate::graph::{Op, Shape};

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
        let Some(mut bound) = self.bind(&what, builtin.signature().2, args, span, None) else { return Value::Poison };
        if bound.iter().flatten().any(|arg| arg.value.is_poison()) {
            return Value::Poison;
        }
        if matches!(builtin, Builtin::Max | Builtin::Min) && matches!(given(&bound, 1).0, Value::Tensor(_)) {
            bound.swap(0, 1);
        }
        let (first, first_span) = given(&bound, 0);
        if builtin == Builtin::Choose {
            let (x, x_span) = given(&bound, 1);
            return self.choose(&first, first_span, &x, x_span, span);
        }
        if let Some(value) = self.of_numbers(builtin, &bound) {
            return value;
        }
        let cut = match bound.get(1) {
            Some(Some(_)) if builtin == Builtin::GeluFourier => self.positive(given(&bound, 1), "`cut`"),
            _ => Some(SERIES_CUT),
        };
        let (Some(cut), Some(x)) = (cut, self.as_tensor(&first, first_span)) else { return Value::Poison };
        let shape = self.shape(x.node);
        if let Some(function) = builtin.smooth(cut) {
            return self.real(Op::Smooth(function, x.node), shape, x.lead, span);
        }
        match builtin {
            Builtin::Relu => self.real(Op::Relu(x.node), shape, x.lead, span),
            Builtin::Recip => Value::Tensor(self.reciprocal(x, span)),
            Builtin::Rsqrt => self.real(Op::Rsqrt(x.node), shape, x.lead, span),
            Builtin::Sqrt => self.real(Op::Sqrt(x.node), shape, x.lead, span),
            Builtin::Square => self.real(Op::Mul(x.node, x.node), shape, x.lead, span),
            Builtin::Step => self.real(Op::Step(x.node), shape, x.lead, span),
            Builtin::Sum | Builtin::Mean => self.row(builtin, x, bound[1].clone(), span),
            Builtin::Max | Builtin::Min => self.extreme(builtin, x, &bound, span),
            Builtin::Argmax => self.argmax(x, span),
            Builtin::LayerNorm => self.layernorm(x, first_span, &bound, span),
            Builtin::Linear => self.linear(x, first_span, &bound, span),
            Builtin::Lookup => self.look_up(x, first_span, &bound, span),
            Builtin::PatchEmbed => self.patch_embed(x, first_span, &bound, span),
            Builtin::Normalize => self.normalize(x, first_span, &bound, span),
            Builtin::SplitHeads => self.split_heads(x, first_span, &bound, span),
            Builtin::MergeHeads => self.merge_heads(x, first_span, span),
            Builtin::Transpose => self.transpose(x, first_span, span),
            Builtin::Ceil | Builtin::Exp2 | Builtin::Floor | Builtin::Log2 => {
                let name = builtin.name();
                self.fail(
                    error("E0604", format!("`{name}` is for numbers known at compile time"))
                        .at(first_span, "a tensor is known only when the model runs"),
                )
            }
            Builtin::Choose
            | Builtin::Concat
            | Builtin::Erf
            | Builtin::Exp
            | Builtin::Gelu
            | Builtin::GeluFourier
            | Builtin::Sigmoid
            | Builtin::Silu
            | Builtin::Tanh => Value::Poison,
        }
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
