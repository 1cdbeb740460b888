//! The portable product compiled for AVX2, where the compiler builds the 64-bit multiply from 32-bit ones.
#![allow(unsafe_code, reason = "calls a function compiled for an instruction set found at run time")]

use super::{Shape, Update, portable};
use crate::level::{self, Level};

pub(super) fn product(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    assert!(level::hardware() >= Level::Avx2, "AVX2 kernel on a processor without AVX2");
    // SAFETY: the processor has AVX2, asserted above.
    unsafe { vectorised(update, shape, a, b, c) }
}

#[target_feature(enable = "avx2")]
fn vectorised(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    portable(update, shape, a, b, c);
}
