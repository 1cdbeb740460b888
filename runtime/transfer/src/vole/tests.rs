use super::*;
use crate::spans::Counter;
use crate::tree::{block, punctured, whole};
use mpcc_kernels::Permutation;

fn words(len: usize, seed: u8) -> Vec<u64> {
    let mut out = vec![0; len];
    mpcc_kernels::prg::fill(&Seed::from_bytes([seed; 16]), 1, 0, &mut out);
    out
}

/// Both ends for a Δ, without transfers between them.
fn ends(field: Field, delta: [u64; 4]) -> (Whole, Punctured) {
    let (hash, delta) = (Permutation::new(&[8; 16]), Delta::new(delta));
    let (mut all, mut some) = (Vec::new(), Vec::new());
    for (first, depth) in field.parts() {
        let (leaves, sums) = whole(&hash, block(&[first as u8 ^ 0xa5; 16]), depth);
        let path: Vec<u64> = (0..depth).rev().map(|bit| delta_bit(&delta, first + bit)).collect();
        let beside: Vec<Block> = sums.iter().zip(&path).map(|(sums, &bit)| sums[1 - bit as usize]).collect();
        all.push(keys(&leaves));
        some.push(keys(&punctured(&hash, &path, &beside)[1..]));
    }
    (Whole::new(field, all), Punctured::new(field, some, delta))
}

/// Any Δ in which neighbours differ here and there.
const RANDOM: [u64; 4] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];

#[test]
fn q_is_v_plus_the_offset_of_the_digit_bit_by_bit_in_every_field() {
    for field in Field::ALL {
        for (code, delta) in Code::all(field)
            .flat_map(|code| [RANDOM, RANDOM.map(|word| !word), [0, 1 << 63, 0, 1 << 63]].map(|delta| (code, delta)))
        {
            let (whole, punctured) = ends(field, delta);
            let offsets = punctured.offsets(code);
            let (mut at_receiver, mut at_sender) = (Counter::new(), Counter::new());
            for rows in [128, 8192, 384] {
                let words_each = rows / 64;
                let choices = words(words_each * code.bits() as usize, rows as u8 | 1);
                let (mut v, mut q, mut sent) = (Columns::new(rows), Columns::new(rows), Vec::new());
                whole.expand(code, at_receiver.take(rows as u64).unwrap(), &choices, &mut v, &mut sent);
                assert_eq!(sent.len(), code.trees(field) * rows / 8);
                punctured.expand(code, at_sender.take(rows as u64).unwrap(), &sent, &mut q);
                let (v, q) = (v.rows(words_each), q.rows(words_each));
                for row in 0..rows {
                    let bit = |words: &[u64], from: usize| words[from * words_each + row / 64] >> (row % 64) & 1;
                    let digit = (0..code.bits()).fold(0, |digit, b| digit | (bit(&choices, b as usize) as usize) << b);
                    for column in 0..SECURITY {
                        let expected = bit(v, column) ^ offsets[digit][column / 64] >> (column % 64) & 1;
                        assert_eq!(bit(q, column), expected, "{field:?}, {code:?}, column {column}, transfer {row}");
                    }
                }
            }
        }
    }
}

#[test]
fn no_two_spans_and_no_two_trees_share_a_stream() {
    let field = Field::new(4).unwrap();
    let (whole, _) = ends(field, [1, 2, 3, 4]);
    let (mut counter, mut seen) = (Counter::new(), std::collections::HashSet::new());
    for _ in 0..4 {
        let (mut v, mut sent) = (Columns::new(256), Vec::new());
        whole.expand(Code::BIT, counter.take(256).unwrap(), &[0; 4], &mut v, &mut sent);
        for word in v.rows(4).iter().copied().chain(sent.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word))) {
            assert!(seen.insert(word), "the same word of a stream twice");
        }
    }
}

#[test]
fn what_the_sender_lacks_covers_the_choices() {
    // All that the sender can take away from what it gets is the streams that it has; what is left is its missing stream.
    let field = Field::new(2).unwrap();
    let (whole, punctured) = ends(field, [0x1357_9bdf_0246_8ace, 7, 0, 0]);
    let rows = 1 << 13;
    let known = |sent: &[u8]| -> Vec<Vec<u64>> {
        let sums = sent.chunks_exact(rows / 8).zip(&punctured.trees);
        let left = |(sums, keys): (&[u8], &Keys)| {
            let mut left: Vec<u64> = sums.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
            // The sum of all streams that it has.
            let mut total = vec![0; rows / 64];
            weigh(keys, 1, STREAM, 0, &mut vec![0; 2 * rows / 64], &mut total);
            left.iter_mut().zip(total).for_each(|(left, total)| *left ^= total);
            left
        };
        sums.map(left).collect()
    };
    for choices in [vec![0; rows / 64], vec![u64::MAX; rows / 64]] {
        let (mut v, mut sent) = (Columns::new(rows), Vec::new());
        whole.expand(Code::BIT, Counter::new().take(rows as u64).unwrap(), &choices, &mut v, &mut sent);
        let left = known(&sent);
        let ones =
            |words: &mut dyn Iterator<Item = u64>| words.map(u64::count_ones).sum::<u32>().abs_diff(rows as u32 / 2);
        // Six deviations of a fair coin thrown 8192 times.
        for (j, tree) in left.iter().enumerate() {
            assert!(ones(&mut tree.iter().copied()) < 272, "tree {j} alone");
            let next = &left[(j + 1) % left.len()];
            assert!(ones(&mut tree.iter().zip(next).map(|(a, b)| a ^ b)) < 272, "tree {j} with the next");
        }
    }
}
