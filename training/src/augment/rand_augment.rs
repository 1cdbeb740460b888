//! RandAugment (Cubuk et al. 2020) as timm makes it with "increasing" operations.
//!
//! There the effect of every operation grows with the magnitude, which is drawn anew for each.

use serde::{Deserialize, Serialize};

use super::Picture;
use super::geometry::Filter;
use super::op::Op;
use crate::random::Draws;

/// Operations on one image, each drawn from all 15. The default is "rand-m9-mstd0.5-inc1".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// How many are drawn.
    pub count: usize,
    /// How likely one that is drawn is made.
    pub probability: f64,
    /// Mean of the magnitude, which is from 0 to 10.
    pub magnitude: f64,
    /// Standard deviation of the magnitude.
    pub deviation: f64,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { count: 2, probability: 0.5, magnitude: 9.0, deviation: 0.5 }
    }
}

impl RandAugment {
    pub(super) fn apply(&self, picture: &mut Picture, fill: impl Fn(usize) -> u8, draws: &mut Draws) {
        for _ in 0..self.count {
            let which = draws.below(OPS);
            if draws.chance(self.probability) {
                let magnitude = (self.magnitude + self.deviation * draws.normal()).clamp(0.0, 10.0);
                let op = op(which, magnitude / 10.0, draws);
                op.apply(picture, Filter::drawn(draws), &fill);
            }
        }
    }
}

const OPS: usize = 15;

/// The operation number `which`, at a level from 0 to 1.
fn op(which: usize, level: f64, draws: &mut Draws) -> Op {
    let factor = |draws: &mut Draws| (1.0 + draws.sign(0.9 * level)).max(0.1);
    match which {
        0 => Op::Autocontrast,
        1 => Op::Equalize,
        2 => Op::Invert,
        3 => Op::Rotate(draws.sign(30.0 * level)),
        4 => Op::Posterize(4 - (4.0 * level) as u32),
        5 => Op::Solarize(256.0 - libm::floor(256.0 * level)),
        6 => Op::SolarizeAdd((110.0 * level) as u8),
        7 => Op::Color(factor(draws)),
        8 => Op::Contrast(factor(draws)),
        9 => Op::Brightness(factor(draws)),
        10 => Op::Sharpness(factor(draws)),
        11 => Op::ShearX(draws.sign(0.3 * level)),
        12 => Op::ShearY(draws.sign(0.3 * level)),
        13 => Op::TranslateX(draws.sign(0.45 * level)),
        _ => Op::TranslateY(draws.sign(0.45 * level)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn draws(position: usize) -> Draws {
        Draws::new(3, Purpose::Augment, 0, position)
    }

    #[test]
    fn full_magnitude_is_the_end_of_each_range() {
        let ops: Vec<Op> = (0..OPS).map(|which| op(which, 1.0, &mut draws(which))).collect();
        let end = |op: &Op| match *op {
            Op::Rotate(v) | Op::ShearX(v) | Op::ShearY(v) | Op::TranslateX(v) | Op::TranslateY(v) => v.abs(),
            Op::Color(v) | Op::Contrast(v) | Op::Brightness(v) | Op::Sharpness(v) => (v - 1.0).abs(),
            Op::Solarize(v) => v,
            Op::Posterize(bits) => f64::from(bits),
            Op::SolarizeAdd(added) => f64::from(added),
            Op::Autocontrast | Op::Equalize | Op::Invert => -1.0,
        };
        let ends: Vec<f64> = ops.iter().map(end).collect();
        let expected = [-1.0, -1.0, -1.0, 30.0, 0.0, 0.0, 110.0, 0.9, 0.9, 0.9, 0.9, 0.3, 0.3, 0.45, 0.45];
        assert!(ends.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{ends:?}");
    }

    #[test]
    fn magnitude_9_is_what_timm_makes_of_it() {
        let at = |which| op(which, 0.9, &mut draws(0));
        assert_eq!((at(4), at(5), at(6)), (Op::Posterize(1), Op::Solarize(26.0), Op::SolarizeAdd(99)));
        let rotations: Vec<Op> = (0..200).map(|position| op(3, 0.9, &mut draws(position))).collect();
        let left = rotations.iter().filter(|op| **op == Op::Rotate(27.0)).count();
        assert!(rotations.iter().all(|op| [Op::Rotate(27.0), Op::Rotate(-27.0)].contains(op)));
        assert!((70..130).contains(&left), "{left}");
    }

    #[test]
    fn no_level_is_no_change_but_for_what_has_none() {
        let bytes: Vec<u8> = (0..48).map(|i| (i * 5) as u8).collect();
        for which in 3..OPS {
            let mut picture = Picture::new([3, 4, 4], &bytes);
            let op = op(which, 0.0, &mut draws(0));
            op.apply(&mut picture, Filter::Bilinear, |_| 0);
            let expected: Vec<u8> = bytes.iter().map(|v| if which == 4 { v & 0xf0 } else { *v }).collect();
            assert_eq!(picture.bytes(), expected, "{op:?}");
        }
    }

    #[test]
    fn half_of_what_is_drawn_is_made() {
        let bytes: Vec<u8> = (0..192).map(|i| (i * 7 % 200) as u8).collect();
        let changed = |policy: &RandAugment| {
            let one = |position: &usize| {
                let mut picture = Picture::new([3, 8, 8], &bytes);
                policy.apply(&mut picture, |_| 0, &mut draws(*position));
                picture.bytes() != bytes
            };
            (0..1_000).filter(one).count()
        };
        assert_eq!(changed(&RandAugment { probability: 0.0, ..RandAugment::default() }), 0);
        assert!((700..=800).contains(&changed(&RandAugment::default())), "{}", changed(&RandAugment::default()));
    }
}
