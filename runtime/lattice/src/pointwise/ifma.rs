//! Products of residues with `vpmadd52luq` and `vpmadd52huq`, and the portable loops compiled for wide vectors.
#![allow(unsafe_code, reason = "vector loads and stores through pointers, instruction sets found at run time")]

use std::arch::x86_64::*;

use mpcc_kernels::{Level, level};

use super::{TOGETHER, add_words, count_ones_less_words, sub_words, sum_and_difference_words};
use crate::modulus::{Factor, LOW, Modulus, Reducer};

/// Whether these routines can run at `level` on polynomials of this length.
pub(super) fn available(level: Level, len: usize) -> bool {
    level.min(level::hardware()) >= Level::Avx512 && is_x86_feature_detected!("avx512ifma") && len.is_multiple_of(8)
}

/// Each routine checks what its vectors rely on, then runs its body with the instructions enabled.
macro_rules! checked {
    ($($(#[$doc:meta])* $name:ident => $body:ident($($arg:ident: $kind:ty),*), $first:ident == [$($other:ident),*];)*) => {$(
        $(#[$doc])*
        pub(super) fn $name($($arg: $kind),*) {
            assert!(available(Level::Avx512, $first.len()) $(&& $first.len() == $other.len())*);
            // SAFETY: the processor has AVX-512 F, BW, DQ, VL and IFMA, and the slices have equally many whole vectors.
            unsafe { $body($($arg),*) }
        }
    )*};
}

checked! {
    add => add_vectors(m: Modulus, a: &mut [u64], b: &[u64]), a == [b];
    sub => sub_vectors(m: Modulus, a: &mut [u64], b: &[u64]), a == [b];
    sum_and_difference => sum_and_difference_vectors(m: Modulus, a: &mut [u64], b: &mut [u64]), a == [b];
    scale => scale_vectors(m: Modulus, a: &mut [u64], f: Factor), a == [];
    set_scaled => set_scaled_vectors(m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64), out == [a];
    add_scaled => add_scaled_vectors(m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64), out == [a];
    count_ones_less => count_ones_less_vectors(mean: u64, words: &mut [u64]), words == [];
    count_reached => count_reached_vectors(table: &[u64], words: &mut [u64]), words == [];
    multiply_add => multiply_add_vectors(m: Modulus, sum: &mut [u64], a: &[u64], b: &[u64]), sum == [a, b];
    multiply => multiply_vectors(m: Modulus, a: &mut [u64], b: &[u64]), a == [b];
    lift => lift_vectors(reducer: &Reducer, from: u64, residues: &[u64], out: &mut [u64]), out == [residues];
}

pub(super) fn multiply_add_four(m: Modulus, sum: &mut [u64], four: &[(&[u64], &[u64]); TOGETHER]) {
    assert!(available(Level::Avx512, sum.len()));
    assert!(four.iter().all(|(a, b)| a.len() == sum.len() && b.len() == sum.len()));
    // SAFETY: the processor has AVX-512 F and IFMA, and the slices have equally many whole vectors.
    unsafe { multiply_add_four_vectors(m, sum, four) }
}

/// The low halves of four products are added before they are reduced: what exceeds 52 bits belongs to the high halves.
#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn multiply_add_four_vectors(m: Modulus, sum: &mut [u64], four: &[(&[u64], &[u64]); TOGETHER]) {
    let (p, inverse, zero) = (all(m.p), all(m.inverse), _mm512_setzero_si512());
    let (twice, fourfold) = (all(2 * m.p), all(4 * m.p));
    let at = four.map(|(a, b)| (a.as_ptr(), b.as_ptr()));
    for (i, sum) in sum.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: the slices hold vector i.
        unsafe {
            let mut low = zero;
            let mut high = _mm512_loadu_epi64(sum.as_ptr().cast());
            for (a, b) in at {
                let (x, y) = (_mm512_loadu_epi64(a.add(8 * i).cast()), _mm512_loadu_epi64(b.add(8 * i).cast()));
                low = _mm512_madd52lo_epu64(low, x, y);
                high = _mm512_madd52hi_epu64(high, x, y);
            }
            let q = _mm512_madd52lo_epu64(zero, low, inverse);
            let high = _mm512_add_epi64(high, _mm512_srli_epi64::<52>(low));
            // Between −p and 5p + 3, which is below 8p.
            let v = _mm512_sub_epi64(high, _mm512_madd52hi_epu64(zero, q, p));
            let v = _mm512_min_epu64(v, _mm512_add_epi64(v, p));
            _mm512_storeu_epi64(sum.as_mut_ptr().cast(), less(less(less(v, fourfold), twice), p));
        }
    }
}

#[target_feature(enable = "avx512f")]
fn add_vectors(m: Modulus, a: &mut [u64], b: &[u64]) {
    add_words(m, a, b);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn count_ones_less_vectors(mean: u64, words: &mut [u64]) {
    count_ones_less_words(mean, words);
}

#[target_feature(enable = "avx512f")]
fn sub_vectors(m: Modulus, a: &mut [u64], b: &[u64]) {
    sub_words(m, a, b);
}

#[target_feature(enable = "avx512f")]
fn sum_and_difference_vectors(m: Modulus, a: &mut [u64], b: &mut [u64]) {
    sum_and_difference_words(m, a, b);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn all(v: u64) -> __m512i {
    _mm512_set1_epi64(v as i64)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn less(x: __m512i, of: __m512i) -> __m512i {
    _mm512_min_epu64(x, _mm512_sub_epi64(x, of))
}

/// A factor with its prime, in all lanes.
#[derive(Clone, Copy)]
struct Times {
    value: __m512i,
    quotient: __m512i,
    p: __m512i,
    minus: __m512i,
    low: __m512i,
}

impl Times {
    #[target_feature(enable = "avx512f")]
    fn new(m: Modulus, f: Factor) -> Times {
        Times {
            value: all(f.value),
            quotient: all(f.quotient),
            p: all(m.p),
            minus: all((1 << 52) - m.p),
            low: all(LOW),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn apply(self, x: __m512i) -> __m512i {
        let zero = _mm512_setzero_si512();
        let q = _mm512_madd52hi_epu64(zero, x, self.quotient);
        let product = _mm512_madd52lo_epu64(zero, x, self.value);
        less(_mm512_and_si512(_mm512_madd52lo_epu64(product, q, self.minus), self.low), self.p)
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn scale_vectors(m: Modulus, a: &mut [u64], f: Factor) {
    let times = Times::new(m, f);
    for a in a.as_chunks_mut::<8>().0 {
        // SAFETY: a chunk is a vector.
        unsafe { _mm512_storeu_epi64(a.as_mut_ptr().cast(), times.apply(_mm512_loadu_epi64(a.as_ptr().cast()))) }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn set_scaled_vectors(m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64) {
    let (times, offset) = (Times::new(m, f), all(offset));
    for (out, a) in out.as_chunks_mut::<8>().0.iter_mut().zip(a.as_chunks::<8>().0) {
        // SAFETY: chunks are vectors.
        unsafe {
            let moved = _mm512_add_epi64(_mm512_loadu_epi64(a.as_ptr().cast()), offset);
            _mm512_storeu_epi64(out.as_mut_ptr().cast(), times.apply(moved));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn add_scaled_vectors(m: Modulus, out: &mut [u64], a: &[u64], f: Factor, offset: u64) {
    let (times, offset) = (Times::new(m, f), all(offset));
    for (out, a) in out.as_chunks_mut::<8>().0.iter_mut().zip(a.as_chunks::<8>().0) {
        // SAFETY: chunks are vectors.
        unsafe {
            let moved = _mm512_add_epi64(_mm512_loadu_epi64(a.as_ptr().cast()), offset);
            let sum = _mm512_add_epi64(_mm512_loadu_epi64(out.as_ptr().cast()), times.apply(moved));
            _mm512_storeu_epi64(out.as_mut_ptr().cast(), less(sum, times.p));
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn count_reached_vectors(table: &[u64], words: &mut [u64]) {
    for words in words.as_chunks_mut::<8>().0 {
        // SAFETY: a chunk is a vector.
        unsafe {
            let v = _mm512_loadu_epi64(words.as_ptr().cast());
            let mut sum = _mm512_setzero_si512();
            for &c in table {
                sum = _mm512_mask_add_epi64(sum, _mm512_cmpge_epu64_mask(v, all(c)), sum, all(1));
            }
            _mm512_storeu_epi64(words.as_mut_ptr().cast(), sum);
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn lift_vectors(reducer: &Reducer, from: u64, residues: &[u64], out: &mut [u64]) {
    let times = Times::new(reducer.modulus(), reducer.piece(0));
    let (from, half, offset) = (all(from), all(from / 2), all(reducer.offset()));
    for (v, out) in residues.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<8>().0) {
        // SAFETY: chunks are vectors.
        unsafe {
            let v = _mm512_loadu_epi64(v.as_ptr().cast());
            let high = _mm512_cmpgt_epu64_mask(v, half);
            let moved = _mm512_add_epi64(_mm512_mask_sub_epi64(v, high, v, from), offset);
            _mm512_storeu_epi64(out.as_mut_ptr().cast(), times.apply(moved));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn multiply_vectors(m: Modulus, a: &mut [u64], b: &[u64]) {
    let (p, inverse, zero) = (all(m.p), all(m.inverse), _mm512_setzero_si512());
    for (a, b) in a.as_chunks_mut::<8>().0.iter_mut().zip(b.as_chunks::<8>().0) {
        // SAFETY: chunks are vectors.
        unsafe {
            let (x, y) = (_mm512_loadu_epi64(a.as_ptr().cast()), _mm512_loadu_epi64(b.as_ptr().cast()));
            let q = _mm512_madd52lo_epu64(zero, _mm512_madd52lo_epu64(zero, x, y), inverse);
            let v = _mm512_sub_epi64(_mm512_madd52hi_epu64(zero, x, y), _mm512_madd52hi_epu64(zero, q, p));
            _mm512_storeu_epi64(a.as_mut_ptr().cast(), _mm512_min_epu64(v, _mm512_add_epi64(v, p)));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn multiply_add_vectors(m: Modulus, sum: &mut [u64], a: &[u64], b: &[u64]) {
    let (p, inverse, zero) = (all(m.p), all(m.inverse), _mm512_setzero_si512());
    let factors = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    for (sum, (a, b)) in sum.as_chunks_mut::<8>().0.iter_mut().zip(factors) {
        // SAFETY: chunks are vectors.
        unsafe {
            let (x, y) = (_mm512_loadu_epi64(a.as_ptr().cast()), _mm512_loadu_epi64(b.as_ptr().cast()));
            let q = _mm512_madd52lo_epu64(zero, _mm512_madd52lo_epu64(zero, x, y), inverse);
            let high = _mm512_madd52hi_epu64(_mm512_loadu_epi64(sum.as_ptr().cast()), x, y);
            // Between −p and 2p.
            let v = _mm512_sub_epi64(high, _mm512_madd52hi_epu64(zero, q, p));
            let v = _mm512_min_epu64(v, _mm512_add_epi64(v, p));
            _mm512_storeu_epi64(sum.as_mut_ptr().cast(), less(v, p));
        }
    }
}
