//! G3 and G4.

use mpcc_program::code::Owner;
use mpcc_program::making::Job;
use mpcc_program::program::{Gate, Kind, Term, View};
use smallvec::smallvec;

use super::harness::views::{free, views};
use super::harness::{Builder, Seen, mask, mix, run_seeded, signed};

fn random(n: usize, bits: u8, seed: u64) -> Vec<i64> {
    let mut s = seed;
    (0..n).map(|_| signed(mix(&mut s), bits)).collect()
}

fn plain(batch: usize, m: usize, k: usize, n: usize, a: &[i64], b: &[i64]) -> Vec<i64> {
    let mut out = vec![0i64; batch * m * n];
    for t in 0..batch {
        for i in 0..m {
            for j in 0..n {
                out[(t * m + i) * n + j] = (0..k).map(|l| a[(t * m + i) * k + l] * b[(t * k + l) * n + j]).sum();
            }
        }
    }
    out
}

#[test]
fn products_of_wires_batched_and_transposed() {
    let (batch, m, k, n) = (3, 5, 4, 6);
    let (a, bt) = (random(batch * m * k, 20, 1), random(batch * n * k, 20, 2));
    let mut bld = Builder::new();
    let xa = bld.share(&[batch, m, k], 50, 20);
    let xb = bld.share(&[batch, n, k], 50, 20);
    let wa = bld.open(xa, 50, 0, 20);
    let wb = bld.open(xb, 50, 0, 20);
    let view = View::Permute(smallvec![0, 2, 1]);
    let wt = bld.push(Gate::View { source: wb, view }, Kind::Wire, &[batch, k, n], 50, 0, 20);
    let p = bld.push(Gate::MatMul { left: wa, right: wt }, Kind::Share, &[batch, m, n], 48, 0, 44);
    bld.reveal(p, 48, 0);
    let b: Vec<i64> = (0..batch * k * n).map(|i| bt[(i / (k * n)) * n * k + (i % n) * k + i / n % k]).collect();
    for seed in 0..10 {
        let seen = run_seeded(&bld.program, &[a.clone(), bt.clone()], &[], seed);
        assert_eq!(seen.outputs[0], plain(batch, m, k, n, &a, &b));
    }
}

#[test]
fn products_with_weights_use_one_static_mask_and_fresh_corrections() {
    let (m, k, n) = (4, 7, 3);
    let (x, w, v) = (random(m * k, 16, 3), random(k * n, 14, 4), random(n, 14, 5));
    let mut b = Builder::new();
    let xi = b.input(&[m, k], 44, 17);
    let wm = b.weight(&[k, n], 0, 14);
    let y = b.push(Gate::MatMulServer { source: xi, weight: wm }, Kind::Share, &[m, n], 44, 0, 36);
    let yw = b.open(y, 40, 4, 32);
    let wv = b.weight(&[n], 0, 14);
    let z = b.push(Gate::MulServer { source: yw, weight: wv }, Kind::Share, &[m, n], 40, -4, 39);
    b.reveal(y, 44, 0);
    b.reveal(z, 40, 0);
    let want = plain(1, m, k, n, &x, &w);
    let (first, second) = (
        run_seeded(&b.program, &[w.clone(), v.clone()], std::slice::from_ref(&x), 1),
        run_seeded(&b.program, &[w.clone(), v.clone()], std::slice::from_ref(&x), 2),
    );
    for seen in [&first, &second] {
        assert_eq!(seen.outputs[0], want);
        for (i, got) in seen.outputs[1].iter().enumerate() {
            let down = *got as f64 / v[i % n] as f64;
            assert!((down - want[i] as f64 / 16.0).abs() <= 1.0 || v[i % n] == 0);
        }
    }
    // The data owner gets W + s in the set-up; besides it there is one correction per entry of a product: no share of s.
    assert_eq!(first.masked_weights.len(), 2);
    let dealt = |seen: &Seen| [seen.dealt.clone(), seen.dealt_to_model_owner.clone()].concat();
    assert_eq!(dealt(&first).iter().map(Vec::len).sum::<usize>(), 2 * m * n);
    assert!([&first.dealt, &first.dealt_to_model_owner].iter().all(|received| !received.is_empty()));
    assert!(dealt(&first).iter().zip(&dealt(&second)).all(|(a, b)| a != b), "corrections are fresh");
}

/// A weight of the wire's shape, and weights that lack its first axes, beside one whose leading axes say nothing.
#[test]
fn a_weight_entry_by_entry_is_repeated_over_the_axes_that_it_lacks() {
    let shape = [2, 3, 4];
    let x: Vec<i64> = (0..24).map(|i| 37 * i % 201 - 100).collect();
    for of in [&[2usize, 3, 4][..], &[3, 4], &[4], &[1, 4], &[1, 3, 4]] {
        let entries: usize = of.iter().product();
        let w: Vec<i64> = (0..entries as i64).map(|i| 53 * i % 119 - 60).collect();
        let mut b = Builder::new();
        let wire = b.input(&shape, 30, 8);
        let weight = b.weight(of, 0, 8);
        let product = b.push(Gate::MulServer { source: wire, weight }, Kind::Share, &shape, 30, 0, 20);
        b.reveal(product, 30, 0);
        let seen = run_seeded(&b.program, std::slice::from_ref(&w), std::slice::from_ref(&x), 3);
        let want: Vec<i64> = x.iter().zip(w.iter().cycle()).map(|(x, w)| x * w).collect();
        assert_eq!(seen.outputs[0], want, "{of:?}");
    }
}

/// Two-bit rings, one product, all masks: what the data owner sees has the same distribution for every (x, w).
#[test]
fn the_view_of_a_weight_product_is_independent_of_weight_and_value() {
    use mpcc_program::code::Owner;
    use mpcc_program::program::stream;
    use std::collections::HashMap;
    let k = 3u8;
    let n = 1u64 << k;
    // r_0, r_1, c_0, and both masks of the second opening: all combinations, one a row; the mask of the weight serves all rows.
    let rows = n.pow(5);
    let digit = |row: u64, i: u32| row / n.pow(i) % n;
    let view = |x: i64, w: i64| {
        let mut b = Builder::new();
        let shape = [rows as usize, 1];
        let xs = b.share(&shape, k, k - 1);
        let xw = b.open(xs, k, 0, k - 1);
        let wt = b.weight(&[1, 1], 0, k - 1);
        let y = b.push(Gate::MatMulServer { source: xw, weight: wt }, Kind::Share, &shape, k, 0, k - 1);
        let opened = b.open(y, k, 0, k - 1);
        b.reveal(y, k, 0);
        let mut counts: HashMap<[u64; 6], u32> = HashMap::new();
        for weight_mask in 0..n {
            let data = [vec![x; rows as usize], vec![w]];
            let seen = super::harness::run(&b.program, &data, &[], &mut |owner, s, bits, len| {
                let first = owner == Owner::ModelOwner;
                let word = |row: u64| match s {
                    s if s == stream(xw, 0) => digit(row, u32::from(!first)),
                    s if s >> 60 == 1 => weight_mask,
                    s if s == stream(y, 1) => digit(row, 2),
                    s if s == stream(opened, 0) => digit(row, 3 + u32::from(!first)),
                    _ => 0,
                };
                (0..len as u64).map(|row| word(row) & mask(bits)).collect()
            });
            for row in 0..rows {
                let at = row as usize;
                let [first, second] = [0, 1].map(|hop: usize| seen.messages[hop][0][0][at]);
                let own = [digit(row, 1), digit(row, 4)];
                let seen_by_data_owner = [own[0], own[1], seen.masked_weights[0][0], seen.dealt[0][at], first, second];
                *counts.entry(seen_by_data_owner).or_default() += 1;
            }
        }
        counts
    };
    let base = view(0, 0);
    for (x, w) in [(1, 1), (-4, 3), (3, -2)] {
        assert!(view(x, w) == base, "x {x}, w {w}");
    }
}

/// The same of the model owner, who knows the static mask, where the correction is its: r_1 s less what the data owner drew.
#[test]
fn the_model_owners_view_of_a_weight_product_is_independent_of_the_value() {
    use mpcc_program::code::Owner;
    use mpcc_program::correlation::materials;
    let k = 3u8;
    let build = |rows: usize| {
        let mut b = Builder::new();
        let shape = [rows, 1];
        let xs = b.share(&shape, k, k - 1);
        let xw = b.open(xs, k, 0, k - 1);
        let weight = b.weight(&[1, 1], 0, k - 1);
        let product = Gate::MatMulServer { source: xw, weight };
        // The first of two equal corrections is the data owner's.
        let other = b.push(product.clone(), Kind::Share, &shape, k, 0, k - 1);
        let y = b.push(product, Kind::Share, &shape, k, 0, k - 1);
        let opened = b.open(y, k, 0, k - 1);
        b.reveal(other, k, 0);
        assert_eq!(materials(&b.program)[y.0 as usize][0].to, Owner::ModelOwner);
        (b, xw, opened)
    };
    let (b, xw, opened) = build(1 << 10);
    let free = free(&b, Owner::ModelOwner, &[(xw, k), (opened, k)]);
    let rows = 1usize << free.iter().map(|f| u32::from(f.1)).sum::<u32>();
    let (b, ..) = build(rows);
    for (w, own) in [(0, 1u64), (3, 0), (-2, 5), (3, 0x9e37_79b9_7f4a_7c15)] {
        let view = |x: i64| views(&b, &[vec![x; rows], vec![w]], (Owner::ModelOwner, own), &free);
        let base = view(0);
        for x in [1, -4, 3] {
            assert!(view(x) == base, "x {x}, w {w}");
        }
    }
}

/// Both values, and both parties' parts of both masks: all combinations.
#[test]
fn products_entry_by_entry_are_exact_for_every_pair_and_every_mask() {
    use mpcc_program::code::Owner;
    use mpcc_program::program::stream;
    let k = 3u8;
    let len = 1usize << (6 * k);
    let digit = |i: usize, at: u8| (i as u64 >> (at * k)) & mask(k);
    let mut b = Builder::new();
    let wires = [0, 1].map(|_| {
        let share = b.share(&[len], k, k - 1);
        b.open(share, k, 0, k - 1)
    });
    let gate = Gate::Hadamard { left: wires[0], right: wires[1] };
    let product = b.push(gate, Kind::Share, &[len], k, 0, k - 1);
    b.reveal(product, k, 0);
    let values = [0, 1].map(|at| (0..len).map(|i| signed(digit(i, at), k)).collect::<Vec<_>>());
    let seen = super::harness::run(&b.program, &values, &[], &mut |owner, s, bits, len| {
        let own = u8::from(owner == Owner::DataOwner);
        match wires.iter().position(|w| s == stream(*w, 0)) {
            Some(w) => (0..len).map(|i| digit(i, 2 + 2 * w as u8 + own)).collect(),
            None => super::harness::random_words(owner, s, 5, bits, len),
        }
    });
    for ((x, y), got) in values[0].iter().zip(&values[1]).zip(&seen.outputs[0]) {
        assert_eq!(*got as u64 & mask(k), (x * y) as u64 & mask(k), "{x} times {y}");
    }
}

/// A factor for every entry, for the last axes, for all and for every row; one wire may be an input, with its mask at
/// one party alone.
#[test]
fn products_entry_by_entry_repeat_a_smaller_factor() {
    let shape = [3usize, 4, 5];
    let x = random(60, 20, 1);
    // The factor's shape, and the entries of the wire that meet one entry of it: every so many, in runs of so many.
    for (right, every, run) in
        [(&[3usize, 4, 5][..], 60, 1), (&[4, 5], 20, 1), (&[5], 5, 1), (&[], 1, 1), (&[3, 4, 1], 60, 5)]
    {
        let y = random(right.iter().product(), 20, 2);
        for of_client in [[false, false], [true, false], [false, true], [true, true]] {
            let mut b = Builder::new();
            let (mut weights, mut inputs) = (vec![], vec![]);
            let [left, right] = [(0, &shape[..], &x), (1, right, &y)].map(|(i, shape, data)| {
                if of_client[i] {
                    inputs.push(data.clone());
                    return b.input(shape, 50, 20);
                }
                weights.push(data.clone());
                let share = b.share(shape, 50, 20);
                b.open(share, 50, 0, 20)
            });
            let product = b.push(Gate::Hadamard { left, right }, Kind::Share, &shape, 48, 0, 40);
            b.reveal(product, 48, 0);
            for seed in 0..3 {
                let seen = run_seeded(&b.program, &weights, &inputs, seed);
                let want: Vec<i64> = x.iter().enumerate().map(|(i, x)| x * y[i % every / run]).collect();
                assert_eq!(seen.outputs[0], want, "{:?}, client {of_client:?}", b.program.value(right).shape);
            }
        }
    }
}

/// The data owner adds a mask of its own to scores: nothing travels for it, and nothing is dealt.
#[test]
fn an_input_as_a_share_costs_nothing() {
    let scores = random(24, 16, 7);
    let hidden: Vec<i64> = (0..24).map(|i| if i % 3 == 0 { -(1 << 18) } else { 0 }).collect();
    let mut b = Builder::new();
    let x = b.share(&[4, 6], 30, 16);
    let input = b.program.inputs.len() as u32;
    b.program.inputs.push(mpcc_program::program::Input {
        node: 0,
        shape: smallvec![4, 6],
        fraction: 0,
        bound: 19,
        path: String::new(),
    });
    let own = b.push(Gate::ClientShare { input }, Kind::Share, &[4, 6], 40, 0, 19);
    let terms = vec![Term { value: x, shift: 0 }, Term { value: own, shift: 0 }];
    let sum = b.push(Gate::Add { terms }, Kind::Share, &[4, 6], 30, 0, 20);
    b.reveal(sum, 30, 0);
    assert_eq!(b.program.hops, 1, "the reveal alone");
    let seen = run_seeded(&b.program, std::slice::from_ref(&scores), std::slice::from_ref(&hidden), 1);
    assert_eq!(seen.outputs[0], scores.iter().zip(&hidden).map(|(a, b)| a + b).collect::<Vec<_>>());
    assert!(seen.messages.iter().all(|[_, of_data_owner]| of_data_owner.is_empty()));
    assert!(seen.dealt.is_empty());
}

/// Weights of one wire are multiplied by one list of its mask's parts, and their tasks say so, whatever stands between them.
#[test]
fn tasks_of_one_wire_say_that_they_have_one_list() {
    let (m, k, n) = (3, 5, 2);
    let x = random(m * k, 16, 3);
    let weights: Vec<Vec<i64>> = (0..4).map(|at| random(k * n, 14, 10 + at)).collect();
    let mut b = Builder::new();
    let first = b.input(&[m, k], 44, 17);
    let second = b.input(&[m, k], 40, 17);
    for source in [first, second, first, first] {
        let weight = b.weight(&[k, n], 0, 14);
        let product = b.push(Gate::MatMulServer { source, weight }, Kind::Share, &[m, n], 40, 0, 36);
        b.reveal(product, 40, 0);
    }
    for owner in [Owner::ModelOwner, Owner::DataOwner] {
        let making = mpcc_program::gates::lower_making(&b.program, owner);
        let [round] = &making.rounds[..] else { panic!("one round") };
        let agains: Vec<u32> = round
            .iter()
            .filter_map(|task| if let Job::Products { again, .. } = task.job { Some(again) } else { None })
            .collect();
        assert_eq!(agains, [0, 0, 2, 1]);
    }
    let y = random(m * k, 16, 4);
    let seen = run_seeded(&b.program, &weights, &[x.clone(), y.clone()], 1);
    for (at, of) in [&x, &y, &x, &x].into_iter().enumerate() {
        assert_eq!(seen.outputs[at], plain(1, m, k, n, of, &weights[at]));
    }
}
