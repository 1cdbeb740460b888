//! Products with AVX-512: whole words with `vpmullq`, rings of up to 52 bits with one multiply-add instruction per term,
//! rings of up to 32 bits with sixteen half words to a vector. Few rows or columns are not packed.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use super::Shape;
use super::blocked::{self, Block, Kernel, Piece};
use crate::level::{self, Level};

mod thin;

pub(super) const LANES: usize = 8;
/// Bits of a factor of the multiply-add instruction, and of the low half of its product.
const IFMA_BITS: u32 = 52;
/// Bits of a half word.
const HALF_BITS: u32 = 32;

/// C = A·B modulo 2^`bits`; higher bits of the result are arbitrary.
pub(super) fn product(bits: u32, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    assert!(level::hardware() >= Level::Avx512, "AVX-512 kernel on a processor without it");
    // SAFETY (all): the processor has AVX-512 F, DQ, BW and VL, and IFMA where that is asked for.
    unsafe {
        if thin::applies(shape) {
            thin::product(shape, a, b, c);
        } else if bits <= HALF_BITS {
            blocked::product::<Halves>(shape, a, b, c);
        } else if bits <= IFMA_BITS && is_x86_feature_detected!("avx512ifma") {
            blocked::product::<Limbs>(shape, a, b, c);
        } else {
            blocked::product::<Words>(shape, a, b, c);
        }
    }
}

/// The lanes below `count`.
fn low_lanes(count: usize) -> __mmask8 {
    ((1u32 << count.min(LANES)) - 1) as __mmask8
}

/// A kernel of one vector type: `$broadcast` of a left entry, `$term` of sum, left and right, `$store` of a vector of sums.
macro_rules! kernel {
    ($name:ident, $entry:ty, $lanes:literal, $features:literal, $broadcast:ident, $term:ident, $store:ident) => {
        impl Kernel for $name {
            type Entry = $entry;
            const LANES: usize = $lanes;
            const VECTORS: usize = 2;
            const ROWS: usize = 8;

            #[target_feature(enable = $features)]
            unsafe fn pack(piece: Piece, from: *const u64, to: *mut $entry) {
                // SAFETY: passed on from the caller.
                unsafe { pack(piece, from, to) }
            }

            #[target_feature(enable = $features)]
            unsafe fn tile(rows: usize, vectors: usize, block: &Block<$entry>) {
                // SAFETY: passed on from the caller; each arm names the block's own extents.
                unsafe {
                    match (rows, vectors) {
                        (1, 1) => $name::sums::<1, 1>(block),
                        (2, 1) => $name::sums::<2, 1>(block),
                        (3, 1) => $name::sums::<3, 1>(block),
                        (4, 1) => $name::sums::<4, 1>(block),
                        (5, 1) => $name::sums::<5, 1>(block),
                        (6, 1) => $name::sums::<6, 1>(block),
                        (7, 1) => $name::sums::<7, 1>(block),
                        (8, 1) => $name::sums::<8, 1>(block),
                        (1, 2) => $name::sums::<1, 2>(block),
                        (2, 2) => $name::sums::<2, 2>(block),
                        (3, 2) => $name::sums::<3, 2>(block),
                        (4, 2) => $name::sums::<4, 2>(block),
                        (5, 2) => $name::sums::<5, 2>(block),
                        (6, 2) => $name::sums::<6, 2>(block),
                        (7, 2) => $name::sums::<7, 2>(block),
                        (8, 2) => $name::sums::<8, 2>(block),
                        _ => unreachable!("a register block of {rows} rows and {vectors} vectors"),
                    }
                }
            }
        }

        impl $name {
            /// # Safety
            /// As [`Kernel::tile`] with `rows` = R and `vectors` = V.
            #[target_feature(enable = $features)]
            #[inline]
            unsafe fn sums<const R: usize, const V: usize>(block: &Block<$entry>) {
                let (mut a, mut b) = (block.a, block.b);
                let mut sums = [[_mm512_setzero_si512(); V]; R];
                for _ in 0..block.inner {
                    // SAFETY: a right row holds V vectors.
                    let right: [__m512i; V] =
                        std::array::from_fn(|v| unsafe { _mm512_loadu_si512(b.add($lanes * v).cast()) });
                    for (i, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: every left row has an entry for this step.
                        let left = $broadcast(unsafe { *a.add(i * block.a_stride) });
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum = $term(*sum, left, right);
                        }
                    }
                    a = a.wrapping_add(1);
                    b = b.wrapping_add(block.b_stride);
                }
                for (i, sums) in sums.into_iter().enumerate() {
                    for (v, sum) in sums.into_iter().enumerate() {
                        let lanes = if v + 1 == V { block.lanes } else { $lanes };
                        // SAFETY: row i of the destination is readable and writable for `lanes` columns at vector v.
                        unsafe { $store(sum, block.c.add(i * block.c_stride + $lanes * v), lanes, block.add) };
                    }
                }
            }
        }
    };
}

/// Whole words.
struct Words;
kernel!(Words, u64, 8, "avx512f,avx512dq", broadcast_word, word_term, store_words);

/// Words of which the low 52 bits count.
struct Limbs;
kernel!(Limbs, u64, 8, "avx512f,avx512dq,avx512ifma", broadcast_word, limb_term, store_words);

/// Half words.
struct Halves;
kernel!(Halves, u32, 16, "avx512f,avx512dq", broadcast_half, half_term, store_halves);

#[target_feature(enable = "avx512f")]
#[inline]
fn broadcast_word(word: u64) -> __m512i {
    _mm512_set1_epi64(word as i64)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn broadcast_half(half: u32) -> __m512i {
    _mm512_set1_epi32(half as i32)
}

#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn word_term(sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
    _mm512_add_epi64(sum, _mm512_mullo_epi64(left, right))
}

/// The low 52 bits of the sum are right; what passes them, and the sum's wrapping, changes higher bits only.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn limb_term(sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
    _mm512_madd52lo_epu64(sum, left, right)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn half_term(sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
    _mm512_add_epi32(sum, _mm512_mullo_epi32(left, right))
}

/// What words are packed as.
trait Packed {
    /// # Safety
    /// `to` is writable for the lanes of `mask`.
    unsafe fn store(to: *mut Self, mask: __mmask8, words: __m512i);
}

impl Packed for u64 {
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn store(to: *mut u64, mask: __mmask8, words: __m512i) {
        // SAFETY: passed on from the caller.
        unsafe { _mm512_mask_storeu_epi64(to.cast(), mask, words) }
    }
}

impl Packed for u32 {
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn store(to: *mut u32, mask: __mmask8, words: __m512i) {
        // SAFETY: passed on from the caller.
        unsafe { _mm512_mask_cvtepi64_storeu_epi32(to.cast(), mask, words) }
    }
}

/// # Safety
/// As [`Kernel::pack`].
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn pack<T: Packed>(piece: Piece, from: *const u64, to: *mut T) {
    let Piece { rows, len, stride, packed } = piece;
    for row in 0..rows {
        let (from, to) = (from.wrapping_add(row * stride), to.wrapping_add(row * packed));
        for at in (0..len).step_by(LANES) {
            let mask = low_lanes(len - at);
            // SAFETY: the mask limits both to the row's words.
            unsafe { T::store(to.add(at), mask, _mm512_maskz_loadu_epi64(mask, from.add(at).cast())) };
        }
    }
}

/// # Safety
/// `at` is readable and writable for `lanes` ≤ 8 words.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn store_words(sum: __m512i, at: *mut u64, lanes: usize, add: bool) {
    let mask = low_lanes(lanes);
    // SAFETY: the mask limits both to the words.
    unsafe {
        let sum = if add { _mm512_add_epi64(_mm512_maskz_loadu_epi64(mask, at.cast()), sum) } else { sum };
        _mm512_mask_storeu_epi64(at.cast(), mask, sum);
    }
}

/// # Safety
/// `at` is readable and writable for `lanes` ≤ 16 words.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
unsafe fn store_halves(sum: __m512i, at: *mut u64, lanes: usize, add: bool) {
    // SAFETY: passed on from the caller.
    unsafe {
        store_words(_mm512_cvtepu32_epi64(_mm512_castsi512_si256(sum)), at, lanes.min(LANES), add);
        if lanes > LANES {
            let high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(sum));
            store_words(high, at.add(LANES), lanes - LANES, add);
        }
    }
}
