//! Products of doubles with `vpmadd52luq` and `vpmadd52huq`: two 52-bit limbs for rings of up to 104 bits, three
//! above. The instructions ignore what is above the low 52 bits of a factor, so the low word is a limb as it is.
//! The inner extent is taken in blocks short enough that the sums of a limb's products fit 64 bits.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use super::super::avx512::LANES;
use super::super::blocked::for_panels;
use super::super::{Shape, scratch};
use super::high_mask;
use crate::level::{self, Level};

/// Bits of a limb.
const LIMB: u32 = 52;
/// Inner extent of a block. The second of three limbs gathers three products of less than 2^52 per term.
const INNER: usize = 512;
const _: () = assert!(3 * INNER < 1 << (64 - LIMB));
/// Columns of a packed block of the right operand.
const COLUMNS: usize = 256;
/// Vectors of columns in a register block.
const VECTORS: usize = 2;
/// Words between limbs of a packed left row: whole cache lines, an odd number of them so that rows fall into
/// different cache sets.
const STRIDE: usize = INNER + LANES;

/// Rows of a register block, so that its sums, the right limbs and a left limb fit 32 registers.
const fn most_rows(limbs: usize) -> usize {
    if limbs == 2 { 6 } else { 4 }
}

/// Whether these routines can run at `level`.
pub(super) fn available(level: Level) -> bool {
    level.min(level::hardware()) >= Level::Avx512 && is_x86_feature_detected!("avx512ifma")
}

pub(super) fn product(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64], bits: u32) {
    let Shape { m, k, n } = shape;
    assert!(available(Level::Avx512), "IFMA kernel on a processor without it");
    assert!(a.len() == 2 * m * k && b.len() == 2 * k * n && c.len() == 2 * m * n, "operands of the shape");
    // SAFETY: the processor has AVX-512 F and IFMA, and the slices have two words per entry of the shape.
    unsafe { if bits <= 2 * LIMB { blocked::<2>(shape, a, b, c, bits) } else { blocked::<3>(shape, a, b, c, bits) } }
}

/// Packed blocks: for each block of the right operand, all row blocks of the left one.
#[target_feature(enable = "avx512f,avx512ifma")]
fn blocked<const L: usize>(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64], bits: u32) {
    let Shape { m, k, n } = shape;
    let panel_words = INNER.min(k) * L * COLUMNS.min(n.next_multiple_of(LANES));
    let tiles = m.div_ceil(most_rows(L));
    scratch::with(most_rows(L) * L * STRIDE, panel_words, |left, right| {
        for k0 in (0..k).step_by(INNER) {
            let inner = INNER.min(k - k0);
            for n0 in (0..n).step_by(COLUMNS) {
                let columns = COLUMNS.min(n - n0);
                for_panels(columns, LANES, VECTORS, |at, vectors| {
                    let width = vectors * LANES;
                    let used = width.min(columns - at);
                    let panel = right[at * L * inner..][..width * L * inner].chunks_exact_mut(width * L);
                    for (p, limbs) in panel.enumerate() {
                        split::<L>(&b[2 * ((k0 + p) * n + n0 + at)..][..2 * used], limbs, width);
                    }
                });
                // Row blocks of equal height, up to one row.
                let mut m0 = 0;
                for tile in 0..tiles {
                    let rows = m / tiles + usize::from(tile < m % tiles);
                    for (i, limbs) in left.chunks_exact_mut(L * STRIDE).enumerate().take(rows) {
                        split::<L>(&a[2 * ((m0 + i) * k + k0)..][..2 * inner], limbs, STRIDE);
                    }
                    for_panels(columns, LANES, VECTORS, |at, vectors| {
                        let block = Block::<L> {
                            inner,
                            a: left.as_ptr(),
                            b: right[at * L * inner..].as_ptr(),
                            c: c[2 * (m0 * n + n0 + at)..].as_mut_ptr(),
                            c_stride: 2 * n,
                            last_lanes: (columns - at - (vectors - 1) * LANES).min(LANES),
                            high: high_mask(bits),
                            add: k0 > 0,
                        };
                        // SAFETY: `left` holds `rows` rows of L limbs STRIDE words apart, `inner` ≤ STRIDE; the panel
                        // holds inner·L·vectors vectors; `c` from the block's corner on holds `rows` rows.
                        unsafe { block.run(rows, vectors) }
                    });
                    m0 += rows;
                }
            }
        }
    });
}

/// Limbs of the doubles in `src`: limb l of double j to `out[l · stride + j]`, zeros after the last double up to a
/// whole vector. Only the low 52 bits of a limb count.
#[target_feature(enable = "avx512f")]
#[inline]
fn split<const L: usize>(src: &[u64], out: &mut [u64], stride: usize) {
    for (j, doubles) in src.chunks(2 * LANES).enumerate() {
        let [first, second] = word_masks(doubles.len() / 2);
        let at = doubles.as_ptr().cast::<i64>();
        // SAFETY: the masks limit the loads to the chunk's words.
        let (low, high) = unsafe {
            columns_of(_mm512_maskz_loadu_epi64(first, at), _mm512_maskz_loadu_epi64(second, at.wrapping_add(LANES)))
        };
        let middle = _mm512_or_si512(_mm512_srli_epi64::<LIMB>(low), _mm512_slli_epi64::<{ 64 - LIMB }>(high));
        let limbs = [low, middle, _mm512_srli_epi64::<{ 2 * LIMB - 64 }>(high)];
        for (l, limb) in limbs.into_iter().enumerate().take(L) {
            let out = &mut out[l * stride + j * LANES..][..LANES];
            // SAFETY: the slice holds a vector.
            unsafe { _mm512_storeu_epi64(out.as_mut_ptr().cast(), limb) };
        }
    }
}

/// Masks of the two vectors that hold `count` ≤ 8 doubles.
fn word_masks(count: usize) -> [__mmask8; 2] {
    let all = (1u32 << (2 * count)) - 1;
    [all as __mmask8, (all >> LANES) as __mmask8]
}

/// Low and high words of eight doubles.
#[target_feature(enable = "avx512f")]
#[inline]
fn columns_of(first: __m512i, second: __m512i) -> (__m512i, __m512i) {
    let low = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
    let high = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
    (_mm512_permutex2var_epi64(first, low, second), _mm512_permutex2var_epi64(first, high, second))
}

/// The reverse of [`columns_of`].
#[target_feature(enable = "avx512f")]
#[inline]
fn doubles_of(low: __m512i, high: __m512i) -> [__m512i; 2] {
    let first = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
    let second = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    [_mm512_permutex2var_epi64(low, first, high), _mm512_permutex2var_epi64(low, second, high)]
}

/// One register block of C: left rows as `[row][limb]` pieces of STRIDE words, right panel as
/// `[p][limb][vector]`.
struct Block<const L: usize> {
    inner: usize,
    a: *const u64,
    b: *const u64,
    c: *mut u64,
    c_stride: usize,
    /// Columns of the last vector that exist.
    last_lanes: usize,
    /// Bits of a high word that are kept.
    high: u64,
    /// Whether to add to the destination.
    add: bool,
}

impl<const L: usize> Block<L> {
    /// # Safety
    /// `a` must be readable for `rows`·L pieces of `inner` words, STRIDE apart; `b` for `inner`·L·`vectors` vectors;
    /// `c` readable and writable for `rows` rows, `c_stride` words apart, of `vectors` times eight doubles, the
    /// last eight only as far as `last_lanes` says.
    #[target_feature(enable = "avx512f,avx512ifma")]
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
                (1, 2) => self.tile::<1, 2>(),
                (2, 2) => self.tile::<2, 2>(),
                (3, 2) => self.tile::<3, 2>(),
                (4, 2) => self.tile::<4, 2>(),
                (5, 2) => self.tile::<5, 2>(),
                (6, 2) => self.tile::<6, 2>(),
                _ => unreachable!("a register block of {rows} rows and {vectors} vectors"),
            }
        }
    }

    /// # Safety
    /// As [`Block::run`] with `rows` = R and `vectors` = V.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    unsafe fn tile<const R: usize, const V: usize>(&self) {
        let (mut a, mut b) = (self.a, self.b);
        let mut sums = [[[_mm512_setzero_si512(); L]; V]; R];
        for _ in 0..self.inner {
            let mut right = [[_mm512_setzero_si512(); L]; V];
            for (v, right) in right.iter_mut().enumerate() {
                for (y, right) in right.iter_mut().enumerate() {
                    // SAFETY: this step's part of the panel holds L·V vectors.
                    *right = unsafe { _mm512_loadu_epi64(b.add((y * V + v) * LANES).cast()) };
                }
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                for x in 0..L {
                    // SAFETY: row i has a word of limb x for this step.
                    let left = _mm512_set1_epi64(unsafe { *a.add((i * L + x) * STRIDE) } as i64);
                    for (sums, right) in sums.iter_mut().zip(&right) {
                        for y in 0..L - x {
                            sums[x + y] = _mm512_madd52lo_epu64(sums[x + y], left, right[y]);
                            if x + y + 1 < L {
                                sums[x + y + 1] = _mm512_madd52hi_epu64(sums[x + y + 1], left, right[y]);
                            }
                        }
                    }
                }
            }
            a = a.wrapping_add(1);
            b = b.wrapping_add(L * V * LANES);
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (v, sums) in sums.into_iter().enumerate() {
                let count = if v + 1 == V { self.last_lanes } else { LANES };
                // SAFETY: row i of `c` is readable and writable for `count` doubles at vector v.
                unsafe { self.finish(sums, self.c.add(i * self.c_stride + 2 * LANES * v), count) };
            }
        }
    }

    /// Joins the limbs' sums and puts them into the destination.
    ///
    /// # Safety
    /// `at` must be readable and writable for `count` ≤ 8 doubles.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn finish(&self, sums: [__m512i; L], at: *mut u64, count: usize) {
        let limb = _mm512_set1_epi64((1 << LIMB) - 1);
        let middle = _mm512_add_epi64(sums[1], _mm512_srli_epi64::<LIMB>(sums[0]));
        let mut low = _mm512_or_si512(_mm512_and_si512(sums[0], limb), _mm512_slli_epi64::<LIMB>(middle));
        let mut high = _mm512_srli_epi64::<{ 64 - LIMB }>(_mm512_and_si512(middle, limb));
        if let Some(&top) = sums.get(2) {
            let top = _mm512_add_epi64(top, _mm512_srli_epi64::<LIMB>(middle));
            high = _mm512_or_si512(high, _mm512_slli_epi64::<{ 2 * LIMB - 64 }>(top));
        }
        let at = at.cast::<i64>();
        let [first, second] = word_masks(count);
        if self.add {
            // SAFETY: the masks limit the loads to `count` doubles.
            let (old_low, old_high) = unsafe {
                columns_of(
                    _mm512_maskz_loadu_epi64(first, at),
                    _mm512_maskz_loadu_epi64(second, at.wrapping_add(LANES)),
                )
            };
            low = _mm512_add_epi64(low, old_low);
            high = _mm512_add_epi64(high, old_high);
            let carry = _mm512_cmplt_epu64_mask(low, old_low);
            high = _mm512_mask_add_epi64(high, carry, high, _mm512_set1_epi64(1));
        }
        let [one, two] = doubles_of(low, _mm512_and_si512(high, _mm512_set1_epi64(self.high as i64)));
        // SAFETY: the masks limit the stores to `count` doubles.
        unsafe {
            _mm512_mask_storeu_epi64(at, first, one);
            _mm512_mask_storeu_epi64(at.wrapping_add(LANES), second, two);
        }
    }
}
