use proptest::prelude::*;

use super::*;

fn error(angle: u64, period_bits: u32, fraction: u32) -> f64 {
    let (cos, sin) = cos_sin(angle, period_bits, fraction);
    let period = (1u64 << period_bits) as f64;
    let reduced = angle & ((1 << period_bits) - 1);
    let x = std::f64::consts::TAU * (reduced as f64 / period);
    let scale = f64::from(1u32 << fraction);
    (cos as f64 - libm::cos(x) * scale).abs().max((sin as f64 - libm::sin(x) * scale).abs())
}

#[test]
fn every_angle_of_a_short_period_is_within_a_unit() {
    for fraction in [0, 8, 16, 20, 24] {
        let worst = (0..1u64 << 17).map(|angle| error(angle, 17, fraction)).fold(0.0, f64::max);
        assert!(worst < 0.53, "{fraction} fraction bits: {worst}");
    }
}

#[test]
fn long_periods_are_within_a_unit() {
    for period_bits in [12, 13, 20, 28, 29, 36, 40] {
        let step = ((1u64 << period_bits) / 100_003) | 1;
        let worst = (0..100_003u64).map(|i| error(i.wrapping_mul(step), period_bits, 24)).fold(0.0, f64::max);
        assert!(worst < 0.53, "period 2^{period_bits}: {worst}");
    }
}

#[test]
fn angles_beside_table_knots_are_within_a_unit() {
    for knot in 0..1u64 << 13 {
        for offset in [0u64, 1, u64::MAX] {
            let angle = (knot << 27).wrapping_add(offset);
            assert!(error(angle, 40, 24) < 0.53, "knot {knot}");
        }
    }
}

#[test]
fn quarter_turns_are_exact() {
    for period_bits in [2, 16, 40] {
        for (quarter, expected) in [(0, (1, 0)), (1, (0, 1)), (2, (-1, 0)), (3, (0, -1))] {
            let (cos, sin) = cos_sin(quarter << (period_bits - 2), period_bits, 20);
            assert_eq!((cos, sin), (expected.0 << 20, expected.1 << 20));
        }
    }
    assert_eq!(cos_sin(1, 1, 16), (-(1 << 16), 0));
}

#[test]
fn the_digest_is_the_known_one() {
    assert_eq!(table_digest(), [10164319672088473253, 2452168454086054694, 2503282692647221414, 15694614779189047697],);
}

#[test]
#[should_panic(expected = "1 to 40 bits")]
fn a_period_too_long_is_refused() {
    cos_sin(0, 41, 16);
}

proptest! {
    #[test]
    fn harmonics_are_multiples(
        src in prop::collection::vec(any::<u64>(), 0..70),
        period_bits in 1u32..=40, fraction in 0u32..=24, multiple in any::<u16>(),
    ) {
        for level in Level::ALL.into_iter().filter(|&level| level <= level::hardware()) {
            let (mut cos, mut sin) = (vec![1; src.len()], vec![1; src.len()]);
            at_level(level, &src, period_bits, fraction, multiple, &mut cos, &mut sin);
            for ((x, cos), sin) in src.iter().zip(&cos).zip(&sin) {
                let expected = cos_sin(x.wrapping_mul(multiple.into()), period_bits, fraction);
                prop_assert_eq!((*cos as i64, *sin as i64), expected, "{:?}", level);
            }
        }
    }

    #[test]
    fn higher_bits_of_an_angle_do_not_count(angle in any::<u64>(), period_bits in 1u32..=40) {
        let reduced = angle & ((1 << period_bits) - 1);
        prop_assert_eq!(cos_sin(angle, period_bits, 16), cos_sin(reduced, period_bits, 16));
    }
}
