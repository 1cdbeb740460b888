//! Sums of fractions with `vpmadd52luq` and `vpmadd52huq`, eight numbers to a vector.
#![allow(unsafe_code, reason = "vector loads and stores through pointers, instruction sets found at run time")]

use std::arch::x86_64::*;

use mpcc_kernels::{Level, level};

use super::{BITS, Fraction, LIMBS};
use crate::modulus::{LOW, WORD};

/// Whether these routines can run at `level`.
pub(super) fn available(level: Level) -> bool {
    level.min(level::hardware()) >= Level::Avx512 && is_x86_feature_detected!("avx512ifma")
}

/// Whole vectors of the first numbers; returns how many numbers they are.
pub(super) fn rounded(primes: &[Fraction], x: &[Vec<u64>], bits: u32, out: &mut [Vec<u64>]) -> usize {
    let count = out[0].len() / 8 * 8;
    assert!(available(Level::Avx512) && x.len() == primes.len() && primes.len() < 64);
    assert!(x.iter().all(|x| x.len() >= count) && out.iter().all(|out| out.len() >= count));
    // SAFETY: the processor has AVX-512 F and IFMA, and all slices have `count` words.
    unsafe { rounded_vectors(primes, x, bits, out, count) }
    count
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn rounded_vectors(primes: &[Fraction], x: &[Vec<u64>], bits: u32, out: &mut [Vec<u64>], count: usize) {
    let all = |v: u64| _mm512_set1_epi64(v as i64);
    let (zero, low) = (_mm512_setzero_si512(), all(LOW));
    let half = BITS - bits - 1;
    let start: [__m512i; LIMBS] =
        std::array::from_fn(|k| all(if half / WORD == k as u32 { 1 << (half % WORD) } else { 0 }));
    for i in (0..count).step_by(8) {
        // Sums of two words for each prime, so far below 2^64.
        let mut sum = start;
        for (prime, x) in primes.iter().zip(x) {
            // SAFETY: eight words from i on are within the slice.
            let x = unsafe { _mm512_loadu_epi64(x.as_ptr().add(i).cast()) };
            let (p, f) = (prime.modulus.p, prime.hat);
            let q = _mm512_madd52hi_epu64(zero, x, all(f.quotient));
            let product = _mm512_madd52lo_epu64(zero, x, all(f.value));
            let z = _mm512_and_si512(_mm512_madd52lo_epu64(product, q, all((1 << 52) - p)), low);
            let z = _mm512_min_epu64(z, _mm512_sub_epi64(z, all(p)));
            for (k, &word) in prime.reciprocal.iter().enumerate() {
                sum[k] = _mm512_madd52lo_epu64(sum[k], z, all(word));
                if k + 1 < LIMBS {
                    sum[k + 1] = _mm512_madd52hi_epu64(sum[k + 1], z, all(word));
                }
            }
        }
        for k in 0..LIMBS {
            if k + 1 < LIMBS {
                sum[k + 1] = _mm512_add_epi64(sum[k + 1], _mm512_srli_epi64::<WORD>(sum[k]));
            }
            sum[k] = _mm512_and_si512(sum[k], low);
        }
        for (w, plane) in out.iter_mut().enumerate() {
            let from = (BITS - bits + 64 * w as u32) as i64;
            let mut word = zero;
            for (k, &limb) in sum.iter().enumerate() {
                let at = i64::from(WORD) * k as i64 - from;
                // Shifts by 64 and more give zero.
                let by = _mm_cvtsi64_si128(at.abs());
                let moved = if at >= 0 { _mm512_sll_epi64(limb, by) } else { _mm512_srl_epi64(limb, by) };
                word = _mm512_or_si512(word, moved);
            }
            // SAFETY: eight words from i on are within the plane.
            unsafe { _mm512_storeu_epi64(plane.as_mut_ptr().add(i).cast(), word) };
        }
    }
}
