//! What two parties learn in shares of the sum of their masks, r = r_0 + r_1 − 2^k W: carries into bits, and digits as one-hots.
//!
//! The parts are cut into digits of at most four bits. What two digits add up to is one look-up: whether they carry by themselves,
//! whether they hand a carry on, and, where somebody asks, their sum as a one-hot. A carry runs over the digits below with one
//! conjunction each; a one-hot is turned by one place if a carry comes in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::code::{Buf, Lane, Owner};
use crate::correlation::{Correlation, Item};
use crate::making::Job;
use crate::program::{Program, ValueId};

use super::bits::{ands, outer, own, xor};
use super::emit::Emit;

/// Most bits of a digit that is looked up: a table of 2^n entries travels.
const DIGIT: u8 = 4;

/// What is asked of a wire's mask, and what is made of it already.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// Bits into which carries are asked for.
    cuts: BTreeSet<u8>,
    /// First bit and bits of digits whose one-hots are asked for, none of more than [`DIGIT`] bits.
    hots: BTreeSet<(u8, u8)>,
    carries: BTreeMap<u8, Buf>,
    digits: BTreeMap<(u8, u8), Digit>,
}

/// What two digits add up to.
#[derive(Clone, Copy, Debug)]
struct Digit {
    carries: Buf,
    hands_on: Buf,
    hot: Option<Buf>,
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
    fn below(&self, at: u8) -> Vec<(u8, u8)> {
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

/// Exclusive-or shares of the carry into a bit of the sum of a wire's parts, W at bit k; nothing into bit 0.
pub(super) fn carry(e: &mut Emit<'_>, wire: ValueId, at: u8) -> Option<Buf> {
    if let Some(known) = e.sums(wire).carries.get(&at) {
        return Some(*known);
    }
    let len = e.len(wire);
    let mut carry: Option<Buf> = None;
    for (low, width) in e.sums(wire).below(at) {
        let known = e.sums(wire).carries.get(&(low + width)).copied();
        carry = Some(match (known, carry) {
            (Some(known), _) => known,
            (None, below) => {
                let Digit { carries, hands_on, .. } = digit(e, wire, (low, width));
                let carries = match below {
                    None => carries,
                    Some(below) => {
                        let handed = ands(e, hands_on, below, (len, 1));
                        xor(e, carries, handed, len)
                    }
                };
                e.sums(wire).carries.insert(low + width, carries);
                carries
            }
        });
    }
    carry
}

/// Exclusive-or shares of one bit of r.
pub(super) fn sum_bit(e: &mut Emit<'_>, wire: ValueId, at: u8) -> Buf {
    let (own, len) = (own(e, wire), e.len(wire));
    let carry = carry(e, wire, at);
    e.map(Lane::Word, 1, len, |x| {
        let own = x.full(own);
        let own = x.bit(own, at);
        match carry {
            None => own,
            Some(carry) => {
                let carry = x.full(carry);
                x.xor(own, carry)
            }
        }
    })
}

/// Exclusive-or shares of 2^d, d the `width` bits of r from bit `low` on.
pub(super) fn hot(e: &mut Emit<'_>, wire: ValueId, low: u8, width: u8) -> Buf {
    let len = e.len(wire);
    if width > DIGIT {
        let halves = [width / 2, width - width / 2];
        let parts = [hot(e, wire, low, halves[0]), hot(e, wire, low + halves[0], halves[1])];
        return outer(e, parts, halves, len);
    }
    let alone = digit(e, wire, (low, width)).hot.expect("asked for");
    let Some(carry) = carry(e, wire, low) else { return alone };
    let entries = 1 << width;
    let changed = e.map(Lane::Word, 1, len, |x| {
        let alone = x.full(alone);
        let (up, first) = (x.shl(alone, 1), x.shr(alone, entries - 1));
        let turned = x.or(up, first);
        let turned = x.low(turned, entries);
        x.xor(alone, turned)
    });
    let change = e.task(Job::Under, (len, entries), &[carry, changed]);
    xor(e, alone, change, len)
}

/// What the parts' digits add up to by themselves.
fn digit(e: &mut Emit<'_>, wire: ValueId, place: (u8, u8)) -> Digit {
    if let Some(known) = e.sums(wire).digits.get(&place) {
        return *known;
    }
    let ((low, width), len) = (place, e.len(wire));
    let wanted = e.sums(wire).hots.contains(&place);
    let own = own(e, wire);
    let part = e.map(Lane::Word, 1, len, |x| {
        let own = x.full(own);
        let part = x.shr(own, low);
        x.low(part, width)
    });
    // Both parties' messages are about as long if they take turns.
    let chooser = if (wire.0 + u32::from(low / DIGIT)) % 2 == 0 { Owner::DataOwner } else { Owner::ModelOwner };
    let entries = 1u8 << width;
    let bits = if wanted { entries + 1 } else { 2 };
    let both = e.task(Job::Sums { chooser, digit: width, hot: wanted }, (len, bits), &[part]);
    let [carries, hands_on, hot] = e.maps(Lane::Word, 1, len, |x| {
        let both = x.full(both);
        match wanted {
            true => [x.bit(both, entries), x.bit(both, entries - 1), x.low(both, entries)],
            false => [x.bit(both, 0), x.bit(both, 1), x.bit(both, 0)],
        }
    });
    let made = Digit { carries, hands_on, hot: wanted.then_some(hot) };
    e.sums(wire).digits.insert(place, made);
    made
}
