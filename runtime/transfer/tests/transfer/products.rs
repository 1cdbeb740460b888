//! Products: of every pair of factors in small rings, of random ones at production widths, and of shared bits.

use mpcc_transfer::{Field, Plan, Request, and};

use crate::ends::{batch, check, direction, session};

#[test]
fn products_are_right_for_all_factors_of_small_rings() {
    let (mut sender, mut receiver) = direction(8, 11);
    for width in 1..=6u32 {
        for bits in 1..=6u32 {
            let pairs: Vec<(u64, u64)> = (0..1 << bits).flat_map(|a| (0..1 << width).map(move |b| (a, b))).collect();
            let (a, b): (Vec<u64>, Vec<u64>) = pairs.iter().copied().unzip();
            let plan = Plan::new(vec![Request::Product { count: a.len(), bits, widths: vec![width] }]).unwrap();
            let batch = batch((&mut sender, &mut receiver), &plan, &[&a], &[&[&b]]);
            let mask = u64::MAX >> (64 - width);
            for (i, (a, b)) in pairs.into_iter().enumerate() {
                let [sent, got] = [batch.sent.words(0, 0)[i], batch.got.words(0, 0)[i]];
                assert!(sent <= mask && got <= mask, "shares are reduced");
                assert_eq!(sent.wrapping_add(got) & mask, (a * b) & mask, "{a} by {b}, {bits} bits mod 2^{width}");
            }
        }
    }
}

#[test]
fn products_are_right_at_production_widths() {
    let (mut sender, mut receiver) = direction(5, 12);
    let requests = [(17, 47), (10, 56), (64, 64), (33, 66), (64, 128), (40, 20), (1, 100)];
    let requests = requests.map(|(bits, width)| Request::Product { count: 400, bits, widths: vec![width, width] });
    check((&mut sender, &mut receiver), Field::new(5).unwrap(), requests.to_vec(), 3);
}

/// The bits of x and y of both ends: all sixteen, again and again.
pub(crate) fn shared_bits(count: usize) -> [Vec<u64>; 4] {
    [0, 1, 2, 3].map(|bit| (0..count as u64).map(|i| i >> bit & 1).collect())
}

#[test]
fn ands_are_right_for_all_shares() {
    let [(mut a_sends, mut a_receives), (mut b_sends, mut b_receives)] = session(Field::new(8).unwrap(), 13);
    let count = 16 * 40;
    let [a_x, a_y, b_x, b_y] = shared_bits(count);
    let plan = Plan::new(vec![and::request(count)]).unwrap();
    let to_b = batch((&mut a_sends, &mut b_receives), &plan, &[&b_x], &[&[&a_y]]);
    let to_a = batch((&mut b_sends, &mut a_receives), &plan, &[&a_x], &[&[&b_y]]);
    let (mut a, mut b) = (vec![7; count], vec![7; count]);
    and::combine(&a_x, &a_y, to_b.sent.words(0, 0), to_a.got.words(0, 0), &mut a);
    and::combine(&b_x, &b_y, to_a.sent.words(0, 0), to_b.got.words(0, 0), &mut b);
    let mut ones = [0; 2];
    for i in 0..count {
        assert!(a[i] <= 1 && b[i] <= 1);
        assert_eq!(a[i] ^ b[i], (a_x[i] ^ b_x[i]) & (a_y[i] ^ b_y[i]), "item {i}");
        ones[0] += a[i];
        ones[1] += b[i];
    }
    // Five deviations of 640 fair coins.
    assert!(ones.iter().all(|&ones| ones.abs_diff(320) < 64), "shares are fair: {ones:?}");
}
