//! Exponentials and counts by the buckets of masks: as two parties compute them, at their limits, and as a softmax.

use proptest::prelude::*;

use super::*;

/// A wire of the numbers `y`, of which all of a ring of k bits but a bucket is in use, and what a gate adds to it.
fn numbers(b: &mut Build, shape: &[usize], (k, fraction): (u8, i16), y: &[i64]) -> (ValueId, i64) {
    let offset = (1 << (k - 1)) - 1;
    let data: Vec<i64> = y.iter().map(|y| y - offset).collect();
    let share = b.own(shape, (64, k - 1), &data);
    let share = b.push(Kind::Share, shape, (64, fraction, k - 1), Gate::Rescale { source: share, shift: fraction });
    let wire = b.push(Kind::Wire, shape, (k, fraction, k - 1), Gate::Open { source: share, truncate: 0 });
    (wire, offset)
}

/// exp of what a wire stands for in `count` buckets with (mask, public) fraction bits.
fn exponential(
    b: &mut Build,
    (wire, offset): (ValueId, i64),
    (buckets, count): (u8, u8),
    (mask, public): (u8, u8),
    ring: u8,
) -> ValueId {
    let shape = b.program.value(wire).shape.clone();
    let bits = b.push(Kind::Bits, &shape, (count, 0, 0), Gate::BucketBits { source: wire, offset, buckets });
    let gate = Gate::Exponential { bits, source: wire, mask_fraction: mask, public_fraction: public };
    b.push(Kind::Share, &shape, (ring, i16::from(mask + public), mask + public + 1), gate)
}

/// The thresholds of a maximum, their distance, and the ring of counts with its digits.
#[derive(Clone, Copy)]
struct Maximum {
    buckets: u8,
    step: u8,
    count: u8,
}

/// The numbers of a wire `[rows, n]` without what the least of each row has in common, and what they stand for beside it.
fn lowered(b: &mut Build, (wire, offset): (ValueId, i64), of: Maximum) -> (ValueId, i64) {
    let Maximum { buckets, step, count } = of;
    let (k, fraction) = (b.program.value(wire).ring, b.program.value(wire).fraction);
    let (rows, width) = (b.program.value(wire).shape[0], 1i64 << (k - buckets));
    let thresholds = ((1usize << k) - width as usize).div_ceil(1 << step);
    let shape = [rows, thresholds];
    let gate = Gate::BucketCounts { source: wire, offset, buckets, step };
    let counts = b.push(Kind::Share, &shape, (count, 0, count - 1), gate);
    let counts = b.open(counts, count, 0);
    let digits = [count / 2, count - count / 2].into_iter().collect();
    let gate = Gate::ZeroDigits { source: counts, offset: (1 << (count - 1)) - 1, digits };
    let bits = b.push(Kind::Bits, &shape, (2, 0, 0), gate);
    let ring = k - step;
    // One bit more than is opened, so that a comparison with integers sees the sum's sign.
    let wide = ring + 1;
    let zero = b.push(Kind::Share, &shape, (wide, 0, 1), Gate::ZeroShare { bits });
    let sum = b.push(Kind::Share, &[rows, 1], (wide, 0, ring), Gate::SumRow { source: zero });
    let middle = (1i64 << (ring - 1)) - 1;
    let gate = Gate::AddPublic { source: sum, term: -middle };
    let sum = b.push(Kind::Share, &[rows, 1], (wide, 0, ring - 1), gate);
    let shift = fraction - i16::from(step);
    let sum = b.push(Kind::Share, &[rows, 1], (wide, shift, ring - 1), Gate::Rescale { source: sum, shift });
    let row = b.push(Kind::Wire, &[rows, 1], (ring, shift, ring - 1), Gate::Open { source: sum, truncate: 0 });
    let term = width / 2 + (1 << step) - (middle << step);
    let gate = Gate::SubRow { source: wire, row, shift: step, term };
    let shape = b.program.value(wire).shape.clone();
    (b.push(Kind::Wire, &shape, (k, fraction, k - 1), gate), offset)
}

/// Integers from 0 to below `end`, both ends among them.
fn below(len: usize, end: i64, salt: u64) -> Vec<i64> {
    let mut data: Vec<i64> = random(len, 40, salt).into_iter().map(|x| x.rem_euclid(end)).collect();
    data.iter_mut().zip([end - 1, 0, 1]).for_each(|(slot, y)| *slot = y);
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Exponentials of any wire in any ring.
    #[test]
    fn exponentials_of_any_width_agree(
        buckets in 1u8..=6, position in 2u8..=16, above in 0u8..=12, count in 1u8..=16, mask in 4u8..=24,
        public in 4u8..=58, ring in 1u8..=128, salt: u64,
    ) {
        let (k, fraction) = (buckets + position, (position - position.min(4) + above).min(24));
        let (count, public) = (count.min(1 << buckets), public.min(61 - mask));
        let y = below(12, (1 << k) - (1 << position), salt >> 1);
        let mut b = Build::default();
        let wire = numbers(&mut b, &[12], (k, fraction.into()), &y);
        let ring = ring.max(mask + public + 2);
        exponential(&mut b, wire, (buckets, count), (mask, public), ring);
        b.run();
    }

    /// Maxima of rows of any length at any distance of thresholds.
    #[test]
    fn maxima_by_counts_of_any_width_agree(
        buckets in 1u8..=5, position in 2u8..=5, step in 0u8..=5, more in 0u8..=3, n in 1usize..=9, salt: u64,
    ) {
        let k = buckets + position;
        let of = Maximum { buckets, step, count: 4 + more };
        let end = (1 << k) - (3 << position >> 1) - (1 << step) - 1;
        let thresholds = ((1 << k) - (1 << position) + (1 << step) - 1) >> step;
        prop_assume!(end > 1 && thresholds <= (1 << (k - step)) - 2);
        let mut b = Build::default();
        let wire = numbers(&mut b, &[3, n], (k, 5), &below(3 * n, end, salt >> 1));
        let (wire, offset) = lowered(&mut b, wire, of);
        exponential(&mut b, (wire, offset), (buckets, 1), (8, 20), 40);
        let ideal = b.run();
        for row in ideal.values[wire.0 as usize].chunks(n) {
            let least = row.iter().min().unwrap() + offset;
            prop_assert!((0..=(1 << position) + (1 << step)).contains(&least), "{least} of {row:?}");
        }
    }
}

#[test]
fn what_lies_in_the_last_bucket_of_a_ring_is_named() {
    for (y, inside) in [(0i64, true), ((1 << 10) - (1 << 6) - 1, true), ((1 << 10) - (1 << 6), false), (-1, false)] {
        let mut b = Build::default();
        let wire = numbers(&mut b, &[2], (10, 4), &[3, 3]);
        b.inputs[0][1] = y - wire.1;
        // A negative number is one at the upper end, which a wire cannot hold.
        b.program.inputs[0].bound = 10;
        b.program.values.iter_mut().take(2).for_each(|value| value.bound = 10);
        b.program.values[wire.0.0 as usize].ring = 12;
        b.program.values[wire.0.0 as usize].bound = 11;
        let narrow = b.push(Kind::Wire, &[2], (10, 4, 9), Gate::Reduce { source: wire.0, truncate: 0 });
        let gate = Gate::BucketBits { source: narrow, offset: wire.1, buckets: 4 };
        b.push(Kind::Bits, &[2], (1, 0, 0), gate);
        match b.try_run(Ranges::Strict) {
            Ok(_) => assert!(inside, "{y}"),
            Err(IdealError::Range(error)) => assert!(!inside && error.value == narrow, "{y}: {error}"),
            Err(error) => panic!("{error}"),
        }
        assert!(b.try_run(Ranges::Record).is_ok());
    }
}

/// Rows of scores from a generator of words.
fn scores(kind: usize, n: usize, word: &mut impl FnMut() -> f64) -> Vec<f64> {
    let normal = |word: &mut dyn FnMut() -> f64| (0..12).map(|_| word()).sum::<f64>() - 6.0;
    match kind {
        // One highest, the others spread below it, down to −98.
        0..=3 => {
            let top = 50.0 * word() - 5.0;
            let spread = [1.0, 3.0, 8.0, 20.0][kind];
            let mut row: Vec<f64> =
                (0..n).map(|_| (top - 3.0 * spread + spread * normal(word)).clamp(-98.0, 45.0)).collect();
            row[(word() * n as f64) as usize] = top;
            row
        }
        // Flat.
        4 => {
            let level = 130.0 * word() - 90.0;
            (0..n).map(|_| (level + 0.3 * normal(word)).min(45.0)).collect()
        }
        // One far above all others, and all equal.
        5 => (0..n).map(|at| if at == n / 2 { 45.0 } else { -98.0 }).collect(),
        6 => vec![-20.0; n],
        // All but a few masked.
        _ => {
            let kept = 1 + (word() * n as f64) as usize;
            (0..n).map(|at| 20.0 * word() - 10.0 - if at < kept { 0.0 } else { 256.0 }).collect()
        }
    }
}

/// Rows of softmax times values against the real function: maxima from −5 to 45, scores to −98 and masked ones 256 below, from
/// one token to 512.
#[test]
fn a_softmax_by_counts_and_exponentials_is_accurate_for_every_row() {
    let mut state = 12345u64;
    let mut word = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    // Without a mask in a ring of 256, with one in a ring of 512; the least of a row stays below a bucket and a step.
    for (n, rows, masked) in
        [(128usize, 64usize, false), (512, 16, false), (1, 8, false), (2, 64, false), (128, 32, true)]
    {
        let (k, buckets, top) = if masked { (21u8, 6u8, 46.0) } else { (20, 5, 46.0) };
        let data: Vec<Vec<f64>> = (0..rows).map(|row| scores(if masked { 7 } else { row % 7 }, n, &mut word)).collect();
        let y: Vec<i64> = data.concat().iter().map(|x| ((top - x) * 4096.0).round() as i64).collect();
        let mut b = Build::default();
        let wire = numbers(&mut b, &[rows, n], (k, 12), &y);
        let of = Maximum { buckets, step: 12, count: (n as u32 + 2).next_power_of_two().trailing_zeros().max(2) as u8 };
        let near = lowered(&mut b, wire, of);
        // 16 nats a bucket, 9 of which the least number may use.
        let (mask, public, kept) = (12u8, 48u8, 25u8);
        let e = exponential(&mut b, near, (k - 16, 3), (mask, public), 90);
        let gate = Gate::Open { source: e, truncate: mask + public - kept };
        let e = b.push(Kind::Wire, &[rows, n], (50, kept.into(), kept + 1), gate);
        let ideal = match evaluate(&b.program, &b.weights, &b.inputs, &coins(3), Ranges::Strict) {
            Ok(ideal) => ideal,
            Err(error) => panic!("{error}"),
        };
        for (row, e) in data.iter().zip(ideal.values[e.0 as usize].chunks(n)) {
            let values: Vec<f64> = (0..n).map(|_| 2.0 * word() - 1.0).collect();
            let most = row.iter().copied().fold(f64::MIN, f64::max);
            let weight = |x: &f64| (x - most).exp();
            let average = |w: &mut dyn Iterator<Item = f64>| {
                let w: Vec<f64> = w.collect();
                w.iter().zip(&values).map(|(w, v)| w * v).sum::<f64>() / w.iter().sum::<f64>()
            };
            let want = average(&mut row.iter().map(weight));
            let found = average(&mut e.iter().map(|e| *e as f64));
            assert!((found - want).abs() <= 5e-4, "{n} tokens: {found} for {want}");
            for (x, e) in row.iter().zip(e) {
                assert!(x - most > -48.0 || *e == 0, "{x} below {most} weighs {e}");
            }
        }
    }
}
