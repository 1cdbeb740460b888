//! Labelled images as examples.

use std::sync::Arc;

use super::{Batch, Examples};
use crate::batches::{self, BatchOptions};
use crate::data::Images;

/// Images that a network is trained on and evaluated with.
pub struct ImageExamples {
    /// All of them.
    pub images: Arc<Images>,
    /// Those to train on.
    pub trained: Arc<Vec<usize>>,
    /// Those kept from training.
    pub held_out: Vec<usize>,
    /// How batches are made.
    pub options: BatchOptions,
}

/// Images of a batch without augmentation that are evaluated together.
const EVALUATED: usize = 256;

impl Examples for ImageExamples {
    fn batches(&self) -> usize {
        batches::count(self.trained.len(), self.options.size, self.options.drop_last)
    }

    fn epoch(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Batch> + '_> {
        Box::new(batches::epoch(&self.images, &self.trained, &self.options, epoch, first).map(taken))
    }

    fn held_out(&self) -> Box<dyn Iterator<Item = Batch> + '_> {
        Box::new(in_order(&self.images, &self.held_out, self.options.classes, self.options.threads))
    }
}

/// Images as they are, in order.
pub fn in_order(
    images: &Arc<Images>,
    indices: &[usize],
    classes: usize,
    threads: usize,
) -> impl Iterator<Item = Batch> + use<> {
    batches::in_order(images, indices, EVALUATED, classes, threads).map(taken)
}

fn taken(batch: batches::Batch) -> Batch {
    Batch { size: batch.size, inputs: vec![batch.pixels], targets: batch.targets, labels: batch.labels }
}
