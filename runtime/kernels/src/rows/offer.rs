//! Functions of one positive number per row by two parties alone: one offers the function's cubic at every bucket that
//! the other's mask may be in, and the other can open the one that it is in.
//!
//! A number v in \[0, 2^k) is opened as v^ = v + r_0 + r_1. Whoever offers knows p = v^ − r_1 = v + r_0, so that r_0 is to it
//! what the whole mask is to the keys of [`super`]: of the bucket of p at a level, n bits of its number, it lists for every
//! choice c what multiplies the powers of ρ in a cubic of τ − ρ at distance d = p + c from zero. The taker's choice is
//! c = −r_0, known before p is, and it has the one pad of c. It reads (1, ρ, ρ², ρ³) times its entry and learns nothing, since
//! every coefficient is masked.
//!
//! A list at one level serves v at d from [`NEAR`] on. Below, the next one takes over, n − 3 levels finer: an entry carries a
//! label of the next list, and there are two, so that the taker opens either entries with cubics or as many with masks
//! alone, and cannot tell which. So exactly one list gives a value, whatever the number of octaves.
//!
//! Labels that open the next of several tables: Yao's garbled tables with colours (Beaver, Micali and Rogaway 1990).

use crate::level;
use crate::prg::Cipher;
use crate::tree::{Block, pair, select, spread, tweaked};

use super::entry::{Entry, Width};
use super::fit::{around, cubic, rounded};
use super::plain::powers;
use super::{FIRST, NEAR, POWERS, RowError, RowTable};

/// The public AES key of the hash; any constant serves.
const KEY: [u8; 16] = *b"mpcc row offers.";

/// Words of a label.
const LABEL: usize = 2;

/// Most bits of a choice.
pub const MOST_CHOICE: u32 = 8;

/// A row function's parameters, and how many bits of a bucket's number a list covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// The function. Its domain is that of keys.
    pub table: RowTable,
    /// n: from 4 to 8, and no more than the table has levels.
    pub choice: u32,
}

/// What whoever offers has of its own, for each row.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// r_1.
    pub masks: &'a [u64],
    /// Pads of all choices, two words each, `[lists, 2^n]`.
    pub pads: &'a [u64],
    /// What masks the coefficients of each power, `[lists]`.
    pub coefficients: [&'a [u64]; POWERS],
    /// Two uniform labels for every list but the first, `[lists − 1, 2]`; none if there is one list.
    pub labels: &'a [u64],
}

impl Offer {
    /// Checks the parameters: those of [`RowTable::check`], and n.
    ///
    /// # Errors
    /// [`RowError::Parameter`] naming the first field that breaks a rule.
    pub fn check(&self) -> Result<(), RowError> {
        self.table.check()?;
        if !(FIRST..=MOST_CHOICE.min(self.table.levels)).contains(&self.choice) {
            let rule = "from 4 to 8 and to the levels of the function";
            return Err(RowError::Parameter { name: "choice", value: self.choice, rule });
        }
        Ok(())
    }

    /// The level of every list, coarsest first.
    pub fn levels(&self) -> Vec<u32> {
        let next = |level: &u32| (*level < self.table.levels).then(|| (level + self.choice - 3).min(self.table.levels));
        std::iter::successors(Some(self.choice), next).collect()
    }

    /// Entries of a row: 2^n in the first list and twice as many in the others.
    pub fn entries(&self) -> usize {
        (2 * self.levels().len() - 1) << self.choice
    }

    /// Entries of a row that carry a label of the next list: those of all lists but the last.
    pub fn labelled(&self) -> usize {
        let lists = self.levels().len();
        if lists == 1 { 0 } else { (2 * lists - 3) << self.choice }
    }

    /// n bits of a number's bucket at a level.
    fn bucket(&self, number: u64, level: u32) -> u64 {
        number >> self.table.bucket_bits(level) & ((1 << self.choice) - 1)
    }

    fn ring(&self, number: u64) -> u64 {
        number & ((1 << self.table.ring_bits) - 1)
    }

    /// The cubics of every list by distance.
    fn cubics(&self, levels: &[u32]) -> Vec<Vec<[i64; POWERS]>> {
        levels.iter().map(|level| (0..1 << self.choice).map(|d| cubic(&self.table, *level, d)).collect()).collect()
    }
}

/// The taker's choices, by row and list: −r_0 in n bits of its bucket's number.
pub fn choices(offer: &Offer, masks: &[u64]) -> Vec<u64> {
    let levels = offer.levels();
    let choice = |mask: u64, level: u32| offer.bucket(mask, level).wrapping_neg() & ((1 << offer.choice) - 1);
    masks.iter().flat_map(|mask| levels.iter().map(move |level| choice(*mask, *level))).collect()
}

/// The results at scale 2^(fraction + position_bits) for numbers p = v + r_0 with the taker's masks r_0, both modulo
/// 2^ring_bits: what shares of them add up to. The parameters must satisfy [`Offer::check`].
pub fn plain(offer: &Offer, points: &[u64], masks: &[u64]) -> Vec<i64> {
    let (table, levels) = (&offer.table, offer.levels());
    let cubics = offer.cubics(&levels);
    let one = |(point, mask): (&u64, &u64)| {
        let (point, mask) = (offer.ring(*point), offer.ring(*mask));
        let mut value = 0;
        for (list, level) in levels.iter().enumerate() {
            let d = offer.bucket(point, *level).wrapping_sub(offer.bucket(mask, *level)) & ((1 << offer.choice) - 1);
            if d < u64::from(NEAR) && list + 1 < levels.len() {
                continue;
            }
            let terms = around(cubics[list][d as usize], position(table, point, *level), table.position_bits);
            let powers = powers(table, mask, *level);
            value = terms.iter().zip(powers).fold(0, |sum, (c, p)| sum + c * p.cast_signed());
            break;
        }
        value
    };
    points.iter().zip(masks).map(one).collect()
}

/// Where a number lies in its bucket of a level, as a fraction.
fn position(table: &RowTable, number: u64, level: u32) -> i64 {
    let bits = table.bucket_bits(level);
    rounded(number & ((1 << bits) - 1), bits, table.position_bits).cast_signed()
}

/// Writes the offers for `points`, the opened numbers v^: of every row `[Offer::entries, 4]` masked coefficients into `out`,
/// each modulo 2^64 or 2^128, and `[Offer::labelled, 2]` words into `next`.
///
/// Neither control flow nor addresses depend on a word.
///
/// # Panics
/// If the parameters break a rule of [`Offer::check`], or a slice has another length.
pub fn write(offer: &Offer, width: Width, points: &[u64], own: Secrets<'_>, out: &mut [u64], next: &mut [u64]) {
    match width {
        Width::Word => write_at::<u64>(offer, points, own, out, next),
        Width::Double => write_at::<u128>(offer, points, own, out, next),
    }
}

fn write_at<E: Entry>(offer: &Offer, points: &[u64], own: Secrets<'_>, out: &mut [u64], next: &mut [u64]) {
    let (levels, all) = (offer.levels(), 1usize << offer.choice);
    let (rows, lists) = (points.len(), levels.len());
    let labels = (lists - 1) * 2 * LABEL;
    let given = [own.masks.len(), own.pads.len(), own.labels.len()];
    assert_eq!(given, [rows, 2 * rows * lists * all, rows * labels], "secrets of {rows} rows");
    assert_eq!(own.coefficients.map(<[u64]>::len), [rows * lists * E::WORDS; POWERS], "masks of {rows} rows");
    let (entries, labelled) = (offer.entries() * POWERS * E::WORDS, offer.labelled() * LABEL);
    assert_eq!([out.len(), next.len()], [rows * entries, rows * labelled], "offers of {rows} rows");
    let (cipher, cubics) = (Cipher::new(level::current(), &KEY), offer.cubics(&levels));
    let mut lines = Lines::<E>::new(all);
    for (row, point) in points.iter().enumerate() {
        let point = offer.ring(point.wrapping_sub(own.masks[row]));
        let (mut out, mut next) = (&mut out[row * entries..][..entries], &mut next[row * labelled..][..labelled]);
        let label = |list: usize, which: usize| pair(&own.labels[row * labels..], 2 * (list - 1) + which);
        for (list, level) in levels.iter().enumerate() {
            let last = list + 1 == lists;
            let following = (!last).then(|| two_labels(label(list + 1, 0), label(list + 1, 1)));
            lines.fill(offer, (point, *level), &cubics[list], following);
            let at = row * lists + list;
            let masks = own.coefficients.map(|words| E::read(words, at));
            let pads = &own.pads[2 * at * all..][..2 * all];
            let colours = if list == 0 { 1 } else { 2 };
            for colour in 0..colours {
                // Which of the two labels has this colour: under the second one the list gives a value.
                let (label, serves) = if list == 0 {
                    ([0; 2], 1)
                } else {
                    let both = two_labels(label(list, 0), label(list, 1));
                    let second = both[0][0] & 1 ^ colour;
                    (std::array::from_fn(|j| select(spread(second), both[1][j], both[0][j])), second)
                };
                for choice in 0..all {
                    let (coefficients, follows) = lines.line(choice, serves, following.map(|both| both[0]));
                    let pad = pair(pads, choice);
                    let stream = Stream::<E>::of(&cipher, [pad[0] ^ label[0], pad[1] ^ label[1]]);
                    for (q, coefficient) in coefficients.into_iter().enumerate() {
                        coefficient.add(masks[q]).add(stream.coefficient(q)).write(out, q);
                    }
                    out = &mut out[POWERS * E::WORDS..];
                    if !last {
                        let hidden = stream.label();
                        (0..LABEL).for_each(|j| next[j] = follows[j] ^ hidden[j]);
                        next = &mut next[LABEL..];
                    }
                }
            }
        }
    }
}

/// Two labels of different colours, which is bit 0 of the low word.
fn two_labels(first: Block, second: Block) -> [Block; 2] {
    [first, [second[0] & !1 | (first[0] & 1 ^ 1), second[1]]]
}

/// What entries hold, by the taker's choice.
struct Lines<E> {
    words: Vec<([E; POWERS], Block)>,
    turned: Vec<([E; POWERS], Block)>,
}

impl<E: Entry> Lines<E> {
    fn new(all: usize) -> Lines<E> {
        let none = vec![([E::default(); POWERS], [0; 2]); all];
        Lines { words: none.clone(), turned: none }
    }

    /// Cubics and labels by distance, and then turned so that they stand by choice.
    fn fill(&mut self, offer: &Offer, (point, level): (u64, u32), cubics: &[[i64; POWERS]], next: Option<[Block; 2]>) {
        let (table, all) = (&offer.table, cubics.len());
        let tau = position(table, point, level);
        for ((d, line), cubic) in self.words.iter_mut().enumerate().zip(cubics) {
            // Where the next list takes over the coefficients are 0.
            let (hands_on, label) = match next {
                Some(both) if d < NEAR as usize => (true, both[1]),
                Some(both) => (false, both[0]),
                None => (false, [0; 2]),
            };
            let coefficients = around(*cubic, tau, table.position_bits);
            let one = E::small(1);
            *line = (coefficients.map(|c| one.times(if hands_on { 0 } else { c })), label);
        }
        let bucket = offer.bucket(point, level);
        for bit in 0..offer.choice {
            let turn = spread(bucket >> bit & 1);
            for (at, line) in self.turned.iter_mut().enumerate() {
                let (stays, comes) = (&self.words[at], &self.words[(at + (1 << bit)) % all]);
                let coefficients =
                    std::array::from_fn(|q| stays.0[q].add(comes.0[q].sub(stays.0[q]).times_bit(turn & 1)));
                let label = std::array::from_fn(|j| select(turn, comes.1[j], stays.1[j]));
                *line = (coefficients, label);
            }
            std::mem::swap(&mut self.words, &mut self.turned);
        }
    }

    /// What stands at a choice: the cubic and its label if the list gives a value, else nothing and the `other` label.
    fn line(&self, choice: usize, serves: u64, other: Option<Block>) -> ([E; POWERS], Block) {
        let (coefficients, label) = &self.words[choice];
        let other = other.unwrap_or_default();
        let label = std::array::from_fn(|j| select(spread(serves), label[j], other[j]));
        (coefficients.map(|c| c.times_bit(serves)), label)
    }
}

/// What hides an entry.
struct Stream<E> {
    words: [Block; 2 * 2 + 1],
    entry: std::marker::PhantomData<E>,
}

impl<E: Entry> Stream<E> {
    fn of(cipher: &Cipher, key: Block) -> Stream<E> {
        let mut words = std::array::from_fn(|t| tweaked(key, t as u64));
        cipher.hash(&mut words[..2 * E::WORDS + 1]);
        Stream { words, entry: std::marker::PhantomData }
    }

    fn coefficient(&self, q: usize) -> E {
        E::read(self.words.as_flattened(), q)
    }

    fn label(&self) -> Block {
        self.words[2 * E::WORDS]
    }
}

/// Reads the offers of every row: Σ over lists of the entry's masked coefficients times the powers of the taker's own mask,
/// modulo 2^64 or 2^128, into `out`. `pads` are those of its choices, two words each, `[rows, lists]`.
///
/// Neither control flow nor addresses depend on a word.
///
/// # Panics
/// As [`fn@write`].
pub fn read(
    offer: &Offer,
    width: Width,
    (masks, pads): (&[u64], &[u64]),
    (entries, next): (&[u64], &[u64]),
    out: &mut [u64],
) {
    match width {
        Width::Word => read_at::<u64>(offer, (masks, pads), (entries, next), out),
        Width::Double => read_at::<u128>(offer, (masks, pads), (entries, next), out),
    }
}

fn read_at<E: Entry>(
    offer: &Offer,
    (masks, pads): (&[u64], &[u64]),
    (entries, next): (&[u64], &[u64]),
    out: &mut [u64],
) {
    let (levels, all) = (offer.levels(), 1usize << offer.choice);
    let (rows, lists, size) = (masks.len(), levels.len(), POWERS * E::WORDS);
    let (each, labelled) = (offer.entries() * size, offer.labelled() * LABEL);
    assert_eq!([entries.len(), next.len()], [rows * each, rows * labelled], "offers of {rows} rows");
    assert_eq!([pads.len(), out.len()], [2 * rows * lists, rows * E::WORDS], "a pad for each list");
    let cipher = Cipher::new(level::current(), &KEY);
    let choices = choices(offer, masks);
    for (row, mask) in masks.iter().enumerate() {
        let (mut entries, mut next) = (&entries[row * each..][..each], &next[row * labelled..][..labelled]);
        let (mut sum, mut label) = (E::default(), [0; 2]);
        for (list, level) in levels.iter().enumerate() {
            let count = if list == 0 { all } else { 2 * all };
            let (here, behind) = entries.split_at(count * size);
            entries = behind;
            let carried = if list + 1 == lists { 0 } else { count * LABEL };
            let (labels, behind) = next.split_at(carried);
            next = behind;
            let at = row * lists + list;
            let mine = choices[at] | (label[0] & 1) << offer.choice;
            let (mut got, mut following) = ([E::default(); POWERS], [0; LABEL]);
            for (place, entry) in here.chunks_exact(size).enumerate() {
                let is = ((place as u64 ^ mine).wrapping_sub(1)) >> 63;
                got.iter_mut().enumerate().for_each(|(q, sum)| *sum = sum.add(E::read(entry, q).times_bit(is)));
                if carried > 0 {
                    let label = pair(labels, place);
                    (0..LABEL).for_each(|j| following[j] ^= label[j] & spread(is));
                }
            }
            let pad = pair(pads, at);
            let stream = Stream::<E>::of(&cipher, [pad[0] ^ label[0], pad[1] ^ label[1]]);
            for (q, power) in powers(&offer.table, offer.ring(*mask), *level).into_iter().enumerate() {
                sum = sum.add(got[q].sub(stream.coefficient(q)).times(power.cast_signed()));
            }
            let hidden = stream.label();
            label = std::array::from_fn(|j| following[j] ^ hidden[j]);
        }
        sum.write(out, row);
    }
}

#[cfg(test)]
mod tests;
