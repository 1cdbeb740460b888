//! G16.

use mpcc_program::code::Role;
use mpcc_program::cost;
use mpcc_program::gates::lower;
use mpcc_program::program::{Gate, Kind, ValueId};

use super::harness::{Builder, mask, masked_by, mix, run, run_seeded, signed};

/// ReLU of `len` values of ring n into ring `big`.
fn relu(len: usize, n: u8, big: u8) -> (Builder, ValueId) {
    let mut b = Builder::new();
    let x = b.share(&[len], n, n - 1);
    let wire = b.open(x, n, 0, n - 1);
    let y = b.push(
        Gate::ReluShared { source: wire, offsets: [0].into_iter().collect() },
        Kind::Share,
        &[len],
        big,
        0,
        n - 1,
    );
    b.reveal(y, big, 0);
    (b, wire)
}

/// Every value of the ring under every mask, the ends of the range included.
#[test]
fn shared_relu_is_exact_for_every_value_and_mask_of_small_rings() {
    for n in 2..=10u8 {
        let size = 1usize << n;
        let rows = size.min(1 << 16 >> n);
        let (b, wire) = relu(rows * size, n, 24);
        for first in (0..size).step_by(rows) {
            let x: Vec<i64> = (0..rows * size).map(|i| signed((first + i / size) as u64, n)).collect();
            let seen = run(
                &b.program,
                std::slice::from_ref(&x),
                &[],
                &mut masked_by(wire, first as u64, |i| (i % size) as u64),
            );
            for (v, got) in x.iter().zip(&seen.outputs[0]) {
                assert_eq!(*got, (*v).max(0), "{n} bits");
            }
        }
    }
}

/// The keys of a wire serve every offset for which the sum is in the ring: all values under all masks.
#[test]
fn one_set_of_keys_serves_every_offset() {
    for n in [5u8, 7] {
        let (size, quarter) = (1usize << n, 1i64 << (n - 2));
        let offsets = [quarter, 0, -quarter, 1 - quarter];
        let len = size * size / 2;
        let mut b = Builder::new();
        let x = b.share(&[len], n, n - 2);
        let wire = b.open(x, n, 0, n - 2);
        let gate = Gate::ReluShared { source: wire, offsets: offsets.into_iter().collect() };
        let y = b.push(gate, Kind::Share, &[4 * len], 30, 0, n - 1);
        b.reveal(y, 30, 0);
        let x: Vec<i64> = (0..len).map(|i| (i / size) as i64 - quarter).collect();
        let seen = run(&b.program, std::slice::from_ref(&x), &[], &mut masked_by(wire, 3, |i| (i % size) as u64));
        let want: Vec<i64> = offsets.iter().flat_map(|o| x.iter().map(move |x| (x + o).max(0))).collect();
        assert_eq!(seen.outputs[0], want, "{n} bits");
        let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(&b.program, role));
        let counted = cost::counted(&codes[0], &codes[1], &codes[2]);
        assert_eq!(counted.offline_bytes, cost::program(&b.program).offline_bytes);
    }
}

#[test]
fn shared_relu_at_production_widths() {
    for (n, big) in [(18u8, 42u8), (18, 19), (23, 60), (30, 64), (32, 64)] {
        let mut s = u64::from(n);
        let x: Vec<i64> = (0..3000)
            .map(|i| match i {
                0 => 0,
                1 => -1,
                2 => 1,
                3 => -(1 << (n - 1)),
                4 => (1 << (n - 1)) - 1,
                _ => signed(mix(&mut s), n),
            })
            .collect();
        let (b, _) = relu(x.len(), n, big);
        let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], 21);
        assert!(x.iter().zip(&seen.outputs[0]).all(|(v, got)| *got == (*v).max(0)), "{n} bits into {big}");
    }
}

/// Nothing is opened for the comparison: the wire and the result travel, and the result is known with the wire.
#[test]
fn shared_relu_sends_nothing() {
    let (b, _) = relu(5, 18, 42);
    assert_eq!(b.program.hops, 2);
    let seen = run_seeded(&b.program, &[vec![3, -3, 0, 9, -9]], &[], 4);
    let sizes: Vec<[usize; 2]> = seen.messages.iter().map(|m| [m[0].len(), m[1].len()]).collect();
    assert_eq!(sizes, [[1, 1], [1, 0], [0, 0]]);
}

/// About half of the words have each bit set.
fn assert_uniform(dealt: &[Vec<u64>], bits: [u8; 3], value: i64) {
    for (words, bits) in dealt.iter().zip(bits) {
        let all = words.len() as f64;
        for bit in 0..bits {
            let ones = words.iter().filter(|w| *w >> bit & 1 == 1).count() as f64;
            let far = (ones - all / 2.0).abs();
            assert!(far < 5.0 * (all / 4.0).sqrt(), "value {value} bit {bit}: {ones} of {all}");
        }
    }
}

/// What both parties get of the dealer is the same, looks uniform whatever the value, and costs what the formula says.
#[test]
fn words_dealt_to_both_parties_look_uniform_for_every_value() {
    let (len, n, big) = (4096usize, 8u8, 40u8);
    let (b, _) = relu(len, n, big);
    let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(&b.program, role));
    let (counted, predicted) = (cost::counted(&codes[0], &codes[1], &codes[2]), cost::program(&b.program));
    assert_eq!(counted.offline_bytes, predicted.offline_bytes);
    // The last two of eight levels cost more than four values of each word.
    let per_key = 129 * 6 + 2 * u64::from(big) * (6 + 4);
    assert_eq!(counted.offline_bytes.model_owner, len as u64 * per_key / 8);
    for value in [0i64, -1, 77, -128] {
        let seen = run_seeded(&b.program, &[vec![value; len]], &[], 5);
        assert!(seen.dealt_to_both.iter().all(|words| seen.dealt.contains(words)));
        assert_uniform(&seen.dealt_to_both, [64, 6, big], value);
    }
}

/// The step of `len` values of ring n at the offsets, into ring `big`.
fn step(len: usize, (n, bound): (u8, u8), offsets: &[i64], big: u8) -> (Builder, ValueId) {
    let mut b = Builder::new();
    let x = b.share(&[len], n, bound);
    let wire = b.open(x, n, 0, bound);
    let gate = Gate::StepShared { source: wire, offsets: offsets.iter().copied().collect() };
    let y = b.push(gate, Kind::Share, &[offsets.len() * len], big, 0, 1);
    b.reveal(y, big, 0);
    (b, wire)
}

/// Every value of the ring under every mask, into rings narrower and wider than the wire's.
#[test]
fn the_shared_step_is_exact_for_every_value_and_mask_of_small_rings() {
    for n in 1..=9u8 {
        let size = 1usize << n;
        let rows = size.min(1 << 15 >> n);
        for big in [2, 5, 64] {
            let (b, wire) = step(rows * size, (n, n - 1), &[0], big);
            for first in (0..size).step_by(rows) {
                let x: Vec<i64> = (0..rows * size).map(|i| signed((first + i / size) as u64, n)).collect();
                let seen = run(
                    &b.program,
                    std::slice::from_ref(&x),
                    &[],
                    &mut masked_by(wire, first as u64, |i| (i % size) as u64),
                );
                for (v, got) in x.iter().zip(&seen.outputs[0]) {
                    assert_eq!(*got as u64 & mask(big), u64::from(*v >= 0), "{n} bits, {v}");
                }
            }
        }
    }
}

#[test]
fn shared_steps_at_offsets_and_production_widths_cost_one_word_a_level_and_leaf() {
    for (n, big, leaf_bits) in [(18u8, 42u8, 3), (18, 8, 4), (23, 60, 2), (32, 64, 2)] {
        let offsets = [0, 1, -1, 1 << (n - 3), -(1 << (n - 2))];
        let mut s = u64::from(n);
        let edges = offsets.iter().flat_map(|o| [-o - 1, -o, -o + 1]);
        let x: Vec<i64> = edges.chain((0..2000).map(|_| signed(mix(&mut s), n - 1))).collect();
        let (b, _) = step(x.len(), (n, n - 2), &offsets, big);
        let seen = run_seeded(&b.program, std::slice::from_ref(&x), &[], 21);
        let want: Vec<i64> = offsets.iter().flat_map(|o| x.iter().map(move |x| i64::from(x + o >= 0))).collect();
        assert_eq!(seen.outputs[0], want, "{n} bits into {big}");
        let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(&b.program, role));
        let (counted, predicted) = (cost::counted(&codes[0], &codes[1], &codes[2]), cost::program(&b.program));
        assert_eq!(counted.offline_bytes, predicted.offline_bytes);
        let bytes = |words: usize, bits: u8| (words as u64 * u64::from(bits)).div_ceil(8);
        let (len, levels) = (x.len(), n - leaf_bits);
        let values = (usize::from(levels) + (1 << leaf_bits)) * len;
        let keys = bytes(2 * usize::from(levels) * len, 64) + bytes(len, levels) + bytes(values, big);
        assert_eq!(counted.offline_bytes.model_owner, keys);
        assert_eq!(seen.messages.iter().map(|m| m[1].len()).sum::<usize>(), 1, "the opening of the wire alone");
    }
}

/// What both parties get of the dealer for a step looks uniform whatever the value.
#[test]
fn words_dealt_for_a_step_look_uniform_for_every_value() {
    let (len, n, big) = (4096usize, 8u8, 40u8);
    let (b, _) = step(len, (n, n - 1), &[0], big);
    for value in [0i64, -1, 77, -128] {
        let seen = run_seeded(&b.program, &[vec![value; len]], &[], 5);
        assert_eq!(seen.dealt_to_both.len(), 3);
        assert_uniform(&seen.dealt_to_both, [64, 5, big], value);
    }
}
