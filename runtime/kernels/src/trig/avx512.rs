//! One harmonic of eight angles at a time; the same integer steps as the portable rotation.
#![allow(unsafe_code, reason = "table gathers and vector stores through pointers")]

use std::arch::x86_64::*;

use super::{COARSE_BITS, Table, UNIT_RADIANS};
use crate::level::{self, Level};

const LANES: usize = 8;

/// Angle `src · step` in units of 2^-64 of the circle; outputs as long as `src`.
pub(super) fn harmonic(table: &Table, src: &[u64], step: u64, fraction: u32, cos_out: &mut [u64], sin_out: &mut [u64]) {
    assert!(level::hardware() >= Level::Avx512, "AVX-512 kernel on a processor without it");
    assert!(src.len() == cos_out.len() && src.len() == sin_out.len(), "outputs as long as the input");
    // SAFETY: the processor has AVX-512 F and DQ.
    unsafe { vectorised(table, src, step, fraction, cos_out, sin_out) }
}

#[target_feature(enable = "avx512f,avx512dq")]
fn vectorised(table: &Table, src: &[u64], step: u64, fraction: u32, cos_out: &mut [u64], sin_out: &mut [u64]) {
    let step = _mm512_set1_epi64(step as i64);
    let pieces = src.chunks(LANES).zip(cos_out.chunks_mut(LANES)).zip(sin_out.chunks_mut(LANES));
    for ((src, cos_out), sin_out) in pieces {
        let mask = ((1u32 << src.len()) - 1) as __mmask8;
        // SAFETY: the mask limits loads and stores to the pieces, which have equal lengths.
        unsafe {
            let turn = _mm512_mullo_epi64(_mm512_maskz_loadu_epi64(mask, src.as_ptr().cast()), step);
            let (cos, sin) = rotate(table, turn, fraction);
            _mm512_mask_storeu_epi64(cos_out.as_mut_ptr().cast(), mask, cos);
            _mm512_mask_storeu_epi64(sin_out.as_mut_ptr().cast(), mask, sin);
        }
    }
}

/// The portable `rotate` on eight lanes. Every factor of a product fits 32 bits, so that the 32-bit signed
/// multiply is exact.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn rotate(table: &Table, turn: __m512i, fraction: u32) -> (__m512i, __m512i) {
    const COARSE_SHIFT: u32 = 64 - COARSE_BITS;
    let centred = _mm512_add_epi64(turn, _mm512_set1_epi64(1 << (COARSE_SHIFT - 1)));
    let index = _mm512_srli_epi64::<COARSE_SHIFT>(centred);
    // SAFETY: indices have COARSE_BITS bits, the length of the table; an entry is eight bytes.
    let pair = unsafe { _mm512_i64gather_epi64::<8>(index, table.as_ptr().cast()) };
    let (cos, sin) = (pair, _mm512_srli_epi64::<32>(pair));
    let rest = _mm512_sub_epi64(
        _mm512_srli_epi64::<{ COARSE_BITS + 24 }>(_mm512_slli_epi64::<COARSE_BITS>(centred)),
        _mm512_set1_epi64(1 << 27),
    );
    let radians = _mm512_srai_epi64::<28>(_mm512_mul_epi32(rest, _mm512_set1_epi64(UNIT_RADIANS)));
    let half_square = _mm512_srai_epi64::<31>(_mm512_mul_epi32(radians, radians));
    let cos_shrink = _mm512_srai_epi64::<10>(_mm512_mul_epi32(cos, half_square));
    let sin_shrink = _mm512_srai_epi64::<10>(_mm512_mul_epi32(sin, half_square));
    let cos_turn = _mm512_add_epi64(_mm512_mul_epi32(sin, radians), cos_shrink);
    let sin_turn = _mm512_sub_epi64(_mm512_mul_epi32(cos, radians), sin_shrink);
    let cos_base = _mm512_srai_epi64::<30>(_mm512_slli_epi64::<32>(pair));
    let sin_base = _mm512_slli_epi64::<2>(_mm512_srai_epi64::<32>(pair));
    let cos_fine = _mm512_sub_epi64(cos_base, _mm512_srai_epi64::<38>(cos_turn));
    let sin_fine = _mm512_add_epi64(sin_base, _mm512_srai_epi64::<38>(sin_turn));
    let half = _mm512_set1_epi64(1 << (31 - fraction));
    let shift = _mm512_set1_epi64(i64::from(32 - fraction));
    (
        _mm512_srav_epi64(_mm512_add_epi64(cos_fine, half), shift),
        _mm512_srav_epi64(_mm512_add_epi64(sin_fine, half), shift),
    )
}
