use proptest::prelude::*;

use super::*;

fn seed() -> Seed {
    Seed::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= level::hardware())
}

/// The definition, one block at a time.
fn plain(seed: &Seed, stream: u64, word: u64) -> u64 {
    let cipher = Aes128::new(&Array(seed.0));
    let mut block = Array([0u8; 16]);
    block[..8].copy_from_slice(&stream.to_le_bytes());
    block[8..].copy_from_slice(&(word >> 1).to_le_bytes());
    cipher.encrypt_block(&mut block);
    let value = u128::from_le_bytes(block.0);
    (value >> (64 * (word & 1))) as u64
}

#[test]
fn the_block_cipher_is_aes_128() {
    // FIPS 197, appendix C.1, with the plaintext as stream ‖ counter.
    let plaintext = 0x00112233445566778899aabbccddeeff_u128.to_be_bytes();
    let expected = 0x69c4e0d86a7b0430d8cdb78070b4c55a_u128.to_be_bytes();
    let stream = u64::from_le_bytes(plaintext[..8].try_into().unwrap());
    let block = u64::from_le_bytes(plaintext[8..].try_into().unwrap());
    for level in levels() {
        let words = Prg::at_level(level, &seed()).block(stream, block);
        assert_eq!(words[0].to_le_bytes(), expected[..8]);
        assert_eq!(words[1].to_le_bytes(), expected[8..]);
    }
}

#[test]
fn the_hash_adds_its_input_to_the_cipher_and_the_permutation_does_not() {
    for level in levels() {
        for len in 0..75u64 {
            let input: Vec<[u64; 2]> = (0..len).map(|i| [7, i * i]).collect();
            let (mut hashed, mut permuted) = (input.clone(), input.clone());
            Cipher::new(level, &seed().0).hash(&mut hashed);
            Cipher::new(level, &seed().0).permute(&mut permuted);
            for ((hashed, permuted), [stream, counter]) in hashed.iter().zip(&permuted).zip(input) {
                let cipher = [0, 1].map(|half| plain(&seed(), stream, 2 * counter + half));
                assert_eq!(*hashed, [cipher[0] ^ stream, cipher[1] ^ counter], "{level:?}: {len} blocks");
                assert_eq!(*permuted, cipher, "{level:?}: {len} blocks");
            }
        }
    }
}

#[test]
fn every_short_piece_agrees_with_the_definition() {
    let seed = seed();
    for len in 0..150usize {
        for first in [0u64, 1, 2, 63, 64, 65, (1 << 40) + 1, u64::MAX - 150] {
            let mut out = vec![0; len];
            for level in levels() {
                Prg::at_level(level, &seed).fill(5, first, &mut out);
                for (i, &word) in out.iter().enumerate() {
                    assert_eq!(word, plain(&seed, 5, first + i as u64), "{level:?}: {len} words from {first}");
                }
            }
        }
    }
}

#[test]
fn masked_words_are_the_words_reduced() {
    let seed = seed();
    for bits in [1, 7, 31, 63, 64] {
        for len in [1, 2, 8, 15, 16, 17, 40, 63, 64, 200, 5000] {
            for level in levels() {
                let prg = Prg::at_level(level, &seed);
                let (mut full, mut masked) = (vec![0; len], vec![0; len]);
                prg.fill(9, 3, &mut full);
                prg.fill_masked(9, 3, bits, &mut masked);
                for (full, masked) in full.iter().zip(&masked) {
                    assert_eq!(*masked, full & (u64::MAX >> (64 - bits)), "{level:?}: {len} words of {bits} bits");
                }
            }
        }
    }
}

#[test]
fn doubles_are_pairs_of_words_reduced() {
    let seed = seed();
    for bits in [65, 71, 104, 105, 127, 128] {
        for (first, doubles) in [(0, 0), (0, 1), (0, 2500), (3, 1025), ((1 << 63) - 9, 8)] {
            for level in levels() {
                let mut out = vec![0; 2 * doubles];
                Prg::at_level(level, &seed).fill_double(9, first, bits, &mut out);
                for (i, &word) in out.iter().enumerate() {
                    let kept = if i % 2 == 0 { 64 } else { bits - 64 };
                    let expected = plain(&seed, 9, 2 * first + i as u64) & (u64::MAX >> (64 - kept));
                    assert_eq!(word, expected, "{level:?}: word {i} of {bits}-bit doubles from {first}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "two words each")]
fn half_a_double_is_refused() {
    fill_double(&seed(), 0, 0, 70, &mut [0; 3]);
}

#[test]
fn derived_seeds_differ_from_one_another_and_from_streams() {
    let seed = seed();
    let mut seen = std::collections::HashSet::new();
    for domain in 0..20 {
        for index in 0..20 {
            assert!(seen.insert(*derive(&seed, domain, index).expose()));
        }
    }
    let mut words = vec![0; 4000];
    for stream in 0..20 {
        fill(&seed, stream, 0, &mut words);
        for pair in words.chunks(2) {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&pair[0].to_le_bytes());
            bytes[8..].copy_from_slice(&pair[1].to_le_bytes());
            assert!(!seen.contains(&bytes));
        }
    }
}

#[test]
#[should_panic(expected = "reserved")]
fn reserved_streams_are_refused() {
    fill(&seed(), RESERVED, 0, &mut [0]);
}

#[test]
fn debug_forms_show_nothing() {
    let seed = Seed::from_bytes([0xab; 16]);
    let text = format!("{:?} {:?}", seed, Prg::new(&seed));
    assert_eq!(text, "Seed(..) Prg(..)");
}

proptest! {
    #[test]
    fn pieces_join_to_the_whole(cut in 0usize..700, len in 700usize..1400, first in 0u64..1 << 50) {
        let seed = seed();
        let mut whole = vec![0; len];
        fill(&seed, 1, first, &mut whole);
        let mut pieces = vec![0; len];
        let (head, tail) = pieces.split_at_mut(cut);
        for level in levels() {
            let prg = Prg::at_level(level, &seed);
            prg.fill(1, first, head);
            prg.fill(1, first + cut as u64, tail);
            prop_assert_eq!(&whole[..cut], &*head);
            prop_assert_eq!(&whole[cut..], &*tail);
            prop_assert_eq!(prg.word(1, first + cut as u64), whole[cut]);
        }
    }
}
