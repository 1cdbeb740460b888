//! GeLU as x/2 plus an even cosine series of period 16 (gate G11).

/// Half-range inside which the saturating form uses the series; outside, GeLU is x or 0 to 1e-8.
pub(crate) const SATURATE_AT: f64 = 6.0;
/// Largest proved bound for which the plain series is used: the period's half with a margin for rounding.
pub(crate) const PLAIN_UP_TO: f64 = 7.0;
/// log2 of the period.
pub(crate) const PERIOD_LOG2: i32 = 4;

/// A fitted series.
#[derive(Clone, Debug, PartialEq)]
pub struct GeluSeries {
    /// A_0, A_1, …
    pub coefficients: Vec<f64>,
    /// Largest error on the fitted interval.
    pub error: f64,
}

fn even_part(x: f64) -> f64 {
    0.5 * x * libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)
}

/// The series with the fewest frequencies (at most 24) whose error on `[-reach, reach]` is at most `tolerance`,
/// by ridge least squares at Chebyshev points; the best found if none is.
pub fn fit(reach: f64, tolerance: f64) -> GeluSeries {
    let points: Vec<f64> =
        (0..=800).map(|i| reach * libm::sin(std::f64::consts::FRAC_PI_2 * f64::from(i) / 800.0)).collect();
    let mut best: Option<GeluSeries> = None;
    for count in 4..=24 {
        let coefficients = least_squares(&points, count);
        let error = points.iter().map(|x| (series(&coefficients, *x) - even_part(*x)).abs()).fold(0.0, f64::max);
        let better = best.as_ref().is_none_or(|b| error < b.error);
        if better {
            best = Some(GeluSeries { coefficients, error });
        }
        if error <= tolerance {
            break;
        }
    }
    best.expect("at least one fit was tried")
}

fn basis(x: f64, j: usize) -> f64 {
    libm::cos(2.0 * std::f64::consts::PI * j as f64 * x / 16.0)
}

fn series(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().enumerate().map(|(j, a)| a * basis(x, j)).sum()
}

fn least_squares(points: &[f64], count: usize) -> Vec<f64> {
    let n = count + 1;
    let mut m = vec![vec![0.0; n + 1]; n];
    for x in points {
        let b: Vec<f64> = (0..n).map(|j| basis(*x, j)).collect();
        let y = even_part(*x);
        for (i, row) in m.iter_mut().enumerate() {
            for j in 0..n {
                row[j] += b[i] * b[j];
            }
            row[n] += b[i] * y;
        }
    }
    for (i, row) in m.iter_mut().enumerate() {
        row[i] += 1e-8;
    }
    solve(m)
}

/// Gaussian elimination with partial pivoting of an augmented matrix.
fn solve(mut m: Vec<Vec<f64>>) -> Vec<f64> {
    let n = m.len();
    for c in 0..n {
        let pivot = (c..n).max_by(|a, b| m[*a][c].abs().total_cmp(&m[*b][c].abs())).expect("rows remain");
        m.swap(c, pivot);
        let top = m[c].clone();
        for row in m.iter_mut().skip(c + 1) {
            let factor = row[c] / top[c];
            for (value, above) in row.iter_mut().zip(&top).skip(c) {
                *value -= factor * above;
            }
        }
    }
    let mut x = vec![0.0; n];
    for c in (0..n).rev() {
        let rest: f64 = (c + 1..n).map(|j| m[c][j] * x[j]).sum();
        x[c] = (m[c][n] - rest) / m[c][c];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_saturating_series_is_accurate_with_few_frequencies() {
        let s = fit(SATURATE_AT, 2e-5);
        assert!(s.error <= 2e-5, "{}", s.error);
        assert!(s.coefficients.len() <= 13, "{}", s.coefficients.len());
        assert!(s.coefficients[1..].iter().map(|a| a.abs()).sum::<f64>() < 4.0);
    }
}
