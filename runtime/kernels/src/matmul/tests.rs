use proptest::prelude::*;

use super::*;

/// The low bits of a product by its definition.
pub(super) fn plain(bits: u32, shape: Shape, a: &[u64], b: &[u64]) -> Vec<u64> {
    let Shape { m, k, n } = shape;
    let dot =
        |i: usize, j: usize| (0..k).fold(0u64, |sum, p| sum.wrapping_add(a[i * k + p].wrapping_mul(b[p * n + j])));
    (0..m * n).map(|at| dot(at / n, at % n) & (u64::MAX >> (64 - bits))).collect()
}

pub(super) fn words(seed: u64, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    crate::prg::fill(&crate::Seed::from_bytes([7; 16]), seed, 0, &mut out);
    out
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= level::hardware())
}

fn check(batch: usize, shape: Shape, widths: &[u32]) {
    let Shape { m, k, n } = shape;
    let (a, b) = (words(1, batch * m * k), words(2, batch * k * n));
    let whole: Vec<u64> =
        (0..batch).flat_map(|e| plain(64, shape, &a[e * m * k..][..m * k], &b[e * k * n..][..k * n])).collect();
    for &bits in widths {
        let mask = u64::MAX >> (64 - bits);
        for level in levels() {
            let mut c = words(3, batch * m * n);
            at_level(level, bits, batch, shape, &a, &b, &mut c);
            let agree = c.iter().zip(&whole).all(|(c, whole)| (c ^ whole) & mask == 0);
            assert!(agree, "{level:?}: {batch} x {shape:?} in {bits} bits");
        }
    }
}

/// One width for every kernel, at its limit.
const KERNELS: [u32; 3] = [32, 52, 64];

#[test]
fn all_small_shapes_agree_with_the_definition() {
    for m in 0..=19 {
        for k in [0, 1, 2, 3, 7, 8, 9] {
            for n in 0..=35 {
                check(1, Shape { m, k, n }, &KERNELS);
            }
        }
    }
}

#[test]
fn every_width_agrees_with_the_definition() {
    for bits in 1..=64 {
        check(1, Shape { m: 18, k: 70, n: 35 }, &[bits]);
    }
}

#[test]
fn shapes_of_a_transformer_agree_with_the_definition() {
    for (batch, m, k, n) in [
        (4, 65, 64, 65),
        (2, 65, 65, 64),
        (1, 64, 48, 256),
        (1, 65, 256, 40),
        (1, 1, 700, 77),
        (1, 3, 515, 130),
        (1, 130, 515, 3),
        (1, 70, 700, 1),
        (3, 17, 257, 33),
        (1, 9, 1030, 530),
        (1, 10, 513, 515),
    ] {
        check(batch, Shape { m, k, n }, &KERNELS);
    }
}

#[test]
fn extreme_words_wrap() {
    let (m, k, n) = (9, 600, 17);
    let (a, b) = (vec![u64::MAX; m * k], vec![u64::MAX; k * n]);
    for bits in KERNELS {
        for level in levels() {
            let mut c = vec![0; m * n];
            at_level(level, bits, 1, Shape { m, k, n }, &a, &b, &mut c);
            assert!(c.iter().all(|&word| word & (u64::MAX >> (64 - bits)) == k as u64), "{level:?}: {bits} bits");
        }
    }
}

#[test]
fn threads_change_nothing() {
    for (batch, m, k, n) in
        [(1, 301, 320, 333), (2, 201, 320, 333), (5, 70, 320, 300), (1, 40, 800, 1000), (9, 3, 1000, 1000)]
    {
        let shape = Shape { m, k, n };
        let (a, b) = (words(1, 2 * batch * m * k), words(2, 2 * batch * k * n));
        let start = words(3, 2 * batch * m * n);
        let on_words = |threads| {
            let mut c = start[..batch * m * n].to_vec();
            let (a, b) = (&a[..batch * m * k], &b[..batch * k * n]);
            share::among(threads, 1, batch, shape, a, b, &mut c, |batch, shape, a, b, c| {
                at_level(level::hardware(), 64, batch, shape, a, b, c);
            });
            c
        };
        let on_doubles = |threads| {
            let mut c = start.clone();
            share::among(threads, 2, batch, shape, &a, &b, &mut c, |batch, shape, a, b, c| {
                matmul_double_bits(batch, shape.m, shape.k, shape.n, a, b, c, 100);
            });
            c
        };
        let (words, doubles) = (on_words(1), on_doubles(1));
        for threads in [2, 3, 4, 7] {
            assert!(on_words(threads) == words, "{batch} x {shape:?} on {threads} threads");
            assert!(on_doubles(threads) == doubles, "{batch} x {shape:?} of doubles on {threads} threads");
        }
    }
}

#[test]
#[should_panic(expected = "right operand")]
fn a_wrong_length_is_refused() {
    matmul(1, 2, 2, 2, &[0; 4], &[0; 3], &mut [0; 4]);
}

#[test]
#[should_panic(expected = "1 to 64 bits")]
fn a_width_of_no_word_is_refused() {
    matmul_bits(65, 1, 1, 1, 1, &[0], &[0], &mut [0]);
}

proptest! {
    #[test]
    fn any_shape_agrees_with_the_definition(
        batch in 1usize..3, m in 1usize..40, k in 1usize..300, n in 1usize..70, bits in 1u32..=64,
    ) {
        check(batch, Shape { m, k, n }, &[bits]);
    }
}
