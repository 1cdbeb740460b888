//! The transform in double-precision lanes with fused multiplication, four residues to a vector. Every number is an
//! integer below 2^52 in size and every product is split exactly, so nothing is ever rounded and the bits are those of
//! the twin in words.
#![allow(unsafe_code, reason = "vector loads and stores through pointers, instruction sets found at run time")]

use std::arch::x86_64::*;

use mpcc_kernels::{Level, level};

use super::{SQUARE, Table, Transform, spread};

type Vector = __m256d;

/// Whether these routines can run at `level`.
pub(super) fn available(level: Level) -> bool {
    level.min(level::hardware()) >= Level::Avx2 && is_x86_feature_detected!("fma")
}

pub(super) fn forward(t: &Transform, x: &mut [u64], skipped: u32) {
    assert!(available(Level::Avx2) && x.len() == t.degree());
    // SAFETY: the processor has AVX2 and FMA, and the slice holds the whole polynomial.
    unsafe { forward_layers(t, x, skipped) }
}

pub(super) fn inverse(t: &Transform, x: &mut [u64]) {
    assert!(available(Level::Avx2) && x.len() == t.degree());
    // SAFETY: as in `forward`.
    unsafe { inverse_layers(t, x) }
}

#[derive(Clone, Copy)]
struct Lanes {
    p: Vector,
    inverse: Vector,
    /// 2^52, whose last bit counts ones.
    unit: Vector,
}

impl Lanes {
    #[target_feature(enable = "avx2,fma")]
    fn new(p: u64) -> Lanes {
        Lanes {
            p: _mm256_set1_pd(p as f64),
            inverse: _mm256_set1_pd(1.0 / p as f64),
            unit: _mm256_set1_pd((1u64 << 52) as f64),
        }
    }

    /// Of integers below 2^52.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn doubles(self, x: __m256i) -> Vector {
        _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(x, _mm256_castpd_si256(self.unit))), self.unit)
    }

    /// A number of size below 2p to its residue.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn words(self, x: Vector) -> __m256i {
        let x = self.reduced(x);
        let negative = _mm256_cmp_pd::<_CMP_LT_OQ>(x, _mm256_setzero_pd());
        let x = _mm256_add_pd(_mm256_add_pd(x, _mm256_and_pd(negative, self.p)), self.unit);
        _mm256_xor_si256(_mm256_castpd_si256(x), _mm256_castpd_si256(self.unit))
    }

    /// To a size of about p/2.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn reduced(self, x: Vector) -> Vector {
        _mm256_fnmadd_pd(nearest(_mm256_mul_pd(x, self.inverse)), self.p, x)
    }

    /// x·root to a size below p. The high part less a multiple of p is an integer that a double holds, and so is the low part.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn times(self, x: Vector, root: Vector) -> Vector {
        let high = _mm256_mul_pd(x, root);
        let low = _mm256_fmsub_pd(x, root, high);
        let quotient = nearest(_mm256_mul_pd(high, self.inverse));
        _mm256_add_pd(_mm256_fnmadd_pd(quotient, self.p, high), low)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn forward(self, a: Vector, b: Vector, root: Vector) -> (Vector, Vector) {
        let (u, v) = (self.reduced(a), self.times(b, root));
        (_mm256_add_pd(u, v), _mm256_sub_pd(u, v))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn inverse(self, a: Vector, b: Vector, root: Vector) -> (Vector, Vector) {
        (self.reduced(_mm256_add_pd(a, b)), self.times(_mm256_sub_pd(a, b), root))
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn nearest(x: Vector) -> Vector {
    _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load(x: *const u64) -> Vector {
    // SAFETY: the caller's pointer has four doubles.
    unsafe { _mm256_loadu_pd(x.cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store(x: *mut u64, v: Vector) {
    // SAFETY: the caller's pointer has room for four doubles.
    unsafe { _mm256_storeu_pd(x.cast(), v) }
}

/// Words to doubles in place.
#[target_feature(enable = "avx2,fma")]
fn to_doubles(lanes: Lanes, x: &mut [u64]) {
    for four in x.as_chunks_mut::<4>().0 {
        // SAFETY: a chunk has four words.
        unsafe { store(four.as_mut_ptr(), lanes.doubles(_mm256_loadu_si256(four.as_ptr().cast()))) }
    }
}

/// One layer with blocks of at least 16 coefficients, in doubles.
#[target_feature(enable = "avx2,fma")]
fn layer(x: &mut [u64], table: &Table, layer: u32, pair: impl Fn(Vector, Vector, Vector) -> (Vector, Vector)) {
    let (blocks, half) = (1usize << layer, x.len() >> (layer + 1));
    for (i, block) in x.chunks_exact_mut(2 * half).enumerate() {
        let root = _mm256_set1_pd(table.roots[blocks + i] as f64);
        let (low, high) = block.split_at_mut(half);
        for (a, b) in low.as_chunks_mut::<4>().0.iter_mut().zip(high.as_chunks_mut::<4>().0) {
            // SAFETY: chunks have four words.
            unsafe {
                let (u, v) = pair(load(a.as_ptr()), load(b.as_ptr()), root);
                store(a.as_mut_ptr(), u);
                store(b.as_mut_ptr(), v);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn transposed([a, b, c, d]: [Vector; 4]) -> [Vector; 4] {
    let (ab, cd) = (_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d));
    let (ef, gh) = (_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d));
    [
        _mm256_permute2f128_pd::<0x20>(ab, cd),
        _mm256_permute2f128_pd::<0x20>(ef, gh),
        _mm256_permute2f128_pd::<0x31>(ab, cd),
        _mm256_permute2f128_pd::<0x31>(ef, gh),
    ]
}

/// Roots of four rows of a square.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn rows_of(lanes: Lanes, table: &Table, at: usize) -> Vector {
    let four = &table.roots[at..at + 4];
    // SAFETY: the slice has four words.
    lanes.doubles(unsafe { _mm256_loadu_si256(four.as_ptr().cast()) })
}

/// Three layers of columns of four rows of a square: `pair` on all pairs at the distances `halves`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn columns(
    lanes: Lanes,
    table: &Table,
    first: usize,
    v: &mut [Vector; 8],
    halves: [usize; 3],
    pair: impl Fn(Vector, Vector, Vector) -> (Vector, Vector),
) {
    let n = table.roots.len();
    for half in halves {
        let groups = 4 / half;
        for group in 0..groups {
            let root = rows_of(lanes, table, (n / 8 + first / 8 * 8) * groups + 8 * group + first % 8);
            for r in 0..half {
                let (low, high) = (group * 2 * half + r, group * 2 * half + r + half);
                (v[low], v[high]) = pair(v[low], v[high], root);
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn forward_layers(t: &Transform, x: &mut [u64], skipped: u32) {
    let (lanes, table) = (Lanes::new(t.modulus.p), &t.forward);
    to_doubles(lanes, &mut x[..t.degree() >> skipped]);
    spread(x, skipped);
    for l in skipped..t.log - 3 {
        layer(x, table, l, |a, b, root| lanes.forward(a, b, root));
    }
    for (s, square) in x.as_chunks_mut::<SQUARE>().0.iter_mut().enumerate() {
        let mut out = [0; SQUARE];
        for upper in [0, 4] {
            let half = |c: usize| -> [Vector; 4] {
                // SAFETY: rows of eight columns within the square.
                transposed(std::array::from_fn(|r| unsafe { load(square[8 * (upper + r) + c..].as_ptr()) }))
            };
            let ([a, b, c, d], [e, f, g, h]) = (half(0), half(4));
            let mut v = [a, b, c, d, e, f, g, h];
            columns(lanes, table, 8 * s + upper, &mut v, [4, 2, 1], |a, b, root| lanes.forward(a, b, root));
            for (c, v) in v.into_iter().enumerate() {
                let four = &mut out[8 * c + upper..][..4];
                // SAFETY: the slice has four words.
                unsafe { _mm256_storeu_si256(four.as_mut_ptr().cast(), lanes.words(v)) }
            }
        }
        *square = out;
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn inverse_layers(t: &Transform, x: &mut [u64]) {
    let (lanes, table) = (Lanes::new(t.modulus.p), &t.inverse);
    to_doubles(lanes, x);
    for (s, square) in x.as_chunks_mut::<SQUARE>().0.iter_mut().enumerate() {
        let mut out = [0; SQUARE];
        for upper in [0, 4] {
            // SAFETY: columns of eight rows within the square.
            let mut v: [Vector; 8] = std::array::from_fn(|c| unsafe { load(square[8 * c + upper..].as_ptr()) });
            columns(lanes, table, 8 * s + upper, &mut v, [1, 2, 4], |a, b, root| lanes.inverse(a, b, root));
            for c in [0, 4] {
                for (r, v) in transposed([v[c], v[c + 1], v[c + 2], v[c + 3]]).into_iter().enumerate() {
                    // SAFETY: four columns of a row within the square.
                    unsafe { store(out[8 * (upper + r) + c..][..4].as_mut_ptr(), v) }
                }
            }
        }
        *square = out;
    }
    for l in (1..t.log - 3).rev() {
        layer(x, table, l, |a, b, root| lanes.inverse(a, b, root));
    }
    let [scale, root] = t.last.map(|f| _mm256_set1_pd(f.value as f64));
    let (low, high) = x.split_at_mut(t.degree() / 2);
    for (a, b) in low.as_chunks_mut::<4>().0.iter_mut().zip(high.as_chunks_mut::<4>().0) {
        // SAFETY: chunks have four words.
        unsafe {
            let (u, v) = (load(a.as_ptr()), load(b.as_ptr()));
            let sum = lanes.words(lanes.times(_mm256_add_pd(u, v), scale));
            let difference = lanes.words(lanes.times(_mm256_sub_pd(u, v), root));
            _mm256_storeu_si256(a.as_mut_ptr().cast(), sum);
            _mm256_storeu_si256(b.as_mut_ptr().cast(), difference);
        }
    }
}
