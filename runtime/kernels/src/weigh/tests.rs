use super::*;
use crate::Seed;

fn keys(count: usize) -> Vec<Prg> {
    (0..count).map(|i| Prg::new(&Seed::from_bytes((i as u128 * 77 + 5).to_le_bytes()))).collect()
}

#[test]
fn sums_are_those_of_the_definition_with_and_without_the_first_key() {
    for bits in 1..=MOST_BITS {
        for words in [1, 2, 127, 128, 130, 300] {
            for absent in [0, 1] {
                let keys = keys((1 << bits) - absent);
                let (mut weighted, mut total) = (vec![1; bits * words], vec![1; words]);
                weigh(&keys, absent, 3, 17, &mut weighted, &mut total);
                let mut expected = vec![vec![0; words]; bits + 1];
                for (i, key) in keys.iter().enumerate() {
                    let mut stream = vec![0; words];
                    key.fill(3, 17, &mut stream);
                    (0..bits).filter(|b| i + absent >> b & 1 == 1).for_each(|b| add(&mut expected[b], &stream));
                    add(&mut expected[bits], &stream);
                }
                assert_eq!(total, expected[bits], "{bits} bits, {words} words");
                assert_eq!(weighted, expected[..bits].concat(), "{bits} bits, {words} words");
            }
        }
    }
}

#[test]
#[should_panic(expected = "keys, but for an absent first one")]
fn another_number_of_keys_is_refused() {
    weigh(&keys(5), 0, 0, 0, &mut [0; 8], &mut [0; 4]);
}
