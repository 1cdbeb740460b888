//! MPNet's biases by distance: a table by buckets of distances becomes a matrix for each head.
//!
//! Source: the buckets of T5 (Raffel et al., 2020), half of them for keys behind the query, half of each one distance wide and
//! the others growing to 128.

use crate::models::ImportError;
use crate::tensors::Tensors;

/// The matrix among the tensors of the model.
pub(super) const NAME: &str = "relative_attention_bias.by_distance";
/// The distance from which on all are alike.
const FARTHEST: f64 = 128.0;

/// The bucket of a key that lies `distance` after the query.
fn bucket(distance: i64, buckets: usize) -> usize {
    let half = buckets / 2;
    let side = if distance > 0 { half } else { 0 };
    let far = distance.unsigned_abs() as usize;
    let exact = half / 2;
    if far < exact {
        return side + far;
    }
    // In single precision, as the reference computes it.
    let grown =
        ((far as f32 / exact as f32).ln() / (FARTHEST as f32 / exact as f32).ln() * (half - exact) as f32) as usize;
    side + (exact + grown).min(half - 1)
}

/// Adds `[heads, length, length]`, made of `encoder.relative_attention_bias.weight`.
pub(super) fn derive(tensors: &mut Tensors, root: &str, (heads, length): (usize, usize)) -> Result<(), ImportError> {
    let name = format!("{root}encoder.relative_attention_bias.weight");
    let missing = |path: &std::path::Path| ImportError::Missing {
        path: path.to_owned(),
        name: name.clone(),
        expected: "of the shape [buckets, heads]",
    };
    let buckets = match tensors.listing().get(&name).map(|l| l.shape.as_slice()) {
        Some([buckets, h]) if *h == heads && *buckets >= 4 => *buckets,
        _ => return Err(missing(tensors.path())),
    };
    let path = tensors.path().to_owned();
    let table = tensors.values(&name)?.ok_or_else(|| missing(&path))?;
    let entry =
        |head: usize, query: usize, key: usize| table[bucket(key as i64 - query as i64, buckets) * heads + head];
    let rows = (0..heads).flat_map(|h| (0..length).map(move |q| (h, q)));
    let values: Vec<f64> =
        rows.flat_map(|(h, q)| (0..length).map(move |k| (h, q, k))).map(|(h, q, k)| entry(h, q, k)).collect();
    tensors.derive(NAME, &[heads, length, length], &values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_near_and_grow_far_away() {
        let of = |distance| bucket(distance, 32);
        assert_eq!([0, -1, -7, 1, 7].map(of), [0, 1, 7, 17, 23]);
        assert_eq!([-8, -11, -12, -127, -500].map(of), [8, 8, 9, 15, 15]);
        assert_eq!([8, 16, 128].map(of), [24, 26, 31]);
    }
}
