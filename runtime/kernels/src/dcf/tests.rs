use super::*;
use crate::prg::{Prg, Seed};

/// A batch of keys with everything about it.
struct Keys<const N: usize> {
    tree: Tree,
    roots: [Vec<u64>; 2],
    seeds: Vec<u64>,
    controls: Vec<u64>,
    values: Vec<u64>,
}

fn words(seed: u8, stream: u64, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    Prg::new(&Seed::from_bytes([seed; 16])).fill(stream, 0, &mut out);
    out
}

impl<const N: usize> Keys<N> {
    fn new(level: Level, tree: Tree, alpha: &[u64], payload: [&[u64]; N], seed: u8) -> Keys<N> {
        let [s, c, v] = words_per_key(tree, N).map(|n| vec![0; n * alpha.len()]);
        let roots = [words(seed, 0, 2 * alpha.len()), words(seed, 1, 2 * alpha.len())];
        let mut keys = Keys { tree, roots, seeds: s, controls: c, values: v };
        let out = Words { seeds: &mut keys.seeds[..], controls: &mut keys.controls[..], values: &mut keys.values[..] };
        generate_at(level, tree, alpha, payload, [&keys.roots[0], &keys.roots[1]], out);
        keys
    }

    fn share(&self, level: Level, party: u8, points: &[u64]) -> [Vec<u64>; N] {
        let mut out = [(); N].map(|()| vec![0; points.len()]);
        let given = Words { seeds: &self.seeds[..], controls: &self.controls[..], values: &self.values[..] };
        evaluate_at(
            level,
            self.tree,
            party,
            points,
            &self.roots[usize::from(party)],
            given,
            out.each_mut().map(Vec::as_mut_slice),
        );
        out
    }

    /// The shares' sum.
    fn value(&self, points: &[u64]) -> [Vec<u64>; N] {
        let shares = [0, 1].map(|party| self.share(level::current(), party, points));
        std::array::from_fn(|j| shares[0][j].iter().zip(&shares[1][j]).map(|(a, b)| a.wrapping_add(*b)).collect())
    }
}

/// Trees of `bits` bits, whole and ended early.
fn trees(bits: u32) -> impl Iterator<Item = Tree> {
    (0..bits.min(MOST_LEAF_BITS + 1)).map(move |leaf_bits| Tree { bits, leaf_bits })
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= level::hardware())
}

#[test]
fn shares_sum_to_the_payload_below_the_threshold_exhaustively() {
    for tree in (1..=8).chain([10]).flat_map(trees) {
        let (bits, size) = (tree.bits, 1u64 << tree.bits);
        let alpha: Vec<u64> = (0..size).collect();
        let payload = [words(3, 2, alpha.len()), words(3, 3, alpha.len())];
        let keys = Keys::new(level::current(), tree, &alpha, [&payload[0], &payload[1]], bits as u8);
        for x in 0..size {
            let value = keys.value(&vec![x; alpha.len()]);
            for j in 0..2 {
                for (i, a) in alpha.iter().enumerate() {
                    let want = if x < *a { payload[j][i] } else { 0 };
                    assert_eq!(value[j][i], want, "{tree:?}, word {j}: {x} against {a}");
                }
            }
        }
    }
}

#[test]
fn a_payload_of_one_word_takes_half_the_values() {
    for tree in (1..=8).flat_map(trees) {
        assert_eq!(2 * words_per_key(tree, 1)[2], words_per_key(tree, 2)[2]);
        let alpha: Vec<u64> = (0..1 << tree.bits).collect();
        let payload = words(3, 2, alpha.len());
        let keys = Keys::new(level::current(), tree, &alpha, [&payload], tree.bits as u8);
        for x in 0..1 << tree.bits {
            let [value] = keys.value(&vec![x; alpha.len()]);
            let want = alpha.iter().zip(&payload).map(|(a, b)| if x < *a { *b } else { 0 });
            assert!(value.into_iter().eq(want), "{tree:?} at {x}");
        }
    }
}

#[test]
#[should_panic(expected = "one or two words")]
fn a_payload_of_three_words_is_refused() {
    let out = Words { seeds: &mut [][..], controls: &mut [][..], values: &mut [][..] };
    generate(Tree { bits: 2, leaf_bits: 0 }, &[], &[&[], &[], &[]], [&[], &[]], out);
}

#[test]
fn shares_sum_to_the_payload_at_and_around_random_thresholds() {
    for tree in [17, 18, 23, 30, 32].into_iter().flat_map(trees) {
        let bits = tree.bits;
        let mask = (1u64 << bits) - 1;
        let mut alpha: Vec<u64> = words(5, u64::from(bits), 203).iter().map(|w| w & mask).collect();
        alpha[..4].copy_from_slice(&[0, 1, mask, mask ^ (mask >> 1)]);
        let payload = [words(6, 2, alpha.len()), words(6, 3, alpha.len())];
        let keys = Keys::new(level::current(), tree, &alpha, [&payload[0], &payload[1]], 7);
        let noise = words(8, 9, alpha.len());
        for x in 0..6 {
            let points: Vec<u64> = alpha
                .iter()
                .zip(&noise)
                .map(|(a, noise)| [a.wrapping_sub(1), *a, a + 1, 0, mask, *noise][x] & mask)
                .collect();
            let value = keys.value(&points);
            for (i, (point, a)) in points.iter().zip(&alpha).enumerate() {
                let want = if point < a { [payload[0][i], payload[1][i]] } else { [0, 0] };
                assert_eq!([value[0][i], value[1][i]], want, "{tree:?}: {point} against {a}");
            }
        }
    }
}

#[test]
fn every_level_gives_the_same_words_and_shares() {
    let alpha: Vec<u64> = words(9, 0, 71).iter().map(|w| w & 0x3ffff).collect();
    let payload = [words(9, 1, 71), words(9, 2, 71)];
    let points = words(9, 3, 71);
    for tree in trees(18) {
        let reference = Keys::new(Level::Portable, tree, &alpha, [&payload[0], &payload[1]], 4);
        for level in levels() {
            let keys = Keys::new(level, tree, &alpha, [&payload[0], &payload[1]], 4);
            assert_eq!((&keys.seeds, &keys.controls), (&reference.seeds, &reference.controls), "{level:?}");
            assert_eq!(keys.values, reference.values, "{level:?}");
            for party in 0..2 {
                let shares = keys.share(level, party, &points);
                assert_eq!(shares, reference.share(Level::Portable, party, &points), "{level:?}");
            }
        }
    }
}

/// A batch of one gives what the same key gives within a larger batch.
#[test]
fn keys_do_not_depend_on_their_neighbours() {
    let alpha: Vec<u64> = (0..45).map(|i| i * 21).collect();
    let payload = [words(1, 1, 45), words(1, 2, 45)];
    let tree = Tree { bits: 10, leaf_bits: 2 };
    let keys = Keys::new(level::current(), tree, &alpha, [&payload[0], &payload[1]], 2);
    let share = keys.share(level::current(), 1, &vec![400; 45]);
    for (i, shared) in share[0].iter().copied().zip(share[1].iter().copied()).enumerate() {
        let [s, _, v] = words_per_key(tree, 2);
        let given = Words {
            seeds: &keys.seeds[i * s..(i + 1) * s],
            controls: &keys.controls[i..=i],
            values: &keys.values[i * v..(i + 1) * v],
        };
        let (mut a, mut b) = ([0], [0]);
        evaluate(tree, 1, &[400], &keys.roots[1][2 * i..2 * i + 2], given, &mut [&mut a, &mut b]);
        assert_eq!((a[0], b[0]), shared);
    }
}

/// What one party holds and computes has the same, uniform distribution for every threshold and payload, given its root:
/// every byte of every word over many keys with one root of that party and fresh ones of the other.
#[test]
fn correction_words_and_single_shares_look_uniform_for_every_threshold() {
    let keys = 8192usize;
    let secrets = [(0u64, 0u64), (1, 1), (37, 1 << 40), (63, u64::MAX)];
    let whole = secrets.map(|secret| (Tree { bits: 6, leaf_bits: 0 }, secret));
    let ended = secrets.map(|secret| (Tree { bits: 6, leaf_bits: 2 }, secret));
    for (tree, (alpha, beta)) in whole.into_iter().chain(ended) {
        for party in 0..2usize {
            let (alphas, payload) = (vec![alpha; keys], vec![beta; keys]);
            let mut roots = [words(11, 0, 2 * keys), words(11, 1, 2 * keys)];
            for own in roots[party].chunks_mut(2) {
                own.copy_from_slice(&[0x1234_5678_9abc_def0, 42]);
            }
            let [mut s, mut c, mut v] = words_per_key(tree, 2).map(|n| vec![0; n * keys]);
            let out = Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
            generate(tree, &alphas, &[&payload, &payload], [&roots[0], &roots[1]], out);
            let mut words: Vec<(&str, Vec<u64>)> = vec![];
            let columns = |name: &'static str, data: &[u64], per_key: usize| -> Vec<(&'static str, Vec<u64>)> {
                (0..per_key).map(|w| (name, data.iter().skip(w).step_by(per_key).copied().collect())).collect()
            };
            words.extend(columns("seed", &s, words_per_key(tree, 2)[0]));
            words.extend(columns("value", &v, words_per_key(tree, 2)[2]));
            let given = Words { seeds: &s[..], controls: &c[..], values: &v[..] };
            let (mut a, mut b) = (vec![0; keys], vec![0; keys]);
            evaluate(tree, party as u8, &vec![20; keys], &roots[party], given, &mut [&mut a, &mut b]);
            words.extend([("slope", a), ("intercept", b)]);
            for (name, column) in &words {
                for shift in [0, 4, 32, 60] {
                    let mut counts = [0f64; 16];
                    column.iter().for_each(|w| counts[(w >> shift & 15) as usize] += 1.0);
                    let expected = keys as f64 / 16.0;
                    let chi: f64 = counts.iter().map(|n| (n - expected).powi(2) / expected).sum();
                    // 15 degrees of freedom: exceeded once in about 10^9.
                    assert!(chi < 75.0, "{name} of party {party} at bit {shift} for {alpha}: {chi}");
                }
            }
            for depth in 0..tree.levels() {
                let ones = c.iter().filter(|w| *w >> depth & 1 == 1).count() as f64;
                assert!((ones - keys as f64 / 2.0).abs() < 6.0 * (keys as f64).sqrt() / 2.0, "control {depth}: {ones}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "1 to 32 bits")]
fn a_comparison_of_too_many_bits_is_refused() {
    let tree = Tree { bits: 33, leaf_bits: 0 };
    evaluate(tree, 0, &[], &[], Words { seeds: &[], controls: &[], values: &[] }, &mut [&mut [], &mut []]);
}

#[test]
#[should_panic(expected = "at least one")]
fn a_tree_without_a_level_is_refused() {
    let tree = Tree { bits: 2, leaf_bits: 2 };
    evaluate(tree, 0, &[], &[], Words { seeds: &[], controls: &[], values: &[] }, &mut [&mut [], &mut []]);
}

#[test]
#[should_panic(expected = "1 keys of 4 words")]
fn a_key_of_the_wrong_length_is_refused() {
    let words = Words { seeds: &[0; 3][..], controls: &[0][..], values: &[0; 6][..] };
    evaluate(Tree { bits: 2, leaf_bits: 0 }, 0, &[0], &[0, 0], words, &mut [&mut [0], &mut [0]]);
}
