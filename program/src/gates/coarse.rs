//! G19: signs up to a bucket, by one look-up and without a hop for digits.
//!
//! With x^ = x + r, the bucket of x^ less that of r is the bucket of x or the next one. So the half of the ring in which it lies says
//! the sign of x but for a bucket in front of zero, where either is right for a function that is nearly the same on both sides.
//! Whether R is in the half ring above j is dealt for every j of the lower half; for j in the upper half it is the complement.

use crate::code::{Buf, Lane};
use crate::program::ValueId;

use super::dealt;
use super::emit::{Bits, Emit, Lowered};
use super::opening::open_bits;

/// Opens (⊕ signs of x + offset ⊕ negate) ⊕ ε.
pub(super) fn coarse_sign(
    e: &mut Emit<'_>,
    id: ValueId,
    source: ValueId,
    offsets: &[i64],
    (buckets, negate): (u8, bool),
) -> Lowered {
    let (len, low) = (e.len(id), e.value(source).ring - buckets);
    let table = e.correlated(1);
    let mask = e.mask(id, 1, len, [true, true]);
    let Some(party) = e.party() else { return Lowered::Bits(Bits { opened: None, mask, monomials: [None; 2] }) };
    let (table, own) = (e.own(table), mask[party].expect("own mask"));
    let hat = e.wire(source).hat.expect("opened");
    let message = e.map(Lane::Word, 1, len, |x| {
        let (table, mut bit) = (x.full(table), x.full(own));
        if negate && party == 0 {
            let one = x.int(1);
            bit = x.xor(bit, one);
        }
        for offset in offsets {
            let hat = super::buckets::shifted(x, hat, *offset);
            let bucket = x.shr(hat, low);
            let at = x.low(bucket, buckets - 1);
            let sign = x.shr_by(table, at);
            bit = x.xor(bit, sign);
            if party == 0 {
                let top = x.bit(bucket, buckets - 1);
                bit = x.xor(bit, top);
            }
        }
        x.low(bit, 1)
    });
    let opened = open_bits(e, id, message, 1);
    Lowered::Bits(Bits { opened: Some(opened), mask, monomials: [None; 2] })
}

/// At bit j whether R is in the half ring above j: j < R, or else for R in the upper half, at the dealer.
pub(super) fn half_above(e: &mut Emit<'_>, wire: ValueId, (low, width): (u8, u8)) -> Buf {
    let len = e.len(wire);
    let r = dealt::mask(e, wire, len);
    e.map(Lane::Word, 1, len, |x| {
        let (r, one) = (x.full(r), x.int(1));
        let bucket = x.shr(r, low);
        let (at, top) = (x.low(bucket, width - 1), x.bit(bucket, width - 1));
        let below = x.shl_by(one, at);
        let below = x.sub(below, one);
        let all = x.neg(top);
        let half = x.xor(below, all);
        x.low(half, 1 << (width - 1))
    })
}
