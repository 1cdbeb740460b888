//! What each end sees says nothing about the other: messages are uniform given all that an end knows, alone and together.

use mpcc_transfer::{Function, Plan, Request, and};

use crate::ends::{batch, direction, session, words};
use crate::products::shared_bits;

/// Bytes at the front of a message that name its batch.
const TAG: usize = 16;

/// Items of a piece: their strings lie together.
const PIECE: usize = 256;

/// Panics unless the cells are as full as uniform samples leave them, up to six deviations.
#[track_caller]
fn uniform(counts: &[usize], what: &str) {
    let total: usize = counts.iter().sum();
    let (freedom, expected) = ((counts.len() - 1) as f64, total as f64 / counts.len() as f64);
    assert!(expected > 30.0, "enough samples");
    let distance: f64 = counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum();
    // Wilson and Hilferty's approximation of the distribution.
    let variance = 2.0 / (9.0 * freedom);
    let limit = freedom * (1.0 - variance + 6.0 * variance.sqrt()).powi(3);
    assert!(distance < limit, "{what}: chi-square {distance:.0} exceeds {limit:.0} for {counts:?}");
}

#[track_caller]
fn histogram(cells: usize, values: impl Iterator<Item = u64>, what: &str) {
    let mut counts = vec![0; cells];
    values.for_each(|value| counts[value as usize] += 1);
    uniform(&counts, what);
}

/// The strings of a message of one request of one choice bit, piece by piece: for every item a word for every string.
fn parsed(message: &[u8], count: usize, widths: &[u32]) -> Vec<Vec<u64>> {
    assert!(count.is_multiple_of(PIECE));
    let mut rest = &message[TAG..];
    let mut out = vec![Vec::new(); widths.len()];
    for _ in 0..count / PIECE {
        for (out, &width) in out.iter_mut().zip(widths) {
            let (front, back) = rest.split_at(PIECE * width as usize / 8);
            rest = back;
            let mut words = [0; PIECE];
            mpcc_kernels::pack::unpack(front, width, &mut words).expect("a piece of strings");
            out.extend(words);
        }
    }
    assert!(rest.is_empty());
    out
}

#[test]
fn strings_under_one_choice_are_uniform_together_given_the_receivers_view() {
    let count = 1 << 14;
    let (mut sender, mut receiver) = direction(8, 31);
    let widths = [3, 3];
    let plan = Plan::new(vec![Request::Product { count, bits: 1, widths: widths.to_vec() }]).unwrap();
    for choice in [0, 1] {
        for factors in [[0, 0], [0, 7], [5, 2]] {
            let [first, second] = factors.map(|factor| vec![factor; count]);
            let batch = batch((&mut sender, &mut receiver), &plan, &[&vec![choice; count]], &[&[&first, &second]]);
            let strings = parsed(&batch.strings, count, &widths);
            // The receiver's own strings are its results, less what it was sent if it chose that.
            let got = |s: usize, i: usize| batch.got.words(0, s)[i].wrapping_sub(choice * strings[s][i]) & 7;
            let together = |i: usize| strings[0][i] | strings[1][i] << 3;
            histogram(64, (0..count).map(together), "both strings");
            let seen = |i: usize| (0..2).map(|s| (strings[s][i] ^ got(s, i)) << (3 * s)).sum();
            histogram(64, (0..count).map(seen), "strings with the receiver's own");
            let sums = |i: usize| got(0, i) | got(1, i) << 3;
            histogram(64, (0..count).map(sums), "the receiver's own");
            histogram(64, (0..count - 1).map(|i| strings[0][i] | strings[0][i + 1] << 3), "neighbours");
        }
    }
}

#[test]
fn a_message_that_was_not_chosen_is_covered() {
    let count = 1 << 14;
    let (mut sender, mut receiver) = direction(5, 32);
    let plan = Plan::new(vec![Request::Chosen { count, widths: vec![2, 2] }]).unwrap();
    for choice in [0u64, 1] {
        for message in [0, 3] {
            let lists = vec![vec![message; count]; 4];
            let lists: Vec<&[u64]> = lists.iter().map(Vec::as_slice).collect();
            let batch = batch((&mut sender, &mut receiver), &plan, &[&vec![choice; count]], &[&lists]);
            let strings = parsed(&batch.strings, count, &[2, 2, 2, 2]);
            let other = |s: usize, i: usize| strings[2 * s + 1 - choice as usize][i];
            let own = |s: usize, i: usize| strings[2 * s + choice as usize][i];
            histogram(16, (0..count).map(|i| other(0, i) | other(1, i) << 2), "both strings of the other choice");
            histogram(16, (0..count).map(|i| other(0, i) | (own(0, i) ^ own(1, i)) << 2), "with the chosen ones");
        }
    }
}

#[test]
fn pads_of_other_digits_are_uniform_together_given_the_receivers() {
    let count = 1 << 14;
    let (mut sender, mut receiver) = direction(8, 33);
    let plan = Plan::new(vec![Request::Random { count, bits: 2, widths: vec![2, 2] }]).unwrap();
    for digit in 0..4 {
        let batch = batch((&mut sender, &mut receiver), &plan, &[&vec![digit; count]], &[&[]]);
        assert!(batch.strings.is_empty());
        let (pads, more) = (batch.sent.words(0, 0), batch.sent.words(0, 1));
        let all = |i: usize| (0..4).map(|j| pads[4 * i + j] << (2 * j)).sum();
        histogram(256, (0..count).map(all), "the four pads of an item");
        let sum = |i: usize| pads[4 * i..][..4].iter().fold(0, |sum, pad| sum ^ pad);
        histogram(4, (0..count).map(sum), "their sum");
        let own = |i: usize| batch.got.words(0, 0)[i] | more[4 * i + (digit as usize ^ 3)] << 2;
        histogram(16, (0..count).map(own), "the receiver's with another string of the opposite digit");
    }
}

/// Whatever the sender's digit is: the receiver's share with all entries that travelled, and each entry with what it holds.
#[test]
fn entries_of_a_table_say_nothing_to_the_receiver() {
    let count = 1 << 14;
    let (mut sender, mut receiver) = direction(8, 35);
    let plan = Plan::new(vec![Request::table(count, 2, Function::Carry)]).unwrap();
    for own in 0..4 {
        for digit in 0..4u64 {
            let lists: [&[u64]; 1] = [&vec![own; count]];
            let batch = batch((&mut sender, &mut receiver), &plan, &[&vec![digit; count]], &[&lists]);
            let (got, sent) = (batch.got.words(0, 0), batch.sent.words(0, 0));
            // Entries of a piece of 256 items lie one digit behind the other, four items a byte.
            let entry = |i: usize, place: usize| {
                let byte = batch.strings[TAG + i / 256 * 192 + place * 64 + i % 256 / 4];
                u64::from(byte >> (2 * (i % 4)) & 3)
            };
            let all = |i: usize| got[i] | (0..3).map(|place| entry(i, place) << (2 + 2 * place)).sum::<u64>();
            histogram(256, (0..count).map(all), "a share and the entries");
            histogram(4, (0..count).map(|i| sent[i]), "the sender's share");
        }
    }
}

/// The same where a share of what is carried in is a part of both digits.
#[test]
fn entries_of_a_carry_say_nothing_to_the_receiver() {
    let count = 1 << 13;
    let (mut sender, mut receiver) = direction(8, 36);
    let plan = Plan::new(vec![Request::table(count, 2, Function::CarryOn)]).unwrap();
    for own in 0..4 {
        for digit in 0..4u64 {
            let lists: [&[u64]; 1] = [&vec![own; count]];
            let batch = batch((&mut sender, &mut receiver), &plan, &[&vec![digit; count]], &[&lists]);
            let (got, sent) = (batch.got.words(0, 0), batch.sent.words(0, 0));
            // Entries of a piece of 256 items lie one digit behind the other, eight items a byte.
            let entry = |i: usize, place: usize| {
                let byte = batch.strings[TAG + i / 256 * 96 + place * 32 + i % 256 / 8];
                u64::from(byte >> (i % 8) & 1)
            };
            let all = |i: usize| got[i] | (0..3).map(|place| entry(i, place) << (1 + place)).sum::<u64>();
            histogram(16, (0..count).map(all), "a share and the entries");
            histogram(2, (0..count).map(|i| sent[i]), "the sender's share");
        }
    }
}

#[test]
fn choices_are_covered_and_batches_share_no_streams() {
    let count = 1 << 13;
    let (mut sender, mut receiver) = direction(4, 34);
    let plan = Plan::new(vec![Request::Random { count, bits: 1, widths: vec![1] }]).unwrap();
    let bytes = |choice: u64, sender: &mut _, receiver: &mut _| {
        batch((sender, receiver), &plan, &[&vec![choice; count]], &[&[]]).choices.split_off(TAG)
    };
    let mut before: Option<Vec<u8>> = None;
    for choice in [0, 1, 0, 0, 1] {
        let message = bytes(choice, &mut sender, &mut receiver);
        assert_eq!(message.len(), 32 * count / 8);
        histogram(256, message.iter().map(|&byte| byte.into()), "a message of choices");
        let trees: Vec<&[u8]> = message.chunks(count / 8).collect();
        let neighbours = trees.windows(2).flat_map(|pair| pair[0].iter().zip(pair[1]).map(|(a, b)| u64::from(a ^ b)));
        histogram(256, neighbours, "one tree with the next");
        if let Some(before) = before.replace(message.clone()) {
            histogram(256, message.iter().zip(&before).map(|(a, b)| u64::from(a ^ b)), "one batch with the next");
        }
    }
}

#[test]
fn strings_of_a_product_do_not_depend_on_the_factors() {
    let count = 1 << 14;
    let (mut sender, mut receiver) = direction(8, 35);
    let plan = Plan::new(vec![Request::Product { count, bits: 2, widths: vec![3] }]).unwrap();
    for (a, b) in [(0, 0), (3, 0), (0, 7), (3, 5), (2, 1)] {
        let batch = batch((&mut sender, &mut receiver), &plan, &[&vec![a; count]], &[&[&vec![b; count]]]);
        // A run of half a chunk: three bits for every item, then two.
        let mut rest = &batch.strings[TAG..];
        let mut values: [Vec<u64>; 2] = Default::default();
        while !rest.is_empty() {
            for (values, width) in values.iter_mut().zip([3, 2]) {
                let (front, back) = rest.split_at(4096 * width as usize / 8);
                let mut words = vec![0; 4096];
                mpcc_kernels::pack::unpack(front, width, &mut words).unwrap();
                values.extend(words);
                rest = back;
            }
        }
        let share = |i: usize| batch.got.words(0, 0)[i];
        histogram(32, (0..count).map(|i| values[0][i] | values[1][i] << 3), "the strings of an item");
        histogram(64, (0..count).map(|i| values[0][i] | share(i) << 3), "a string with the receiver's share");
        histogram(8, batch.sent.words(0, 0).iter().copied(), "the sender's share");
    }
}

#[test]
fn the_views_of_an_and_do_not_depend_on_the_other_ends_bits() {
    let count = 1 << 14;
    let [(mut a_sends, mut a_receives), (mut b_sends, mut b_receives)] =
        session(mpcc_transfer::Field::new(8).unwrap(), 36);
    let [a_x, a_y, b_x, b_y] = shared_bits(count);
    let plan = Plan::new(vec![and::request(count)]).unwrap();
    let to_b = batch((&mut a_sends, &mut b_receives), &plan, &[&b_x], &[&[&a_y]]);
    let to_a = batch((&mut b_sends, &mut a_receives), &plan, &[&a_x], &[&[&b_y]]);
    // A view for every one of the sixteen inputs: the string that came and both shares. The share as a receiver follows from the
    // string and its own hash, so the three bits are uniform whatever the inputs are.
    for (own, other, name) in [(&to_a, &to_b, "first end"), (&to_b, &to_a, "second end")] {
        let string = &parsed(&own.strings, count, &[1])[0];
        for inputs in 0..16 {
            let items = (0..count).filter(|i| i % 16 == inputs);
            let view = |i: usize| string[i] | own.got.words(0, 0)[i] << 1 | other.sent.words(0, 0)[i] << 2;
            histogram(8, items.map(view), &format!("{name}, inputs {inputs:04b}"));
        }
    }
}

#[test]
fn sessions_share_nothing() {
    let plan = Plan::new(vec![Request::Random { count: 1 << 13, bits: 1, widths: vec![64] }]).unwrap();
    let choices = words(1 << 13, 5);
    let pads = |entropy| {
        let (mut sender, mut receiver) = direction(8, entropy);
        let batch = batch((&mut sender, &mut receiver), &plan, &[&choices], &[&[]]);
        (batch.sent.words(0, 0).to_vec(), batch.choices)
    };
    let [one, two] = [37, 38].map(pads);
    assert!(one.0.iter().all(|pad| !two.0.contains(pad)));
    histogram(256, one.1.iter().zip(&two.1).map(|(a, b)| u64::from(a ^ b)), "choices of two sessions");
}
