//! The float evaluator: what every op of the typed graph means, in `f64`.
//!
//! Parts that only the model owner's weights reach are computed once per [`Evaluator`] and kept.
//! A value that is not finite, or a reciprocal of a negative number, is an error that names the node.

mod matrix;
mod operations;

use std::ops::Index;
use std::sync::Arc;

use mpcc_program::shown::shown;
use thiserror::Error;

use crate::graph::{Graph, NodeId, Op, ParamId, Shape, Visibility};

pub use operations::centre_factor;

/// A dense array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first.
    pub shape: Shape,
    /// Entries; as many as the product of the extents.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor of the given extents.
    ///
    /// # Panics
    /// If `data` does not fill `shape`.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "entries must fill the shape {shape:?}");
        Self { shape: Shape::from_slice(shape), data }
    }
}

/// Which nodes are to be computed.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Every node.
    All,
    /// These, and whatever they need.
    Only(&'a [NodeId]),
}

/// Why a graph has no value on the given inputs.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EvaluateError {
    /// Not as many inputs or parameters as the graph declares.
    #[error("{given} {what} were given where the model declares {declared}")]
    Count {
        /// `inputs` or `parameters`.
        what: &'static str,
        /// How many were given.
        given: usize,
        /// How many are declared.
        declared: usize,
    },
    /// A tensor of another shape than declared.
    #[error("`{}` has shape {given:?}; the model declares {declared:?}", shown(.name))]
    Shape {
        /// Name of the input or parameter.
        name: String,
        /// Shape given.
        given: Shape,
        /// Shape declared.
        declared: Shape,
    },
    /// A value overflowed or is not a number.
    #[error(
        "{node:?} ({}) has the value {value} at entry {entry}: check the weights and the input that reach it",
        shown(.path)
    )]
    NotFinite {
        /// The node.
        node: NodeId,
        /// Its path.
        path: String,
        /// `inf`, `-inf` or `NaN`.
        value: f64,
        /// Flat index of the entry.
        entry: usize,
    },
    /// A function outside its domain.
    #[error("{node:?} ({}) is given a value outside its domain at entry {entry}: {needs}", shown(.path))]
    Domain {
        /// The node.
        node: NodeId,
        /// Its path.
        path: String,
        /// Flat index of the entry.
        entry: usize,
        /// What it needs.
        needs: String,
    },
}

/// Values of nodes; those not computed are absent.
#[derive(Clone, Debug, Default)]
pub struct Values(Vec<Option<Arc<Tensor>>>);

impl Values {
    /// The value of `node`, if it was computed.
    pub fn value(&self, node: NodeId) -> Option<&Tensor> {
        self.0.get(node.0 as usize)?.as_deref()
    }

    /// All computed values in node order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Tensor)> {
        self.0.iter().enumerate().filter_map(|(n, v)| Some((NodeId(n as u32), v.as_deref()?)))
    }
}

impl Index<NodeId> for Values {
    type Output = Tensor;

    /// # Panics
    /// If `node` was not computed.
    fn index(&self, node: NodeId) -> &Tensor {
        self.value(node).expect("only nodes that were asked for have a value")
    }
}

/// A graph with its weights bound and everything that depends on them alone computed.
#[derive(Clone, Debug)]
pub struct Evaluator<'g> {
    graph: &'g Graph,
    kept: Values,
}

impl<'g> Evaluator<'g> {
    /// Binds `params`, in order of declaration and after their load-time reshapes, and computes every node
    /// that is public or known to the model owner.
    ///
    /// # Errors
    /// If a parameter is missing or has another shape, or a node has no finite value.
    pub fn new(graph: &'g Graph, params: &[Tensor]) -> Result<Self, EvaluateError> {
        check_params(graph, params)?;
        let mut evaluator = Self { graph, kept: Values(vec![None; graph.nodes.len()]) };
        let mut values = std::mem::take(&mut evaluator.kept);
        for (index, node) in graph.nodes.iter().enumerate() {
            if matches!(node.ty.visibility, Visibility::Public | Visibility::SecretServer)
                && !matches!(node.op, Op::Input(_))
                && node.op.operands().iter().all(|o| values.value(*o).is_some())
            {
                evaluator.compute(&mut values, index, &[], params)?;
            }
        }
        Ok(Self { kept: values, ..evaluator })
    }

    /// Binds no weights: only what does not depend on them can be asked for. This is how the data owner evaluates its
    /// part of a model.
    pub fn without_params(graph: &'g Graph) -> Self {
        Self { graph, kept: Values(vec![None; graph.nodes.len()]) }
    }

    /// Hands the values of the `wanted` nodes of weights and constants to `take`, in the graph's order. Weights and values
    /// are dropped when no later node needs them, so that a large model's floats are not in memory twice.
    ///
    /// # Errors
    /// As [`Evaluator::new`], or the first of `take`.
    pub fn for_each_server_value<E: From<EvaluateError>>(
        graph: &'g Graph,
        mut params: Vec<Tensor>,
        wanted: &[NodeId],
        mut take: impl FnMut(NodeId, &Tensor) -> Result<(), E>,
    ) -> Result<(), E> {
        check_params(graph, &params)?;
        let evaluator = Self::without_params(graph);
        let needed = evaluator.needed(Wanted::Only(wanted));
        let mut last_use = vec![0; graph.nodes.len()];
        let mut last_param = vec![0; params.len()];
        for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
            last_use[index] = index;
            node.op.operands().iter().for_each(|o| last_use[o.0 as usize] = index);
            if let Op::Param(ParamId(n)) = node.op {
                last_param[n as usize] = index;
            }
        }
        let mut dying: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
        (0..graph.nodes.len()).filter(|index| needed[*index]).for_each(|index| dying[last_use[index]].push(index));
        let mut values = evaluator.kept.clone();
        for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
            evaluator.compute(&mut values, index, &[], &params)?;
            if let Op::Param(ParamId(n)) = node.op
                && last_param[n as usize] == index
            {
                params[n as usize] = Tensor { shape: Shape::new(), data: Vec::new() };
            }
            let id = NodeId(index as u32);
            if let Some(value) = values.value(id).filter(|_| wanted.contains(&id)) {
                take(id, value)?;
            }
            dying[index].iter().for_each(|dead| values.0[*dead] = None);
        }
        Ok(())
    }

    /// What is known without an input: every node of weights and constants.
    pub fn server_values(&self) -> &Values {
        &self.kept
    }

    /// Evaluates the graph on one input.
    ///
    /// # Errors
    /// If an input is missing or has another shape, or a node has no finite value.
    pub fn run(&self, inputs: &[Tensor], wanted: Wanted<'_>) -> Result<Values, EvaluateError> {
        check_count("inputs", inputs.len(), self.graph.inputs.len())?;
        for (input, tensor) in self.graph.inputs.iter().zip(inputs) {
            check_shape(&input.name, tensor, &input.ty.shape)?;
        }
        let mut values = self.kept.clone();
        let needed = self.needed(wanted);
        for (index, needed) in needed.into_iter().enumerate() {
            if needed && values.0[index].is_none() {
                self.compute(&mut values, index, inputs, &[])?;
            }
        }
        Ok(values)
    }

    fn needed(&self, wanted: Wanted<'_>) -> Vec<bool> {
        let Wanted::Only(ids) = wanted else {
            return vec![true; self.graph.nodes.len()];
        };
        let mut needed = vec![false; self.graph.nodes.len()];
        for id in ids {
            needed[id.0 as usize] = true;
        }
        for (index, node) in self.graph.nodes.iter().enumerate().rev() {
            if needed[index] && self.kept.0[index].is_none() {
                for operand in node.op.operands() {
                    needed[operand.0 as usize] = true;
                }
            }
        }
        needed
    }

    fn compute(
        &self,
        values: &mut Values,
        index: usize,
        inputs: &[Tensor],
        params: &[Tensor],
    ) -> Result<(), EvaluateError> {
        let node = &self.graph.nodes[index];
        let id = NodeId(index as u32);
        let tensor = match &node.op {
            Op::Input(n) => inputs[*n as usize].clone(),
            Op::Param(ParamId(n)) => match params.get(*n as usize) {
                Some(tensor) => tensor.clone(),
                None => {
                    let (given, declared) = (params.len(), self.graph.params.len());
                    return Err(EvaluateError::Count { what: "parameters", given, declared });
                }
            },
            op => {
                let operand = |o: NodeId| &values[o];
                operations::apply(op, &node.ty.shape, operand).map_err(|entry| EvaluateError::Domain {
                    node: id,
                    path: node.path.clone(),
                    entry,
                    needs: domain(op),
                })?
            }
        };
        if let Some(entry) = tensor.data.iter().position(|v| !v.is_finite()) {
            let value = tensor.data[entry];
            return Err(EvaluateError::NotFinite { node: id, path: node.path.clone(), value, entry });
        }
        values.0[index] = Some(Arc::new(tensor));
        Ok(())
    }
}

fn check_params(graph: &Graph, params: &[Tensor]) -> Result<(), EvaluateError> {
    check_count("parameters", params.len(), graph.params.len())?;
    graph.params.iter().zip(params).try_for_each(|(param, tensor)| check_shape(&param.name, tensor, &param.shape))
}

fn domain(op: &Op) -> String {
    match op {
        Op::OneHot { extent, .. } => format!("positions are whole numbers from 0 to {}", extent - 1),
        Op::Recip(_) => "a divisor, the x of `recip(x)`, must not be negative: where it always is, write \
                         `-(a / -b)` for `a / b`, and where its sign varies, `a * b / square(b)`"
            .to_owned(),
        op => format!("the x of `{}(x)` must not be negative", crate::text::op_name(op)),
    }
}

/// Evaluates `graph` once; see [`Evaluator`] for many inputs.
///
/// # Errors
/// As [`Evaluator::new`] and [`Evaluator::run`].
pub fn evaluate(
    graph: &Graph,
    inputs: &[Tensor],
    params: &[Tensor],
    wanted: Wanted<'_>,
) -> Result<Values, EvaluateError> {
    Evaluator::new(graph, params)?.run(inputs, wanted)
}

/// Values of all public and server-secret nodes: what the model owner needs to encode its weights.
///
/// # Errors
/// As [`Evaluator::new`].
pub fn evaluate_server(graph: &Graph, params: &[Tensor]) -> Result<Values, EvaluateError> {
    Ok(Evaluator::new(graph, params)?.kept)
}

fn check_count(what: &'static str, given: usize, declared: usize) -> Result<(), EvaluateError> {
    if given == declared { Ok(()) } else { Err(EvaluateError::Count { what, given, declared }) }
}

fn check_shape(name: &str, tensor: &Tensor, declared: &Shape) -> Result<(), EvaluateError> {
    if tensor.shape == *declared && tensor.data.len() == declared.iter().product::<usize>() {
        return Ok(());
    }
    Err(EvaluateError::Shape { name: name.to_owned(), given: tensor.shape.clone(), declared: declared.clone() })
}
