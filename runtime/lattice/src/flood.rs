//! The noise that hides what an answer's own noise says about the evaluator's numbers. A number is J·2^h plus three
//! uniform numbers of h bits, less their mean, J discrete Gaussian of deviation 8 and cut at 61. The smooth middle makes the
//! distance of shifted copies that of a Gaussian (quadratic in the shift); uniform bits alone would make it linear.

use mpcc_kernels::Prg;
use zeroize::Zeroizing;

use crate::wide::{add, low_bits, power_of_two, shift_left, sub};

/// lg of J's deviation.
pub(crate) const DEVIATION: u32 = 3;
/// Sizes are at most this many halves of 2^h.
pub(crate) const RANGE: u64 = 2 * LARGEST + 3;
const LARGEST: u64 = 61;

/// A number in two's complement.
pub(crate) type Flooded = [u64; 4];

/// Largest h, so that four words hold a number with its sign.
pub(crate) const MOST: u32 = 256 - 8;

/// ⌊2^63 · P(|J| ≤ i)⌋.
const CUMULATIVE: [u64; LARGEST as usize] = [
    0x0662114cf50dae11,
    0x130cc518f3848b2c,
    0x1f6c5ae975e423a8,
    0x2b529790d695d428,
    0x3696b611e6d95800,
    0x411701805ec566c7,
    0x4ab9ec78355f9833,
    0x536e99274d58fe67,
    0x5b2cd28ada1eebb8,
    0x61f48412e6b0e49d,
    0x67ccc6f7f32d2e45,
    0x6cc2a3404716a5b8,
    0x70e7a555fb9e57a9,
    0x745068472834a745,
    0x771330ee001777f4,
    0x7946b034a2f2dc79,
    0x7b00fb78117690c5,
    0x7c56c2b778ea4733,
    0x7d5ac5974cc6656e,
    0x7e1d82e160e0e8e5,
    0x7ead1a640cdb7dde,
    0x7f1556ef075048a3,
    0x7f5fd58438dd5162,
    0x7f943f58e88eeea2,
    0x7fb88d9b683ddc47,
    0x7fd14fbdd5b8c1e1,
    0x7fe1eef6b742ea45,
    0x7feceb7e6db7280d,
    0x7ff411a4620921b2,
    0x7ff8a6144093e5b0,
    0x7ffb89869e293aae,
    0x7ffd54a8a5565b59,
    0x7ffe6d52338266a8,
    0x7fff163a0678951f,
    0x7fff7a4cc5f03853,
    0x7fffb4ac0e794626,
    0x7fffd631431fc03e,
    0x7fffe924a2d1940f,
    0x7ffff3b0d5097195,
    0x7ffff9786ae74058,
    0x7ffffc969813d978,
    0x7ffffe3e809b7137,
    0x7fffff1c25e1626b,
    0x7fffff8e3dc8e3ee,
    0x7fffffc80fa15638,
    0x7fffffe4e88b817a,
    0x7ffffff313e4a7a3,
    0x7ffffff9edf6d44a,
    0x7ffffffd3106f3c5,
    0x7ffffffeb869cdf4,
    0x7fffffff6d022227,
    0x7fffffffbf0c1d8a,
    0x7fffffffe3bcc85f,
    0x7ffffffff3e45173,
    0x7ffffffffae4f0aa,
    0x7ffffffffde1efee,
    0x7fffffffff23562d,
    0x7fffffffffa845f0,
    0x7fffffffffde67db,
    0x7ffffffffff41b63,
    0x7ffffffffffcac08,
];

/// Coefficients that are drawn together.
const BLOCK: usize = 256;

/// Bits of a number in two's complement.
pub(crate) fn bits(h: u32) -> u32 {
    h + 8
}

/// Gives `take` one number for each of `count` coefficients in order, from `streams` of the stream and three after it.
pub(crate) fn sample(prg: &Prg, stream: u64, h: u32, count: usize, mut take: impl FnMut(usize, &Flooded)) {
    assert!((1..=MOST).contains(&h), "low parts have 1 to {MOST} bits, not {h}");
    let words = h.div_ceil(64) as usize;
    let mut top = Zeroizing::new([0; BLOCK]);
    let mut low = Zeroizing::new(vec![0; BLOCK * 3 * words]);
    let mut mean: Flooded = power_of_two(h);
    add(&mut mean, &power_of_two(h - 1));
    for first in (0..count).step_by(BLOCK) {
        let block = BLOCK.min(count - first);
        prg.fill(stream, first as u64, &mut top[..block]);
        prg.fill(stream + 1, (first * 3 * words) as u64, &mut low[..block * 3 * words]);
        for (i, (&drawn, low)) in top[..block].iter().zip(low.chunks_exact(3 * words)).enumerate() {
            let magnitude = CUMULATIVE.iter().fold(0, |sum, &c| sum + u64::from(drawn >> 1 >= c));
            // The sign is the bit that the comparison ignores.
            let sign = (drawn & 1).wrapping_neg();
            let j = (magnitude ^ sign).wrapping_sub(sign);
            let high = (j as i64 >> 63) as u64;
            let mut v: Flooded = shift_left(&[j, high, high, high], h);
            for part in low.chunks_exact(words) {
                let part = std::array::from_fn(|w| part.get(w).copied().unwrap_or(0));
                add(&mut v, &low_bits(&part, h));
            }
            sub(&mut v, &mean);
            take(first + i, &v);
        }
    }
}

#[cfg(test)]
mod tests {
    use mpcc_kernels::Seed;

    use super::*;

    /// Probabilities of J = −61 ..= 61, from the table.
    fn probabilities() -> Vec<f64> {
        let cumulative = |i: usize| if i < CUMULATIVE.len() { CUMULATIVE[i] } else { 1 << 63 };
        let of = |i: usize| (cumulative(i) - if i == 0 { 0 } else { cumulative(i - 1) }) as f64 / (1u64 << 63) as f64;
        (-61i64..=61).map(|j| of(j.unsigned_abs() as usize) / if j == 0 { 1.0 } else { 2.0 }).collect()
    }

    /// The distribution with low parts of `width` values each.
    fn distribution(width: usize, parts: usize) -> Vec<f64> {
        let mut d = vec![0.0; width * 123];
        probabilities().into_iter().enumerate().for_each(|(j, p)| d[j * width] = p);
        for _ in 0..parts {
            let mut out = vec![0.0; d.len() + width];
            for (i, p) in d.iter().enumerate() {
                (0..width).for_each(|u| out[i + u] += p / width as f64);
            }
            d = out;
        }
        d
    }

    /// 4 Σ (√p(x) − √p(x − 1))² times the variance: 1 for a Gaussian, and what the bound of the distance has in front.
    fn information(d: &[f64], variance: f64) -> f64 {
        let before = std::iter::once(&0.0).chain(d);
        let after = d.iter().chain(std::iter::once(&0.0));
        4.0 * variance * before.zip(after).map(|(a, b)| (a.sqrt() - b.sqrt()).powi(2)).sum::<f64>()
    }

    #[test]
    fn a_shift_is_hidden_as_by_a_gaussian() {
        for width in [4, 16, 64] {
            let variance = (8.0 * width as f64).powi(2);
            let smooth = information(&distribution(width, 3), variance);
            assert!(smooth < 1.0, "{width}: {smooth}");
            // One uniform part alone leaves steps, and the information grows with the width.
            let steps = information(&distribution(width, 1), variance);
            assert!(steps > 0.2 * width as f64, "{width}: {steps}");
        }
    }

    #[test]
    fn numbers_have_the_distribution_and_stay_in_range() {
        let prg = Prg::new(&Seed::from_bytes([4; 16]));
        for h in [1, 5, 62, 64, 90, 200, 248] {
            let (mut sum, mut squares, n) = (0.0, 0.0, 40_000);
            sample(&prg, 6, h, n, |_, v| {
                let sign = (v[3] as i64 >> 63) as u64;
                let parts =
                    v.iter().enumerate().map(|(i, &w)| (w ^ sign) as f64 * f64::from(64 * i as i32 - h as i32).exp2());
                let size: f64 = parts.sum::<f64>() + if sign == 0 { 0.0 } else { f64::from(-(h as i32)).exp2() };
                assert!(size <= RANGE as f64 / 2.0);
                sum += if sign == 0 { size } else { -size };
                squares += size * size;
            });
            let deviation = (squares / n as f64).sqrt();
            let mean = sum / n as f64 + 1.5 * f64::from(-(h as i32)).exp2();
            assert!(mean.abs() < 0.2 && (7.9..8.13).contains(&deviation), "{h}: {mean} {deviation}");
        }
    }
}
