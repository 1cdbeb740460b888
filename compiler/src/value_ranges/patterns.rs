//! Bounds of whole patterns, where interval arithmetic forgets how the operands hang together.

use super::interval::{Interval, Rows};
use super::{Analysis, row_deviation};
use crate::evaluate::centre_factor;
use crate::graph::{NodeId, Op};

/// The best bound of any pattern that `id` ends.
pub(super) fn bound(analysis: &Analysis<'_>, id: NodeId) -> Option<Rows> {
    match *analysis.op(id) {
        Op::Mul(a, b) => normalised(analysis, a, b)
            .or_else(|| normalised(analysis, b, a))
            .or_else(|| averaged(analysis, a, b))
            .or_else(|| averaged(analysis, b, a))
            .or_else(|| weights(analysis, a, b))
            .or_else(|| weights(analysis, b, a)),
        Op::MatMul(rows, v) => {
            let Op::Mul(a, b) = *analysis.op(rows) else { return None };
            weights(analysis, a, b).or_else(|| weights(analysis, b, a))?;
            Some(analysis.rows(v)?.map(with_zero))
        }
        _ => None,
    }
}

/// `centred row / its standard deviation`: `√(d - 1)` per entry, and through a weight `√d` times its norm.
fn normalised(analysis: &Analysis<'_>, value: NodeId, deviation: NodeId) -> Option<Rows> {
    let (rows, mut dropped) = viewed_rows(analysis, deviation);
    let Op::InvStd { x, .. } = *analysis.op(rows) else { return None };
    let (x, above) = viewed_rows(analysis, x);
    dropped.extend(above);
    let is_of = |y: NodeId| viewed_rows(analysis, y) == (x, dropped.clone());
    match *analysis.op(value) {
        Op::Centre(y) if is_of(y) => {
            let d = analysis.width(x);
            Some(Rows::uniform(Interval::within(centre_factor(d) * row_deviation(d)), d))
        }
        Op::Linear { x: y, weight, bias: None } if is_of(y) && matches!(analysis.op(weight), Op::CentreWeight(_)) => {
            let d = analysis.width(y);
            let weight = analysis.known(weight)?;
            let norm = |w: &[f64]| w.iter().map(|v| v * v).sum::<f64>().sqrt();
            Some(weight.data.chunks(d).map(|w| Interval::within((d as f64).sqrt() * norm(w))).collect())
        }
        _ => None,
    }
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

/// `(r v) / (Σ r + eps)` for `r ≥ 0`: an average of the rows of `v` and 0.
fn averaged(analysis: &Analysis<'_>, product: NodeId, inverse: NodeId) -> Option<Rows> {
    let Op::MatMul(rows, v) = *analysis.op(product) else { return None };
    is_inverse_sum(analysis, rows, inverse).then(|| analysis.rows(v).map(|v| v.map(with_zero)))?
}

/// `r / (Σ r + eps)` for `r ≥ 0`: at most 1.
fn weights(analysis: &Analysis<'_>, rows: NodeId, inverse: NodeId) -> Option<Rows> {
    is_inverse_sum(analysis, rows, inverse).then(|| Rows::uniform(Interval::new(0.0, 1.0), analysis.width(rows)))
}

/// Whether `inverse` is `1 / (Σ rows + eps)` with `rows` and `eps` not negative.
fn is_inverse_sum(analysis: &Analysis<'_>, rows: NodeId, inverse: NodeId) -> bool {
    let Op::Recip(sum) = *analysis.op(inverse) else { return false };
    let sum = match *analysis.op(sum) {
        Op::Offset(sum, eps) if eps >= 0.0 => sum,
        _ => sum,
    };
    let not_negative =
        matches!(analysis.op(rows), Op::Relu(_)) || analysis.rows(rows).is_some_and(|r| r.hull().low >= 0.0);
    *analysis.op(sum) == Op::SumRow(rows) && not_negative
}

fn with_zero(interval: Interval) -> Interval {
    interval.hull(Interval::point(0.0))
}
