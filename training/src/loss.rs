//! Losses on a batch: what a network is trained for.

use burn::tensor::{Tensor, activation};

/// `−Σ_k target_k log softmax(scores)_k`, the mean over the batch: cross-entropy with soft targets, `[examples, classes]`
/// both.
pub fn cross_entropy(scores: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let examples = scores.dims()[0];
    (activation::log_softmax(scores, 1) * targets).sum().mul_scalar(-1.0 / examples as f64)
}

/// Cross-entropy of the student's distribution at a temperature with the teacher's: the part of their KL divergence that
/// depends on the student (MPCViT's logit distillation; no factor T²).
pub fn logits(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let teacher = activation::softmax(teacher.div_scalar(temperature), 1);
    cross_entropy(student.div_scalar(temperature), teacher)
}

/// Mean of the squared differences over all entries.
pub fn squared_error(student: Tensor<4>, teacher: Tensor<4>) -> Tensor<1> {
    (student - teacher).square().mean()
}
