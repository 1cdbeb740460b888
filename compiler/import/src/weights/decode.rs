//! Load-time reshapes, the number formats that are read, and the patterns of `ignore`.

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{LoadOp, Shape};
use safetensors::Dtype;

use crate::tensors::floats;

/// Whether [`floats`] reads a number format.
pub(super) fn reads(dtype: Dtype) -> bool {
    floats(dtype, &[]).is_some()
}

/// Applies load-time reshapes in order.
pub(super) fn apply(mut tensor: Tensor, ops: &[LoadOp]) -> Result<Tensor, String> {
    for op in ops {
        let shape = &tensor.shape;
        let refuse = || format!("{op:?} of the shape {shape:?}");
        tensor = match op {
            LoadOp::Squeeze(axis) => {
                if shape.get(*axis) != Some(&1) {
                    return Err(refuse());
                }
                let mut to = shape.clone();
                to.remove(*axis);
                if to.is_empty() {
                    to.push(1);
                }
                Tensor { shape: to, data: tensor.data }
            }
            LoadOp::Reshape(to) => {
                let entries = to.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
                if entries != Some(tensor.data.len()) {
                    return Err(refuse());
                }
                Tensor { shape: to.clone(), data: tensor.data }
            }
            LoadOp::Transpose(a, b) => {
                if *a.max(b) >= shape.len() {
                    return Err(refuse());
                }
                let mut to = shape.clone();
                to.swap(*a, *b);
                let mut from = strides(shape);
                from.swap(*a, *b);
                Tensor { data: gather(&tensor.data, &to, &from, 0), shape: to }
            }
            LoadOp::Slice(axis, start, end) => {
                if start >= end || shape.get(*axis).is_none_or(|extent| end > extent) {
                    return Err(refuse());
                }
                let from = strides(shape);
                let mut to = shape.clone();
                to[*axis] = end - start;
                Tensor { data: gather(&tensor.data, &to, &from, start * from[*axis]), shape: to }
            }
        };
    }
    Ok(tensor)
}

/// Distance between neighbours along each axis, row-major.
fn strides(shape: &Shape) -> Shape {
    let mut strides = shape.clone();
    let mut stride = 1;
    for (to, extent) in strides.iter_mut().zip(shape).rev() {
        *to = stride;
        stride *= extent;
    }
    strides
}

/// Entries of `data` at `origin` and on by `strides`, in row-major order of `shape`.
fn gather(data: &[f64], shape: &Shape, strides: &Shape, origin: usize) -> Vec<f64> {
    let mut positions = vec![origin];
    for (extent, stride) in shape.iter().zip(strides) {
        positions = positions.iter().flat_map(|p| (0..*extent).map(move |i| p + i * stride)).collect();
    }
    positions.into_iter().map(|p| data[p]).collect()
}

/// Whether `name` fits `pattern`, where `*` stands for any run of characters.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let Some((middle, tail)) = rest.rsplit_once('*') else {
        return name.ends_with(rest);
    };
    for part in middle.split('*') {
        let Some(at) = name.find(part) else {
            return false;
        };
        name = &name[at + part.len()..];
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshapes_move_the_right_entries() {
        let x = Tensor::new(&[1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let ops = [LoadOp::Squeeze(0), LoadOp::Transpose(0, 1), LoadOp::Slice(0, 1, 3)];
        assert_eq!(apply(x.clone(), &ops), Ok(Tensor::new(&[2, 2], vec![2.0, 5.0, 3.0, 6.0])));
        let flat = LoadOp::Reshape(Shape::from_slice(&[6]));
        assert_eq!(apply(x.clone(), &[flat]).map(|t| t.shape.to_vec()), Ok(vec![6]));
        let scalar = Tensor::new(&[1], vec![7.0]);
        assert_eq!(apply(scalar.clone(), &[LoadOp::Squeeze(0)]), Ok(scalar));
    }

    #[test]
    fn impossible_reshapes_are_refused() {
        let x = Tensor::new(&[1, 2, 3], vec![0.0; 6]);
        for op in [
            LoadOp::Squeeze(1),
            LoadOp::Squeeze(3),
            LoadOp::Transpose(0, 3),
            LoadOp::Slice(1, 1, 3),
            LoadOp::Slice(1, 2, 1),
            LoadOp::Slice(4, 0, 1),
            LoadOp::Reshape(Shape::from_slice(&[5])),
        ] {
            assert!(apply(x.clone(), std::slice::from_ref(&op)).is_err(), "{op:?}");
        }
    }

    #[test]
    fn stars_stand_for_any_run() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.*.alpha", "a.3.self.alpha", true),
            ("a.*.alpha", "a.alpha", false),
            ("*", "", true),
            ("*.w", "x.w", true),
            ("*.w", "x.w2", false),
            ("a*b*c", "a__b__c", true),
            ("a*b*c", "a__c__b", false),
            ("a*a", "a", false),
            ("*ab*ab", "ab", false),
            ("cls.*", "cls.x.y", true),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(matches(pattern, name), fits, "{pattern} on {name}");
        }
    }
}
