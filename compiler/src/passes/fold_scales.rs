//! Public factors move into weights; a power of two stays outside, where fixed point applies it for free.
//!
//! `c = m 2^e` with `1 ≤ |m| < 2`. The mantissa moves up through ops that commute with a factor to a value the
//! model owner knows, on a way where nobody else needs the unscaled values.

use super::Pass;
use super::common_subexpressions::identity;
use super::rewrite::{Rewriter, rewrite};
use crate::graph::{NodeId, Op};

/// The pass.
pub(super) const PASS: Pass = Pass {
    name: "fold_scales",
    summary: "folds public factors into weights, all but powers of two",
    needs: &["the cheaper order of products", "normalisers on results"],
    establishes: &["factors in weights"],
    run: |graph| rewrite(graph, &[identity, mean_is_scaled_sum, fold]),
    without: None,
};

fn fold(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::Scale(x, factor) = *rw.op(id) else {
        return Ok(None);
    };
    if rw.at_server(x) || !factor.is_normal() {
        return Ok(None);
    }
    let (mantissa, power) = split(factor);
    if mantissa == 1.0 {
        return Ok(None);
    }
    match absorb(rw, x, mantissa)? {
        Some(scaled) => rw.add(Op::Scale(scaled, power), id).map(Some),
        None => Ok(None),
    }
}

/// `(m, 2^e)` with `m 2^e = factor` and `1 ≤ |m| < 2`; both are exact.
fn split(factor: f64) -> (f64, f64) {
    let exponent_bits = factor.to_bits() & (0x7ff << 52);
    let power = f64::from_bits(exponent_bits);
    (factor / power, power)
}

/// `x · m` without an op on shared values, if some weight can take the factor.
fn absorb(rw: &mut Rewriter, x: NodeId, m: f64) -> Result<Option<NodeId>, String> {
    if rw.at_server(x) {
        return rw.add(Op::Scale(x, m), x).map(Some);
    }
    if !rw.used_once(x) {
        return Ok(None);
    }
    let op = rw.op(x).clone();
    let new = match op {
        Op::Linear { x: input, weight, bias } => {
            let weight = rw.add(Op::Scale(weight, m), weight)?;
            let bias = match bias {
                Some(bias) => Some(rw.add(Op::Scale(bias, m), bias)?),
                None => None,
            };
            Op::Linear { x: input, weight, bias }
        }
        Op::LayerNorm { x: input, gain, bias, eps } => {
            let gain = rw.add(Op::Scale(gain, m), gain)?;
            let bias = rw.add(Op::Scale(bias, m), bias)?;
            Op::LayerNorm { x: input, gain, bias, eps }
        }
        Op::MatMul(a, b) | Op::Mul(a, b) => {
            let rebuilt = |a, b| {
                if matches!(op, Op::MatMul(..)) { Op::MatMul(a, b) } else { Op::Mul(a, b) }
            };
            if let Some(a) = absorb(rw, a, m)? {
                rebuilt(a, b)
            } else if let Some(b) = absorb(rw, b, m)? {
                rebuilt(a, b)
            } else {
                return Ok(None);
            }
        }
        Op::Add(a, b) | Op::Sub(a, b) => {
            let (Some(a), Some(b)) = (absorb(rw, a, m)?, absorb(rw, b, m)?) else {
                return Ok(None);
            };
            if matches!(op, Op::Add(..)) { Op::Add(a, b) } else { Op::Sub(a, b) }
        }
        Op::Offset(inner, term) => match absorb(rw, inner, m)? {
            Some(inner) => Op::Offset(inner, term * m),
            None => return Ok(None),
        },
        Op::Relu(_) if m < 0.0 => return Ok(None),
        Op::Scale(inner, _)
        | Op::Relu(inner)
        | Op::Transpose(inner)
        | Op::SplitHeads { x: inner, .. }
        | Op::MergeHeads(inner)
        | Op::Slice { x: inner, .. }
        | Op::Gather { x: inner, .. }
        | Op::SumRow(inner)
        | Op::MeanRow(inner)
        | Op::Centre(inner) => match absorb(rw, inner, m)? {
            Some(inner) => op.map_operands(|_| inner),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    rw.add_scaled(new, x, m).map(Some)
}

/// A mean of shared rows is their sum, scaled.
fn mean_is_scaled_sum(rw: &mut Rewriter, id: NodeId) -> Result<Option<NodeId>, String> {
    let Op::MeanRow(x) = *rw.op(id) else {
        return Ok(None);
    };
    if rw.at_server(x) {
        return Ok(None);
    }
    let sum = rw.add(Op::SumRow(x), id)?;
    let count = rw.width(x) as f64;
    rw.add(Op::Scale(sum, 1.0 / count), id).map(Some)
}
