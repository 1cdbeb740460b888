use super::*;
use crate::prg::{Prg, Seed};
use crate::rows::{self, RowFunction};

fn words(seed: u8, stream: u64, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    Prg::new(&Seed::from_bytes([seed; 16])).fill(stream, 0, &mut out);
    out
}

fn offer(ring_bits: u32, levels: u32, choice: u32, function: RowFunction) -> Offer {
    Offer { table: RowTable { ring_bits, levels, position_bits: 13, fraction: 20, function }, choice }
}

fn recip() -> RowFunction {
    RowFunction::Recip { scale: 2f64.powi(-6), eps: 1e-3 }
}

fn rsqrt() -> RowFunction {
    RowFunction::Rsqrt { scale: 2f64.powi(-8), eps: 1e-5 }
}

/// Everything that one row's offer is made from, in rings of `width`.
struct Row {
    pads: Vec<u64>,
    coefficients: [Vec<u64>; POWERS],
    labels: Vec<u64>,
}

impl Row {
    fn new(offer: &Offer, width: Width, seed: u8) -> Row {
        let (lists, words_each) = (offer.levels().len(), width.words());
        Row {
            pads: words(seed, 0, (2 * lists) << offer.choice),
            coefficients: std::array::from_fn(|q| words(seed, 1 + q as u64, lists * words_each)),
            labels: words(seed, 9, 4 * (lists - 1)),
        }
    }

    fn secrets<'a>(&'a self, masks: &'a [u64]) -> Secrets<'a> {
        let coefficients = self.coefficients.each_ref().map(|words| &words[..]);
        Secrets { masks, pads: &self.pads, coefficients, labels: &self.labels }
    }

    /// The pads of the taker's choices.
    fn chosen(&self, offer: &Offer, masks: &[u64]) -> Vec<u64> {
        let pad = |(list, choice): (usize, u64)| pair(&self.pads, (list << offer.choice) + choice as usize);
        choices(offer, masks).into_iter().enumerate().flat_map(pad).collect()
    }

    /// The offer of an opened number.
    fn write(&self, offer: &Offer, width: Width, point: u64, mask: u64) -> [Vec<u64>; 2] {
        let mut entries = vec![0; offer.entries() * POWERS * width.words()];
        let mut next = vec![0; offer.labelled() * LABEL];
        write(offer, width, &[point], self.secrets(&[mask]), &mut entries, &mut next);
        [entries, next]
    }

    /// What the taker reads, without what the masks add.
    fn read(&self, offer: &Offer, width: Width, mask: u64, [entries, next]: &[Vec<u64>; 2]) -> i128 {
        let mut out = vec![0; width.words()];
        read(offer, width, (&[mask], &self.chosen(offer, &[mask])), (entries, next), &mut out);
        let number = |words: &[u64], at: usize| match width {
            Width::Word => u128::from(words[at]),
            Width::Double => <u128 as Entry>::read(words, at),
        };
        let mut sum = number(&out, 0);
        for (list, level) in offer.levels().into_iter().enumerate() {
            let powers = powers(&offer.table, offer.ring(mask), level).map(u128::from);
            for (power, masks) in powers.into_iter().zip(&self.coefficients) {
                sum = sum.wrapping_sub(power.wrapping_mul(number(masks, list)));
            }
        }
        match width {
            Width::Word => i128::from(sum as u64 as i64),
            Width::Double => sum.cast_signed(),
        }
    }
}

/// Every number and every mask of both parties of a small ring.
#[test]
fn what_is_read_is_the_plain_function_for_every_number_and_mask_of_a_small_ring() {
    for (levels, choice) in [(4, 4), (6, 4), (6, 5), (5, 5), (6, 6)] {
        let offer = offer(6, levels, choice, recip());
        assert_eq!(offer.check(), Ok(()));
        for width in [Width::Word, Width::Double] {
            for first in 0..64u64 {
                for second in 0..64u64 {
                    let row = Row::new(&offer, width, (first + 3 * second) as u8);
                    for v in (first % 3..64).step_by(3) {
                        let point = v.wrapping_add(first).wrapping_add(second);
                        let sent = row.write(&offer, width, point, second);
                        let want = plain(&offer, &[point.wrapping_sub(second)], &[first])[0];
                        assert_eq!(row.read(&offer, width, first, &sent), want.into(), "{v} {first} {second}");
                    }
                }
            }
        }
    }
}

/// With lists of sixteen the levels are those of keys, and so is the result, within the domain and below it.
#[test]
fn lists_of_four_bits_give_what_keys_give() {
    for function in [recip(), rsqrt(), RowFunction::Sqrt { scale: 2f64.powi(-8), eps: 1e-5 }] {
        for levels in [4, 7, 12] {
            let offer = offer(12, levels, 4, function);
            let v: Vec<u64> = (0..offer.table.domain().end).collect();
            for seed in 0..8 {
                let masks: Vec<u64> = words(seed, 9, v.len()).iter().map(|w| w & 0xfff).collect();
                let points: Vec<u64> = v.iter().zip(&masks).map(|(v, r)| (v + r) & 0xfff).collect();
                assert_eq!(plain(&offer, &points, &masks), rows::plain(&offer.table, &points, &masks));
            }
        }
    }
}

/// At every number of the domain, with positions at both ends of a bucket, and below it.
#[test]
fn errors_are_those_of_keys_with_longer_lists() {
    for (function, bound) in [(recip(), -14.0), (rsqrt(), -15.0)] {
        for (levels, choice) in [(12, 5), (13, 6), (16, 5), (11, 8), (16, 7), (9, 5), (9, 4)] {
            let mut offer = offer(16, levels, choice, function);
            offer.table.fraction = 26;
            let domain = offer.table.domain();
            let v: Vec<u64> = domain.clone().collect();
            for ends in [0, 1, u64::MAX, 0x5a5a] {
                let masks: Vec<u64> = words(3, ends & 0xff, v.len()).iter().map(|w| (w << 9 ^ ends) & 0xffff).collect();
                let points: Vec<u64> = v.iter().zip(&masks).map(|(v, r)| v + r).collect();
                for (v, y) in v.iter().zip(plain(&offer, &points, &masks)) {
                    let want = function.value(*v as f64);
                    let error = (y as f64 / 2f64.powi(39) / want - 1.0).abs() - 4.0 * 2f64.powi(-26) / want;
                    assert!(error < 2f64.powf(bound), "{offer:?} at {v}: {}", error.log2());
                }
                let below: Vec<u64> = (0..domain.start).collect();
                let points: Vec<u64> = below.iter().map(|v| v + masks[0]).collect();
                for y in plain(&offer, &points, &vec![masks[0]; below.len()]) {
                    let y = y as f64 / 2f64.powi(39);
                    let ends = [offer.table.least(), domain.start as f64].map(|v| function.value(v));
                    assert!(ends[1] * 0.999 < y && y < ends[0] * 1.001, "{offer:?}: {y} outside {ends:?}");
                }
            }
        }
    }
}

#[test]
fn lists_cover_all_levels_and_their_sizes_add_up() {
    assert_eq!(offer(30, 20, 5, recip()).levels(), [5, 7, 9, 11, 13, 15, 17, 19, 20]);
    assert_eq!(offer(30, 6, 6, recip()).levels(), [6]);
    let of = offer(30, 9, 5, recip());
    assert_eq!((of.levels().len(), of.entries(), of.labelled()), (3, 32 + 64 + 64, 32 + 64));
    assert_eq!(offer(30, 4, 4, recip()).labelled(), 0);
    for (levels, choice) in [(4, 5), (9, 3), (9, 9)] {
        assert!(offer(30, levels, choice, recip()).check().is_err());
    }
}

/// A pad of another choice changes nothing that the taker can open, but every word of that choice's entries.
#[test]
fn every_entry_has_a_pad_and_a_label_of_its_own() {
    let offer = offer(16, 8, 4, recip());
    let (lists, all) = (offer.levels().len(), 1usize << offer.choice);
    let row = Row::new(&offer, Width::Word, 5);
    let (point, second) = (0x1234, 0x0777);
    let before = row.write(&offer, Width::Word, point, second);
    // Entries and labels as whole lines.
    let line = |[entries, next]: &[Vec<u64>; 2], at: usize| {
        let mut words = entries[POWERS * at..][..POWERS].to_vec();
        words.extend(next.chunks(LABEL).nth(at).unwrap_or(&[]));
        words
    };
    let list_of = |at: usize| if at < all { (0, at) } else { (1 + (at - all) / (2 * all), at % all) };
    let differs = |changed: &Row, expected: &dyn Fn(usize, usize) -> bool| {
        let after = changed.write(&offer, Width::Word, point, second);
        for at in 0..offer.entries() {
            let (list, choice) = list_of(at);
            let (old, new) = (line(&before, at), line(&after, at));
            if expected(list, choice) {
                assert!(old.iter().zip(&new).all(|(a, b)| a != b), "list {list}, choice {choice}");
            } else {
                assert_eq!(old, new, "list {list}, choice {choice}");
            }
        }
    };
    for list in 0..lists {
        for choice in 0..all {
            let mut changed = Row::new(&offer, Width::Word, 5);
            changed.pads[2 * (list * all + choice) + 1] ^= 1;
            differs(&changed, &|l, c| (l, c) == (list, choice));
        }
    }
    // All words of all lines differ: none is hidden by the same word as another.
    let mut seen: Vec<u64> = before.iter().flatten().copied().collect();
    seen.sort_unstable();
    assert!(seen.windows(2).all(|w| w[0] != w[1]));
    // Half of the lines of a later list are under either label.
    let mut changed = Row::new(&offer, Width::Word, 5);
    changed.labels[1] ^= 2;
    let after = changed.write(&offer, Width::Word, point, second);
    let changed = (all..3 * all).filter(|at| line(&before, *at) != line(&after, *at)).count();
    assert_eq!(changed, all);
}

/// The coefficients that the taker opens, and the colours that it sees, over all masks and labels of the other one: the same for
/// every number.
#[test]
fn the_taker_opens_uniform_words_whatever_the_number_is() {
    let offer = offer(8, 8, 4, recip());
    let lists = offer.levels().len();
    let first = 0x53;
    // Of each list: the low two bits of each opened coefficient, and the colour of the next label.
    let opened = |v: u64, draws: u64| -> Vec<u64> {
        let mut row = Row::new(&offer, Width::Word, 9);
        let masks = row.coefficients.iter_mut().flatten().enumerate();
        masks.for_each(|(i, w)| *w = *w & !3 | draws >> (i % 3) & 3);
        (0..lists - 1).for_each(|i| row.labels[4 * i] = row.labels[4 * i] & !1 | draws >> i & 1);
        let [entries, next] = row.write(&offer, Width::Word, v + first + 0x2b, 0x2b);
        let (pads, choices) = (row.chosen(&offer, &[first]), choices(&offer, &[first]));
        let cipher = Cipher::new(level::current(), &KEY);
        let (mut label, mut base, mut out) = ([0; 2], 0, vec![]);
        for (list, choice) in choices.iter().enumerate() {
            let place = base + (*choice | (label[0] & 1) << offer.choice) as usize;
            let pad = pair(&pads, list);
            let stream = Stream::<u64>::of(&cipher, [pad[0] ^ label[0], pad[1] ^ label[1]]);
            out.extend((0..POWERS).map(|q| entries[POWERS * place + q].wrapping_sub(stream.coefficient(q)) & 3));
            if list + 1 < lists {
                let (hidden, sent) = (stream.label(), pair(&next, place));
                label = [sent[0] ^ hidden[0], sent[1] ^ hidden[1]];
                out.push(label[0] & 1);
            }
            base += if list == 0 { 1 << offer.choice } else { 2 << offer.choice };
        }
        out
    };
    let counts = |v: u64| {
        let mut counts = std::collections::BTreeMap::new();
        // One list's coefficient and all colours at a time, so that every combination of them comes once.
        for draws in 0..16 {
            let seen = opened(v, draws);
            let colours: Vec<u64> = seen.iter().skip(POWERS).step_by(POWERS + 1).copied().collect();
            for (q, word) in seen.into_iter().enumerate() {
                *counts.entry((q, word)).or_insert(0u32) += 1;
            }
            *counts.entry((usize::MAX, colours.iter().fold(0, |w, c| 2 * w + c))).or_insert(0) += 1;
        }
        counts
    };
    let want = counts(200);
    assert!(want.iter().filter(|((q, _), _)| *q == usize::MAX).all(|(_, n)| *n == 1), "all colours as often");
    for v in [1, 2, 5, 9, 17, 40, 100, 180, 239] {
        assert_eq!(counts(v), want, "{v}");
    }
}
