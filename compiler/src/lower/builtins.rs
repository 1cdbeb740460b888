//! The built-in functions: their signatures, and those that work entry by entry or row by row.

mod layout;
mod network;
mod numbers;
mod rows;

use mpcc_grammar::ast::Span;

use super::Lowerer;
use super::report::error;
use super::value::{Argument, Tensor, Value};
use crate::graph::{Op, Shape};
use crate::smooth::Smooth;

/// Where SecFormer's paper ends its series for the error function.
const SERIES_CUT: f64 = 1.7;

/// A function of the language itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Argmax,
    Ceil,
    Choose,
    Concat,
    Erf,
    Exp,
    Exp2,
    Floor,
    Gelu,
    GeluFourier,
    LayerNorm,
    Linear,
    Log2,
    Lookup,
    Max,
    Mean,
    MergeHeads,
    Min,
    Normalize,
    PatchEmbed,
    Recip,
    Relu,
    Rsqrt,
    Sigmoid,
    Silu,
    SplitHeads,
    Sqrt,
    Square,
    Step,
    Sum,
    Tanh,
    Transpose,
}

/// Name, parameters with whether they are required, and what it is. `concat` takes tensors and `axis`.
type Signature = (Builtin, &'static str, &'static [(&'static str, bool)], &'static str);

#[rustfmt::skip]
const SIGNATURES: [Signature; 32] = [
    (Builtin::Argmax, "argmax", &[("x", true)], "position of the largest entry of each row; of a shared value it may only be revealed"),
    (Builtin::Ceil, "ceil", &[("x", true)], "a number rounded up"),
    (Builtin::Choose, "choose", &[("plan", true), ("x", true)], "one layer of a plan applied to heads, rows or all of `x`"),
    (Builtin::Concat, "concat", &[("axis", true)], "tensors joined along an axis"),
    (Builtin::Erf, "erf", &[("x", true)], "the error function of every entry"),
    (Builtin::Exp, "exp", &[("x", true)], "e to the power of every entry"),
    (Builtin::Exp2, "exp2", &[("x", true)], "2 to the power of a number"),
    (Builtin::Floor, "floor", &[("x", true)], "a number rounded down"),
    (Builtin::Gelu, "gelu", &[("x", true)], "x (1 + erf(x/√2)) / 2 of every entry"),
    (Builtin::GeluFourier, "gelu_fourier", &[("x", true), ("cut", false)], "SecFormer's GeLU: a sine series of 7 terms in place of erf up to `cut`, 1.7 unless given"),
    (Builtin::LayerNorm, "layernorm", &[("x", true), ("gain", true), ("bias", true), ("eps", true)], "rows centred and divided by their standard deviation"),
    (Builtin::Linear, "linear", &[("x", true), ("weight", true), ("bias", false)], "x Wᵀ + b, with the weight as [out, in]"),
    (Builtin::Log2, "log2", &[("x", true)], "logarithm of a number to the base 2"),
    (Builtin::Lookup, "lookup", &[("table", true), ("ids", true)], "rows of a table at positions that the client knows and the server does not learn"),
    (Builtin::Max, "max", &[("x", true), ("y", false), ("axis", false)], "largest entry of each row (`axis: -1`), or the larger of two values"),
    (Builtin::Mean, "mean", &[("x", true), ("axis", true)], "mean of each row"),
    (Builtin::MergeHeads, "merge_heads", &[("x", true)], "[heads, rows, width] to [rows, heads * width]"),
    (Builtin::Min, "min", &[("x", true), ("y", true)], "the smaller of two values"),
    (Builtin::Normalize, "normalize", &[("x", true), ("mean", true), ("std", true)], "(x - mean) / std for each entry of the first axis"),
    (Builtin::PatchEmbed, "patch_embed", &[("image", true), ("weight", true), ("bias", true), ("stride", true)], "patches of an image through a linear layer"),
    (Builtin::Recip, "recip", &[("x", true)], "1 / x of every entry, for x ≥ 0; 0 for 0; `a / b` is `a * recip(b)`"),
    (Builtin::Relu, "relu", &[("x", true)], "max(x, 0) of every entry"),
    (Builtin::Rsqrt, "rsqrt", &[("x", true)], "1 / √x of every entry, for x ≥ 0; 0 for 0"),
    (Builtin::Sigmoid, "sigmoid", &[("x", true)], "1 / (1 + exp(-x)) of every entry"),
    (Builtin::Silu, "silu", &[("x", true)], "x / (1 + exp(-x)) of every entry"),
    (Builtin::SplitHeads, "split_heads", &[("x", true), ("heads", true)], "[rows, heads * width] to [heads, rows, width]"),
    (Builtin::Sqrt, "sqrt", &[("x", true)], "√x of every entry, for x ≥ 0"),
    (Builtin::Square, "square", &[("x", true)], "x x of every entry"),
    (Builtin::Step, "step", &[("x", true)], "1 where x ≥ 0, else 0"),
    (Builtin::Sum, "sum", &[("x", true), ("axis", true)], "sum of each row"),
    (Builtin::Tanh, "tanh", &[("x", true)], "hyperbolic tangent of every entry"),
    (Builtin::Transpose, "transpose", &[("x", true)], "last two axes swapped"),
];

/// A built-in function as a reader sees it.
#[derive(Clone, Debug)]
pub struct BuiltinFunction {
    /// Its name.
    pub name: &'static str,
    /// `linear(x, weight, [bias])`: what may be left out stands in brackets.
    pub call: String,
    /// What it is, in one line.
    pub summary: &'static str,
}

/// All built-in functions, sorted.
pub fn builtin_functions() -> Vec<BuiltinFunction> {
    let of = |(builtin, name, params, summary): &Signature| {
        let one = |(param, required): &(&str, bool)| if *required { (*param).to_owned() } else { format!("[{param}]") };
        let params: Vec<String> = match builtin {
            Builtin::Concat => vec!["a".to_owned(), "b".to_owned(), "…".to_owned(), "axis".to_owned()],
            _ => params.iter().map(one).collect(),
        };
        BuiltinFunction { name, call: format!("{name}({})", params.join(", ")), summary }
    };
    SIGNATURES.iter().map(of).collect()
}

impl Builtin {
    pub(super) fn named(name: &str) -> Option<Self> {
        SIGNATURES.iter().find(|(_, known, ..)| *known == name).map(|(builtin, ..)| *builtin)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        SIGNATURES.iter().map(|(_, name, ..)| *name)
    }

    pub(super) fn name(self) -> &'static str {
        self.signature().1
    }

    fn signature(self) -> &'static Signature {
        SIGNATURES.iter().find(|(builtin, ..)| *builtin == self).expect("every built-in function has a signature")
    }

    /// Whether it maps one tensor to one of the same shape, entry by entry.
    pub(super) fn is_pointwise(self) -> bool {
        self.smooth(SERIES_CUT).is_some()
            || matches!(
                self,
                Builtin::Recip | Builtin::Relu | Builtin::Rsqrt | Builtin::Sqrt | Builtin::Square | Builtin::Step
            )
    }

    /// The smooth function it is, if it is one; `cut` is for `gelu_fourier`.
    fn smooth(self, cut: f64) -> Option<Smooth> {
        Some(match self {
            Builtin::Erf => Smooth::Erf,
            Builtin::Exp => Smooth::Exp,
            Builtin::Gelu => Smooth::Gelu,
            Builtin::GeluFourier => Smooth::GeluFourier { cut },
            Builtin::Sigmoid => Smooth::Sigmoid,
            Builtin::Silu => Smooth::Silu,
            Builtin::Tanh => Smooth::Tanh,
            _ => return None,
        })
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
            Builtin::Sum | Builtin::Mean => self.row(builtin, x, given(&bound, 1), span),
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
