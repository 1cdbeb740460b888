use proptest::prelude::*;

use super::*;

fn words(len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    crate::prg::fill(&crate::Seed::from_bytes([3; 16]), len as u64, 0, &mut out);
    out
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= level::hardware())
}

/// The definition, bit by bit.
fn plain(src: &[u64], bits: u32) -> Vec<u8> {
    let mut out = vec![0u8; (src.len() * bits as usize).div_ceil(8)];
    for (i, word) in src.iter().enumerate() {
        for b in 0..bits as usize {
            let at = i * bits as usize + b;
            out[at / 8] |= ((word >> b & 1) as u8) << (at % 8);
        }
    }
    out
}

#[test]
fn every_width_and_many_lengths_agree_with_the_definition() {
    for bits in 1..=64 {
        for len in (0..40).chain([63, 64, 65, 100, 127, 200]) {
            let src = words(len);
            let expected = plain(&src, bits);
            assert_eq!(packed_len(len, bits), expected.len());
            let reduced: Vec<u64> = src.iter().map(|word| word & mask(bits)).collect();
            for level in levels() {
                let mut packed = vec![0xee];
                pack_at_level(level, &src, bits, &mut packed);
                assert_eq!(packed[0], 0xee);
                assert_eq!(packed[1..], expected, "{level:?}: {len} words of {bits} bits");
                let mut back = vec![u64::MAX; len];
                unpack_at_level(level, &expected, bits, &mut back).unwrap();
                assert_eq!(back, reduced, "{level:?}: {len} words of {bits} bits");
            }
        }
    }
}

#[test]
fn a_wrong_length_is_refused() {
    let error = unpack(&[0; 6], 18, &mut [0; 3]).unwrap_err();
    assert_eq!(error, PackError::Length { words: 3, bits: 18, expected: 7, found: 6 });
    assert!(unpack(&[0; 8], 18, &mut [0; 3]).is_err());
    assert!(unpack(&[0; 7], 18, &mut [0; 3]).is_ok());
}

#[test]
fn unused_bits_of_the_last_byte_are_ignored() {
    let mut out = [0; 3];
    unpack(&[0xff; 2], 5, &mut out).unwrap();
    assert_eq!(out, [31; 3]);
}

#[test]
#[should_panic(expected = "1 to 64 bits")]
fn width_zero_is_refused() {
    pack(&[1], 0, &mut Vec::new());
}

proptest! {
    #[test]
    fn packing_and_reading_back_reduces(src in prop::collection::vec(any::<u64>(), 0..500), bits in 1u32..=64) {
        for level in levels() {
            let mut packed = Vec::new();
            pack_at_level(level, &src, bits, &mut packed);
            prop_assert_eq!(&packed, &plain(&src, bits));
            let mut back = vec![0; src.len()];
            unpack_at_level(level, &packed, bits, &mut back).unwrap();
            prop_assert!(src.iter().zip(&back).all(|(word, back)| word & mask(bits) == *back));
        }
    }
}
