use super::*;
use crate::testing::{Session, distance, numbers, session, unevenness};
use crate::{Parameters, Side, params, slot_cost};

fn parameters(bits: u32) -> Parameters {
    Parameters::all().find(|p| p.bits() == bits).expect("a set of this size")
}

/// Answers sums of products of `uploads` and `factors` (by term) and gives each slot's y modulo 2^64 after conversion.
fn run(s: &mut Session, slots: &Slots, variation: Variation, uploads: &[Vec<i128>], factors: &[Vec<i128>]) -> Vec<i64> {
    let (mut ours, mut theirs) = s.batch();
    let mut received = Vec::new();
    let mut desk = s.owner.upload_slots(slots).expect("slots of the ring");
    for values in uploads {
        let mut bytes = Vec::new();
        desk.write(ours.next(), values, &mut bytes).expect("an upload");
        assert_eq!(bytes.len(), slots.upload_bytes());
        received.push(s.evaluator.upload(theirs.next(), &bytes).expect("an upload"));
    }
    let mut sum = s.evaluator.slot_sum(slots).expect("a sum");
    for (upload, factors) in received.iter().zip(factors) {
        sum.add(upload, factors).expect("a declared product");
    }
    let count = uploads.len() as u64;
    let cost = slot_cost(s.ring.parameters(), slots.plain().bits, count, count, 1);
    assert_eq!(
        (cost.upload_bytes, cost.answer_bytes),
        (count * slots.upload_bytes() as u64, slots.answer_bytes() as u64)
    );
    let mut bytes = Vec::new();
    let mask = sum.answer_varied(variation, &mut s.randomness, &mut bytes);
    assert_eq!(bytes.len(), slots.answer_bytes());
    let opened = s.owner.open_slots(slots, &bytes).expect("an answer");
    let count = uploads.iter().map(Vec::len).max().unwrap_or(0);
    let a = slots.convert(Side::Evaluator, &mask, count, 64).expect("a width");
    let b = slots.convert(Side::Owner, &opened, count, 64).expect("a width");
    let wrap = slots.wrap(64);
    let y = |i: usize| a.parts[i].wrapping_add(b.parts[i]).wrapping_add(u128::from(a.low[i] * b.low[i]) * wrap) as i64;
    (0..count).map(y).collect()
}

fn wide(x: &[i64]) -> Vec<i128> {
    x.iter().map(|&v| i128::from(v)).collect()
}

#[test]
fn sums_of_products_are_exact_at_production_parameters() {
    let mut s = session(parameters(132), 0);
    let slots = Slots::new(&s.ring, SlotModulus::new(31).expect("a size"), 12, Flood::MASKS).expect("a budget");
    for (terms, len) in [(1, 1), (12, 8192), (2, 100)] {
        let bits = if terms == 1 { 14 } else { 13 };
        let uploads: Vec<_> = (0..terms).map(|t| wide(&numbers(t, bits, len))).collect();
        let factors: Vec<_> = (0..terms).map(|t| wide(&numbers(50 + t, 12, len))).collect();
        let want: Vec<i64> =
            (0..len).map(|i| uploads.iter().zip(&factors).map(|(u, f)| (u[i] * f[i]) as i64).sum()).collect();
        assert_eq!(run(&mut s, &slots, Variation::None, &uploads, &factors), want);
    }
}

#[test]
fn the_largest_results_are_exact_in_one_two_and_three_primes() {
    for (set, bits) in [(132, 31), (172, 50), (240, 86), (350, 134)] {
        let mut s = session(parameters(set), 0);
        let slots = Slots::new(&s.ring, SlotModulus::new(bits).expect("a size"), 1, Flood::MASKS).expect("a budget");
        let largest = slots.largest();
        let largest = (u128::from(largest[0]) | u128::from(largest[1]) << 64).min(i128::MAX as u128) as i128;
        let values = [largest, -largest, 0, 1, -1, largest - 1];
        let cycle = |x: &[i128]| -> Vec<i128> { x.iter().copied().cycle().take(slots.len()).collect() };
        for variation in [Variation::None, Variation::LargestFlood] {
            let y = run(&mut s, &slots, variation, &[cycle(&values)], &[cycle(&[1])]);
            assert!(y.iter().zip(cycle(&values)).all(|(&y, v)| y == v as i64), "{bits} bits");
        }
        // Factors of half the modulus in one slot, and a value whose product wraps around t and back.
        let y = run(&mut s, &slots, Variation::None, &[cycle(&[3, -5, 1 << 12])], &[cycle(&[-7, 1 << 15, 9])]);
        assert!(y.iter().zip([-21, -(5 << 15), 9 << 12].iter().cycle()).all(|(y, want)| y == want));
    }
}

#[test]
fn an_upload_serves_several_sums_and_more_numbers_than_slots_take_two() {
    let mut s = session(parameters(132), 0);
    let slots = Slots::new(&s.ring, SlotModulus::new(31).expect("a size"), 2, Flood::MASKS).expect("a budget");
    let n = slots.len() + 1;
    let (x, f) = (wide(&numbers(1, 14, n)), wide(&numbers(2, 14, n)));
    let (mut ours, _) = s.batch();
    assert!(s.owner.upload_slots(&slots).expect("slots of the ring").write(ours.next(), &x, &mut Vec::new()).is_err());
    let mut y = Vec::new();
    for (x, f) in x.chunks(slots.len()).zip(f.chunks(slots.len())) {
        y.extend(run(&mut s, &slots, Variation::None, &[x.to_vec()], &[f.to_vec()]));
    }
    assert!(y.iter().zip(x.iter().zip(&f)).all(|(&y, (x, f))| y == (x * f) as i64));
}

#[test]
fn what_is_not_declared_is_refused() {
    let mut s = session(params::small(), 0);
    let modulus = || SlotModulus::new(31).expect("a size");
    let slots = Slots::new(&s.ring, modulus(), 1, Flood::MASKS).expect("a budget");
    assert!(Slots::new(&s.ring, modulus(), 0, Flood::MASKS).is_err());
    assert!(matches!(
        Slots::new(&s.ring, SlotModulus::new(60).expect("a size"), 1, Flood::MASKS),
        Err(LatticeError::Budget { .. })
    ));
    let (mut ours, mut theirs) = s.batch();
    let mut bytes = Vec::new();
    s.owner
        .upload_slots(&slots)
        .expect("slots of the ring")
        .write(ours.next(), &[1, 2], &mut bytes)
        .expect("an upload");
    let upload = s.evaluator.upload(theirs.next(), &bytes).expect("an upload");
    let mut sum = s.evaluator.slot_sum(&slots).expect("a sum");
    assert!(matches!(sum.add(&upload, &[0; 1025]), Err(LatticeError::Count { .. })));
    sum.add(&upload, &[1]).expect("the declared product");
    assert_eq!(sum.add(&upload, &[1]), Err(LatticeError::Terms { declared: 1 }));
    let other = session(parameters(132), 0);
    assert!(other.evaluator.slot_sum(&slots).is_err());
}

#[test]
fn masks_are_uniform_in_every_slot_and_a_missing_one_is_seen() {
    let mut s = session(params::small(), 0);
    let slots = Slots::new(&s.ring, SlotModulus::new(31).expect("a size"), 1, Flood::MASKS).expect("a budget");
    let t = slots.plain().t()[0];
    // What the owner opens in slots that nobody filled.
    let mut opened = |variation: Variation| {
        let mut values = Vec::new();
        for _ in 0..40 {
            let (mut ours, mut theirs) = s.batch();
            let mut bytes = Vec::new();
            s.owner
                .upload_slots(&slots)
                .expect("slots of the ring")
                .write(ours.next(), &[5; 10], &mut bytes)
                .expect("an upload");
            let upload = s.evaluator.upload(theirs.next(), &bytes).expect("an upload");
            let mut sum = s.evaluator.slot_sum(&slots).expect("a sum");
            sum.add(&upload, &[3; 1024]).expect("a product");
            bytes.clear();
            sum.answer_varied(variation, &mut s.randomness, &mut bytes);
            let shares = s.owner.open_slots(&slots, &bytes).expect("an answer");
            values.extend((10..slots.len()).map(|i| shares.residue(0, i)));
        }
        unevenness(values.into_iter().map(|v| (u128::from(v) * 64 / u128::from(t)) as usize), 64)
    };
    assert!(opened(Variation::None) < 6.0);
    assert!(opened(Variation::NoMask) > 100.0);
}

/// Noise of an answer to uploads of zeros, small enough for one prime, less the mask that the evaluator drew.
fn noise(s: &mut Session, slots: &Slots, variation: Variation, factor: i128) -> Vec<i64> {
    let (mut ours, mut theirs) = s.batch();
    let mut bytes = Vec::new();
    s.owner.upload_slots(slots).expect("slots of the ring").write(ours.next(), &[], &mut bytes).expect("an upload");
    let upload = s.evaluator.upload(theirs.next(), &bytes).expect("an upload");
    let mut sum = s.evaluator.slot_sum(slots).expect("a sum");
    sum.add(&upload, &[factor]).expect("a declared product");
    let (answer, _) = sum.masked(variation, &mut s.randomness);
    let (mut product, b) = (answer.pair.a[0].clone(), answer.pair.b[0].clone());
    s.owner.times_secret(0, &mut product);
    let remainders = slots.draw_mask(&s.randomness.streams_of_last_answer(), &mut SlotShares { residues: Vec::new() });
    let mut mask = vec![0; slots.len()];
    slots.plain.scale.add(0, &remainders, &mut mask);
    let m = s.ring.limbs[0].modulus;
    let phases = b.iter().zip(&product).zip(&mask).map(|((&b, &x), &mask)| m.sub(m.sub(b, x), mask));
    phases.map(|v| if v > m.p / 2 { v as i64 - m.p as i64 } else { v as i64 }).collect()
}

#[test]
fn noise_of_answers_does_not_depend_on_factors_and_without_flood_it_does() {
    let mut s = session(params::small(), 0);
    let mut distance_at = |flood: u32, variation: Variation| {
        let slots = Slots::new(&s.ring, SlotModulus::new(31).expect("a size"), 1, Flood(flood)).expect("a budget");
        let mut sample =
            |factor: i128| -> Vec<i64> { (0..100).flat_map(|_| noise(&mut s, &slots, variation, factor)).collect() };
        distance(sample(0), sample(1 << 29))
    };
    assert!(distance_at(6, Variation::None) < 2.2);
    assert!(distance_at(0, Variation::None) > 5.0);
    assert!(distance_at(6, Variation::NoFlood) > 5.0);
}
