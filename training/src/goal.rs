//! What a network is trained for: a weighted sum of losses on a batch.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor};
use mpcc_compiler::graph::{NodeId, Op, ParamId};
use thiserror::Error;

use crate::loss;
use crate::network::{Network, Noise};
use crate::parameters::Parameters;

/// Weights of the losses; those that are 0 are not computed.
#[derive(Clone, Debug)]
pub struct Goal<'t> {
    /// Of the cross-entropy with the labels (γ).
    pub labels: f64,
    /// What is learned from another network.
    pub teacher: Option<Teacher<'t>>,
    /// What the coefficients of a search cost.
    pub penalty: Option<Penalty>,
}

/// A trained network that another learns from.
#[derive(Clone, Debug)]
pub struct Teacher<'t> {
    /// It.
    pub network: &'t Network,
    /// Its parameters, on the device without gradients.
    pub parameters: &'t Parameters,
    /// Weight of the cross-entropy of the scores' distributions (χ).
    pub logits: f64,
    /// Temperature of those distributions.
    pub temperature: f64,
    /// Weight of the mean squared error of the last normalised tokens (β).
    pub features: f64,
    /// Weight of the layer-wise errors: attention scores before their softmax, and every layer's normalised tokens
    /// (MPCFormer, first stage).
    pub layers: f64,
}

/// `λ Σ w |α|` over the coefficients of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Penalty {
    /// λ
    pub lambda: f64,
    /// For a parameter of coefficients, by name, `w` of each.
    pub weights: Vec<(String, Vec<f64>)>,
}

/// A part of a batch on a device.
pub(crate) struct Piece {
    /// `[examples, …]` for each input of the graph.
    pub(crate) inputs: Vec<Tensor<4>>,
    /// `[examples, classes]`
    pub(crate) targets: Tensor<2>,
}

impl Goal<'_> {
    /// The loss of labels alone.
    pub fn labels() -> Self {
        Goal { labels: 1.0, teacher: None, penalty: None }
    }

    /// The loss on a piece, and the scores `[examples, classes]`.
    pub(crate) fn loss(
        &self,
        network: &Network,
        parameters: &Parameters,
        piece: Piece,
        noise: &Noise,
        device: &Device,
    ) -> (Tensor<1>, Tensor<2>) {
        let mut wanted = vec![network.scores()];
        let compared = self.teacher.as_ref().map(|teacher| teacher.compared(network));
        wanted.extend(compared.iter().flatten().map(|pair| pair.student));
        let mut values = network.forward(parameters, &piece.inputs, &wanted, Some(noise), device).values;
        let rest = values.split_off(1);
        let [examples, _, _, classes] = values[0].dims();
        let scores: Tensor<2> = values.remove(0).reshape([examples, classes]);
        let mut losses = Vec::new();
        if self.labels > 0.0 {
            losses.push(loss::cross_entropy(scores.clone(), piece.targets).mul_scalar(self.labels));
        }
        if let (Some(teacher), Some(pairs)) = (&self.teacher, compared) {
            let mut wanted = vec![teacher.network.scores()];
            wanted.extend(pairs.iter().map(|pair| pair.teacher));
            let plain = device.clone().inner();
            let inputs: Vec<Tensor<4>> = piece.inputs.into_iter().map(Tensor::inner).collect();
            let taught = teacher.network.forward(teacher.parameters, &inputs, &wanted, None, &plain).values;
            let mut taught = taught.into_iter().map(Tensor::from_inner);
            if let Some(from) = taught.next().filter(|_| teacher.logits > 0.0) {
                let from = from.reshape([examples, classes]);
                losses.push(loss::logits(scores.clone(), from, teacher.temperature).mul_scalar(teacher.logits));
            }
            for ((pair, from), value) in pairs.iter().zip(taught).zip(rest) {
                let (value, from) = match pair.masked {
                    true => (unmasked(value), unmasked(from)),
                    false => (value, from),
                };
                losses.push(loss::squared_error(value, from).mul_scalar(pair.weight));
            }
        }
        let total = losses.into_iter().reduce(|sum, loss| sum + loss);
        (total.unwrap_or_else(|| Tensor::zeros([1], device)), scores)
    }

    /// Names of the parameters that are meant to be trained: all, or, where neither labels nor the teacher's scores count, those
    /// that what is compared is made of.
    pub(crate) fn trained<'n>(&self, network: &'n Network) -> BTreeSet<&'n str> {
        let graph = network.graph();
        let scored = self.labels > 0.0 || self.teacher.as_ref().is_some_and(|teacher| teacher.logits > 0.0);
        let mut reached = vec![scored; graph.nodes.len()];
        let compared = self.teacher.as_ref().map(|teacher| teacher.compared(network));
        compared.iter().flatten().for_each(|pair| reached[pair.student.0 as usize] = true);
        let mut names = BTreeSet::new();
        for (at, node) in graph.nodes.iter().enumerate().rev().filter(|(_, node)| !matches!(node.op, Op::Input(_))) {
            if reached[at] {
                node.op.operands().iter().for_each(|id| reached[id.0 as usize] = true);
                if let Op::Param(ParamId(param)) = node.op {
                    names.insert(graph.params[param as usize].name.as_str());
                }
            }
        }
        if scored {
            names.extend(graph.params.iter().map(|param| param.name.as_str()));
        }
        names
    }

    /// The penalty's value, if there is one.
    pub(crate) fn penalty(&self, parameters: &Parameters, device: &Device) -> Option<Tensor<1>> {
        let penalty = self.penalty.as_ref()?;
        let term = |(name, weights): &(String, Vec<f64>)| {
            let coefficients = parameters.get(name)?.value.clone();
            let weights: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
            Some((coefficients.abs() * Tensor::from_data(weights.as_slice(), device)).sum())
        };
        let sum = penalty.weights.iter().filter_map(term).reduce(|sum, term| sum + term)?;
        Some(sum.mul_scalar(penalty.lambda))
    }
}

/// A value of the student beside one of the teacher.
struct Compared {
    student: NodeId,
    teacher: NodeId,
    weight: f64,
    /// Whether entries of masked places are to be left out.
    masked: bool,
}

/// Why a network cannot learn from another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TeacherError {
    /// They score other numbers of classes.
    #[error("the teacher scores {teacher} classes, the student {student}")]
    Classes {
        /// Of the teacher.
        teacher: usize,
        /// Of the student.
        student: usize,
    },
    /// They read different inputs.
    #[error("teacher and student have different inputs")]
    Inputs,
    /// What is to be compared is not there on both sides, or differs in extents.
    #[error("teacher and student differ in {what}: leave it out with a weight of 0")]
    Compared {
        /// What.
        what: &'static str,
    },
}

impl Teacher<'_> {
    /// Checks that `student` can learn from it.
    ///
    /// # Errors
    /// If inputs, classes, or what is compared differ.
    pub fn check(&self, student: &Network) -> Result<(), TeacherError> {
        let types = |network: &Network| network.graph().inputs.iter().map(|i| i.ty.clone()).collect::<Vec<_>>();
        if types(self.network) != types(student) {
            return Err(TeacherError::Inputs);
        }
        let (teacher, classes) = (self.network.classes(), student.classes());
        if teacher != classes {
            return Err(TeacherError::Classes { teacher, student: classes });
        }
        let last = |network: &Network| network.features().into_iter().collect::<Vec<_>>();
        let shapes = |network: &Network, nodes: Vec<NodeId>| -> Vec<_> {
            nodes.into_iter().map(|id| network.graph().node(id).ty.shape.clone()).collect()
        };
        let same = |find: &dyn Fn(&Network) -> Vec<NodeId>| {
            let (ours, theirs) = (find(student), find(self.network));
            !ours.is_empty() && shapes(student, ours) == shapes(self.network, theirs)
        };
        if self.features > 0.0 && !same(&last) {
            return Err(TeacherError::Compared { what: "the tokens behind the last layer norm" });
        }
        if self.layers > 0.0 && !(same(&Network::attention_scores) && same(&Network::normalised)) {
            return Err(TeacherError::Compared { what: "the attention scores or the tokens of some layer" });
        }
        Ok(())
    }

    fn compared(&self, student: &Network) -> Vec<Compared> {
        let mut pairs = Vec::new();
        let mut add = |student: Vec<NodeId>, teacher: Vec<NodeId>, weight: f64, masked: bool| {
            let pair = |(student, teacher)| Compared { student, teacher, weight, masked };
            pairs.extend(student.into_iter().zip(teacher).map(pair));
        };
        if self.features > 0.0 {
            let last = |network: &Network| network.features().into_iter().collect();
            add(last(student), last(self.network), self.features, false);
        }
        if self.layers > 0.0 {
            add(student.attention_scores(), self.network.attention_scores(), self.layers, true);
            add(student.normalised(), self.network.normalised(), self.layers, false);
        }
        pairs
    }
}

/// Entries of −100 and less, which a mask made, become 0.
fn unmasked(scores: Tensor<4>) -> Tensor<4> {
    let masked = scores.clone().lower_equal_scalar(-100.0);
    scores.mask_fill(masked, 0.0)
}
