//! G8 sign by public-digit truth tables, G9 selection by the sign, and the sign as a number.
//!
//! The dealer deals XOR shares of one-hot(digit of r); at the public digit of x^ a look-up gives shares of
//! lt (x^ digit below r's) and eq. Each predicate bit is opened under a one-time pad of its own, and the sign is a
//! polynomial in opened bits whose mask monomials are dealt; what multiplies each of them is looked up.

use smallvec::SmallVec;

use crate::code::{Buf, Lane, V};
use crate::correlation::{PAD_PRODUCTS, Predicates, subsets};
use crate::program::{Gate, ValueId};

use super::emit::{Bits, Emit, Lowered, MOST_DIGITS};
use super::expr::Expr;
use super::extension::{Rule, carries, parts};
use super::opening::open_bits;

/// Bits of a digit whose one-hot is a word.
const WIDEST_DIGIT: u8 = 6;
/// What an opened bit counts against a dealt one.
const OPENED: usize = 8;

/// Digit widths of an n-bit comparison of at most 30 bits, low to high, the wider ones first: as equal as can be, and so many
/// that opened bits and dealt ones together are fewest.
pub fn digits(n: u8) -> SmallVec<[u8; 8]> {
    let even =
        |digits: u8| -> SmallVec<[u8; 8]> { (0..digits).map(|at| n / digits + u8::from(at < n % digits)).collect() };
    let price = |digits: u8| {
        let layout = Predicates { digits: digits.into() };
        let one_hots: usize = even(digits).iter().map(|width| 1usize << width).sum();
        OPENED * usize::from(layout.bits()) + one_hots + layout.products().len()
    };
    let fewest = n.div_ceil(WIDEST_DIGIT).max(1);
    let best = (fewest..=fewest.max(MOST_DIGITS as u8)).filter(|digits| *digits <= n.max(1)).min_by_key(|d| price(*d));
    even(best.unwrap_or(fewest))
}

/// Opens the predicate bits of the sign of x + offset.
pub(super) fn sign_digits(e: &mut Emit<'_>, id: ValueId, source: ValueId, offset: i64, widths: &[u8]) -> Lowered {
    let len = e.len(id);
    let layout = Predicates { digits: widths.len() };
    let wire = e.wire(source);
    let lows: Vec<u8> = widths
        .iter()
        .scan(0, |at, w| {
            let low = *at;
            *at += w;
            Some(low)
        })
        .collect();
    let tables: Vec<_> = (1..).zip(widths).map(|(number, _)| e.correlated(number)).collect();
    let mask = e.mask(id, layout.bits(), len, [true, true]);
    let monomials = if widths.len() > 1 { e.correlated(PAD_PRODUCTS).0 } else { [None; 2] };
    let Some(party) = e.party() else { return Lowered::Bits(Bits { opened: None, mask, monomials }) };
    let hat = wire.hat.expect("opened");
    let tables: Vec<Buf> = tables.into_iter().map(|t| e.own(t)).collect();
    let own = mask[party].expect("own mask");
    let message = e.map(Lane::Word, 1, len, |x| {
        let hat = x.full(hat);
        let off = x.int(offset as u64);
        let hat = x.add(hat, off);
        let mut word = x.full(own);
        let place = |x: &mut Expr, word: V, bit: V, position: u8| {
            let b = x.shl(bit, position);
            x.xor(word, b)
        };
        for (q, (&w, &low)) in widths.iter().zip(&lows).enumerate() {
            let h = x.shr(hat, low);
            let h = x.low(h, w);
            let table = x.full(tables[q]);
            let at = x.shr_by(table, h);
            if q + 1 < widths.len() {
                let above = x.shr(at, 1);
                let lt = x.parity(above);
                word = place(x, word, lt, layout.lt(q));
                if q > 0 {
                    let eq = x.low(at, 1);
                    word = place(x, word, eq, layout.eq(q));
                }
                continue;
            }
            // A: parity over the digits R with msb((H − R) mod 2^w) = 1, the half ring above H.
            let size = 1u64 << w;
            let base = x.int((1 << (size / 2)) - 1);
            let one = x.int(1);
            let s = x.add(h, one);
            let left = x.shl_by(base, s);
            let total = x.int(size);
            let back = x.sub(total, s);
            let right = x.shr_by(base, back);
            let half = x.or(left, right);
            let half = x.low(half, size as u8);
            let selected = x.and(table, half);
            let a = x.parity(selected);
            word = place(x, word, a, layout.a());
            if widths.len() > 1 {
                let flip = x.int(size / 2);
                let other = x.xor(h, flip);
                let other = x.shr_by(table, other);
                let both = x.xor(at, other);
                let both = x.low(both, 1);
                word = place(x, word, both, layout.e());
            }
        }
        word
    });
    let opened = open_bits(e, id, message, layout.bits());
    Lowered::Bits(Bits { opened: Some(opened), mask, monomials })
}

/// What multiplies each mask monomial in a sign's polynomial, for every opened word: the number 1 at position 0, the
/// masks behind it, then the products of masks. A session's maps look it up at the opened words, which are public.
fn coefficients(e: &mut Emit<'_>, layout: Predicates) -> Buf {
    if let Some(table) = e.sign_tables[layout.digits] {
        return table;
    }
    let (bits, sets) = (layout.bits(), layout.products());
    let table = e.setup_map(Lane::Word, 1 << bits, |x| {
        let o = x.row_index();
        let mut products = vec![vec![layout.a()]];
        products.extend(layout.borrow());
        let mut out = x.int(0);
        for factors in products {
            let all = factors.iter().fold(0u32, |s, f| s | 1 << f);
            for set in subsets(&factors) {
                let position = match set.count_ones() {
                    0 => 0,
                    1 => 1 + set.trailing_zeros() as u8,
                    _ => 1 + bits + sets.binary_search(&set).expect("listed") as u8,
                };
                let public = x.all(o, all & !set);
                let public = x.shl(public, position);
                out = x.xor(out, public);
            }
        }
        out
    });
    e.sign_tables[layout.digits] = Some(table);
    table
}

/// Opens (⊕ signs ⊕ negate) ⊕ ε.
pub(super) fn open_sign(e: &mut Emit<'_>, id: ValueId, signs: &[ValueId], negate: bool) -> Lowered {
    let len = e.len(id);
    let mask = e.mask(id, 1, len, [true, true]);
    let Some(party) = e.party() else {
        return Lowered::Bits(Bits { opened: None, mask, monomials: [None; 2] });
    };
    let operands: Vec<(Bits, Predicates, Buf)> = signs
        .iter()
        .map(|s| {
            let Gate::SignDigits { digits, .. } = &e.value(*s).gate else { unreachable!("verified") };
            let layout = Predicates { digits: digits.len() };
            (e.bits(*s), layout, coefficients(e, layout))
        })
        .collect();
    let own = mask[party].expect("own mask");
    let message = e.map(Lane::Word, 1, len, |x| {
        let mut bit = x.full(own);
        if negate && party == 0 {
            let one = x.int(1);
            bit = x.xor(bit, one);
        }
        for (bits, layout, table) in &operands {
            let (o, m) = (x.full(bits.opened.expect("opened")), x.full(bits.mask[party].expect("own")));
            let mut secret = x.shl(m, 1);
            if let Some(monomials) = bits.monomials[party] {
                let monomials = x.full(monomials);
                let above = x.shl(monomials, 1 + layout.bits());
                secret = x.or(secret, above);
            }
            if party == 0 {
                let one = x.int(1);
                secret = x.or(secret, one);
            }
            let public = x.at(*table, o);
            let terms = x.and(public, secret);
            let sign = x.parity(terms);
            bit = x.xor(bit, sign);
        }
        bit
    });
    let opened = open_bits(e, id, message, 1);
    Lowered::Bits(Bits { opened: Some(opened), mask, monomials: [None; 2] })
}

/// ⟨b⟩_K with b = m^ ⊕ ε: m^ + (1 − 2m^)·ε_i.
pub(super) fn sign_share(e: &mut Emit<'_>, id: ValueId, bit: ValueId) -> Lowered {
    let (len, ring, bits) = (e.len(id), e.value(id).ring, e.bits(bit));
    let eps = e.correlated(1);
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (eps, opened) = (e.own(eps), bits.opened.expect("opened"));
    Lowered::Share(Some(e.map(Lane::of(ring), 1, len, |x| {
        let (m, eps) = (x.full(opened), x.full(eps));
        let (one, twice) = (x.int(1), x.shl(m, 1));
        let sign = x.sub(one, twice);
        let own = x.mul(sign, eps);
        if party == 0 { x.add(m, own) } else { own }
    })))
}

/// ⟨b·x⟩ with b = m^ ⊕ ε, in a ring that is wider than x's or not.
pub(super) fn select(e: &mut Emit<'_>, id: ValueId, bit: ValueId, source: ValueId, nonnegative: bool) -> Lowered {
    if e.value(id).ring <= e.value(source).ring {
        return select_within(e, id, bit, source);
    }
    select_wider(e, id, bit, source, nonnegative)
}

/// m^·(x^ − r) + (1 − 2m^)(x^·ε_i − ⟨ε r⟩_i), modulo what x is known to.
fn select_within(e: &mut Emit<'_>, id: ValueId, bit: ValueId, source: ValueId) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let (bits, wire) = (e.bits(bit), e.wire(source));
    let (eps, eps_r) = (e.correlated(1), e.correlated(4));
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (eps, eps_r, opened) = (e.own(eps), e.own(eps_r), bits.opened.expect("opened"));
    let (hat, mask) = (wire.hat.expect("opened"), wire.mask[party].expect("own mask"));
    Lowered::Share(Some(e.map(Lane::of(ring), 1, len, |x| {
        let (m, hat, mask, eps, er) = (x.full(opened), x.full(hat), x.full(mask), x.full(eps), x.full(eps_r));
        let own = if party == 0 { x.sub(hat, mask) } else { x.neg(mask) };
        let first = x.mul(m, own);
        let (one, twice) = (x.int(1), x.shl(m, 1));
        let sign = x.sub(one, twice);
        let pe = x.mul(hat, eps);
        let pe = x.sub(pe, er);
        let second = x.mul(sign, pe);
        x.add(first, second)
    })))
}

/// m^·(P − ρ_c) + (1 − 2m^)(P·ε_i − ⟨ε ρ_c⟩_i).
fn select_wider(e: &mut Emit<'_>, id: ValueId, bit: ValueId, source: ValueId, nonnegative: bool) -> Lowered {
    let (len, n, ring) = (e.len(id), e.value(source).ring, e.value(id).ring);
    let (bits, wire) = (e.bits(bit), e.wire(source));
    let eps = e.correlated(1);
    let carries = carries(e, 2);
    let (eps_r, eps_top) = (e.correlated(4), e.correlated(5));
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let rule = if nonnegative { Rule::Nonnegative } else { Rule::Slack };
    let p = parts(e, wire, carries, n, rule);
    let (eps, eps_r, eps_top) = (e.own(eps), e.own(eps_r), e.own(eps_top));
    let opened = bits.opened.expect("opened");
    Lowered::Share(Some(e.map(Lane::of(ring), 1, len, |x| {
        let t = p.expr(x);
        let (m, eps, er, et) = (x.full(opened), x.full(eps), x.full(eps_r), x.full(eps_top));
        let d = x.mul(t.c, et);
        let d = x.shl(d, n);
        let er = x.sub(er, d);
        let own = if party == 0 { x.sub(t.public, t.rho) } else { x.neg(t.rho) };
        let first = x.mul(m, own);
        let (one, twice) = (x.int(1), x.shl(m, 1));
        let sign = x.sub(one, twice);
        let pe = x.mul(t.public, eps);
        let pe = x.sub(pe, er);
        let second = x.mul(sign, pe);
        x.add(first, second)
    })))
}
