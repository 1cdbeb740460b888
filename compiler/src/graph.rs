//! The typed graph: what a model computes, on real numbers.
//!
//! Nodes are in topological order in one arena; an operand is always an earlier node.
//! A node's type is element, shape and visibility; visibility is the join of the operands'
//! (`public` below both secrets, `shared` above both), so it says who could compute the node alone:
//! `Public` anyone, `SecretClient` the data owner in the clear, `SecretServer` the model owner in the
//! clear (functions of weights), `Shared` nobody.
//! The float evaluator gives every op its meaning; the two-party run computes the same values on shares.
//! Loops of the source are unrolled here; a node's `path` says where it came from (`blocks.3/s`).

use std::fmt;

use mpcc_grammar::ast::Span;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::smooth::Smooth;

/// Extents of a tensor, outermost first. A scalar is `[1]`.
pub type Shape = SmallVec<[usize; 4]>;

/// Index of a node in its graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// Index of a parameter in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParamId(pub u32);

/// Element of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Element {
    /// A real number; fixed point in the share program.
    Real,
    /// An unsigned byte (a pixel).
    U8,
    /// A 32-bit integer.
    I32,
    /// 0 or 1.
    Bit,
}

/// Who can compute a value alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Visibility {
    /// Everyone.
    Public,
    /// The data owner.
    SecretClient,
    /// The model owner.
    SecretServer,
    /// Nobody: it exists only as shares.
    Shared,
}

impl Visibility {
    /// Least upper bound: who can compute a function of both.
    pub fn join(self, other: Self) -> Self {
        use Visibility::*;
        match (self, other) {
            (Public, v) | (v, Public) => v,
            (a, b) if a == b => a,
            _ => Shared,
        }
    }
}

/// Type of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Type {
    /// Element.
    pub element: Element,
    /// Shape.
    pub shape: Shape,
    /// Who could compute it.
    pub visibility: Visibility,
}

/// What a node computes. Closed: an exhaustive match lists what a new op must touch.
///
/// "Row-wise" means along the last axis, for every combination of the other axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// The model's `n`-th input.
    Input(u32),
    /// A weight tensor, after its load-time reshapes.
    Param(ParamId),
    /// A public constant tensor, row-major.
    Const(Vec<f64>),
    /// `a + b`, numpy broadcasting.
    Add(NodeId, NodeId),
    /// `a - b`, numpy broadcasting.
    Sub(NodeId, NodeId),
    /// `a * b` entry by entry, numpy broadcasting.
    Mul(NodeId, NodeId),
    /// `x * factor`, a public real number.
    Scale(NodeId, f64),
    /// `x + term`, a public real number.
    Offset(NodeId, f64),
    /// Matrix product over the last two axes; leading axes are equal.
    MatMul(NodeId, NodeId),
    /// `x Wᵀ + b`: `x [.., in]`, `weight [out, in]`, `bias [out]`.
    Linear {
        /// `[.., in]`
        x: NodeId,
        /// `[out, in]`
        weight: NodeId,
        /// `[out]`
        bias: Option<NodeId>,
    },
    /// Swaps the last two axes.
    Transpose(NodeId),
    /// `[n, heads * d]` to `[heads, n, d]`.
    SplitHeads {
        /// Operand.
        x: NodeId,
        /// Number of heads.
        heads: usize,
    },
    /// `[heads, n, d]` to `[n, heads * d]`.
    MergeHeads(NodeId),
    /// Entries `start..end` along `axis`.
    Slice {
        /// Operand.
        x: NodeId,
        /// Axis.
        axis: usize,
        /// First entry.
        start: usize,
        /// One past the last entry.
        end: usize,
    },
    /// Entries `index` along `axis`, in that order.
    Gather {
        /// Operand.
        x: NodeId,
        /// Axis.
        axis: usize,
        /// Public positions.
        index: Vec<usize>,
    },
    /// Operands joined along `axis`.
    Concat {
        /// Operands.
        parts: Vec<NodeId>,
        /// Axis.
        axis: usize,
    },
    /// Same entries, another shape.
    Reshape(NodeId),
    /// Row sum; the last axis becomes 1.
    SumRow(NodeId),
    /// Row mean; the last axis becomes 1.
    MeanRow(NodeId),
    /// `max(x, 0)`.
    Relu(NodeId),
    /// A smooth function of every entry.
    Smooth(Smooth, NodeId),
    /// `1 / x` for `x > 0`; 0 stays harmless: the product with an exact 0 is 0.
    Recip(NodeId),
    /// `√x` for `x ≥ 0`.
    Sqrt(NodeId),
    /// `1 / √x` for `x > 0`, and 0 for 0.
    Rsqrt(NodeId),
    /// 1 where `x ≥ 0`, else 0.
    Step(NodeId),
    /// Largest entry of each row; the last axis becomes 1.
    MaxRow(NodeId),
    /// Integers `[..]` to rows `[.., extent]` with a 1 at the position they name and 0 elsewhere.
    OneHot {
        /// Operand.
        x: NodeId,
        /// Number of positions.
        extent: usize,
    },
    /// LayerNorm along the last axis: `(x - mean) / sqrt(var + eps) * gain + bias`, biased variance.
    LayerNorm {
        /// `[.., d]`
        x: NodeId,
        /// `[d]`
        gain: NodeId,
        /// `[d]`
        bias: NodeId,
        /// Added to the variance.
        eps: f64,
    },
    /// `κ (x - row mean)`, `κ = d / 2^⌈log2 d⌉`: the part of LayerNorm that is linear (rule C1).
    Centre(NodeId),
    /// `1 / sqrt(row variance + eps)`; the last axis becomes 1.
    InvStd {
        /// Operand.
        x: NodeId,
        /// Added to the variance.
        eps: f64,
    },
    /// Each row (last axis) of a weight matrix minus its mean: encoded so that its integer rows sum to exactly 0.
    CentreWeight(NodeId),
    /// `[c, h, w]` to `[h/p * w/p, c * p * p]`: row-major patches, features in the order of a convolution kernel `[c, p, p]`.
    Patches {
        /// Operand.
        x: NodeId,
        /// Patch extent.
        size: usize,
    },
    /// `(x - mean[c]) / std[c]` along the first axis.
    Normalize {
        /// Operand `[c, h, w]`.
        x: NodeId,
        /// Per channel.
        mean: Vec<f64>,
        /// Per channel.
        std: Vec<f64>,
    },
    /// Index of the largest entry of each row; the last axis becomes 1.
    Argmax(NodeId),
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// Its type.
    pub ty: Type,
    /// Where it comes from: block path and the source name, `blocks.3/s`.
    pub path: String,
    /// A declared range of its entries (`assume range`).
    pub assumed: Option<(f64, f64)>,
    /// The source text it was lowered from.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// A load-time reshape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadOp {
    /// Drops an axis of extent 1.
    Squeeze(usize),
    /// Swaps two axes.
    Transpose(usize, usize),
    /// Entries `from..to` along an axis.
    Slice(usize, usize, usize),
    /// Same entries, another shape.
    Reshape(Shape),
}

/// A weight tensor the model owner must supply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Full tensor name in the weights file.
    pub name: String,
    /// Shape in the file, before the load-time reshapes.
    pub file_shape: Shape,
    /// Reshapes applied in order.
    pub ops: Vec<LoadOp>,
    /// Shape after them.
    pub shape: Shape,
}

/// Entries of one layer of a plan that are still to be searched: the graph mixes their candidates.
///
/// With candidates f₁ … fₖ an entry computes Σ cᵢ fᵢ(x). The parameter holds c₁ … cₖ₋₁, and cₖ is what is missing to 1. A
/// search starts from c₁ = 1. Plans that follow this one are mixed by the same parameter and are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The plan, as `--plan` names it.
    pub plan: String,
    /// Its layer.
    pub layer: usize,
    /// Heads or rows, ascending; `[0]` of a plan per layer.
    pub positions: Vec<usize>,
    /// Names of the candidates, the costliest first.
    pub candidates: Vec<String>,
    /// The coefficients: `[positions]` for two candidates, `[candidates - 1, positions]` for more.
    pub param: ParamId,
}

impl Searched {
    /// The coefficients that a search starts from, row-major: the first candidate alone.
    pub fn start(&self) -> Vec<f64> {
        let rest = self.candidates.len().saturating_sub(1);
        (0..rest * self.positions.len()).map(|at| if at < self.positions.len() { 1.0 } else { 0.0 }).collect()
    }
}

/// What an entry of a plan stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// A head of a layer.
    Head,
    /// A row of a layer, for all heads.
    Row,
    /// A layer.
    Layer,
}

/// A plan that is to be searched, as the source has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPlan {
    /// The plan, as `--plan` names it.
    pub plan: String,
    /// What its entries stand for.
    pub granularity: Granularity,
    /// Candidates by layer and position, the costliest first; a single one where the source decides. One position a layer
    /// in a plan per layer.
    pub entries: Vec<Vec<Vec<String>>>,
}

/// A model input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// How text becomes inputs: a tokenizer that the artefact carries, and the inputs it fills, `[length]` each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tokenizer {
    /// Its file, relative to the source.
    pub file: String,
    /// The input of token ids, `i32`.
    pub ids: u32,
    /// The input that tells the second sentence (1) from the first (0), `i32`.
    pub segments: Option<u32>,
    /// The input that tells tokens (1) from padding (0), `bit`.
    pub mask: Option<u32>,
    /// Where the source names the file.
    #[serde(skip)]
    pub span: Option<Span>,
}

impl Tokenizer {
    /// The inputs that it fills.
    pub fn inputs(&self) -> SmallVec<[u32; 4]> {
        [Some(self.ids), self.segments, self.mask].into_iter().flatten().collect()
    }
}

/// How a picture of another size becomes an input `Tensor<u8, channels, height, width>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The input.
    pub input: u32,
    /// What it is resized to, if it is.
    pub resize: Option<Resize>,
    /// How pixels are weighted when it is resized.
    pub filter: Filter,
    /// Whether the middle is taken, of the input's height and width.
    pub crop: bool,
}

/// The longest side that a picture is resized to, in pixels.
pub const LONGEST_SIDE: u32 = 1 << 12;

/// What a picture is resized to, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resize {
    /// Height and width.
    To(u32, u32),
    /// The shorter side; the longer one keeps the proportion, rounded down.
    Shortest(u32),
}

/// How pixels are weighted when a picture is resized. All but the first widen with the factor by which it shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// The pixel that a point falls on.
    Nearest,
    /// The mean.
    Box,
    /// A triangle.
    #[default]
    Bilinear,
    /// A raised cosine of one pixel to both sides.
    Hamming,
    /// Cubic convolution with the parameter -1/2 (Keys, 1981).
    Bicubic,
    /// A windowed sinc of three pixels to both sides.
    Lanczos,
}

impl Filter {
    /// All of them.
    pub const ALL: [Filter; 6] =
        [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];

    /// Its name, as a model file has it.
    pub fn name(self) -> &'static str {
        match self {
            Filter::Nearest => "nearest",
            Filter::Box => "box",
            Filter::Bilinear => "bilinear",
            Filter::Hamming => "hamming",
            Filter::Bicubic => "bicubic",
            Filter::Lanczos => "lanczos",
        }
    }
}

/// A revealed value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The node revealed to the data owner.
    pub node: NodeId,
    /// Names of the entries along the last axis; of an `Argmax`, of those it chooses from.
    pub labels: Vec<String>,
}

/// Fixed-point settings from `numeric { … }`, with defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numeric {
    /// Fraction bits of activations.
    pub frac: u8,
    /// Fraction bits of weights.
    pub weight_frac: u8,
    /// Fraction bits of an inverse standard deviation.
    pub rsqrt_frac: u8,
    /// Fraction bits of a reciprocal.
    pub recip_frac: u8,
    /// Fraction bits of trigonometric factors.
    pub table_frac: u8,
    /// Fraction bits of a revealed output.
    pub output_frac: u8,
}

impl Default for Numeric {
    fn default() -> Self {
        Self { frac: 12, weight_frac: 16, rsqrt_frac: 18, recip_frac: 26, table_frac: 16, output_frac: 10 }
    }
}

/// A whole model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// Nodes in topological order.
    pub nodes: Vec<Node>,
    /// Weights, in order of declaration.
    pub params: Vec<Param>,
    /// Tensor names in the weights file that are not bound on purpose; `*` matches any run of characters.
    pub ignore: Vec<String>,
    /// Inputs.
    pub inputs: Vec<Input>,
    /// How text becomes inputs, where the model reads text.
    pub tokenizer: Option<Tokenizer>,
    /// How pictures become inputs, at most once an input.
    pub pictures: Vec<Picture>,
    /// Outputs.
    pub outputs: Vec<Output>,
    /// Outputs of whose labels any number may hold: each where its entry is above 0.
    pub several: Vec<u32>,
    /// Fixed-point settings.
    pub numeric: Numeric,
    /// The head, layer or row choices in force, for reports: plan name to a readable form.
    pub plans: Vec<(String, String)>,
    /// What is still to be searched. Such a graph can be evaluated and trained, and nothing else: it is never planned, so
    /// never encoded.
    #[serde(skip)]
    pub searched: Vec<Searched>,
    /// The plans that those entries are of.
    #[serde(skip)]
    pub open: Vec<OpenPlan>,
}

impl Graph {
    /// The node behind an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Appends a node.
    pub fn push(&mut self, node: Node) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.nodes.push(node);
        id
    }
}

impl Op {
    /// Operands in a fixed order.
    pub fn operands(&self) -> SmallVec<[NodeId; 4]> {
        use Op::*;
        match self {
            Input(_) | Param(_) | Const(_) => SmallVec::new(),
            Add(a, b) | Sub(a, b) | Mul(a, b) | MatMul(a, b) => SmallVec::from_slice(&[*a, *b]),
            Linear { x, weight, bias } => {
                let mut v = SmallVec::from_slice(&[*x, *weight]);
                v.extend(*bias);
                v
            }
            LayerNorm { x, gain, bias, .. } => SmallVec::from_slice(&[*x, *gain, *bias]),
            Concat { parts, .. } => SmallVec::from_slice(parts),
            Scale(x, _)
            | Offset(x, _)
            | Transpose(x)
            | MergeHeads(x)
            | Reshape(x)
            | SumRow(x)
            | MeanRow(x)
            | Relu(x)
            | Smooth(_, x)
            | Recip(x)
            | Sqrt(x)
            | Rsqrt(x)
            | Step(x)
            | MaxRow(x)
            | OneHot { x, .. }
            | Centre(x)
            | CentreWeight(x)
            | Argmax(x) => SmallVec::from_slice(&[*x]),
            SplitHeads { x, .. }
            | Slice { x, .. }
            | Gather { x, .. }
            | InvStd { x, .. }
            | Patches { x, .. }
            | Normalize { x, .. } => SmallVec::from_slice(&[*x]),
        }
    }

    /// Whether an entry of the result depends on the entry of the only operand in the same place and on nothing else.
    ///
    /// Shapes (`crate::verify::infer`) and protocols (`crate::passes::final_form`) are matched op by op all the same, so that
    /// a new op fails to compile there.
    pub fn is_entrywise(&self) -> bool {
        use Op::*;
        matches!(self, Scale(..) | Offset(..) | Relu(_) | Smooth(..) | Recip(_) | Sqrt(_) | Rsqrt(_) | Step(_))
    }

    /// The same op on other operands: `map` is applied to each.
    #[must_use]
    pub fn map_operands(&self, mut map: impl FnMut(NodeId) -> NodeId) -> Op {
        use Op::*;
        let mut op = self.clone();
        match &mut op {
            Input(_) | Param(_) | Const(_) => {}
            Add(a, b) | Sub(a, b) | Mul(a, b) | MatMul(a, b) => {
                *a = map(*a);
                *b = map(*b);
            }
            Linear { x, weight, bias } => {
                *x = map(*x);
                *weight = map(*weight);
                *bias = bias.map(map);
            }
            LayerNorm { x, gain, bias, .. } => {
                *x = map(*x);
                *gain = map(*gain);
                *bias = map(*bias);
            }
            Concat { parts, .. } => parts.iter_mut().for_each(|p| *p = map(*p)),
            Scale(x, _)
            | Offset(x, _)
            | Transpose(x)
            | MergeHeads(x)
            | Reshape(x)
            | SumRow(x)
            | MeanRow(x)
            | Relu(x)
            | Smooth(_, x)
            | Recip(x)
            | Sqrt(x)
            | Rsqrt(x)
            | Step(x)
            | MaxRow(x)
            | OneHot { x, .. }
            | Centre(x)
            | CentreWeight(x)
            | Argmax(x) => *x = map(*x),
            SplitHeads { x, .. }
            | Slice { x, .. }
            | Gather { x, .. }
            | InvStd { x, .. }
            | Patches { x, .. }
            | Normalize { x, .. } => *x = map(*x),
        }
        op
    }
}
