//! G16: ReLU and the step by a distributed comparison function, without a hop.
//!
//! The dealer makes one key per entry for ⟨(1, r)·[y < r]⟩, r the wire's whole mask of n bits (Boyle et al., EUROCRYPT
//! 2021, evaluate such a key at several public points). With N = 2^n, b_1 the comparison at y = x^ and b_2 that at
//! x^ + N/2 mod N, x as an unsigned integer is y − r + N b_1, its top bit is msb(x^) + b_1 − b_2, and for every x and r
//! max(x, 0) = (1 − msb(x^))(y − r + N b_2) − y b_1 + r b_1 + y b_2 − r b_2, linear in what the keys share. The step
//! \[x ≥ 0\] = 1 − msb(x^) − b_1 + b_2 takes keys for the number 1 alone. A public offset moves x and x^ alike and leaves
//! r, so the same keys serve any number of offsets.

use smallvec::SmallVec;

use crate::code::{Buf, ComparisonTree, Copy, Instr, Lane};
use crate::correlation::Correlation;
use crate::program::ValueId;

use super::emit::{Emit, Lowered};

/// What a party holds of the keys of a wire.
#[derive(Clone, Copy)]
struct Key {
    /// Seeds, controls and values, at each party the same.
    words: [Buf; 3],
    root: Buf,
    tree: ComparisonTree,
}

impl Key {
    /// Item 2 of the gate underway, at a party.
    fn new(e: &mut Emit<'_>) -> Option<Key> {
        let Correlation::Comparison { tree, .. } = e.item(2).what else { unreachable!("an item of keys") };
        e.keys(2).map(|(words, root)| Key { words, root, tree })
    }
}

/// A party's shares of the words of β·[y < r] at y = x^ and at y = x^ + N/2 mod N.
fn compared<const N: usize>(e: &mut Emit<'_>, hat: Buf, len: usize, key: &Key) -> [[Buf; N]; 2] {
    let n = key.tree.bits;
    let half = e.map(Lane::Word, 1, len, |x| {
        let (hat, half) = (x.full(hat), x.int(1 << (n - 1)));
        let s = x.add(hat, half);
        x.low(s, n)
    });
    [hat, half].map(|points| {
        let dst = [(); N].map(|()| e.new_buffer(Lane::Word, len));
        let [seeds, controls, values] = key.words;
        let dsts = SmallVec::from_slice(&dst);
        e.push(Instr::ComparisonShares { dst: dsts, points, root: key.root, seeds, controls, values, tree: key.tree });
        dst
    })
}

/// What `one` gives for the x^ of one offset after the other, joined.
fn joined(
    e: &mut Emit<'_>,
    hat: Buf,
    (len, n): (usize, u8),
    offsets: &[i64],
    one: impl Fn(&mut Emit<'_>, Buf) -> Buf,
) -> Lowered {
    if let [0] = offsets {
        return Lowered::Share(Some(one(e, hat)));
    }
    let joined = e.new_buffer(Lane::Word, len * offsets.len());
    for (i, offset) in offsets.iter().enumerate() {
        let moved = e.map(Lane::Word, 1, len, |x| {
            let (hat, offset) = (x.full(hat), x.int(*offset as u64));
            let s = x.add(hat, offset);
            x.low(s, n)
        });
        let src = one(e, moved);
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

/// ⟨max(x + o, 0)⟩ modulo 2^ring of the result, for one offset after the other.
pub(super) fn relu(e: &mut Emit<'_>, source: ValueId, offsets: &[i64]) -> Lowered {
    let (len, n) = (e.len(source), e.value(source).ring);
    let wire = e.wire(source);
    // r = r_0 + r_1 − 2^n W over the integers.
    let carry = e.correlated(1);
    let key = Key::new(e);
    let (Some(key), Some(party)) = (key, e.party()) else { return Lowered::Share(None) };
    let (mask, carry) = (wire.mask[party].expect("own mask"), e.own(carry));
    joined(e, wire.hat.expect("opened"), (len, n), offsets, |e, hat| {
        let [at_hat, at_half] = compared::<2>(e, hat, len, &key);
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
    })
}

/// ⟨\[x + o ≥ 0\]⟩ modulo 2^ring of the result, for one offset after the other.
pub(super) fn step(e: &mut Emit<'_>, source: ValueId, offsets: &[i64]) -> Lowered {
    let (len, n) = (e.len(source), e.value(source).ring);
    let wire = e.wire(source);
    let key = Key::new(e);
    let (Some(key), Some(party)) = (key, e.party()) else { return Lowered::Share(None) };
    joined(e, wire.hat.expect("opened"), (len, n), offsets, |e, hat| {
        let [[at_hat], [at_half]] = compared::<1>(e, hat, len, &key);
        e.map(Lane::Word, 1, len, |x| {
            let (b1, b2) = (x.full(at_hat), x.full(at_half));
            let turn = x.sub(b2, b1);
            if party == 1 {
                return turn;
            }
            let (hat, one) = (x.full(hat), x.int(1));
            let top = x.shr(hat, n - 1);
            let below = x.sub(one, top);
            x.add(below, turn)
        })
    })
}
