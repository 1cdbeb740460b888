//! G1 opening with truncation, the data owner's input, and G15 the truncated reveal.
//!
//! Each party drops the low bits of its own share, into a ring that is narrower by as many bits: nothing can wrap there, so the
//! sum of both is the true value rounded down or up.

use crate::code::{Buf, Lane, Role};
use crate::program::ValueId;

use super::emit::{Emit, Lowered, Wire};

/// Input: the data owner sends x + R; the model owner's mask share is 0.
pub(super) fn input(e: &mut Emit<'_>, id: ValueId, input: u32) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let mut mask = e.mask(id, ring, len, [false, true]);
    if e.role != Role::DataOwner && e.knows(0) {
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

/// G1: P0 ⌊x_0 / 2^t⌋ + r_0, P1 ⌈x_1 / 2^t⌉ + r_1, the shares modulo 2^(ring + t), the messages modulo 2^ring.
pub(super) fn open(e: &mut Emit<'_>, id: ValueId, source: ValueId, truncate: u8) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let kept = Lane::of(ring);
    let mask = e.mask(id, ring, len, [true, true]);
    let hat = e.party().map(|party| {
        let r = mask[party].expect("own mask");
        let message = truncated(e, source, (ring, truncate), len, Some(r));
        e.send(id, message, ring);
        let peer = e.receive(id, len, ring);
        e.map(kept, 1, len, |b| {
            let (own, peer) = (b.full(message), b.full(peer));
            let s = b.add(own, peer);
            b.low(s, ring)
        })
    });
    Lowered::Wire(Wire { hat, mask })
}

/// A party's share without its low bits, rounded down by the model owner and up by the data owner, and a mask.
fn truncated(e: &mut Emit<'_>, source: ValueId, (ring, truncate): (u8, u8), len: usize, mask: Option<Buf>) -> Buf {
    let opened = ring + truncate;
    let share = e.share(source).expect("a party's share");
    let up = truncate > 0 && e.party() == Some(1);
    if up {
        e.record_coin(share, truncate, len);
    }
    e.map_to(Lane::of(opened), Lane::of(ring), len, |b| {
        let mut x = b.full(share);
        if up {
            let one = b.int(1);
            let unit = b.shl(one, truncate);
            let less = b.sub(unit, one);
            x = b.add(x, less);
        }
        if truncate > 0 {
            x = b.low(x, opened);
            x = b.shr(x, truncate);
        }
        match mask {
            Some(mask) => {
                let r = b.full(mask);
                b.add(x, r)
            }
            None => x,
        }
    })
}

/// G15: the model owner sends ⌊x_0 / 2^t⌋ as it is: with the data owner's own ⌈x_1 / 2^t⌉ it is the result and nothing else.
pub(super) fn reveal(e: &mut Emit<'_>, id: ValueId, source: ValueId, truncate: u8, output: u32) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    match e.role {
        Role::Dealer => {}
        Role::ModelOwner => {
            let message = truncated(e, source, (ring, truncate), len, None);
            e.send(id, message, ring);
        }
        Role::DataOwner => {
            let own = truncated(e, source, (ring, truncate), len, None);
            let peer = e.receive(id, len, ring);
            let result = e.map(Lane::of(ring), 1, len, |b| {
                let (own, peer) = (b.full(own), b.full(peer));
                let s = b.add(own, peer);
                b.low(s, ring)
            });
            e.output(output, result, ring);
        }
    }
    Lowered::Revealed
}

/// Exchanges words of masked bits.
pub(super) fn open_bits(e: &mut Emit<'_>, id: ValueId, message: Buf, bits: u8) -> Buf {
    let len = e.len(id);
    e.send(id, message, bits);
    let peer = e.receive(id, len, bits);
    e.map(Lane::Word, 1, len, |x| {
        let (a, b) = (x.full(message), x.full(peer));
        let word = x.xor(a, b);
        x.low(word, bits)
    })
}
