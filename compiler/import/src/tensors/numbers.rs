//! Bytes of tensors to real numbers.

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
}
