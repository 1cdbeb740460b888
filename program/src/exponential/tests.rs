use super::*;

#[test]
fn decays_are_those_of_the_real_function() {
    for fraction in [0u8, 3, 12, 24] {
        for n in (0..40).map(|i| 3u64.pow(i / 2) + u64::from(i)).filter(|n| *n < 1 << 30) {
            let x = n as f64 / f64::from(1u32 << fraction);
            let (mantissa, exponent) = decay(n, fraction);
            assert!((1 << 62..=1 << 63).contains(&mantissa), "{n} / 2^{fraction}");
            let found = (mantissa as f64).ln() - (63.0 + f64::from(exponent)) * std::f64::consts::LN_2;
            assert!((found + x).abs() < 1e-14 * (1.0 + x), "{n} / 2^{fraction}: {found}");
        }
    }
}

#[test]
fn a_decay_has_the_known_bits() {
    // exp(−1) 2^64 = 0x5e2d58d8b3bcdf1a.…
    let (mantissa, exponent) = decay(1 << 12, 12);
    assert_eq!(exponent, 1);
    assert!(mantissa.abs_diff(0x5e2d_58d8_b3bc_df1a) <= 8, "{mantissa:#x}");
}

#[test]
fn factors_are_accurate_in_every_bucket() {
    for of in [
        Exponential { fraction: 12, position: 16, count: 3, mask_fraction: 12, public_fraction: 48, mask_factor: MaskFactor::Whole },
        Exponential { fraction: 12, position: 14, count: 5, mask_fraction: 14, public_fraction: 30, mask_factor: MaskFactor::Whole },
        Exponential { fraction: 4, position: 6, count: 4, mask_fraction: 16, public_fraction: 40, mask_factor: MaskFactor::Whole },
        Exponential { fraction: 10, position: 2, count: 1, mask_fraction: 20, public_fraction: 20, mask_factor: MaskFactor::Whole },
    ] {
        let real = |n: u64| n as f64 / f64::from(1u32 << of.fraction);
        let (factors, last) = (of.factors(), (1u64 << of.position) - 1);
        let all = (0..=last).step_by(1 + (last / 1000) as usize).chain([last, last - 1]);
        for position in all {
            let want = real(position).exp() * f64::from(1u32 << of.mask_fraction);
            let found = factors.secret([position, 0]) as f64;
            assert!((found - want).abs() <= 0.5 + want * 1e-9, "{of:?} at {position}: {found} for {want}");
            for bucket in 0..of.count {
                let y = real((u64::from(bucket) << of.position) + position);
                let want = (-y).exp() * f64::from(of.public_fraction).exp2();
                let found = factors.public(bucket, position) as f64;
                assert!((found - want).abs() <= 0.6 + want * 1e-7, "{of:?} at {y}: {found} for {want}");
            }
        }
    }
}
