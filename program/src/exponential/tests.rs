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
        Exponential {
            fraction: 12,
            position: 16,
            count: 3,
            mask_fraction: 12,
            public_fraction: 48,
            mask_factor: MaskFactor::Whole,
        },
        Exponential {
            fraction: 12,
            position: 14,
            count: 5,
            mask_fraction: 14,
            public_fraction: 30,
            mask_factor: MaskFactor::Whole,
        },
        Exponential {
            fraction: 4,
            position: 6,
            count: 4,
            mask_fraction: 16,
            public_fraction: 40,
            mask_factor: MaskFactor::Whole,
        },
        Exponential {
            fraction: 10,
            position: 2,
            count: 1,
            mask_fraction: 20,
            public_fraction: 20,
            mask_factor: MaskFactor::Whole,
        },
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

/// Every pair of parts of small positions, and any of wide ones: as precise as either party's rounding, and with the fraction bits
/// that plans give them within 2^−13 of themselves. No factor outgrows its bits.
#[test]
fn factors_of_parts_are_accurate_over_all_parts() {
    for (fraction, position) in [(12u8, 14u8), (12, 10), (12, 12), (3, 6), (2, 4), (5, 5), (0, 2), (24, 2), (10, 13)] {
        let growth = growth(position, fraction);
        let of = Exponential {
            fraction,
            position,
            count: 2,
            mask_fraction: 26 + growth,
            public_fraction: 20,
            mask_factor: MaskFactor::Parts,
        };
        assert!(of.mask_fits());
        assert_eq!(of.part_fractions(), [13 + growth, 13]);
        let size = 1u64 << position;
        let real = |n: u64| n as f64 / f64::from(1u32 << fraction);
        assert!(
            real(size).exp() <= f64::from(growth).exp2() && real(size).exp() > f64::from(growth - 1).exp2() * 0.999
        );
        let factors = of.factors();
        let step = (size / 64).max(1);
        let ends = [0, 1, size - 2, size - 1];
        let some: Vec<u64> = (0..size).step_by(step as usize).chain(ends).collect();
        let mut pairs: Vec<[u64; 2]> = some.iter().flat_map(|a| some.iter().map(|b| [*a, *b])).collect();
        // Those that only just carry and only just do not.
        pairs.extend(
            some.iter().flat_map(|a| [0, 1, 2].map(|less| [*a, (size + 1 - less).saturating_sub(*a) & (size - 1)])),
        );
        for [first, second] in pairs {
            let position = (first + second) % size;
            let want = real(position).exp() * f64::from(of.mask_fraction).exp2();
            // What is above a position does not count.
            let found = factors.secret([first | size << 3, second | size]) as f64;
            let own = if first + second < size { real(first).exp() } else { (real(first) - real(size)).exp() };
            let ulps = (-f64::from(13 + growth)).exp2() / own + (-13f64).exp2() / real(second).exp();
            assert!(
                (found - want).abs() <= want * (0.55 * ulps + 1e-9),
                "{of:?} at {first}, {second}: {found} for {want}"
            );
            assert!((found - want).abs() <= want * 1.01 * (-13f64).exp2(), "{first}, {second}: {found} for {want}");
        }
        let [mine, others] = of.part_fractions().map(|bits| of.mask(bits));
        for ((powers, drop), bits) in [mine, others].into_iter().zip(of.part_bits()) {
            assert!(rounded(powers.at(0).into(), drop) < 1 << bits);
        }
    }
}
