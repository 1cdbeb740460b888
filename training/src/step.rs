//! One batch: its loss and gradients, or how many of its examples are named rightly, on several threads.

use burn::tensor::{Device, Tensor};

use crate::examples::Batch;
use crate::goal::Piece;
use crate::job::Job;
use crate::network::{Network, Noise, Sites};
use crate::parameters::{Parameter, Parameters};

/// Examples that are evaluated together.
const PIECE: usize = 16;

impl Job<'_> {
    /// Loss, gradients and right answers of a batch.
    pub fn gradients(&self, parameters: &Parameters, batch: &Batch, sites: &Sites, number: usize) -> Step {
        let pieces = pieces(batch);
        let parts = on_threads(self.threads, pieces.len(), |at| {
            let piece = &pieces[at];
            let share = piece.len() as f64 / batch.size as f64;
            let device = self.device.clone().autodiff();
            let leaves = leaves(parameters);
            let noise = Noise::new(sites, self.recipe.seed, number, at, &device);
            let taken = on_device(self.network, batch, piece, &device);
            let (loss, scores) = self.goal.loss(self.network, &leaves, taken, &noise, &device);
            let mut loss = loss.mul_scalar(share);
            if let Some(penalty) = self.goal.penalty(&leaves, &device).filter(|_| at == 0) {
                loss = loss + penalty;
            }
            let right = right(&scores.inner(), &batch.labels[piece.clone()]);
            let value = f64::from(loss.clone().inner().into_scalar::<f32>());
            let mut all = loss.backward();
            let gradients: Vec<Option<Tensor<1>>> =
                leaves.0.iter().map(|leaf| leaf.value.grad_remove(&mut all)).collect();
            (value, right, gradients)
        });
        let mut step = Step { loss: 0.0, right: 0, gradients: Vec::new() };
        let mut sums: Vec<Option<Tensor<1>>> = vec![None; parameters.0.len()];
        for (loss, right, gradients) in parts {
            step.loss += loss;
            step.right += right;
            for (sum, gradient) in sums.iter_mut().zip(gradients) {
                *sum = match (sum.take(), gradient) {
                    (Some(sum), Some(gradient)) => Some(sum + gradient),
                    (sum, gradient) => sum.or(gradient),
                };
            }
        }
        step.gradients = sums;
        step
    }
}

/// What one batch says.
pub struct Step {
    /// Mean loss of its examples.
    pub loss: f64,
    /// How many were named rightly.
    pub right: usize,
    /// For each parameter, if the loss depends on it.
    pub gradients: Vec<Option<Tensor<1>>>,
}

/// Share of examples that a network names rightly; `None` of none.
pub fn accuracy(
    network: &Network,
    parameters: &Parameters,
    batches: &mut dyn Iterator<Item = Batch>,
    threads: usize,
    device: &Device,
) -> Option<f64> {
    let (mut named, mut seen) = (0, 0);
    for batch in batches {
        let pieces = pieces(&batch);
        let parts = on_threads(threads, pieces.len(), |at| {
            let taken = on_device(network, &batch, &pieces[at], device);
            let scores = network.forward(parameters, &taken.inputs, &[network.scores()], None, device).values.remove(0);
            let [examples, _, _, classes] = scores.dims();
            right(&scores.reshape([examples, classes]), &batch.labels[pieces[at].clone()])
        });
        named += parts.into_iter().sum::<usize>();
        seen += batch.size;
    }
    (seen > 0).then(|| named as f64 / seen as f64)
}

fn pieces(batch: &Batch) -> Vec<std::ops::Range<usize>> {
    (0..batch.size).step_by(PIECE).map(|from| from..(from + PIECE).min(batch.size)).collect()
}

/// Parameters as leaves of a new gradient graph.
fn leaves(parameters: &Parameters) -> Parameters {
    let leaf = |parameter: &Parameter| Parameter {
        value: parameter.value.clone().autodiff().require_grad(),
        ..parameter.clone()
    };
    Parameters(parameters.0.iter().map(leaf).collect())
}

fn on_device(network: &Network, batch: &Batch, piece: &std::ops::Range<usize>, device: &Device) -> Piece {
    let examples = piece.len();
    let input = |(input, declared): (&Vec<f32>, &mpcc_compiler::graph::Input)| {
        let count = declared.ty.shape.iter().product::<usize>();
        let mut shape = [1; 4];
        shape[4 - declared.ty.shape.len()..].copy_from_slice(&declared.ty.shape);
        shape[0] = examples;
        Tensor::<1>::from_data(&input[piece.start * count..piece.end * count], device).reshape(shape)
    };
    let classes = network.classes();
    let targets = &batch.targets[piece.start * classes..piece.end * classes];
    Piece {
        inputs: batch.inputs.iter().zip(&network.graph().inputs).map(input).collect(),
        targets: Tensor::<1>::from_data(targets, device).reshape([examples, classes]),
    }
}

fn right(scores: &Tensor<2>, labels: &[usize]) -> usize {
    let best = scores.clone().argmax(1).to_data().convert::<i64>().try_to_vec::<i64>().expect("converted just now");
    best.iter().zip(labels).filter(|(best, label)| **best == **label as i64).count()
}

/// `work` of every number below `count`, in order, on up to `threads` threads.
fn on_threads<T: Send>(threads: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = threads.clamp(1, count.max(1));
    if threads == 1 {
        return (0..count).map(work).collect();
    }
    let work = &work;
    let mut parts: Vec<(usize, T)> = std::thread::scope(|scope| {
        let one = |first: usize| {
            scope.spawn(move || (first..count).step_by(threads).map(|at| (at, work(at))).collect::<Vec<_>>())
        };
        let handles: Vec<_> = (0..threads).map(one).collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    parts.sort_by_key(|(at, _)| *at);
    parts.into_iter().map(|(_, part)| part).collect()
}
