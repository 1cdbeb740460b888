//! Changes between an image and a plainer one: factor 0 is the plainer image, 1 the image, above that exaggerates.

use super::Picture;

/// Towards the grey image.
pub(super) fn color(picture: &mut Picture, factor: f64) {
    let grey = grey(picture);
    for plane in picture.planes_mut() {
        plane.iter_mut().zip(&grey).for_each(|(value, grey)| *value = blend(*grey, *value, factor as f32));
    }
}

/// Towards the mean of the grey image.
pub(super) fn contrast(picture: &mut Picture, factor: f64) {
    let grey = grey(picture);
    let total: u64 = grey.iter().map(|value| u64::from(*value)).sum();
    let mean = (total as f64 / grey.len() as f64 + 0.5) as u8;
    picture.bytes_mut().iter_mut().for_each(|value| *value = blend(mean, *value, factor as f32));
}

/// Towards black.
pub(super) fn brightness(picture: &mut Picture, factor: f64) {
    picture.bytes_mut().iter_mut().for_each(|value| *value = blend(0, *value, factor as f32));
}

/// Towards the image in which each inner pixel is 5/13 of itself and 1/13 of each of its 8 neighbours.
pub(super) fn sharpness(picture: &mut Picture, factor: f64) {
    let (height, width) = (picture.height, picture.width);
    for plane in picture.planes_mut() {
        let old = plane.to_vec();
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let at = y * width + x;
                let rows = [at - width, at, at + width].into_iter();
                let around: u32 = rows.flat_map(|row| &old[row - 1..=row + 1]).map(|value| u32::from(*value)).sum();
                let smooth = (2 * (around + 4 * u32::from(old[at])) + 13) / 26;
                plane[at] = blend(smooth as u8, old[at], factor as f32);
            }
        }
    }
}

/// Brightness of each pixel, by the weights of ITU-R BT.601.
fn grey(picture: &Picture) -> Vec<u8> {
    let planes: Vec<&[u8]> = picture.planes().collect();
    let [red, green, blue] = planes[..] else { return planes.concat() };
    let pixels = red.iter().zip(green).zip(blue);
    let weigh = |r, g, b| (u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16;
    pixels.map(|((r, g), b)| weigh(*r, *g, *b) as u8).collect()
}

fn blend(plain: u8, value: u8, factor: f32) -> u8 {
    (f32::from(plain) + factor * (f32::from(value) - f32::from(plain))) as u8
}
