//! Matrix products over rings of up to 64 bits, row-major and wrapping, one per batch entry.
//!
//! A product that is needed modulo 2^k only takes a cheaper kernel where the processor has one: half words up to 32 bits,
//! multiply-add instructions up to 52. Vector kernels are register-blocked with packed panels; every level gives the
//! same residues because wrapping addition is associative. Larger rings have doubles for entries; see [`matmul_double`].

use crate::level::{self, Level};
use crate::threads;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocked;
mod double;
#[cfg(target_arch = "x86_64")]
mod scratch;
mod share;

pub use double::{matmul_double, matmul_double_bits};

/// C = A·B modulo 2^64 for each of `batch` products: `a` is `[batch][m][k]`, `b` is `[batch][k][n]`, `c` is
/// `[batch][m][n]`. With `k` = 0 the result is zero.
///
/// # Panics
/// If a slice length differs from its shape.
pub fn matmul(batch: usize, m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    matmul_bits(64, batch, m, k, n, a, b, c);
}

/// As [`matmul`], but only the low `bits` bits of every result are defined: higher bits hold whatever the fastest kernel
/// leaves there, which differs between levels. Bits of the operands from `bits` on do not matter. Rings of up to 32 bits
/// are the fastest, then those of up to 52.
///
/// # Panics
/// As [`matmul`], and if `bits` is not in 1..=64.
#[expect(clippy::too_many_arguments, reason = "the shape of a batched product")]
pub fn matmul_bits(bits: u32, batch: usize, m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    let shape = Shape { m, k, n };
    let level = level::current();
    check(bits, batch, shape, a, b, c);
    share::among(threads::most(), 1, batch, shape, a, b, c, |batch, shape, a, b, c| {
        at_level(level, bits, batch, shape, a, b, c);
    });
}

/// One product's extents.
#[derive(Clone, Copy, Debug)]
struct Shape {
    m: usize,
    k: usize,
    n: usize,
}

fn check(bits: u32, batch: usize, shape: Shape, a: &[u64], b: &[u64], c: &[u64]) {
    let Shape { m, k, n } = shape;
    assert!((1..=64).contains(&bits), "a ring word has 1 to 64 bits, not {bits}");
    assert_eq!(a.len(), batch * m * k, "left operand of a {batch}x[{m}x{k}]·[{k}x{n}] product");
    assert_eq!(b.len(), batch * k * n, "right operand of a {batch}x[{m}x{k}]·[{k}x{n}] product");
    assert_eq!(c.len(), batch * m * n, "destination of a {batch}x[{m}x{k}]·[{k}x{n}] product");
}

fn at_level(level: Level, bits: u32, batch: usize, shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    check(bits, batch, shape, a, b, c);
    let Shape { m, k, n } = shape;
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.fill(0);
        return;
    }
    for ((a, b), c) in a.chunks_exact(m * k).zip(b.chunks_exact(k * n)).zip(c.chunks_exact_mut(m * n)) {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Amx if amx::pays(bits, shape) => amx::on_hardware(bits, shape, a, b, c),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => avx512::product(bits, shape, a, b, c),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::product(bits, shape, a, b, c),
            _ => portable(shape, a, b, c),
        }
    }
}

/// Row by row, the destination row as accumulator; inlined so that a caller compiled for a wider instruction
/// set gets it vectorised.
#[inline(always)]
fn portable(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { k, n, .. } = shape;
    for (row, out) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        out.fill(0);
        for (&x, b) in row.iter().zip(b.chunks_exact(n)) {
            for (out, &y) in out.iter_mut().zip(b) {
                *out = out.wrapping_add(x.wrapping_mul(y));
            }
        }
    }
}

#[cfg(test)]
mod tests;
