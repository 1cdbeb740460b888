//! Mini-batches of an epoch, prepared ahead.
//!
//! Everything random about a batch is drawn from streams of its own, by seed, epoch and position. So batches are the same
//! bit for bit for any number of threads, and when an epoch is begun in its middle.

mod ahead;
mod prepare;

use std::ops::Range;
use std::sync::Arc;

pub use ahead::Batches;

use crate::augment::{Augment, Mix};
use crate::data::Images;
use crate::random::{Draws, Purpose};

/// Images and targets of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// How many images.
    pub size: usize,
    /// `[size, channels, height, width]`, from 0 to 255, real after mixing.
    pub pixels: Vec<f32>,
    /// `[size, classes]`: probabilities that are to be learnt, smoothed and mixed.
    pub targets: Vec<f32>,
    /// Classes of the images before mixing.
    pub labels: Vec<usize>,
}

/// How batches are made.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOptions {
    /// Images of a batch.
    pub size: usize,
    /// Fixes all that is random, with epoch and position.
    pub seed: u64,
    /// Entries of a target.
    pub classes: usize,
    /// Changes of single images.
    pub augment: Augment,
    /// Mixing of the images of a batch.
    pub mix: Mix,
    /// Probability that a target spreads evenly over all classes.
    pub smoothing: f32,
    /// Threads that prepare batches; with 0 they are prepared where they are asked for.
    pub threads: usize,
    /// Whether a last batch with fewer images is left out.
    pub drop_last: bool,
}

/// How many batches `images` make.
pub fn count(images: usize, size: usize, drop_last: bool) -> usize {
    if drop_last { images / size } else { images.div_ceil(size) }
}

/// Batches of an epoch over the images at `indices`, in an order that is drawn, from `first_batch` on. They are prepared
/// ahead, two for each thread.
///
/// # Panics
/// If a batch has no images, an index is no image, or a label is none of the classes.
pub fn epoch(
    images: &Arc<Images>,
    indices: &Arc<Vec<usize>>,
    options: &BatchOptions,
    epoch: usize,
    first_batch: usize,
) -> Batches {
    let mut order = indices.as_ref().clone();
    Draws::new(options.seed, Purpose::Order, epoch, 0).shuffle(&mut order);
    batches(images, order, options, epoch, first_batch)
}

/// Batches of the images at `indices` as they are and in their order, the last one with what is left, and targets of 0
/// and 1.
///
/// # Panics
/// If a batch has no images, an index is no image, or a label is none of the classes.
pub fn in_order(images: &Arc<Images>, indices: &[usize], size: usize, classes: usize, threads: usize) -> Batches {
    let (augment, mix) = (Augment::none(), Mix::none());
    let options = BatchOptions { size, seed: 0, classes, augment, mix, smoothing: 0.0, threads, drop_last: false };
    batches(images, indices.to_vec(), &options, 0, 0)
}

fn batches(images: &Arc<Images>, order: Vec<usize>, options: &BatchOptions, epoch: usize, first: usize) -> Batches {
    assert!(options.size > 0, "a batch has at least one image");
    let numbers: Range<usize> = first..count(order.len(), options.size, options.drop_last);
    let (images, options) = (Arc::clone(images), options.clone());
    let threads = options.threads;
    ahead::ahead(numbers, threads, move |number| prepare::batch(&images, &order, &options, epoch, number))
}

#[cfg(test)]
mod tests;
