//! The functions of the language itself: their names, parameters and kinds.

use crate::smooth::Smooth;

/// Where SecFormer's paper ends its series for the error function.
pub(super) const SERIES_CUT: f64 = 1.7;

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
    (Builtin::Max, "max", &[("x", true), ("y", false), ("axis", false)], "largest entry of each row, or the larger of two values"),
    (Builtin::Mean, "mean", &[("x", true), ("axis", false)], "mean of each row"),
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
    (Builtin::Sum, "sum", &[("x", true), ("axis", false)], "sum of each row"),
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

    pub(super) fn signature(self) -> &'static Signature {
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
    pub(super) fn smooth(self, cut: f64) -> Option<Smooth> {
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
