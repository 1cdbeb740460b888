//! Examples in batches, as a network takes them.

mod images;
mod listed;

use mpcc_compiler::evaluate::Tensor;

pub use images::ImageExamples;
pub use listed::ListedExamples;

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

/// Batches, one after the other.
pub type Batches<'e> = Box<dyn Iterator<Item = Batch> + 'e>;

/// A data set that hands out batches. What an epoch holds follows from its number alone, so that training can go on in the
/// middle of one.
pub trait Examples: Sync {
    /// Batches of an epoch.
    fn batches(&self) -> usize;
    /// The batches of an epoch from one of them on.
    fn epoch(&self, epoch: usize, first: usize) -> Batches<'_>;
    /// Examples kept from training, as they are.
    fn held_out(&self) -> Batches<'_>;
    /// Examples that nothing is chosen by, as they are; none if the data set has no such split.
    fn tested(&self) -> Batches<'_>;
    /// How many examples are trained on, held out and tested.
    fn counts(&self) -> Counts;
    /// What batches depend on, to be compared before a run goes on.
    fn described(&self) -> String;
    /// At most `count` of the examples that are trained on, evenly over them, as the float evaluator takes them.
    fn plain(&self, count: usize) -> Vec<Vec<Tensor>>;
}

/// Sizes of the splits of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Trained on.
    pub trained: usize,
    /// Kept from training.
    pub held_out: usize,
    /// That nothing is chosen by.
    pub tested: usize,
}

/// `count` of `all`, evenly.
fn evenly(all: &[usize], count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(all.len());
    (0..count).map(move |at| all[at * all.len() / count])
}
