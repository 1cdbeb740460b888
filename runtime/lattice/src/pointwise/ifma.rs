//! Products of residues with `vpmadd52luq` and `vpmadd52huq`.
#![allow(unsafe_code, reason = "vector loads and stores through pointers, instruction sets found at run time")]

use std::arch::x86_64::*;

use mpcc_kernels::{Level, level};

use crate::modulus::Modulus;

/// Whether these routines can run at `level` on polynomials of this length.
pub(super) fn available(level: Level, len: usize) -> bool {
    level.min(level::hardware()) >= Level::Avx512 && is_x86_feature_detected!("avx512ifma") && len.is_multiple_of(8)
}

pub(super) fn multiply_add(m: Modulus, sum: &mut [u64], a: &[u64], b: &[u64]) {
    assert!(available(Level::Avx512, sum.len()) && sum.len() == a.len() && sum.len() == b.len());
    // SAFETY: the processor has AVX-512 F and IFMA, and the slices have whole vectors.
    unsafe { multiply_add_vectors(m, sum, a, b) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn multiply_add_vectors(m: Modulus, sum: &mut [u64], a: &[u64], b: &[u64]) {
    let p = _mm512_set1_epi64(m.p as i64);
    let inverse = _mm512_set1_epi64(m.inverse as i64);
    let zero = _mm512_setzero_si512();
    for i in (0..sum.len()).step_by(8) {
        // SAFETY: eight words from i on are within each slice.
        unsafe {
            let at = sum.as_mut_ptr().add(i).cast();
            let (x, y) = (_mm512_loadu_epi64(a.as_ptr().add(i).cast()), _mm512_loadu_epi64(b.as_ptr().add(i).cast()));
            let q = _mm512_madd52lo_epu64(zero, _mm512_madd52lo_epu64(zero, x, y), inverse);
            let high = _mm512_madd52hi_epu64(_mm512_loadu_epi64(at), x, y);
            let subtract = _mm512_madd52hi_epu64(zero, q, p);
            // Between −p and 2p.
            let v = _mm512_sub_epi64(high, subtract);
            let v = _mm512_min_epu64(v, _mm512_add_epi64(v, p));
            _mm512_storeu_epi64(at, _mm512_min_epu64(v, _mm512_sub_epi64(v, p)));
        }
    }
}
