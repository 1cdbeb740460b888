//! Products of few rows or of few columns: every word of the large operand is used a few times only, so it is read in
//! place.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use super::super::{Shape, scratch};
use super::{LANES, low_lanes};

/// Up to this many rows, packing the right operand does not pay.
const ROWS: usize = 4;
/// Up to this many columns, dot products along the inner extent waste fewer lanes.
const COLUMNS: usize = 2;
/// Vectors of columns of a register block.
const VECTORS: usize = 4;

/// Whether a product of this shape is computed here.
pub(super) fn applies(shape: Shape) -> bool {
    shape.n <= COLUMNS || shape.m <= ROWS
}

/// C = A·B modulo 2^64.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn product(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { m, k, n } = shape;
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n, "operands of the shape");
    if n <= COLUMNS {
        return dots(shape, a, b, c);
    }
    for at in (0..n).step_by(VECTORS * LANES) {
        let vectors = (n - at).div_ceil(LANES).min(VECTORS);
        // SAFETY: the operands have the shape's lengths, asserted above; the vectors begin within the columns.
        unsafe {
            match (m, vectors) {
                (1, 1) => sums::<1, 1>(shape, at, a, b, c),
                (1, 2) => sums::<1, 2>(shape, at, a, b, c),
                (1, 3) => sums::<1, 3>(shape, at, a, b, c),
                (1, 4) => sums::<1, 4>(shape, at, a, b, c),
                (2, 1) => sums::<2, 1>(shape, at, a, b, c),
                (2, 2) => sums::<2, 2>(shape, at, a, b, c),
                (2, 3) => sums::<2, 3>(shape, at, a, b, c),
                (2, 4) => sums::<2, 4>(shape, at, a, b, c),
                (3, 1) => sums::<3, 1>(shape, at, a, b, c),
                (3, 2) => sums::<3, 2>(shape, at, a, b, c),
                (3, 3) => sums::<3, 3>(shape, at, a, b, c),
                (3, 4) => sums::<3, 4>(shape, at, a, b, c),
                (4, 1) => sums::<4, 1>(shape, at, a, b, c),
                (4, 2) => sums::<4, 2>(shape, at, a, b, c),
                (4, 3) => sums::<4, 3>(shape, at, a, b, c),
                (4, 4) => sums::<4, 4>(shape, at, a, b, c),
                _ => unreachable!("{m} rows and {vectors} vectors"),
            }
        }
    }
}

/// Columns `at ..` of all R rows, as far as V vectors reach.
///
/// # Safety
/// The slices have the shape's lengths, the shape has R rows, and the last vector begins before column n.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
unsafe fn sums<const R: usize, const V: usize>(shape: Shape, at: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { k, n, .. } = shape;
    let masks: [__mmask8; V] = std::array::from_fn(|v| low_lanes(n - at - v * LANES));
    let mut sums = [[_mm512_setzero_si512(); V]; R];
    for p in 0..k {
        // SAFETY: the masks limit the loads to row p.
        let right: [__m512i; V] = std::array::from_fn(|v| unsafe {
            _mm512_maskz_loadu_epi64(masks[v], b.as_ptr().add(p * n + at + v * LANES).cast())
        });
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the shape has R rows of k words.
            let left = _mm512_set1_epi64(unsafe { *a.get_unchecked(i * k + p) } as i64);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = _mm512_add_epi64(*sum, _mm512_mullo_epi64(left, right));
            }
        }
    }
    for (i, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: the masks limit the stores to row i.
            unsafe { _mm512_mask_storeu_epi64(c.as_mut_ptr().add(i * n + at + v * LANES).cast(), masks[v], sum) };
        }
    }
}

/// One or two columns: dot products of the rows with contiguous copies of the columns.
#[target_feature(enable = "avx512f,avx512dq")]
fn dots(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { k, n, .. } = shape;
    scratch::with(0, n * k, |_, columns| {
        for (j, column) in columns.chunks_exact_mut(k).enumerate() {
            for (out, row) in column.iter_mut().zip(b.chunks_exact(n)) {
                *out = row[j];
            }
        }
        for (row, out) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
            for (column, out) in columns.chunks_exact(k).zip(out) {
                *out = dot(row, column);
            }
        }
    });
}

#[target_feature(enable = "avx512f,avx512dq")]
fn dot(a: &[u64], b: &[u64]) -> u64 {
    let mut sums = [_mm512_setzero_si512(); 4];
    let (a_lines, a_rest) = a.as_chunks::<{ 4 * LANES }>();
    let (b_lines, b_rest) = b.as_chunks::<{ 4 * LANES }>();
    for (a, b) in a_lines.iter().zip(b_lines) {
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: both chunks hold four vectors.
            let product = unsafe {
                _mm512_mullo_epi64(
                    _mm512_loadu_epi64(a.as_ptr().add(LANES * v).cast()),
                    _mm512_loadu_epi64(b.as_ptr().add(LANES * v).cast()),
                )
            };
            *sum = _mm512_add_epi64(*sum, product);
        }
    }
    let [s0, s1, s2, s3] = sums;
    let sum = _mm512_add_epi64(_mm512_add_epi64(s0, s1), _mm512_add_epi64(s2, s3));
    let tail = a_rest.iter().zip(b_rest).fold(0u64, |sum, (&x, &y)| sum.wrapping_add(x.wrapping_mul(y)));
    (_mm512_reduce_add_epi64(sum) as u64).wrapping_add(tail)
}
