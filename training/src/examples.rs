//! Examples in batches, as a network takes them.

mod images;

pub use images::{ImageExamples, in_order};

/// A mini-batch outside any device.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// How many examples.
    pub size: usize,
    /// For each input of the graph, `[size, …]`, row-major.
    pub inputs: Vec<Vec<f32>>,
    /// `[size, classes]`: a distribution for each example.
    pub targets: Vec<f32>,
    /// The class of each, before any mixing.
    pub labels: Vec<usize>,
}

/// A data set that hands out batches. What an epoch holds follows from its number alone, so that training can go on in the
/// middle of one.
pub trait Examples: Sync {
    /// Batches of an epoch.
    fn batches(&self) -> usize;
    /// The batches of an epoch from one of them on.
    fn epoch(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Batch> + '_>;
    /// Examples kept from training, as they are.
    fn held_out(&self) -> Box<dyn Iterator<Item = Batch> + '_>;
}
