//! The same steps, compiled for vectors of eight words.
#![allow(unsafe_code, reason = "an instruction set found at run time")]

use crate::level::{self, Level};

/// Whether this form can run at `level`.
pub(super) fn available(level: Level) -> bool {
    level.min(level::hardware()) >= Level::Avx512
}

/// As [`squares`](super::squares).
pub(super) fn transpose(columns: &[u64], rows: &mut [[u64; 2]]) {
    assert!(available(Level::Avx512), "AVX-512 kernel on a processor without it");
    // SAFETY: the processor has AVX-512 F, BW and VL.
    unsafe { vectorised(columns, rows) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn vectorised(columns: &[u64], rows: &mut [[u64; 2]]) {
    super::squares(columns, rows);
}
