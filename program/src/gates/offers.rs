//! G20: a smooth function of one positive number per row by two parties alone. The data owner offers its cubics at every bucket
//! that the model owner's part of the mask may be in, and the model owner can open the one that it is in: one one-way hop.

use crate::code::{Buf, Instr, Lane, Owner, RowOffer, RowTable};
use crate::correlation::Item;
use crate::making::Job;
use crate::program::ValueId;

use super::bits::own;
use super::emit::{Emit, Lowered};
use super::expr::Expr;

/// Numbers of the gate's items.
const PADS: u16 = 1;
const PRODUCTS: u16 = 2;
/// Numbers of the data owner's streams: what masks the coefficients of each power, from 0 on, and labels.
const MASKS: u16 = 3;
const LABELS: u16 = MASKS + RowTable::POWERS as u16;
/// Bits of a position from which powers are rounded; as in the kernel.
const POSITION: u8 = 31;

/// Shares of the function at the opened number of every row.
pub(super) fn row_offer(e: &mut Emit<'_>, id: ValueId, source: ValueId, offer: RowOffer) -> Lowered {
    let (pads, products) = (e.correlated(PADS), e.correlated(PRODUCTS));
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (rows, ring, wire) = (e.len(source), e.value(id).ring, e.wire(source));
    let lane = Lane::of(ring);
    let (pads, products) = (e.own(pads), e.own(products));
    let mask = wire.mask[party].expect("own mask");
    let (size, labelled) = (rows * offer.entries() * RowTable::POWERS, rows * offer.labelled() * 2);
    if party == 0 {
        let entries = e.receive(id, size, ring);
        let next = (labelled > 0).then(|| e.receive(id, labelled, 64));
        let taken = e.new_buffer(lane, rows);
        e.push(Instr::TakeRows { dst: taken, mask, pads, entries, next, offer });
        return Lowered::Share(Some(super::products::minus(e, lane, taken, products, rows)));
    }
    let coefficients = [0, 1, 2, 3].map(|power| masks(e, id, (power, ring), rows * offer.lists()));
    let labels = (labelled > 0).then(|| e.draw(1, id, LABELS, 64, rows * (offer.lists() - 1) * 4));
    let (entries, points) = (e.new_buffer(lane, size), wire.hat.expect("opened"));
    let next = (labelled > 0).then(|| e.new_buffer(Lane::Word, labelled));
    e.push(Instr::OfferRows { entries, next, points, mask, pads, coefficients, labels, offer });
    e.send(id, entries, ring);
    if let Some(next) = next {
        e.send(id, next, 64);
    }
    // What its masks add: their products with the powers, of which the first is 1.
    let lists = offer.lists();
    let constants = if lists == 1 { coefficients[0] } else { e.sum_rows(coefficients[0], rows, lists) };
    let share = e.map(lane, 1, rows, |x| {
        let (constants, products) = (x.full(constants), x.full(products));
        let constants = x.shl(constants, offer.table.position_bits);
        let sum = x.add(constants, products);
        x.neg(sum)
    });
    Lowered::Share(Some(share))
}

/// What masks the coefficients of a power, at the data owner.
fn masks(e: &mut Emit<'_>, id: ValueId, (power, bits): (u16, u8), len: usize) -> Buf {
    e.draw(1, id, MASKS + power, bits, len)
}

/// How far a number is shifted to the right for the number of its bucket, list by list.
fn shifts(e: &mut Emit<'_>, offer: RowOffer) -> Buf {
    let (lists, table) = (offer.lists(), offer.table);
    let (first, step) = (table.ring_bits - offer.choice_bits, offer.step());
    // The last list may be less than a step finer.
    let beyond = i64::from(step) * (lists as i64 - 1) - i64::from(table.levels - offer.choice_bits);
    e.setup_map(Lane::Word, lists, |x| {
        let (list, last) = (x.row_index(), x.int(1 << (lists - 1)));
        let last = x.shr_by(last, list);
        let last = x.low(last, 1);
        let (step, first, beyond) = (x.int(step.into()), x.int(first.into()), x.int(beyond as u64));
        let (finer, beyond) = (x.mul(step, list), x.mul(beyond, last));
        let shift = x.sub(first, finer);
        x.add(shift, beyond)
    })
}

/// The party's pads of every row and list.
pub(super) fn pads(e: &mut Emit<'_>, item: &Item, (wire, offer): (ValueId, RowOffer), party: usize) -> Buf {
    let job = Job::Pads { chooser: Owner::ModelOwner, digit: offer.choice_bits };
    if party == 1 {
        return e.task(job, (item.len, item.bits), &[]);
    }
    let (mask, shifts) = (own(e, wire), shifts(e, offer));
    let choices = e.map(Lane::Word, item.len / offer.lists(), offer.lists(), |x| {
        let (mask, shift) = (x.row(mask), x.col(shifts));
        let bucket = x.shr_by(mask, shift);
        let choice = x.neg(bucket);
        x.low(choice, offer.choice_bits)
    });
    e.task(job, (item.len, item.bits), &[choices])
}

/// What a party multiplies: at the model owner the powers of its position, from the first on, list by list, as fractions of
/// `position_bits` bits to the nearest, and at the data owner what masks their coefficients.
pub(super) fn powers(
    e: &mut Emit<'_>,
    item: &Item,
    (wire, offer): (ValueId, RowOffer),
    party: usize,
) -> [Buf; RowTable::POWERS - 1] {
    let (rows, lists) = (item.len, offer.lists());
    if party == 1 {
        let id = e.current();
        return [1, 2, 3].map(|power| masks(e, id, (power, item.bits), rows * lists));
    }
    let (mask, shifts) = (own(e, wire), shifts(e, offer));
    let less = POSITION - offer.table.position_bits;
    let rounded = |x: &mut Expr, power| {
        let half = x.int(1 << (less - 1));
        let power = x.add(power, half);
        x.shr(power, less)
    };
    e.maps(Lane::Word, rows, lists, |x| {
        let (mask, shift, most) = (x.row(mask), x.col(shifts), x.int(63));
        // The bits below the bucket's number, at the top of a word.
        let up = x.sub(most, shift);
        let position = x.shl_by(mask, up);
        let position = x.shl(position, 1);
        let position = x.shr(position, 64 - POSITION);
        let square = x.mul(position, position);
        let square = x.shr(square, POSITION);
        let cube = x.mul(square, position);
        let cube = x.shr(cube, POSITION);
        [position, square, cube].map(|power| rounded(x, power))
    })
}
