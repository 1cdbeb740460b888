//! One batch from its number.

use super::{Batch, BatchOptions};
use crate::data::Images;
use crate::random::{Draws, Purpose};

/// The batch `number` of an epoch that takes images in `order`.
pub(super) fn batch(images: &Images, order: &[usize], options: &BatchOptions, epoch: usize, number: usize) -> Batch {
    let first = number * options.size;
    let chosen = &order[first..(first + options.size).min(order.len())];
    let shape @ [channels, height, width] = images.shape;
    let size = channels * height * width;
    let mut pixels = vec![0.0; chosen.len() * size];
    for ((place, image), pixels) in chosen.iter().enumerate().zip(pixels.chunks_exact_mut(size)) {
        let mut draws = Draws::new(options.seed, Purpose::Augment, epoch, first + place);
        options.augment.apply(shape, images.image(*image), &mut draws, pixels);
    }
    let labels: Vec<usize> = chosen.iter().map(|image| images.label(*image)).collect();
    let mut draws = Draws::new(options.seed, Purpose::Mix, epoch, number);
    let mixing = options.mix.draw(epoch, height, width, &mut draws);
    if let Some(mixing) = mixing {
        mixing.apply(&mut pixels, shape);
    }
    let weight = mixing.map_or(1.0, |mixing| mixing.weight(height, width));
    let targets = targets(&labels, options.classes, options.smoothing, weight as f32);
    Batch { size: chosen.len(), pixels, targets, labels }
}

/// `weight` of each label's own target and the rest of its partner's, the label at the same place from the end. A target
/// is 1 - `smoothing` at its class plus `smoothing` / `classes` everywhere.
pub(super) fn targets(labels: &[usize], classes: usize, smoothing: f32, weight: f32) -> Vec<f32> {
    let mut targets = vec![smoothing / classes as f32; labels.len() * classes];
    for ((target, own), partner) in targets.chunks_exact_mut(classes).zip(labels).zip(labels.iter().rev()) {
        target[*own] += (1.0 - smoothing) * weight;
        target[*partner] += (1.0 - smoothing) * (1.0 - weight);
    }
    targets
}
