//! Products with AVX2. A 64-bit product is a 32-bit one of the low halves and, 32 bits up, the two products of a low and a
//! high half, which one instruction computes side by side; rings of up to 32 bits take eight half words to a vector.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use super::blocked::{self, Block, Kernel, Piece};
use super::{Shape, portable};
use crate::level::{self, Level};

/// Bits of a half word.
const HALF_BITS: u32 = 32;

/// Up to this many rows, packing the right operand does not pay.
const THIN_ROWS: usize = 4;

/// C = A·B modulo 2^`bits`; higher bits of the result are arbitrary.
pub(super) fn product(bits: u32, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    assert!(level::hardware() >= Level::Avx2, "AVX2 kernel on a processor without AVX2");
    // SAFETY (all): the processor has AVX2.
    unsafe {
        if shape.m <= THIN_ROWS {
            thin(shape, a, b, c);
        } else if bits <= HALF_BITS {
            blocked::product::<Halves>(shape, a, b, c);
        } else {
            blocked::product::<Words>(shape, a, b, c);
        }
    }
}

/// The portable product, which reads every word of the right operand in place, vectorised by the compiler.
#[target_feature(enable = "avx2")]
fn thin(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    portable(shape, a, b, c);
}

/// Whole words.
struct Words;

impl Kernel for Words {
    type Entry = u64;
    const LANES: usize = 4;
    const VECTORS: usize = 1;
    const ROWS: usize = 6;

    #[target_feature(enable = "avx2")]
    unsafe fn pack(piece: Piece, from: *const u64, to: *mut u64) {
        let Piece { rows, len, stride, packed } = piece;
        for row in 0..rows {
            // SAFETY: the caller's rows, which do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(from.add(row * stride), to.add(row * packed), len) };
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn tile(rows: usize, vectors: usize, block: &Block<u64>) {
        // SAFETY: passed on from the caller; each arm names the block's own rows.
        unsafe {
            match (rows, vectors) {
                (1, 1) => word_sums::<1>(block),
                (2, 1) => word_sums::<2>(block),
                (3, 1) => word_sums::<3>(block),
                (4, 1) => word_sums::<4>(block),
                (5, 1) => word_sums::<5>(block),
                (6, 1) => word_sums::<6>(block),
                _ => unreachable!("a register block of {rows} rows and {vectors} vectors"),
            }
        }
    }
}

/// # Safety
/// As [`Kernel::tile`] with `rows` = R and one vector.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn word_sums<const R: usize>(block: &Block<u64>) {
    let (mut a, mut b) = (block.a, block.b);
    let mut low = [_mm256_setzero_si256(); R];
    // Sums modulo 2^32: low · high in one half of a lane, high · low in the other.
    let mut cross = [_mm256_setzero_si256(); R];
    for _ in 0..block.inner {
        // SAFETY: a right row holds a vector.
        let right = unsafe { _mm256_loadu_si256(b.cast()) };
        let swapped = _mm256_shuffle_epi32::<0b10_11_00_01>(right);
        for i in 0..R {
            // SAFETY: every left row has a word for this step.
            let left = _mm256_set1_epi64x(unsafe { *a.add(i * block.a_stride) } as i64);
            low[i] = _mm256_add_epi64(low[i], _mm256_mul_epu32(left, right));
            cross[i] = _mm256_add_epi32(cross[i], _mm256_mullo_epi32(left, swapped));
        }
        a = a.wrapping_add(1);
        b = b.wrapping_add(block.b_stride);
    }
    for i in 0..R {
        let high = _mm256_add_epi32(cross[i], _mm256_shuffle_epi32::<0b10_11_00_01>(cross[i]));
        let sum = _mm256_add_epi64(low[i], _mm256_slli_epi64::<32>(high));
        // SAFETY: row i of the destination has `lanes` columns here.
        unsafe { store_words(sum, block.c.add(i * block.c_stride), block.lanes, block.add) };
    }
}

/// Half words.
struct Halves;

impl Kernel for Halves {
    type Entry = u32;
    const LANES: usize = 8;
    const VECTORS: usize = 2;
    const ROWS: usize = 4;

    #[target_feature(enable = "avx2")]
    unsafe fn pack(piece: Piece, from: *const u64, to: *mut u32) {
        let Piece { rows, len, stride, packed } = piece;
        for row in 0..rows {
            // SAFETY: the caller's rows, which do not overlap.
            let (from, to) = unsafe {
                (
                    std::slice::from_raw_parts(from.add(row * stride), len),
                    std::slice::from_raw_parts_mut(to.add(row * packed), len),
                )
            };
            for (half, word) in to.iter_mut().zip(from) {
                *half = *word as u32;
            }
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn tile(rows: usize, vectors: usize, block: &Block<u32>) {
        // SAFETY: passed on from the caller; each arm names the block's own extents.
        unsafe {
            match (rows, vectors) {
                (1, 1) => half_sums::<1, 1>(block),
                (2, 1) => half_sums::<2, 1>(block),
                (3, 1) => half_sums::<3, 1>(block),
                (4, 1) => half_sums::<4, 1>(block),
                (1, 2) => half_sums::<1, 2>(block),
                (2, 2) => half_sums::<2, 2>(block),
                (3, 2) => half_sums::<3, 2>(block),
                (4, 2) => half_sums::<4, 2>(block),
                _ => unreachable!("a register block of {rows} rows and {vectors} vectors"),
            }
        }
    }
}

/// # Safety
/// As [`Kernel::tile`] with `rows` = R and `vectors` = V.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn half_sums<const R: usize, const V: usize>(block: &Block<u32>) {
    let (mut a, mut b) = (block.a, block.b);
    let mut sums = [[_mm256_setzero_si256(); V]; R];
    for _ in 0..block.inner {
        // SAFETY: a right row holds V vectors.
        let right: [__m256i; V] =
            std::array::from_fn(|v| unsafe { _mm256_loadu_si256(b.add(Halves::LANES * v).cast()) });
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: every left row has a half word for this step.
            let left = _mm256_set1_epi32(unsafe { *a.add(i * block.a_stride) } as i32);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = _mm256_add_epi32(*sum, _mm256_mullo_epi32(left, right));
            }
        }
        a = a.wrapping_add(1);
        b = b.wrapping_add(block.b_stride);
    }
    for (i, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            let lanes = if v + 1 == V { block.lanes } else { Halves::LANES };
            let [low, high] = [_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum)];
            let at = block.c.wrapping_add(i * block.c_stride + Halves::LANES * v);
            // SAFETY (both): row i of the destination is readable and writable for `lanes` columns from `at` on.
            unsafe { store_words(_mm256_cvtepu32_epi64(low), at, lanes.min(Words::LANES), block.add) };
            if lanes > Words::LANES {
                let at = at.wrapping_add(Words::LANES);
                unsafe { store_words(_mm256_cvtepu32_epi64(high), at, lanes - Words::LANES, block.add) };
            }
        }
    }
}

/// # Safety
/// `at` is readable and writable for `lanes` ≤ 4 words.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn store_words(sum: __m256i, at: *mut u64, lanes: usize, add: bool) {
    let at = at.cast::<i64>();
    let mask = _mm256_cmpgt_epi64(_mm256_set1_epi64x(lanes as i64), _mm256_set_epi64x(3, 2, 1, 0));
    // SAFETY: the mask limits both to the words.
    unsafe {
        let sum = if add { _mm256_add_epi64(_mm256_maskload_epi64(at, mask), sum) } else { sum };
        _mm256_maskstore_epi64(at, mask, sum);
    }
}
