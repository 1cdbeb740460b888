//! Matrix products over rings of 65 to 128 bits. An element is a double: two words of a `u64` slice, low word
//! first. The portable product needs three word multiplications per term; processors with 52-bit multiply-add
//! instructions split doubles into two or three limbs instead.

use super::{Shape, share};
use crate::level::{self, Level};
use crate::threads;

#[cfg(target_arch = "x86_64")]
mod ifma;

/// C = A·B modulo 2^128 for each of `batch` products: `left` is `[batch][m][k]`, `right` is `[batch][k][n]`,
/// `out` is `[batch][m][n]`, each entry a double. With `k` = 0 the result is zero.
///
/// # Panics
/// If a slice does not have two words per entry of its shape.
pub fn matmul_double(batch: usize, m: usize, k: usize, n: usize, left: &[u64], right: &[u64], out: &mut [u64]) {
    matmul_double_bits(batch, m, k, n, left, right, out, 128);
}

/// As [`matmul_double`], reduced modulo 2^`bits`. Bits of the operands from `bits` on do not matter. Rings of up
/// to 104 bits are the fastest.
///
/// # Panics
/// As [`matmul_double`], and if `bits` is not in 65..=128.
#[expect(clippy::too_many_arguments, reason = "the shape of a batched product")]
pub fn matmul_double_bits(
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
    left: &[u64],
    right: &[u64],
    out: &mut [u64],
    bits: u32,
) {
    let (level, shape) = (level::current(), Shape { m, k, n });
    check(bits, batch, shape, left, right, out);
    share::among(threads::most(), 2, batch, shape, left, right, out, |batch, shape, a, b, c| {
        at_level(level, batch, shape, a, b, c, bits);
    });
}

fn check(bits: u32, batch: usize, shape: Shape, a: &[u64], b: &[u64], c: &[u64]) {
    let Shape { m, k, n } = shape;
    assert!((65..=128).contains(&bits), "a double has 65 to 128 bits, not {bits}");
    assert_eq!(a.len(), 2 * batch * m * k, "left doubles of a {batch}x[{m}x{k}]·[{k}x{n}] product");
    assert_eq!(b.len(), 2 * batch * k * n, "right doubles of a {batch}x[{m}x{k}]·[{k}x{n}] product");
    assert_eq!(c.len(), 2 * batch * m * n, "destination doubles of a {batch}x[{m}x{k}]·[{k}x{n}] product");
}

fn at_level(level: Level, batch: usize, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64], bits: u32) {
    check(bits, batch, shape, a, b, c);
    let Shape { m, k, n } = shape;
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.fill(0);
        return;
    }
    for ((a, b), c) in a.chunks_exact(2 * m * k).zip(b.chunks_exact(2 * k * n)).zip(c.chunks_exact_mut(2 * m * n)) {
        #[cfg(target_arch = "x86_64")]
        if ifma::available(level) {
            ifma::product(shape, a, b, c, bits);
            continue;
        }
        portable(shape, a, b, c, bits);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = level;
}

/// The bits of the high word that belong to a ring of `bits` bits.
fn high_mask(bits: u32) -> u64 {
    u64::MAX >> (128 - bits)
}

/// Columns whose sums are kept in registers.
const COLUMNS: usize = 4;
/// Terms of a pass, so that the right rows it reads stay in the second-level cache.
const INNER: usize = 64;

/// A few columns of a row at a time.
fn portable(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64], bits: u32) {
    let Shape { k, n, .. } = shape;
    let mask = high_mask(bits);
    let b = b.as_chunks::<2>().0;
    for k0 in (0..k).step_by(INNER) {
        let b = &b[k0 * n..];
        for (row, out) in a.chunks_exact(2 * k).zip(c.chunks_exact_mut(2 * n)) {
            let row = &row.as_chunks::<2>().0[k0..(k0 + INNER).min(k)];
            let (whole, rest) = out.as_chunks_mut::<2>().0.as_chunks_mut::<COLUMNS>();
            for (j, out) in whole.iter_mut().enumerate() {
                sums(row, &b[j * COLUMNS..], n, k0 > 0, out);
            }
            let at = n - rest.len();
            for (j, out) in rest.iter_mut().enumerate() {
                sums(row, &b[at + j..], n, k0 > 0, std::array::from_mut(out));
            }
        }
    }
    c.as_chunks_mut::<2>().0.iter_mut().for_each(|[_, high]| *high &= mask);
}

/// Products of a row's doubles with those of N columns, whose rows are `stride` doubles apart, to or onto `out`.
#[inline(always)]
fn sums<const N: usize>(row: &[[u64; 2]], b: &[[u64; 2]], stride: usize, add: bool, out: &mut [[u64; 2]; N]) {
    let mut sums = if add { *out } else { [[0; 2]; N] };
    for (&[x0, x1], b) in row.iter().zip(b.chunks(stride)) {
        for (sum, &[y0, y1]) in sums.iter_mut().zip(&b[..N]) {
            let product = u128::from(x0) * u128::from(y0);
            let cross = x0.wrapping_mul(y1).wrapping_add(x1.wrapping_mul(y0));
            let (low, carry) = sum[0].overflowing_add(product as u64);
            let high = ((product >> 64) as u64).wrapping_add(cross).wrapping_add(u64::from(carry));
            *sum = [low, sum[1].wrapping_add(high)];
        }
    }
    *out = sums;
}

#[cfg(test)]
mod tests;
