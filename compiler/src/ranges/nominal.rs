//! Plausible ranges of a network nobody has trained yet, from what its ops are for.
//!
//! They let a model be planned and priced before weights exist: hops, and bytes to within a few bits a wire.
//! What a value feeds says most about it (a query, the argument of a curve), the rest follows from its op.
//! Nothing is proved or observed here, so a program for real weights needs ranges of its own.

use crate::graph::{Graph, Node, NodeId, Op, Visibility};
use crate::masks;
use crate::ranges::{ABOVE, BELOW, Checked, NodeRange, Ranges};
use crate::smooth::Smooth;

/// Residual stream, and everything that nothing else is said of.
const STREAM: f64 = bits(6);
/// A centred layer before it is divided by the row's deviation.
const NORM_PRODUCT: f64 = bits(7);
/// A row divided by its deviation.
const NORMED: f64 = bits(4);
/// Queries and keys.
const KEY: f64 = bits(4);
/// Values of attention.
const VALUE: f64 = bits(3);
/// Scores in the scale in which a kernel sees them, and other arguments of ReLU.
const SCORE: f64 = bits(5);
/// Arguments of GeLU: inside the plain series.
const CURVED: f64 = 6.9;
/// Image entries after their normalisation.
const IMAGE: f64 = 2.9;
/// Weights and biases.
const WEIGHT: f64 = bits(0);
/// Row sums that are divided by.
const ROW_SUM: (f64, f64) = (0.125, bits(10));
/// Inverse deviations: variances around 1 that one window of a row table covers.
const INVERSE_DEVIATION: (f64, f64) = (0.5, 2.0);

/// How much more than is checked a row's number may be by what is proved of it.
const UNPROVED: f64 = 16.0;

/// A bound that fits `power` bits with room for rounding.
const fn bits(power: u32) -> f64 {
    0.98 * (1u64 << power) as f64
}

/// A plausible range of every node, for planning without weights; what the source declares (`assume`) stays.
///
/// Works on graphs before and after the rewrites. The constants are those of a vision transformer whose residual
/// stream is normalised in every layer.
pub fn nominal(graph: &Graph) -> Ranges {
    let wanted = demands(graph);
    let mut known: Vec<(f64, f64)> = Vec::with_capacity(graph.nodes.len());
    let mut ranges = Ranges::new(graph);
    for (index, node) in graph.nodes.iter().enumerate() {
        let id = NodeId(index as u32);
        let range = match (node.assumed, wanted[index]) {
            (Some(assumed), _) => assumed,
            (None, Some(bound)) if !is_view(&node.op) && node.ty.visibility == Visibility::Shared => (-bound, bound),
            _ => Forward { graph, known: &known }.range(id, node),
        };
        known.push(range);
        let divided = feeds_row_function(graph, id);
        let entry = NodeRange {
            observed: Some(range),
            smallest_positive: divided.then_some(ROW_SUM.0),
            proved: node.assumed.is_none().then_some(range),
            relied: node.assumed,
            argument: argument(node),
            ..NodeRange::default()
        };
        ranges.nodes.insert(id.0, entry);
    }
    ranges
}

/// What a function of a row's number is checked for.
fn argument(node: &Node) -> Option<Checked> {
    let (low, high) = match node.op {
        Op::InvStd { .. } => {
            let variance = |y: f64| 1.0 / (y * y);
            (variance(INVERSE_DEVIATION.1), variance(INVERSE_DEVIATION.0))
        }
        Op::Recip(_) | Op::Rsqrt(_) | Op::Sqrt(_) => ROW_SUM,
        _ => return None,
    };
    (node.ty.visibility == Visibility::Shared).then_some(Checked {
        low: low / BELOW,
        high: high * ABOVE,
        most: high * ABOVE * UNPROVED,
        below: true,
        above: true,
        zero: matches!(node.op, Op::Recip(_)),
    })
}

fn is_view(op: &Op) -> bool {
    matches!(
        op,
        Op::Transpose(_)
            | Op::SplitHeads { .. }
            | Op::MergeHeads(_)
            | Op::Slice { .. }
            | Op::Gather { .. }
            | Op::Reshape(_)
    )
}

fn is_known(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).ty.visibility, Visibility::Public | Visibility::SecretServer)
}

/// The op behind views and public factors.
fn behind(graph: &Graph, mut id: NodeId) -> &Op {
    loop {
        match &graph.node(id).op {
            Op::Scale(x, _) => id = *x,
            op if is_view(op) => id = op.operands()[0],
            op => return op,
        }
    }
}

fn is_transposed(graph: &Graph, id: NodeId) -> bool {
    match &graph.node(id).op {
        Op::Transpose(_) => true,
        Op::Scale(x, _) | Op::Slice { x, .. } | Op::Gather { x, .. } => is_transposed(graph, *x),
        _ => false,
    }
}

/// Whether a value, or it with a public number added, is the argument of a reciprocal or root.
fn feeds_row_function(graph: &Graph, id: NodeId) -> bool {
    graph.nodes.iter().any(|n| match n.op {
        Op::Recip(x) | Op::Rsqrt(x) | Op::Sqrt(x) => {
            x == id || matches!(graph.node(x).op, Op::Offset(inner, _) if inner == id)
        }
        _ => false,
    })
}

/// The bound that the users of each node imply, if any does.
fn demands(graph: &Graph) -> Vec<Option<f64>> {
    let mut wanted: Vec<Option<f64>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let own = wanted[index];
        let mut want = |x: NodeId, bound: f64| {
            let slot = &mut wanted[x.0 as usize];
            *slot = Some(slot.map_or(bound, |b| b.max(bound)));
        };
        match &node.op {
            Op::Smooth(Smooth::Exp, _) => {}
            Op::Smooth(_, x) => want(*x, CURVED),
            Op::Relu(x) => want(*x, SCORE),
            Op::MatMul(a, b) if !is_known(graph, *b) => {
                if is_transposed(graph, *b) {
                    want(*a, KEY);
                    want(*b, KEY);
                } else if is_transposed(graph, *a) {
                    want(*a, KEY);
                    want(*b, VALUE);
                } else if matches!(behind(graph, *b), Op::MatMul(..)) {
                    want(*a, KEY);
                } else {
                    want(*b, VALUE);
                }
            }
            Op::Scale(x, factor) if *factor != 0.0 => {
                if let Some(bound) = own {
                    want(*x, bound / factor.abs());
                }
            }
            Op::Add(a, b) | Op::Sub(a, b) => {
                if let Some(bound) = own {
                    match (is_known(graph, *a), is_known(graph, *b)) {
                        (false, true) => want(*a, bound),
                        (true, false) => want(*b, bound),
                        _ => {}
                    }
                }
            }
            op if is_view(op) || matches!(op, Op::Concat { .. } | Op::Offset(..)) => {
                for operand in op.operands() {
                    if let Some(bound) = own {
                        want(operand, bound);
                    }
                }
            }
            _ => {}
        }
    }
    wanted
}

/// Ranges of the nodes so far.
struct Forward<'a> {
    graph: &'a Graph,
    known: &'a [(f64, f64)],
}

impl Forward<'_> {
    fn of(&self, id: NodeId) -> (f64, f64) {
        self.known[id.0 as usize]
    }

    fn bound(&self, id: NodeId) -> f64 {
        let (low, high) = self.of(id);
        low.abs().max(high.abs())
    }

    fn op(&self, id: NodeId) -> &Op {
        &self.graph.node(id).op
    }

    fn range(&self, id: NodeId, node: &Node) -> (f64, f64) {
        let within = |bound: f64| (-bound, bound);
        match node.ty.visibility {
            Visibility::Public | Visibility::SecretServer => return within(self.weight(&node.op)),
            Visibility::SecretClient => return masks::ends(id, &|id| self.graph.node(id)).unwrap_or(within(IMAGE)),
            Visibility::Shared => {}
        }
        match &node.op {
            op if is_view(op) => self.of(op.operands()[0]),
            Op::Scale(x, factor) => {
                let (low, high) = self.of(*x);
                let (a, b) = (low * factor, high * factor);
                (a.min(b), a.max(b))
            }
            Op::Offset(x, term) => {
                let (low, high) = self.of(*x);
                (low + term, high + term)
            }
            Op::Add(a, b) | Op::Sub(a, b) => within(self.bound(*a).max(self.bound(*b))),
            Op::Concat { parts, .. } => within(parts.iter().map(|p| self.bound(*p)).fold(0.0, f64::max)),
            Op::Linear { weight, .. } if matches!(self.op(*weight), Op::CentreWeight(_)) => within(NORM_PRODUCT),
            Op::Mul(a, b) if a == b => (0.0, self.bound(*a) * self.bound(*a)),
            Op::Mul(a, b) => self.product(*a, *b).unwrap_or_else(|| within(self.bound(*a) * self.bound(*b))),
            Op::MatMul(a, b) => within(self.matrix_product(*a, *b)),
            Op::Relu(x) => (0.0, self.of(*x).1.max(0.0)),
            Op::Smooth(Smooth::Exp, _) | Op::Step(_) => (0.0, 1.0),
            Op::Smooth(Smooth::Tanh | Smooth::Sigmoid | Smooth::Erf, _) => within(1.0),
            Op::Smooth(_, x) => (-0.17, self.of(*x).1.max(0.0)),
            Op::Sqrt(x) => (0.0, libm::sqrt(self.bound(*x))),
            Op::Rsqrt(x) => {
                let low = self.of(*x).0.max(ROW_SUM.0);
                (1.0 / libm::sqrt(self.of(*x).1.max(low)), 1.0 / libm::sqrt(low))
            }
            Op::MaxRow(x) => self.of(*x),
            Op::SumRow(_) => ROW_SUM,
            Op::MeanRow(x) | Op::Centre(x) => within(self.bound(*x)),
            Op::Recip(x) => {
                let (low, high) = self.of(*x);
                let low = low.max(ROW_SUM.0);
                (1.0 / high.max(low), 1.0 / low)
            }
            Op::LayerNorm { .. } => within(NORMED),
            Op::InvStd { .. } => INVERSE_DEVIATION,
            Op::Argmax(x) => (0.0, self.graph.node(*x).ty.shape.last().copied().unwrap_or(1) as f64),
            _ => within(STREAM),
        }
    }

    /// Largest entry of what the model owner computes from weights.
    fn weight(&self, op: &Op) -> f64 {
        match op {
            Op::Const(values) => values.iter().fold(0.0, |m: f64, v| m.max(v.abs())),
            Op::Scale(x, factor) => self.bound(*x) * factor.abs(),
            Op::Mul(a, b) => self.bound(*a) * self.bound(*b),
            Op::Param(_) | Op::MatMul(..) | Op::Linear { .. } => WEIGHT,
            op => op.operands().iter().map(|o| self.bound(*o)).fold(0.0, f64::max),
        }
    }

    /// A product of one factor per row, or of a weight.
    fn product(&self, a: NodeId, b: NodeId) -> Option<(f64, f64)> {
        let one = |x: NodeId, row: NodeId| match (behind(self.graph, row), self.op(x)) {
            (Op::InvStd { .. }, Op::Centre(_)) => Some((-NORMED, NORMED)),
            (Op::InvStd { .. }, _) => Some((-STREAM, STREAM)),
            // An average of the values.
            (Op::Recip(_), Op::MatMul(_, v)) => Some((-self.bound(*v), self.bound(*v))),
            (Op::Recip(_), Op::Relu(_)) => Some((0.0, 1.0)),
            _ => None,
        };
        one(a, b).or_else(|| one(b, a))
    }

    fn matrix_product(&self, a: NodeId, b: NodeId) -> f64 {
        let shape = &self.graph.node(a).ty.shape;
        let inner = shape.last().copied().unwrap_or(1) as f64;
        if is_known(self.graph, b) {
            return STREAM;
        }
        if is_transposed(self.graph, b) {
            // Scores before their factor of 1/√d.
            return SCORE * inner.sqrt();
        }
        if is_transposed(self.graph, a) {
            // Keys by values: a sum of as many products of either sign as there are tokens.
            return self.bound(a) * self.bound(b) * inner.sqrt();
        }
        if let Op::MatMul(keys, _) = *behind(self.graph, b) {
            // Scaling attention before its factor of 1/(n √d), which a power of two stands for.
            let tokens = self.graph.node(keys).ty.shape.last().copied().unwrap_or(1) as f64;
            return SCORE * libm::exp2(libm::ceil(libm::log2(tokens * inner.sqrt())));
        }
        self.bound(a) * self.bound(b) * inner
    }
}
