//! Bytes of a safetensors file to real numbers, load-time reshapes, and the patterns of `ignore`.

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{LoadOp, Shape};
use safetensors::Dtype;

/// Little-endian floats as `f64`, exactly; nothing if they are of another number format.
pub(crate) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f64>> {
    let half = |of: fn(u16) -> f64| bytes.as_chunks().0.iter().map(|b| of(u16::from_le_bytes(*b))).collect();
    Some(match dtype {
        Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F16 => half(half_precision),
        Dtype::BF16 => half(|bits| f64::from(f32::from_bits(u32::from(bits) << 16))),
        _ => return None,
    })
}

/// Whether [`floats`] reads a number format.
pub(super) fn reads(dtype: Dtype) -> bool {
    floats(dtype, &[]).is_some()
}

/// IEEE 754 binary16.
fn half_precision(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * libm::exp2(-14.0),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        exponent => sign * (1.0 + fraction) * libm::exp2(f64::from(exponent) - 15.0),
    }
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
    fn half_precision_covers_every_class_of_number() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103515625e-5),
            (0x0001, 5.960464477539063e-8),
            (0x3555, 0.333251953125),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half_precision(bits), value, "{bits:#06x}");
        }
        assert!(half_precision(0x7e00).is_nan());
    }

    #[test]
    fn brain_floats_and_doubles_are_exact() {
        assert_eq!(floats(Dtype::BF16, &[0xc0, 0x3f, 0x20, 0xc1]), Some(vec![1.5, -10.0]));
        let bytes = std::f64::consts::PI.to_le_bytes();
        assert_eq!(floats(Dtype::F64, &bytes), Some(vec![std::f64::consts::PI]));
        assert_eq!(floats(Dtype::I64, &bytes), None);
    }

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
