//! G1 truncation inside the opening, the input, and G15.

use std::collections::HashMap;

use mpcc_program::code::SeedOwner;
use mpcc_program::program::{Gate, Kind, Rounding, ValueId, stream};

use super::harness::{Builder, mask, masked, random_words, run, run_seeded, run_unverified, signed};

/// Opens `len` values of ring k with t bits dropped, then reveals the wire by extending it.
fn opened(len: usize, k: u8, t: u8, rounding: Rounding) -> (Builder, ValueId) {
    let mut b = Builder::new();
    let x = b.share(&[len], k, k - 1);
    let wire = b.open(x, k - t, t, rounding, k - t - 1);
    // Multiplying by a public one through G4 turns the wire into a share without any range condition.
    let one = b.weight(&[len], 0, 1);
    let share =
        b.push(Gate::MulServer { source: wire, weight: one }, Kind::Share, &[len], k - t, -i16::from(t), k - t - 1);
    b.reveal(share, k - t, 0);
    (b, wire)
}

/// All (x, r_0, r_1) of a ring of k bits, element by element.
fn all(k: u8) -> Vec<[u64; 3]> {
    let n = 1u64 << k;
    (0..n).flat_map(|x| (0..n).flat_map(move |a| (0..n).map(move |b| [x, a, b]))).collect()
}

fn truncated(k: u8, t: u8, rounding: Rounding) -> Vec<([u64; 3], i64)> {
    let cases = all(k);
    let (b, wire) = opened(cases.len(), k, t, rounding);
    let x = cases.iter().map(|c| signed(c[0], k)).collect();
    let seen = run(&b.program, &[x, vec![1; cases.len()]], &[], &mut masked(wire, 5, |i| [cases[i][1], cases[i][2]]));
    cases.into_iter().zip(seen.outputs[0].iter().copied()).collect()
}

#[test]
fn exact_truncation_is_floor_plus_the_public_coin_for_every_mask() {
    for (k, t) in [(6, 3), (5, 1), (6, 4)] {
        for ([x, r0, r1], got) in truncated(k, t, Rounding::Exact) {
            let hat = (x + r0 + r1) & mask(k);
            let v = signed(x, k);
            let want = (v >> t) + i64::from(x & mask(t) > hat & mask(t));
            assert_eq!(got & mask(k - t) as i64, want & mask(k - t) as i64, "x {v} r {r0} {r1}");
            if v == 0 {
                assert_eq!(got, 0, "zero stays zero");
            }
        }
    }
}

/// A wire reduced modulo a power of two, after dithered truncation, for every value and both masks of a small ring.
#[test]
fn a_reduced_wire_is_the_residue_of_the_truncated_value_for_every_mask() {
    for (k, t, ring) in [(5u8, 0u8, 3u8), (5, 2, 3), (6, 2, 3), (6, 3, 2), (6, 0, 6)] {
        let cases = all(k);
        let mut b = Builder::new();
        let x = b.share(&[cases.len()], k, k - 1);
        let wire = b.open(x, k, 0, Rounding::Dithered, k - 1);
        let gate = Gate::Reduce { source: wire, truncate: t };
        let bound = (k - t).min(ring - 1);
        let reduced = b.push(gate, Kind::Wire, &[cases.len()], ring, -i16::from(t), bound);
        let one = b.weight(&[cases.len()], 0, 1);
        let gate = Gate::MulServer { source: reduced, weight: one };
        let share = b.push(gate, Kind::Share, &[cases.len()], ring, -i16::from(t), ring - 1);
        b.reveal(share, ring, 0);
        let x = cases.iter().map(|c| signed(c[0], k)).collect();
        let seen = run_unverified(
            &b.program,
            &[x, vec![1; cases.len()]],
            &[],
            &mut masked(wire, 5, |i| [cases[i][1], cases[i][2]]),
        );
        for ([x, r0, r1], got) in cases.iter().zip(&seen.outputs[0]) {
            let half = if t == 0 { 0 } else { 1i64 << (t - 1) };
            let coins = (r0 & mask(t)) as i64 + (r1 & mask(t)) as i64;
            let want = (signed(*x, k) - half + coins) >> t;
            assert_eq!(*got, signed(want as u64 & mask(ring), ring), "ring {k} to {ring} without {t}: {x} {r0} {r1}");
        }
    }
}

#[test]
fn dithered_truncation_adds_the_low_mask_bits_for_every_mask() {
    for (k, t) in [(6, 3), (5, 1), (6, 4)] {
        for ([x, r0, r1], got) in truncated(k, t, Rounding::Dithered) {
            let v = signed(x, k);
            let want = (v - (1 << (t - 1)) + (r0 & mask(t)) as i64 + (r1 & mask(t)) as i64) >> t;
            assert_eq!(got & mask(k - t) as i64, want & mask(k - t) as i64, "x {v} r {r0} {r1}");
        }
    }
}

/// Over all masks, the exact form has mean x/2^t and variance p(1 − p); the dithered one mean x/2^t − 2^-(t+1) and variance 1/4.
#[test]
fn rounding_is_unbiased_with_the_stated_variance() {
    let (k, t) = (6u8, 3u8);
    for rounding in [Rounding::Exact, Rounding::Dithered] {
        let mut by_x: HashMap<u64, Vec<f64>> = HashMap::new();
        for ([x, ..], got) in truncated(k, t, rounding) {
            by_x.entry(x).or_default().push(got as f64);
        }
        // Values whose rounding could leave the small ring are left out: their wrap is not an error of rounding.
        for x in 0..16u64 {
            let v = &by_x[&x];
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            let var = v.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / v.len() as f64;
            let exact = x as f64 / 8.0;
            let p = exact.fract();
            if rounding == Rounding::Exact {
                assert!((mean - exact).abs() < 1e-9 && (var - p * (1.0 - p)).abs() < 1e-9, "{x} {mean} {var}");
            } else {
                assert!((mean - exact + 1.0 / 16.0).abs() < 1e-9, "{x} {mean}");
                assert!((var - 0.25).abs() < 0.05, "{x} {var}");
            }
        }
    }
}

/// The data owner's material and the public low bits together say nothing about the value: the joint
/// distribution over all masks is the same for any two values (a carry sent in clear would tell them apart).
#[test]
fn exact_truncation_leaks_no_carry() {
    let (k, t) = (4u8, 2u8);
    let histogram = |x: u64| {
        let mut counts: HashMap<(u64, u64, u64), u32> = HashMap::new();
        for seed0 in 0..4u64 {
            let n = 1u64 << k;
            let cases: Vec<[u64; 2]> = (0..n).flat_map(|a| (0..n).map(move |b| [a, b])).collect();
            let (b, wire) = opened(cases.len(), k, t, Rounding::Exact);
            let seen = run(
                &b.program,
                &[vec![signed(x, k); cases.len()], vec![1; cases.len()]],
                &[],
                &mut |owner, s, bits, len| {
                    let which = usize::from(owner == SeedOwner::DataOwner);
                    match s {
                        s if s == stream(wire, 0) => cases.iter().map(|c| c[which]).collect(),
                        s if s == stream(wire, 1) => vec![seed0; len],
                        s => random_words(owner, s, 5, bits, len),
                    }
                },
            );
            let [from0, from1] = &seen.messages[0];
            for (i, c) in cases.iter().enumerate() {
                let hat = (from0[0][i] + from1[0][i]) & mask(k);
                *counts.entry((c[1], seen.dealt[0][i], hat & mask(t))).or_default() += 1;
            }
        }
        counts
    };
    let base = histogram(0);
    assert!((1..16).all(|x| histogram(x) == base));
}

/// Words of four bits take every value about equally often.
fn assert_uniform(words: impl ExactSizeIterator<Item = u64>) {
    let expected = words.len() as f64 / 16.0;
    let mut counts = [0f64; 16];
    words.for_each(|w| counts[w as usize] += 1.0);
    let chi: f64 = counts.iter().map(|c| (c - expected) * (c - expected) / expected).sum();
    // 15 degrees of freedom: 44.3 is exceeded with probability 1e-4.
    assert!(chi < 44.3, "chi-square {chi}");
}

#[test]
fn both_messages_of_an_opening_are_uniform_and_independent_of_the_value() {
    let (k, runs) = (4u8, 40_000);
    for value in [0i64, 5, -8] {
        let mut b = Builder::new();
        let x = b.share(&[runs], k, k - 1);
        b.open(x, k, 0, Rounding::Dithered, k - 1);
        b.reveal(x, k, 0);
        let seen = run_seeded(&b.program, &[vec![value; runs]], &[], 77);
        for message in &seen.messages[0] {
            assert_uniform(message[0].iter().copied());
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

#[test]
fn a_truncated_reveal_shows_the_result_and_uniform_low_bits_only() {
    let (k, t, runs) = (12u8, 4u8, 20_000);
    let mut b = Builder::new();
    let x = b.share(&[runs], k, k - 2);
    b.reveal(x, k - t, t);
    let seen = run_seeded(&b.program, &[vec![-357; runs]], &[], 11);
    assert!(seen.messages[0][1].is_empty(), "the model owner receives nothing");
    let mean = seen.outputs[0].iter().sum::<i64>() as f64 / runs as f64;
    assert!(seen.outputs[0].iter().all(|v| *v == -23 || *v == -22));
    assert!((mean - -357.0 / 16.0).abs() < 0.02, "{mean}");
    // The data owner adds its own mask and share to the message; modulo 2^t the sum is uniform because r is.
    let own = random_words(SeedOwner::DataOwner, stream(ValueId(1), 0), 11, k, runs);
    assert_uniform(seen.messages[0][0][0].iter().zip(own).map(|(m, r)| (m + r) & mask(t)));
}
