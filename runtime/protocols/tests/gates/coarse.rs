//! G19, and selection in a ring that is no wider than the wire's.

use mpcc_program::code::Owner;
use mpcc_program::correlation::{Correlation, materials};
use mpcc_program::program::{Gate, Kind, ValueId};
use smallvec::SmallVec;

use super::harness::views::{free, views};
use super::harness::{Builder, mask, masked_by, mix, run, run_seeded, signed};

fn coarse(b: &mut Builder, source: ValueId, len: usize, offsets: &[i64], (buckets, negate): (u8, bool)) -> ValueId {
    let gate = Gate::CoarseSign { source, offsets: SmallVec::from_slice(offsets), buckets, negate };
    b.push(gate, Kind::Bits, &[len], 1, 0, 1)
}

/// Every value under every mask: the sign is right but in the bucket in front of zero, where both answers occur.
#[test]
fn a_coarse_sign_is_right_but_for_one_bucket_for_every_value_and_mask() {
    for (n, buckets, offset) in [(6u8, 3u8, 0i64), (6, 2, 0), (7, 4, 5), (7, 4, -9), (6, 4, -1)] {
        let (size, bucket) = (1i64 << n, 1i64 << (n - buckets));
        let bound = n - 2;
        let values: Vec<i64> = (-(1 << bound) + 1..1 << bound).collect();
        let len = values.len() << n;
        let x: Vec<i64> = (0..len).map(|i| values[i >> n]).collect();
        let mut b = Builder::new();
        let share = b.share(&[len], n, bound);
        let wire = b.open(share, n, 0, bound);
        let bit = coarse(&mut b, wire, len, &[offset], (buckets, true));
        let number = b.push(Gate::SignShare { bit }, Kind::Share, &[len], 8, 0, 1);
        b.reveal(number, 8, 0);
        assert_eq!(b.program.hops, 3, "the wire, the bit, the result");
        let seen =
            run(&b.program, std::slice::from_ref(&x), &[], &mut masked_by(wire, 7, |i| (i as i64 % size) as u64));
        let mut open = [0u32; 2];
        for (x, got) in x.iter().zip(&seen.outputs[0]) {
            let v = x + offset;
            match v {
                0.. => assert_eq!(*got, 1, "{x} plus {offset} in {n} bits"),
                _ if v < -bucket => assert_eq!(*got, 0, "{x} plus {offset} in {n} bits"),
                _ => open[*got as usize] += 1,
            }
        }
        assert!(offset.abs() >= 1 << bound || open.iter().all(|count| *count > 0), "{open:?}");
    }
}

/// The bits of two thresholds go together: what lies inside is not above, and nothing is both or neither.
#[test]
fn coarse_signs_of_one_wire_agree_with_each_other() {
    let (n, buckets, end) = (12u8, 5u8, 300i64);
    let bucket = 1i64 << (n - buckets);
    let x: Vec<i64> = (-1024..1024).collect();
    let len = x.len();
    let mut b = Builder::new();
    let share = b.share(&[len], n, n - 2);
    let wire = b.open(share, n, 0, n - 2);
    let inside = coarse(&mut b, wire, len, &[end - bucket, -end], (buckets, false));
    let above = coarse(&mut b, wire, len, &[-end], (buckets, true));
    let items = materials(&b.program).into_iter().flatten();
    assert_eq!(items.filter(|item| matches!(item.what, Correlation::HalfAbove { .. })).count(), 1, "one set of halves");
    for bit in [inside, above] {
        let kept = b.push(Gate::Select { bit, source: wire, nonnegative: false }, Kind::Share, &[len], n, 0, n - 2);
        b.reveal(kept, n, 0);
    }
    for seed in 0..5 {
        let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], seed);
        for (i, x) in x.iter().enumerate() {
            let [inside, above] = [0, 1].map(|output| seen.outputs[output][i]);
            let most = x.abs() < end - bucket;
            assert!(!most || inside == *x, "{x}");
            assert!(*x < end || above == *x, "{x}");
            assert!(*x >= -end || (inside, above) == (0, 0), "{x}");
            assert!(*x < end - bucket || inside + above == *x, "{x}");
        }
    }
}

/// Any value of the ring under every mask, into every ring that is no wider: nothing of the wire is extended.
#[test]
fn a_selection_within_a_ring_is_exact_for_every_value_and_mask() {
    let (n, size) = (5u8, 32usize);
    for (ring, keep) in [(5u8, true), (5, false), (4, true), (3, true), (1, true)] {
        let len = size * size;
        let x: Vec<i64> = (0..len).map(|i| signed((i / size) as u64, n)).collect();
        let mut b = Builder::new();
        let share = b.share(&[len], n, n - 1);
        let wire = b.open(share, n, 0, n - 1);
        let other = b.share(&[len], 8, 3);
        let other = b.open(other, 8, 0, 3);
        let bit = coarse(&mut b, other, len, &[0], (6, true));
        let gate = Gate::Select { bit, source: wire, nonnegative: false };
        let kept = b.push(gate, Kind::Share, &[len], ring, 0, ring - 1);
        let dealt: u8 = materials(&b.program)[kept.0 as usize].iter().map(|item| item.bits).sum();
        assert_eq!(dealt, 2 * ring);
        b.reveal(kept, ring, 0);
        let sign = vec![if keep { 5 } else { -7 }; len];
        let mut masks = masked_by(wire, 7, |i| (i % size) as u64);
        let seen = run(&b.program, &[x.clone(), sign], &[], &mut masks);
        for (x, got) in x.iter().zip(&seen.outputs[0]) {
            let want = if keep { *x as u64 & mask(ring) } else { 0 };
            assert_eq!(*got as u64 & mask(ring), want, "{x} in {ring} bits");
        }
    }
}

#[test]
fn a_selection_at_production_widths_is_exact() {
    let (n, ring, len) = (22u8, 20u8, 4000);
    let mut s = 5;
    let x: Vec<i64> = (0..len).map(|_| signed(mix(&mut s), 19)).collect();
    let mut b = Builder::new();
    let share = b.share(&[len], n, 19);
    let wire = b.open(share, n, 0, 19);
    let bit = coarse(&mut b, wire, len, &[0], (6, true));
    let gate = Gate::Select { bit, source: wire, nonnegative: false };
    let kept = b.push(gate, Kind::Share, &[len], ring, 0, 19);
    b.reveal(kept, ring, 0);
    let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], 3);
    for (x, got) in x.iter().zip(&seen.outputs[0]) {
        let right = if *x >= 0 { *got == *x } else { *got == 0 || *x >= -(1 << 16) && *got == *x };
        assert!(right, "{x}: {got}");
    }
}

/// All masks, pads and shares that the other party draws: what a party sees, sent and dealt, is distributed alike for every value.
#[test]
fn the_view_of_a_coarse_selection_does_not_depend_on_the_value() {
    let n = 4u8;
    let build = |rows: usize| {
        let mut b = Builder::new();
        let share = b.share(&[rows], n, 2);
        let wire = b.open(share, n, 0, 2);
        let bit = coarse(&mut b, wire, rows, &[0], (2, false));
        let gate = Gate::Select { bit, source: wire, nonnegative: false };
        let y = b.push(gate, Kind::Share, &[rows], 3, 0, 2);
        b.reveal(y, 3, 0);
        (b, wire, bit)
    };
    for party in [Owner::DataOwner, Owner::ModelOwner] {
        // As many rows as decide who receives what.
        let (b, wire, bit) = build(1 << 10);
        let free = free(&b, party, &[(wire, n), (bit, 1)]);
        let rows = 1usize << free.iter().map(|f| u32::from(f.1)).sum::<u32>();
        let (b, ..) = build(rows);
        for own in [0u64, 1, 0x9e37_79b9_7f4a_7c15] {
            // The result is the data owner's to learn: of both values it is 0.
            let view = |x: i64| views(&b, &[vec![x; rows]], (party, own), &free);
            let base = view(0);
            let same: &[i64] = if party == Owner::ModelOwner { &[-4, -3, -2, -1, 1, 2, 3] } else { &[1, 2, 3] };
            for x in same {
                assert!(view(*x) == base, "{x} at {party:?}");
            }
        }
    }
}
