//! Eight words at a time for widths of 8 to 63 bits: eight words of `bits` bits fill exactly `bits` bytes, so
//! one byte permutation and one shift per lane move a group between its two forms.
#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::arch::x86_64::*;

use crate::level::{self, Level};

const LANES: usize = 8;
const VECTOR_BYTES: usize = 64;

/// Whether these routines can run at `level` for this width.
pub(super) fn available(level: Level, bits: u32) -> bool {
    (8..64).contains(&bits) && level.min(level::hardware()) >= Level::Avx512 && is_x86_feature_detected!("avx512vbmi")
}

/// Where the bits of a group of eight words lie.
struct Layout {
    /// Per lane, the bits by which its word starts after a byte boundary.
    shift: __m512i,
    /// Per lane, the complement of the shift for the bits that pass the 64th.
    unshift: __m512i,
    /// Per lane, the low `bits` bits.
    mask: __m512i,
}

fn first_byte(lane: usize, bits: u32) -> usize {
    lane * bits as usize / 8
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn layout(bits: u32) -> Layout {
    let shifts: [i64; LANES] = std::array::from_fn(|lane| (lane * bits as usize % 8) as i64);
    let shift = lanes(shifts);
    Layout {
        shift,
        unshift: _mm512_sub_epi64(_mm512_set1_epi64(64), shift),
        mask: _mm512_set1_epi64((u64::MAX >> (64 - bits)) as i64),
    }
}

#[target_feature(enable = "avx512f")]
fn lanes([a, b, c, d, e, f, g, h]: [i64; LANES]) -> __m512i {
    _mm512_set_epi64(h, g, f, e, d, c, b, a)
}

#[target_feature(enable = "avx512f")]
fn bytes(indices: [u8; VECTOR_BYTES]) -> __m512i {
    let mut words = [0; LANES];
    for (word, bytes) in words.iter_mut().zip(indices.as_chunks::<8>().0) {
        *word = i64::from_le_bytes(*bytes);
    }
    lanes(words)
}

/// A mask of the low `count` bytes, `count` ≤ 64.
fn low_bytes(count: usize) -> __mmask64 {
    if count == 0 { 0 } else { u64::MAX >> (64 - count) }
}

/// Packs the whole groups of `src`; returns the words packed. `out` is as long as all of `src` takes.
pub(super) fn pack(src: &[u64], bits: u32, out: &mut [u8]) -> usize {
    assert!(available(Level::Avx512, bits), "AVX-512 kernel on a processor without it");
    // SAFETY: the processor has AVX-512 F, BW and VBMI.
    unsafe { pack_groups(src, bits, out) }
}

/// Unpacks whole groups of `out` while `src` lasts; returns the words unpacked.
pub(super) fn unpack(src: &[u8], bits: u32, out: &mut [u64]) -> usize {
    assert!(available(Level::Avx512, bits), "AVX-512 kernel on a processor without it");
    // SAFETY: the processor has AVX-512 F, BW and VBMI.
    unsafe { unpack_groups(src, bits, out) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn pack_groups(src: &[u64], bits: u32, out: &mut [u8]) -> usize {
    let Layout { shift, unshift, mask } = layout(bits);
    let group = bits as usize;
    // A byte takes at most one even and one odd lane, because words are at least a byte wide. Words of more
    // than 57 bits may spill a ninth byte, the first one of the next lane's word.
    let mut sources = [[0u8; VECTOR_BYTES]; 3];
    let mut used = [0 as __mmask64; 3];
    for lane in 0..LANES {
        let start = first_byte(lane, bits);
        let last = (lane * group + group - 1) / 8;
        for offset in 0..=last - start {
            let (plane, index) = match offset {
                8 => (2, lane * 8),
                _ => (lane % 2, lane * 8 + offset),
            };
            sources[plane][start + offset] = index as u8;
            used[plane] |= 1 << (start + offset);
        }
    }
    let [even, odd, spill] = sources.map(|plane| bytes(plane));
    let stored = low_bytes(group);
    let (groups, _) = src.as_chunks::<LANES>();
    for (words, out) in groups.iter().zip(out.chunks_exact_mut(group)) {
        // SAFETY: a chunk holds eight words.
        let words = unsafe { _mm512_loadu_epi64(words.as_ptr().cast()) };
        let words = _mm512_and_si512(words, mask);
        let low = _mm512_sllv_epi64(words, shift);
        let high = _mm512_srlv_epi64(words, unshift);
        let joined = _mm512_or_si512(
            _mm512_maskz_permutexvar_epi8(used[0], even, low),
            _mm512_maskz_permutexvar_epi8(used[1], odd, low),
        );
        let joined = _mm512_or_si512(joined, _mm512_maskz_permutexvar_epi8(used[2], spill, high));
        // SAFETY: the mask limits the store to the group's bytes.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), stored, joined) };
    }
    groups.len() * LANES
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn unpack_groups(src: &[u8], bits: u32, out: &mut [u64]) -> usize {
    let Layout { shift, unshift, mask } = layout(bits);
    let group = bits as usize;
    let low: [u8; VECTOR_BYTES] = std::array::from_fn(|i| ((first_byte(i / 8, bits) + i % 8) % VECTOR_BYTES) as u8);
    let high: [u8; VECTOR_BYTES] = std::array::from_fn(|i| ((first_byte(i / 8, bits) + 8) % VECTOR_BYTES) as u8);
    let (low, high) = (bytes(low), bytes(high));
    let loaded = low_bytes(group);
    let (groups, _) = out.as_chunks_mut::<LANES>();
    let count = groups.len();
    for (words, src) in groups.iter_mut().zip(src.chunks_exact(group)) {
        // SAFETY: the mask limits the load to the group's bytes, and a chunk holds eight words.
        unsafe {
            let packed = _mm512_maskz_loadu_epi8(loaded, src.as_ptr().cast());
            let first = _mm512_srlv_epi64(_mm512_permutexvar_epi8(low, packed), shift);
            let ninth = _mm512_sllv_epi64(_mm512_permutexvar_epi8(high, packed), unshift);
            let joined = _mm512_and_si512(_mm512_or_si512(first, ninth), mask);
            _mm512_storeu_epi64(words.as_mut_ptr().cast(), joined);
        }
    }
    count * LANES
}
