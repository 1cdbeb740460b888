//! G16: ReLU by a distributed comparison function, without a hop.
//!
//! The dealer makes one key per entry for ⟨(1, r)·[y < r]⟩, r the wire's whole mask of n bits (Boyle et al., EUROCRYPT
//! 2021, evaluate such a key at several public points). With N = 2^n, b_1 the comparison at y = x^ and b_2 that at
//! x^ + N/2 mod N, x as an unsigned integer is y − r + N b_1, its top bit is msb(x^) + b_1 − b_2, and for every x and r
//! max(x, 0) = (1 − msb(x^))(y − r + N b_2) − y b_1 + r b_1 + y b_2 − r b_2, linear in what the keys share. A public offset
//! moves x and x^ alike and leaves r, so the same keys serve any number of offsets.

use crate::code::{Buf, Copy, Instr, Lane, Role};
use crate::program::ValueId;

use super::emit::{Emit, Lowered, Sharing};

/// Correction words of a batch of keys, at each party the same.
#[derive(Clone, Copy)]
struct Words {
    seeds: Buf,
    controls: Buf,
    values: Buf,
}

/// ⟨max(x + o, 0)⟩ modulo 2^ring of the result, for one offset after the other.
pub(super) fn relu(e: &mut Emit<'_>, id: ValueId, source: ValueId, offsets: &[i64]) -> Lowered {
    let (len, n, ring) = (e.len(source), e.value(source).ring, e.value(id).ring);
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
    let key = Key {
        words,
        root: roots[party].expect("own root"),
        mask: wire.mask[party].expect("own mask"),
        carry: e.own(carry),
        bits: n,
    };
    let hat = wire.hat.expect("opened");
    if let [0] = offsets {
        return Lowered::Share(Some(rectified(e, party, hat, len, &key)));
    }
    let joined = e.new_buffer(Lane::Word, len * offsets.len());
    for (i, offset) in offsets.iter().enumerate() {
        let moved = e.map(Lane::Word, 1, len, |x| {
            let (hat, offset) = (x.full(hat), x.int(*offset as u64));
            let s = x.add(hat, offset);
            x.low(s, n)
        });
        let src = rectified(e, party, moved, len, &key);
        e.push(Instr::Copy(Copy {
            dst: joined,
            src,
            dims: [1, 1, 1, len],
            dst_strides: [0, 0, 0, 1],
            src_strides: [0, 0, 0, 1],
            dst_offset: i * len,
            src_offset: 0,
        }));
    }
    Lowered::Share(Some(joined))
}

/// What a party holds of the keys of a wire.
struct Key {
    words: Words,
    root: Buf,
    mask: Buf,
    carry: Buf,
    bits: u8,
}

/// ⟨max(x, 0)⟩ for the x that `hat` is the masked form of.
fn rectified(e: &mut Emit<'_>, party: usize, hat: Buf, len: usize, key: &Key) -> Buf {
    let n = key.bits;
    let half = e.map(Lane::Word, 1, len, |x| {
        let (hat, half) = (x.full(hat), x.int(1 << (n - 1)));
        let s = x.add(hat, half);
        x.low(s, n)
    });
    let [at_hat, at_half] = [hat, half].map(|points| {
        let dst = [e.new_buffer(Lane::Word, len), e.new_buffer(Lane::Word, len)];
        let Words { seeds, controls, values } = key.words;
        e.push(Instr::ComparisonShares { dst, points, root: key.root, seeds, controls, values, bits: n });
        dst
    });
    let (mask, carry) = (key.mask, key.carry);
    e.map(Lane::Word, 1, len, |x| {
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
    })
}

fn words(e: &mut Emit<'_>, len: usize, n: u8) -> Words {
    let n = usize::from(n);
    let [seeds, controls, values] = [2 * n * len, len, 2 * (n + 1) * len].map(|len| e.new_buffer(Lane::Word, len));
    Words { seeds, controls, values }
}
