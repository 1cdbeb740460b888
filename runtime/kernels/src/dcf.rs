//! Distributed comparison functions: two keys that give shares of `β·[x < α]` at any public x, and hide α and β singly.
//!
//! The construction is that of Boyle, Chandran, Gilboa, Gupta, Ishai, Kumar and Rathee (Function Secret Sharing for
//! Mixed-Mode and Fixed-Point Secure Computation, EUROCRYPT 2021, figure 1): a binary tree of seeds with one correction
//! word per level, here with a payload of one or two words modulo 2^64. The tree may end some levels early: a seed there grows
//! into the values of all leaves below it, each with a correction of its own (Boyle, Gilboa and Ishai, Function Secret Sharing:
//! Improvements and Extensions, CCS 2016, section 3.2.3, for point functions). Seeds grow by fixed-key AES in Matyas–Meyer–Oseas form,
//! H(s) = AES(s) ⊕ s, with one public key and a tweak per output (child or value, left or right, or which leaf); Guo, Katz, Wang
//! and Yu (IEEE S&P 2020) analyse it as a correlation-robust hash. A key serves one comparison function only.
//! Neither control flow nor addresses depend on α, β or a seed.

use crate::level::{self, Level};
use crate::prg::Cipher;
use crate::tree::{Block, Correction, cleared, pair, select, spread, tweaked};

/// Most bits of a comparison.
pub const MOST_BITS: u32 = 32;

/// By how many levels a tree may end early.
pub const MOST_LEAF_BITS: u32 = 4;

/// The public AES key of the hash; any constant serves.
const KEY: [u8; 16] = *b"mpcc dcf mmo key";

/// Tweak of blocks that become values and not seeds.
const VALUE: u64 = 2;

/// Keys that are generated together, and points that are evaluated together.
const GENERATED: usize = 8;
const EVALUATED: usize = 32;

/// The shape of a key's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Bits of a comparison.
    pub bits: u32,
    /// By how many levels the tree ends early: a node at its end has 2^`leaf_bits` leaves.
    pub leaf_bits: u32,
}

impl Tree {
    /// None of a tree that is refused.
    fn levels(self) -> usize {
        self.bits.saturating_sub(self.leaf_bits) as usize
    }

    fn leaves(self) -> usize {
        1 << self.leaf_bits.min(MOST_LEAF_BITS)
    }

    /// Corrections of values of a key, of each word of the payload.
    fn values(self) -> usize {
        self.levels() + self.leaves()
    }

    fn check(self) {
        let Tree { bits, leaf_bits } = self;
        assert!((1..=MOST_BITS).contains(&bits), "a comparison has 1 to {MOST_BITS} bits, not {bits}");
        assert!(
            leaf_bits < bits && leaf_bits <= MOST_LEAF_BITS,
            "a tree ends at most {MOST_LEAF_BITS} levels early and has at least one, which {leaf_bits} of {bits} do not leave"
        );
    }
}

/// The part of a batch of keys that both parties hold. Words are `[key][level][2]` in `seeds` and
/// `[key][level or leaf][word of the payload]` in `values`, leaves behind levels. Bit 0 of a level's first seed word and the
/// level's bit of `controls` (one word per key) correct the control bits of the left and of the right child.
pub struct Words<T> {
    /// Two words per key and level, all 64 bits used.
    pub seeds: T,
    /// One word per key, with a bit per level.
    pub controls: T,
    /// A word per key, level or leaf, and word of the payload: only their low bits matter if shares are used modulo a smaller
    /// power of two.
    pub values: T,
}

/// Words per key of the buffers of [`Words`], in their order, for a payload of so many words.
pub fn words_per_key(tree: Tree, payload: usize) -> [usize; 3] {
    [2 * tree.levels(), 1, payload * tree.values()]
}

/// Fills the correction words of one key per entry of `alpha`.
///
/// `alpha[i]` is read modulo 2^bits, `payload[j][i]` is word j of β, and `roots[p]` holds two uniform words per key: party
/// p's secret half of the key, of which bit 0 of the first word is ignored.
///
/// # Panics
/// If there are not 1 to [`MOST_BITS`] bits, or not more than leaf bits, which are at most [`MOST_LEAF_BITS`], if the payload has
/// neither one nor two words, or a slice has another length than its words per key.
pub fn generate(tree: Tree, alpha: &[u64], payload: &[&[u64]], roots: [&[u64]; 2], out: Words<&mut [u64]>) {
    match *payload {
        [word] => generate_at(level::current(), tree, alpha, [word], roots, out),
        [first, second] => generate_at(level::current(), tree, alpha, [first, second], roots, out),
        _ => panic!("a payload has one or two words, not {}", payload.len()),
    }
}

fn generate_at<const N: usize>(
    level: Level,
    tree: Tree,
    alpha: &[u64],
    payload: [&[u64]; N],
    roots: [&[u64]; 2],
    out: Words<&mut [u64]>,
) {
    tree.check();
    let [seeds, controls, values] = words_per_key(tree, N);
    check(alpha.len(), &[(2, roots[0].len()), (2, roots[1].len())]);
    check(alpha.len(), &payload.map(|word| (1, word.len())));
    check(alpha.len(), &[(seeds, out.seeds.len()), (controls, out.controls.len()), (values, out.values.len())]);
    let cipher = Cipher::new(level, &KEY);
    let (mut s, mut c, mut v) = (out.seeds, out.controls, out.values);
    for first in (0..alpha.len()).step_by(GENERATED) {
        let keys = GENERATED.min(alpha.len() - first);
        let (s0, s1) = s.split_at_mut(keys * seeds);
        let (c0, c1) = c.split_at_mut(keys);
        let (v0, v1) = v.split_at_mut(keys * values);
        let part = |words: &[u64]| -> [u64; GENERATED] {
            std::array::from_fn(|i| if i < keys { words[first + i] } else { 0 })
        };
        let root = |p: usize| -> [Block; GENERATED] {
            std::array::from_fn(|i| if i < keys { pair(roots[p], first + i) } else { [0; 2] })
        };
        let batch = Batch { keys, tree, alpha: part(alpha), payload: payload.map(part), roots: [root(0), root(1)] };
        batch.generate(&cipher, Words { seeds: s0, controls: c0, values: v0 });
        (s, c, v) = (s1, c1, v1);
    }
}

/// Party `party`'s shares of the words of `β·[x < α]`, at one x of `points` per key, read modulo 2^bits.
///
/// `root` is the party's own; the words are those of [`generate`]. The shares add up modulo 2^64, or modulo any smaller
/// power of two if the values are only known modulo that. One key may be evaluated at several points.
///
/// # Panics
/// As [`generate`], and if `party` is not 0 or 1.
pub fn evaluate(tree: Tree, party: u8, points: &[u64], root: &[u64], words: Words<&[u64]>, out: &mut [&mut [u64]]) {
    match out {
        [word] => evaluate_at(level::current(), tree, party, points, root, words, [word]),
        [first, second] => evaluate_at(level::current(), tree, party, points, root, words, [first, second]),
        _ => panic!("a payload has one or two words, not {}", out.len()),
    }
}

fn evaluate_at<const N: usize>(
    level: Level,
    tree: Tree,
    party: u8,
    points: &[u64],
    root: &[u64],
    words: Words<&[u64]>,
    mut out: [&mut [u64]; N],
) {
    assert!(party < 2, "there are two parties, 0 and 1");
    tree.check();
    let [seeds, controls, values] = words_per_key(tree, N);
    check(
        points.len(),
        &[(2, root.len()), (seeds, words.seeds.len()), (controls, words.controls.len()), (values, words.values.len())],
    );
    check(points.len(), &out.each_ref().map(|word| (1, word.len())));
    let cipher = Cipher::new(level, &KEY);
    let (levels, all) = (tree.levels(), tree.values());
    let leaf = |point: u64| point & (tree.leaves() as u64 - 1);
    let negative = spread(u64::from(party));
    for first in (0..points.len()).step_by(EVALUATED) {
        let keys = EVALUATED.min(points.len() - first);
        let mut seed = [[0u64; 2]; EVALUATED];
        let mut control = [u64::from(party); EVALUATED];
        let mut sum = [[0u64; N]; EVALUATED];
        for (i, seed) in seed[..keys].iter_mut().enumerate() {
            *seed = cleared(pair(root, first + i));
        }
        for depth in 0..levels {
            let shift = tree.bits as usize - 1 - depth;
            let mut blocks = [[0u64; 2]; 2 * EVALUATED];
            for i in 0..keys {
                let side = points[first + i] >> shift & 1;
                blocks[i] = tweaked(seed[i], side);
                blocks[keys + i] = tweaked(seed[i], VALUE | side);
            }
            cipher.hash(&mut blocks[..2 * keys]);
            for i in 0..keys {
                let side = points[first + i] >> shift & 1;
                let (child, value) = (blocks[i], blocks[keys + i]);
                let on = spread(control[i]);
                let right = words.controls[first + i] >> depth & 1;
                let correction = Correction::dealt(pair(words.seeds, (first + i) * levels + depth), right);
                let added = N * ((first + i) * all + depth);
                for j in 0..N {
                    sum[i][j] = sum[i][j].wrapping_add(value[j]).wrapping_add(on & words.values[added + j]);
                }
                (seed[i], control[i]) = correction.child(child, side, control[i]);
            }
        }
        let mut leaves = [[0u64; 2]; EVALUATED];
        for i in 0..keys {
            leaves[i] = tweaked(seed[i], leaf_tweak(leaf(points[first + i])));
        }
        cipher.hash(&mut leaves[..keys]);
        for i in 0..keys {
            let added = N * ((first + i) * all + levels + leaf(points[first + i]) as usize);
            let on = spread(control[i]);
            for (j, word) in out.iter_mut().enumerate() {
                let share = sum[i][j].wrapping_add(leaves[i][j]).wrapping_add(on & words.values[added + j]);
                word[first + i] = signed(share, negative);
            }
        }
    }
}

/// Keys that are generated together, unused ones zero.
struct Batch<const N: usize> {
    keys: usize,
    tree: Tree,
    alpha: [u64; GENERATED],
    payload: [[u64; GENERATED]; N],
    roots: [[Block; GENERATED]; 2],
}

impl<const N: usize> Batch<N> {
    fn generate(&self, cipher: &Cipher, out: Words<&mut [u64]>) {
        let (tree, levels, all) = (self.tree, self.tree.levels(), self.tree.values());
        let mut seed = self.roots.map(|party| party.map(cleared));
        let mut control = [[0u64; GENERATED], [1; GENERATED]];
        // The sum of both parties' values on the path of α so far.
        let mut total = [[0u64; N]; GENERATED];
        out.controls.fill(0);
        for depth in 0..levels {
            let mut blocks = [[0u64; 2]; 8 * GENERATED];
            let at = |party: usize, tweak: u64, i: usize| (party * 4 + tweak as usize) * GENERATED + i;
            for party in 0..2 {
                for tweak in 0..4 {
                    for i in 0..GENERATED {
                        blocks[at(party, tweak, i)] = tweaked(seed[party][i], tweak);
                    }
                }
            }
            cipher.hash(&mut blocks);
            for i in 0..self.keys {
                let a = self.alpha[i] >> (tree.bits as usize - 1 - depth) & 1;
                let keep_right = spread(a);
                let side = |party: usize, value: u64, mask: u64| -> Block {
                    let (left, right) = (blocks[at(party, value, i)], blocks[at(party, value | 1, i)]);
                    std::array::from_fn(|j| select(mask, right[j], left[j]))
                };
                let keep = [side(0, 0, keep_right), side(1, 0, keep_right)];
                let children = [0, 1].map(|party| [0, 1].map(|right| blocks[at(party, right, i)]));
                let keep_value = [side(0, VALUE, keep_right), side(1, VALUE, keep_right)];
                let lose_value = [side(0, VALUE, !keep_right), side(1, VALUE, !keep_right)];
                let correction = Correction::new(children, a);
                let negative = spread(control[1][i]);
                for j in 0..N {
                    let beta = self.payload[j][i] & keep_right;
                    let value = lose_value[1][j].wrapping_sub(lose_value[0][j]).wrapping_sub(total[i][j]);
                    let value = signed(value.wrapping_add(beta), negative);
                    let kept = keep_value[0][j].wrapping_sub(keep_value[1][j]);
                    total[i][j] = total[i][j].wrapping_add(kept).wrapping_add(signed(value, negative));
                    out.values[N * (i * all + depth) + j] = value;
                }
                let (words, right) = correction.words();
                out.seeds[2 * (i * levels + depth)..][..2].copy_from_slice(&words);
                out.controls[i] |= right << depth;
                for party in 0..2 {
                    (seed[party][i], control[party][i]) = correction.child(keep[party], a, control[party][i]);
                }
            }
        }
        for leaf in 0..tree.leaves() as u64 {
            let mut blocks = [[0u64; 2]; 2 * GENERATED];
            for party in 0..2 {
                for i in 0..GENERATED {
                    blocks[party * GENERATED + i] = tweaked(seed[party][i], leaf_tweak(leaf));
                }
            }
            cipher.hash(&mut blocks);
            for i in 0..self.keys {
                let last = self.alpha[i] & (tree.leaves() as u64 - 1);
                // All ones where the leaf lies below α: the difference is negative.
                let below = spread(leaf.wrapping_sub(last) >> 63);
                for j in 0..N {
                    let value = blocks[GENERATED + i][j].wrapping_sub(blocks[i][j]).wrapping_sub(total[i][j]);
                    let value = value.wrapping_add(self.payload[j][i] & below);
                    out.values[N * (i * all + levels + leaf as usize) + j] = signed(value, spread(control[1][i]));
                }
            }
        }
    }
}

/// The tweak of a leaf's values.
fn leaf_tweak(leaf: u64) -> u64 {
    leaf << 2 | VALUE
}

fn check(keys: usize, buffers: &[(usize, usize)]) {
    for &(words, len) in buffers {
        assert_eq!(keys.checked_mul(words), Some(len), "{keys} keys of {words} words");
    }
}

/// `value`, or its negative if `negative` is all ones.
fn signed(value: u64, negative: u64) -> u64 {
    (value ^ negative).wrapping_sub(negative)
}

#[cfg(test)]
mod tests;
