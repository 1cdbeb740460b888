use super::super::tests::{plain, words};
use super::*;
use crate::tiles::{Emulated, Hardware};

/// Runs a product on the emulated unit, and on the processor's where it has one.
fn products(bits: u32, shape: Shape, a: &[u64], b: &[u64]) -> Vec<Vec<u64>> {
    let mask = u64::MAX >> (64 - bits);
    let run = |product: &mut dyn FnMut(&mut [u64])| {
        let mut c = words(9, shape.m * shape.n);
        product(&mut c);
        c.iter_mut().for_each(|word| *word &= mask);
        c
    };
    let mut emulated = Emulated([Tile([0xab; SIDE * DEPTH]); 8]);
    let mut all = vec![run(&mut |c| product(&mut emulated, bits, shape, a, b, c))];
    if let Some(mut hardware) = Hardware::new() {
        all.push(run(&mut |c| product(&mut hardware, bits, shape, a, b, c)));
    }
    all
}

fn check(bits: u32, shape: Shape) {
    let (a, b) = (words(1, shape.m * shape.k), words(2, shape.k * shape.n));
    let expected = plain(bits, shape, &a, &b);
    for (unit, c) in products(bits, shape, &a, &b).into_iter().enumerate() {
        assert!(c == expected, "unit {unit}: {shape:?} in {bits} bits");
    }
}

#[test]
fn every_ring_agrees_with_the_definition() {
    for bits in 1..=64 {
        check(bits, Shape { m: 17, k: 130, n: 35 });
    }
}

#[test]
fn odd_shapes_agree_with_the_definition() {
    for (m, k, n) in [(1, 1, 1), (16, 64, 32), (15, 63, 31), (33, 65, 33), (65, 64, 65), (8, 200, 70), (3, 1025, 20)] {
        for bits in [20, 32, 40, 48, 52, 64] {
            check(bits, Shape { m, k, n });
        }
    }
}

#[test]
fn several_blocks_of_columns_and_terms_agree_with_the_definition() {
    check(64, Shape { m: 17, k: 1100, n: 150 });
    check(32, Shape { m: 2, k: 2100, n: 200 });
}

#[test]
fn several_blocks_of_rows_agree_with_the_definition() {
    let shape = Shape { m: 514, k: 961, n: 1 };
    assert!(shape.m > LEFT_TILES / (8 * shape.k.div_ceil(DEPTH)) * SIDE, "rows of more than one block");
    check(64, shape);
}

#[test]
fn sums_of_the_largest_bytes_do_not_wrap_within_a_block() {
    let shape = Shape { m: 1, k: INNER, n: 1 };
    let (a, b) = (vec![u64::MAX; INNER], vec![u64::MAX; INNER]);
    for c in products(64, shape, &a, &b) {
        assert_eq!(c, [INNER as u64]);
    }
}

#[test]
fn the_longest_inner_extent_is_exact_and_one_more_term_is_not() {
    // The largest sum of diagonal 3, which must fit its 32 bits.
    let sum = |terms: usize| 4 * 255 * 255 * terms as u64;
    assert!(sum(MOST_INNER) <= u64::from(u32::MAX));
    assert!(sum(MOST_INNER + 1) > u64::from(u32::MAX));
    // From diagonal 4 on, the part of the ring that a sum reaches has 32 bits or fewer.
    assert_eq!(64 - 4 * LIMB, 32);
}

/// As measured, by `benches/matmul.rs`: where both are within a few percent of one another nothing is asked.
#[test]
fn tiles_are_taken_where_they_are_faster_than_vectors() {
    let tiles = |bits: u32, m: usize, k: usize, n: usize| pays(bits, Shape { m, k, n });
    for (m, k, n) in [(256, 256, 256), (1024, 1024, 1024), (257, 192, 576), (128, 768, 3072)] {
        assert!([32, 48, 52, 64].iter().all(|bits| tiles(*bits, m, k, n)), "{m}x{k}x{n}");
    }
    // Padded rows, and a seventh limb beside one instruction a term.
    assert!(tiles(32, 65, 256, 768) && tiles(64, 65, 256, 768) && !tiles(52, 65, 256, 768));
    assert!(tiles(32, 65, 64, 65) && tiles(64, 65, 64, 65) && !tiles(48, 65, 64, 65) && !tiles(52, 65, 64, 65));
    for (m, k, n) in [(1, 256, 768), (512, 256, 1), (17, 16, 17), (65, 65, 64)] {
        assert!([32, 48, 52, 64].iter().all(|bits| !tiles(*bits, m, k, n)), "{m}x{k}x{n}");
    }
}
