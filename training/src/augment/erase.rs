//! Random erasing (Zhong et al. 2020): a rectangle becomes noise.

use serde::{Deserialize, Serialize};

use super::Colours;
use crate::random::Draws;

/// What is erased. The default is a quarter of the images, as timm does by default otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Erase {
    /// How likely an image loses a rectangle.
    pub probability: f64,
    /// Smallest and largest share of the image that it takes.
    pub area: [f64; 2],
    /// Smallest height for a width of 1; the largest is its inverse.
    pub aspect: f64,
}

impl Default for Erase {
    fn default() -> Self {
        Self { probability: 0.25, area: [0.02, 1.0 / 3.0], aspect: 0.3 }
    }
}

/// Rectangles drawn until one is smaller than the image.
const TRIES: usize = 10;

impl Erase {
    /// Erases from `pixels` of shape (channels, height, width). The noise of each value is normal with the mean and
    /// deviation of its channel, cut to what a pixel can be.
    pub(super) fn apply(&self, shape: [usize; 3], pixels: &mut [f32], colours: &Colours, draws: &mut Draws) {
        let Some([top, left, height, width]) = self.rectangle(shape, draws) else { return };
        for (channel, plane) in pixels.chunks_exact_mut(shape[1] * shape[2]).enumerate() {
            let (mean, deviation) = (colours.mean[channel], colours.deviation[channel]);
            for row in plane.chunks_exact_mut(shape[2]).skip(top).take(height) {
                for value in &mut row[left..left + width] {
                    *value = (255.0 * (mean + deviation * draws.normal())).clamp(0.0, 255.0) as f32;
                }
            }
        }
    }

    /// Top, left, height and width of what is erased, if anything is.
    fn rectangle(&self, [_, height, width]: [usize; 3], draws: &mut Draws) -> Option<[usize; 4]> {
        if !draws.chance(self.probability) {
            return None;
        }
        (0..TRIES).find_map(|_| {
            let area = draws.between(self.area[0], self.area[1]) * (height * width) as f64;
            let widest = libm::log(self.aspect);
            let aspect = libm::exp(draws.between(widest, -widest));
            let (tall, wide) = (libm::round(libm::sqrt(area * aspect)), libm::round(libm::sqrt(area / aspect)));
            let (tall, wide) = (tall as usize, wide as usize);
            let fits = tall < height && wide < width;
            fits.then(|| [draws.below(height - tall + 1), draws.below(width - wide + 1), tall, wide])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn draws(position: usize) -> Draws {
        Draws::new(9, Purpose::Augment, 0, position)
    }

    #[test]
    fn rectangles_have_the_asked_area_and_lie_inside() {
        let erase = Erase { probability: 1.0, ..Erase::default() };
        for position in 0..1_000 {
            let Some([top, left, height, width]) = erase.rectangle([3, 32, 48], &mut draws(position)) else { continue };
            assert!(top + height <= 32 && left + width <= 48);
            let share = (height * width) as f64 / (32.0 * 48.0);
            assert!((0.015..0.36).contains(&share), "{share}");
        }
        let drawn = (0..2_000).filter(|p| Erase::default().rectangle([3, 32, 32], &mut draws(*p)).is_some()).count();
        assert!((440..560).contains(&drawn), "{drawn}");
        let huge = Erase { probability: 1.0, area: [2.0, 3.0], aspect: 1.0 };
        assert_eq!(huge.rectangle([3, 32, 32], &mut draws(0)), None);
    }

    #[test]
    fn noise_has_the_colours_of_the_channel() {
        let erase = Erase { probability: 1.0, area: [0.3, 0.33], aspect: 1.0 };
        let colours = Colours { mean: [0.5, 0.4, 0.6], deviation: [0.1, 0.0, 0.1] };
        let mut pixels = vec![-1.0; 3 * 64 * 64];
        erase.apply([3, 64, 64], &mut pixels, &colours, &mut draws(0));
        let changed = |channel: usize| pixels[channel * 4096..][..4096].iter().filter(|v| **v >= 0.0).copied();
        let count = changed(0).count();
        assert!(count > 1_100 && count == changed(1).count());
        assert!(changed(1).all(|v| v == 102.0));
        let mean = changed(0).sum::<f32>() / count as f32;
        let variance = changed(0).map(|v| (v - mean) * (v - mean)).sum::<f32>() / count as f32;
        assert!((mean - 127.5).abs() < 3.0 && (variance.sqrt() - 25.5).abs() < 2.0, "{mean} {variance}");
        let wild = Colours { mean: [0.5; 3], deviation: [9.0; 3] };
        erase.apply([3, 64, 64], &mut pixels, &wild, &mut draws(1));
        assert!(pixels.iter().all(|v| *v == -1.0 || (0.0..=255.0).contains(v)));
    }
}
