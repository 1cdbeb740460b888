//! The changes that policies choose from, with their arguments.

use super::Picture;
use super::geometry::{Filter, rotation, shear_x, shear_y, transform, translation};
use super::{enhance, tone};

/// A change of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    Autocontrast,
    Equalize,
    Invert,
    /// Bits that are kept.
    Posterize(u32),
    /// Lowest value that is inverted.
    Solarize(f64),
    /// What is added to dark values.
    SolarizeAdd(u8),
    /// Factor from the grey image.
    Color(f64),
    /// Factor from the mean.
    Contrast(f64),
    /// Factor from black.
    Brightness(f64),
    /// Factor from the smoothed image.
    Sharpness(f64),
    /// Degrees, counter-clockwise.
    Rotate(f64),
    /// Pixels to the left for each row.
    ShearX(f64),
    /// Pixels up for each column.
    ShearY(f64),
    /// Shares of the width to the left.
    TranslateX(f64),
    /// Shares of the height up.
    TranslateY(f64),
}

impl Op {
    /// Makes the change. `filter` reads between pixels; what comes from outside is `fill` of its channel.
    pub(super) fn apply(self, picture: &mut Picture, filter: Filter, fill: impl Fn(usize) -> u8) {
        let (height, width) = (picture.height, picture.width);
        let map = match self {
            Self::Autocontrast => return tone::autocontrast(picture),
            Self::Equalize => return tone::equalize(picture),
            Self::Invert => return tone::invert(picture),
            Self::Posterize(bits) => return tone::posterize(picture, bits),
            Self::Solarize(threshold) => return tone::solarize(picture, threshold),
            Self::SolarizeAdd(added) => return tone::solarize_add(picture, added),
            Self::Color(factor) => return enhance::color(picture, factor),
            Self::Contrast(factor) => return enhance::contrast(picture, factor),
            Self::Brightness(factor) => return enhance::brightness(picture, factor),
            Self::Sharpness(factor) => return enhance::sharpness(picture, factor),
            Self::Rotate(degrees) => rotation(height, width, degrees),
            Self::ShearX(slope) => shear_x(slope),
            Self::ShearY(slope) => shear_y(slope),
            Self::TranslateX(share) => translation(share * width as f64, 0.0),
            Self::TranslateY(share) => translation(0.0, share * height as f64),
        };
        *picture = transform(picture, map, filter, fill);
    }
}
