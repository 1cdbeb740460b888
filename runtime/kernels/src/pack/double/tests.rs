use proptest::prelude::*;

use super::*;

fn words(doubles: usize) -> Vec<u64> {
    let mut out = vec![0; 2 * doubles];
    crate::prg::fill(&crate::Seed::from_bytes([4; 16]), doubles as u64, 0, &mut out);
    out
}

/// The definition, bit by bit.
fn plain(src: &[u64], bits: u32) -> Vec<u8> {
    let mut out = vec![0u8; (src.len() / 2 * bits as usize).div_ceil(8)];
    for i in 0..src.len() / 2 {
        for b in 0..bits as usize {
            let at = i * bits as usize + b;
            out[at / 8] |= ((src[2 * i + b / 64] >> (b % 64) & 1) as u8) << (at % 8);
        }
    }
    out
}

/// The words with high words reduced to `bits` − 64 bits.
fn reduced(src: &[u64], bits: u32) -> Vec<u64> {
    let mut out = src.to_vec();
    out.iter_mut().skip(1).step_by(2).for_each(|high| *high &= u64::MAX >> (128 - bits));
    out
}

fn check(src: &[u64], bits: u32) {
    let doubles = src.len() / 2;
    let expected = plain(src, bits);
    assert_eq!(packed_len(doubles, bits), expected.len());
    let mut packed = vec![0xee];
    pack_double(src, bits, &mut packed);
    assert_eq!(packed[0], 0xee);
    assert_eq!(packed[1..], expected, "{doubles} doubles of {bits} bits");
    let mut back = vec![u64::MAX; src.len()];
    unpack_double(&expected, bits, &mut back).unwrap();
    assert_eq!(back, reduced(src, bits), "{doubles} doubles of {bits} bits");
}

#[test]
fn every_width_and_many_lengths_agree_with_the_definition() {
    for bits in 65..=128 {
        for doubles in (0..40).chain([63, 64, 65, 100]) {
            check(&words(doubles), bits);
        }
    }
}

#[test]
fn set_bits_stay_in_their_element() {
    for bits in 65..=128 {
        check(&[u64::MAX; 34], bits);
        let alternating: Vec<u64> = (0..34).map(|i| if i / 2 % 2 == 0 { u64::MAX } else { 0 }).collect();
        check(&alternating, bits);
    }
}

#[test]
fn a_wrong_length_is_refused() {
    let error = unpack_double(&[0; 24], 65, &mut [0; 6]).unwrap_err();
    assert_eq!(error, PackError::Length { words: 3, bits: 65, expected: 25, found: 24 });
    assert!(unpack_double(&[0; 26], 65, &mut [0; 6]).is_err());
    assert!(unpack_double(&[0; 25], 65, &mut [0; 6]).is_ok());
}

#[test]
fn unused_bits_of_the_last_byte_are_ignored() {
    let mut out = [0; 2];
    unpack_double(&[0xff; 9], 65, &mut out).unwrap();
    assert_eq!(out, [u64::MAX, 1]);
}

#[test]
#[should_panic(expected = "65 to 128 bits")]
fn a_single_word_width_is_refused() {
    pack_double(&[1, 0], 64, &mut Vec::new());
}

#[test]
#[should_panic(expected = "two words each")]
fn half_a_double_is_refused() {
    pack_double(&[1, 0, 1], 100, &mut Vec::new());
}

proptest! {
    #[test]
    fn packing_and_reading_back_reduces(mut src in prop::collection::vec(any::<u64>(), 0..400), bits in 65u32..=128) {
        src.truncate(src.len() / 2 * 2);
        check(&src, bits);
    }
}
