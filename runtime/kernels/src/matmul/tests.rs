use proptest::prelude::*;

use super::*;

fn plain(update: Update, shape: Shape, a: &[u64], b: &[u64], c: &[u64]) -> Vec<u64> {
    let Shape { m, k, n } = shape;
    let mut out = c.to_vec();
    for i in 0..m {
        for j in 0..n {
            let dot = (0..k).fold(0u64, |sum, p| sum.wrapping_add(a[i * k + p].wrapping_mul(b[p * n + j])));
            out[i * n + j] = match update {
                Update::Set => dot,
                Update::Add => c[i * n + j].wrapping_add(dot),
                Update::Subtract => c[i * n + j].wrapping_sub(dot),
            };
        }
    }
    out
}

fn words(seed: u64, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    crate::prg::fill(&crate::Seed::from_bytes([7; 16]), seed, 0, &mut out);
    out
}

fn check(batch: usize, shape: Shape) {
    let Shape { m, k, n } = shape;
    let (a, b) = (words(1, batch * m * k), words(2, batch * k * n));
    let start = words(3, batch * m * n);
    for update in [Update::Set, Update::Add, Update::Subtract] {
        let expected: Vec<u64> = (0..batch)
            .flat_map(|e| {
                plain(update, shape, &a[e * m * k..][..m * k], &b[e * k * n..][..k * n], &start[e * m * n..][..m * n])
            })
            .collect();
        for level in Level::ALL.into_iter().filter(|&level| level <= level::hardware()) {
            let mut c = start.clone();
            at_level(level, update, batch, shape, &a, &b, &mut c);
            assert!(c == expected, "{level:?} {update:?} {batch} x {shape:?}");
        }
    }
}

#[test]
fn all_small_shapes_agree_with_the_definition() {
    for m in 0..=10 {
        for k in [0, 1, 2, 3, 7, 8, 9] {
            for n in 0..=18 {
                check(1, Shape { m, k, n });
            }
        }
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
    ] {
        check(batch, Shape { m, k, n });
    }
}

#[test]
fn extreme_words_wrap() {
    let (m, k, n) = (9, 600, 17);
    let a = vec![u64::MAX; m * k];
    let b = vec![u64::MAX; k * n];
    let mut c = vec![0; m * n];
    matmul(1, m, k, n, &a, &b, &mut c);
    assert!(c.iter().all(|&word| word == k as u64));
    matmul_subtract(1, m, k, n, &a, &b, &mut c);
    assert!(c.iter().all(|&word| word == 0));
    matmul_add(1, m, k, n, &a, &b, &mut c);
    assert!(c.iter().all(|&word| word == k as u64));
}

#[test]
#[should_panic(expected = "right operand")]
fn a_wrong_length_is_refused() {
    matmul(1, 2, 2, 2, &[0; 4], &[0; 3], &mut [0; 4]);
}

proptest! {
    #[test]
    fn any_shape_agrees_with_the_definition(
        batch in 1usize..3, m in 1usize..40, k in 1usize..300, n in 1usize..70,
    ) {
        check(batch, Shape { m, k, n });
    }
}
