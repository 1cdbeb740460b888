//! The product with `vpmullq`: blocks of up to 8 rows and 2 or 4 vectors of columns held in registers, the left
//! operand packed in row blocks and the right one in column panels.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use super::{Shape, Update, scratch};
use crate::level::{self, Level};

pub(super) const LANES: usize = 8;
/// Rows of a register block.
const ROWS: usize = 8;
/// Inner extent and columns of a packed block: 512 KiB of the right operand.
const INNER: usize = 256;
const COLUMNS: usize = 256;
/// Up to this many rows every word of the right operand is used once, and packing it does not pay.
const THIN_ROWS: usize = 4;
/// Up to this many columns dot products along the inner extent waste fewer lanes.
const THIN_COLUMNS: usize = 2;

pub(super) fn product(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { m, k, n } = shape;
    assert!(level::hardware() >= Level::Avx512, "AVX-512 kernel on a processor without it");
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n, "operands of the shape");
    // SAFETY (all three): the processor has AVX-512 F and DQ, and the slices have the shape's lengths.
    if n <= THIN_COLUMNS {
        unsafe { dots(update, shape, a, b, c) }
    } else if m <= THIN_ROWS {
        unsafe { streamed(update, shape, a, b, c) }
    } else {
        unsafe { blocked(update, shape, a, b, c) }
    }
}

/// Packed blocks: for each block of the right operand, all row blocks of the left one.
#[target_feature(enable = "avx512f,avx512dq")]
fn blocked(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { m, k, n } = shape;
    let panel_words = INNER.min(k) * COLUMNS.min(n.next_multiple_of(LANES));
    scratch::with(INNER * ROWS, panel_words, |left, right| {
        for k0 in (0..k).step_by(INNER) {
            let inner = INNER.min(k - k0);
            let update = if k0 == 0 || update != Update::Set { update } else { Update::Add };
            for n0 in (0..n).step_by(COLUMNS) {
                let columns = COLUMNS.min(n - n0);
                for_panels(columns, 2, |at, vectors| {
                    let width = vectors * LANES;
                    let used = width.min(columns - at);
                    let panel = right[at * inner..][..width * inner].chunks_exact_mut(width);
                    for (p, row) in panel.enumerate() {
                        row[..used].copy_from_slice(&b[(k0 + p) * n + n0 + at..][..used]);
                    }
                });
                for m0 in (0..m).step_by(ROWS) {
                    let rows = ROWS.min(m - m0);
                    pack_rows(&a[m0 * k + k0..], k, rows, inner, left);
                    for_panels(columns, 2, |at, vectors| {
                        let block = Block {
                            inner,
                            a: left.as_ptr(),
                            b: right[at * inner..].as_ptr(),
                            b_stride: vectors * LANES,
                            c: c[m0 * n + n0 + at..].as_mut_ptr(),
                            c_stride: n,
                            last: last_mask(columns - at, vectors),
                            update,
                        };
                        // SAFETY: `left` holds inner·rows words, the panel inner·vectors·8 words, and `c`
                        // from the block's corner on holds `rows` rows of stride n.
                        unsafe { block.run(rows, vectors) }
                    });
                }
            }
        }
    });
}

/// Few rows: the right operand is read once, in place.
#[target_feature(enable = "avx512f,avx512dq")]
fn streamed(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { m, k, n } = shape;
    scratch::with(m * k, 0, |left, _| {
        pack_rows(a, k, m, k, left);
        for_panels(n, 4, |at, vectors| {
            let block = Block {
                inner: k,
                a: left.as_ptr(),
                b: b[at..].as_ptr(),
                b_stride: n,
                c: c[at..].as_mut_ptr(),
                c_stride: n,
                last: last_mask(n - at, vectors),
                update,
            };
            // SAFETY: `left` holds k·m words; `b` from column `at` on holds k rows of stride n, of which
            // the mask limits the last vector to existing columns; `c` likewise m rows.
            unsafe { block.run(m, vectors) }
        });
    });
}

/// Calls `body(first column, vectors)` for panels of at most `most` vectors (1, 2 or 4) that cover `columns`.
#[inline(always)]
pub(super) fn for_panels(columns: usize, most: usize, mut body: impl FnMut(usize, usize)) {
    let mut at = 0;
    while at < columns {
        let needed = (columns - at).div_ceil(LANES);
        let vectors = if needed >= most { most } else { 1 << needed.ilog2() };
        body(at, vectors);
        at += vectors * LANES;
    }
}

/// Lanes of a panel's last vector that lie within the remaining columns.
fn last_mask(remaining: usize, vectors: usize) -> __mmask8 {
    let lanes = (remaining - (vectors - 1) * LANES).min(LANES);
    ((1u32 << lanes) - 1) as __mmask8
}

/// Rows `[i][p]` of stride `stride` to `[p][i]`, `i` < `rows`, `p` < `inner`.
#[inline(always)]
fn pack_rows(a: &[u64], stride: usize, rows: usize, inner: usize, out: &mut [u64]) {
    for i in 0..rows {
        let row = &a[i * stride..][..inner];
        for (&word, out) in row.iter().zip(out[i..].iter_mut().step_by(rows)) {
            *out = word;
        }
    }
}

/// One register block: `rows` rows of `vectors` vectors of C, from a left block packed as `[p][rows]` and right
/// rows of any stride.
struct Block {
    inner: usize,
    a: *const u64,
    b: *const u64,
    b_stride: usize,
    c: *mut u64,
    c_stride: usize,
    last: __mmask8,
    update: Update,
}

impl Block {
    /// # Safety
    /// `a` must be readable for `inner · rows` words; `b` for `inner` rows and `c` readable and writable for
    /// `rows` rows of `vectors` vectors, the last of which only in the lanes of `last`.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    unsafe fn run(&self, rows: usize, vectors: usize) {
        // SAFETY: passed on from the caller; each arm names the block's own extents.
        unsafe {
            match (rows, vectors) {
                (1, 1) => self.tile::<1, 1>(),
                (2, 1) => self.tile::<2, 1>(),
                (3, 1) => self.tile::<3, 1>(),
                (4, 1) => self.tile::<4, 1>(),
                (5, 1) => self.tile::<5, 1>(),
                (6, 1) => self.tile::<6, 1>(),
                (7, 1) => self.tile::<7, 1>(),
                (8, 1) => self.tile::<8, 1>(),
                (1, 2) => self.tile::<1, 2>(),
                (2, 2) => self.tile::<2, 2>(),
                (3, 2) => self.tile::<3, 2>(),
                (4, 2) => self.tile::<4, 2>(),
                (5, 2) => self.tile::<5, 2>(),
                (6, 2) => self.tile::<6, 2>(),
                (7, 2) => self.tile::<7, 2>(),
                (8, 2) => self.tile::<8, 2>(),
                (1, 4) => self.tile::<1, 4>(),
                (2, 4) => self.tile::<2, 4>(),
                (3, 4) => self.tile::<3, 4>(),
                (4, 4) => self.tile::<4, 4>(),
                _ => unreachable!("a register block of {rows} rows and {vectors} vectors"),
            }
        }
    }

    /// # Safety
    /// As [`Block::run`] with `rows` = R and `vectors` = V.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    unsafe fn tile<const R: usize, const V: usize>(&self) {
        let mask = |v: usize| if v + 1 == V { self.last } else { 0xff };
        let (mut a, mut b) = (self.a, self.b);
        let mut sums = [[_mm512_setzero_si512(); V]; R];
        for _ in 0..self.inner {
            let mut right = [_mm512_setzero_si512(); V];
            for (v, right) in right.iter_mut().enumerate() {
                // SAFETY: the row of `b` is readable in the mask's lanes.
                *right = unsafe { _mm512_maskz_loadu_epi64(mask(v), b.add(LANES * v).cast()) };
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `a` holds R words for this step.
                let left = _mm512_set1_epi64(unsafe { *a.add(i) } as i64);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm512_add_epi64(*sum, _mm512_mullo_epi64(left, right));
                }
            }
            a = a.wrapping_add(R);
            b = b.wrapping_add(self.b_stride);
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                // SAFETY: row i of `c` is readable and writable in the mask's lanes.
                unsafe {
                    let at = self.c.add(i * self.c_stride + LANES * v).cast::<i64>();
                    let word = match self.update {
                        Update::Set => sum,
                        Update::Add => _mm512_add_epi64(_mm512_maskz_loadu_epi64(mask(v), at), sum),
                        Update::Subtract => _mm512_sub_epi64(_mm512_maskz_loadu_epi64(mask(v), at), sum),
                    };
                    _mm512_mask_storeu_epi64(at, mask(v), word);
                }
            }
        }
    }
}

/// One or two columns: dot products of the rows with contiguous copies of the columns.
#[target_feature(enable = "avx512f,avx512dq")]
fn dots(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { k, n, .. } = shape;
    scratch::with(0, n * k, |_, columns| {
        for (j, column) in columns.chunks_exact_mut(k).enumerate() {
            for (out, row) in column.iter_mut().zip(b.chunks_exact(n)) {
                *out = row[j];
            }
        }
        for (row, out) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
            for (column, out) in columns.chunks_exact(k).zip(out) {
                let sum = dot(row, column);
                *out = match update {
                    Update::Set => sum,
                    Update::Add => out.wrapping_add(sum),
                    Update::Subtract => out.wrapping_sub(sum),
                };
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
