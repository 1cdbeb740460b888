//! The dealer's part: keys of the incremental point function on the path of each mask.

use crate::level::{self, Level};
use crate::prg::Cipher;
use crate::tree::{Block, Correction, cleared, pair, select, spread, tweaked};

use super::entry::{Entry, Width};
use super::plain::powers;
use super::{FIRST, POWERS, RowTable};

/// The public AES key of the hash; any constant serves.
pub(super) const KEY: [u8; 16] = *b"mpcc row mmo key";

/// Tweaks of blocks that become payloads; 0 and 1 are those of the children.
pub(super) const VALUE: u64 = 2;

/// Blocks that become a payload of entries of one or two words.
pub(super) const fn blocks(words: usize) -> usize {
    POWERS * words / 2
}

/// Keys that are generated together.
const GENERATED: usize = 8;

/// The part of a batch of keys that both parties hold. Words are `[key][level][2]` in `seeds`, one per key in `controls`,
/// and entries `[key][level from the first with a payload on][power]` in `values`. Bit 0 of a level's first seed word and
/// the level's bit of `controls` correct the control bits of the left and of the right child.
pub struct Words<T> {
    /// `2 * levels` words per key, all 64 bits used.
    pub seeds: T,
    /// One word of `levels` bits per key.
    pub controls: T,
    /// `4 * (levels − 3)` entries per key: only their low bits matter if shares are used modulo a smaller power of two.
    pub values: T,
}

/// Entries per key of the buffers of [`Words`], in their order.
pub fn words_per_key(levels: u32) -> [usize; 3] {
    [2 * levels as usize, 1, POWERS * (levels - FIRST + 1) as usize]
}

/// Fills the correction words of one key per mask, for shares in rings of `width`.
///
/// `roots[p]` holds two uniform words per key: party p's secret half, of which bit 0 of the first word is ignored.
/// Neither control flow nor addresses depend on masks or seeds.
///
/// # Panics
/// If the table breaks a rule of [`RowTable::check`], or a slice has another length than its words per key.
pub fn generate(table: &RowTable, width: Width, masks: &[u64], roots: [&[u64]; 2], out: Words<&mut [u64]>) {
    match width {
        Width::Word => generate_at::<u64>(level::current(), table, masks, roots, out),
        Width::Double => generate_at::<u128>(level::current(), table, masks, roots, out),
    }
}

pub(super) fn generate_at<E: Entry>(
    level: Level,
    table: &RowTable,
    masks: &[u64],
    roots: [&[u64]; 2],
    out: Words<&mut [u64]>,
) {
    let keys = masks.len();
    let sizes = words_per_key(table.levels);
    let lengths = [out.seeds.len(), out.controls.len(), out.values.len()];
    assert_eq!(lengths, [sizes[0] * keys, keys, sizes[2] * keys * E::WORDS], "words of {keys} keys");
    assert_eq!(roots.map(<[u64]>::len), [2 * keys; 2], "a root of each party for each key");
    let cipher = Cipher::new(level, &KEY);
    let Words { seeds, controls, values } = out;
    let seeds = seeds.chunks_mut(GENERATED * sizes[0]);
    let values = values.chunks_mut(GENERATED * sizes[2] * E::WORDS);
    for (i, ((seeds, values), controls)) in seeds.zip(values).zip(controls.chunks_mut(GENERATED)).enumerate() {
        let first = i * GENERATED;
        let out = Words { seeds, controls, values };
        batch::<E>(&cipher, table, &masks[first..first + out.controls.len()], roots.map(|r| &r[2 * first..]), out);
    }
}

fn batch<E: Entry>(cipher: &Cipher, table: &RowTable, masks: &[u64], roots: [&[u64]; 2], out: Words<&mut [u64]>) {
    const CHILDREN: usize = 4 * GENERATED;
    let keys = masks.len();
    let levels = table.levels;
    let root = |p: usize| -> [Block; GENERATED] {
        std::array::from_fn(|i| if i < keys { cleared(pair(roots[p], i)) } else { [0; 2] })
    };
    let mut seed = [root(0), root(1)];
    let mut control = [[0u64; GENERATED], [1; GENERATED]];
    out.controls.fill(0);
    for level in 1..=levels {
        let mut children = [[0u64; 2]; CHILDREN];
        let at = |party: usize, side: u64, i: usize| (2 * party + side as usize) * GENERATED + i;
        for (party, seed) in seed.iter().enumerate() {
            for side in 0..2 {
                for (i, seed) in seed.iter().enumerate() {
                    children[at(party, side, i)] = tweaked(*seed, side);
                }
            }
        }
        cipher.hash(&mut children);
        for i in 0..keys {
            let a = masks[i] >> table.bucket_bits(level) & 1;
            let right = spread(a);
            let both = [0, 1].map(|party| [0, 1].map(|side| children[at(party, side, i)]));
            let correction = Correction::new(both, a);
            let (words, flip) = correction.words();
            out.seeds[2 * (i * levels as usize + level as usize - 1)..][..2].copy_from_slice(&words);
            out.controls[i] |= flip << (level - 1);
            for party in 0..2 {
                let [l, r] = both[party];
                let keep = std::array::from_fn(|j| select(right, r[j], l[j]));
                (seed[party][i], control[party][i]) = correction.child(keep, a, control[party][i]);
            }
        }
        if level >= FIRST {
            payload::<E>(cipher, table, level, (masks, &seed, &control), out.values);
        }
    }
}

/// The correction words of a level's payload: what makes both parties' words at the node add up to the powers.
fn payload<E: Entry>(
    cipher: &Cipher,
    table: &RowTable,
    level: u32,
    (masks, seed, control): (&[u64], &[[Block; GENERATED]; 2], &[[u64; GENERATED]; 2]),
    values: &mut [u64],
) {
    let count = blocks(E::WORDS);
    let mut hashed = [[0u64; 2]; 2 * POWERS * GENERATED];
    let hashed = &mut hashed[..2 * count * GENERATED];
    for (node, seed) in seed.iter().flatten().enumerate() {
        for (tweak, block) in (VALUE..).zip(&mut hashed[node * count..][..count]) {
            *block = tweaked(*seed, tweak);
        }
    }
    cipher.hash(hashed);
    let words = hashed.as_flattened();
    let per_key = words_per_key(table.levels)[2];
    for (i, mask) in masks.iter().enumerate() {
        for (q, power) in powers(table, *mask, level).into_iter().enumerate() {
            let word = |party: usize| E::read(words, (party * GENERATED + i) * POWERS + q);
            let value = E::small(power).sub(word(0)).add(word(1));
            // Negated if the data owner is the one who adds it.
            let twice = value.add(value).times_bit(control[1][i]);
            value.sub(twice).write(values, i * per_key + (level - FIRST) as usize * POWERS + q);
        }
    }
}
