//! The transform with `vpmadd52luq` and `vpmadd52huq`, eight residues to a vector. The first layers go over the
//! polynomial three or four at a time; the last six are done in registers, a square of 8 by 8 at a time, which is
//! transposed between rows and columns and not back.
#![allow(unsafe_code, reason = "vector loads and stores through pointers, instruction sets found at run time")]

use std::arch::x86_64::*;

use mpcc_kernels::{Level, level};

use super::{INNER, SQUARE, Transform, spread};
use crate::modulus::LOW;

type Vector = __m512i;

/// Whether these routines can run at `level`.
pub(super) fn available(level: Level) -> bool {
    level.min(level::hardware()) >= Level::Avx512 && is_x86_feature_detected!("avx512ifma")
}

pub(super) fn forward(t: &Transform, x: &mut [u64], skipped: u32) {
    assert!(available(Level::Avx512) && x.len() == t.degree() && skipped <= t.log - INNER);
    // SAFETY: the processor has AVX-512 F, DQ and IFMA, and the slice holds the whole polynomial.
    unsafe { forward_layers(t, x, skipped) }
}

pub(super) fn inverse(t: &Transform, x: &mut [u64]) {
    assert!(available(Level::Avx512) && x.len() == t.degree());
    // SAFETY: as in `forward`.
    unsafe { inverse_layers(t, x) }
}

/// p in every lane, with what multiplication needs.
#[derive(Clone, Copy)]
struct Lanes {
    p: Vector,
    twice: Vector,
    /// −p modulo 2^52.
    minus: Vector,
    low: Vector,
}

impl Lanes {
    #[target_feature(enable = "avx512f")]
    fn new(p: u64) -> Lanes {
        let all = |v: u64| _mm512_set1_epi64(v as i64);
        Lanes { p: all(p), twice: all(2 * p), minus: all((1 << 52) - p), low: all(LOW) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn less(self, x: Vector, of: Vector) -> Vector {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, of))
    }

    /// x·root in [0, 2p).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn times(self, x: Vector, root: Vector, quotient: Vector) -> Vector {
        let zero = _mm512_setzero_si512();
        let q = _mm512_madd52hi_epu64(zero, x, quotient);
        let product = _mm512_madd52lo_epu64(zero, x, root);
        _mm512_and_si512(_mm512_madd52lo_epu64(product, q, self.minus), self.low)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn forward(self, a: Vector, b: Vector, (root, quotient): (Vector, Vector)) -> (Vector, Vector) {
        let u = self.less(a, self.twice);
        let v = self.times(b, root, quotient);
        (_mm512_add_epi64(u, v), _mm512_sub_epi64(_mm512_add_epi64(u, self.twice), v))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn inverse(self, a: Vector, b: Vector, (root, quotient): (Vector, Vector)) -> (Vector, Vector) {
        let difference = _mm512_sub_epi64(_mm512_add_epi64(a, self.twice), b);
        (self.less(_mm512_add_epi64(a, b), self.twice), self.times(difference, root, quotient))
    }

    /// The last layer of the way back, scaled and reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn last(self, a: Vector, b: Vector, [sum, difference]: [(Vector, Vector); 2]) -> (Vector, Vector) {
        let apart = _mm512_sub_epi64(_mm512_add_epi64(a, self.twice), b);
        let (a, b) = (self.times(_mm512_add_epi64(a, b), sum.0, sum.1), self.times(apart, difference.0, difference.1));
        (self.less(a, self.p), self.less(b, self.p))
    }
}

/// Pointers to the powers of one direction.
#[derive(Clone, Copy)]
struct Roots {
    roots: *const u64,
    quotients: *const u64,
}

impl Roots {
    fn of(table: &super::Table) -> Roots {
        Roots { roots: table.roots.as_ptr(), quotients: table.quotients.as_ptr() }
    }

    /// The root at `at` in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn one(self, at: usize) -> (Vector, Vector) {
        // SAFETY: the caller's index is below N.
        unsafe {
            let root = _mm512_set1_epi64(*self.roots.add(at) as i64);
            (root, _mm512_set1_epi64(*self.quotients.add(at) as i64))
        }
    }

    /// Eight roots from `at` on.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn eight(self, at: usize) -> (Vector, Vector) {
        // SAFETY: the caller's index and the seven after it are below N.
        unsafe {
            let root = _mm512_loadu_epi64(self.roots.add(at).cast());
            (root, _mm512_loadu_epi64(self.quotients.add(at).cast()))
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn forward_layers(t: &Transform, x: &mut [u64], skipped: u32) {
    let (lanes, roots, n) = (Lanes::new(t.modulus.p), Roots::of(&t.forward), x.len());
    let outer = t.log - INNER;
    let rest = outer - skipped;
    // What is done after the first pass stays within blocks that the caches hold.
    let middle = outer - rest.min(4);
    if middle > skipped {
        spread(x, skipped);
    }
    let x = x.as_mut_ptr();
    // SAFETY: `x` holds n words and each table n roots; every pass stays within them.
    unsafe {
        for block in 0..1usize << skipped {
            let at = x.add(block * (n >> skipped));
            pass(lanes, roots, at, at, n, skipped, middle - skipped, block);
        }
        let (size, squares) = (n >> middle, (n >> middle) / SQUARE);
        for block in (0..1usize << middle).rev() {
            let to = x.add(block * size);
            // If first layers are copies and nothing was done yet, every block is made from the first, which comes last.
            let from = if middle == skipped { x } else { to };
            let made = pass(lanes, roots, from, to, n, middle, outer - middle, block);
            for square in 0..squares {
                let at = to.add(square * SQUARE);
                let from = if made { at } else { from.add(square * SQUARE) };
                forward_square(lanes, roots, from, at, n, block * squares + square);
            }
        }
    }
}

/// `layers` layers from `layer` on of block `i` of it, from one place to another; whether there are any.
#[target_feature(enable = "avx512f,avx512ifma")]
#[expect(clippy::too_many_arguments, reason = "one call of a kernel")]
unsafe fn pass(
    lanes: Lanes,
    roots: Roots,
    from: *const u64,
    to: *mut u64,
    n: usize,
    layer: u32,
    layers: u32,
    i: usize,
) -> bool {
    // SAFETY: the caller's block is within the polynomial.
    unsafe {
        match layers {
            0 => {}
            1 => forward_pass::<2>(lanes, roots, from, to, n, layer, i),
            2 => forward_pass::<4>(lanes, roots, from, to, n, layer, i),
            3 => forward_pass::<8>(lanes, roots, from, to, n, layer, i),
            _ => forward_pass::<16>(lanes, roots, from, to, n, layer, i),
        }
    }
    layers > 0
}

/// lg V layers of one block, V vectors at a time.
#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn forward_pass<const V: usize>(
    lanes: Lanes,
    roots: Roots,
    from: *const u64,
    to: *mut u64,
    n: usize,
    layer: u32,
    i: usize,
) {
    let size = n >> layer;
    let stride = size / V;
    // SAFETY: block i of the layer holds V strides of whole vectors, and its roots are below 2·2^(layer + lg V) ≤ n.
    unsafe {
        for at in (0..stride).step_by(8) {
            let mut v: [Vector; V] = std::array::from_fn(|r| _mm512_loadu_epi64(from.add(at + r * stride).cast()));
            let mut half = V / 2;
            let mut groups = 1;
            while half > 0 {
                for group in 0..groups {
                    let root = roots.one((groups << layer) + groups * i + group);
                    for r in 0..half {
                        let (low, high) = (group * 2 * half + r, group * 2 * half + r + half);
                        (v[low], v[high]) = lanes.forward(v[low], v[high], root);
                    }
                }
                half /= 2;
                groups *= 2;
            }
            for (r, v) in v.into_iter().enumerate() {
                _mm512_storeu_epi64(to.add(at + r * stride).cast(), v);
            }
        }
    }
}

/// The last six layers of a square, its rows and columns exchanged in the middle.
#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn forward_square(lanes: Lanes, roots: Roots, from: *const u64, to: *mut u64, n: usize, square: usize) {
    // SAFETY: a square has eight vectors; its roots are those of its layers.
    unsafe {
        let mut v: [Vector; 8] = std::array::from_fn(|r| _mm512_loadu_epi64(from.add(8 * r).cast()));
        butterflies(&mut v, [4, 2, 1], |a, b, half, group| {
            let groups = 4 / half;
            lanes.forward(a, b, roots.one((n / SQUARE + square) * groups + group))
        });
        v = transposed(v);
        butterflies(&mut v, [4, 2, 1], |a, b, half, group| {
            let groups = 4 / half;
            lanes.forward(a, b, roots.eight((n / 8 + 8 * square) * groups + 8 * group))
        });
        for (r, v) in v.into_iter().enumerate() {
            let reduced = lanes.less(lanes.less(v, lanes.twice), lanes.p);
            _mm512_storeu_epi64(to.add(8 * r).cast(), reduced);
        }
    }
}

/// Three layers between eight vectors, forth or back: `pair` gets two vectors, half their block and its number.
#[inline(always)]
fn butterflies(
    v: &mut [Vector; 8],
    halves: [usize; 3],
    mut pair: impl FnMut(Vector, Vector, usize, usize) -> (Vector, Vector),
) {
    for half in halves {
        for group in 0..4 / half {
            for r in 0..half {
                let (low, high) = (group * 2 * half + r, group * 2 * half + r + half);
                (v[low], v[high]) = pair(v[low], v[high], half, group);
            }
        }
    }
}

/// Rows and columns exchanged.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(v: [Vector; 8]) -> [Vector; 8] {
    let pairs = |i: usize| (_mm512_unpacklo_epi64(v[i], v[i + 1]), _mm512_unpackhi_epi64(v[i], v[i + 1]));
    let ((a0, a1), (b0, b1), (c0, c1), (d0, d1)) = (pairs(0), pairs(2), pairs(4), pairs(6));
    // Lanes of 128 bits: column pairs 0, 2, 4 and 6 of two rows each.
    let fours = |a, b, c, d| {
        let (low_ab, high_ab) = (_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0xdd>(a, b));
        let (low_cd, high_cd) = (_mm512_shuffle_i64x2::<0x88>(c, d), _mm512_shuffle_i64x2::<0xdd>(c, d));
        [
            _mm512_shuffle_i64x2::<0x88>(low_ab, low_cd),
            _mm512_shuffle_i64x2::<0x88>(high_ab, high_cd),
            _mm512_shuffle_i64x2::<0xdd>(low_ab, low_cd),
            _mm512_shuffle_i64x2::<0xdd>(high_ab, high_cd),
        ]
    };
    let even = fours(a0, b0, c0, d0);
    let odd = fours(a1, b1, c1, d1);
    [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn inverse_layers(t: &Transform, x: &mut [u64]) {
    let (lanes, roots, n) = (Lanes::new(t.modulus.p), Roots::of(&t.inverse), x.len());
    let x = x.as_mut_ptr();
    let outer = t.log - INNER;
    let first = outer.saturating_sub(4);
    let all = |v: u64| _mm512_set1_epi64(v as i64);
    let last = t.last.map(|f| (all(f.value), all(f.quotient)));
    // SAFETY: as in `forward_layers`.
    unsafe {
        let blocks = 1usize << first;
        let squares = n / SQUARE / blocks;
        for block in 0..blocks {
            for square in block * squares..(block + 1) * squares {
                inverse_square(lanes, roots, x.add(square * SQUARE), n, square);
            }
            let at = x.add(block * (n >> first));
            match outer - first {
                1 => inverse_pass::<2, true>(lanes, roots, at, n, first, block, last),
                2 => inverse_pass::<4, true>(lanes, roots, at, n, first, block, last),
                3 => inverse_pass::<8, true>(lanes, roots, at, n, first, block, last),
                _ if first == 0 => inverse_pass::<16, true>(lanes, roots, at, n, first, block, last),
                _ => inverse_pass::<16, false>(lanes, roots, at, n, first, block, last),
            }
        }
        match first {
            0 => {}
            1 => inverse_pass::<2, true>(lanes, roots, x, n, 0, 0, last),
            2 => inverse_pass::<4, true>(lanes, roots, x, n, 0, 0, last),
            3 => inverse_pass::<8, true>(lanes, roots, x, n, 0, 0, last),
            _ => inverse_pass::<16, true>(lanes, roots, x, n, 0, 0, last),
        }
    }
}

/// lg V layers of one block, the reverse of [`forward_pass`]; the `LAST` of all also scales and reduces.
#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn inverse_pass<const V: usize, const LAST: bool>(
    lanes: Lanes,
    roots: Roots,
    x: *mut u64,
    n: usize,
    layer: u32,
    i: usize,
    last: [(Vector, Vector); 2],
) {
    let stride = (n >> layer) / V;
    // SAFETY: as in `forward_pass`.
    unsafe {
        for at in (0..stride).step_by(8) {
            let mut v: [Vector; V] = std::array::from_fn(|r| _mm512_loadu_epi64(x.add(at + r * stride).cast()));
            let mut half = 1;
            let mut groups = V / 2;
            while half < V {
                for group in 0..groups {
                    for r in 0..half {
                        let (low, high) = (group * 2 * half + r, group * 2 * half + r + half);
                        let (a, b) = (v[low], v[high]);
                        (v[low], v[high]) = if LAST && groups == 1 {
                            lanes.last(a, b, last)
                        } else {
                            lanes.inverse(a, b, roots.one((groups << layer) + groups * i + group))
                        };
                    }
                }
                half *= 2;
                groups /= 2;
            }
            for (r, v) in v.into_iter().enumerate() {
                _mm512_storeu_epi64(x.add(at + r * stride).cast(), v);
            }
        }
    }
}

/// The first six layers of a square on the way back.
#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn inverse_square(lanes: Lanes, roots: Roots, x: *mut u64, n: usize, square: usize) {
    // SAFETY: as in `forward_square`.
    unsafe {
        let mut v: [Vector; 8] = std::array::from_fn(|r| _mm512_loadu_epi64(x.add(8 * r).cast()));
        butterflies(&mut v, [1, 2, 4], |a, b, half, group| {
            let groups = 4 / half;
            lanes.inverse(a, b, roots.eight((n / 8 + 8 * square) * groups + 8 * group))
        });
        v = transposed(v);
        butterflies(&mut v, [1, 2, 4], |a, b, half, group| {
            let groups = 4 / half;
            lanes.inverse(a, b, roots.one((n / SQUARE + square) * groups + group))
        });
        for (r, v) in v.into_iter().enumerate() {
            _mm512_storeu_epi64(x.add(8 * r).cast(), v);
        }
    }
}
