//! A party's part: its share of the function's value at an opened number.

use crate::level::{self, Level};
use crate::prg::Cipher;
use crate::tree::{Block, Correction, cleared, pair, tweaked};

use super::entry::{Entry, Width};
use super::fit::{Cubics, DISTANCES, around, rounded};
use super::keys::{KEY, VALUE, Words, blocks, words_per_key};
use super::{FIRST, NEAR, POWERS, RowTable};

const KEPT: usize = NEAR as usize;
/// Nodes of the coarsest level with a payload.
const TOP: usize = 1 << FIRST;

/// Party `party`'s shares of the function of the number opened as `points[i]`, read modulo 2^ring_bits, one per key.
///
/// `root` is the party's own; the words are those of [`super::generate`] for the same table and width. The shares add up
/// modulo 2^64 or 2^128, or modulo any smaller power of two if the values are only known modulo that, to what
/// [`super::plain`] gives. Control flow and addresses depend on `points` alone.
///
/// # Panics
/// As [`super::generate`], and if `party` is not 0 or 1.
pub fn evaluate(
    table: &RowTable,
    width: Width,
    party: u8,
    points: &[u64],
    root: &[u64],
    words: Words<&[u64]>,
    out: &mut [u64],
) {
    match width {
        Width::Word => evaluate_at::<u64>(level::current(), table, party, points, root, words, out),
        Width::Double => evaluate_at::<u128>(level::current(), table, party, points, root, words, out),
    }
}

pub(super) fn evaluate_at<E: Entry>(
    level: Level,
    table: &RowTable,
    party: u8,
    points: &[u64],
    root: &[u64],
    words: Words<&[u64]>,
    out: &mut [u64],
) {
    assert!(party < 2, "there are two parties, 0 and 1");
    let (keys, sizes) = (points.len(), words_per_key(table.levels));
    let lengths = [words.seeds.len(), words.controls.len(), words.values.len()];
    assert_eq!(lengths, [sizes[0] * keys, keys, sizes[2] * keys * E::WORDS], "words of {keys} keys");
    assert_eq!([root.len(), out.len()], [2 * keys, E::WORDS * keys], "a root and a result for each key");
    let cipher = Cipher::new(level, &KEY);
    let cubics = Cubics::new(table);
    for (i, point) in points.iter().enumerate() {
        let key = Key {
            seeds: &words.seeds[i * sizes[0]..][..sizes[0]],
            controls: words.controls[i],
            values: &words.values[i * sizes[2] * E::WORDS..][..sizes[2] * E::WORDS],
        };
        let walk = Walk { cipher: &cipher, table, cubics: &cubics, key };
        let sum: E = walk.sum(*point, walk.top(cleared(pair(root, i)), party));
        let twice = sum.add(sum).times_bit(party.into());
        sum.sub(twice).write(out, i);
    }
}

/// The words of one key.
struct Key<'a> {
    seeds: &'a [u64],
    controls: u64,
    values: &'a [u64],
}

impl Key<'_> {
    /// The left or right child of a node one level above `level`, from the hash of the node's seed.
    fn child(&self, level: u32, side: u64, hashed: Block, parent: u64) -> Node {
        let depth = (level - 1) as usize;
        let correction = Correction::dealt(pair(self.seeds, depth), self.controls >> depth & 1);
        let (seed, control) = correction.child(hashed, side, parent);
        Node { seed, control }
    }
}

#[derive(Clone, Copy, Default)]
struct Node {
    seed: Block,
    control: u64,
}

/// One key, to be evaluated at one number.
struct Walk<'a> {
    cipher: &'a Cipher,
    table: &'a RowTable,
    cubics: &'a Cubics,
    key: Key<'a>,
}

impl Walk<'_> {
    /// All nodes of the coarsest level with a payload, by their number.
    fn top(&self, seed: Block, party: u8) -> [Node; TOP] {
        let mut nodes = [Node::default(); TOP];
        nodes[0] = Node { seed, control: party.into() };
        for level in 1..=FIRST {
            let count = 1 << level;
            let mut blocks = [[0u64; 2]; TOP];
            for (child, block) in blocks[..count].iter_mut().enumerate() {
                *block = tweaked(nodes[child / 2].seed, child as u64 & 1);
            }
            self.cipher.hash(&mut blocks[..count]);
            let parents = nodes;
            for (child, node) in nodes[..count].iter_mut().enumerate() {
                *node = self.key.child(level, child as u64 & 1, blocks[child], parents[child / 2].control);
            }
        }
        nodes
    }

    /// The sum over all taken nodes, without the sign of the party.
    fn sum<E: Entry>(&self, point: u64, top: [Node; TOP]) -> E {
        let Walk { cipher, table, cubics, key } = self;
        let point = point & ((1 << table.ring_bits) - 1);
        let bucket = |level: u32| point >> table.bucket_bits(level);
        let first = bucket(FIRST) as usize;
        // By distance.
        let mut nodes: [Node; DISTANCES] = std::array::from_fn(|d| top[first.wrapping_sub(d) % TOP]);
        let mut end = DISTANCES;
        let mut sum = E::default();
        let count = blocks(E::WORDS);
        for level in FIRST..=table.levels {
            let last = level == table.levels;
            let taken = if last { 0 } else { KEPT }..end;
            // What the taken nodes give, and the children of the others.
            let mut hashed = [[0u64; 2]; (2 * POWERS + 1) * DISTANCES];
            let values = taken.len() * count;
            for (node, blocks) in nodes[taken.clone()].iter().zip(hashed.chunks_exact_mut(count)) {
                for (tweak, block) in (VALUE..).zip(blocks) {
                    *block = tweaked(node.seed, tweak);
                }
            }
            let (next, descend) = if last {
                (0, 0)
            } else {
                let bit = bucket(level + 1) & 1;
                (bit as usize, DISTANCES - 1 + bit as usize)
            };
            // A child of the node at distance d lies at 2d + bit − side.
            let parent = |distance: usize| {
                let side = (next ^ distance) & 1;
                ((distance + side - next) / 2, side as u64)
            };
            for (distance, block) in hashed[values..][..descend].iter_mut().enumerate() {
                let (d, side) = parent(distance);
                *block = tweaked(nodes[d].seed, side);
            }
            cipher.hash(&mut hashed[..values + descend]);
            let tau =
                rounded(point & ((1 << table.bucket_bits(level)) - 1), table.bucket_bits(level), table.position_bits);
            let corrections: [E; POWERS] =
                std::array::from_fn(|q| E::read(key.values, (level - FIRST) as usize * POWERS + q));
            let words = hashed.as_flattened();
            for (i, d) in taken.enumerate() {
                let factors = around(cubics.level(level)[d], tau.cast_signed(), table.position_bits);
                for (q, factor) in factors.into_iter().enumerate() {
                    let corrected = corrections[q].times_bit(nodes[d].control);
                    sum = sum.add(E::read(words, i * POWERS + q).add(corrected).times(factor));
                }
            }
            let parents = nodes;
            for (distance, node) in nodes[..descend].iter_mut().enumerate() {
                let (d, side) = parent(distance);
                *node = key.child(level + 1, side, hashed[values + distance], parents[d].control);
            }
            end = descend;
        }
        sum
    }
}
