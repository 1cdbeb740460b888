//! G1 opening with truncation, the data owner's input, and G15 the truncated reveal.

use crate::code::{Buf, Lane, Role};
use crate::program::{Rounding, ValueId};

use super::emit::{Emit, Lowered, Wire};

/// Input: the data owner sends x + R; the model owner's mask share is 0.
pub(super) fn input(e: &mut Emit<'_>, id: ValueId, input: u32) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let mut mask = e.mask(id, ring, len, [false, true]);
    if e.role != Role::DataOwner {
        mask[0] = Some(e.zeros(Lane::of(ring), len));
    }
    let hat = match e.role {
        Role::Dealer => None,
        Role::ModelOwner => Some(e.receive(id, len, ring)),
        Role::DataOwner => {
            let x = e.load_input(input, len);
            let r = mask[1].expect("the data owner's mask");
            let hat = e.map(Lane::of(ring), 1, len, |b| {
                let (x, r) = (b.full(x), b.full(r));
                let x = b.signed(x);
                let s = b.add(x, r);
                b.low(s, ring)
            });
            e.send(id, hat, ring);
            Some(hat)
        }
    };
    Lowered::Wire(Wire { hat, mask })
}

/// G1. `ring + truncate` bits are opened, `truncate` dropped.
pub(super) fn open(e: &mut Emit<'_>, id: ValueId, source: ValueId, truncate: u8, rounding: Rounding) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let opened = ring + truncate;
    let (lane, kept) = (Lane::of(opened), Lane::of(ring));
    let mask = e.mask(id, opened, len, [true, true]);
    let hat = e.party().map(|party| {
        let x = e.share(source).expect("a party's share");
        let r = mask[party].expect("own mask");
        let centre = party == 0 && truncate > 0 && rounding == Rounding::Dithered;
        let message = e.map(lane, 1, len, |b| {
            let (x, r) = (b.full(x), b.full(r));
            let mut s = b.add(x, r);
            if centre {
                let half = b.int(1 << (truncate - 1));
                s = b.sub(s, half);
            }
            s
        });
        e.send(id, message, opened);
        let peer = e.receive(id, len, opened);
        e.map_to(lane, kept, len, |b| {
            let (own, peer) = (b.full(message), b.full(peer));
            let s = b.add(own, peer);
            let s = b.low(s, opened);
            b.shr(s, truncate)
        })
    });
    let mask = match (truncate, rounding) {
        (0, _) => mask,
        (_, Rounding::Dithered) => mask.map(|m| m.map(|m| shift(e, m, len, truncate, kept))),
        (_, Rounding::Exact) => e.correlated(1).0,
    };
    Lowered::Wire(Wire { hat, mask })
}

/// The entries of `buf` without their low bits, which fit `kept`.
pub(super) fn shift(e: &mut Emit<'_>, buf: Buf, len: usize, by: u8, kept: Lane) -> Buf {
    e.map_to(e.lane(buf), kept, len, |b| {
        let v = b.full(buf);
        b.shr(v, by)
    })
}

/// G15. The data owner learns r >> t in clear; the model owner sends its share once, masked.
pub(super) fn reveal(e: &mut Emit<'_>, id: ValueId, source: ValueId, truncate: u8, output: u32) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let opened = ring + truncate;
    let (lane, kept) = (Lane::of(opened), Lane::of(ring));
    let mask = e.mask(id, opened, len, [true, true]);
    match e.role {
        Role::Dealer => {
            e.in_clear(1);
        }
        Role::ModelOwner => {
            let (x, r) = (e.share(source).expect("own share"), mask[0].expect("own mask"));
            let message = e.map(lane, 1, len, |b| {
                let (x, r) = (b.full(x), b.full(r));
                b.add(x, r)
            });
            e.send(id, message, opened);
        }
        Role::DataOwner => {
            let high = e.in_clear(1).expect("the data owner's");
            let (x, r) = (e.share(source).expect("own share"), mask[1].expect("own mask"));
            let peer = e.receive(id, len, opened);
            let result = e.map_to(lane, kept, len, |b| {
                let (x, r, peer, high) = (b.full(x), b.full(r), b.full(peer), b.full(high));
                let s = b.sum(&[x, r, peer]);
                let s = b.low(s, opened);
                let s = b.shr(s, truncate);
                let d = b.sub(s, high);
                b.low(d, ring)
            });
            e.output(output, result, ring);
        }
    }
    Lowered::Revealed
}
