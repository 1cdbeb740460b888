//! What two parties learn in shares of the sum of their masks, r = r_0 + r_1 − 2^k W: carries into bits, and digits as one-hots.
//!
//! The parts are cut into digits of at most four bits. A carry runs over the digits below, one look-up each: of both digits and both
//! shares of what is carried in. What two digits add up to, where somebody asks for their sum as a one-hot, is a look-up without
//! it, which also says whether they carry by themselves and whether they hand a carry on, so that a conjunction carries on; the
//! one-hot is turned by one place if a carry comes in.

use crate::code::{Buf, Lane, Owner};
use crate::making::Job;
use crate::program::ValueId;

use super::asked::{DIGIT, Digit};
use super::bits::{ands, outer, own, xor};
use super::emit::Emit;

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
                let looked_up = e.sums(wire).hots.contains(&(low, width));
                let carries = match below {
                    None => digit(e, wire, (low, width)).carries,
                    Some(below) if looked_up => {
                        let Digit { carries, hands_on, .. } = digit(e, wire, (low, width));
                        let handed = ands(e, hands_on, below, (len, 1));
                        xor(e, carries, handed, len)
                    }
                    Some(below) => carry_on(e, wire, (low, width), below),
                };
                e.sums(wire).carries.insert(low + width, carries);
                carries
            }
        });
    }
    carry
}

/// The carry out of a digit, of which one is carried in.
fn carry_on(e: &mut Emit<'_>, wire: ValueId, (low, width): (u8, u8), below: Buf) -> Buf {
    let (own, len) = (own(e, wire), e.len(wire));
    let both = e.map(Lane::Word, 1, len, |x| {
        let (own, below) = (x.full(own), x.full(below));
        let part = x.shr(own, low);
        let part = x.low(part, width);
        let (above, share) = (x.shl(part, 1), x.low(below, 1));
        x.or(above, share)
    });
    e.task(Job::Carries { chooser: chooser(wire, low), digit: width }, (len, 1), &[both])
}

/// Who chooses a digit: both parties' messages are about as long if they take turns.
fn chooser(wire: ValueId, low: u8) -> Owner {
    if (wire.0 + u32::from(low / DIGIT)).is_multiple_of(2) { Owner::DataOwner } else { Owner::ModelOwner }
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
    let entries = 1u8 << width;
    let bits = if wanted { entries + 1 } else { 2 };
    let both = e.task(Job::Sums { chooser: chooser(wire, low), digit: width, hot: wanted }, (len, bits), &[part]);
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
