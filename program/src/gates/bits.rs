//! What two parties make of bits that they share: one-hots of halves, bits as numbers and bits times numbers.
//!
//! A word is shared as the exclusive or of both parties' words, so what is linear in bits is local work. Conjunctions are tasks,
//! as many of a word's bits at a time as there are, so that a round serves all.

use crate::code::{Buf, Lane, Owner};
use crate::making::{Factor, Job};
use crate::program::ValueId;

use super::emit::Emit;
use super::expr::Expr;

/// The party's own part of a wire's mask, or of the pads of opened bits.
pub(super) fn own(e: &Emit<'_>, wire: ValueId) -> Buf {
    let party = e.making().expect("a maker");
    e.masks(wire)[party].expect("own mask")
}

/// Entry by entry the exclusive or of two words.
pub(super) fn xor(e: &mut Emit<'_>, a: Buf, b: Buf, len: usize) -> Buf {
    e.map(Lane::Word, 1, len, |x| {
        let (a, b) = (x.full(a), x.full(b));
        x.xor(a, b)
    })
}

/// One bit of every word.
pub(super) fn bit(e: &mut Emit<'_>, word: Buf, position: u8, len: usize) -> Buf {
    e.map(Lane::Word, 1, len, |x| {
        let word = x.full(word);
        x.bit(word, position)
    })
}

/// Bit by bit the conjunction of two shared words.
pub(super) fn ands(e: &mut Emit<'_>, a: Buf, b: Buf, (len, bits): (usize, u8)) -> Buf {
    e.task(Job::Ands, (len, bits), &[a, b])
}

/// 2^d for a digit d of `halves` bits below and above: the one-hot of its upper half times that of its lower half. Only products
/// of entries other than the first are tasks, as every one-hot sums to 1.
pub(super) fn outer(e: &mut Emit<'_>, [lower, upper]: [Buf; 2], [low, high]: [u8; 2], len: usize) -> Buf {
    // Entries but the first of either half.
    let (rows, cols) = ((1u8 << high) - 1, (1u8 << low) - 1);
    let [left, right] = e.maps(Lane::Word, 1, len, |x| {
        let (upper, lower) = (x.full(upper), x.full(lower));
        let (entries, all) = (x.shr(lower, 1), x.int((1 << cols) - 1));
        let (mut left, mut right) = (x.int(0), x.int(0));
        for row in 0..rows {
            let entry = x.bit(upper, row + 1);
            let entry = x.mul(entry, all);
            let (entry, entries) = (x.shl(entry, row * cols), x.shl(entries, row * cols));
            (left, right) = (x.or(left, entry), x.or(right, entries));
        }
        [left, right]
    });
    let products = ands(e, left, right, (len, rows * cols));
    e.map(Lane::Word, 1, len, |x| {
        let (products, upper, lower) = (x.full(products), x.full(upper), x.full(lower));
        let mut rest = x.shr(lower, 1);
        let mut out = x.int(0);
        for row in 0..rows {
            let entries = x.shr(products, row * cols);
            let entries = x.low(entries, cols);
            rest = x.xor(rest, entries);
            let whole = x.bit(upper, row + 1);
            let line = line(x, whole, entries);
            let line = x.shl(line, (row + 1) << low);
            out = x.or(out, line);
        }
        let first = x.low(upper, 1);
        let first = line(x, first, rest);
        x.or(out, first)
    })
}

/// At bit j of the lower half of a ring whether a bucket is in the half ring above j: whether the bucket's number but for its top
/// bit, given as a one-hot of `rest` bits if there are any, is above j, and the other way round if the top bit is set.
pub(super) fn half_above(e: &mut Emit<'_>, top: Buf, hot: Option<Buf>, rest: u8, len: usize) -> Buf {
    e.map(Lane::Word, 1, len, |x| {
        let top = x.full(top);
        let all = x.neg(top);
        let mut half = all;
        if let Some(hot) = hot {
            // The sum of all entries above j.
            let hot = x.full(hot);
            let mut above = x.shr(hot, 1);
            for distance in (0..rest).map(|step| 1 << step) {
                let more = x.shr(above, distance);
                above = x.xor(above, more);
            }
            half = x.xor(above, all);
        }
        x.low(half, 1 << rest)
    })
}

/// Entries of a line that sums to `whole`, of which all but the first are given.
fn line(x: &mut Expr, whole: crate::code::V, entries: crate::code::V) -> crate::code::V {
    let others = x.parity(entries);
    let first = x.xor(whole, others);
    let entries = x.shl(entries, 1);
    x.or(entries, first)
}

/// A shared bit as a number: b_0 + b_1 (1 − 2 b_0).
pub(super) fn number(e: &mut Emit<'_>, bit: Buf, bits: u8, len: usize) -> Buf {
    let lane = Lane::of(bits);
    let job = Job::Chosen { chooser: Owner::DataOwner };
    if e.making() == Some(1) {
        return e.task(job, (len, bits), &[bit]);
    }
    let turned = e.map(lane, 1, len, |x| {
        let (b, one) = (x.full(bit), x.int(1));
        let twice = x.shl(b, 1);
        let turned = x.sub(one, twice);
        x.low(turned, bits)
    });
    let chosen = e.task(job, (len, bits), &[turned]);
    e.map(lane, 1, len, |x| {
        let (b, chosen) = (x.full(bit), x.full(chosen));
        let value = x.add(b, chosen);
        x.low(value, bits)
    })
}

/// A shared bit times a shared number, whose entries may be one a row: Σ_i b_i·y_i + b_{1−i} (1 − 2 b_i) y_i.
pub(super) fn bit_times(e: &mut Emit<'_>, bit: Buf, own: Buf, bits: u8, (rows, cols): (usize, usize)) -> Buf {
    let (lane, len, party) = (Lane::of(bits), rows * cols, e.making().expect("a maker"));
    let per_row = e.entries(own) != len;
    let number = |x: &mut Expr| if per_row { x.row(own) } else { x.full(own) };
    let [mine, turned] = e.maps(lane, rows, cols, |x| {
        let (b, y) = (x.full(bit), number(x));
        let mine = x.mul(b, y);
        let twice = x.shl(mine, 1);
        let turned = x.sub(y, twice);
        [mine, x.low(turned, bits)]
    });
    let crossed = [0, 1].map(|owner| {
        let chooser = if owner == 0 { Owner::DataOwner } else { Owner::ModelOwner };
        let operand = if party == owner { turned } else { bit };
        e.task(Job::Chosen { chooser }, (len, bits), &[operand])
    });
    e.map(lane, 1, len, |x| {
        let terms = [mine, crossed[0], crossed[1]].map(|term| x.full(term));
        let sum = x.sum(&terms);
        x.low(sum, bits)
    })
}

/// Numbers modulo 2^width, as they stand.
pub(super) fn unsigned(width: u8) -> Factor {
    Factor { width, signed: false }
}
