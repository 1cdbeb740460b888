//! G8 and G9.

use mpcc_program::code::Owner;
use mpcc_program::correlation::{Correlation, materials};
use mpcc_program::gates::digits;
use mpcc_program::program::{Gate, Kind, ValueId};
use smallvec::{SmallVec, smallvec};

use super::harness::views::{free, views};
use super::harness::{Builder, mask, masked_by, mix, run, run_seeded, signed};

/// ReLU of `len` values of ring n into ring `big`, with the given digits.
fn relu(len: usize, n: u8, widths: SmallVec<[u8; 8]>, big: u8) -> (Builder, ValueId, ValueId) {
    let mut b = Builder::new();
    let x = b.share(&[len], n, n - 1);
    let wire = b.open(x, n, 0, n - 1);
    let bits = 2 * widths.len() as u8 - 1;
    let digits =
        b.push(Gate::SignDigits { source: wire, offset: 0, digits: widths }, Kind::Bits, &[len], bits, 0, bits);
    let bit = b.push(Gate::OpenSign { signs: smallvec![digits], negate: true }, Kind::Bits, &[len], 1, 0, 1);
    let y = b.push(Gate::Select { bit, source: wire, nonnegative: true }, Kind::Share, &[len], big, 0, n - 1);
    b.reveal(y, big, 0);
    (b, wire, digits)
}

/// Every value of the ring under every mask, digits even and uneven; no slack is needed.
#[test]
fn relu_is_exact_for_every_value_and_mask_of_small_rings() {
    let shapes: [&[u8]; 7] = [&[2, 2, 2], &[3, 4], &[3, 3, 2], &[6, 2], &[6, 4], &[2, 3, 1, 2], &[6]];
    for widths in shapes {
        let n: u8 = widths.iter().sum();
        let size = 1usize << n;
        let len = size * size;
        let (b, wire, _) = relu(len, n, SmallVec::from_slice(widths), 24);
        let x: Vec<i64> = (0..len).map(|i| signed((i / size) as u64, n)).collect();
        let seen = run(&b.program, std::slice::from_ref(&x), &[], &mut masked_by(wire, 7, |i| (i % size) as u64));
        for (v, got) in x.iter().zip(&seen.outputs[0]) {
            assert_eq!(*got, (*v).max(0), "digits {widths:?}");
        }
    }
}

#[test]
fn relu_at_production_widths() {
    for (n, big) in [(18u8, 42u8), (18, 64), (23, 60), (30, 64)] {
        let mut s = u64::from(n);
        let x: Vec<i64> = (0..4000)
            .map(|i| match i {
                0 => 0,
                1 => -1,
                2 => 1,
                3 => -(1 << (n - 1)),
                4 => (1 << (n - 1)) - 1,
                _ => signed(mix(&mut s), n),
            })
            .collect();
        let (b, ..) = relu(x.len(), n, digits(n), big);
        let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], 21);
        assert!(x.iter().zip(&seen.outputs[0]).all(|(v, got)| *got == (*v).max(0)));
    }
}

/// Each opened predicate bit is 1 half the time and no two are correlated, whatever the value.
#[test]
fn opened_predicate_bits_look_uniform_for_every_value() {
    let runs = 20_000usize;
    for value in [0i64, -1, 77, -131_072] {
        let (b, ..) = relu(runs, 18, digits(18), 42);
        let seen = run_seeded(&b.program, &[vec![value; runs]], &[], 5);
        let opened: Vec<u64> = {
            let [a, b] = &seen.messages[1];
            a[0].iter().zip(&b[0]).map(|(a, b)| a ^ b).collect()
        };
        let four_sigma = 4.0 * (runs as f64 / 4.0).sqrt();
        for i in 0..5 {
            let ones = opened.iter().filter(|w| *w >> i & 1 == 1).count() as f64;
            assert!((ones - runs as f64 / 2.0).abs() < four_sigma, "value {value} bit {i}: {ones}");
            for j in 0..i {
                let equal = opened.iter().filter(|w| (*w >> i ^ *w >> j) & 1 == 0).count() as f64;
                assert!((equal - runs as f64 / 2.0).abs() < four_sigma, "value {value} bits {i} {j}: {equal}");
            }
        }
        let sign = {
            let [a, b] = &seen.messages[2];
            a[0].iter().zip(&b[0]).filter(|(a, b)| (*a ^ *b) & 1 == 1).count() as f64
        };
        assert!((sign - runs as f64 / 2.0).abs() < four_sigma, "value {value}: {sign}");
    }
}

/// Two comparisons of one wire have one set of one-hots: dealt once, and what a party sees of both, bits opened and sent, is
/// distributed alike for every value.
#[test]
fn comparisons_that_share_one_hots_are_dealt_them_once_and_show_nothing() {
    let build = |rows: usize, offsets: &[i64]| {
        let mut b = Builder::new();
        let xs = b.share(&[rows], 3, 1);
        let wire = b.open(xs, 3, 0, 1);
        let mut masks = vec![(wire, 3u8)];
        for offset in offsets {
            let digits = smallvec![2, 1];
            let gate = Gate::SignDigits { source: wire, offset: *offset, digits };
            let sign = b.push(gate, Kind::Bits, &[rows], 3, 0, 3);
            let gate = Gate::OpenSign { signs: smallvec![sign], negate: false };
            let bit = b.push(gate, Kind::Bits, &[rows], 1, 0, 1);
            masks.extend([(sign, 3), (bit, 1)]);
        }
        (b, masks)
    };
    let items = |offsets: &[i64]| {
        let materials = materials(&build(1 << 10, offsets).0.program);
        materials.iter().flatten().filter(|item| matches!(item.what, Correlation::OneHot { .. })).count()
    };
    assert_eq!((items(&[0]), items(&[0, 1])), (2, 2));
    for party in [Owner::DataOwner, Owner::ModelOwner] {
        // As many rows as decide who receives what.
        let (b, masks) = build(1 << 10, &[0, 1]);
        let free = free(&b, party, &masks);
        let rows = 1usize << free.iter().map(|f| u32::from(f.1)).sum::<u32>();
        let (b, _) = build(rows, &[0, 1]);
        for own in [0u64, 1, 0x9e37_79b9_7f4a_7c15] {
            let view = |x: i64| views(&b, &[vec![x; rows]], (party, own), &free);
            let base = view(0);
            for x in [-1, 1] {
                assert!(view(x) == base, "{x} at {party:?}");
            }
        }
    }
}

/// [−T ≤ x < T] selects one wire and [x ≥ T] another, as the saturating functions do.
#[test]
fn two_thresholds_select_two_branches() {
    let (n, t) = (12u8, 300i64);
    let x: Vec<i64> = (-1024..1024).collect();
    let len = x.len();
    let mut b = Builder::new();
    let xs = b.share(&[len], n, n - 2);
    let wire = b.open(xs, n, 0, n - 2);
    let other = b.share(&[len], 30, 20);
    let core = b.open(other, 30, 0, 20);
    let d = digits(n);
    let bits = 2 * d.len() as u8 - 1;
    let sign = |b: &mut Builder, offset| {
        b.push(Gate::SignDigits { source: wire, offset, digits: d.clone() }, Kind::Bits, &[len], bits, 0, bits)
    };
    let (above, below) = (sign(&mut b, -t), sign(&mut b, t));
    let inside = b.push(Gate::OpenSign { signs: smallvec![above, below], negate: false }, Kind::Bits, &[len], 1, 0, 1);
    let outside = b.push(Gate::OpenSign { signs: smallvec![above], negate: true }, Kind::Bits, &[len], 1, 0, 1);
    let first = b.push(Gate::Select { bit: inside, source: core, nonnegative: false }, Kind::Share, &[len], 64, 0, 20);
    let second =
        b.push(Gate::Select { bit: outside, source: wire, nonnegative: false }, Kind::Share, &[len], 40, 0, 20);
    b.reveal(first, 64, 0);
    b.reveal(second, 40, 0);
    let y: Vec<i64> = x.iter().map(|v| v * 517 - 3).collect();
    for seed in 0..5 {
        let seen = run_seeded(&b.program, &[x.clone(), y.clone()], &[], seed);
        for (i, v) in x.iter().enumerate() {
            assert_eq!(seen.outputs[0][i], if (-t..t).contains(v) { y[i] } else { 0 }, "x {v}");
            assert_eq!(seen.outputs[1][i], if *v >= t { *v } else { 0 }, "x {v}");
        }
    }
}

/// The opened sign as a number, for every value of the ring under every mask, both ways round; nothing more is opened.
#[test]
fn a_sign_becomes_a_number_for_every_value_and_mask() {
    for widths in [&[2u8, 2][..], &[3, 3], &[6]] {
        let n: u8 = widths.iter().sum();
        let size = 1usize << n;
        let len = size * size;
        let x: Vec<i64> = (0..len).map(|i| signed((i / size) as u64, n)).collect();
        for (negate, big) in [(false, 2u8), (true, 40), (true, 64)] {
            let mut b = Builder::new();
            let share = b.share(&[len], n, n - 1);
            let wire = b.open(share, n, 0, n - 1);
            let bits = 2 * widths.len() as u8 - 1;
            let gate = Gate::SignDigits { source: wire, offset: 0, digits: SmallVec::from_slice(widths) };
            let digits = b.push(gate, Kind::Bits, &[len], bits, 0, bits);
            let gate = Gate::OpenSign { signs: smallvec![digits], negate };
            let bit = b.push(gate, Kind::Bits, &[len], 1, 0, 1);
            let number = b.push(Gate::SignShare { bit }, Kind::Share, &[len], big, 0, 1);
            assert_eq!(b.program.value(number).level, b.program.value(bit).level);
            b.reveal(number, big, 0);
            let seen = run(&b.program, std::slice::from_ref(&x), &[], &mut masked_by(wire, 7, |i| (i % size) as u64));
            for (v, got) in x.iter().zip(&seen.outputs[0]) {
                assert_eq!(*got as u64 & mask(big), u64::from((*v < 0) != negate), "digits {widths:?} of {v}");
            }
        }
    }
}
