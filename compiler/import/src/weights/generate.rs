//! Untrained weights from a seed, for measuring cost and speed of a network nobody has trained.
//!
//! The distributions are those that Compact-Transformers trains from, except that the class token is small and random
//! instead of zero. What a parameter is for is read off its uses in the graph. A value depends on the seed, the
//! tensor's name and the position alone, by integer arithmetic and software floating-point functions, so that every
//! machine writes the same file.

use std::collections::BTreeMap;

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Graph, NodeId, Op};

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// LayerNorm gain, or a vector that values are multiplied by.
    Gain,
    /// Added to every row.
    Bias,
    /// Matrix, embedding table.
    Matrix,
    /// Convolution kernel `[out, in, height, width]`.
    Kernel,
    /// Added to the tokens, a row for each.
    Position,
    /// Joined to the tokens.
    Token,
}

/// A distribution of independent entries.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Distribution {
    Constant(f64),
    Normal(f64),
    /// Normal of this deviation before everything beyond two deviations is drawn again.
    Truncated(f64),
}

/// Weights for the parameters of `graph`, as lowered: name and tensor in the shape of the weights file, values exact
/// in 32-bit floats.
///
/// Matrices are truncated normal with deviation 0.02, LayerNorm gains 1, biases 0, convolution kernels Kaiming normal
/// (fan-in, `√(2 / (in · height · width))`), positional embeddings truncated normal with deviation 0.2, and
/// class tokens normal with deviation 0.02.
pub fn generate(graph: &Graph, seed: u64) -> Vec<(String, Tensor)> {
    let roles = roles(graph);
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    let mut index = BTreeMap::new();
    for (param, role) in graph.params.iter().zip(roles) {
        if index.insert(param.name.as_str(), ()).is_some() {
            continue;
        }
        let shape = param.file_shape.as_slice();
        let role = role.unwrap_or(match shape.len() {
            0 | 1 => Role::Bias,
            4 => Role::Kernel,
            _ => Role::Matrix,
        });
        let distribution = match role {
            Role::Gain => Distribution::Constant(1.0),
            Role::Bias => Distribution::Constant(0.0),
            Role::Matrix => Distribution::Truncated(0.02),
            Role::Kernel => Distribution::Normal(libm::sqrt(2.0 / shape[1..].iter().product::<usize>().max(1) as f64)),
            Role::Position => Distribution::Truncated(0.2),
            Role::Token => Distribution::Normal(0.02),
        };
        let mut stream = Stream::new(seed, &param.name);
        let data = (0..shape.iter().product()).map(|_| f64::from(stream.draw(distribution) as f32)).collect();
        tensors.push((param.name.clone(), Tensor::new(shape, data)));
    }
    tensors
}

/// The role of each parameter, where its uses tell.
fn roles(graph: &Graph) -> Vec<Option<Role>> {
    let mut roles = vec![None; graph.params.len()];
    // The parameter a node is a view of.
    let mut origin: Vec<Option<usize>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let of = |id: NodeId| origin[id.0 as usize];
        let rows = |id: NodeId| {
            let shape = &graph.node(id).ty.shape;
            shape[..shape.len().saturating_sub(1)].iter().product::<usize>()
        };
        let mut used = Vec::new();
        match &node.op {
            Op::LayerNorm { gain, bias, .. } => used.extend([(*gain, Role::Gain), (*bias, Role::Bias)]),
            Op::Linear { weight, bias, .. } => {
                used.push((*weight, Role::Matrix));
                used.extend(bias.map(|bias| (bias, Role::Bias)));
            }
            Op::MatMul(a, b) => used.extend([(*a, Role::Matrix), (*b, Role::Matrix)]),
            Op::Mul(a, b) => used.extend([*a, *b].into_iter().filter(|x| rows(*x) == 1).map(|x| (x, Role::Gain))),
            Op::Add(a, b) | Op::Sub(a, b) => {
                used.extend([*a, *b].map(|x| (x, if rows(x) > 1 { Role::Position } else { Role::Bias })));
            }
            Op::Concat { parts, .. } => used.extend(parts.iter().map(|part| (*part, Role::Token))),
            _ => {}
        }
        for (operand, role) in used {
            if let Some(param) = of(operand) {
                let kernel = role == Role::Matrix && graph.params[param].file_shape.len() == 4;
                roles[param].get_or_insert(if kernel { Role::Kernel } else { role });
            }
        }
        origin.push(match &node.op {
            Op::Param(id) => Some(id.0 as usize),
            Op::Reshape(x) | Op::Transpose(x) | Op::Slice { x, .. } | Op::Gather { x, .. } => of(*x),
            _ => None,
        });
    }
    roles
}

/// Pseudo-random numbers by position: the SplitMix64 permutation of a key plus a counter.
struct Stream {
    key: u64,
    counter: u64,
}

impl Stream {
    fn new(seed: u64, name: &str) -> Self {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Self { key: mix(mix(seed) ^ hash), counter: 0 }
    }

    /// Uniform in (0, 1], a multiple of 2⁻⁵³.
    fn uniform(&mut self) -> f64 {
        self.counter += 1;
        let bits = mix(self.key.wrapping_add(self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    fn draw(&mut self, distribution: Distribution) -> f64 {
        match distribution {
            Distribution::Constant(value) => value,
            Distribution::Normal(deviation) => deviation * self.normal(),
            Distribution::Truncated(deviation) => loop {
                let value = self.normal();
                if value.abs() <= 2.0 {
                    return deviation * value;
                }
            },
        }
    }
}

/// The output permutation of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // First output of the published generator with state 0.
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let mut stream = Stream::new(7, "w");
        let mut moments = |distribution| {
            let n = 20_000;
            let draws: Vec<f64> = (0..n).map(|_| stream.draw(distribution)).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let variance = draws.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / f64::from(n);
            (mean, libm::sqrt(variance), draws.iter().fold(0.0, |m: f64, v| m.max(v.abs())))
        };
        let (mean, deviation, largest) = moments(Distribution::Normal(1.0));
        assert!(mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03 && largest > 3.0);
        let (mean, deviation, largest) = moments(Distribution::Truncated(1.0));
        // The deviation of a standard normal cut at ±2.
        assert!(mean.abs() < 0.03 && (deviation - 0.8796).abs() < 0.02 && largest <= 2.0);
    }
}
