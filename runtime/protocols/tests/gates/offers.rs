//! G20: row functions that one party offers and the other takes, on what two parties make alone.

use std::collections::HashMap;
use std::slice::from_ref;

use mpcc_kernels::rows::offer;
use mpcc_program::code::{Owner, RowFunction, RowOffer, RowTable};
use mpcc_program::cost;
use mpcc_program::program::{Gate, Kind, Program, Supplier, ValueId};
use mpcc_program::verify::{Rule, verify};

use super::harness::pair::{make, paired, run_seen};
use super::harness::{Builder, kernel_offer, mask, masked, mix, random_words};

fn offer(ring_bits: u8, levels: u8, choice_bits: u8) -> RowOffer {
    let function = RowFunction::Recip { scale: 2f64.powi(-6), eps: 1e-3 };
    RowOffer { table: RowTable { ring_bits, levels, position_bits: 13, fraction: 20, function }, choice_bits }
}

/// A row function of `rows` numbers that the model owner has, and the wire that it is of.
fn program(of: RowOffer, rows: usize, ring: u8) -> (Program, ValueId, ValueId) {
    let k = of.table.ring_bits;
    let mut b = Builder::new();
    let x = b.share(&[rows, 1], k, k - 1);
    let wire = b.open(x, k, 0, k - 1);
    let fraction = i16::from(of.table.fraction) + i16::from(of.table.position_bits);
    let y = b.push(Gate::RowOffer { source: wire, offer: of }, Kind::Share, &[rows, 1], ring, fraction, ring - 2);
    b.reveal(y, ring, 0);
    let program = paired(&b.program);
    verify(&program).unwrap_or_else(|v| panic!("{v:?}"));
    (program, wire, y)
}

/// Every number with both parts of its mask, all parts in a small ring.
#[test]
fn the_result_is_the_plain_function_for_every_number_and_both_parts_of_its_mask() {
    for (levels, choice) in [(4, 4), (5, 4), (5, 5)] {
        let of = offer(5, levels, choice);
        let rows = 1 << 15;
        let (program, wire, _) = program(of, rows, 62);
        let v: Vec<i64> = (0..rows as i64).map(|row| row & 31).collect();
        let parts = |row: usize| [(row >> 5) as u64 & 31, (row >> 10) as u64];
        let draw = &mut masked(wire, 7, parts);
        let made = make(&program, from_ref(&v), draw, 3);
        let (outputs, _) = run_seen(&program, from_ref(&v), &[], draw, made);
        let (points, masks): (Vec<u64>, Vec<u64>) =
            v.iter().enumerate().map(|(row, v)| ((*v as u64).wrapping_add(parts(row)[0]), parts(row)[0])).unzip();
        assert_eq!(outputs[0], offer::plain(&kernel_offer(&of), &points, &masks), "{of:?}");
    }
}

/// In production widths, also below the domain, what is sent is what is predicted.
#[test]
fn wide_rings_give_the_plain_function_at_the_predicted_cost() {
    for (k, levels, choice) in [(30, 16, 5), (40, 26, 6), (34, 9, 8), (30, 30, 4), (20, 4, 4)] {
        let mut of = offer(k, levels, choice);
        of.table.fraction = 16;
        let rows = 700;
        let (program, wire, y) = program(of, rows, 60);
        let mut state = u64::from(k);
        let v: Vec<i64> =
            (0..rows).map(|_| (mix(&mut state) & mask(k - 1) >> (mix(&mut state) % u64::from(k))) as i64).collect();
        let parts = |row: usize| [0u64, 1].map(|p| random_words(Owner::ModelOwner, p, row as u64 / 2, k, 1)[0]);
        let draw = &mut masked(wire, 7, parts);
        let made = make(&program, from_ref(&v), draw, 3);
        let (outputs, messages) = run_seen(&program, from_ref(&v), &[], draw, made);
        let masks: Vec<u64> = (0..rows).map(|row| parts(row)[0]).collect();
        let points: Vec<u64> = v.iter().zip(&masks).map(|(v, r)| (*v as u64).wrapping_add(*r)).collect();
        assert_eq!(outputs[0], offer::plain(&kernel_offer(&of), &points, &masks), "{of:?}");
        let [from_model_owner, from_data_owner] = &messages[1];
        assert!(from_model_owner.is_empty());
        let sizes: Vec<usize> = from_data_owner.iter().map(Vec::len).collect();
        let want = [rows * of.entries() * 4, rows * of.labelled() * 2];
        assert_eq!(sizes, want.into_iter().filter(|len| *len > 0).collect::<Vec<_>>());
        let bytes = |len: usize, bits: usize| (len * bits).div_ceil(8) as u64;
        let sent = cost::gates(&program)[y.0 as usize].online;
        assert_eq!((sent.model_owner, sent.data_owner), (0, bytes(want[0], 60) + bytes(want[1], 64)));
    }
}

/// To the data owner nothing arrives but the opened number, and its pads are its own.
#[test]
fn the_data_owner_sees_nothing_of_the_offer() {
    let of = offer(5, 5, 4);
    let (program, wire, _) = program(of, 1, 50);
    let view = |v: i64| {
        // The model owner's part makes the opened number the same.
        let draw = &mut masked(wire, 7, move |_| [(20 - v) as u64 & 31, 3]);
        let made = make(&program, &[vec![v]], draw, 3);
        let shares = made.shares[1].clone();
        let (_, messages) = run_seen(&program, &[vec![v]], &[], draw, made);
        let seen: Vec<Vec<u64>> = messages.iter().take(2).flat_map(|hop| hop[0].clone()).collect();
        (seen, shares.first().cloned())
    };
    let want = view(0);
    for v in 1..16 {
        assert_eq!(view(v), want, "{v}");
    }
}

/// Over what the data owner draws, the model owner's entry is each value of its low bits as often, whatever the number is.
#[test]
fn the_model_owners_result_is_uniform_whatever_the_number_is() {
    const RUNS: u64 = 1 << 10;
    let of = offer(5, 5, 4);
    let (program, wire, _) = program(of, 1, 50);
    for v in [1, 3, 8, 15] {
        let mut counts: HashMap<u64, u64> = HashMap::new();
        for seed in 0..RUNS {
            let mut masks = masked(wire, seed, move |_| [(20 - v) as u64 & 31, 3]);
            let draw = &mut |owner, stream, bits, len| masks(owner, stream, bits, len);
            let made = make(&program, &[vec![v]], draw, seed);
            let (_, messages) = run_seen(&program, &[vec![v]], &[], draw, made);
            // The model owner's share of the result, which it sends to reveal it.
            let last = messages.iter().flat_map(|hop| &hop[0]).last().expect("a reveal");
            *counts.entry(last[0] >> 20 & 7).or_default() += 1;
        }
        // Six standard deviations.
        let limits = RUNS / 8 - 64..RUNS / 8 + 64;
        assert!(counts.len() == 8 && counts.values().all(|n| limits.contains(n)), "{v}: {counts:?}");
    }
}

#[test]
fn a_dealer_is_not_asked_for_offers() {
    let (program, _, y) = program(offer(20, 9, 5), 1, 50);
    let dealt = Program { supplier: Supplier::Dealer, ..program };
    let found = verify(&dealt).expect_err("nothing deals pads");
    assert!(found.iter().any(|v| v.value == Some(y) && v.rule == Rule::Supplier));
    for change in [3u8, 9, 10] {
        let mut wrong = Program { supplier: Supplier::Pair, ..dealt.clone() };
        let Gate::RowOffer { offer, .. } = &mut wrong.values[y.0 as usize].gate else { panic!("the offer") };
        offer.choice_bits = change;
        let found = verify(&wrong).expect_err("a choice of no list");
        assert!(found.iter().any(|v| v.rule == Rule::Parameter), "{found:?}");
    }
}
