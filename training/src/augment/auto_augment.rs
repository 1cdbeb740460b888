//! AutoAugment (Cubuk et al. 2019): the policy found on ImageNet, as torchvision makes it.

use super::Picture;
use super::geometry::Filter;
use super::op::Op;
use crate::random::Draws;

/// An operation whose argument the strength decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Autocontrast,
    Color,
    Contrast,
    Equalize,
    Invert,
    Posterize,
    Rotate,
    Sharpness,
    ShearX,
    Solarize,
}

/// An operation, how likely it is made, and its strength from 0 to 9.
type Step = (Kind, f64, u8);

/// Pairs of operations, of which one is drawn for each image (table 9 of the paper).
const IMAGENET: [[Step; 2]; 25] = {
    use Kind::{Autocontrast, Color, Contrast, Equalize, Invert, Posterize, Rotate, Sharpness, ShearX, Solarize};
    [
        [(Posterize, 0.4, 8), (Rotate, 0.6, 9)],
        [(Solarize, 0.6, 5), (Autocontrast, 0.6, 0)],
        [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],
        [(Posterize, 0.6, 7), (Posterize, 0.6, 6)],
        [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],
        [(Equalize, 0.4, 0), (Rotate, 0.8, 8)],
        [(Solarize, 0.6, 3), (Equalize, 0.6, 0)],
        [(Posterize, 0.8, 5), (Equalize, 1.0, 0)],
        [(Rotate, 0.2, 3), (Solarize, 0.6, 8)],
        [(Equalize, 0.6, 0), (Posterize, 0.4, 6)],
        [(Rotate, 0.8, 8), (Color, 0.4, 0)],
        [(Rotate, 0.4, 9), (Equalize, 0.6, 0)],
        [(Equalize, 0.0, 0), (Equalize, 0.8, 0)],
        [(Invert, 0.6, 0), (Equalize, 1.0, 0)],
        [(Color, 0.6, 4), (Contrast, 1.0, 8)],
        [(Rotate, 0.8, 8), (Color, 1.0, 2)],
        [(Color, 0.8, 8), (Solarize, 0.8, 7)],
        [(Sharpness, 0.4, 7), (Invert, 0.6, 0)],
        [(ShearX, 0.6, 5), (Equalize, 1.0, 0)],
        [(Color, 0.4, 0), (Equalize, 0.6, 0)],
        [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],
        [(Solarize, 0.6, 5), (Autocontrast, 0.6, 0)],
        [(Invert, 0.6, 0), (Equalize, 1.0, 0)],
        [(Color, 0.6, 4), (Contrast, 1.0, 8)],
        [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],
    ]
};

/// Makes the steps of one pair of the ImageNet policy. What is moved in from outside is black.
pub(super) fn imagenet(picture: &mut Picture, draws: &mut Draws) {
    for (kind, probability, strength) in IMAGENET[draws.below(IMAGENET.len())] {
        if draws.chance(probability) {
            op(kind, f64::from(strength) / 9.0, draws).apply(picture, Filter::Nearest, |_| 0);
        }
    }
}

/// The operation at a level from 0 to 1.
fn op(kind: Kind, level: f64, draws: &mut Draws) -> Op {
    match kind {
        Kind::Autocontrast => Op::Autocontrast,
        Kind::Equalize => Op::Equalize,
        Kind::Invert => Op::Invert,
        Kind::Color => Op::Color(1.0 + draws.sign(0.9 * level)),
        Kind::Contrast => Op::Contrast(1.0 + draws.sign(0.9 * level)),
        Kind::Sharpness => Op::Sharpness(1.0 + draws.sign(0.9 * level)),
        Kind::Posterize => Op::Posterize(8 - libm::round(4.0 * level) as u32),
        Kind::Rotate => Op::Rotate(draws.sign(30.0 * level)),
        Kind::ShearX => Op::ShearX(draws.sign(0.3 * level)),
        Kind::Solarize => Op::Solarize(255.0 - 255.0 * level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn strengths_are_those_of_torchvision() {
        let mut draws = Draws::new(0, Purpose::Augment, 0, 0);
        let mut at = |kind, strength: u8| op(kind, f64::from(strength) / 9.0, &mut draws);
        let bits = [5, 6, 7, 8].map(|strength| at(Kind::Posterize, strength));
        assert_eq!(bits, [6, 5, 5, 4].map(Op::Posterize));
        let Op::Solarize(threshold) = at(Kind::Solarize, 5) else { panic!("a threshold") };
        assert!((threshold - 255.0 * 4.0 / 9.0).abs() < 1e-9);
        let Op::Rotate(degrees) = at(Kind::Rotate, 9) else { panic!("an angle") };
        assert_eq!(degrees.abs(), 30.0);
        assert_eq!(at(Kind::Color, 0), Op::Color(1.0));
    }

    #[test]
    fn every_pair_is_drawn_and_pictures_keep_their_extent() {
        let bytes: Vec<u8> = (0..300).map(|i| (i * 11 % 256) as u8).collect();
        let mut seen = std::collections::BTreeSet::new();
        for position in 0..400 {
            let mut draws = Draws::new(0, Purpose::Augment, 0, position);
            seen.insert(draws.clone().below(IMAGENET.len()));
            let mut picture = Picture::new([3, 10, 10], &bytes);
            imagenet(&mut picture, &mut draws);
            assert_eq!((picture.channels, picture.height, picture.width), (3, 10, 10));
        }
        assert_eq!(seen.len(), IMAGENET.len());
    }
}
