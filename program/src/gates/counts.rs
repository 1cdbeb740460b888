//! G18: how many numbers of a row lie below public thresholds, by the buckets of their masks, and whether none does.
//!
//! A wire's number is known up to its mask's position in a bucket once the mask's bucket is, and that is dealt as shares of
//! 0 and 1. So a count is a sum of shares, and that it is zero is a product of a few opened bits.

use smallvec::SmallVec;

use crate::code::{Buf, Instr, Lane};
use crate::program::{Gate, ValueId};

use super::buckets::shifted;
use super::dealt;
use super::emit::{Bits, Emit, Lowered};
use super::opening::open_bits;

/// Shares of the counts at every threshold, less 2^(ring − 1) − 1, so that a row's count fits the ring with its sign.
pub(super) fn bucket_counts(
    e: &mut Emit<'_>,
    id: ValueId,
    source: ValueId,
    offset: i64,
    (buckets, step): (u8, u8),
) -> Lowered {
    let (len, cols) = (e.len(source), e.last(source));
    let (bits, ring) = (e.value(source).ring, e.value(id).ring);
    let shares = e.correlated(1);
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (shares, hat) = (e.own(shares), e.wire(source).hat.expect("opened"));
    let points = e.map(Lane::Word, 1, len, |x| {
        let point = shifted(x, hat, offset);
        x.low(point, bits)
    });
    let dst = e.new_buffer(Lane::Word, e.len(id));
    e.push(Instr::BucketCounts { dst, points, shares, cols, bits, buckets, step });
    if party == 1 {
        return Lowered::Share(Some(dst));
    }
    let len = e.len(id);
    Lowered::Share(Some(e.map(Lane::Word, 1, len, |x| {
        let (count, middle) = (x.full(dst), x.int((1 << (ring - 1)) - 1));
        x.sub(count, middle)
    })))
}

/// \[bucket of r = e\] for every bucket but the last, at the dealer.
pub(super) fn in_bucket(e: &mut Emit<'_>, wire: ValueId, low: u8) -> Buf {
    let (len, ring) = (e.len(wire), e.value(wire).ring);
    let r = dealt::mask(e, wire, len);
    e.map(Lane::Word, (1 << (ring - low)) - 1, len, |x| {
        let (bucket, at, one) = (x.col(r), x.row_index(), x.int(1));
        let bucket = x.shr(bucket, low);
        let other = x.xor(bucket, at);
        // Below zero for 0 alone.
        let less = x.sub(other, one);
        x.shr(less, 63)
    })
}

/// Opens whether each digit of x^ + offset is that of r.
pub(super) fn zero_digits(e: &mut Emit<'_>, id: ValueId, source: ValueId, offset: i64, widths: &[u8]) -> Lowered {
    let (len, bits) = (e.len(id), widths.len() as u8);
    let tables: Vec<_> = (1..).zip(widths).map(|(number, _)| e.correlated(number)).collect();
    let mask = e.mask(id, bits, len, [true, true]);
    let Some(party) = e.party() else { return Lowered::Bits(Bits { opened: None, mask, monomials: [None; 2] }) };
    let tables: Vec<Buf> = tables.into_iter().map(|table| e.own(table)).collect();
    let (hat, own) = (e.wire(source).hat.expect("opened"), mask[party].expect("own mask"));
    let message = e.map(Lane::Word, 1, len, |x| {
        let (mut hat, mut word) = (shifted(x, hat, offset), x.full(own));
        for ((place, table), width) in (0..).zip(&tables).zip(widths) {
            let (digit, table) = (x.low(hat, *width), x.full(*table));
            let bit = x.shr_by(table, digit);
            let bit = x.low(bit, 1);
            let bit = x.shl(bit, place);
            word = x.xor(word, bit);
            hat = x.shr(hat, *width);
        }
        word
    });
    let opened = open_bits(e, id, message, bits);
    Lowered::Bits(Bits { opened: Some(opened), mask, monomials: [None; 2] })
}

/// Π_q (m_q ⊕ ε_q), m_q the opened bits: for every set of pads their product times that of the other opened bits.
pub(super) fn zero_share(e: &mut Emit<'_>, id: ValueId, bits: ValueId) -> Lowered {
    let (len, ring, digits) = (e.len(id), e.value(id).ring, e.value(bits).ring);
    let products: Vec<_> = (1..1u16 << digits).map(|set| e.correlated(set)).collect();
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let products: Vec<Buf> = products.into_iter().map(|shares| e.own(shares)).collect();
    let opened = e.bits(bits).opened.expect("opened");
    Lowered::Share(Some(e.map(Lane::of(ring), 1, len, |x| {
        let (word, one) = (x.full(opened), x.int(1));
        let factors: SmallVec<[_; 4]> = (0..digits)
            .map(|q| {
                let m = x.bit(word, q);
                let twice = x.shl(m, 1);
                (m, x.sub(one, twice))
            })
            .collect();
        let mut out = x.int(0);
        for set in u32::from(party == 1)..1 << digits {
            let mut term = match set {
                0 => one,
                _ => x.full(products[set as usize - 1]),
            };
            for (q, (m, sign)) in factors.iter().enumerate() {
                term = x.mul(term, if set >> q & 1 == 1 { *sign } else { *m });
            }
            out = x.add(out, term);
        }
        out
    })))
}

/// The product of pads of opened bits, at the dealer.
pub(super) fn pad_product(e: &mut Emit<'_>, bits: ValueId, set: u32) -> Buf {
    let (len, [a, b]) = (e.len(bits), e.both(bits));
    debug_assert!(matches!(e.value(bits).gate, Gate::ZeroDigits { .. }));
    e.map(Lane::Word, 1, len, |x| {
        let (a, b) = (x.full(a), x.full(b));
        let pads = x.xor(a, b);
        x.all(pads, set)
    })
}
