//! Matrix products over the ring 2^64, row-major and wrapping, one per batch entry.
//!
//! Smaller rings 2^k need no other kernel: reduction mod 2^k commutes with wrapping sums and products. The
//! vector kernel is register-blocked with packed panels; every level gives the same words because wrapping
//! addition is associative. Larger rings have doubles for entries; see [`matmul_double`].

use crate::level::{self, Level};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod double;
#[cfg(target_arch = "x86_64")]
mod scratch;

pub use double::{matmul_double, matmul_double_bits};

/// What a product does to the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// C = A·B.
    Set,
    /// C = C + A·B.
    Add,
    /// C = C − A·B.
    Subtract,
}

/// C = A·B for each of `batch` products: `a` is `[batch][m][k]`, `b` is `[batch][k][n]`, `c` is
/// `[batch][m][n]`. With `k` = 0 the result is zero.
///
/// # Panics
/// If a slice length differs from its shape.
pub fn matmul(batch: usize, m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    matmul_update(Update::Set, batch, m, k, n, a, b, c);
}

/// C = C + A·B; shapes and panics as [`matmul`].
pub fn matmul_add(batch: usize, m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    matmul_update(Update::Add, batch, m, k, n, a, b, c);
}

/// C = C − A·B; shapes and panics as [`matmul`].
pub fn matmul_subtract(batch: usize, m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    matmul_update(Update::Subtract, batch, m, k, n, a, b, c);
}

/// The product with an explicit update of the destination; shapes and panics as [`matmul`].
#[expect(clippy::too_many_arguments, reason = "the shape of a batched product")]
pub fn matmul_update(update: Update, batch: usize, m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    at_level(level::current(), update, batch, Shape { m, k, n }, a, b, c);
}

/// One product's extents.
#[derive(Clone, Copy, Debug)]
struct Shape {
    m: usize,
    k: usize,
    n: usize,
}

fn at_level(level: Level, update: Update, batch: usize, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { m, k, n } = shape;
    assert_eq!(a.len(), batch * m * k, "left operand of a {batch}x[{m}x{k}]·[{k}x{n}] product");
    assert_eq!(b.len(), batch * k * n, "right operand of a {batch}x[{m}x{k}]·[{k}x{n}] product");
    assert_eq!(c.len(), batch * m * n, "destination of a {batch}x[{m}x{k}]·[{k}x{n}] product");
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if update == Update::Set {
            c.fill(0);
        }
        return;
    }
    for ((a, b), c) in a.chunks_exact(m * k).zip(b.chunks_exact(k * n)).zip(c.chunks_exact_mut(m * n)) {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::product(update, shape, a, b, c),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::product(update, shape, a, b, c),
            _ => portable(update, shape, a, b, c),
        }
    }
}

/// Row by row, the destination row as accumulator; inlined so that a caller compiled for a wider instruction
/// set gets it vectorised.
#[inline(always)]
fn portable(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { k, n, .. } = shape;
    for (row, out) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        if update == Update::Set {
            out.fill(0);
        }
        for (&x, b) in row.iter().zip(b.chunks_exact(n)) {
            let x = if update == Update::Subtract { x.wrapping_neg() } else { x };
            for (out, &y) in out.iter_mut().zip(b) {
                *out = out.wrapping_add(x.wrapping_mul(y));
            }
        }
    }
}

#[cfg(test)]
mod tests;
