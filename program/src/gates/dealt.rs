//! What each role does for an item of correlated randomness: the parties draw and receive, the dealer computes it, kind by kind,
//! from the masks that it knows.

use smallvec::SmallVec;

use crate::code::{Buf, Instr, Lane, Owner};
use crate::correlation::{Correlation, Item, Pairing, Payload, Sharing};
use crate::program::{Supplier, ValueId};

use super::emit::{Emit, Shares};
use super::products::{minus, pair, times};

impl Emit<'_> {
    /// Shares of an item of the gate underway, by its number, or of the same item of an earlier gate.
    pub(super) fn correlated(&mut self, number: u16) -> Shares {
        let needed = self.needed(number);
        self.common(&needed, |e| e.dealt(number))
    }

    /// Shares of an item that is dealt for the gate underway: a correction for one party, words of its seed for the other.
    fn dealt(&mut self, number: u16) -> Shares {
        let item = self.item(number);
        let (id, len, bits) = (self.current(), item.len, item.bits);
        if let Some(party) = self.making() {
            let share = super::paired::share(self, &item, party);
            self.made(item, share);
            return Shares([None; 2]);
        }
        if self.program.supplier == Supplier::Pair {
            let mut shares = [None; 2];
            if let Some(party) = self.party() {
                let owner = [Owner::ModelOwner, Owner::DataOwner][party];
                shares[party] = Some(self.correction(item.entries(owner), bits));
            }
            return Shares(shares);
        }
        let (receives, draws) = match item.to {
            Owner::ModelOwner => (0, 1),
            Owner::DataOwner => (1, 0),
        };
        let mut shares = [None; 2];
        match self.party() {
            Some(party) if party == draws => shares[party] = Some(self.draw(party, id, number, bits, len)),
            Some(party) => shares[party] = Some(self.correction(len, bits)),
            None => {
                let value = words(self, &item);
                let drawn = self.draw(draws, id, number, bits, len);
                let lane = Lane::of(bits);
                let value = self.fit(value, lane);
                let rest = self.map(lane, 1, len, |x| {
                    let (v, s) = (x.full(value), x.full(drawn));
                    let d = if item.sharing == Sharing::Xor { x.xor(v, s) } else { x.sub(v, s) };
                    x.low(d, bits)
                });
                self.push(Instr::Deal { src: rest, bits, to: item.to });
                (shares[draws], shares[receives]) = (Some(drawn), Some(rest));
            }
        }
        Shares(shares)
    }

    /// Keys of an item, whose words both parties get: the words and the own root; nothing at the dealer.
    pub(super) fn keys(&mut self, number: u16) -> Option<([Buf; 3], Buf)> {
        let item = self.item(number);
        let roots = self.fresh(self.current(), number, 64, 2 * item.len, [true, true]);
        let vectors = item.vectors();
        let words = [0, 1, 2].map(|i| self.new_buffer(Lane::of(vectors[i].1), vectors[i].0));
        let Some(party) = self.party() else {
            let roots = roots.map(|root| root.expect("the dealer knows both roots"));
            keys(self, &item, roots, words);
            return None;
        };
        for (dst, (_, bits)) in words.into_iter().zip(vectors) {
            self.push(Instr::Receive { dst, bits });
        }
        Some((words, roots[party].expect("own root")))
    }
}

/// The words that an item's shares add up to, as a signed integer or in the lane of its bits.
fn words(e: &mut Emit<'_>, item: &Item) -> Buf {
    let len = item.len;
    let lane = Lane::of(item.bits);
    match &item.what {
        Correlation::MaskTimesWeight { wire, weight, pairing } => {
            let mask = e.masks(*wire)[1].expect("the dealer knows both masks");
            let s = e.masked_weight(*weight);
            match pairing {
                Pairing::Matrices { .. } => pair(e, *pairing, item.bits, mask, s),
                Pairing::Entries { rows, cols, .. } => times(e, lane, (*rows, *cols), mask, s),
                Pairing::Complex { .. } => unreachable!("no pairing of wires"),
            }
        }
        Correlation::Cross { left, right, pairing } => cross(e, item, *left, *right, *pairing),
        Correlation::Carry { wire, top } => {
            let k = e.value(*wire).ring;
            let [r0, r1] = e.both(*wire);
            e.map(Lane::Word, 1, len, |x| {
                let (a, b) = (x.full(r0), x.full(r1));
                let s = x.add(a, b);
                let carry = x.shr(s, k);
                if !top {
                    return carry;
                }
                let msb = x.bit(s, k - 1);
                x.add(carry, msb)
            })
        }
        Correlation::Squares { wire, cols } => {
            let n = len * cols;
            let r = mask(e, *wire, n);
            let squares = e.map(lane, 1, n, |x| {
                let r = x.full(r);
                x.mul(r, r)
            });
            if *cols == 1 { squares } else { e.sum_rows(squares, len, *cols) }
        }
        Correlation::TopTimesMask { wire } => {
            let r = mask(e, *wire, len);
            top_times(e, (lane, *wire), r, r, (1, len), false)
        }
        Correlation::MaskTimesRow { wire, row, top } => {
            let rows = e.len(*row);
            let wide = Lane::of(e.value(e.current()).ring);
            let r = mask(e, *wire, len);
            let t = e.masks(*row);
            let t = e.total(t, wide.bits(), rows);
            if *top {
                return top_times(e, (lane, *wire), r, t, (rows, len / rows), true);
            }
            e.map(lane, rows, len / rows, |x| {
                let (r, t) = (x.full(r), x.row(t));
                x.mul(r, t)
            })
        }
        Correlation::OneHot { wire, low, width } => {
            let r = mask(e, *wire, len);
            e.map(Lane::Word, 1, len, |x| {
                let (r, one) = (x.full(r), x.int(1));
                let d = x.shr(r, *low);
                let d = x.low(d, *width);
                x.shl_by(one, d)
            })
        }
        Correlation::HalfAbove { wire, low, width } => super::coarse::half_above(e, *wire, (*low, *width)),
        Correlation::PadProducts { sets } => {
            let [m0, m1] = e.both(e.current());
            e.map(Lane::Word, 1, len, |x| {
                let (a, b) = (x.full(m0), x.full(m1));
                let word = x.xor(a, b);
                let mut out = x.int(0);
                for (position, set) in sets.iter().enumerate() {
                    let p = x.all(word, *set);
                    let p = x.shl(p, position as u8);
                    out = x.or(out, p);
                }
                out
            })
        }
        Correlation::Pad { bit } => pad(e, *bit, len),
        Correlation::PadTimesMask { bit, wire, top } => {
            let (pad, r) = (pad(e, *bit, len), mask(e, *wire, len));
            if *top {
                return top_times(e, (Lane::Word, *wire), r, pad, (1, len), false);
            }
            e.map(Lane::Word, 1, len, |x| {
                let (a, b) = (x.full(pad), x.full(r));
                x.mul(a, b)
            })
        }
        Correlation::Harmonic { wire, period_bits, fraction, multiple, less, sine } => {
            let factors = e.factors(*multiple, |e| {
                let r = mask(e, *wire, len);
                let r = e.fit(r, Lane::Word);
                super::series::factors(e, r, len, (*period_bits, *fraction, *multiple))
            });
            let factor = factors[usize::from(*sine)];
            e.map(Lane::Word, 1, len, |x| {
                let factor = x.full(factor);
                super::series::rounded(x, factor, *less)
            })
        }
        Correlation::Exponent { wire, of } => super::buckets::exponent(e, *wire, *of),
        Correlation::PadTimesExponent { bits, position, wire, of } => {
            super::buckets::padded(e, lane, (*bits, *position), (*wire, *of))
        }
        Correlation::InBucket { wire, low } => super::counts::in_bucket(e, *wire, *low),
        Correlation::PadProduct { bits, set } => super::counts::pad_product(e, *bits, *set),
        Correlation::Comparison { .. } | Correlation::RowPowers { .. } => unreachable!("keys are no sum of shares"),
        Correlation::BucketPads { .. } | Correlation::MaskedPowers { .. } | Correlation::HarmonicOfParts { .. } => {
            unreachable!("verified: a dealer is not asked for what is made of parts")
        }
    }
}

/// Makes keys from both roots and deals their words, `[seeds, controls, values]`.
fn keys(e: &mut Emit<'_>, item: &Item, roots: [Buf; 2], words: [Buf; 3]) {
    let [seeds, controls, values] = words;
    match item.what {
        Correlation::Comparison { wire, tree, payload } => {
            let threshold = mask(e, wire, item.len);
            let one = e.map(Lane::Word, 1, item.len, |x| x.int(1));
            let payload: SmallVec<[Buf; 2]> = match payload {
                Payload::One => SmallVec::from_slice(&[one]),
                Payload::OneAndMask => SmallVec::from_slice(&[one, threshold]),
            };
            e.push(Instr::ComparisonKeys { seeds, controls, values, threshold, payload, roots, tree });
        }
        Correlation::RowPowers { wire, table } => {
            let masks = mask(e, wire, item.len);
            e.push(Instr::RowKeys { seeds, controls, values, masks, roots, table });
        }
        _ => unreachable!("an item of keys"),
    }
    for (src, (_, bits)) in words.into_iter().zip(item.vectors()) {
        e.push(Instr::Broadcast { src, bits });
    }
}

/// r of a wire.
pub(super) fn mask(e: &mut Emit<'_>, wire: ValueId, len: usize) -> Buf {
    let (masks, ring) = (e.masks(wire), e.value(wire).ring);
    e.total(masks, ring, len)
}

/// ε = ε_0 ⊕ ε_1 of an opened bit.
fn pad(e: &mut Emit<'_>, bit: ValueId, len: usize) -> Buf {
    let [a, b] = e.both(bit);
    e.map(Lane::Word, 1, len, |x| {
        let (a, b) = (x.full(a), x.full(b));
        x.xor(a, b)
    })
}

/// The top bit of a wire's mask times a factor, at every entry.
fn top_times(
    e: &mut Emit<'_>,
    (lane, wire): (Lane, ValueId),
    total: Buf,
    factor: Buf,
    (rows, cols): (usize, usize),
    per_row: bool,
) -> Buf {
    let k = e.value(wire).ring;
    e.map(lane, rows, cols, |x| {
        let r = x.full(total);
        let f = if per_row { x.row(factor) } else { x.full(factor) };
        let b = x.bit(r, k - 1);
        x.mul(b, f)
    })
}

fn cross(e: &mut Emit<'_>, item: &Item, left: ValueId, right: ValueId, pairing: Pairing) -> Buf {
    let lane = Lane::of(item.bits);
    match pairing {
        Pairing::Matrices { .. } => {
            let (a, b) = (e.masks(left), e.masks(right));
            let (llen, rlen) = (e.len(left), e.len(right));
            let (all, other) = (e.total(a, lane.bits(), llen), e.total(b, lane.bits(), rlen));
            let ab = pair(e, pairing, item.bits, all, other);
            let own = pair(e, pairing, item.bits, a[0].expect("known"), b[0].expect("known"));
            minus(e, lane, ab, own, item.len)
        }
        Pairing::Complex { .. } => unreachable!("no pairing of wires"),
        Pairing::Entries { rows, cols, right: along } => {
            let ([a0, a1], [b0, b1]) = (e.both(left), e.both(right));
            e.map(lane, rows, cols, |v| {
                // a·b − a_0·b_0 = a·b_1 + a_1·b_0.
                let (a0, a1) = (v.full(a0), v.full(a1));
                let (b0, b1) = (v.along(b0, along), v.along(b1, along));
                let a = v.add(a0, a1);
                let first = v.mul(a, b1);
                let second = v.mul(a1, b0);
                v.add(first, second)
            })
        }
    }
}
