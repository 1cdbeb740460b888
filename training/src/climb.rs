//! Which way an input has to move so that a value within the network becomes larger: gradients with respect to inputs.

use burn::tensor::{Device, Tensor};
use mpcc_compiler::evaluate::Tensor as Array;
use mpcc_compiler::graph::NodeId;

use crate::network::Network;
use crate::parameters::{Parameter, Parameters};

/// An end of the entries of a value: the largest, or the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// The value.
    pub node: NodeId,
    /// Its largest entry; otherwise its least.
    pub most: bool,
}

/// A network whose inputs are moved.
#[derive(Debug)]
pub struct Climb {
    network: Network,
    parameters: Parameters,
    device: Device,
}

impl Climb {
    /// With its parameters on a device.
    pub fn new(network: Network, parameters: &Parameters, device: &Device) -> Self {
        let fixed =
            |parameter: &Parameter| Parameter { value: parameter.value.clone().autodiff(), ..parameter.clone() };
        let parameters = Parameters(parameters.0.iter().map(fixed).collect());
        Self { network, parameters, device: device.clone().autodiff() }
    }

    /// For each input of the graph, how the height of a peak grows with its entries; nothing where it does not depend on them.
    /// The height of a least entry is its negative.
    pub fn gradients(&self, inputs: &[Array], peak: Peak) -> Vec<Option<Vec<f32>>> {
        let leaves: Vec<Tensor<4>> = self.batch(&[inputs]).into_iter().map(Tensor::require_grad).collect();
        let value = self.value(&leaves, peak);
        let mut all = value.max().backward();
        let entries = |leaf: &Tensor<4>| {
            let gradient = leaf.grad_remove(&mut all)?;
            gradient.to_data().convert::<f32>().try_to_vec().ok()
        };
        leaves.iter().map(entries).collect()
    }

    /// The height of a peak for each of some inputs.
    pub fn heights(&self, inputs: &[&[Array]], peak: Peak) -> Vec<f32> {
        let value = self.value(&self.batch(inputs), peak);
        let examples = inputs.len();
        let rows: Tensor<2> = value.inner().reshape([examples as i32, -1]);
        rows.max_dim(1).to_data().convert::<f32>().try_to_vec().expect("converted just now")
    }

    fn value(&self, inputs: &[Tensor<4>], peak: Peak) -> Tensor<4> {
        let pass = self.network.forward(&self.parameters, inputs, &[peak.node], None, &self.device);
        let value = pass.values.into_iter().next().expect("asked for");
        if peak.most { value } else { value.neg() }
    }

    /// `[examples, …]` for each input of the graph.
    fn batch(&self, examples: &[&[Array]]) -> Vec<Tensor<4>> {
        let declared = self.network.graph().inputs.iter().enumerate();
        declared
            .map(|(index, input)| {
                let mut shape = [1; 4];
                shape[4 - input.ty.shape.len()..].copy_from_slice(&input.ty.shape);
                shape[0] = examples.len();
                let entries: Vec<f32> =
                    examples.iter().flat_map(|given| given[index].data.iter().map(|v| *v as f32)).collect();
                Tensor::<1>::from_data(entries.as_slice(), &self.device).reshape(shape)
            })
            .collect()
    }
}
