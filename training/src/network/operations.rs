//! What each op computes on a batch.

use burn::tensor::{Device, Int, Tensor, activation, module};
use mpcc_compiler::evaluate::centre_factor;
use mpcc_compiler::graph::{Graph, LoadOp, Node, NodeId, Op, Param};
use mpcc_compiler::smooth::{SECFORMER, Smooth};
use smallvec::{SmallVec, smallvec};

use super::{AXES, extents};
use crate::parameters::Parameter;

type Batch = Tensor<4>;

/// Runs of neighbours up to which a gather is made of slices.
const MOST_RUNS: usize = 4;

/// Operands as [`apply`] takes them: the product of one-hot rows and a matrix looks up rows of the matrix, so it takes what
/// the one-hot rows are made of.
pub(super) fn operands(graph: &Graph, node: &Node) -> SmallVec<[NodeId; 4]> {
    match looked_up(graph, &node.op) {
        Some((positions, table)) => smallvec![positions, table],
        None => node.op.operands(),
    }
}

/// The positions and the table of a product of one-hot rows and a matrix of weights.
fn looked_up(graph: &Graph, op: &Op) -> Option<(NodeId, NodeId)> {
    let Op::MatMul(a, table) = *op else { return None };
    let Op::OneHot { x, .. } = graph.node(a).op else { return None };
    (matches!(graph.node(table).op, Op::Param(_)) && graph.node(table).ty.shape.len() == 2).then_some((x, table))
}

/// A parameter after its load-time reshapes, as one example.
pub(super) fn loaded(parameter: &Parameter, param: &Param, node: &Node) -> Batch {
    let mut shape: SmallVec<[usize; 4]> = SmallVec::from_slice(&parameter.shape);
    let mut value = parameter.value.clone();
    for op in &param.ops {
        match op {
            LoadOp::Squeeze(axis) => {
                shape.remove(*axis);
            }
            LoadOp::Reshape(to) => shape = to.clone(),
            LoadOp::Transpose(a, b) => {
                let (low, high) = (*a.min(b), *a.max(b));
                let outer: usize = shape[..low].iter().product();
                let between: usize = shape[low + 1..high].iter().product();
                let inner: usize = shape[high + 1..].iter().product();
                let folded = value.reshape([outer, shape[low], between, shape[high], inner]);
                value = folded.swap_dims(1, 3).reshape([-1]);
                shape.swap(low, high);
            }
            LoadOp::Slice(axis, from, to) => {
                let outer: usize = shape[..*axis].iter().product();
                let inner: usize = shape[axis + 1..].iter().product();
                value = value.reshape([outer, shape[*axis], inner]).narrow(1, *from, to - from).reshape([-1]);
                shape[*axis] = to - from;
            }
        }
    }
    let extents = extents(node);
    value.reshape([1, extents[0], extents[1], extents[2]])
}

/// Value of `op`; `take` hands out the operands' values.
pub(super) fn apply(
    op: &Op,
    node: &Node,
    graph: &Graph,
    take: &mut dyn FnMut(NodeId) -> Batch,
    device: &Device,
) -> Batch {
    if let Some((positions, table)) = looked_up(graph, op) {
        let (positions, table) = (take(positions), take(table));
        return rows_of(&table, &positions, extents(node));
    }
    match op {
        Op::Input(_) | Op::Param(_) => unreachable!("bound by the caller"),
        Op::Const(values) => {
            let [a, b, c] = extents(node);
            let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
            Tensor::<1>::from_data(values.as_slice(), device).reshape([1, a, b, c])
        }
        Op::Add(a, b) => take(*a) + take(*b),
        Op::Sub(a, b) => take(*a) - take(*b),
        Op::Mul(a, b) => take(*a) * take(*b),
        Op::Scale(x, factor) => take(*x).mul_scalar(*factor),
        Op::Offset(x, term) => take(*x).add_scalar(*term),
        Op::MatMul(a, b) => product(take(*a), take(*b)),
        Op::Linear { x, weight, bias } => {
            let product = product(take(*x), take(*weight).swap_dims(2, 3));
            match bias {
                Some(bias) => product + take(*bias),
                None => product,
            }
        }
        Op::Transpose(x) => take(*x).swap_dims(2, 3),
        Op::SplitHeads { x, heads } => {
            let x = take(*x);
            let [examples, _, n, width] = x.dims();
            x.reshape([examples, n, *heads, width / heads]).swap_dims(1, 2)
        }
        Op::MergeHeads(x) => {
            let x = take(*x);
            let [examples, heads, n, d] = x.dims();
            x.swap_dims(1, 2).reshape([examples, 1, n, heads * d])
        }
        Op::Slice { x, axis, start, end } => {
            let axis = aligned(*axis, graph.node(*x));
            take(*x).narrow(axis, *start, end - start)
        }
        Op::Gather { x, axis, index } => gathered(take(*x), aligned(*axis, graph.node(*x)), index, device),
        Op::Concat { parts, axis } => {
            let axis = aligned(*axis, node);
            let parts: Vec<Batch> = parts.iter().map(|part| take(*part)).collect();
            let examples = parts.iter().map(|part| part.dims()[0]).max().unwrap_or(1);
            let all = |part: Batch| {
                let [_, a, b, c] = part.dims();
                part.expand([examples, a, b, c])
            };
            Tensor::cat(parts.into_iter().map(all).collect(), axis)
        }
        Op::Reshape(x) => {
            let x = take(*x);
            let ([examples, ..], [a, b, c]) = (x.dims(), extents(node));
            x.reshape([examples, a, b, c])
        }
        Op::SumRow(x) => take(*x).sum_dim(3),
        Op::MeanRow(x) => take(*x).mean_dim(3),
        Op::Relu(x) => activation::relu(take(*x)),
        Op::Smooth(function, x) => smooth(*function, take(*x)),
        Op::Recip(x) => where_not_zero(take(*x), Tensor::recip),
        Op::Sqrt(x) => where_not_zero(take(*x), Tensor::sqrt),
        Op::Rsqrt(x) => where_not_zero(take(*x), |x| x.sqrt().recip()),
        Op::Step(x) => take(*x).greater_equal_scalar(0.0).float(),
        Op::MaxRow(x) => take(*x).max_dim(3),
        Op::OneHot { x, extent } => {
            let x = take(*x);
            let [examples, _, a, b] = x.dims();
            let positions: Vec<f32> = (0..*extent).map(|at| at as f32).collect();
            let positions = Tensor::<1>::from_data(positions.as_slice(), device).reshape([1, 1, 1, *extent]);
            x.reshape([examples, a, b, 1]).equal(positions).float()
        }
        Op::LayerNorm { x, gain, bias, eps } => {
            let (x, gain, bias) = (take(*x), take(*gain), take(*bias));
            let width = gain.dims()[3];
            module::layer_norm(x, gain.reshape([width]), Some(bias.reshape([width])), *eps)
        }
        Op::Centre(x) => {
            let x = take(*x);
            let factor = centre_factor(x.dims()[3]);
            centred(x).mul_scalar(factor)
        }
        Op::CentreWeight(x) => centred(take(*x)),
        Op::InvStd { x, eps } => {
            let x = centred(take(*x));
            (x.clone() * x).mean_dim(3).add_scalar(*eps).sqrt().recip()
        }
        Op::Patches { x, size } => {
            let x = take(*x);
            let [examples, channels, height, width] = x.dims();
            let (down, right) = (height / size, width / size);
            x.reshape([examples, channels, down, *size, right, *size]).permute([0, 2, 4, 1, 3, 5]).reshape([
                examples,
                1,
                down * right,
                channels * size * size,
            ])
        }
        Op::Normalize { x, mean, std } => {
            let axis = aligned(0, graph.node(*x));
            let mut extents = [1; 4];
            extents[axis] = mean.len();
            let channel = |values: &[f64]| {
                let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
                Tensor::<1>::from_data(values.as_slice(), device).reshape(extents)
            };
            (take(*x) - channel(mean)) / channel(std)
        }
        Op::Argmax(x) => take(*x).argmax(3).float(),
    }
}

/// The tensor axis of a value's axis.
fn aligned(axis: usize, node: &Node) -> usize {
    1 + AXES - node.ty.shape.len() + axis
}

/// Matrix product over the last two axes. A right factor that is the same for all examples takes their rows at once.
fn product(a: Batch, b: Batch) -> Batch {
    let ([examples, groups, m, k], [shared, right_groups, _, n]) = (a.dims(), b.dims());
    if shared * right_groups == 1 {
        let rows = a.reshape([examples * groups * m, k]).matmul(b.reshape([k, n]));
        return rows.reshape([examples, groups, m, n]);
    }
    a.matmul(b)
}

fn rows_of(table: &Batch, positions: &Batch, [a, b, c]: [usize; 3]) -> Batch {
    let [_, _, rows, width] = table.dims();
    let examples = positions.dims()[0];
    let count = positions.dims().iter().product::<usize>();
    let index: Tensor<1, Int> = positions.clone().reshape([count]).int();
    table.clone().reshape([rows, width]).select(0, index).reshape([examples, a, b, c])
}

/// Entries `index` along `axis`. Few runs of neighbours are cut out and joined, since gradients of slices are copies.
fn gathered(x: Batch, axis: usize, index: &[usize], device: &Device) -> Batch {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in index {
        match runs.last_mut() {
            Some((from, count)) if *from + *count == *at => *count += 1,
            _ => runs.push((*at, 1)),
        }
    }
    if runs.len() <= MOST_RUNS {
        let parts = runs.into_iter().map(|(from, count)| x.clone().narrow(axis, from, count)).collect();
        return Tensor::cat(parts, axis);
    }
    let index: Vec<i32> = index.iter().map(|at| i32::try_from(*at).expect("an extent of a tensor")).collect();
    x.select(axis, Tensor::<1, Int>::from_data(index.as_slice(), device))
}

fn centred(x: Batch) -> Batch {
    let mean = x.clone().mean_dim(3);
    x - mean
}

/// `f` where `x` is not 0, and 0 with no gradient where it is.
fn where_not_zero(x: Batch, f: impl Fn(Batch) -> Batch) -> Batch {
    let zero = x.clone().equal_scalar(0.0);
    f(x.mask_fill(zero.clone(), 1.0)).mask_fill(zero, 0.0)
}

fn smooth(function: Smooth, x: Batch) -> Batch {
    match function {
        Smooth::Gelu => activation::gelu(x),
        Smooth::GeluFourier { cut } => {
            let u = x.clone().mul_scalar(std::f64::consts::FRAC_1_SQRT_2);
            let outside = u.clone().abs().greater_scalar(cut);
            let sign = x.clone().detach().sign();
            let waves = (1u32..).zip(SECFORMER).map(|(k, beta)| {
                u.clone().mul_scalar(f64::from(k) * std::f64::consts::PI / 10.0).sin().mul_scalar(beta)
            });
            let series = waves.reduce(|sum, wave| sum + wave).expect("seven terms");
            x.mul_scalar(0.5) * series.mask_where(outside, sign).add_scalar(1.0)
        }
        Smooth::Silu => activation::silu(x),
        Smooth::Tanh => x.tanh(),
        Smooth::Sigmoid => activation::sigmoid(x),
        Smooth::Erf => x.erf(),
        Smooth::Exp => x.exp(),
    }
}
