use super::*;

fn seeds(count: usize) -> Vec<Seed> {
    (0..count).map(|i| Seed::from_bytes((i as u128 * 77 + 5).to_le_bytes())).collect()
}

#[test]
fn sums_are_those_of_the_definition_with_and_without_the_first_key() {
    for bits in 1..=MOST_BITS {
        for (words, first) in [(1, 0), (2, 18), (63, 4), (64, 1 << 40), (65, 6), (128, 17), (200, 0), (301, 18)] {
            for absent in [0, 1] {
                let mut expected = vec![vec![0; words]; bits + 1];
                for (i, seed) in seeds((1 << bits) - absent).iter().enumerate() {
                    let mut stream = vec![0; words];
                    Prg::at_level(Level::Portable, seed).fill(3, 2 * first, &mut stream);
                    (0..bits).filter(|b| ((i + absent) >> b) & 1 == 1).for_each(|b| add(&mut expected[b], &stream));
                    add(&mut expected[bits], &stream);
                }
                for level in Level::ALL.into_iter().filter(|&level| level <= level::hardware()) {
                    let (mut weighted, mut total) = (vec![1; bits * words], vec![1; words]);
                    let keys = Keys::at_level(level, seeds((1 << bits) - absent));
                    weigh(&keys, absent, 3, first, &mut weighted, &mut total);
                    assert_eq!(total, expected[bits], "{level:?}: {bits} bits, {words} words");
                    assert_eq!(weighted, expected[..bits].concat(), "{level:?}: {bits} bits, {words} words");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "keys, but for an absent first one")]
fn another_number_of_keys_is_refused() {
    weigh(&Keys::new(seeds(5)), 0, 0, 0, &mut [0; 8], &mut [0; 4]);
}
