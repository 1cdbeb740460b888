//! A part of an image scaled to another extent.
//!
//! Columns are filtered first and rounded, then rows, with weights in fixed point, as Pillow does.

use super::Picture;
use super::geometry::Filter;

/// Fraction bits of a weight.
const FRACTION: u32 = 22;

/// A rectangle of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// The part scaled to the extent of the image.
pub(super) fn resize(picture: &Picture, part: Part, filter: Filter) -> Picture {
    let &Picture { channels, height, width, .. } = picture;
    let (columns, rows) = (windows(part.width, width, filter), windows(part.height, height, filter));
    let mut result = Picture::filled(channels, height, width, |_| 0);
    let mut between = vec![0u8; part.height * width];
    for (old, new) in picture.planes().zip(result.planes_mut()) {
        for (y, row) in between.chunks_exact_mut(width).enumerate() {
            let old = &old[(part.top + y) * width + part.left..][..part.width];
            row.iter_mut().zip(&columns).for_each(|(value, window)| *value = window.sum(|i| old[i]));
        }
        for (row, window) in new.chunks_exact_mut(width).zip(&rows) {
            row.iter_mut().enumerate().for_each(|(x, value)| *value = window.sum(|i| between[i * width + x]));
        }
    }
    result
}

/// Samples that make one sample of the result.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

impl Window {
    fn sum(&self, value: impl Fn(usize) -> u8) -> u8 {
        let half = 1 << (FRACTION - 1);
        let products = self.weights.iter().zip(self.first..).map(|(weight, i)| weight * i32::from(value(i)));
        (products.fold(half, |sum, product| sum + product) >> FRACTION).clamp(0, 255) as u8
    }
}

/// The windows that scale `from` samples to `to`. A window that reaches over the border is cut there.
fn windows(from: usize, to: usize, filter: Filter) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let reach = stretch * if filter == Filter::Bicubic { 2.0 } else { 1.0 };
    let window = |i: usize| {
        let middle = (i as f64 + 0.5) * scale;
        let first = (middle - reach + 0.5).max(0.0) as usize;
        let end = ((middle + reach + 0.5) as usize).min(from);
        let weight = |sample: usize| {
            let distance = libm::fabs((sample as f64 - middle + 0.5) / stretch);
            if filter == Filter::Bicubic { cubic(distance) } else { (1.0 - distance).max(0.0) }
        };
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let total: f64 = weights.iter().sum();
        let fixed = |weight: &f64| libm::round(weight / total * f64::from(1u32 << FRACTION)) as i32;
        Window { first, weights: weights.iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

/// Weight of a sample at a distance in cubic convolution (Keys 1981, a = -1/2).
fn cubic(distance: f64) -> f64 {
    if distance < 1.0 {
        (1.5 * distance - 2.5) * distance * distance + 1.0
    } else if distance < 2.0 {
        ((2.5 - 0.5 * distance) * distance - 4.0) * distance + 2.0
    } else {
        0.0
    }
}
