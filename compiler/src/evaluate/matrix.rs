//! Matrix products in `f64`, blocked so that the compiler vectorises the inner loop.

/// Rows of the left factor handled at once.
const ROWS: usize = 4;
/// Columns of the right factor handled at once.
const COLUMNS: usize = 4;

/// `a b` for `a [m, k]` and `b [k, n]`, row-major, appended to `out`.
pub(super) fn product(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize), out: &mut Vec<f64>) {
    blocked(a, (m, k, n), out, |panel, column| {
        for (row, entry) in panel.iter_mut().enumerate() {
            let width = COLUMNS.min(n - column);
            entry[..width].copy_from_slice(&b[row * n + column..][..width]);
        }
    });
}

/// `a bᵀ` for `a [m, k]` and `b [n, k]`, row-major, appended to `out`.
pub(super) fn product_transposed(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize), out: &mut Vec<f64>) {
    blocked(a, (m, k, n), out, |panel, column| {
        for lane in 0..COLUMNS.min(n - column) {
            for (entry, value) in panel.iter_mut().zip(&b[(column + lane) * k..][..k]) {
                entry[lane] = *value;
            }
        }
    });
}

/// Every entry is summed over `k` in ascending order, so that the result does not depend on the blocking.
#[inline(never)]
fn blocked(
    a: &[f64],
    (m, k, n): (usize, usize, usize),
    out: &mut Vec<f64>,
    pack: impl Fn(&mut [[f64; COLUMNS]], usize),
) {
    let start = out.len();
    out.resize(start + m * n, 0.0);
    let out = &mut out[start..];
    let mut panel = vec![[0.0; COLUMNS]; k];
    for column in (0..n).step_by(COLUMNS) {
        pack(&mut panel, column);
        let width = COLUMNS.min(n - column);
        let mut row = 0;
        while row + ROWS <= m {
            let rows: [&[f64]; ROWS] = std::array::from_fn(|r| &a[(row + r) * k..][..k]);
            for (r, sums) in tile(rows, &panel).iter().enumerate() {
                out[(row + r) * n + column..][..width].copy_from_slice(&sums[..width]);
            }
            row += ROWS;
        }
        for row in row..m {
            let [sums] = tile([&a[row * k..][..k]], &panel);
            out[row * n + column..][..width].copy_from_slice(&sums[..width]);
        }
    }
}

/// By indices, since optimisers leave nested iterators of short arrays as calls.
#[inline(always)]
fn tile<const R: usize>(rows: [&[f64]; R], panel: &[[f64; COLUMNS]]) -> [[f64; COLUMNS]; R] {
    let mut sums = [[0.0; COLUMNS]; R];
    let rows = rows.map(|row| &row[..panel.len()]);
    for (k, b) in panel.iter().enumerate() {
        for r in 0..R {
            let a = rows[r][k];
            for j in 0..COLUMNS {
                sums[r][j] += a * b[j];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_products_equal_the_definition() {
        for (m, k, n) in [(1, 1, 1), (4, 4, 4), (5, 3, 7), (9, 8, 2), (3, 17, 13)] {
            let a: Vec<f64> = (0..m * k).map(|i| (i % 11) as f64 - 5.0).collect();
            let b: Vec<f64> = (0..k * n).map(|i| (i % 7) as f64 - 3.0).collect();
            let mut transposed = vec![0.0; n * k];
            let mut expected = vec![0.0; m * n];
            for j in 0..n {
                for l in 0..k {
                    transposed[j * k + l] = b[l * n + j];
                    for i in 0..m {
                        expected[i * n + j] += a[i * k + l] * b[l * n + j];
                    }
                }
            }
            let mut straight = vec![9.0];
            product(&a, &b, (m, k, n), &mut straight);
            assert_eq!(straight[1..], expected);
            let mut swapped = Vec::new();
            product_transposed(&a, &transposed, (m, k, n), &mut swapped);
            assert_eq!(swapped, expected);
        }
    }
}
