//! G1 truncation inside the opening, the input, and G15.

use std::collections::HashMap;

use mpcc_program::code::Owner;
use mpcc_program::program::{Gate, Kind, ValueId, stream};

use super::harness::{Builder, Seen, mask, random_words, run_seeded, run_unverified, signed};

/// Opens `len` values of ring k with t bits dropped, then reveals the wire; also says which value's share is opened.
fn opened(len: usize, k: u8, t: u8) -> (Builder, [ValueId; 2]) {
    let mut b = Builder::new();
    let x = b.share(&[len], k, k - 1);
    let wire = b.open(x, k, 0, k - 1);
    let one = b.weight(&[len], 0, 1);
    let gate = |source| Gate::MulServer { source, weight: one };
    let share = b.push(gate(wire), Kind::Share, &[len], k, 0, k - 1);
    let opened = b.open(share, k - t, t, k - t - 1);
    // Multiplying by a public one through G4 turns the wire into a share without any range condition.
    let result = b.push(gate(opened), Kind::Share, &[len], k - t, -i16::from(t), k - t - 1);
    b.reveal(result, k - t, 0);
    (b, [share, opened])
}

/// Runs the openings of (x, x_1, r_0, r_1), x_1 being the data owner's share, modulo 2^k, and both parts of the mask, modulo 2^(k−t).
fn run_opened(cases: &[[u64; 4]], (k, t): (u8, u8)) -> Seen {
    let (b, [share, wire]) = opened(cases.len(), k, t);
    let x = cases.iter().map(|c| signed(c[0], k)).collect();
    run_unverified(&b.program, &[x, vec![1; cases.len()]], &[], &mut |owner, s, bits, len| {
        let which = if owner == Owner::ModelOwner { 2 } else { 3 };
        match s {
            s if s == stream(wire, 0) => cases.iter().map(|c| c[which]).collect(),
            // Without a mask under the product the data owner's share of it is what cancels the model owner's.
            s if s == stream(share, 1) => cases.iter().map(|c| c[1].wrapping_neg() & mask(k)).collect(),
            s if s == stream(ValueId(1), 0) => vec![0; len],
            s => random_words(owner, s, 5, bits, len),
        }
    })
}

#[test]
fn truncation_rounds_by_the_data_owners_low_bits_for_every_share() {
    for (k, t) in [(6u8, 3u8), (5, 1), (6, 4), (4, 0)] {
        let n = 1u64 << k;
        let cases: Vec<[u64; 4]> = (0..n)
            .flat_map(|x| (0..n).map(move |second| [x, second, 5 * x + second, x + 3 * second]))
            .map(|[x, second, a, b]| [x, second, a & mask(k - t), b & mask(k - t)])
            .collect();
        let seen = run_opened(&cases, (k, t));
        for ([x, second, ..], got) in cases.iter().zip(&seen.outputs[0]) {
            let (v, u) = (signed(*x, k), second & mask(t));
            let want = (v >> t) + i64::from(0 < u && u <= x & mask(t));
            assert_eq!(got & mask(k - t) as i64, want & mask(k - t) as i64, "x {v} share {second}");
            assert!(v != 0 || *got == 0, "zero stays zero");
        }
    }
}

/// All (x, r_0, r_1) of a ring of k bits, element by element.
fn all(k: u8) -> Vec<[u64; 3]> {
    let n = 1u64 << k;
    (0..n).flat_map(|x| (0..n).flat_map(move |a| (0..n).map(move |b| [x, a, b]))).collect()
}

/// A wire reduced modulo a power of two, after dithered truncation, for every value and both masks of a small ring.
#[test]
fn a_reduced_wire_is_the_residue_of_the_truncated_value_for_every_mask() {
    for (k, t, ring) in [(5u8, 0u8, 3u8), (5, 2, 3), (6, 2, 3), (6, 3, 2), (6, 0, 6)] {
        let cases = all(k);
        let mut b = Builder::new();
        let x = b.share(&[cases.len()], k, k - 1);
        let wire = b.open(x, k, 0, k - 1);
        let gate = Gate::Reduce { source: wire, truncate: t };
        let bound = (k - t).min(ring - 1);
        let reduced = b.push(gate, Kind::Wire, &[cases.len()], ring, -i16::from(t), bound);
        let one = b.weight(&[cases.len()], 0, 1);
        let gate = Gate::MulServer { source: reduced, weight: one };
        let share = b.push(gate, Kind::Share, &[cases.len()], ring, -i16::from(t), ring - 1);
        b.reveal(share, ring, 0);
        let x = cases.iter().map(|c| signed(c[0], k)).collect();
        let seen = run_unverified(&b.program, &[x, vec![1; cases.len()]], &[], &mut |owner, s, bits, len| {
            let which = if owner == Owner::ModelOwner { 1 } else { 2 };
            if s == stream(wire, 0) {
                cases.iter().map(|c| c[which]).collect()
            } else {
                random_words(owner, s, 5, bits, len)
            }
        });
        for ([x, r0, r1], got) in cases.iter().zip(&seen.outputs[0]) {
            let half = if t == 0 { 0 } else { 1i64 << (t - 1) };
            let coins = (r0 & mask(t)) as i64 + (r1 & mask(t)) as i64;
            let want = (signed(*x, k) - half + coins) >> t;
            assert_eq!(*got, signed(want as u64 & mask(ring), ring), "ring {k} to {ring} without {t}: {x} {r0} {r1}");
        }
    }
}

/// Over all shares of a value the result has mean x/2^t and variance p(1 − p), p = (x mod 2^t) / 2^t.
#[test]
fn rounding_is_unbiased_with_the_stated_variance() {
    let (k, t) = (6u8, 3u8);
    // Values whose rounding could leave the small ring are left out: their wrap is not an error of rounding.
    for x in 0..16u64 {
        let cases: Vec<[u64; 4]> = (0..1 << k).map(|second| [x, second, 1, 2]).collect();
        let v: Vec<f64> = run_opened(&cases, (k, t)).outputs[0].iter().map(|y| *y as f64).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let var = v.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / v.len() as f64;
        let exact = x as f64 / 8.0;
        let p = exact.fract();
        assert!((mean - exact).abs() < 1e-9 && (var - p * (1.0 - p)).abs() < 1e-9, "{x} {mean} {var}");
    }
}

/// What a party sees of an opening, its own share and mask and the other's message, has one distribution whatever the value.
#[test]
fn the_view_of_a_truncating_opening_does_not_depend_on_the_value() {
    let (k, t) = (4u8, 2u8);
    let views = |x: u64| {
        let (n, m) = (1u64 << k, 1u64 << (k - t));
        let cases: Vec<[u64; 4]> =
            (0..n).flat_map(|second| (0..m).flat_map(move |a| (0..m).map(move |b| [x, second, a, b]))).collect();
        let seen = run_opened(&cases, (k, t));
        let [from0, from1] = &seen.messages[1];
        let mut counts = [HashMap::<[u64; 3], u32>::new(), HashMap::new()];
        for (i, [_, second, a, b]) in cases.iter().enumerate() {
            let first = x.wrapping_sub(*second) & mask(k);
            *counts[0].entry([first, *a, from1[0][i]]).or_default() += 1;
            *counts[1].entry([*second, *b, from0[0][i]]).or_default() += 1;
        }
        counts
    };
    let base = views(0);
    assert!((1..16).all(|x| views(x) == base));
    assert!(base.iter().all(|view| view.values().all(|count| *count == 1)), "every view once");
}

#[test]
fn both_messages_of_an_opening_are_uniform_and_independent_of_the_value() {
    let (k, runs) = (4u8, 40_000);
    for value in [0i64, 5, -8] {
        let mut b = Builder::new();
        let x = b.share(&[runs], k, k - 1);
        b.open(x, k, 0, k - 1);
        b.reveal(x, k, 0);
        let seen = run_seeded(&b.program, &[vec![value; runs]], &[], 77);
        for message in &seen.messages[0] {
            let mut counts = [0f64; 16];
            message[0].iter().for_each(|w| counts[*w as usize] += 1.0);
            let expected = runs as f64 / 16.0;
            let chi: f64 = counts.iter().map(|c| (c - expected) * (c - expected) / expected).sum();
            // 15 degrees of freedom: 44.3 is exceeded with probability 1e-4.
            assert!(chi < 44.3, "value {value}: chi-square {chi}");
        }
    }
}

#[test]
fn an_input_is_masked_by_its_owner_and_nothing_comes_back() {
    let mut b = Builder::new();
    let x = b.input(&[64], 10, 8);
    let w = b.weight(&[64], 0, 2);
    let y = b.push(Gate::MulServer { source: x, weight: w }, Kind::Share, &[64], 10, 0, 9);
    b.reveal(y, 10, 0);
    let value: Vec<i64> = (0..64).map(|i| i * 3 - 100).collect();
    let weight: Vec<i64> = (0..64).map(|i| i % 4 - 1).collect();
    let seen = run_seeded(&b.program, std::slice::from_ref(&weight), std::slice::from_ref(&value), 3);
    assert!(seen.messages[0][0].is_empty(), "the model owner sends nothing in the input hop");
    let want: Vec<i64> = value.iter().zip(&weight).map(|(v, w)| v * w).collect();
    assert_eq!(seen.outputs[0], want);
}

/// The model owner's message, with the data owner's own share, is the result: the simulator computes it from what is revealed.
#[test]
fn a_truncated_reveal_says_no_more_than_its_result() {
    let (k, t) = (6u8, 3u8);
    let n = 1u64 << k;
    let cases: Vec<[u64; 2]> = (0..n).flat_map(|x| (0..n).map(move |second| [x, second])).collect();
    let mut b = Builder::new();
    let x = b.share(&[cases.len()], k, k - 1);
    let wire = b.open(x, k, 0, k - 1);
    let one = b.weight(&[cases.len()], 0, 1);
    let gate = Gate::MulServer { source: wire, weight: one };
    let share = b.push(gate, Kind::Share, &[cases.len()], k, 0, k - 1);
    b.reveal(share, k - t, t);
    let x = cases.iter().map(|c| signed(c[0], k)).collect();
    let seen = run_unverified(&b.program, &[x, vec![1; cases.len()]], &[], &mut |owner, s, bits, len| match s {
        s if s == stream(share, 1) => cases.iter().map(|c| c[1].wrapping_neg() & mask(k)).collect(),
        s if s == stream(wire, 0) => vec![0; len],
        s => random_words(owner, s, 5, bits, len),
    });
    let [from0, from1] = &seen.messages[1];
    assert!(from1.is_empty(), "the model owner receives nothing");
    for (([x, second], got), message) in cases.iter().zip(&seen.outputs[0]).zip(&from0[0]) {
        let (v, u) = (signed(*x, k), second & mask(t));
        let want = (v >> t) + i64::from(0 < u && u <= x & mask(t));
        assert_eq!(got & mask(k - t) as i64, want & mask(k - t) as i64, "x {v} share {second}");
        let own = (second + mask(t)) & mask(k);
        assert_eq!((*got as u64).wrapping_sub(own >> t) & mask(k - t), *message, "x {v} share {second}");
    }
}
