//! G3 products of two wires, as matrices or entry by entry, G4 products with the model owner's weights.

use crate::code::{Buf, Instr, Lane, Role, V};
use crate::program::{ValueId, WeightId};

use super::emit::{Emit, Lowered, Sharing};
use super::expr::Expr;

struct Product {
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
    shared_right: bool,
    /// Ring of the result.
    bits: u8,
}

impl Product {
    fn emit(&self, e: &mut Emit<'_>, left: Buf, right: Buf) -> Buf {
        let &Product { batch, m, k, n, shared_right, bits } = self;
        let lane = Lane::of(bits);
        let (left, right) = (e.fit(left, lane), e.fit(right, lane));
        let dst = e.new_buffer(lane, batch * m * n);
        e.push(Instr::MatMul { dst, left, right, batch, m, k, n, shared_right, bits });
        dst
    }
}

fn minus(e: &mut Emit<'_>, lane: Lane, a: Buf, b: Buf, len: usize) -> Buf {
    e.map(lane, 1, len, |x| {
        let (a, b) = (x.full(a), x.full(b));
        x.sub(a, b)
    })
}

/// G4: P0 (X^ − r_0)·W + c_0 online; P1 −r_1·W^ + c_1 offline; c_0 + c_1 = r_1·s.
pub(super) fn matmul_server(e: &mut Emit<'_>, id: ValueId, source: ValueId, weight: WeightId) -> Lowered {
    let (out, ring) = (e.len(id), e.value(id).ring);
    let lane = Lane::of(ring);
    let (k, n) = (e.last(source), e.last(id));
    let product = Product { batch: 1, m: e.len(source) / k, k, n, shared_right: true, bits: ring };
    let x = e.wire(source);
    let c = e.correlated(id, 1, ring, out, Sharing::Additive, |e| {
        let s = e.masked_weight(weight);
        product.emit(e, x.mask[1].expect("the dealer knows both masks"), s)
    });
    let share = match e.role {
        Role::Dealer => return Lowered::Share(None),
        Role::ModelOwner => {
            let (hat, mask) = (x.hat.expect("opened"), x.mask[0].expect("own mask"));
            let open = minus(e, lane, hat, mask, product.m * k);
            let w = e.weight(weight).expect("own weight");
            let p = product.emit(e, open, w);
            let c = e.own(c);
            e.map(lane, 1, out, |b| {
                let (p, c) = (b.full(p), b.full(c));
                b.add(p, c)
            })
        }
        Role::DataOwner => {
            let w = e.masked_weight(weight);
            let p = product.emit(e, x.mask[1].expect("own mask"), w);
            let c = e.own(c);
            minus(e, lane, c, p, out)
        }
    };
    Lowered::Share(Some(share))
}

/// G4 entry by entry, the weight repeated over the axes that it lacks.
pub(super) fn mul_server(e: &mut Emit<'_>, id: ValueId, source: ValueId, weight: WeightId) -> Lowered {
    let (len, ring, cols) = (e.len(id), e.value(id).ring, e.weight_len(weight));
    let lane = Lane::of(ring);
    let rows = len / cols;
    let x = e.wire(source);
    let times = |e: &mut Emit<'_>, mask: Buf, w: Buf| {
        e.map(lane, rows, cols, |b| {
            let (m, w) = (b.full(mask), b.col(w));
            b.mul(m, w)
        })
    };
    let c = e.correlated(id, 1, ring, len, Sharing::Additive, |e| {
        let s = e.masked_weight(weight);
        times(e, x.mask[1].expect("the dealer knows both masks"), s)
    });
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
        Role::DataOwner => {
            let (w, c) = (e.masked_weight(weight), e.own(c));
            let p = times(e, x.mask[1].expect("own mask"), w);
            minus(e, lane, c, p, len)
        }
    };
    Lowered::Share(Some(share))
}

/// G3: P0 (X^ − a_0)(Y^ − b_0) + c_0; P1 −X^·b_1 − a_1·Y^ + c_1; c_0 + c_1 = a·b − a_0·b_0.
pub(super) fn matmul(e: &mut Emit<'_>, id: ValueId, left: ValueId, right: ValueId) -> Lowered {
    let (out, ring) = (e.len(id), e.value(id).ring);
    let lane = Lane::of(ring);
    let (l, r) = (&e.value(left).shape, &e.value(right).shape);
    let (m, k, n) = (l[l.len() - 2], l[l.len() - 1], r[r.len() - 1]);
    let product = Product { batch: out / (m * n), m, k, n, shared_right: false, bits: ring };
    let (llen, rlen) = (e.len(left), e.len(right));
    let (x, y) = (e.wire(left), e.wire(right));
    let c = e.correlated(id, 1, ring, out, Sharing::Additive, |e| {
        let (a, b) = (e.total(x.mask, lane.bits(), llen), e.total(y.mask, lane.bits(), rlen));
        let ab = product.emit(e, a, b);
        let own = product.emit(e, x.mask[0].expect("known"), y.mask[0].expect("known"));
        minus(e, lane, ab, own, out)
    });
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (xh, yh) = (x.hat.expect("opened"), y.hat.expect("opened"));
    let (a, b) = (x.mask[party].expect("own mask"), y.mask[party].expect("own mask"));
    let c = e.own(c);
    let share = if party == 0 {
        let xa = minus(e, lane, xh, a, llen);
        let yb = minus(e, lane, yh, b, rlen);
        let p = product.emit(e, xa, yb);
        e.map(lane, 1, out, |v| {
            let (p, c) = (v.full(p), v.full(c));
            v.add(p, c)
        })
    } else {
        let first = product.emit(e, xh, b);
        let second = product.emit(e, a, yh);
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
    let (len, ring, other) = (e.len(id), e.value(id).ring, e.len(right));
    let lane = Lane::of(ring);
    // The index space in which the right wire has one entry a position, a row or a column.
    let (l, r) = (&e.value(left).shape, &e.value(right).shape);
    let (rows, cols, entry): (usize, usize, fn(&mut Expr, Buf) -> V) = if l == r {
        (1, len, |x, b| x.full(b))
    } else if l.ends_with(r) {
        (len / other, other, |x, b| x.col(b))
    } else {
        (other, len / other, |x, b| x.row(b))
    };
    let (x, y) = (e.wire(left), e.wire(right));
    let c = e.correlated(id, 1, ring, len, Sharing::Additive, |e| {
        let [a0, a1] = x.mask.map(|m| m.expect("the dealer knows both masks"));
        let [b0, b1] = y.mask.map(|m| m.expect("the dealer knows both masks"));
        e.map(lane, rows, cols, |v| {
            // a·b − a_0·b_0 = a·b_1 + a_1·b_0.
            let (a0, a1, b0, b1) = (v.full(a0), v.full(a1), entry(v, b0), entry(v, b1));
            let a = v.add(a0, a1);
            let first = v.mul(a, b1);
            let second = v.mul(a1, b0);
            v.add(first, second)
        })
    });
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (xh, yh) = (x.hat.expect("opened"), y.hat.expect("opened"));
    let (a, b) = (x.mask[party].expect("own mask"), y.mask[party].expect("own mask"));
    let c = e.own(c);
    Lowered::Share(Some(e.map(lane, rows, cols, |v| {
        let (xh, yh, a, b, c) = (v.full(xh), entry(v, yh), v.full(a), entry(v, b), v.full(c));
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
