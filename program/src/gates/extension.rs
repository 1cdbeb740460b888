//! G2 ring extension, G6 squares and their row sums, G7 row scaling: a wire of k bits used in a wider ring.
//!
//! With h = (x^ + 2^(k−2)) mod 2^k and c = 1 − msb(h), x = P − r_0 − r_1 + 2^k W_c exactly for |x| ≤ 2^(k−2),
//! where P = h − 2^(k−2), W_0 is the carry of r_0 + r_1 and W_1 = W_0 + msb(r).

use crate::code::{Buf, Lane, V};
use crate::program::ValueId;

use super::emit::{Emit, Lowered, Shares, Wire};
use super::expr::Expr;

/// Shares of W_0 and W_1 modulo 2^(K−k).
#[derive(Clone, Copy)]
pub(super) struct Carries {
    pub(super) w: [Shares; 2],
}

/// Items `first` and `first + 1` of the gate underway.
pub(super) fn carries(e: &mut Emit<'_>, first: u16) -> Carries {
    Carries { w: [e.correlated(first), e.correlated(first + 1)] }
}

/// The selector rule: with the slack of G2, or for values known to be nonnegative over the whole ring (G8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Slack,
    Nonnegative,
}

/// What a party derives from a wire inside a map: P, c and ρ_c,i = r_i − 2^k W_c,i.
pub(super) struct Extended {
    pub(super) public: V,
    pub(super) c: V,
    pub(super) rho: V,
}

/// Buffers a party needs to extend a wire.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    hat: Buf,
    mask: Buf,
    w: [Buf; 2],
    k: u8,
    rule: Rule,
}

pub(super) fn parts(e: &Emit<'_>, wire: Wire, carries: Carries, k: u8, rule: Rule) -> Parts {
    let party = e.party().expect("a party");
    Parts {
        hat: wire.hat.expect("opened"),
        mask: wire.mask[party].expect("own mask"),
        w: carries.w.map(|s| e.own(s)),
        k,
        rule,
    }
}

impl Parts {
    pub(super) fn expr(&self, x: &mut Expr) -> Extended {
        let &Parts { hat, mask, w, k, rule } = self;
        let (hat, mask, w0, w1) = (x.full(hat), x.full(mask), x.full(w[0]), x.full(w[1]));
        let one = x.int(1);
        let (public, top) = match rule {
            Rule::Slack => {
                let quarter = x.int(1 << (k - 2));
                let h = x.add(hat, quarter);
                let h = x.low(h, k);
                (x.sub(h, quarter), x.shr(h, k - 1))
            }
            Rule::Nonnegative => (hat, x.shr(hat, k - 1)),
        };
        let c = x.sub(one, top);
        let d = x.sub(w1, w0);
        let d = x.mul(c, d);
        let wc = x.add(w0, d);
        let shifted = x.shl(wc, k);
        let rho = x.sub(mask, shifted);
        Extended { public, c, rho }
    }
}

/// G2: ⟨x⟩_K = P − r_i + 2^k ⟨W_c⟩.
pub(super) fn extend(e: &mut Emit<'_>, id: ValueId, source: ValueId) -> Lowered {
    let (len, k) = (e.len(id), e.value(source).ring);
    let wire = e.wire(source);
    let carries = carries(e, 1);
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let p = parts(e, wire, carries, k, Rule::Slack);
    let lane = Lane::of(e.value(id).ring);
    Lowered::Share(Some(e.map(lane, 1, len, |x| {
        let t = p.expr(x);
        if party == 0 { x.sub(t.public, t.rho) } else { x.neg(t.rho) }
    })))
}

/// G6: Σx² = ΣP² − 2ΣPρ_c + Σr² + Σ_{c=1} (2^(2k) b − 2^(k+1) b r), b = msb(r).
pub(super) fn row_squares(e: &mut Emit<'_>, id: ValueId, source: ValueId) -> Lowered {
    let cols = e.last(source);
    squares(e, id, source, cols)
}

/// G6 for rows of one entry.
pub(super) fn square(e: &mut Emit<'_>, id: ValueId, source: ValueId) -> Lowered {
    squares(e, id, source, 1)
}

fn squares(e: &mut Emit<'_>, id: ValueId, source: ValueId, cols: usize) -> Lowered {
    let (len, k, ring) = (e.len(source), e.value(source).ring, e.value(id).ring);
    let rows = len / cols;
    let sums = |e: &mut Emit<'_>, terms: Buf| if cols == 1 { terms } else { e.sum_rows(terms, rows, cols) };
    let lane = Lane::of(ring);
    let wire = e.wire(source);
    let carries = carries(e, 1);
    let (products, squares) = (e.correlated(3), e.correlated(4));
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let p = parts(e, wire, carries, k, Rule::Slack);
    let br = e.own(products);
    let terms = e.map(lane, 1, len, |x| {
        let t = p.expr(x);
        let (w0, w1, br) = (x.full(p.w[0]), x.full(p.w[1]), x.full(br));
        let b = x.sub(w1, w0);
        let b = x.shl(b, 2 * k);
        let br = x.shl(br, k + 1);
        let d = x.sub(b, br);
        let d = x.mul(t.c, d);
        let pr = x.mul(t.public, t.rho);
        let pr = x.shl(pr, 1);
        let s = x.sub(d, pr);
        if party == 0 {
            let pp = x.mul(t.public, t.public);
            x.add(s, pp)
        } else {
            s
        }
    });
    let sums = sums(e, terms);
    let r2 = e.own(squares);
    Lowered::Share(Some(e.map(lane, 1, rows, |x| {
        let (a, b) = (x.full(sums), x.full(r2));
        x.add(a, b)
    })))
}

/// G7: ⟨u·y⟩_K = P·Y^ − P·t_i − Y^·ρ_c,i + ⟨ρ_c t⟩, t the row wire's mask.
pub(super) fn row_scale(e: &mut Emit<'_>, id: ValueId, source: ValueId, row: ValueId) -> Lowered {
    let (len, k, ring, cols) = (e.len(id), e.value(source).ring, e.value(id).ring, e.last(id));
    let rows = len / cols;
    let lane = Lane::of(ring);
    let (wire, scale) = (e.wire(source), e.wire(row));
    let carries = carries(e, 1);
    let (full, top) = (e.correlated(3), e.correlated(4));
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let p = parts(e, wire, carries, k, Rule::Slack);
    let (yh, t) = (scale.hat.expect("opened"), scale.mask[party].expect("own mask"));
    let (full, top) = (e.own(full), e.own(top));
    Lowered::Share(Some(e.map(lane, rows, cols, |x| {
        let u = p.expr(x);
        let (yh, t, full, top) = (x.row(yh), x.row(t), x.full(full), x.full(top));
        let d = x.mul(u.c, top);
        let d = x.shl(d, k);
        let rt = x.sub(full, d);
        let pt = x.mul(u.public, t);
        let yr = x.mul(yh, u.rho);
        let s = x.sub(rt, pt);
        let s = x.sub(s, yr);
        if party == 0 {
            let py = x.mul(u.public, yh);
            x.add(s, py)
        } else {
            s
        }
    })))
}
