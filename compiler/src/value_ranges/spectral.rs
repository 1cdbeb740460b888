//! How much a matrix can lengthen a row: an upper bound of its spectral norm.
//!
//! The Gram matrix G of the shorter side has the squared norm as its largest eigenvalue, and the Frobenius norm of G^p is at
//! least that eigenvalue to the power of p and at most √d times as much. So p = 8 is within d^(1/32) of the norm, and p = 4 within
//! d^(1/16): a factor of 1.5 at 768 rows, where √d is 28.

use ndarray::{Array2, ArrayView2};

/// Squarings of the Gram matrix; large ones are squared once less.
const SQUARINGS: u32 = 3;
/// From this side on a Gram matrix is large.
const LARGE: usize = 512;

/// A bound of ‖W x‖ / ‖x‖ for W of `rows` rows, row-major.
pub(super) fn norm(weight: &[f64], rows: usize) -> f64 {
    let columns = weight.len() / rows.max(1);
    let Ok(weight) = ArrayView2::from_shape((rows, columns), weight) else { return f64::INFINITY };
    if weight.is_empty() {
        return 0.0;
    }
    let gram = if rows <= columns { weight.dot(&weight.t()) } else { weight.t().dot(&weight) };
    let squarings = SQUARINGS - u32::from(gram.nrows() >= LARGE);
    let mut power = gram;
    // log of the scale that was taken out of the power, per power of the Gram matrix.
    let mut exponent = 0.0;
    for squaring in 0..squarings {
        let scale = frobenius(&power);
        if scale == 0.0 || !scale.is_finite() {
            return if scale == 0.0 { 0.0 } else { f64::INFINITY };
        }
        power /= scale;
        exponent += libm::log(scale) / f64::from(1u32 << squaring);
        power = power.dot(&power);
    }
    let last = libm::log(frobenius(&power)) / f64::from(1u32 << squarings);
    libm::sqrt(libm::exp(exponent + last))
}

fn frobenius(values: &Array2<f64>) -> f64 {
    libm::sqrt(values.iter().map(|v| v * v).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(x: &[f64]) -> f64 {
        libm::sqrt(x.iter().map(|v| v * v).sum::<f64>())
    }

    fn apply(weight: &[f64], rows: usize, x: &[f64]) -> Vec<f64> {
        let columns = weight.len() / rows;
        weight.chunks(columns).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    }

    #[test]
    fn a_diagonal_matrix_has_its_largest_entry() {
        let diagonal = [3.0, -7.0, 0.5, 2.0];
        let weight: Vec<f64> = (0..16).map(|at| if at % 5 == 0 { diagonal[at / 5] } else { 0.0 }).collect();
        let bound = norm(&weight, 4);
        assert!((7.0..7.0 * 1.01).contains(&bound), "{bound}");
        assert_eq!(norm(&[0.0; 6], 2), 0.0);
    }

    #[test]
    fn no_vector_grows_by_more_and_one_grows_by_almost_as_much() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
        };
        for (rows, columns) in [(5, 9), (9, 5), (1, 7), (7, 1), (24, 24)] {
            let weight: Vec<f64> = (0..rows * columns).map(|_| next()).collect();
            let bound = norm(&weight, rows);
            let mut x: Vec<f64> = (0..columns).map(|_| next()).collect();
            let mut grown = 0.0;
            for _ in 0..200 {
                let y = apply(&weight, rows, &x);
                grown = length(&y) / length(&x);
                assert!(grown <= bound * (1.0 + 1e-12), "{grown} above {bound}");
                let long = length(&y);
                let y: Vec<f64> = y.iter().map(|v| v / long).collect();
                x = (0..columns).map(|c| (0..rows).map(|r| weight[r * columns + c] * y[r]).sum()).collect();
            }
            assert!(bound <= grown * 1.25, "{bound} is far above {grown}");
        }
    }
}
