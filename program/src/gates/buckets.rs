//! G17: the exponential of a wire by the bucket of its mask and one dealt word.
//!
//! With Y = iD + τ − ρ it is exp(−iD − τ), which is public, times exp(ρ), which is dealt, or made by both parties. Which bucket i is right is opened as
//! bits under pads, whose products with the dealt word are dealt too; in buckets that are not looked at the result is 0.

use crate::code::{Buf, Copy, Instr, Lane, Owner, V};
use crate::correlation::{Along, Pairing};
use crate::exponential::{Exponential, GUARD, LOW, Powers, UNIT};
use crate::making::Job;
use crate::program::{self, Gate, ValueId};

use super::bits::{bit, bit_times, own, unsigned};
use super::dealt;
use super::emit::{Bits, Emit, Lowered};
use super::expr::Expr;
use super::opening::open_bits;
use super::sums::carry;

/// Opens \[bucket of x^ + offset = bucket of r + i\] for every i below the ring.
pub(super) fn bucket_bits(e: &mut Emit<'_>, id: ValueId, source: ValueId, offset: i64, buckets: u8) -> Lowered {
    let (len, count, ring) = (e.len(id), e.value(id).ring, e.value(source).ring);
    let table = e.correlated(1);
    let mask = e.mask(id, count, len, [true, true]);
    let Some(party) = e.party() else { return Lowered::Bits(Bits { opened: None, mask, monomials: [None; 2] }) };
    let (table, own) = (e.own(table), mask[party].expect("own mask"));
    let hat = e.wire(source).hat.expect("opened");
    let message = e.map(Lane::Word, 1, len, |x| {
        let (table, mut word) = (x.full(table), x.full(own));
        let hat = shifted(x, hat, offset);
        let hat = x.low(hat, ring);
        let bucket = x.shr(hat, ring - buckets);
        for i in 0..count {
            let below = x.int(i.into());
            let at = x.sub(bucket, below);
            let at = x.low(at, buckets);
            let bit = x.shr_by(table, at);
            let bit = x.low(bit, 1);
            let bit = x.shl(bit, i);
            word = x.xor(word, bit);
        }
        word
    });
    let opened = open_bits(e, id, message, count);
    Lowered::Bits(Bits { opened: Some(opened), mask, monomials: [None; 2] })
}

/// x^ + offset.
pub(super) fn shifted(x: &mut Expr, hat: Buf, offset: i64) -> V {
    let (hat, offset) = (x.full(hat), x.signed_int(offset));
    x.add(hat, offset)
}

/// Σ_i p_i(τ) (m_i ⟨A⟩ + (1 − 2m_i) ⟨ε_i A⟩), m_i the opened bits and A = exp(ρ).
pub(super) fn exponential(
    e: &mut Emit<'_>,
    id: ValueId,
    (bits, source): (ValueId, ValueId),
    scale: (u8, u8),
) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let of = program::exponential(e.program, (bits, source), scale);
    let whole = e.correlated(1);
    let padded: Vec<_> = (0..of.count).map(|i| e.correlated(2 + u16::from(i))).collect();
    let Some(_) = e.party() else { return Lowered::Share(None) };
    let whole = e.own(whole);
    let padded: Vec<Buf> = padded.into_iter().map(|shares| e.own(shares)).collect();
    let Gate::BucketBits { offset, .. } = e.value(bits).gate else { unreachable!("verified: bits of buckets") };
    let (opened, hat) = (e.bits(bits).opened.expect("opened"), e.wire(source).hat.expect("opened"));
    let factors: Vec<Buf> = (0..of.count).map(|i| public(e, of, (hat, offset), i, len)).collect();
    Lowered::Share(Some(e.map(Lane::of(ring), 1, len, |x| {
        let (word, a, one) = (x.full(opened), x.full(whole), x.int(1));
        let mut out = x.int(0);
        for ((i, padded), factor) in (0..).zip(&padded).zip(&factors) {
            let (m, ea, p) = (x.bit(word, i), x.full(*padded), x.full(*factor));
            let twice = x.shl(m, 1);
            let sign = x.sub(one, twice);
            let (ma, sea) = (x.mul(m, a), x.mul(sign, ea));
            let term = x.add(ma, sea);
            let term = x.mul(p, term);
            out = x.add(out, term);
        }
        out
    })))
}

/// exp(−iD − τ) at the opened words, from tables for the two digits of τ.
fn public(e: &mut Emit<'_>, of: Exponential, (hat, offset): (Buf, i64), bucket: u8, len: usize) -> Buf {
    let [high, low] = tables(e, of);
    let (bits, drop) = (of.low_bits(), LOW + GUARD);
    // The high table's entries have at most the public factor's bits and those that guard it.
    let lane = Lane::of(of.public_fraction + GUARD + LOW + 2);
    e.map_to(lane, Lane::Word, len, |x| {
        let hat = shifted(x, hat, offset);
        let position = x.low(hat, of.position);
        let (first, below) = (x.int(u64::from(bucket) << (of.position - bits)), x.shr(position, bits));
        let at = x.or(first, below);
        let rest = x.low(position, bits);
        let (high, low) = (x.at(high, at), x.at(low, rest));
        let product = x.mul(high, low);
        rounded(x, product, drop)
    })
}

/// What a party looks up, made once a session.
fn tables(e: &mut Emit<'_>, of: Exponential) -> [Buf; 2] {
    if let Some((_, tables)) = e.exponentials.iter().find(|(made, _)| *made == of) {
        return *tables;
    }
    let high = (of.high(), UNIT - of.public_fraction - GUARD);
    let made = [high, (of.low(), UNIT - LOW)].map(|(powers, drop)| {
        e.setup_map(Lane::Double, 1 << powers.factors.len(), |x| {
            let (start, n) = (x.int(powers.start), x.row_index());
            let value = product(x, &powers, (start, n), false);
            rounded(x, value, drop)
        })
    });
    e.exponentials.push((of, made));
    made
}

/// `powers` from a start on, at an argument or at its complement.
fn product(x: &mut Expr, powers: &Powers, (start, n): (V, V), complement: bool) -> V {
    let (mut value, unit) = (start, x.int(1 << UNIT));
    for (bit, factor) in (0..).zip(&powers.factors) {
        let mut set = x.bit(n, bit);
        if complement {
            let one = x.int(1);
            set = x.xor(set, one);
        }
        let less = x.int((1 << UNIT) - factor);
        let less = x.mul(set, less);
        let factor = x.sub(unit, less);
        value = x.mul(value, factor);
        value = x.shr(value, UNIT);
    }
    value
}

/// Without `drop` low bits, to nearest.
fn rounded(x: &mut Expr, value: V, drop: u8) -> V {
    if drop == 0 {
        return value;
    }
    let half = x.int(1 << (drop - 1));
    let value = x.add(value, half);
    x.shr(value, drop)
}

/// exp(ρ) at the dealer, made once for the gate underway.
pub(super) fn exponent(e: &mut Emit<'_>, wire: ValueId, of: Exponential) -> Buf {
    if let Some(made) = e.gate.exponent {
        return made;
    }
    let len = e.len(wire);
    let r = dealt::mask(e, wire, len);
    let (powers, drop) = of.mask(of.mask_fraction);
    let made = e.map_to(Lane::Double, Lane::Word, len, |x| {
        let r = x.full(r);
        let start = x.int(powers.start);
        let value = product(x, &powers, (start, r), true);
        rounded(x, value, drop)
    });
    e.gate.exponent = Some(made);
    made
}

/// ε · exp(ρ) at the dealer.
pub(super) fn padded(
    e: &mut Emit<'_>,
    lane: Lane,
    (bits, position): (ValueId, u8),
    (wire, of): (ValueId, Exponential),
) -> Buf {
    let (len, made, [a, b]) = (e.len(wire), exponent(e, wire, of), e.both(bits));
    e.map(lane, 1, len, |x| {
        let (a, b, made) = (x.full(a), x.full(b), x.full(made));
        let pads = x.xor(a, b);
        let pad = x.bit(pads, position);
        x.mul(pad, made)
    })
}

/// A party's share of exp(ρ), made once for the gate underway: of the products of what both round of their parts, without a carry
/// into the bucket and with one, the one that the carry says.
pub(super) fn exponent_of_parts(
    e: &mut Emit<'_>,
    (wire, of): (ValueId, Exponential),
    (len, bits): (usize, u8),
    party: usize,
) -> Buf {
    if let Some(made) = e.gate.exponent {
        return made;
    }
    let lane = Lane::of(bits);
    let factor = factor_of_part(e, (wire, of), len, party);
    let job = Job::Products {
        left: Owner::ModelOwner,
        pairing: Pairing::Entries { rows: 2, cols: len, right: Along::Columns },
        factors: of.part_bits().map(unsigned),
        again: 0,
    };
    let products = e.task(job, (2 * len, bits), &[factor]);
    let [plain, carried] = [0, 1].map(|row| {
        let dst = e.new_buffer(lane, len);
        e.push(Instr::Copy(Copy {
            dst,
            src: products,
            dims: [1, 1, 1, len],
            dst_strides: [0, 0, 0, 1],
            src_strides: [0, 0, 0, 1],
            dst_offset: 0,
            src_offset: row * len,
        }));
        dst
    });
    let more = e.map(lane, 1, len, |x| {
        let (plain, carried) = (x.full(plain), x.full(carried));
        let more = x.sub(carried, plain);
        x.low(more, bits)
    });
    let carry = carry(e, wire, of.position).expect("positions have bits");
    let more = bit_times(e, carry, more, bits, (1, len));
    let made = e.map(lane, 1, len, |x| {
        let (plain, more) = (x.full(plain), x.full(more));
        let value = x.add(plain, more);
        x.low(value, bits)
    });
    e.gate.exponent = Some(made);
    made
}

/// What a party rounds of the position of its part: the data owner exp(ρ_1), and the model owner exp(ρ_0) and then exp(ρ_0 − D).
fn factor_of_part(e: &mut Emit<'_>, (wire, of): (ValueId, Exponential), len: usize, party: usize) -> Buf {
    let part = own(e, wire);
    let (powers, drop) = of.mask(of.part_fractions()[party]);
    let rows = if party == 0 { 2 } else { 1 };
    e.maps_to(Lane::Double, Lane::Word, rows, len, |x| {
        let (part, mut start) = (x.col(part), x.int(powers.start));
        if party == 0 {
            let (row, less) = (x.row_index(), x.int(powers.start - of.carried_start()));
            let less = x.mul(row, less);
            start = x.sub(start, less);
        }
        let value = product(x, &powers, (start, part), true);
        [rounded(x, value, drop)]
    })[0]
}

/// A party's share of ε · exp(ρ).
pub(super) fn padded_of_parts(
    e: &mut Emit<'_>,
    (word, position): (ValueId, u8),
    of: (ValueId, Exponential),
    (len, bits): (usize, u8),
    party: usize,
) -> Buf {
    let made = exponent_of_parts(e, of, (len, bits), party);
    let pads = own(e, word);
    let pad = bit(e, pads, position, len);
    e.wait_for(pad, made);
    bit_times(e, pad, made, bits, (1, len))
}
