//! Digits as words of a code: a transfer of one of 2^k costs little more than one of two.
//!
//! The receiver's choice under tree j is a bit of a word of a binary code instead of the same bit under every tree (Orrù, Orsini
//! and Scholl, CT-RSA 2017; Roy, SoftSpokenOT, section 4). Words of different digits differ at 16 trees at least, so what the
//! sender's row of another digit differs by, C(c) ∘ Δ, has 16 bytes of Δ in it. A public linear map over GF(2^8) of which any 16 columns are
//! independent makes 128 bits of the row, and of C(c) ∘ Δ an offset Δ_c which is uniform for every c but 0. So everything behind it
//! sees a row of 128 bits and offsets of as many, as with one choice bit, whose word is 16 times that bit.

use zeroize::Zeroizing;

use crate::delta::{Delta, delta_bit, mask};
use crate::field::{Field, MOST_TREES, SECURITY};
use crate::tree::{Block, xor};

/// Bits of a byte of Δ, where digits are coded.
const BYTE: usize = 8;
/// Bytes of a row, and the least distance of words.
const DISTANCE: usize = SECURITY / BYTE;
/// Most bits of a digit.
const MOST_BITS: u32 = 6;

/// How choices lie under trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code {
    /// Bits of a digit, 1 to 6.
    bits: u32,
}

impl Code {
    /// One bit under every tree of a row.
    pub(crate) const BIT: Code = Code { bits: 1 };

    /// All codes of a field.
    pub(crate) fn all(field: Field) -> impl Iterator<Item = Code> {
        let most = if field.is_coded() { MOST_BITS } else { 1 };
        (1..=most).map(|bits| Code { bits })
    }

    /// The code of the digits that a number of so many bits is cut into, and how many there are.
    pub(crate) fn of(field: Field, bits: u32) -> (Code, usize) {
        if !field.is_coded() {
            return (Code::BIT, bits as usize);
        }
        let digits = bits.div_ceil(MOST_BITS);
        (Code { bits: bits.div_ceil(digits) }, digits as usize)
    }

    /// Bits of a digit.
    pub(crate) fn bits(self) -> u32 {
        self.bits
    }

    /// Trees that a word has a bit for.
    pub(crate) fn trees(self, field: Field) -> usize {
        match self.bits {
            1 => field.trees(),
            // Reed and Muller's of first order, and below it that of all sums but the empty one, often enough.
            MOST_BITS => MOST_TREES,
            bits => ((1 << bits) - 1) << (MOST_BITS - 1 - bits),
        }
    }

    /// The bits of a digit whose sum stands under a tree.
    pub(crate) fn sum(self, tree: usize) -> usize {
        match self.bits {
            MOST_BITS => MOST_TREES + tree,
            bits => 1 + tree % ((1 << bits) - 1),
        }
    }

    /// Δ_c of every digit c.
    pub(crate) fn offsets(self, field: Field, delta: &Delta) -> Zeroizing<Vec<Block>> {
        let mut each = Zeroizing::new(vec![[0; 2]; self.bits as usize]);
        let columns = if self == Code::BIT { SECURITY } else { self.trees(field) * BYTE };
        for (bit, offset) in each.iter_mut().enumerate() {
            // The bits of Δ where the word of this bit is 1, a word each.
            let under = |at: usize| self == Code::BIT || self.sum(at / BYTE) >> bit & 1 == 1;
            let mut columns: Zeroizing<Vec<u64>> =
                Zeroizing::new((0..columns).map(|at| if under(at) { delta_bit(delta, at) } else { 0 }).collect());
            shorten(&mut columns, 1);
            for (at, bit) in columns[..SECURITY].iter().enumerate() {
                offset[at / 64] |= bit << (at % 64);
            }
        }
        let chosen = |digit: usize, bit: usize| each[bit].map(|word| word & mask(digit as u64 >> bit & 1));
        let sum = |digit| (0..each.len()).fold([0; 2], |sum, bit| xor(sum, chosen(digit, bit)));
        Zeroizing::new((0..1 << self.bits).map(sum).collect())
    }
}

/// Makes 128 columns of more, of `words` words each: the first stay, and the byte of columns j behind them is added, times
/// 1/(i + 16 + j), to that of columns i. Any 16 bytes of columns are independent in that, as those of a Cauchy matrix beside the
/// identity are.
pub(crate) fn shorten(columns: &mut [u64], words: usize) {
    let (kept, more) = columns.split_at_mut(SECURITY * words);
    if more.is_empty() {
        return;
    }
    for (i, byte) in kept.chunks_exact_mut(BYTE * words).enumerate() {
        for (j, added) in more.chunks_exact(BYTE * words).enumerate() {
            // Column s is 2^s, so it is added to the columns of the bits of 2^s times the factor.
            for (bit, column) in byte.chunks_exact_mut(words).enumerate() {
                for (added, product) in added.chunks_exact(words).zip(PRODUCTS[i][j]) {
                    if product >> bit & 1 == 1 {
                        column.iter_mut().zip(added).for_each(|(word, added)| *word ^= added);
                    }
                }
            }
        }
    }
}

/// 2^s / (i + 16 + j) in GF(2^8), by i, j and s.
const PRODUCTS: [[[u8; BYTE]; DISTANCE]; DISTANCE] = {
    let mut all = [[[0; BYTE]; DISTANCE]; DISTANCE];
    let mut at = 0;
    while at < DISTANCE * DISTANCE {
        let (i, j) = (at / DISTANCE, at % DISTANCE);
        let factor = inverse((i ^ (DISTANCE + j)) as u8);
        let mut s = 0;
        while s < BYTE {
            all[i][j][s] = times(factor, 1 << s);
            s += 1;
        }
        at += 1;
    }
    all
};

/// A product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, of public numbers.
const fn times(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0);
    while b > 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = a << 1 ^ if a >> 7 == 1 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// 1/a = a^254.
const fn inverse(a: u8) -> u8 {
    let (mut power, mut i) = (1, 0);
    while i < 254 {
        power = times(power, a);
        i += 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> Field {
        Field::new(8).unwrap()
    }

    #[test]
    fn words_of_different_digits_differ_at_sixteen_trees_at_least() {
        let lengths: Vec<usize> = Code::all(field()).map(|code| code.trees(field())).collect();
        assert_eq!(lengths, [16, 24, 28, 30, 31, 32], "the shortest there are, by Griesmer's bound");
        for code in Code::all(field()) {
            for digit in 1..1usize << code.bits {
                let word = (0..code.trees(field())).filter(|tree| (digit & code.sum(*tree)).count_ones() % 2 == 1);
                assert!(word.count() >= DISTANCE, "{digit} of {code:?}");
            }
        }
    }

    #[test]
    fn numbers_are_cut_into_digits_of_a_code() {
        let cut = |bits| Code::of(field(), bits);
        let found: Vec<(u32, usize)> = [1, 4, 6, 7, 8, 11, 12].map(cut).map(|(code, n)| (code.bits, n)).into();
        assert_eq!(found, [(1, 1), (4, 1), (6, 1), (4, 2), (4, 2), (6, 2), (6, 2)]);
        assert_eq!(Code::of(Field::new(7).unwrap(), 5), (Code::BIT, 5));
    }

    /// Rank over GF(2) of the map from 16 bytes at these places to a row.
    fn rank(bytes: &[usize]) -> usize {
        let mut rows: Vec<u128> = vec![];
        for byte in bytes {
            for bit in 0..BYTE {
                let mut columns = vec![0; MOST_TREES * BYTE];
                columns[byte * BYTE + bit] = 1;
                shorten(&mut columns, 1);
                rows.push((0..SECURITY).fold(0, |row, at| row | u128::from(columns[at]) << at));
            }
        }
        let mut rank = 0;
        for at in 0..SECURITY {
            let Some(pivot) = (rank..rows.len()).find(|i| rows[*i] >> at & 1 == 1) else { continue };
            rows.swap(rank, pivot);
            let pivot = rows[rank];
            rows.iter_mut()
                .enumerate()
                .filter(|(i, row)| *i != rank && **row >> at & 1 == 1)
                .for_each(|(_, row)| *row ^= pivot);
            rank += 1;
        }
        rank
    }

    /// So an offset is uniform: where a word is 1 it has 16 bytes of Δ, and these and the row determine one another.
    #[test]
    fn the_bytes_under_every_word_make_all_rows() {
        for code in Code::all(field()) {
            for digit in 1..1usize << code.bits {
                let word: Vec<usize> =
                    (0..code.trees(field())).filter(|tree| (digit & code.sum(*tree)).count_ones() % 2 == 1).collect();
                assert_eq!(rank(&word), SECURITY, "{digit} of {code:?}");
            }
        }
        assert!(rank(&(0..15).collect::<Vec<_>>()) < SECURITY, "fewer bytes make fewer");
    }

    #[test]
    fn offsets_are_sums_and_differ() {
        let delta = Delta::new([0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 3]);
        for code in Code::all(field()) {
            let offsets = code.offsets(field(), &delta);
            let distinct: std::collections::HashSet<Block> = offsets.iter().copied().collect();
            assert!(distinct.len() == offsets.len() && offsets[0] == [0; 2]);
            for (a, b) in [(1, offsets.len() - 1), (0, 1)] {
                assert_eq!(xor(offsets[a], offsets[b]), offsets[a ^ b]);
            }
        }
        assert_eq!(Code::BIT.offsets(field(), &delta)[1], [delta[0], delta[1]]);
    }

    #[test]
    fn the_field_of_bytes_is_one() {
        for a in 1..=255 {
            assert_eq!(times(a, inverse(a)), 1);
        }
        assert_eq!((times(0x53, 0xca), times(0x57, 0x83)), (1, 0xc1));
    }
}
