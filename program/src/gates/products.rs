//! G3 products of two wires, as matrices or entry by entry, G4 products with the model owner's weights.

use crate::code::{Buf, Instr, Lane, Role};
use crate::correlation::{Along, Correlation, Pairing};
use crate::program::{Supplier, ValueId, WeightId};

use super::emit::{Emit, Lowered};

/// The product of paired matrices modulo 2^bits.
pub(super) fn pair(e: &mut Emit<'_>, pairing: Pairing, bits: u8, left: Buf, right: Buf) -> Buf {
    let Pairing::Matrices { batch, m, k, n, shared_right } = pairing else { unreachable!("a pairing of matrices") };
    let lane = Lane::of(bits);
    let (left, right) = (e.fit(left, lane), e.fit(right, lane));
    let dst = e.new_buffer(lane, batch * m * n);
    e.push(Instr::MatMul { dst, left, right, batch, m, k, n, shared_right, bits });
    dst
}

/// A mask times a weight that is repeated over the rows.
pub(super) fn times(e: &mut Emit<'_>, lane: Lane, (rows, cols): (usize, usize), mask: Buf, weight: Buf) -> Buf {
    e.map(lane, rows, cols, |b| {
        let (m, w) = (b.full(mask), b.col(weight));
        b.mul(m, w)
    })
}

/// Entry by entry a − b.
pub(super) fn minus(e: &mut Emit<'_>, lane: Lane, a: Buf, b: Buf, len: usize) -> Buf {
    e.map(lane, 1, len, |x| {
        let (a, b) = (x.full(a), x.full(b));
        x.sub(a, b)
    })
}

/// The pairing of the gate's correlated products.
fn pairing(e: &Emit<'_>) -> Pairing {
    match e.item(1).what {
        Correlation::MaskTimesWeight { pairing, .. } | Correlation::Cross { pairing, .. } => pairing,
        other => unreachable!("{other:?} of a product"),
    }
}

/// The pairing of a product entry by entry.
fn entries(e: &Emit<'_>) -> (usize, usize, Along) {
    match pairing(e) {
        Pairing::Entries { rows, cols, right } => (rows, cols, right),
        Pairing::Matrices { .. } | Pairing::Complex { .. } => unreachable!("a product entry by entry"),
    }
}

/// G4: P0 (X^ − r_0)·W + c_0 online; P1 −r_1·W^ + c_1 offline; c_0 + c_1 = r_1·s.
pub(super) fn matmul_server(e: &mut Emit<'_>, id: ValueId, source: ValueId, weight: WeightId) -> Lowered {
    let (len, out, ring) = (e.len(source), e.len(id), e.value(id).ring);
    let (lane, pairing) = (Lane::of(ring), pairing(e));
    let x = e.wire(source);
    let c = e.correlated(1);
    let share = match e.role {
        Role::Dealer => return Lowered::Share(None),
        Role::ModelOwner => {
            let (hat, mask) = (x.hat.expect("opened"), x.mask[0].expect("own mask"));
            let open = minus(e, lane, hat, mask, len);
            let w = e.weight(weight).expect("own weight");
            let p = pair(e, pairing, ring, open, w);
            let c = e.own(c);
            e.map(lane, 1, out, |b| {
                let (p, c) = (b.full(p), b.full(c));
                b.add(p, c)
            })
        }
        // −r_1·W is what is shared already.
        Role::DataOwner if e.program.supplier == Supplier::Pair => e.own(c),
        Role::DataOwner => {
            let w = e.masked_weight(weight);
            let p = pair(e, pairing, ring, x.mask[1].expect("own mask"), w);
            let c = e.own(c);
            minus(e, lane, c, p, out)
        }
    };
    Lowered::Share(Some(share))
}

/// G4 entry by entry, the weight repeated over the axes that it lacks.
pub(super) fn mul_server(e: &mut Emit<'_>, id: ValueId, source: ValueId, weight: WeightId) -> Lowered {
    let (len, lane) = (e.len(id), Lane::of(e.value(id).ring));
    let (rows, cols, _) = entries(e);
    let x = e.wire(source);
    let c = e.correlated(1);
    let share = match e.role {
        Role::Dealer => return Lowered::Share(None),
        Role::ModelOwner => {
            let (hat, mask) = (x.hat.expect("opened"), x.mask[0].expect("own mask"));
            let (w, c) = (e.weight(weight).expect("own weight"), e.own(c));
            e.map(lane, rows, cols, |b| {
                let (hat, mask, w, c) = (b.full(hat), b.full(mask), b.col(w), b.full(c));
                let w = b.signed(w);
                let d = b.sub(hat, mask);
                let p = b.mul(d, w);
                b.add(p, c)
            })
        }
        Role::DataOwner if e.program.supplier == Supplier::Pair => e.own(c),
        Role::DataOwner => {
            let (w, c) = (e.masked_weight(weight), e.own(c));
            let p = times(e, lane, (rows, cols), x.mask[1].expect("own mask"), w);
            minus(e, lane, c, p, len)
        }
    };
    Lowered::Share(Some(share))
}

/// G3: P0 (X^ − a_0)(Y^ − b_0) + c_0; P1 −X^·b_1 − a_1·Y^ + c_1; c_0 + c_1 = a·b − a_0·b_0.
pub(super) fn matmul(e: &mut Emit<'_>, id: ValueId, left: ValueId, right: ValueId) -> Lowered {
    let (out, ring) = (e.len(id), e.value(id).ring);
    let (lane, pairing) = (Lane::of(ring), pairing(e));
    let (llen, rlen) = (e.len(left), e.len(right));
    let (x, y) = (e.wire(left), e.wire(right));
    let c = e.correlated(1);
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (xh, yh) = (x.hat.expect("opened"), y.hat.expect("opened"));
    let (a, b) = (x.mask[party].expect("own mask"), y.mask[party].expect("own mask"));
    let c = e.own(c);
    let share = if party == 0 {
        let xa = minus(e, lane, xh, a, llen);
        let yb = minus(e, lane, yh, b, rlen);
        let p = pair(e, pairing, ring, xa, yb);
        e.map(lane, 1, out, |v| {
            let (p, c) = (v.full(p), v.full(c));
            v.add(p, c)
        })
    } else {
        let first = pair(e, pairing, ring, xh, b);
        let second = pair(e, pairing, ring, a, yh);
        e.map(lane, 1, out, |v| {
            let (p, q, c) = (v.full(first), v.full(second), v.full(c));
            let s = v.sub(c, p);
            v.sub(s, q)
        })
    };
    Lowered::Share(Some(share))
}

/// G3 entry by entry: P0 (x^ − a_0)(y^ − b_0) + c_0; P1 −x^·b_1 − a_1·y^ + c_1; c_0 + c_1 = a·b − a_0·b_0.
pub(super) fn hadamard(e: &mut Emit<'_>, id: ValueId, left: ValueId, right: ValueId) -> Lowered {
    let lane = Lane::of(e.value(id).ring);
    let (rows, cols, along) = entries(e);
    let (x, y) = (e.wire(left), e.wire(right));
    let c = e.correlated(1);
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (xh, yh) = (x.hat.expect("opened"), y.hat.expect("opened"));
    let (a, b) = (x.mask[party].expect("own mask"), y.mask[party].expect("own mask"));
    let c = e.own(c);
    Lowered::Share(Some(e.map(lane, rows, cols, |v| {
        let (xh, yh, a, b, c) = (v.full(xh), v.along(yh, along), v.full(a), v.along(b, along), v.full(c));
        if party == 0 {
            let (xa, yb) = (v.sub(xh, a), v.sub(yh, b));
            let p = v.mul(xa, yb);
            v.add(p, c)
        } else {
            let (p, q) = (v.mul(xh, b), v.mul(a, yh));
            let s = v.sub(c, p);
            v.sub(s, q)
        }
    })))
}
