//! Labelled images as examples.

use std::sync::Arc;

use mpcc_compiler::evaluate::Tensor;

use super::{Batch, Batches, Counts, Examples, evenly};
use crate::batches::{self, BatchOptions};
use crate::data::Images;

/// Images that a network is trained on and evaluated with.
pub struct ImageExamples {
    /// Those to train on and to hold out.
    pub images: Arc<Images>,
    /// Those to train on.
    pub trained: Arc<Vec<usize>>,
    /// Those kept from training.
    pub held_out: Vec<usize>,
    /// Those that nothing is chosen by.
    pub test: Option<Arc<Images>>,
    /// How batches are made.
    pub options: BatchOptions,
}

/// Images that are evaluated together.
const EVALUATED: usize = 256;

impl ImageExamples {
    fn in_order(&self, images: &Arc<Images>, indices: &[usize]) -> Batches<'_> {
        let options = &self.options;
        Box::new(batches::in_order(images, indices, EVALUATED, options.classes, options.threads).map(taken))
    }
}

impl Examples for ImageExamples {
    fn batches(&self) -> usize {
        batches::count(self.trained.len(), self.options.size, self.options.drop_last)
    }

    fn epoch(&self, epoch: usize, first: usize) -> Batches<'_> {
        Box::new(batches::epoch(&self.images, &self.trained, &self.options, epoch, first).map(taken))
    }

    fn held_out(&self) -> Batches<'_> {
        self.in_order(&self.images, &self.held_out)
    }

    fn tested(&self) -> Batches<'_> {
        match &self.test {
            Some(test) => self.in_order(test, &(0..test.len()).collect::<Vec<_>>()),
            None => Box::new(std::iter::empty()),
        }
    }

    fn counts(&self) -> Counts {
        let tested = self.test.as_ref().map_or(0, |test| test.len());
        Counts { trained: self.trained.len(), held_out: self.held_out.len(), tested }
    }

    fn described(&self) -> String {
        format!("{:?} of {} images, {:?}", self.counts(), self.images.len(), self.options)
    }

    fn plain(&self, count: usize) -> Vec<Vec<Tensor>> {
        let image = |at| {
            let pixels = self.images.image(at).iter().map(|v| f64::from(*v));
            vec![Tensor::new(&self.images.shape, pixels.collect())]
        };
        evenly(&self.trained, count).map(image).collect()
    }
}

fn taken(batch: batches::Batch) -> Batch {
    Batch { size: batch.size, inputs: vec![batch.pixels], targets: batch.targets, labels: batch.labels }
}
