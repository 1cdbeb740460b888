//! What gates ask of the sum of two parties' parts of a mask, wire by wire, and what was made of it (`sums.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::code::Buf;
use crate::correlation::{Correlation, Item};
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
            // As even as they go.
            while low < cut {
                let left = cut - low;
                let width = left.div_ceil(left.div_ceil(DIGIT));
                digits.push((low, width));
                low += width;
            }
        }
        digits
    }
}
