//! Bounds of whole patterns, where arithmetic on single values forgets how the operands hang together.

use super::Analysis;
use super::facts::Facts;
use super::forward::row_deviation;
use super::interval::{Interval, Rows};
use crate::evaluate::centre_factor;
use crate::graph::{NodeId, Op};

/// The best bound of any pattern that `id` ends.
pub(super) fn bound(analysis: &Analysis<'_>, id: NodeId) -> Option<Facts> {
    match *analysis.op(id) {
        Op::Mul(a, b) => normalised(analysis, id, a, b)
            .or_else(|| normalised(analysis, id, b, a))
            .or_else(|| of_unit_length(analysis, a, b))
            .or_else(|| of_unit_length(analysis, b, a))
            .or_else(|| averaged(analysis, a, b))
            .or_else(|| averaged(analysis, b, a))
            .or_else(|| weights(analysis, a, b))
            .or_else(|| weights(analysis, b, a))
            .or_else(|| contracted(analysis, a, b))
            .or_else(|| contracted(analysis, b, a)),
        Op::MatMul(rows, v) => linearised(analysis, rows, v),
        _ => None,
    }
}

impl Analysis<'_> {
    /// If `value` is a layer on a centred row and `deviation` divides by that row's deviation: the layer, and √d, the
    /// length of the row that it then multiplies.
    pub(super) fn normalised_length(&self, value: NodeId, deviation: NodeId) -> Option<(NodeId, f64)> {
        let Op::Linear { x: y, weight, bias: None } = *self.op(value) else { return None };
        let centred = matches!(self.op(weight), Op::CentreWeight(_));
        (centred && is_deviation_of(self, deviation, y)).then(|| (value, (self.width(y) as f64).sqrt()))
    }
}

/// `centred row / its standard deviation`: `√(d - 1)` per entry, and through a weight `√d` times its norm.
fn normalised(analysis: &Analysis<'_>, id: NodeId, value: NodeId, deviation: NodeId) -> Option<Facts> {
    if let Op::Centre(y) = *analysis.op(value) {
        let (d, kappa) = (analysis.width(y), centre_factor(analysis.width(y)));
        let rows = Rows::uniform(Interval::within(kappa * row_deviation(d)), d);
        return is_deviation_of(analysis, deviation, y)
            .then(|| Facts::of_rows(Some(rows)).with_norm(kappa * (d as f64).sqrt()));
    }
    let (layer, length) = analysis.normalised_length(value, deviation)?;
    let Op::Linear { weight, .. } = *analysis.op(layer) else { return None };
    let value = analysis.known(weight)?;
    let norm = |w: &[f64]| w.iter().map(|v| v * v).sum::<f64>().sqrt();
    let columns = value.data.len() / value.shape[0];
    let rows = value.data.chunks(columns).map(|w| Interval::within(length * norm(w))).collect();
    let facts = Facts::of_rows(Some(rows));
    let split = analysis.is_only_split(id);
    Some(if split { facts } else { facts.with_norm(length * analysis.spectral_norm(weight, value, value.shape[0])) })
}

/// Whether `deviation` is 1 / the standard deviation of the rows of `y`, through the same views of rows.
fn is_deviation_of(analysis: &Analysis<'_>, deviation: NodeId, y: NodeId) -> bool {
    let (rows, mut dropped) = viewed_rows(analysis, deviation);
    let Op::InvStd { x, .. } = *analysis.op(rows) else { return false };
    let (x, above) = viewed_rows(analysis, x);
    dropped.extend(above);
    viewed_rows(analysis, y) == (x, dropped)
}

/// The value that `id` is a view of rows of, and the axes and positions of the views, outermost first.
fn viewed_rows(analysis: &Analysis<'_>, mut id: NodeId) -> (NodeId, Vec<(usize, Vec<usize>)>) {
    let mut views = Vec::new();
    loop {
        let (x, axis, positions) = match analysis.op(id) {
            Op::Slice { x, axis, start, end } => (*x, *axis, (*start..*end).collect()),
            Op::Gather { x, axis, index } => (*x, *axis, index.clone()),
            _ => return (id, views),
        };
        if analysis.is_last(x, axis) {
            return (id, views);
        }
        views.push((axis, positions));
        id = x;
    }
}

/// `x / √(c Σx² + e)`: a row of norm 1/√c at most.
fn of_unit_length(analysis: &Analysis<'_>, x: NodeId, inverse: NodeId) -> Option<Facts> {
    let Op::Rsqrt(argument) = *analysis.op(inverse) else { return None };
    let (factor, squares) = analysis.positive_multiple(argument)?;
    let (squares, factor) = match *analysis.op(squares) {
        Op::SumRow(squares) => (squares, factor),
        Op::MeanRow(squares) => (squares, factor / analysis.width(squares) as f64),
        _ => return None,
    };
    let is_square = matches!(*analysis.op(squares), Op::Mul(a, b) if a == x && b == x);
    is_square.then(|| Facts::UNKNOWN.with_norm(1.0 / factor.sqrt()))
}

/// `(r v) / (Σ r + eps)` for `r ≥ 0`: an average of the rows of `v` and 0.
fn averaged(analysis: &Analysis<'_>, product: NodeId, inverse: NodeId) -> Option<Facts> {
    let Op::MatMul(rows, v) = *analysis.op(product) else { return None };
    let v = &analysis.facts[v.0 as usize];
    let mean = || Facts::of_rows(v.rows.as_ref().map(|v| v.map(Interval::with_zero))).with_norm(v.norm);
    is_inverse_sum(analysis, rows, inverse).then(mean)
}

/// `r / (Σ r + eps)` for `r ≥ 0`: at most 1, and no more in sum.
fn weights(analysis: &Analysis<'_>, rows: NodeId, inverse: NodeId) -> Option<Facts> {
    is_inverse_sum(analysis, rows, inverse)
        .then(|| Facts::of_rows(Some(Rows::uniform(Interval::new(0.0, 1.0), analysis.width(rows)))).with_mass(1.0))
}

/// Whether `inverse` is `1 / (Σ rows + eps)` with `rows` and `eps` not negative.
fn is_inverse_sum(analysis: &Analysis<'_>, rows: NodeId, inverse: NodeId) -> bool {
    let Op::Recip(sum) = *analysis.op(inverse) else { return false };
    let sum = match *analysis.op(sum) {
        Op::Offset(sum, eps) if eps >= 0.0 => sum,
        _ => sum,
    };
    *analysis.op(sum) == Op::SumRow(rows) && analysis.facts[rows.0 as usize].is_not_negative()
}

/// `b (2 - b/u)` on `0 ≤ b ≤ 2u`, a step of Goldschmidt's iteration: at most u, where b = u.
fn contracted(analysis: &Analysis<'_>, b: NodeId, factor: NodeId) -> Option<Facts> {
    let Op::Offset(scaled, two) = *analysis.op(factor) else { return None };
    let Op::Scale(of, slope) = *analysis.op(scaled) else { return None };
    if of != b || slope >= 0.0 || two <= 0.0 {
        return None;
    }
    let rows = analysis.facts[b.0 as usize].rows.as_ref()?;
    let value = |x: f64| x * (two + slope * x);
    let peak = -two / (2.0 * slope);
    let bound = |i: Interval| {
        let ends = Interval::point(value(i.low)).hull(Interval::point(value(i.high)));
        if (i.low..=i.high).contains(&peak) { ends.hull(Interval::point(value(peak))) } else { ends }
    };
    Some(Facts::of_rows(Some(rows.map(bound))))
}

/// `q (kᵀ v)`, each with public factors: Σ over the n rows of k and v of (q·k) v, so no more than n |q| |k| |v|.
fn linearised(analysis: &Analysis<'_>, q: NodeId, inner: NodeId) -> Option<Facts> {
    let (scale, inner) = analysis.multiple(inner);
    let Op::MatMul(turned, v) = *analysis.op(inner) else { return None };
    let (more, turned) = analysis.multiple(turned);
    let Op::Transpose(k) = *analysis.op(turned) else { return None };
    let [q, k, v] = [q, k, v].map(|x| &analysis.facts[x.0 as usize]);
    let rows = analysis.shape(turned).last().copied().unwrap_or(1) as f64;
    let most = rows * q.norm * k.norm * (scale * more).abs();
    let width = analysis.width(inner);
    let bound = most * v.largest();
    let entries = bound.is_finite().then(|| Rows::uniform(Interval::within(bound), width));
    Some(Facts::of_rows(entries).with_norm(most * v.norm))
}

impl Analysis<'_> {
    /// What a value is a public multiple of, and the factor.
    fn multiple(&self, mut id: NodeId) -> (f64, NodeId) {
        let mut factor = 1.0;
        while let Op::Scale(x, by) = *self.op(id) {
            factor *= by;
            id = x;
        }
        (factor, id)
    }

    /// What a value is a positive public multiple of, with offsets that are not negative; the factor first.
    pub(super) fn positive_multiple(&self, mut id: NodeId) -> Option<(f64, NodeId)> {
        let mut factor = 1.0;
        loop {
            match *self.op(id) {
                Op::Scale(x, by) if by > 0.0 => {
                    factor *= by;
                    id = x;
                }
                Op::Offset(x, term) if term >= 0.0 => id = x,
                Op::Scale(..) | Op::Offset(..) => return None,
                _ => return Some((factor, id)),
            }
        }
    }
}
