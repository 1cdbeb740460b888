//! Lists of numbers: as bytes, as bits, and as the factors of single products. A number of more than 64 bits takes two words.

use mpcc_kernels::pack::{pack, pack_double, packed_len, unpack, unpack_double};
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::Factor;
use zeroize::Zeroizing;

use crate::PairError;

/// Numbers that are wiped when they are no longer needed.
pub(crate) type Words = Zeroizing<Vec<u64>>;

/// Words of a number of this many bits.
pub(crate) fn lanes(bits: u8) -> usize {
    if bits > 64 { 2 } else { 1 }
}

/// Reads lists that stand one behind the other, each from a byte on.
pub(crate) fn read(bytes: &[u8], lists: &[(usize, u8)]) -> Result<Vec<Words>, PairError> {
    let size = |(len, bits): &(usize, u8)| packed_len(*len, u32::from(*bits));
    let expected = lists.iter().map(size).sum();
    let wrong = PairError::Operands { expected, got: bytes.len() };
    if bytes.len() != expected {
        return Err(wrong);
    }
    let mut rest = bytes;
    let mut out = Vec::with_capacity(lists.len());
    for list @ (len, bits) in lists {
        let (now, later) = rest.split_at(size(list));
        rest = later;
        let mut words = Words::new(vec![0; len * lanes(*bits)]);
        let read = match lanes(*bits) {
            1 => unpack(now, u32::from(*bits), &mut words),
            _ => unpack_double(now, u32::from(*bits), &mut words),
        };
        read.expect("as long as it is");
        out.push(words);
    }
    Ok(out)
}

/// Appends a list.
pub(crate) fn write(words: &[u64], bits: u8, out: &mut Vec<u8>) {
    match lanes(bits) {
        1 => pack(words, u32::from(bits), out),
        _ => pack_double(words, u32::from(bits), out),
    }
}

/// Every bit of every word, a word each.
pub(crate) fn bits_of(words: &[u64], bits: u8) -> Words {
    Words::new(words.iter().flat_map(|word| (0..bits).map(move |at| word >> at & 1)).collect())
}

/// Words of so many bits each.
pub(crate) fn words_of(list: &[u64], bits: u8) -> Words {
    let word = |bits: &[u64]| bits.iter().enumerate().fold(0, |word, (at, bit)| word | (bit & 1) << at);
    Words::new(list.chunks(usize::from(bits)).map(word).collect())
}

/// A factor's numbers modulo 2^bits, a signed one's with its sign.
pub(crate) fn modulo(words: &[u64], factor: Factor, bits: u8) -> Words {
    let whole = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
    let shift = 128 - u32::from(factor.width);
    let number = |word: u128| if factor.signed { ((word << shift) as i128 >> shift) as u128 } else { word };
    let mask = u128::MAX >> (128 - u32::from(bits));
    let put = |number: u128| -> [u64; 2] { [(number & mask) as u64, ((number & mask) >> 64) as u64] };
    let (from, to) = (lanes(factor.width), lanes(bits));
    let mut out = Words::new(vec![0; words.len() / from * to]);
    for (out, given) in out.chunks_mut(to).zip(words.chunks(from)) {
        let high = given.get(1).copied().unwrap_or(0);
        out.copy_from_slice(&put(number(whole(given[0], high)))[..to]);
    }
    out
}

/// Numbers modulo 2^from modulo 2^to, no wider.
pub(crate) fn resized(words: &[u64], from: u8, to: u8) -> Words {
    modulo(words, Factor { width: from, signed: false }, to)
}

/// How many single products add up to an entry of the result.
pub(crate) fn terms(pairing: Pairing) -> usize {
    match pairing {
        Pairing::Matrices { k, .. } => k,
        Pairing::Entries { .. } => 1,
        Pairing::Complex { .. } => 2,
    }
}

/// Which entry of an operand is the factor of each single product, those of an entry of the result side by side.
pub(crate) fn factors(pairing: Pairing, on_left: bool) -> Box<dyn Iterator<Item = usize>> {
    match pairing {
        Pairing::Matrices { batch, m, k, n, shared_right } => Box::new((0..batch * m * n).flat_map(move |at| {
            let (row, column) = (at / n, at % n);
            let matrix = if shared_right { 0 } else { row / m };
            (0..k).map(move |l| if on_left { row * k + l } else { (matrix * k + l) * n + column })
        })),
        Pairing::Entries { rows, cols, right } => Box::new((0..rows * cols).map(move |at| match right {
            _ if on_left => at,
            Along::Both => at,
            Along::Columns => at % cols,
            Along::Rows => at / cols,
        })),
        // The real part is a c − b d, the imaginary one a d + b c.
        Pairing::Complex { count } => Box::new((0..2 * count).flat_map(move |at| {
            let (part, entry) = (at / count, at % count);
            (0..2).map(move |term| entry + count * if on_left { term } else { term ^ part })
        })),
    }
}

/// Numbers modulo 2^bits by which single products are made, with a sign where these are subtracted.
pub(crate) fn subtracted(pairing: Pairing, mut words: Words, bits: u8) -> Words {
    let Pairing::Complex { count } = pairing else { return words };
    let (lanes, mask) = (lanes(bits), u128::MAX >> (128 - bits));
    for number in words.chunks_mut(lanes).take(2 * count).skip(1).step_by(2) {
        let whole = u128::from(number[0]) | u128::from(number.get(1).copied().unwrap_or(0)) << 64;
        let negative = whole.wrapping_neg() & mask;
        number.iter_mut().zip([negative as u64, (negative >> 64) as u64]).for_each(|(to, word)| *to = word);
    }
    words
}

/// The entries of a list at positions.
pub(crate) fn gather(words: &[u64], lanes: usize, at: impl Iterator<Item = usize>) -> Words {
    Words::new(at.flat_map(|i| words[i * lanes..(i + 1) * lanes].iter().copied()).collect())
}

/// Sums of `terms` numbers modulo 2^bits.
pub(crate) fn sums(words: &[u64], terms: usize, bits: u8) -> Words {
    match lanes(bits) {
        1 => {
            let mask = u64::MAX >> (64 - bits);
            let sum = |part: &[u64]| part.iter().fold(0u64, |sum, word| sum.wrapping_add(*word)) & mask;
            Words::new(words.chunks(terms).map(sum).collect())
        }
        _ => {
            let mask = u128::MAX >> (128 - bits);
            let number = |pair: &[u64]| u128::from(pair[0]) | u128::from(pair[1]) << 64;
            let sum = |part: &[u64]| part.chunks(2).fold(0u128, |sum, pair| sum.wrapping_add(number(pair))) & mask;
            let split = |sum: u128| [sum as u64, (sum >> 64) as u64];
            Words::new(words.chunks(2 * terms).flat_map(|part| split(sum(part))).collect())
        }
    }
}

/// Adds numbers modulo 2^bits to others.
pub(crate) fn add(words: &mut [u64], more: &[u64], bits: u8) {
    let lanes = lanes(bits);
    let mask = u128::MAX >> (128 - bits);
    let number = |words: &[u64]| u128::from(words[0]) | u128::from(words.get(1).copied().unwrap_or(0)) << 64;
    for (words, more) in words.chunks_mut(lanes).zip(more.chunks(lanes)) {
        let sum = number(words).wrapping_add(number(more)) & mask;
        words.iter_mut().zip([sum as u64, (sum >> 64) as u64]).for_each(|(to, word)| *to = word);
    }
}

/// Adds numbers of a word to the upper words of numbers modulo 2^bits.
pub(crate) fn add_above(words: &mut [u64], above: &[u64], bits: u8) {
    let mask = u64::MAX >> (128 - bits);
    for (pair, more) in words.chunks_mut(2).zip(above) {
        pair[1] = pair[1].wrapping_add(*more) & mask;
    }
}
