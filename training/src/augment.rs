//! Random changes of training images.
//!
//! Pictures stay bytes while they are cropped, mirrored and changed in colour, as in the recipes that these settings
//! reproduce; erasing works on what becomes the batch. Every change takes what it draws from the stream it is given.

mod auto_augment;
mod crop;
mod enhance;
mod erase;
mod geometry;
mod mix;
mod op;
mod picture;
mod rand_augment;
mod resize;
mod tone;

use serde::{Deserialize, Serialize};

pub use crop::Crop;
pub use erase::Erase;
pub use mix::Mix;
pub use picture::Picture;
pub use rand_augment::RandAugment;

use crate::random::Draws;

/// Changes of one image, in the order in which they are made. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// What part of the image is taken.
    pub crop: Option<Crop>,
    /// How likely the image is mirrored left to right.
    pub flip: f64,
    /// Which colours and angles are changed.
    pub policy: Option<Policy>,
    /// What is replaced by noise.
    pub erase: Option<Erase>,
    /// Colours of the data set: of what RandAugment moves in from outside, and of the noise.
    pub colours: Colours,
}

/// How operations on an image are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Policy {
    /// At random, all with one magnitude.
    RandAugment(RandAugment),
    /// By the policy that AutoAugment found on ImageNet.
    AutoAugmentImagenet,
}

/// Mean and standard deviation of each channel, from 0 to 1. The default is a medium grey.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Colours {
    /// Means.
    pub mean: [f64; 3],
    /// Standard deviations.
    pub deviation: [f64; 3],
}

impl Default for Colours {
    fn default() -> Self {
        Self { mean: [0.5; 3], deviation: [0.25; 3] }
    }
}

impl Colours {
    /// Those of CIFAR-10.
    pub const CIFAR10: Self = Self { mean: [0.4914, 0.4822, 0.4465], deviation: [0.2470, 0.2435, 0.2616] };
    /// Those of CIFAR-100.
    pub const CIFAR100: Self = Self { mean: [0.5071, 0.4867, 0.4408], deviation: [0.2675, 0.2565, 0.2761] };
    /// Those of Tiny-ImageNet.
    pub const TINY_IMAGENET: Self = Self { mean: [0.480, 0.448, 0.397], deviation: [0.272, 0.265, 0.274] };

    fn fill(&self, channel: usize) -> u8 {
        libm::round(255.0 * self.mean[channel]) as u8
    }
}

impl Augment {
    /// No change.
    pub fn none() -> Self {
        Self::default()
    }

    /// A crop of the image with a border of 4 pixels, mirrored half of the time.
    pub fn crop_flip() -> Self {
        Self { crop: Some(Crop::Padded { pad: 4 }), flip: 0.5, ..Self::none() }
    }

    /// How MPCViT's networks for CIFAR-10 are trained (timm's defaults); set [`Self::colours`] for CIFAR-100.
    pub fn cifar() -> Self {
        Self {
            crop: Some(Crop::Resized { scale: [0.8, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }),
            flip: 0.5,
            policy: Some(Policy::RandAugment(RandAugment::default())),
            erase: Some(Erase::default()),
            colours: Colours::CIFAR10,
        }
    }

    /// How MPCViT's networks for Tiny-ImageNet are trained.
    pub fn tiny_imagenet() -> Self {
        Self {
            crop: None,
            flip: 0.5,
            policy: Some(Policy::AutoAugmentImagenet),
            erase: Some(Erase::default()),
            colours: Colours::TINY_IMAGENET,
        }
    }

    /// Writes an image of `shape` (channels, height, width), changed by what is drawn, to `pixels`, from 0 to 255.
    ///
    /// # Panics
    /// If `image` or `pixels` are not of the shape, or there are more than 3 channels.
    pub fn apply(&self, shape: [usize; 3], image: &[u8], draws: &mut Draws, pixels: &mut [f32]) {
        let mut picture = Picture::new(shape, image);
        if let Some(crop) = &self.crop {
            picture = crop.apply(&picture, draws);
        }
        if draws.chance(self.flip) {
            crop::mirror(&mut picture);
        }
        match &self.policy {
            None => {}
            Some(Policy::RandAugment(policy)) => policy.apply(&mut picture, |c| self.colours.fill(c), draws),
            Some(Policy::AutoAugmentImagenet) => auto_augment::imagenet(&mut picture, draws),
        }
        assert_eq!(pixels.len(), picture.bytes().len(), "room for the pixels of one image");
        pixels.iter_mut().zip(picture.bytes()).for_each(|(pixel, byte)| *pixel = f32::from(*byte));
        if let Some(erase) = &self.erase {
            erase.apply(shape, pixels, &self.colours, draws);
        }
    }
}

#[cfg(test)]
mod tests;
