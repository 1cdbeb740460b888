//! Limits of gates that know a mask's bucket, each broken alone.

use super::*;
use crate::program::Value;

/// What is found once the first value of a kind of gate is changed.
fn found(of: impl Fn(&Gate) -> bool, change: impl FnOnce(&mut Value)) -> Vec<Rule> {
    let mut program = sample::program();
    let index = program.values.iter().position(|v| of(&v.gate)).expect("the sample holds every gate");
    change(&mut program.values[index]);
    rules(&program).into_iter().filter(|rule| rule.0 == Some(index as u32)).map(|rule| rule.1).collect()
}

#[test]
fn counts_that_do_not_fit_their_ring_are_rejected() {
    let counts = |gate: &Gate| matches!(gate, Gate::BucketCounts { .. });
    // Rows of two numbers take counts of two bits at least.
    assert_eq!(found(counts, |v| (v.ring, v.bound) = (3, 2)), []);
    assert!(found(counts, |v| (v.ring, v.bound) = (1, 0)).contains(&Rule::Bound));
    assert!(found(counts, |v| v.bound = 2).contains(&Rule::Bound));
    assert!(found(counts, |v| v.shape[1] = 1 << 13).contains(&Rule::Parameter));
    assert!(found(counts, |v| v.ring = 33).contains(&Rule::Ring));
}

#[test]
fn buckets_that_are_too_many_or_too_small_are_rejected() {
    for wrong in [0u8, 7, 17, 18, 255] {
        let bits = |gate: &Gate| matches!(gate, Gate::BucketBits { .. });
        let change = |v: &mut Value| {
            let Gate::BucketBits { buckets, .. } = &mut v.gate else { unreachable!() };
            *buckets = wrong;
        };
        assert!(found(bits, change).contains(&Rule::Parameter), "2^{wrong} buckets");
        let change = |v: &mut Value| {
            let Gate::BucketCounts { buckets, .. } = &mut v.gate else { unreachable!() };
            *buckets = wrong;
        };
        assert!(found(|gate| matches!(gate, Gate::BucketCounts { .. }), change).contains(&Rule::Parameter));
    }
    let bits = |gate: &Gate| matches!(gate, Gate::BucketBits { .. });
    assert!(found(bits, |v| v.ring = 17).contains(&Rule::Ring));
    let far = |v: &mut Value| {
        let Gate::BucketBits { offset, .. } = &mut v.gate else { unreachable!() };
        *offset = i64::MIN;
    };
    assert!(found(bits, far).contains(&Rule::Parameter));
}

#[test]
fn exponentials_beyond_what_words_hold_are_rejected() {
    let exponential = |gate: &Gate| matches!(gate, Gate::Exponential { .. });
    for (mask, public) in [(3u8, 30u8), (25, 30), (12, 3), (12, 59), (24, 40)] {
        let change = |v: &mut Value| {
            let Gate::Exponential { mask_fraction, public_fraction, .. } = &mut v.gate else { unreachable!() };
            (*mask_fraction, *public_fraction) = (mask, public);
            v.fraction = (mask + public).into();
            v.bound = (mask + public + 1).min(63);
        };
        assert!(found(exponential, change).contains(&Rule::Parameter), "{mask} and {public}");
    }
    assert!(found(exponential, |v| v.bound = 42).contains(&Rule::Bound));
    let other = |v: &mut Value| {
        let Gate::Exponential { source, .. } = &mut v.gate else { unreachable!() };
        *source = ValueId(source.0 - 1);
    };
    assert!(!found(exponential, other).is_empty());
}

/// Buckets of 2^13 units with 10 fraction bits are below e^8 < 2^12.
#[test]
fn factors_of_parts_beyond_what_words_hold_are_rejected() {
    for (mask, public, fits) in [(11u8, 30u8, false), (12, 30, true), (51, 11, true), (52, 10, false), (40, 30, false)]
    {
        let mut program = Program { supplier: Supplier::Pair, ..sample::program() };
        let value = program.values.iter_mut().find(|v| matches!(v.gate, Gate::Exponential { .. })).unwrap();
        let Gate::Exponential { mask_fraction, public_fraction, .. } = &mut value.gate else { unreachable!() };
        (*mask_fraction, *public_fraction) = (mask, public);
        value.fraction = (mask + public).into();
        value.bound = (mask + public + 1).min(63);
        let refused = verify(&program).unwrap_err().iter().any(|v| v.rule == Rule::Parameter);
        assert_eq!(refused, !fits, "{mask} and {public}");
    }
}

#[test]
fn digits_and_row_wires_that_leave_bits_open_are_rejected() {
    let zero = |gate: &Gate| matches!(gate, Gate::ZeroDigits { .. });
    let digits = |v: &mut Value| {
        let Gate::ZeroDigits { digits, .. } = &mut v.gate else { unreachable!() };
        digits.pop();
    };
    let broken = found(zero, digits);
    assert!(broken.contains(&Rule::Parameter) && broken.contains(&Rule::Ring));
    let shifted = |v: &mut Value| {
        let Gate::SubRow { shift, .. } = &mut v.gate else { unreachable!() };
        *shift = 12;
    };
    let broken = found(|gate| matches!(gate, Gate::SubRow { .. }), shifted);
    assert!(broken.contains(&Rule::Ring) && broken.contains(&Rule::Fraction), "{broken:?}");
    let share = |gate: &Gate| matches!(gate, Gate::ZeroShare { .. });
    assert!(found(share, |v| v.bound = 0).contains(&Rule::Bound));
}
