//! Parts of an image, and its mirror image.

use serde::{Deserialize, Serialize};

use super::Picture;
use super::geometry::Filter;
use super::resize::{Part, resize};
use crate::random::Draws;

/// What part of an image is taken. The result has the extent of the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Crop {
    /// A part of the image with a black border.
    Padded {
        /// Width of the border in pixels.
        pad: usize,
    },
    /// A part of the image, enlarged by a filter that is drawn.
    Resized {
        /// Smallest and largest share of the image.
        scale: [f64; 2],
        /// Smallest and largest width for a height of 1.
        ratio: [f64; 2],
    },
}

/// Parts drawn until one is no larger than the image.
const TRIES: usize = 10;

impl Crop {
    /// The part that is drawn.
    pub(super) fn apply(&self, picture: &Picture, draws: &mut Draws) -> Picture {
        match self {
            Self::Padded { pad } => {
                let (top, left) = (draws.below(2 * pad + 1), draws.below(2 * pad + 1));
                moved(picture, top as isize - *pad as isize, left as isize - *pad as isize)
            }
            Self::Resized { scale, ratio } => {
                let part = part(picture.height, picture.width, *scale, *ratio, draws);
                resize(picture, part, Filter::drawn(draws))
            }
        }
    }
}

/// A part of an image of the given extent; if none fits, the middle of it with the nearest ratio.
fn part(height: usize, width: usize, scale: [f64; 2], ratio: [f64; 2], draws: &mut Draws) -> Part {
    let whole = |value: f64| libm::round(value) as usize;
    for _ in 0..TRIES {
        let area = draws.between(scale[0], scale[1]) * (height * width) as f64;
        let ratio = libm::exp(draws.between(libm::log(ratio[0]), libm::log(ratio[1])));
        let (tall, wide) = (whole(libm::sqrt(area / ratio)), whole(libm::sqrt(area * ratio)));
        if (1..=height).contains(&tall) && (1..=width).contains(&wide) {
            let (top, left) = (draws.below(height - tall + 1), draws.below(width - wide + 1));
            return Part { top, left, height: tall, width: wide };
        }
    }
    let nearest = (width as f64 / height as f64).max(ratio[0]).min(ratio[1]);
    let tall = whole(width as f64 / nearest).clamp(1, height);
    let wide = whole(height as f64 * nearest).clamp(1, width);
    Part { top: (height - tall) / 2, left: (width - wide) / 2, height: tall, width: wide }
}

/// The picture seen through a window that is moved down and to the right; black where nothing was.
fn moved(picture: &Picture, down: isize, right: isize) -> Picture {
    let &Picture { channels, height, width, .. } = picture;
    let mut result = Picture::filled(channels, height, width, |_| 0);
    let kept = width.saturating_sub(right.unsigned_abs());
    let (from, to) = (right.max(0) as usize, (-right).max(0) as usize);
    for (old, new) in picture.planes().zip(result.planes_mut()) {
        for (y, row) in new.chunks_exact_mut(width).enumerate() {
            if let Some(source) = y.checked_add_signed(down).filter(|source| *source < height && kept > 0) {
                row[to..to + kept].copy_from_slice(&old[source * width + from..][..kept]);
            }
        }
    }
    result
}

/// Mirrors left to right.
pub(super) fn mirror(picture: &mut Picture) {
    let width = picture.width;
    picture.bytes_mut().chunks_exact_mut(width).for_each(<[u8]>::reverse);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn picture() -> Picture {
        Picture::new([1, 2, 3], &[1, 2, 3, 4, 5, 6])
    }

    #[test]
    fn a_moved_window_shows_black_where_nothing_was() {
        assert_eq!(moved(&picture(), 0, 0), picture());
        assert_eq!(moved(&picture(), 1, 0).bytes(), [4, 5, 6, 0, 0, 0]);
        assert_eq!(moved(&picture(), -1, 1).bytes(), [0, 0, 0, 2, 3, 0]);
        assert_eq!(moved(&picture(), 0, -2).bytes(), [0, 0, 1, 0, 0, 4]);
        assert_eq!(moved(&picture(), 0, 5).bytes(), [0; 6]);
        assert_eq!(moved(&picture(), -7, 0).bytes(), [0; 6]);
    }

    #[test]
    fn a_mirror_image_of_a_mirror_image_is_the_image() {
        let mut mirrored = picture();
        mirror(&mut mirrored);
        assert_eq!(mirrored.bytes(), [3, 2, 1, 6, 5, 4]);
        mirror(&mut mirrored);
        assert_eq!(mirrored, picture());
    }

    #[test]
    fn parts_have_the_asked_area_and_ratio_and_lie_inside() {
        for position in 0..1_000 {
            let mut draws = Draws::new(0, Purpose::Augment, 0, position);
            let Part { top, left, height, width } = part(64, 64, [0.3, 0.5], [0.75, 4.0 / 3.0], &mut draws);
            assert!(top + height <= 64 && left + width <= 64);
            let (share, ratio) = ((height * width) as f64 / 4096.0, width as f64 / height as f64);
            assert!((0.29..0.51).contains(&share) && (0.73..1.37).contains(&ratio), "{share} {ratio}");
        }
    }

    #[test]
    fn where_nothing_fits_the_middle_is_taken() {
        let mut draws = Draws::new(0, Purpose::Augment, 0, 0);
        let tall = part(40, 10, [1.0, 1.0], [1.0, 1.0], &mut draws);
        assert_eq!(tall, Part { top: 15, left: 0, height: 10, width: 10 });
        let wide = part(10, 40, [1.0, 1.0], [1.0, 2.0], &mut draws);
        assert_eq!(wide, Part { top: 0, left: 10, height: 10, width: 20 });
    }
}
