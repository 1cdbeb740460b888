//! A window's buckets compiled for wider vectors.
#![allow(unsafe_code, reason = "calls functions compiled for an instruction set found at run time")]

use super::{RowFunction, Window, buckets};
use crate::level::{self, Level};

pub(super) fn avx512(window: Window, function: RowFunction, coefficients: &mut [u64], low: &mut [u64]) {
    assert!(level::hardware() >= Level::Avx512, "AVX-512 kernel on a processor without it");
    // SAFETY: the processor has AVX-512 F, DQ, BW and VL.
    unsafe { wide(window, function, coefficients, low) }
}

pub(super) fn avx2(window: Window, function: RowFunction, coefficients: &mut [u64], low: &mut [u64]) {
    assert!(level::hardware() >= Level::Avx2, "AVX2 kernel on a processor without AVX2");
    // SAFETY: the processor has AVX2.
    unsafe { narrow(window, function, coefficients, low) }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn wide(window: Window, function: RowFunction, coefficients: &mut [u64], low: &mut [u64]) {
    buckets(window, function, coefficients, low);
}

#[target_feature(enable = "avx2")]
fn narrow(window: Window, function: RowFunction, coefficients: &mut [u64], low: &mut [u64]) {
    buckets(window, function, coefficients, low);
}
