//! Ranges of values proved from the weights alone, for every input the data owner could send.
//!
//! Intervals per entry of the last axis go forward through the graph. Where intervals lose too much, whole patterns
//! are bounded: a centred layer divided by the row's standard deviation is at most `√d · ‖w‖₂` (a normalised row
//! has norm at most `√d`), and ReLU-softmax attention stays within its values and 0.
//! The bounds are those of the network on real numbers: whoever rounds adds its rounding, and a declared range
//! (`assume`) is not relied on.

mod interval;
mod patterns;

use crate::evaluate::{Tensor, Values, centre_factor};
use crate::graph::{Element, Graph, NodeId, Op, Visibility};
use interval::{Interval, Rows};

/// Relative widening of every proved bound, for the rounding of this computation itself.
const SLACK: f64 = 1e-9;

/// A proved range of each node, from the values of its server nodes (see `evaluate_server`); `None` where no
/// finite range was found.
pub fn proved(graph: &Graph, server_values: &Values) -> Vec<Option<(f64, f64)>> {
    let analysis = Analysis::new(graph, server_values);
    analysis.rows.iter().map(|rows| rows.as_ref()?.hull().widened(SLACK)).collect()
}

/// Ranges of the nodes so far, per entry of the last axis.
struct Analysis<'a> {
    graph: &'a Graph,
    server: &'a Values,
    rows: Vec<Option<Rows>>,
}

impl<'a> Analysis<'a> {
    fn new(graph: &'a Graph, server: &'a Values) -> Self {
        let mut analysis = Self { graph, server, rows: Vec::with_capacity(graph.nodes.len()) };
        for index in 0..graph.nodes.len() {
            let id = NodeId(index as u32);
            let by_entries = analysis.forward(id);
            let by_pattern = patterns::bound(&analysis, id);
            let rows = match (by_entries, by_pattern) {
                (Some(a), Some(b)) => Some(a.both(&b)),
                (a, b) => a.or(b),
            };
            analysis.rows.push(rows.filter(Rows::is_finite));
        }
        analysis
    }

    fn op(&self, id: NodeId) -> &'a Op {
        &self.graph.node(id).op
    }

    fn shape(&self, id: NodeId) -> &'a [usize] {
        &self.graph.node(id).ty.shape
    }

    fn width(&self, id: NodeId) -> usize {
        self.shape(id).last().copied().unwrap_or(1)
    }

    fn rows(&self, id: NodeId) -> Option<&Rows> {
        self.rows.get(id.0 as usize)?.as_ref()
    }

    /// The value of a node that the model owner or everyone can compute.
    fn known(&self, id: NodeId) -> Option<&'a Tensor> {
        self.server.value(id)
    }

    /// Interval arithmetic, op by op.
    fn forward(&self, id: NodeId) -> Option<Rows> {
        let node = self.graph.node(id);
        let width = self.width(id);
        if matches!(node.ty.visibility, Visibility::Public | Visibility::SecretServer)
            && let Some(value) = self.known(id)
        {
            return Some(Rows::of_values(&value.data, width));
        }
        let each = |x: NodeId, f: fn(Interval) -> Interval| Some(self.rows(x)?.map(f));
        let pair = |a: NodeId, b: NodeId, f: fn(Interval, Interval) -> Interval| {
            Some(self.rows(a)?.zip(self.rows(b)?, width, f))
        };
        match &node.op {
            Op::Input(_) => match node.ty.element {
                Element::U8 => Some(Rows::uniform(Interval::new(0.0, 255.0), width)),
                Element::Bit => Some(Rows::uniform(Interval::new(0.0, 1.0), width)),
                Element::Real | Element::I32 => None,
            },
            Op::Param(_) | Op::Const(_) | Op::CentreWeight(_) => None,
            Op::Add(a, b) => pair(*a, *b, Interval::plus),
            Op::Sub(a, b) => pair(*a, *b, Interval::minus),
            Op::Mul(a, b) if a == b => each(*a, Interval::square),
            Op::Mul(a, b) => pair(*a, *b, Interval::times),
            Op::Scale(x, factor) => Some(self.rows(*x)?.map(|i| i.times(Interval::point(*factor)))),
            Op::Offset(x, term) => Some(self.rows(*x)?.map(|i| i.plus(Interval::point(*term)))),
            Op::MatMul(a, b) => self.product(*a, *b),
            Op::Linear { x, weight, bias } => self.linear(*x, *weight, *bias),
            Op::Transpose(x) => Some(Rows::uniform(self.rows(*x)?.hull(), width)),
            Op::SplitHeads { x, heads } => Some(self.rows(*x)?.folded(*heads)),
            Op::MergeHeads(x) => Some(self.rows(*x)?.repeated(self.shape(*x)[0])),
            Op::Slice { x, axis, start, end } => {
                let rows = self.rows(*x)?;
                Some(if self.is_last(*x, *axis) { rows.picked(*start..*end) } else { rows.clone() })
            }
            Op::Gather { x, axis, index } => {
                let rows = self.rows(*x)?;
                Some(if self.is_last(*x, *axis) { rows.picked(index.iter().copied()) } else { rows.clone() })
            }
            Op::Concat { parts, axis } => {
                let parts: Option<Vec<&Rows>> = parts.iter().map(|p| self.rows(*p)).collect();
                Some(if axis + 1 == node.ty.shape.len() { Rows::joined(&parts?) } else { Rows::hull_of(&parts?) })
            }
            Op::Reshape(x) => {
                let rows = self.rows(*x)?;
                Some(if self.width(*x) == width { rows.clone() } else { Rows::uniform(rows.hull(), width) })
            }
            Op::SumRow(x) => Some(Rows::uniform(self.rows(*x)?.sum(), 1)),
            Op::MeanRow(x) => Some(Rows::uniform(self.mean(*x)?, 1)),
            Op::Relu(x) => each(*x, Interval::relu),
            Op::Smooth(function, x) => Some(self.rows(*x)?.map(|i| i.smooth(*function))),
            Op::Sqrt(x) => {
                let rows = self.rows(*x)?;
                (rows.hull().low >= 0.0).then(|| rows.map(Interval::sqrt))
            }
            Op::Rsqrt(x) => {
                let rows = self.rows(*x)?;
                (rows.hull().low > 0.0).then(|| rows.map(|i| i.sqrt().recip()))
            }
            Op::Step(_) => Some(Rows::uniform(Interval::new(0.0, 1.0), width)),
            Op::MaxRow(x) => Some(Rows::uniform(self.rows(*x)?.most(), 1)),
            Op::OneHot { .. } => Some(Rows::uniform(Interval::new(0.0, 1.0), width)),
            Op::Recip(x) => {
                let rows = self.rows(*x)?;
                (rows.hull().low > 0.0).then(|| rows.map(Interval::recip))
            }
            Op::Centre(x) => {
                let (mean, kappa) = (self.mean(*x)?, Interval::point(centre_factor(width)));
                Some(self.rows(*x)?.map(|i| i.minus(mean).times(kappa)))
            }
            Op::LayerNorm { x, gain, bias, .. } => {
                let normed = Rows::uniform(Interval::within(row_deviation(self.width(*x))), width);
                let gained = normed.zip(self.rows(*gain)?, width, Interval::times);
                Some(gained.zip(self.rows(*bias)?, width, Interval::plus))
            }
            Op::InvStd { x, eps } => {
                // A row within an interval of length l has variance at most l²/4.
                let spread = self.rows(*x).map_or(f64::INFINITY, |rows| rows.hull().length());
                let low = 1.0 / (spread * spread / 4.0 + eps).sqrt();
                Some(Rows::uniform(Interval::new(low, 1.0 / eps.sqrt()), 1))
            }
            Op::Patches { x, .. } => Some(Rows::uniform(self.rows(*x)?.hull(), width)),
            Op::Normalize { x, mean, std } => {
                let hull = self.rows(*x)?.hull();
                let channels = mean
                    .iter()
                    .zip(std)
                    .map(|(mean, std)| hull.minus(Interval::point(*mean)).times(Interval::point(1.0 / std)));
                Some(Rows::uniform(channels.reduce(Interval::hull)?, width))
            }
            Op::Argmax(x) => Some(Rows::uniform(Interval::new(0.0, self.width(*x) as f64 - 1.0), width)),
        }
    }

    fn is_last(&self, x: NodeId, axis: usize) -> bool {
        axis + 1 == self.shape(x).len()
    }

    fn mean(&self, x: NodeId) -> Option<Interval> {
        let count = self.width(x) as f64;
        Some(self.rows(x)?.sum().times(Interval::point(1.0 / count)))
    }

    fn linear(&self, x: NodeId, weight: NodeId, bias: Option<NodeId>) -> Option<Rows> {
        let (rows, weight) = (self.rows(x)?, self.known(weight)?);
        let products = weight.data.chunks(self.width(x)).map(|w| rows.dot(w));
        let out = Rows::from_iter(products);
        match bias {
            Some(bias) => Some(out.zip(self.rows(bias)?, out.width(), Interval::plus)),
            None => Some(out),
        }
    }

    /// A sum of products; the columns of a transposed right operand keep their ranges.
    fn product(&self, a: NodeId, b: NodeId) -> Option<Rows> {
        let (left, width) = (self.rows(a)?, self.width(b));
        if let Op::Transpose(rows) = self.op(b) {
            let sum = left.zip(self.rows(*rows)?, left.width(), Interval::times).sum();
            return Some(Rows::uniform(sum, width));
        }
        let right = self.rows(b)?;
        Some(right.map(|column| left.map(|entry| entry.times(column)).sum()))
    }
}

/// Largest distance from the mean of an entry of a row of `d`, in standard deviations: `√(d - 1)`.
fn row_deviation(d: usize) -> f64 {
    ((d - 1) as f64).sqrt()
}
