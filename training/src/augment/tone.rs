//! Changes of colour that look at one value at a time, by a table for each plane.

use super::Picture;

type Table = [u8; 256];

fn table(value: impl Fn(u8) -> u8) -> Table {
    std::array::from_fn(|i| value(i as u8))
}

fn map(plane: &mut [u8], table: &Table) {
    plane.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}

fn map_all(picture: &mut Picture, value: impl Fn(u8) -> u8) {
    map(picture.bytes_mut(), &table(value));
}

fn counts(plane: &[u8]) -> [usize; 256] {
    let mut counts = [0; 256];
    plane.iter().for_each(|value| counts[usize::from(*value)] += 1);
    counts
}

/// Turns dark into light.
pub(super) fn invert(picture: &mut Picture) {
    map_all(picture, |value| 255 - value);
}

/// Keeps the highest `bits` of each value, none to all 8.
pub(super) fn posterize(picture: &mut Picture, bits: u32) {
    let mask = (0xff00u16 >> bits.min(8)) as u8;
    map_all(picture, |value| value & mask);
}

/// Inverts what is not below `threshold`.
pub(super) fn solarize(picture: &mut Picture, threshold: f64) {
    map_all(picture, |value| if f64::from(value) < threshold { value } else { 255 - value });
}

/// Lightens what is below 128.
pub(super) fn solarize_add(picture: &mut Picture, added: u8) {
    map_all(picture, |value| if value < 128 { value.saturating_add(added) } else { value });
}

/// Stretches each plane from 0 to 255; a plane of one value stays.
pub(super) fn autocontrast(picture: &mut Picture) {
    for plane in picture.planes_mut() {
        let (Some(&low), Some(&high)) = (plane.iter().min(), plane.iter().max()) else { continue };
        if low < high {
            let scale = 255.0 / f64::from(high - low);
            let offset = -f64::from(low) * scale;
            map(plane, &table(|value| (f64::from(value) * scale + offset) as u8));
        }
    }
}

/// Spreads the values of each plane, so that each range of them is about as frequent as any other.
pub(super) fn equalize(picture: &mut Picture) {
    for plane in picture.planes_mut() {
        let counts = counts(plane);
        let last = counts.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
        let step = (plane.len() - last) / 255;
        if step == 0 {
            continue;
        }
        let mut below = step / 2;
        let table = counts.map(|count| {
            let value = below / step;
            below += count;
            value.min(255) as u8
        });
        map(plane, &table);
    }
}
