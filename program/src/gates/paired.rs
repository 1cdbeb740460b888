//! What a party does with the other one for an item of correlated randomness, kind by kind, from its own masks: what a dealer
//! computes from both (`dealt.rs`) in shares. The wire's mask as an integer is r = r_0 + r_1 − 2^k W.

use crate::code::{Buf, Lane, Owner};
use crate::correlation::{Along, Correlation, Item, Pairing};
use crate::making::{Factor, Job};
use crate::program::ValueId;

use super::bits::{ands, bit, bit_times, half_above, number, own, unsigned, xor};
use super::emit::Emit;
use super::products::pair;
use super::sums::{carry, hot, sum_bit};

/// The party's share of an item.
pub(super) fn share(e: &mut Emit<'_>, item: &Item, party: usize) -> Buf {
    let (len, bits) = (item.len, item.bits);
    let lane = Lane::of(bits);
    match &item.what {
        Correlation::MaskTimesWeight { wire, weight, pairing } => {
            let bound = e.program.weights[weight.0 as usize].bound;
            let weights = Factor { width: bound + 1, signed: true };
            let operand = if party == 0 { e.weight(*weight).expect("own weight") } else { own(e, *wire) };
            let factors = [unsigned(e.value(*wire).ring), weights];
            let job = Job::Products { left: Owner::DataOwner, pairing: *pairing, factors, again: 0 };
            let product = e.task_of_mask(*wire, job, (len, bits), operand);
            combine(e, lane, len, bits, &[(product, true)])
        }
        Correlation::Cross { left, right, pairing } => cross(e, (len, bits), (*left, *right), *pairing, party),
        Correlation::Carry { wire, top } => {
            let carry = wraps(e, *wire);
            let carry = number(e, carry, bits, len);
            if !top {
                return carry;
            }
            let top = top_bit(e, *wire);
            let top = number(e, top, bits, len);
            combine(e, lane, len, bits, &[(carry, false), (top, false)])
        }
        Correlation::Squares { wire, cols } => squares(e, (len, bits), *wire, *cols, party),
        Correlation::TopTimesMask { wire } => {
            let top = top_bit(e, *wire);
            bit_times_mask(e, top, *wire, bits)
        }
        Correlation::MaskTimesRow { wire, row, top } => {
            let (rows, cols) = (e.len(*row), len / e.len(*row));
            let t = own(e, *row);
            if *top {
                let top = top_bit(e, *wire);
                return bit_times(e, top, t, bits, (rows, cols));
            }
            mask_times_row(e, (rows, cols), bits, (*wire, *row), party)
        }
        Correlation::OneHot { wire, low, width } => hot(e, *wire, *low, *width),
        Correlation::HalfAbove { wire, low, width } => {
            let rest = width - 1;
            let number = (rest > 0).then(|| hot(e, *wire, *low, rest));
            let top = sum_bit(e, *wire, low + rest);
            half_above(e, top, number, rest, len)
        }
        Correlation::PadProducts { sets } => {
            let pads = own(e, e.current());
            pad_products(e, pads, sets, len)
        }
        Correlation::PadProduct { bits: word, set } => {
            let pads = own(e, *word);
            let product = all(e, pads, *set, len);
            number(e, product, bits, len)
        }
        Correlation::Pad { bit } => {
            let pad = own(e, *bit);
            number(e, pad, bits, len)
        }
        Correlation::PadTimesMask { bit: pad, wire, top } => {
            let pad = own(e, *pad);
            if !top {
                return bit_times_mask(e, pad, *wire, bits);
            }
            let top = top_bit(e, *wire);
            let both = ands(e, pad, top, (len, 1));
            number(e, both, bits, len)
        }
        Correlation::InBucket { wire, low } => {
            let (entries, ring) = (e.len(*wire), e.value(*wire).ring);
            let hot = hot(e, *wire, *low, ring - low);
            let each = e.map(Lane::Word, len / entries, entries, |x| {
                let (word, at) = (x.col(hot), x.row_index());
                let bit = x.shr_by(word, at);
                x.low(bit, 1)
            });
            number(e, each, bits, len)
        }
        Correlation::Exponent { wire, of } => super::buckets::exponent_of_parts(e, (*wire, *of), (len, bits), party),
        Correlation::PadTimesExponent { bits: word, position, wire, of } => {
            super::buckets::padded_of_parts(e, (*word, *position), (*wire, *of), (len, bits), party)
        }
        Correlation::BucketPads { wire, offer } => super::offers::pads(e, item, (*wire, *offer), party),
        Correlation::MaskedPowers { wire, offer } => {
            let operands = super::offers::powers(e, item, (*wire, *offer), party);
            let rows = len;
            let pairing = Pairing::Matrices { batch: rows, m: 1, k: offer.lists(), n: 1, shared_right: false };
            let factors = [unsigned(offer.table.position_bits + 1), unsigned(bits)];
            let terms = operands
                .map(|operand| (products(e, (Owner::ModelOwner, pairing, factors), operand, (rows, bits)), false));
            combine(e, lane, rows, bits, &terms)
        }
        Correlation::HarmonicOfParts { .. } => super::turns::share(e, item, party),
        Correlation::RowPowers { .. } | Correlation::Comparison { .. } | Correlation::Harmonic { .. } => {
            unreachable!("verified: two parties can make it")
        }
    }
}

fn products(
    e: &mut Emit<'_>,
    (left, pairing, factors): (Owner, Pairing, [Factor; 2]),
    operand: Buf,
    size: (usize, u8),
) -> Buf {
    e.task(Job::Products { left, pairing, factors, again: 0 }, size, &[operand])
}

/// Σ ± of buffers, entry by entry, those with `true` subtracted.
fn combine(e: &mut Emit<'_>, lane: Lane, len: usize, bits: u8, terms: &[(Buf, bool)]) -> Buf {
    e.map(lane, 1, len, |x| {
        let mut sum = x.int(0);
        for (buf, negative) in terms {
            let term = x.full(*buf);
            sum = if *negative { x.sub(sum, term) } else { x.add(sum, term) };
        }
        x.low(sum, bits)
    })
}

/// a_0 b_1 + a_1 b_0 + a_1 b_1 of the parts of two wires' masks.
fn cross(
    e: &mut Emit<'_>,
    (len, bits): (usize, u8),
    (left, right): (ValueId, ValueId),
    pairing: Pairing,
    party: usize,
) -> Buf {
    let factors = [left, right].map(|wire| unsigned(e.value(wire).ring));
    let (a, b) = (own(e, left), own(e, right));
    let [first, second] = [(Owner::ModelOwner, 0), (Owner::DataOwner, 1)].map(|(owner, on_left)| {
        let operand = if party == on_left { a } else { b };
        products(e, (owner, pairing, factors), operand, (len, bits))
    });
    let lane = Lane::of(bits);
    let mut terms = vec![(first, false), (second, false)];
    if party == 1 {
        let both = match pairing {
            Pairing::Matrices { .. } => pair(e, pairing, bits, a, b),
            Pairing::Complex { .. } => unreachable!("no pairing of wires"),
            Pairing::Entries { rows, cols, right } => e.map(lane, rows, cols, |x| {
                let (a, b) = (x.full(a), x.along(b, right));
                x.mul(a, b)
            }),
        };
        terms.push((both, false));
    }
    combine(e, lane, len, bits, &terms)
}

/// The top bit of a wire's mask.
fn top_bit(e: &mut Emit<'_>, wire: ValueId) -> Buf {
    sum_bit(e, wire, e.value(wire).ring - 1)
}

/// W of a wire's mask.
fn wraps(e: &mut Emit<'_>, wire: ValueId) -> Buf {
    let k = e.value(wire).ring;
    carry(e, wire, k).expect("a ring of one bit at least")
}

/// A shared bit times the mask of a wire: b·(r_0 + r_1) − 2^k b·W.
fn bit_times_mask(e: &mut Emit<'_>, bit: Buf, wire: ValueId, bits: u8) -> Buf {
    let (k, len, lane) = (e.value(wire).ring, e.len(wire), Lane::of(bits));
    let r = own(e, wire);
    let whole = bit_times(e, bit, r, bits, (1, len));
    if bits <= k {
        return whole;
    }
    let carry = wraps(e, wire);
    let both = ands(e, bit, carry, (len, 1));
    let wraps = number(e, both, bits - k, len);
    less_wraps(e, whole, wraps, (lane, bits, k), len)
}

/// a − 2^k w.
fn less_wraps(e: &mut Emit<'_>, a: Buf, wraps: Buf, (lane, bits, k): (Lane, u8, u8), len: usize) -> Buf {
    e.map(lane, 1, len, |x| {
        let (a, wraps) = (x.full(a), x.full(wraps));
        let wraps = x.shl(wraps, k);
        let value = x.sub(a, wraps);
        x.low(value, bits)
    })
}

/// Σ r² over rows: r_0² + r_1² + 2 r_0 r_1 − 2^(k+1) W (r_0 + r_1) + 2^(2k) W.
fn squares(e: &mut Emit<'_>, (rows, bits): (usize, u8), wire: ValueId, cols: usize, party: usize) -> Buf {
    let (k, n, lane) = (e.value(wire).ring, rows * cols, Lane::of(bits));
    let r = own(e, wire);
    let pairing = Pairing::Matrices { batch: rows, m: 1, k: cols, n: 1, shared_right: false };
    let operand = if party == 0 { twice(e, r, k + 1, n) } else { r };
    let factors = [unsigned(k + 1), unsigned(k)];
    let crossed = products(e, (Owner::ModelOwner, pairing, factors), operand, (rows, bits));
    let wraps = (bits > k + 1).then(|| {
        let carry = wraps(e, wire);
        let times_mask = bit_times(e, carry, r, bits - k - 1, (1, n));
        (times_mask, (bits > 2 * k).then(|| number(e, carry, bits - 2 * k, n)))
    });
    let terms = e.map(lane, 1, n, |x| {
        let r = x.full(r);
        let mut sum = x.mul(r, r);
        if let Some((times_mask, alone)) = wraps {
            let times_mask = x.full(times_mask);
            let times_mask = x.shl(times_mask, k + 1);
            sum = x.sub(sum, times_mask);
            if let Some(alone) = alone {
                let alone = x.full(alone);
                let alone = x.shl(alone, 2 * k);
                sum = x.add(sum, alone);
            }
        }
        sum
    });
    let sums = if cols == 1 { terms } else { e.sum_rows(terms, rows, cols) };
    e.map(lane, 1, rows, |x| {
        let (sum, crossed) = (x.full(sums), x.full(crossed));
        let sum = x.add(sum, crossed);
        x.low(sum, bits)
    })
}

/// Twice a number, in the lane of its bits.
fn twice(e: &mut Emit<'_>, r: Buf, bits: u8, len: usize) -> Buf {
    e.map(Lane::of(bits), 1, len, |x| {
        let r = x.full(r);
        x.shl(r, 1)
    })
}

/// (r_0 + r_1 − 2^k W)(t_0 + t_1), t one entry a row.
fn mask_times_row(
    e: &mut Emit<'_>,
    (rows, cols): (usize, usize),
    bits: u8,
    (wire, row): (ValueId, ValueId),
    party: usize,
) -> Buf {
    let (k, len, lane) = (e.value(wire).ring, rows * cols, Lane::of(bits));
    let (r, t) = (own(e, wire), own(e, row));
    let (pairing, factors) =
        (Pairing::Entries { rows, cols, right: Along::Rows }, [unsigned(k), unsigned(e.value(row).ring)]);
    let crossed = [(Owner::ModelOwner, 0), (Owner::DataOwner, 1)].map(|(owner, on_left)| {
        let operand = if party == on_left { r } else { t };
        products(e, (owner, pairing, factors), operand, (len, bits))
    });
    let mine = e.map(lane, rows, cols, |x| {
        let (r, t) = (x.full(r), x.row(t));
        x.mul(r, t)
    });
    let whole = combine(e, lane, len, bits, &[(mine, false), (crossed[0], false), (crossed[1], false)]);
    if bits <= k {
        return whole;
    }
    let carry = wraps(e, wire);
    let wraps = bit_times(e, carry, t, bits - k, (rows, cols));
    less_wraps(e, whole, wraps, (lane, bits, k), len)
}

/// The product of the bits of a shared word that are in a set.
fn all(e: &mut Emit<'_>, word: Buf, set: u32, len: usize) -> Buf {
    let top = 31 - set.leading_zeros();
    let last = bit(e, word, top as u8, len);
    match set & !(1 << top) {
        0 => last,
        rest => {
            let others = all(e, word, rest, len);
            ands(e, others, last, (len, 1))
        }
    }
}

/// At bit i the product of the pads in set i: of all sets of a size at a time, from those of one pad less.
fn pad_products(e: &mut Emit<'_>, pads: Buf, sets: &[u32], len: usize) -> Buf {
    let mut out = e.zeros(Lane::Word, len);
    let largest = sets.iter().map(|set| set.count_ones()).max().unwrap_or(0);
    // Where the products of the size before stand, by set.
    let mut before: Option<(Buf, Vec<u32>)> = None;
    for size in 2..=largest {
        let these: Vec<u32> = sets.iter().copied().filter(|set| set.count_ones() == size).collect();
        let [left, right] = e.maps(Lane::Word, 1, len, |x| {
            let pads = x.full(pads);
            let smaller = before.as_ref().map(|(word, sets)| (x.full(*word), sets));
            let (mut left, mut right) = (x.int(0), x.int(0));
            for (position, set) in (0..).zip(&these) {
                let one = set.trailing_zeros() as u8;
                let rest = set & (set - 1);
                let factor = match &smaller {
                    None => x.bit(pads, rest.trailing_zeros() as u8),
                    Some((word, sets)) => {
                        let at = sets.iter().position(|known| *known == rest).expect("subsets are listed too");
                        x.bit(*word, at as u8)
                    }
                };
                let pad = x.bit(pads, one);
                let (factor, pad) = (x.shl(factor, position), x.shl(pad, position));
                (left, right) = (x.or(left, factor), x.or(right, pad));
            }
            [left, right]
        });
        let made = ands(e, left, right, (len, these.len() as u8));
        let placed = e.map(Lane::Word, 1, len, |x| {
            let made = x.full(made);
            let mut word = x.int(0);
            for (at, set) in (0..).zip(&these) {
                let place = sets.iter().position(|listed| listed == set).expect("one of them");
                let product = x.bit(made, at);
                let product = x.shl(product, place as u8);
                word = x.or(word, product);
            }
            word
        });
        out = xor(e, out, placed, len);
        before = Some((made, these));
    }
    out
}
