//! Examples that are listed with their inputs, such as texts as tokens: nothing about them is random but their order.

use mpcc_compiler::evaluate::Tensor;

use super::{Batch, Batches, Counts, Examples, evenly};
use crate::random::{Draws, Purpose};

/// Inputs of a graph with their classes.
#[derive(Clone, Default)]
pub struct ListedExamples {
    /// For each example, a value for every input of the graph, and its class.
    pub list: Vec<(Vec<Tensor>, usize)>,
    /// Positions of those to train on.
    pub trained: Vec<usize>,
    /// Of those kept from training.
    pub held_out: Vec<usize>,
    /// Of those that nothing is chosen by.
    pub tested: Vec<usize>,
    /// Examples of a batch.
    pub size: usize,
    /// How many classes there are.
    pub classes: usize,
    /// Probability that a label spreads over all classes.
    pub smoothing: f32,
    /// What the order of an epoch follows from.
    pub seed: u64,
}

impl ListedExamples {
    fn batch(&self, positions: &[usize], smoothing: f32) -> Batch {
        let taken: Vec<&(Vec<Tensor>, usize)> = positions.iter().map(|at| &self.list[*at]).collect();
        let inputs = taken.first().map_or(0, |(inputs, _)| inputs.len());
        let input = |n: usize| taken.iter().flat_map(|(inputs, _)| inputs[n].data.iter().map(|v| *v as f32)).collect();
        let mut targets = vec![smoothing / self.classes as f32; positions.len() * self.classes];
        let labels: Vec<usize> = taken.iter().map(|(_, label)| *label).collect();
        labels.iter().enumerate().for_each(|(at, label)| targets[at * self.classes + label] += 1.0 - smoothing);
        Batch { size: positions.len(), inputs: (0..inputs).map(input).collect(), targets, labels }
    }

    fn in_order<'e>(&'e self, positions: &'e [usize]) -> Batches<'e> {
        Box::new(positions.chunks(self.size).map(|part| self.batch(part, 0.0)))
    }
}

impl Examples for ListedExamples {
    fn batches(&self) -> usize {
        self.trained.len() / self.size
    }

    fn epoch(&self, epoch: usize, first: usize) -> Batches<'_> {
        let mut order = self.trained.clone();
        Draws::new(self.seed, Purpose::Order, epoch, 0).shuffle(&mut order);
        let batch = move |at: usize| self.batch(&order[at * self.size..(at + 1) * self.size], self.smoothing);
        Box::new((first..self.batches()).map(batch))
    }

    fn held_out(&self) -> Batches<'_> {
        self.in_order(&self.held_out)
    }

    fn tested(&self) -> Batches<'_> {
        self.in_order(&self.tested)
    }

    fn counts(&self) -> Counts {
        Counts { trained: self.trained.len(), held_out: self.held_out.len(), tested: self.tested.len() }
    }

    fn described(&self) -> String {
        format!("{:?} of {} examples, smoothing {}, seed {}", self.counts(), self.list.len(), self.smoothing, self.seed)
    }

    fn plain(&self, count: usize) -> Vec<Vec<Tensor>> {
        evenly(&self.trained, count).map(|at| self.list[at].0.clone()).collect()
    }
}
