//! Pairs of images and their targets mixed: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019).
//!
//! A batch is mixed with itself in reverse order, all of it in one way, as the `batch` mode of timm does.

use serde::{Deserialize, Serialize};

use crate::random::Draws;

/// How batches are mixed. The default is not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Shape of the Beta distribution of mixup's weights; 0 for no mixup.
    pub mixup: f64,
    /// Shape of the Beta distribution of the area that CutMix leaves; 0 for no CutMix.
    pub cutmix: f64,
    /// How likely a batch is mixed.
    pub probability: f64,
    /// Where both are wanted, how likely a mixed batch is cut.
    pub switch: f64,
    /// The epoch from which on nothing is mixed.
    pub until: Option<usize>,
}

/// A way to mix every image of a batch with its partner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mixing {
    /// Weight of the image; the partner has the rest.
    Blend(f64),
    /// Rows and columns that are the partner's: top, bottom, left, right, without the ends.
    Cut([usize; 4]),
}

impl Mix {
    /// No mixing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Mixup with 0.8 or CutMix with 1.0, each half of the time: how MPCViT's networks are trained on every data set.
    pub fn cifar() -> Self {
        Self { mixup: 0.8, cutmix: 1.0, probability: 1.0, switch: 0.5, until: None }
    }

    /// How a batch of an epoch is mixed, if it is.
    pub(crate) fn draw(&self, epoch: usize, height: usize, width: usize, draws: &mut Draws) -> Option<Mixing> {
        let over = self.until.is_some_and(|until| epoch >= until);
        if over || (self.mixup <= 0.0 && self.cutmix <= 0.0) || !draws.chance(self.probability) {
            return None;
        }
        let cut = self.cutmix > 0.0 && (self.mixup <= 0.0 || draws.chance(self.switch));
        if !cut {
            return Some(Mixing::Blend(draws.beta(self.mixup)));
        }
        let side = libm::sqrt(1.0 - draws.beta(self.cutmix));
        let mut span = |extent: usize| {
            let half = (extent as f64 * side) as usize / 2;
            let middle = draws.below(extent);
            [middle.saturating_sub(half), (middle + half).min(extent)]
        };
        let ([top, bottom], [left, right]) = (span(height), span(width));
        Some(Mixing::Cut([top, bottom, left, right]))
    }
}

impl Mixing {
    /// Weight of an image's own target: its share of the mixed image.
    pub(crate) fn weight(self, height: usize, width: usize) -> f64 {
        match self {
            Self::Blend(weight) => weight,
            Self::Cut([top, bottom, left, right]) => {
                1.0 - ((bottom - top) * (right - left)) as f64 / (height * width) as f64
            }
        }
    }

    /// Mixes the images of a batch, each of shape (channels, height, width), with the batch in reverse order.
    pub(crate) fn apply(self, pixels: &mut [f32], [channels, height, width]: [usize; 3]) {
        let size = channels * height * width;
        let count = pixels.len() / size;
        let (front, back) = pixels.split_at_mut(count.div_ceil(2) * size);
        for (first, second) in front.chunks_exact_mut(size).zip(back.chunks_exact_mut(size).rev()) {
            match self {
                Self::Blend(weight) => {
                    let (own, other) = (weight as f32, (1.0 - weight) as f32);
                    for (a, b) in first.iter_mut().zip(second) {
                        (*a, *b) = (*a * own + *b * other, *b * own + *a * other);
                    }
                }
                Self::Cut([top, bottom, left, right]) => {
                    for row in (0..channels).flat_map(|c| (top..bottom).map(move |y| (c * height + y) * width)) {
                        first[row + left..row + right].swap_with_slice(&mut second[row + left..row + right]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
