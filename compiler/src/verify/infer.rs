//! The typing rule of every op, the one place where shapes, elements and visibilities are derived.
//!
//! Lowering and passes build nodes through [`build`], so that they and the verifier cannot disagree.

use smallvec::SmallVec;

use crate::graph::{Element, Graph, Node, NodeId, Op, Shape, Type, Visibility};

/// Type of `op` on operands of the given types, in the order of [`Op::operands`].
///
/// # Errors
/// A message that names the rule broken. `Input`, `Param`, `Const` and `Reshape` do not follow from operand
/// types alone and are refused here; [`build`] and [`build_shaped`] know them.
pub fn infer(op: &Op, operands: &[&Type]) -> Result<Type, String> {
    rule(op, operands, None)
}

/// Appends `op`, typed by its operands and, for inputs and parameters, by the graph's declarations.
///
/// # Errors
/// As [`infer()`]; also if an operand, input or parameter does not exist.
pub fn build(graph: &mut Graph, op: Op, path: &str) -> Result<NodeId, String> {
    let ty = derived_type(graph, &op, None)?;
    Ok(append(graph, op, ty, path))
}

/// Appends a `Const` or `Reshape` of the given shape.
///
/// # Errors
/// If the number of entries does not fit, or the op's shape follows from its operands and differs.
pub fn build_shaped(graph: &mut Graph, op: Op, shape: &[usize], path: &str) -> Result<NodeId, String> {
    let shape = Shape::from_slice(shape);
    let ty = derived_type(graph, &op, Some(&shape))?;
    if ty.shape != shape {
        return Err(format!("shape {:?} where the operands give {:?}", shape.as_slice(), ty.shape.as_slice()));
    }
    Ok(append(graph, op, ty, path))
}

fn append(graph: &mut Graph, op: Op, ty: Type, path: &str) -> NodeId {
    graph.push(Node { op, ty, path: path.to_owned(), assumed: None, span: None })
}

/// [`infer()`] with the graph's declarations and the shape a `Const` or `Reshape` is given.
pub(crate) fn derived_type(graph: &Graph, op: &Op, given: Option<&Shape>) -> Result<Type, String> {
    match op {
        Op::Input(n) => match graph.inputs.get(*n as usize) {
            Some(input) => Ok(input.ty.clone()),
            None => Err(format!("input {n} is not declared")),
        },
        Op::Param(p) => match graph.params.get(p.0 as usize) {
            Some(param) => Ok(real(param.shape.clone(), Visibility::SecretServer)),
            None => Err(format!("parameter {} is not declared", p.0)),
        },
        _ => {
            let operands = op.operands();
            let mut types: SmallVec<[&Type; 4]> = SmallVec::with_capacity(operands.len());
            for id in operands {
                match graph.nodes.get(id.0 as usize) {
                    Some(node) => types.push(&node.ty),
                    None => return Err(format!("operand {id:?} does not exist")),
                }
            }
            rule(op, &types, given)
        }
    }
}

/// Shape of an entry-by-entry operation on two shapes: extents are aligned at the last axis, 1 stretches.
///
/// # Errors
/// If two extents differ and neither is 1.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Shape, String> {
    let rank = a.len().max(b.len());
    let extent = |s: &[usize], axis: usize| {
        if axis + s.len() < rank { 1 } else { s[axis + s.len() - rank] }
    };
    (0..rank)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (m, n) if m == n || n == 1 => Ok(m),
            (1, n) => Ok(n),
            _ => Err(format!("shapes {a:?} and {b:?} do not broadcast")),
        })
        .collect()
}

fn real(shape: Shape, visibility: Visibility) -> Type {
    Type { element: Element::Real, shape, visibility }
}

fn rule(op: &Op, operands: &[&Type], given: Option<&Shape>) -> Result<Type, String> {
    let expected = op.operands().len();
    if operands.len() != expected {
        return Err(format!("{} operand types where {expected} are needed", operands.len()));
    }
    let visibility = operands.iter().fold(Visibility::Public, |v, t| v.join(t.visibility));
    let shape = |n: usize| operands[n].shape.as_slice();
    let same = |shape: Shape| Type { element: operands[0].element, shape, visibility };
    let real = |shape: Shape| real(shape, visibility);
    Ok(match op {
        Op::Input(_) | Op::Param(_) => return Err("its type is that of a declaration".into()),
        Op::Const(values) => match given {
            Some(shape) if shape.iter().product::<usize>() == values.len() => real(shape.clone()),
            Some(shape) => {
                return Err(format!("{} constants for shape {:?}", values.len(), shape.as_slice()));
            }
            None => return Err("a constant needs its shape".into()),
        },
        Op::Reshape(_) => match given {
            Some(to) if to.iter().product::<usize>() == shape(0).iter().product::<usize>() => same(to.clone()),
            Some(to) => {
                return Err(format!("{:?} cannot be reshaped to {:?}", shape(0), to.as_slice()));
            }
            None => return Err("a reshape needs its shape".into()),
        },
        Op::Add(..) | Op::Sub(..) | Op::Mul(..) => real(broadcast(shape(0), shape(1))?),
        Op::Scale(..)
        | Op::Offset(..)
        | Op::Relu(_)
        | Op::Smooth(..)
        | Op::Recip(_)
        | Op::Sqrt(_)
        | Op::Rsqrt(_)
        | Op::Step(_)
        | Op::Centre(_) => {
            last(shape(0))?;
            real(operands[0].shape.clone())
        }
        Op::CentreWeight(_) => {
            rank(shape(0), 2, "a weight matrix")?;
            real(operands[0].shape.clone())
        }
        Op::MatMul(..) => {
            let (a, b) = (shape(0), shape(1));
            let n = a.len();
            if n < 2 || b.len() != n || a[..n - 2] != b[..n - 2] || a[n - 1] != b[n - 2] {
                return Err(format!("shapes {a:?} and {b:?} do not multiply"));
            }
            let mut out = operands[0].shape.clone();
            out[n - 1] = b[n - 1];
            real(out)
        }
        Op::Linear { bias, .. } => {
            let (x, weight) = (shape(0), shape(1));
            rank(weight, 2, "a weight matrix")?;
            if last(x)? != weight[1] {
                return Err(format!("input {x:?} does not fit weight {weight:?} [out, in]"));
            }
            if bias.is_some() && shape(2) != [weight[0]] {
                return Err(format!("bias {:?} does not fit weight {weight:?} [out, in]", shape(2)));
            }
            let mut out = operands[0].shape.clone();
            let end = out.len() - 1;
            out[end] = weight[0];
            real(out)
        }
        Op::Transpose(_) => {
            let mut out = operands[0].shape.clone();
            let n = out.len();
            if n < 2 {
                return Err(format!("{:?} has no two axes to swap", out.as_slice()));
            }
            out.swap(n - 2, n - 1);
            same(out)
        }
        Op::SplitHeads { heads, .. } => {
            let x = shape(0);
            rank(x, 2, "the operand of split_heads")?;
            if *heads == 0 || !x[1].is_multiple_of(*heads) {
                return Err(format!("width {} does not split into {heads} heads", x[1]));
            }
            same(Shape::from_slice(&[*heads, x[0], x[1] / heads]))
        }
        Op::MergeHeads(_) => {
            let x = shape(0);
            rank(x, 3, "the operand of merge_heads")?;
            same(Shape::from_slice(&[x[1], x[0] * x[2]]))
        }
        Op::Slice { axis, start, end, .. } => {
            let mut out = operands[0].shape.clone();
            let extent = extent(&out, *axis)?;
            if start >= end || *end > extent {
                return Err(format!("slice {start}..{end} leaves an axis of {extent}"));
            }
            out[*axis] = end - start;
            same(out)
        }
        Op::Gather { axis, index, .. } => {
            let mut out = operands[0].shape.clone();
            let extent = extent(&out, *axis)?;
            if index.is_empty() {
                return Err("gathers nothing".into());
            }
            if let Some(outside) = index.iter().find(|i| **i >= extent) {
                return Err(format!("gathers entry {outside} of an axis of {extent}"));
            }
            out[*axis] = index.len();
            same(out)
        }
        Op::Concat { axis, .. } => {
            let Some(first) = operands.first() else {
                return Err("joins nothing".into());
            };
            let mut out = first.shape.clone();
            extent(&out, *axis)?;
            out[*axis] = 0;
            let mut element = first.element;
            for part in operands {
                let mut rest = part.shape.clone();
                if rest.len() == out.len() {
                    rest[*axis] = out[*axis];
                }
                if rest != out {
                    return Err(format!("{:?} does not join along axis {axis}", part.shape.as_slice()));
                }
                out[*axis] += part.shape[*axis];
                if part.element != element {
                    element = Element::Real;
                }
            }
            Type { element, shape: out, visibility }
        }
        Op::SumRow(_) | Op::MeanRow(_) | Op::MaxRow(_) | Op::InvStd { .. } => real(row(shape(0))?),
        Op::Argmax(_) => Type { element: Element::I32, shape: row(shape(0))?, visibility },
        Op::OneHot { extent, .. } => {
            if *extent == 0 {
                return Err("no positions".into());
            }
            let mut out = operands[0].shape.clone();
            out.push(*extent);
            Type { element: Element::Bit, shape: out, visibility }
        }
        Op::LayerNorm { .. } => {
            let d = last(shape(0))?;
            if shape(1) != [d] || shape(2) != [d] {
                return Err(format!("gain {:?} and bias {:?} for rows of {d}", shape(1), shape(2)));
            }
            real(operands[0].shape.clone())
        }
        Op::Patches { size, .. } => {
            let x = shape(0);
            rank(x, 3, "an image")?;
            if *size == 0 || !x[1].is_multiple_of(*size) || !x[2].is_multiple_of(*size) {
                return Err(format!("image {x:?} does not divide into patches of {size}"));
            }
            same(Shape::from_slice(&[(x[1] / size) * (x[2] / size), x[0] * size * size]))
        }
        Op::Normalize { mean, std, .. } => {
            let x = shape(0);
            rank(x, 3, "an image")?;
            if mean.len() != x[0] || std.len() != x[0] {
                return Err(format!("{} means and {} deviations for {} channels", mean.len(), std.len(), x[0]));
            }
            real(operands[0].shape.clone())
        }
    })
}

fn rank(shape: &[usize], expected: usize, what: &str) -> Result<(), String> {
    if shape.len() == expected { Ok(()) } else { Err(format!("{what} has {expected} axes, not {}", shape.len())) }
}

fn last(shape: &[usize]) -> Result<usize, String> {
    shape.last().copied().ok_or_else(|| "the operand has no axis".to_owned())
}

fn extent(shape: &[usize], axis: usize) -> Result<usize, String> {
    shape.get(axis).copied().ok_or_else(|| format!("axis {axis} of a value with {} axes", shape.len()))
}

fn row(shape: &[usize]) -> Result<Shape, String> {
    last(shape)?;
    let mut out = Shape::from_slice(shape);
    let end = out.len() - 1;
    out[end] = 1;
    Ok(out)
}
