//! Random changes of training images.
//!
//! Pictures stay bytes while they are cropped, mirrored and changed in colour, as in the recipes that these settings
//! reproduce; erasing works on what becomes the batch. Every change takes what it draws from the stream it is given.

mod crop;
mod mix;
mod picture;

use serde::{Deserialize, Serialize};

pub use crop::Crop;
pub use mix::Mix;
pub use picture::Picture;

use crate::random::Draws;

/// Changes of one image, in the order in which they are made. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// What part of the image is taken.
    pub crop: Option<Crop>,
    /// How likely the image is mirrored left to right.
    pub flip: f64,
}

impl Augment {
    /// No change.
    pub fn none() -> Self {
        Self::default()
    }

    /// A crop of the image with a border of 4 pixels, mirrored half of the time.
    pub fn crop_flip() -> Self {
        Self { crop: Some(Crop::Padded { pad: 4 }), flip: 0.5 }
    }

    /// Writes an image of `shape` (channels, height, width), changed by what is drawn, to `pixels`, from 0 to 255.
    ///
    /// # Panics
    /// If `image` and `pixels` are not of the shape.
    pub fn apply(&self, shape: [usize; 3], image: &[u8], draws: &mut Draws, pixels: &mut [f32]) {
        let mut picture = Picture::new(shape, image);
        if let Some(crop) = &self.crop {
            picture = crop.apply(picture, draws);
        }
        if draws.chance(self.flip) {
            crop::mirror(&mut picture);
        }
        assert_eq!(pixels.len(), picture.bytes().len(), "room for the pixels of one image");
        pixels.iter_mut().zip(picture.bytes()).for_each(|(pixel, byte)| *pixel = f32::from(*byte));
    }
}
