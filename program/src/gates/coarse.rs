//! G19: signs up to a bucket, by one look-up and without a hop for digits.
//!
//! With x^ = x + r, the bucket of x^ less that of r is the bucket of x or the next one. So the half of the ring in which it lies says
//! the sign of x but for a bucket in front of zero, where either is right for a function that is nearly the same on both sides.

use crate::code::{Lane, V};
use crate::program::ValueId;

use super::emit::{Bits, Emit, Lowered};
use super::expr::Expr;
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
    let table = e.one_hots(source, low, &[buckets])[0];
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
            let bucket = x.low(bucket, buckets);
            let sign = half_above(x, table, bucket, buckets);
            bit = x.xor(bit, sign);
        }
        x.low(bit, 1)
    });
    let opened = open_bits(e, id, message, 1);
    Lowered::Bits(Bits { opened: Some(opened), mask, monomials: [None; 2] })
}

/// The parity of the entries R of a one-hot of 2^width for which the top bit of H − R is set: those in the half ring above H.
pub(super) fn half_above(x: &mut Expr, table: V, h: V, width: u8) -> V {
    let size = 1u64 << width;
    let base = x.int((1 << (size / 2)) - 1);
    let one = x.int(1);
    let s = x.add(h, one);
    let left = x.shl_by(base, s);
    let total = x.int(size);
    let back = x.sub(total, s);
    let right = x.shr_by(base, back);
    let half = x.or(left, right);
    let half = x.low(half, size as u8);
    let selected = x.and(table, half);
    x.parity(selected)
}
