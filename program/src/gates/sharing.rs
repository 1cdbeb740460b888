//! G16: ReLU by a distributed comparison function, without a hop.
//!
//! The dealer makes one key per entry for ⟨(1, r)·[y < r]⟩, r the wire's whole mask of n bits (Boyle et al., EUROCRYPT
//! 2021, evaluate such a key at several public points). With N = 2^n, b_1 the comparison at y = x^ and b_2 that at
//! x^ + N/2 mod N, x as an unsigned integer is y − r + N b_1, its top bit is msb(x^) + b_1 − b_2, and for every x and r
//! max(x, 0) = (1 − msb(x^))(y − r + N b_2) − y b_1 + r b_1 + y b_2 − r b_2, linear in what the keys share.

use crate::code::{Buf, Instr, Lane, Role};
use crate::program::ValueId;

use super::emit::{Emit, Lowered, Sharing};

/// Correction words of a batch of keys, at each party the same.
struct Words {
    seeds: Buf,
    controls: Buf,
    values: Buf,
}

/// ⟨max(x, 0)⟩ modulo 2^ring of the result.
pub(super) fn relu(e: &mut Emit<'_>, id: ValueId, source: ValueId) -> Lowered {
    let (len, n, ring) = (e.len(id), e.value(source).ring, e.value(id).ring);
    let wire = e.wire(source);
    // r = r_0 + r_1 − 2^n W over the integers.
    let carry = e.correlated(id, 1, ring - n, len, Sharing::Additive, |e| {
        let [r0, r1] = wire.mask.map(|m| m.expect("the dealer knows both masks"));
        e.map(Lane::Word, 1, len, |x| {
            let (a, b) = (x.full(r0), x.full(r1));
            let s = x.add(a, b);
            x.shr(s, n)
        })
    });
    let roots = e.mask(id, 2, 64, 2 * len, [true, true]);
    let words = words(e, len, n);
    let widths = [(words.seeds, 64), (words.controls, n), (words.values, ring)];
    if e.role == Role::Dealer {
        let r = e.total(wire.mask, n, len);
        let one = e.map(Lane::Word, 1, len, |x| x.int(1));
        e.push(Instr::ComparisonKeys {
            seeds: words.seeds,
            controls: words.controls,
            values: words.values,
            threshold: r,
            payload: [one, r],
            roots: roots.map(|b| b.expect("the dealer knows both roots")),
            bits: n,
        });
        for (src, bits) in widths {
            e.push(Instr::Broadcast { src, bits });
        }
        return Lowered::Share(None);
    }
    for (dst, bits) in widths {
        e.push(Instr::Receive { dst, bits });
    }
    let party = e.party().expect("a party");
    let hat = wire.hat.expect("opened");
    let root = roots[party].expect("own root");
    let half = e.map(Lane::Word, 1, len, |x| {
        let (hat, half) = (x.full(hat), x.int(1 << (n - 1)));
        let s = x.add(hat, half);
        x.low(s, n)
    });
    let [at_hat, at_half] = [hat, half].map(|points| {
        let dst = [e.new_buffer(Lane::Word, len), e.new_buffer(Lane::Word, len)];
        let Words { seeds, controls, values } = words;
        e.push(Instr::ComparisonShares { dst, points, root, seeds, controls, values, bits: n });
        dst
    });
    let (mask, carry) = (wire.mask[party].expect("own mask"), e.own(carry));
    Lowered::Share(Some(e.map(Lane::Word, 1, len, |x| {
        let (hat, mask, carry) = (x.full(hat), x.full(mask), x.full(carry));
        let [b1, r1] = at_hat.map(|b| x.full(b));
        let [b2, r2] = at_half.map(|b| x.full(b));
        let (one, top) = (x.int(1), x.shr(hat, n - 1));
        let below = x.sub(one, top);
        // ⟨y − r + N b_2⟩
        let wraps = x.add(carry, b2);
        let wraps = x.shl(wraps, n);
        let line = x.sub(wraps, mask);
        let line = if party == 0 { x.add(line, hat) } else { line };
        let line = x.mul(below, line);
        let slope = x.sub(b2, b1);
        let slope = x.mul(hat, slope);
        let intercept = x.sub(r1, r2);
        x.sum(&[line, slope, intercept])
    })))
}

fn words(e: &mut Emit<'_>, len: usize, n: u8) -> Words {
    let n = usize::from(n);
    let [seeds, controls, values] = [2 * n * len, len, 2 * (n + 1) * len].map(|len| e.new_buffer(Lane::Word, len));
    Words { seeds, controls, values }
}
