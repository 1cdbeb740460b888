use super::*;

const FRACTION: i32 = 12;

fn widths(n: usize, spread: f64, below: f64, counted: bool, alone: bool) -> Option<Power> {
    cheapest(n, spread, below, FRACTION, (counted, alone))
}

/// Two parties have exponentials of rows that spread over 100 nats, and their factors are as precise as a dealer's.
#[test]
fn two_parties_have_widths_for_long_rows_as_precise_as_a_dealers() {
    for n in [4, 64, 197, 257, 512, 1024] {
        for spread in [4.0, 10.0, 20.0, 30.0, 60.0, 100.0] {
            let [dealt, made] = [false, true].map(|alone| widths(n, spread, 0.0, true, alone).expect("widths"));
            assert_eq!(dealt.mask, PRECISION);
            let bucket = libm::exp2(f64::from(made.ring - made.buckets - FRACTION));
            // The smallest factor of the one and of the other, both off by half a unit.
            let growth = libm::ceil(bucket * std::f64::consts::LOG2_E);
            let second = (f64::from(made.mask) - growth) / 2.0;
            let first = f64::from(made.mask) - second;
            let worst = 0.5 * (libm::exp2(-first) * libm::exp(bucket) + libm::exp2(-second));
            assert!(worst <= libm::exp2(f64::from(-PRECISION - 1)), "{n} {spread}: {made:?} is off by {worst}");
            assert!(worst > libm::exp2(f64::from(-PRECISION - 2)), "{n} {spread}: {made:?} has bits to spare");
            let sum = libm::log2(n as f64 + 1.0) + f64::from(made.share());
            assert!(sum <= f64::from(MOST_FRACTION), "{n} {spread}: {made:?}");
        }
    }
}

/// Buckets as wide as a dealer's would take more bits than a word has beside a row's sum, so two parties halve and square; the
/// largest of a row is opened as precisely.
#[test]
fn two_parties_halve_rows_that_spread_far() {
    for (n, spread) in [(128, 361.0), (257, 200.0), (512, 361.0)] {
        let [dealt, made] = [false, true].map(|alone| widths(n, spread, 0.0, true, alone).expect("widths"));
        assert_eq!(dealt.halvings, 0);
        assert!(made.halvings > 0, "{n} {spread}: {made:?}");
        assert!(made.below <= MOST_BELOW, "{n} {spread}: {made:?}");
        assert_eq!(made.fraction, FRACTION + made.halvings);
        for squarings in 0..=made.halvings {
            // Half a unit beside the smallest of the largest, doubled by every squaring.
            let largest = libm::exp(-halved(made.below, squarings));
            let error = libm::exp2(f64::from(squarings - 1 - made.opened(squarings))) / largest;
            assert!(error <= libm::exp2(f64::from(-OPENED)), "{n} {spread}: {made:?} is off by {error}");
        }
        let sum = libm::log2(n as f64 + 1.0) + f64::from(made.share());
        assert!(sum <= f64::from(MOST_FRACTION), "{n} {spread}: {made:?}");
    }
    for spread in [4.0, 30.0, 100.0] {
        assert_eq!(widths(257, spread, 0.0, true, true).expect("widths").halvings, 0, "{spread}");
    }
}
