//! What gates ask of the sum of two parties' parts of a mask, wire by wire, and what was made of it (`sums.rs`).

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::code::Buf;
use crate::correlation::{Correlation, Item};
use crate::making::CHOICE_BITS;
use crate::program::{Program, ValueId};

/// Most bits of a digit that is looked up: a table of 2^n entries travels.
pub(super) const DIGIT: u8 = 4;

/// What is asked of a wire's mask, and what is made of it already.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// Bits into which carries are asked for.
    cuts: BTreeSet<u8>,
    /// First bit and bits of digits whose one-hots are asked for, none of more than [`DIGIT`] bits.
    pub(super) hots: BTreeSet<(u8, u8)>,
    /// Carries that were made, by the bit into which they go.
    pub(super) carries: BTreeMap<u8, Buf>,
    /// Digits that were looked up.
    pub(super) digits: BTreeMap<(u8, u8), Digit>,
}

/// What two digits add up to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digit {
    /// Whether they carry by themselves.
    pub(super) carries: Buf,
    /// Whether they hand a carry on.
    pub(super) hands_on: Buf,
    /// Their sum.
    pub(super) hot: Option<Buf>,
}

/// What the items of a program ask of every wire.
pub(super) fn asked<'i>(program: &Program, items: impl Iterator<Item = &'i Item>) -> HashMap<ValueId, Sums> {
    let mut all: HashMap<ValueId, Sums> = HashMap::new();
    let ring = |wire: ValueId| program.value(wire).ring;
    for item in items {
        let mut cut = |wire: ValueId, at: u8| {
            all.entry(wire).or_default().cuts.insert(at);
        };
        match item.what {
            Correlation::Carry { wire, top } => {
                cut(wire, ring(wire));
                cut(wire, ring(wire) - u8::from(top));
            }
            Correlation::Squares { wire, .. } => cut(wire, ring(wire)),
            Correlation::TopTimesMask { wire } => {
                cut(wire, ring(wire) - 1);
                cut(wire, ring(wire));
            }
            Correlation::MaskTimesRow { wire, top, .. } | Correlation::PadTimesMask { wire, top, .. } => {
                cut(wire, ring(wire) - u8::from(top));
            }
            Correlation::Exponent { wire, of } | Correlation::PadTimesExponent { wire, of, .. } => {
                cut(wire, of.position)
            }
            Correlation::OneHot { wire, low, width } => all.entry(wire).or_default().ask(low, width),
            Correlation::InBucket { wire, low } => all.entry(wire).or_default().ask(low, ring(wire) - low),
            Correlation::HalfAbove { wire, low, width } => {
                cut(wire, low + width - 1);
                if width > 1 {
                    all.entry(wire).or_default().ask(low, width - 1);
                }
            }
            Correlation::MaskTimesWeight { .. }
            | Correlation::Cross { .. }
            | Correlation::PadProducts { .. }
            | Correlation::Pad { .. }
            | Correlation::PadProduct { .. }
            | Correlation::RowPowers { .. }
            | Correlation::Harmonic { .. }
            | Correlation::HarmonicOfParts { .. }
            | Correlation::Comparison { .. }
            | Correlation::BucketPads { .. }
            | Correlation::MaskedPowers { .. } => {}
        }
    }
    all
}

impl Sums {
    fn ask(&mut self, low: u8, width: u8) {
        if width > DIGIT {
            self.ask(low, width / 2);
            self.ask(low + width / 2, width - width / 2);
        } else {
            self.cuts.insert(low);
            self.hots.insert((low, width));
        }
    }

    /// First bit and bits of the digits below a bit.
    pub(super) fn below(&self, at: u8) -> Vec<(u8, u8)> {
        let mut digits = Vec::new();
        let mut low = 0;
        let cuts = self.cuts.iter().copied().filter(|cut| *cut < at).chain([at]);
        for cut in cuts.filter(|cut| *cut > 0) {
            let whole = self.hots.contains(&(low, cut - low));
            let widths = if whole { vec![cut - low] } else { cheapest(cut - low, low == 0) };
            for width in widths {
                digits.push((low, width));
                low += width;
            }
        }
        digits
    }
}

/// Bits of an entry that a round is worth, as each digit's look-up is one behind that of the digit below.
const ROUND: u32 = 8;

/// What the look-up of a digit's carry takes, in bits: of the first digit also whether it would hand one on, of any other one
/// with its share of what is carried in.
fn price(width: u8, first: bool) -> u32 {
    let chosen = usize::from(width) + usize::from(!first);
    let entries = (1 << chosen) - 1;
    ROUND + CHOICE_BITS[chosen - 1] + if first { 2 * entries } else { entries }
}

/// The digits into which so many bits are cut for their carry, so that their look-ups take least: the fewest of those that do.
fn cheapest(bits: u8, first: bool) -> Vec<u8> {
    // By bits that are left: what they take, and the digits, behind the first.
    let mut rest: Vec<(u32, Vec<u8>)> = vec![(0, vec![])];
    let best = |rest: &[(u32, Vec<u8>)], bits: u8, first: bool| {
        let options = (1..=DIGIT.min(bits)).map(|width| {
            let (more, digits) = &rest[usize::from(bits - width)];
            (price(width, first) + more, [&[width], &digits[..]].concat())
        });
        options.min_by_key(|(price, digits)| (*price, digits.len())).unwrap_or_default()
    };
    for left in 1..bits {
        rest.push(best(&rest, left, false));
    }
    best(&rest, bits, first).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_below_a_bit_end_at_every_cut_and_take_least() {
        let mut sums = Sums { cuts: [18, 19].into(), ..Sums::default() };
        assert_eq!(sums.below(19), [(0, 3), (3, 3), (6, 4), (10, 4), (14, 4), (18, 1)]);
        assert_eq!(sums.below(18), sums.below(19)[..5]);
        // Digits that are looked up as one-hots carry on their own.
        sums.ask(8, 4);
        let ends = sums.below(19).iter().map(|(low, width)| low + width).collect::<Vec<_>>();
        assert!(ends.contains(&8) && ends.ends_with(&[18, 19]), "{ends:?}");
        for bits in 1..=40 {
            for first in [false, true] {
                let digits = cheapest(bits, first);
                assert_eq!(digits.iter().sum::<u8>(), bits);
                let of = |digits: &[u8]| {
                    digits.iter().enumerate().map(|(at, width)| price(*width, first && at == 0)).sum::<u32>()
                };
                for width in 1..=DIGIT {
                    let mut same = vec![width; usize::from(bits / width)];
                    same.extend((bits % width > 0).then_some(bits % width));
                    assert!(of(&digits) <= of(&same), "{bits} bits: {digits:?}");
                }
            }
        }
    }
}
