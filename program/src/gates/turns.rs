//! What two parties make for a trigonometric series (G11): cos ωr and sin ωr of a mask r = r_0 + r_1 as the product of the complex
//! numbers e^(iωr_0) and e^(iωr_1), each rounded by who knows the part. As ω is a multiple of 2π/2^period and the period at most
//! the ring, carries of the sum turn whole circles.
//!
//! All frequencies of a gate are one task, so that ciphertexts are full. The data owner's numbers are raised by 2^h, so that
//! transfers choose by numbers without a sign; the model owner takes off what that adds.

use crate::code::{Buf, Copy, Instr, Lane, Owner, V};
use crate::correlation::{Correlation, Item, Pairing};
use crate::making::{Factor, Job};
use crate::turn::{COSINE, INNER, SINE};

use super::bits::{own, unsigned};
use super::emit::{Emit, Turns};
use super::expr::Expr;

/// The party's share of the real or the imaginary part of a frequency.
pub(super) fn share(e: &mut Emit<'_>, item: &Item, party: usize) -> Buf {
    let Correlation::HarmonicOfParts { fraction, multiple, sine, .. } = item.what else { unreachable!("a harmonic") };
    let turns = e.turns(|e| turns(e, party));
    let (len, bits, count) = (item.len, item.bits, turns.multiples.len());
    let at = turns.multiples.iter().position(|known| *known == multiple).expect("of the gate");
    let from = if sine { count + at } else { at };
    let product = e.new_buffer(e.lane(turns.products), len);
    copy(e, (product, 0), (turns.products, from * len), len);
    let [cos, sin] = turns.own[at];
    e.map(Lane::of(bits), 1, len, |x| {
        let mut out = x.full(product);
        if party == 0 {
            let [cos, sin] = [cos, sin].map(|factor| {
                let factor = x.full(factor);
                x.signed(factor)
            });
            let more = if sine { x.add(cos, sin) } else { x.sub(cos, sin) };
            let more = x.shl(more, fraction);
            out = x.sub(out, more);
        }
        x.low(out, bits)
    })
}

/// The factors of all frequencies of the gate underway, and the task.
fn turns(e: &mut Emit<'_>, party: usize) -> Turns {
    let items: Vec<Item> = e.items().to_vec();
    let bits = items.iter().map(|item| item.bits).max().expect("a frequency");
    let of = |item: &Item| match item.what {
        Correlation::HarmonicOfParts { wire, period_bits, fraction, multiple, sine: false } => {
            Some((wire, period_bits, fraction, multiple, item.len))
        }
        _ => None,
    };
    let frequencies: Vec<_> = items.iter().filter_map(of).collect();
    let width = frequencies.iter().map(|(_, _, fraction, ..)| *fraction).max().expect("a frequency") + 2;
    let len = frequencies[0].4;
    let count = frequencies.len() * len;
    let operand = e.new_buffer(Lane::Word, 2 * count);
    let (mut multiples, mut factors) = (vec![], vec![]);
    for (at, (wire, period_bits, fraction, multiple, len)) in frequencies.into_iter().enumerate() {
        let mask = own(e, wire);
        let [cos, sin, first, second] = e.maps(Lane::Word, 1, len, |x| {
            let (mask, multiple) = (x.full(mask), x.int(multiple.into()));
            let angle = x.mul(mask, multiple);
            let [cos, sin] = cos_sin(x, angle, period_bits, fraction);
            let raised = x.int(if party == 1 { 1 << fraction } else { 0 });
            let [first, second] = [cos, sin].map(|factor| {
                let factor = x.add(factor, raised);
                x.low(factor, width)
            });
            [cos, sin, first, second]
        });
        copy(e, (operand, at * len), (first, 0), len);
        copy(e, (operand, count + at * len), (second, 0), len);
        multiples.push(multiple);
        factors.push([cos, sin]);
    }
    let job = Job::Products {
        left: Owner::DataOwner,
        pairing: Pairing::Complex { count },
        factors: [unsigned(width), Factor { width, signed: true }],
        again: 0,
    };
    let products = e.task(job, (2 * count, bits), &[operand]);
    Turns { multiples, own: factors, products }
}

/// As [`crate::turn::cos_sin`].
fn cos_sin(x: &mut Expr, angle: V, period_bits: u8, fraction: u8) -> [V; 2] {
    let (turned, half) = (x.shl(angle, 64 - period_bits), x.int(1 << 61));
    let turned = x.add(turned, half);
    let (quarter, top) = (x.shr(turned, 62), x.int(1 << 63));
    let rest = x.shl(turned, 2);
    let rest = x.xor(rest, top);
    let rest = x.sar(rest, 33);
    let square = x.mul(rest, rest);
    let square = x.sar(square, INNER);
    let [cos, sin] = [COSINE, SINE].map(|terms| {
        let (last, others) = terms.split_last().expect("six");
        let last = x.signed_int(*last);
        others.iter().rev().fold(last, |sum, term| {
            let (sum, term) = (x.mul(sum, square), x.signed_int(*term));
            let sum = x.sar(sum, INNER);
            x.add(term, sum)
        })
    });
    let sin = x.mul(rest, sin);
    let sin = x.sar(sin, INNER);
    let (odd, upper) = (x.low(quarter, 1), x.shr(quarter, 1));
    let (all, turns) = (x.neg(odd), x.xor(odd, upper));
    let both = x.xor(cos, sin);
    let both = x.and(both, all);
    [(cos, turns), (sin, upper)].map(|(value, negative)| {
        let value = x.xor(value, both);
        let all = x.neg(negative);
        let value = x.xor(value, all);
        let value = x.add(value, negative);
        super::series::rounded(x, value, INNER - fraction)
    })
}

/// Copies `len` entries, each buffer from an entry on.
fn copy(e: &mut Emit<'_>, (dst, dst_offset): (Buf, usize), (src, src_offset): (Buf, usize), len: usize) {
    let (dims, strides) = ([1, 1, 1, len], [0, 0, 0, 1]);
    e.push(Instr::Copy(Copy { dst, src, dims, dst_strides: strides, src_strides: strides, dst_offset, src_offset }));
}
