use super::*;

#[test]
fn bounds_are_tight_and_never_below() {
    let value = |b: Bound| b.mantissa as f64 * f64::from(b.exponent).exp2();
    let samples = [0u64, 1, 2, 3, 7, 1000, (1 << 32) - 1, (1 << 33) + 1, u64::MAX, 1 << 63];
    for a in samples {
        for b in samples {
            let (x, y) = (Bound::integer(a), Bound::integer(b));
            for (got, want) in [
                (x.times(y), a as f64 * b as f64),
                (x.plus(y), a as f64 + b as f64),
                (x.times(x).plus(y), a as f64 * a as f64 + b as f64),
                (x.root(), (a as f64).sqrt()),
            ] {
                let got = value(got);
                assert!(got >= want * (1.0 - 1e-15) && got <= want * (1.0 + 1e-8), "{a} {b}: {got} {want}");
            }
        }
    }
    assert_eq!([1, 2, 3, 4, 5].map(|v| Bound::integer(v).bits()), [0, 1, 2, 2, 3]);
    assert_eq!(Bound::power_of_two(300).plus(Bound::integer(1)).bits(), 301);
    assert_eq!(Bound::power_of_two(300).bits(), 300);
}
