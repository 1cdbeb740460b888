//! Parts of an image, and its mirror image.

use serde::{Deserialize, Serialize};

use super::Picture;
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
}

impl Crop {
    /// The part that is drawn.
    pub(super) fn apply(&self, picture: Picture, draws: &mut Draws) -> Picture {
        match self {
            Self::Padded { pad } => {
                let (top, left) = (draws.below(2 * pad + 1), draws.below(2 * pad + 1));
                moved(&picture, top as isize - *pad as isize, left as isize - *pad as isize)
            }
        }
    }
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
}
