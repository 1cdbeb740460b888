//! The meaning of each op on dense arrays.
//!
//! Shapes are those the verifier checked, so nothing here re-derives them.

use super::Tensor;
use super::matrix;
use crate::graph::{NodeId, Op, Shape};

/// Value of `op` of result shape `shape`, with `operand` giving the operands' values.
///
/// Fails with the flat index of an entry outside the op's domain.
pub(super) fn apply<'v>(op: &Op, shape: &Shape, operand: impl Fn(NodeId) -> &'v Tensor) -> Result<Tensor, usize> {
    let data = match op {
        Op::Input(_) | Op::Param(_) => unreachable!("bound by the caller"),
        Op::Const(values) => values.clone(),
        Op::Add(a, b) => pairs(operand(*a), operand(*b), shape, |a, b| a + b),
        Op::Sub(a, b) => pairs(operand(*a), operand(*b), shape, |a, b| a - b),
        Op::Mul(a, b) => pairs(operand(*a), operand(*b), shape, |a, b| a * b),
        Op::Scale(x, factor) => each(operand(*x), |v| v * factor),
        Op::Offset(x, term) => each(operand(*x), |v| v + term),
        Op::MatMul(a, b) => matmul(operand(*a), operand(*b)),
        Op::Linear { x, weight, bias } => linear(operand(*x), operand(*weight), bias.map(&operand)),
        Op::Transpose(x) => transpose(operand(*x)),
        Op::SplitHeads { x, heads } => {
            let x = operand(*x);
            let (n, d) = (x.shape[0], x.shape[1] / heads);
            permute(&x.data, [n, *heads, d])
        }
        Op::MergeHeads(x) => {
            let x = operand(*x);
            permute(&x.data, [x.shape[0], x.shape[1], x.shape[2]])
        }
        Op::Slice { x, axis, start, end } => {
            let x = operand(*x);
            let (outer, extent, inner) = around(&x.shape, *axis);
            let rows = (0..outer).flat_map(|o| {
                let from = o * extent * inner;
                &x.data[from + start * inner..from + end * inner]
            });
            rows.copied().collect()
        }
        Op::Gather { x, axis, index } => {
            let x = operand(*x);
            let (outer, extent, inner) = around(&x.shape, *axis);
            let mut data = Vec::with_capacity(outer * index.len() * inner);
            for o in 0..outer {
                for i in index {
                    data.extend_from_slice(&x.data[(o * extent + i) * inner..][..inner]);
                }
            }
            data
        }
        Op::Concat { parts, axis } => {
            let outer: usize = shape[..*axis].iter().product();
            let mut data = Vec::with_capacity(shape.iter().product());
            for o in 0..outer {
                for part in parts {
                    let part = operand(*part);
                    let run = part.data.len() / outer;
                    data.extend_from_slice(&part.data[o * run..][..run]);
                }
            }
            data
        }
        Op::Reshape(x) => operand(*x).data.clone(),
        Op::SumRow(x) => rows(operand(*x)).map(|row| row.iter().sum()).collect(),
        Op::MeanRow(x) => rows(operand(*x)).map(mean).collect(),
        Op::Relu(x) => each(operand(*x), |v| v.max(0.0)),
        Op::Smooth(function, x) => each(operand(*x), |v| function.apply(v)),
        Op::Recip(x) => each(not_negative(operand(*x))?, |v| if v == 0.0 { 0.0 } else { 1.0 / v }),
        Op::Sqrt(x) => each(not_negative(operand(*x))?, f64::sqrt),
        Op::Rsqrt(x) => each(not_negative(operand(*x))?, |v| if v == 0.0 { 0.0 } else { 1.0 / v.sqrt() }),
        Op::Step(x) => each(operand(*x), |v| if v >= 0.0 { 1.0 } else { 0.0 }),
        Op::MaxRow(x) => rows(operand(*x)).map(|row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect(),
        Op::OneHot { x, extent } => {
            let x = operand(*x);
            let mut data = vec![0.0; x.data.len() * extent];
            for (entry, v) in x.data.iter().enumerate() {
                if *v < 0.0 || *v >= *extent as f64 || v.fract() != 0.0 {
                    return Err(entry);
                }
                data[entry * extent + *v as usize] = 1.0;
            }
            data
        }
        Op::LayerNorm { x, gain, bias, eps } => {
            let (x, gain, bias) = (operand(*x), operand(*gain), operand(*bias));
            let mut data = Vec::with_capacity(x.data.len());
            for row in rows(x) {
                let (mean, inverse) = (mean(row), 1.0 / (variance(row) + eps).sqrt());
                let affine = gain.data.iter().zip(&bias.data);
                data.extend(row.iter().zip(affine).map(|(v, (g, b))| (v - mean) * inverse * g + b));
            }
            data
        }
        Op::Centre(x) => {
            let x = operand(*x);
            let kappa = centre_factor(x.shape[x.shape.len() - 1]);
            centred(x, kappa)
        }
        Op::CentreWeight(x) => centred(operand(*x), 1.0),
        Op::InvStd { x, eps } => rows(operand(*x)).map(|row| 1.0 / (variance(row) + eps).sqrt()).collect(),
        Op::Patches { x, size } => patches(operand(*x), *size),
        Op::Normalize { x, mean, std } => {
            let x = operand(*x);
            let plane = x.data.len() / mean.len();
            let channels = x.data.chunks(plane).zip(mean.iter().zip(std));
            channels.flat_map(|(values, (m, s))| values.iter().map(move |v| (v - m) / s)).collect()
        }
        Op::Argmax(x) => rows(operand(*x))
            .map(|row| {
                let best = row.iter().enumerate().fold(0, |best, (i, v)| if *v > row[best] { i } else { best });
                best as f64
            })
            .collect(),
    };
    Ok(Tensor { shape: shape.clone(), data })
}

/// `κ = d / 2^⌈log2 d⌉`, the factor of `Centre` on rows of `d` entries.
pub fn centre_factor(d: usize) -> f64 {
    d as f64 / d.next_power_of_two() as f64
}

fn not_negative(x: &Tensor) -> Result<&Tensor, usize> {
    x.data.iter().position(|v| *v < 0.0).map_or(Ok(x), Err)
}

fn each(x: &Tensor, f: impl Fn(f64) -> f64) -> Vec<f64> {
    x.data.iter().map(|v| f(*v)).collect()
}

fn rows(x: &Tensor) -> impl Iterator<Item = &[f64]> {
    x.data.chunks(x.shape[x.shape.len() - 1])
}

fn mean(row: &[f64]) -> f64 {
    row.iter().sum::<f64>() / row.len() as f64
}

fn variance(row: &[f64]) -> f64 {
    let mean = mean(row);
    row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / row.len() as f64
}

fn centred(x: &Tensor, factor: f64) -> Vec<f64> {
    let mut data = Vec::with_capacity(x.data.len());
    for row in rows(x) {
        let mean = mean(row);
        data.extend(row.iter().map(|v| factor * (v - mean)));
    }
    data
}

/// Extents before `axis`, of it, and after it.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// `[a, b, c]` to `[b, a, c]`.
fn permute(data: &[f64], [a, b, c]: [usize; 3]) -> Vec<f64> {
    let mut out = Vec::with_capacity(data.len());
    for j in 0..b {
        for i in 0..a {
            out.extend_from_slice(&data[(i * b + j) * c..][..c]);
        }
    }
    out
}

/// Entry by entry with numpy broadcasting.
fn pairs(a: &Tensor, b: &Tensor, shape: &Shape, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    if a.shape == b.shape {
        return a.data.iter().zip(&b.data).map(|(a, b)| f(*a, *b)).collect();
    }
    let last = shape.len() - 1;
    let (steps_a, steps_b) = (steps(&a.shape, shape), steps(&b.shape, shape));
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut position = vec![0usize; last];
    loop {
        let at = |steps: &[usize]| position.iter().zip(steps).map(|(p, s)| p * s).sum::<usize>();
        let (base_a, base_b) = (at(&steps_a), at(&steps_b));
        out.extend((0..shape[last]).map(|i| f(a.data[base_a + i * steps_a[last]], b.data[base_b + i * steps_b[last]])));
        let Some(axis) = (0..last).rev().find(|axis| position[*axis] + 1 < shape[*axis]) else {
            return out;
        };
        position[axis] += 1;
        position[axis + 1..].fill(0);
    }
}

/// Distance in `data` between neighbours along each axis of the broadcast shape; 0 where `shape` is stretched.
fn steps(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let mut steps = vec![0; to.len()];
    let mut step = 1;
    for (axis, extent) in shape.iter().enumerate().rev() {
        if *extent > 1 {
            steps[axis + to.len() - shape.len()] = step;
        }
        step *= extent;
    }
    steps
}

fn matmul(a: &Tensor, b: &Tensor) -> Vec<f64> {
    let rank = a.shape.len();
    let (m, k, n) = (a.shape[rank - 2], a.shape[rank - 1], b.shape[rank - 1]);
    let mut out = Vec::with_capacity(a.data.len() / k * n);
    for (a, b) in a.data.chunks(m * k).zip(b.data.chunks(k * n)) {
        matrix::product(a, b, (m, k, n), &mut out);
    }
    out
}

fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Vec<f64> {
    let (n, k) = (weight.shape[0], weight.shape[1]);
    let m = x.data.len() / k;
    let mut out = Vec::with_capacity(m * n);
    matrix::product_transposed(&x.data, &weight.data, (m, k, n), &mut out);
    if let Some(bias) = bias {
        for row in out.chunks_mut(n) {
            row.iter_mut().zip(&bias.data).for_each(|(v, b)| *v += b);
        }
    }
    out
}

fn transpose(x: &Tensor) -> Vec<f64> {
    let rank = x.shape.len();
    let (m, n) = (x.shape[rank - 2], x.shape[rank - 1]);
    let mut out = Vec::with_capacity(x.data.len());
    for matrix in x.data.chunks(m * n) {
        for j in 0..n {
            out.extend((0..m).map(|i| matrix[i * n + j]));
        }
    }
    out
}

fn patches(x: &Tensor, size: usize) -> Vec<f64> {
    let (channels, height, width) = (x.shape[0], x.shape[1], x.shape[2]);
    let mut out = Vec::with_capacity(x.data.len());
    for top in (0..height).step_by(size) {
        for left in (0..width).step_by(size) {
            for channel in 0..channels {
                for row in top..top + size {
                    out.extend_from_slice(&x.data[(channel * height + row) * width + left..][..size]);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smooth::Smooth;

    fn value(op: Op, shape: &[usize], operands: &[(&[usize], &[f64])]) -> Vec<f64> {
        let tensors: Vec<Tensor> = operands.iter().map(|(s, d)| Tensor::new(s, d.to_vec())).collect();
        apply(&op, &Shape::from_slice(shape), |o| &tensors[o.0 as usize]).unwrap().data
    }

    const X: NodeId = NodeId(0);
    const Y: NodeId = NodeId(1);
    const Z: NodeId = NodeId(2);
    const SIX: (&[usize], &[f64]) = (&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);

    #[test]
    fn entrywise_ops_broadcast_like_numpy() {
        assert_eq!(value(Op::Add(X, Y), &[2, 3], &[SIX, (&[3], &[10.0, 20.0, 30.0])]), [11., 22., 33., 14., 25., 36.]);
        assert_eq!(value(Op::Mul(X, Y), &[2, 3], &[SIX, (&[2, 1], &[2.0, -1.0])]), [2., 4., 6., -4., -5., -6.]);
        assert_eq!(value(Op::Sub(X, Y), &[2, 2], &[(&[2, 1], &[1., 2.]), (&[2], &[10., 20.])]), [-9., -19., -8., -18.]);
    }

    #[test]
    fn structure_ops_move_entries() {
        assert_eq!(value(Op::Transpose(X), &[3, 2], &[SIX]), [1., 4., 2., 5., 3., 6.]);
        assert_eq!(value(Op::Slice { x: X, axis: 1, start: 1, end: 3 }, &[2, 2], &[SIX]), [2., 3., 5., 6.]);
        assert_eq!(value(Op::Gather { x: X, axis: 1, index: vec![2, 0] }, &[2, 2], &[SIX]), [3., 1., 6., 4.]);
        let joined = value(Op::Concat { parts: vec![X, Y], axis: 1 }, &[2, 4], &[SIX, (&[2, 1], &[7., 8.])]);
        assert_eq!(joined, [1., 2., 3., 7., 4., 5., 6., 8.]);
        let x: (&[usize], &[f64]) = (&[2, 4], &[0., 1., 2., 3., 4., 5., 6., 7.]);
        let heads = value(Op::SplitHeads { x: X, heads: 2 }, &[2, 2, 2], &[x]);
        assert_eq!(heads, [0., 1., 4., 5., 2., 3., 6., 7.]);
        assert_eq!(value(Op::MergeHeads(X), &[2, 4], &[(&[2, 2, 2], &heads)]), x.1);
    }

    #[test]
    fn patches_list_channels_then_rows() {
        let image: Vec<f64> = (0..8).map(f64::from).collect();
        let patches = value(Op::Patches { x: X, size: 1 }, &[4, 2], &[(&[2, 2, 2], &image)]);
        assert_eq!(patches, [0., 4., 1., 5., 2., 6., 3., 7.]);
        let whole = value(Op::Patches { x: X, size: 2 }, &[1, 8], &[(&[2, 2, 2], &image)]);
        assert_eq!(whole, image);
    }

    #[test]
    fn row_ops_reduce_the_last_axis() {
        assert_eq!(value(Op::SumRow(X), &[2, 1], &[SIX]), [6., 15.]);
        assert_eq!(value(Op::MeanRow(X), &[2, 1], &[SIX]), [2., 5.]);
        assert_eq!(value(Op::Argmax(X), &[2, 1], &[(&[2, 2], &[3., 3., 1., 2.])]), [0., 1.]);
        assert_eq!(value(Op::Centre(X), &[2, 3], &[SIX]), [-0.75, 0., 0.75, -0.75, 0., 0.75]);
        assert_eq!(value(Op::CentreWeight(X), &[2, 3], &[SIX]), [-1., 0., 1., -1., 0., 1.]);
        let inverse = value(Op::InvStd { x: X, eps: 0.25 }, &[1, 1], &[(&[1, 2], &[0.0, 2.0])]);
        assert_eq!(inverse, [1.0 / 1.25f64.sqrt()]);
        let normal = Op::LayerNorm { x: X, gain: Y, bias: Z, eps: 0.0 };
        let out = value(normal, &[1, 2], &[(&[1, 2], &[1.0, 5.0]), (&[2], &[1.0, 3.0]), (&[2], &[0.5, 0.0])]);
        assert_eq!(out, [-0.5, 3.0]);
    }

    #[test]
    fn linear_multiplies_by_the_transposed_weight() {
        let linear = Op::Linear { x: X, weight: Y, bias: Some(Z) };
        let out = value(linear, &[2, 2], &[SIX, (&[2, 3], &[1., 0., 0., 0., 1., 1.]), (&[2], &[0.5, -1.0])]);
        assert_eq!(out, [1.5, 4.0, 4.5, 10.0]);
    }

    #[test]
    fn nonlinear_ops_match_reference_values() {
        assert_eq!(value(Op::Relu(X), &[2], &[(&[2], &[-1.0, 2.0])]), [0.0, 2.0]);
        assert_eq!(value(Op::Recip(X), &[2], &[(&[2], &[4.0, 0.0])]), [0.25, 0.0]);
        let out = value(Op::Smooth(Smooth::Gelu, X), &[3], &[(&[3], &[1.0, -1.0, 0.5])]);
        for (got, expected) in
            out.iter().zip([0.841_344_746_068_542_9, -0.158_655_253_931_457_1, 0.345_731_230_637_006_6])
        {
            assert!((got - expected).abs() < 1e-15, "{got} {expected}");
        }
    }

    #[test]
    fn a_negative_reciprocal_names_its_entry() {
        let x = Tensor::new(&[2], vec![1.0, -0.5]);
        assert_eq!(apply(&Op::Recip(X), &x.shape.clone(), |_| &x).unwrap_err(), 1);
    }
}
