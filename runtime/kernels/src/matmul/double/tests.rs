use proptest::prelude::*;

use super::*;

const WIDTHS: [u32; 6] = [65, 71, 104, 105, 127, 128];

fn words(stream: u64, doubles: usize) -> Vec<u64> {
    let mut out = vec![0; 2 * doubles];
    crate::prg::fill(&crate::Seed::from_bytes([9; 16]), stream, 0, &mut out);
    out
}

fn entry(words: &[u64], at: usize) -> u128 {
    u128::from(words[2 * at]) | u128::from(words[2 * at + 1]) << 64
}

/// The definition modulo 2^128, entry by entry.
fn plain(shape: Shape, a: &[u64], b: &[u64]) -> Vec<u128> {
    let Shape { m, k, n } = shape;
    let dot = |i: usize, j: usize| {
        (0..k).fold(0u128, |sum, p| sum.wrapping_add(entry(a, i * k + p).wrapping_mul(entry(b, p * n + j))))
    };
    (0..m).flat_map(|i| (0..n).map(move |j| dot(i, j))).collect()
}

fn check_words(batch: usize, shape: Shape, widths: &[u32], a: &[u64], b: &[u64]) {
    let Shape { m, k, n } = shape;
    let expected: Vec<u128> = (0..batch)
        .flat_map(|e| plain(shape, &a[2 * e * m * k..][..2 * m * k], &b[2 * e * k * n..][..2 * k * n]))
        .collect();
    for &bits in widths {
        for level in Level::ALL.into_iter().filter(|&level| level <= level::hardware()) {
            let mut c = words(3, batch * m * n);
            at_level(level, batch, shape, a, b, &mut c, bits);
            for (at, expected) in expected.iter().enumerate() {
                let reduced = expected & (u128::MAX >> (128 - bits));
                assert_eq!(entry(&c, at), reduced, "{level:?} {bits} bits {batch} x {shape:?}: entry {at}");
            }
        }
    }
}

fn check(batch: usize, shape: Shape, widths: &[u32]) {
    let Shape { m, k, n } = shape;
    check_words(batch, shape, widths, &words(1, batch * m * k), &words(2, batch * k * n));
}

#[test]
fn all_small_shapes_agree_with_the_definition() {
    for m in 0..=14 {
        for k in [0, 1, 2, 7, 8, 9] {
            for n in 0..=18 {
                check(1, Shape { m, k, n }, &WIDTHS);
            }
        }
    }
}

#[test]
fn shapes_of_a_transformer_agree_with_the_definition() {
    for (batch, m, k, n) in [
        (4, 65, 64, 65),
        (2, 65, 65, 64),
        (12, 17, 16, 17),
        (1, 65, 256, 40),
        (1, 1, 700, 77),
        (1, 130, 515, 3),
        (3, 17, 257, 33),
        (1, 9, 1030, 530),
        (1, 257, 33, 257),
        (1, 7, 4097, 18),
    ] {
        check(batch, Shape { m, k, n }, &[65, 104, 105, 128]);
    }
}

#[test]
fn extreme_doubles_do_not_overflow_a_sum() {
    for (m, k, n) in [(7, 512, 17), (7, 513, 17), (5, 4100, 9)] {
        // The largest limbs, and the words whose middle limb alone is the largest.
        let ones = |doubles: usize| vec![u64::MAX; 2 * doubles];
        let middle = |doubles: usize| [u64::MAX << 52, (1 << 40) - 1].repeat(doubles);
        let shape = Shape { m, k, n };
        check_words(1, shape, &WIDTHS, &ones(m * k), &ones(k * n));
        check_words(1, shape, &WIDTHS, &middle(m * k), &middle(k * n));
        check_words(1, shape, &WIDTHS, &ones(m * k), &middle(k * n));
    }
}

#[test]
fn the_public_entries_reduce_to_their_rings() {
    let (a, b) = (words(1, 6), words(2, 6));
    let expected = plain(Shape { m: 2, k: 3, n: 2 }, &a, &b);
    let mut c = vec![0; 8];
    matmul_double(1, 2, 3, 2, &a, &b, &mut c);
    assert!((0..4).all(|at| entry(&c, at) == expected[at]));
    matmul_double_bits(1, 2, 3, 2, &a, &b, &mut c, 90);
    assert!((0..4).all(|at| entry(&c, at) == expected[at] & ((1 << 90) - 1)));
}

#[test]
#[should_panic(expected = "right doubles")]
fn a_wrong_length_is_refused() {
    matmul_double(1, 2, 2, 2, &[0; 8], &[0; 4], &mut [0; 8]);
}

#[test]
#[should_panic(expected = "65 to 128 bits")]
fn a_single_word_ring_is_refused() {
    matmul_double_bits(1, 1, 1, 1, &[0; 2], &[0; 2], &mut [0; 2], 64);
}

proptest! {
    #[test]
    fn any_shape_agrees_with_the_definition(
        batch in 1usize..3, m in 1usize..40, k in 1usize..300, n in 1usize..70, bits in 65u32..=128,
    ) {
        check(batch, Shape { m, k, n }, &[bits]);
    }
}
