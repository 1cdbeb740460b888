//! Correlated, chosen and random transfers give what they mean, in every field, width and layout, at their price.

use mpcc_kernels::{Level, level};
use mpcc_transfer::{Field, Function, Plan, Request};

use crate::ends::{batch, check, direction, inputs, slices};

#[test]
fn correlated_shares_add_up_in_every_ring() {
    let (mut sender, mut receiver) = direction(8, 1);
    let requests = (1..=128).map(|width| Request::Product { count: 37, bits: 1, widths: vec![width] });
    check((&mut sender, &mut receiver), Field::new(8).unwrap(), requests.collect(), 1);
}

#[test]
fn strings_of_many_widths_share_a_choice() {
    let (mut sender, mut receiver) = direction(6, 2);
    let widths = vec![36, 36, 20, 1, 64, 65, 128, 7];
    let requests = vec![
        Request::Product { count: 300, bits: 1, widths: widths.clone() },
        Request::Chosen { count: 261, widths: widths.clone() },
        Request::Random { count: 77, bits: 1, widths },
    ];
    check((&mut sender, &mut receiver), Field::new(6).unwrap(), requests, 5);
}

#[test]
fn every_kind_is_right_in_every_field_and_both_directions() {
    for field in Field::ALL {
        let [(mut a_sends, mut a_receives), (mut b_sends, mut b_receives)] = crate::ends::session(field, 3);
        for seed in 0..3 {
            let requests = || {
                vec![
                    Request::Product { count: 200, bits: 1, widths: vec![1] },
                    Request::Random { count: 100, bits: 4, widths: vec![2] },
                    Request::Chosen { count: 50, widths: vec![13] },
                    Request::Product { count: 10, bits: 17, widths: vec![47] },
                    Request::Under { count: 70, widths: vec![5, 64, 70] },
                    Request::table(90, 4, Function::Sum),
                ]
            };
            check((&mut a_sends, &mut b_receives), field, requests(), seed);
            check((&mut b_sends, &mut a_receives), field, requests(), seed + 50);
        }
    }
}

#[test]
fn the_pad_of_a_digit_is_the_senders_pad_of_that_number() {
    let (mut sender, mut receiver) = direction(8, 4);
    for bits in 1..=12 {
        let count = if bits < 9 { 300 } else { 9 };
        let requests = vec![Request::Random { count, bits, widths: vec![2, 56, 101] }];
        check((&mut sender, &mut receiver), Field::new(8).unwrap(), requests, 90 + u64::from(bits));
    }
}

/// Uniform digits of so many items meet in every pair.
#[test]
fn tables_are_of_both_digits() {
    let (mut sender, mut receiver) = direction(8, 9);
    for bits in 1..=5 {
        let requests =
            [Function::Carry, Function::Sum, Function::CarryOn].map(|function| Request::table(8000, bits, function));
        check((&mut sender, &mut receiver), Field::new(8).unwrap(), requests.into(), 190 + u64::from(bits));
    }
    assert!(Plan::new(vec![Request::table(1, 6, Function::Sum)]).is_err(), "a table of 64 entries");
}

#[test]
fn requests_that_cross_chunks_are_whole() {
    let (mut sender, mut receiver) = direction(7, 5);
    let requests = vec![
        Request::Product { count: 8191, bits: 1, widths: vec![9] },
        Request::Random { count: 3000, bits: 5, widths: vec![3] },
        Request::Product { count: 500, bits: 33, widths: vec![40, 70] },
        Request::Chosen { count: 20_000, widths: vec![5] },
        Request::Product { count: 1, bits: 64, widths: vec![64] },
    ];
    check((&mut sender, &mut receiver), Field::new(7).unwrap(), requests, 7);
    check((&mut sender, &mut receiver), Field::new(7).unwrap(), vec![Request::Chosen { count: 1, widths: vec![1] }], 8);
}

#[test]
fn every_instruction_set_makes_the_same_messages_and_results() {
    let mut first: Option<(Vec<u8>, Vec<u8>, Vec<u64>)> = None;
    for wanted in Level::ALL {
        level::force(Some(wanted));
        let (mut sender, mut receiver) = direction(5, 6);
        let requests = vec![
            Request::Product { count: 9000, bits: 1, widths: vec![36, 70] },
            Request::Random { count: 40, bits: 3, widths: vec![2] },
        ];
        let plan = Plan::new(requests).unwrap();
        let (choices, lists) = inputs(plan.requests(), 3);
        let choices: Vec<&[u64]> = choices.iter().map(Vec::as_slice).collect();
        let lists = slices(&lists);
        let lists: Vec<&[&[u64]]> = lists.iter().map(Vec::as_slice).collect();
        let batch = batch((&mut sender, &mut receiver), &plan, &choices, &lists);
        let results = [batch.sent.words(0, 1), batch.got.words(0, 0), batch.sent.words(1, 0), batch.got.words(1, 0)];
        let all = (batch.choices, batch.strings, results.concat());
        assert!(*first.get_or_insert_with(|| all.clone()) == all, "{wanted:?} makes something else");
    }
    level::force(None);
}
